"""Two routers on loopback, in one file or in a file each, on ports that are free now."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.testing.ca import Issued, TestCA

UUIDS = {"east": UUID(int=1 << 96), "west": UUID(int=2 << 96)}


@dataclass(frozen=True)
class TwoRouters:
    """Certificates in one folder, and the configurations that name them."""

    folder: Path
    ca: TestCA
    ports: dict[str, int]

    @property
    def file(self) -> Path:
        """The authority of both routers."""
        return self.write("both")

    def write(self, name: str, *routers: str, **settings: object) -> Path:
        """Write a configuration of these routers, of both if none is named; return its file."""
        chosen = routers or ("east", "west")
        document = {
            "authority": {
                "name": "test",
                "enhanced-security-key-management": True,
                "security-key-management": {
                    "peer-key-retransmit-interval": 5,
                    "peer-key-timeout": 10,
                    "key-exchange-algorithm": "ml-kem",
                    **settings,
                },
                "trusted-ca-certificate": [{"name": "root", "file": "ca.pem"}],
                "router": [self._router(each, alone=len(chosen) == 1) for each in chosen],
            }
        }
        file = self.folder / f"{name}.yaml"
        file.write_text(json.dumps(document, indent=2))
        return file

    def certify(self, router: str, issued: Issued) -> None:
        """Put a certificate and its key where the router's configuration expects them."""
        (self.folder / f"{router}.pem").write_bytes(issued.pem)
        key = self.folder / f"{router}.key"
        key.touch(mode=0o600)
        key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _router(self, name: str, *, alone: bool) -> dict[str, Any]:
        other = "west" if name == "east" else "east"
        path: dict[str, Any] = {"node": "node0", "network-interface": "wan0", "peer-node": "node0"}
        peer: dict[str, Any] = {"name": other, "path": [path]}
        if alone:
            peer["node"] = [{"name": "node0", "uuid": str(UUIDS[other])}]
            path |= {"peer-address": "127.0.0.1", "peer-port": self.ports[other]}
        else:
            path["peer-network-interface"] = "wan0"
        interface = {"name": "wan0", "address": "127.0.0.1", "port": self.ports[name]}
        return {
            "name": name,
            "peer-validation": True,
            "node": [
                {
                    "name": "node0",
                    "uuid": str(UUIDS[name]),
                    "client-certificate": {"name": "base", "file": f"{name}.pem"},
                    "private-key": {"file": f"{name}.key"},
                    "network-interface": [interface],
                }
            ],
            "peer": [peer],
        }


def two_routers(folder: Path) -> TwoRouters:
    """Make a CA and certificates in ``folder``, for routers on free ports."""
    ca = TestCA(now=datetime.now(UTC).replace(microsecond=0))
    routers = TwoRouters(folder, ca, dict(zip(UUIDS, free_ports(len(UUIDS)), strict=True)))
    (folder / "ca.pem").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    for name, uuid in UUIDS.items():
        routers.certify(name, ca.issue(uuid))
    return routers


def free_ports(number: int) -> list[int]:
    """Return UDP ports of the loopback address that nobody uses at this moment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
