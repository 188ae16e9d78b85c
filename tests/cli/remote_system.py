"""Two routers that run with their admin API at an address of TCP, and what a client needs to ask them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.testing.ca import TestCA
from peerkey_cli.api.rates import Rate
from peerkey_cli.api.remote import RemoteSettings
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import add_token
from peerkey_cli.api.visitors import Allowances
from tests.cli.background import Background, in_background
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.ports import free_port

#: What a test that does not ask for it is never told to wait for.
_ALWAYS = Rate(burst=1_000_000, interval=timedelta(milliseconds=1))
UNLIMITED = Allowances(requests=_ALWAYS, refusals=_ALWAYS, records=_ALWAYS)


#: What every answer that is no holds.
PROBLEM_KEYS = {"type", "title", "status", "detail", "error", "faults"}


@dataclass
class RemoteSystem:
    """The system, and one token of each role in a file of its own."""

    routers: TwoRouters
    system: Background
    settings: RemoteSettings
    files: dict[str, Path]

    @property
    def ca(self) -> Path:
        """Who vouches for the certificate of the API."""
        return self.routers.folder / "ca.pem"

    def token(self, role: str) -> str:
        """Return a token."""
        return self.files[role].read_text().strip()

    def changes(self) -> list[str]:
        """Return the types of the events that requests have caused, but for refusals."""
        kinds = [entry.event.TYPE for entry in self.system.running.journal.recent()]
        return [kind for kind in kinds if kind.startswith(("system.", "api.token", "configuration."))]

    def http(self, role: str | None = "write", **headers: str) -> httpx.Client:
        """Return a client with the token of a role, or with none."""
        if role is not None:
            headers["Authorization"] = f"Bearer {self.token(role)}"
        context = ssl.create_default_context(cafile=self.ca)
        return httpx.Client(
            base_url=self.settings.url, verify=context, headers=headers, trust_env=False, timeout=30
        )

    def connect(self, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLSocket:
        """Return a connection with TLS and nothing said."""
        context = ssl.create_default_context(cafile=self.ca)
        context.maximum_version = newest
        raw = socket.create_connection(self.settings.address, timeout=30)
        return context.wrap_socket(raw, server_hostname="127.0.0.1")

    def options(self, role: str = "write") -> list[str]:
        """Return the words of a command line that lead here."""
        return [
            "--api", self.settings.url, "--api-token-file", str(self.files[role]), "--api-ca", str(self.ca)
        ]  # fmt: skip


def certify_api(folder: Path, ca: TestCA, address: str = "127.0.0.1") -> None:
    """Put a certificate for the API and its key into ``folder``."""
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address)), x509.DNSName("hub.example")])
    issued = ca.issue(UUIDS["east"], uris=(), more=[(names, False)])
    key = folder / "api.key"
    key.touch(mode=0o600)
    key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "api.pem").write_bytes(issued.pem)


@contextmanager
def remote_system(
    folder: Path,
    allowances: Allowances = UNLIMITED,
    routers: tuple[str, ...] = ("east", "west"),
    more: Callable[[TwoRouters], Mapping[str, object]] = lambda _: {},
) -> Iterator[RemoteSystem]:
    """Run these routers with their API at a free port while the block lasts; ``more`` is configured too."""
    made = two_routers(folder)
    certify_api(folder, made.ca)
    files = {}
    for role in Role:
        files[role.value] = folder / f"{role.value}.token"
        files[role.value].touch(mode=0o600)
        token = add_token(folder / "tokens", f"{role.value}er", role, datetime.now(UTC))
        files[role.value].write_bytes(token.reveal() + b"\n")
    address = ("127.0.0.1", free_port())
    settings = RemoteSettings(address, folder / "api.pem", folder / "api.key", folder / "tokens", allowances)
    with in_background(made.write("both", *routers, **more(made)), folder / "state", settings) as system:
        yield RemoteSystem(made, system, settings, files)
