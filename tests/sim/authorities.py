"""Small authorities to simulate: each shape that peerings, paths and settings come in."""

from __future__ import annotations

from functools import cache
from typing import Final

from peerkey.config.load import load
from peerkey.config.plan import NodePlan
from peerkey.config.planning import plans

#: Two routers, one path; the shortest intervals, so that hours are enough.
PAIR: Final = """
authority:
  name: pair
  enhanced-security-key-management: true
  security-key-management:
    peer-key-rekey-interval: 1
    peer-key-retransmit-interval: 5
    peer-key-timeout: 30
    invalid-certificate-behavior: fail-soft
    key-exchange-algorithm: ml-kem
  trusted-ca-certificate: [{name: root, file: ca.pem}]
  router:
    - name: east
      peer-validation: true
      node:
        - name: node0
          uuid: d66887a3-a556-4782-952b-f8818ec8d8bc
          client-certificate: {name: base, file: east.pem}
          private-key: {file: east.key}
          network-interface: [{name: wan0, address: 10.0.0.1}]
      peer:
        - name: west
          path:
            - {node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}
    - name: west
      peer-validation: true
      node:
        - name: node0
          uuid: 877f77b2-2c5c-4316-b266-f24a7a44668e
          client-certificate: {name: base, file: west.pem}
          private-key: {file: west.key}
          network-interface: [{name: wan0, address: 10.0.0.2}]
      peer:
        - name: east
          path:
            - {node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}
"""

_TRIANGLE_ROUTER: Final = """
    - name: r{number}
      peer-validation: {validated}
      node:
        - name: node0
          uuid: {number}0000000-0000-4000-8000-000000000001
          client-certificate: {{name: base, file: r{number}.pem}}
          private-key: {{file: r{number}.key}}
          network-interface:
            - {{name: wan0, address: 10.0.0.{number}}}
            - {{name: wan1, address: "fd00::{number}"}}
      peer:"""

_TRIANGLE_PEER: Final = """
        - name: r{peer}
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
            - {{node: node0, network-interface: wan1, peer-node: node0, peer-network-interface: wan1}}"""


def triangle(*, behavior: str, algorithm: str, validated: bool, probing: int) -> str:
    """Return three routers that are all peers of each other, over IPv4 and IPv6."""
    text = f"""
authority:
  name: triangle
  enhanced-security-key-management: true
  security-key-management:
    peer-key-rekey-interval: 1
    peer-key-retransmit-interval: 10
    peer-key-timeout: 60
    path-probe-interval: {probing}
    invalid-certificate-behavior: {behavior}
    key-exchange-algorithm: {algorithm}
  trusted-ca-certificate: [{{name: root, file: ca.pem}}]
  router:"""
    for number in (1, 2, 3):
        text += _TRIANGLE_ROUTER.format(number=number, validated=str(validated).lower())
        text += "".join(_TRIANGLE_PEER.format(peer=peer) for peer in (1, 2, 3) if peer != number)
    return text


#: SSH keys of the two ends of an HA link, and of a stranger.
HA_KEYS: Final = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD",
)

#: A router of two nodes, and a branch with a path to each.
HA: Final = f"""
authority:
  name: ha
  enhanced-security-key-management: true
  security-key-management:
    peer-key-rekey-interval: 1
    peer-key-retransmit-interval: 5
    peer-key-timeout: 30
    key-exchange-algorithm: ml-kem
  trusted-ca-certificate: [{{name: root, file: ca.pem}}]
  router:
    - name: hub
      peer-validation: true
      node:
        - name: node0
          uuid: d66887a3-a556-4782-952b-f8818ec8d8bc
          network-interface: [{{name: wan0, address: 10.0.0.1}}]
          ha-sync: {{address: 10.9.0.1, public-key: {HA_KEYS[0]}}}
        - name: node1
          uuid: e66887a3-a556-4782-952b-f8818ec8d8bc
          network-interface: [{{name: wan0, address: 10.0.0.2}}]
          ha-sync: {{address: 10.9.0.2, public-key: {HA_KEYS[1]}}}
      peer:
        - name: branch
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
            - {{node: node1, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
    - name: branch
      peer-validation: true
      node:
        - name: node0
          uuid: 877f77b2-2c5c-4316-b266-f24a7a44668e
          network-interface: [{{name: wan0, address: 10.0.0.3}}]
      peer:
        - name: hub
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
            - {{node: node0, network-interface: wan0, peer-node: node1, peer-network-interface: wan0}}
"""

#: What seeds take turns with.
AUTHORITIES: Final = {
    "pair": PAIR,
    "hard": triangle(behavior="fail-hard", algorithm="diffie-hellman-ml-kem", validated=True, probing=0),
    "probed": triangle(behavior="fail-soft", algorithm="diffie-hellman", validated=True, probing=30),
    "pinned": triangle(behavior="fail-hard", algorithm="ml-kem", validated=False, probing=0),
}

#: The authority of a few seeds more: which of the others a seed takes does not change with it.
PAIRED: Final = {"ha": HA}


@cache
def planned(name: str) -> tuple[NodePlan, ...]:
    """Return the plans of the authority of that name."""
    return tuple(plans(load((AUTHORITIES | PAIRED)[name], f"{name}.yaml").authority, "/etc/peerkey"))
