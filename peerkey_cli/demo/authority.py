"""A throw-away authority: every router a peer of every other, over as many paths as asked for.

All of it lies in one directory, as an operator would have it: the CA's files and the nodes' in ``pki/``, the
configuration beside them, the state in ``state/``. Each path has a network interface of its own, which is a
free UDP port of the loopback address.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.identity import PeerIdentity
from peerkey.pki.laboratory import Validity, revocation_list
from peerkey.protocol.suites import Algorithm
from peerkey_cli.key_types import KeyType
from peerkey_cli.laboratory import directory as laboratory
from peerkey_cli.laboratory.fleet import issue_for_fleet
from peerkey_cli.laboratory.writing import PUBLIC, write
from peerkey_cli.plans import PlansReader
from peerkey_cli.state import StateDirectory

#: Where everything of a demonstration listens.
ADDRESS: Final = "127.0.0.1"
_CA_NAME: Final = "peerkey demonstration"
_LIFETIME: Final = timedelta(days=90)
_LIST_LASTS: Final = timedelta(days=1)
_KEY: Final = KeyType.EC_P256


@dataclass(frozen=True, slots=True)
class DemoAuthority:
    """What was laid out."""

    folder: Path
    routers: int
    paths: int

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "authority.yaml"

    @property
    def state(self) -> StateDirectory:
        """Where the system keeps its state."""
        return StateDirectory(self.folder / "state")

    @property
    def peerings(self) -> int:
        """How many peerings there are."""
        return self.routers * (self.routers - 1) // 2

    def revocation_list(self, number: int, *nodes: str) -> bytes:
        """Return the CA's revocation list of this number, in DER: it names the certificates of ``nodes``."""
        now = datetime.now(UTC).replace(microsecond=0)
        plans = PlansReader(self.file, list(nodes))() if nodes else ()
        shown = (
            x509.load_pem_x509_certificates(Path(plan.certificate.file or "").read_bytes()) for plan in plans
        )
        issuer = laboratory.opened(self.folder / "pki").issuer
        made = revocation_list(
            issuer, [chain[0].serial_number for chain in shown], number, Validity(now, now + _LIST_LASTS)
        )
        return made.public_bytes(Encoding.DER)

    def replace_certificate(self, node: str, lifetime: timedelta) -> datetime:
        """Give a node a new key and a certificate that ends after ``lifetime``; return when that is.

        A running system takes it up when it reloads.
        """
        plan = next(plan for plan in PlansReader(self.file, [node])())
        issued = laboratory.opened(self.folder / "pki").issue(
            PeerIdentity(plan.uuid),
            _KEY,
            Path(plan.certificate.file or ""),
            Path(plan.key_file),
            not_after=datetime.now(UTC).replace(microsecond=0) + lifetime,
            force=True,
        )
        return issued.not_after


def lay_out(
    folder: Path, *, routers: int, paths: int, algorithm: Algorithm, crl: str = "", fail_hard: bool = False
) -> DemoAuthority:
    """Make an authority of ``routers`` routers in ``folder``, which must not hold one yet.

    ``crl`` is the URL where its CA's revocation list will be, if it is to publish any.

    :raises Misconfigured: ``folder`` holds an authority, or cannot be written to.
    """
    authority = DemoAuthority(folder, routers, paths)
    settings = settings_of(algorithm, fail_hard=fail_hard)
    if crl:
        settings["certificate-revocation"] = [{"url": crl, "polling-interval": 1, "backoff-interval": 1}]
    establish(authority.file, settings | {"router": _routers(routers, paths)})
    return authority


def establish(file: Path, authority: dict[str, Any]) -> None:
    """Write a configuration to ``file``, with a CA and a certificate for each of its nodes beside it.

    :raises Misconfigured: there is a CA or a configuration, or its directory cannot be written to.
    """
    folder = file.parent
    laboratory.init(folder / "pki", _CA_NAME, _KEY, lifetime=_LIFETIME)
    text = yaml.safe_dump({"authority": authority}, sort_keys=False, width=100)
    write(file, f"# Written by `peerkey demo`.\n{text}".encode(), PUBLIC, force=False)
    issue_for_fleet(
        laboratory.opened(folder / "pki"),
        PlansReader(file)(),
        _KEY,
        not_after=datetime.now(UTC).replace(microsecond=0) + _LIFETIME - timedelta(days=1),
        force=False,
    )


def settings_of(algorithm: Algorithm, *, fail_hard: bool = False) -> dict[str, Any]:
    """Return what an authority of a demonstration says besides its routers."""
    management: dict[str, Any] = {
        "peer-key-retransmit-interval": 5,
        "peer-key-timeout": 10,
        "invalid-certificate-behavior": "fail-hard" if fail_hard else "fail-soft",
        "key-exchange-algorithm": algorithm.exchange.value,
    }
    if algorithm.dh_bits:
        management["diffie-hellman"] = {"diffie-hellman-key-size": algorithm.dh_bits}
    if algorithm.kem_size:
        management["ml-kem"] = {"ml-kem-key-size": algorithm.kem_size}
    return {
        "name": "demo",
        "enhanced-security-key-management": True,
        "security-key-management": management,
        "trusted-ca-certificate": [{"name": "demonstration", "file": "pki/ca.pem"}],
    }


def _routers(routers: int, paths: int) -> list[dict[str, Any]]:
    names = [f"router{number}" for number in range(1, routers + 1)]
    peers: dict[str, list[str]] = {name: [] for name in names}
    for name, other in permutations(names, 2):
        peers[name].append(other)
    # Between two routers each path has an interface at either end, which other peers share.
    ports = iter(free_ports(routers * paths))
    return [
        {
            "name": name,
            "peer-validation": True,
            "node": [node_of(name, "node0", [next(ports) for _ in range(paths)])],
            "peer": [peer_of(peer, [("node0", "node0")], paths) for peer in peers[name]],
        }
        for name in names
    ]


def node_of(router: str, node: str, ports: list[int]) -> dict[str, Any]:
    """Return a node with an interface ``wan…`` for each of these ports."""
    return {
        "name": node,
        "uuid": str(uuid4()),
        "client-certificate": {"name": "base", "file": f"pki/{router}-{node}.pem"},
        "private-key": {"file": f"pki/{router}-{node}.key"},
        "network-interface": [
            {"name": f"wan{place}", "address": ADDRESS, "port": port, "mtu": 1_500}
            for place, port in enumerate(ports)
        ],
    }


def peer_of(router: str, ways: list[tuple[str, str]], paths: int) -> dict[str, Any]:
    """Return a peer with so many paths for each of these ways, from a node here to a node there."""
    return {
        "name": router,
        "path": [
            {
                "node": here,
                "network-interface": f"wan{path}",
                "peer-node": there,
                "peer-network-interface": f"wan{path}",
            }
            for here, there in ways
            for path in range(paths)
        ],
    }


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> list[int]:
    """Return so many different ports of the loopback address, of UDP unless said, that nobody uses now."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
            taken.bind((ADDRESS, 0))
            ports.append(int(taken.getsockname()[1]))
        return ports
