"""Configurations to spoil: a small one that is right, and ways to make it wrong."""

from __future__ import annotations

from textwrap import indent

from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.config.load import load
from peerkey.config.models import Authority

HUB_UUID = "6f0c9d1e-5b7a-4c2d-8e3f-0a1b2c3d4e5f"
BRANCH_UUID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
FOREIGN_UUID = "0d5a5f0b-3a52-4f0f-b3a1-5a2f3a8c7e11"

HUB = f"""\
  router:
    - name: hub
      peer-validation: true
      node:
        - name: node0
          uuid: {HUB_UUID}
          network-interface:
            - {{name: wan0, address: 10.0.0.1}}
            - {{name: wan1, address: 10.1.0.1, port: 4000, mtu: 1500}}
      peer:
        - name: branch
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
            - {{node: node0, network-interface: wan1, peer-node: node0, peer-network-interface: wan1}}
"""
BRANCH = f"""\
    - name: branch
      peer-validation: true
      node:
        - name: node0
          uuid: {BRANCH_UUID}
          network-interface:
            - {{name: wan0, address: 10.0.0.2}}
            - {{name: wan1, address: 10.1.0.2, port: 4001, mtu: 1400}}
      peer:
        - name: hub
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-network-interface: wan0}}
            - {{node: node0, network-interface: wan1, peer-node: node0, peer-network-interface: wan1}}
"""
HEAD = """\
authority:
  name: example
  enhanced-security-key-management: true
  trusted-ca-certificate: [{name: root, file: ca.pem}]
"""

#: Two routers, two paths, no fault and no warning.
TEXT = HEAD + HUB + BRANCH

#: A path to a router that is in another file.
FOREIGN = f"""\
        - name: partner
          peering-common-name: partner-1
          node: [{{name: node0, uuid: {FOREIGN_UUID}}}]
          path:
            - {{node: node0, network-interface: wan0, peer-node: node0, peer-address: 192.0.2.7}}
"""


def edited(*edits: tuple[str, str], text: str = TEXT) -> str:
    """Return ``text`` with the first occurrence of each old piece replaced by the new one."""
    for old, new in edits:
        assert old in text, f"{old!r} is not in the sample"
        text = text.replace(old, new, 1)
    return text


def with_policy(lines: str) -> str:
    """Return the sample with ``lines`` in its security-key-management."""
    return edited((HUB, f"  security-key-management:\n{indent(lines, '    ')}\n{HUB}"))


def with_top(lines: str) -> str:
    """Return the sample with ``lines`` in its authority."""
    return edited((HUB, f"{indent(lines, '  ')}\n{HUB}"))


def authority(text: str = TEXT) -> Authority:
    """Return the authority of a text without faults."""
    return load(text, "a.yaml").authority


def faults_of(text: str) -> tuple[Finding, ...]:
    """Return the faults of a text; none if it is right."""
    try:
        load(text, "a.yaml")
    except ConfigurationFaults as wrong:
        return wrong.faults
    return ()


def fault_of(text: str) -> Finding:
    """Return the only fault of a text."""
    faults = faults_of(text)
    assert len(faults) == 1, "\n".join(map(str, faults)) or "no fault"
    return faults[0]


def warnings_of(text: str) -> tuple[Finding, ...]:
    """Return the warnings of a text without faults."""
    return load(text, "a.yaml").warnings
