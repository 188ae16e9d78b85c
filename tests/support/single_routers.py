"""Configurations of single routers that peer with each other, as two operators would write them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.protocol.suites import Algorithm
from peerkey.testing.ca import Issued, TestCA


@dataclass(frozen=True)
class Settings:
    """What one router's file says. Intervals are the shortest that are allowed."""

    name: str
    uuid: UUID
    address: str
    peer_name: str
    peer_uuid: UUID
    peer_address: str
    algorithm: str = "ml-kem-768"
    retransmit_seconds: int = 5
    timeout_seconds: int = 10
    fail_hard: bool = False
    peer_validation: bool = True
    enabled: bool = True
    mtu: int = 1280

    def but(self, **changes: Any) -> Settings:  # noqa: ANN401 - any of the fields
        """Return the settings with some changed."""
        return replace(self, **changes)

    def write(self, folder: Path) -> Path:
        """Write the configuration beside its certificates; YAML is a superset of JSON."""
        algorithm = Algorithm.parse(self.algorithm)
        exchange: dict[str, object] = {"key-exchange-algorithm": algorithm.exchange.value}
        if algorithm.dh_bits:
            exchange["diffie-hellman"] = {"diffie-hellman-key-size": algorithm.dh_bits}
        if algorithm.kem_size:
            exchange["ml-kem"] = {"ml-kem-key-size": algorithm.kem_size}
        document = {
            "authority": {
                "name": "test",
                "enhanced-security-key-management": self.enabled,
                "security-key-management": {
                    "peer-key-retransmit-interval": self.retransmit_seconds,
                    "peer-key-timeout": self.timeout_seconds,
                    "invalid-certificate-behavior": "fail-hard" if self.fail_hard else "fail-soft",
                    **exchange,
                },
                "trusted-ca-certificate": [{"name": "root", "file": "ca.pem"}],
                "router": [
                    {
                        "name": self.name,
                        "peer-validation": self.peer_validation,
                        "node": [
                            {
                                "name": "node0",
                                "uuid": str(self.uuid),
                                "client-certificate": {"name": self.name, "file": f"{self.name}.pem"},
                                "private-key": {"file": f"{self.name}.key"},
                                "network-interface": [
                                    {"name": "wan", "address": self.address, "port": 1280, "mtu": self.mtu}
                                ],
                            }
                        ],
                        "peer": [
                            {
                                "name": self.peer_name,
                                "node": [{"name": "node0", "uuid": str(self.peer_uuid)}],
                                "path": [
                                    {
                                        "node": "node0",
                                        "network-interface": "wan",
                                        "peer-node": "node0",
                                        "peer-address": self.peer_address,
                                        "peer-port": 1280,
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        }
        file = folder / f"{self.name}.yaml"
        file.write_text(json.dumps(document, indent=2))
        return file


def write_certificate(folder: Path, name: str, issued: Issued) -> None:
    """Write a node's certificate and key where its configuration expects them."""
    (folder / f"{name}.pem").write_bytes(issued.pem)
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_trust(folder: Path, *authorities: TestCA) -> None:
    """Write the trusted certificates of both routers."""
    (folder / "ca.pem").write_bytes(
        b"".join(authority.root.certificate.public_bytes(Encoding.PEM) for authority in authorities)
    )


def two_routers(
    folder: Path,
    left: str,
    right: str,
    *,
    now: datetime,
    **changes: Any,  # noqa: ANN401 - any of the settings
) -> tuple[TestCA, Settings, Settings]:
    """Write certificates for two routers at these addresses; return their CA and their settings."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = TestCA(now=now)
    east, west = UUID(int=1 << 96), UUID(int=2 << 96)
    first = Settings("east", east, left, "west", west, right, **changes)
    second = Settings("west", west, right, "east", east, left, **changes)
    write_trust(folder, authority)
    for settings in (first, second):
        write_certificate(folder, settings.name, authority.issue(settings.uuid))
    return authority, first, second
