"""A small fleet within the test's own process: real actors, real time, a store and a direct wire."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from actors.authority import Authority
from actors.crl.index import RevocationPorts
from actors.deployed import Deployed
from actors.journal import MemoryJournal
from actors.keystores.file import FileKeyStore
from actors.messages import GetFleet, NodeStatus, PeerStatus, Rekey, Reload
from actors.router_node import Ports
from peerkey.config.plan import (
    CertificateSource,
    Endpoint,
    InvalidCertificateBehavior,
    NodePlan,
    PathPlan,
    PeeringPlan,
    Policy,
    ValidationMode,
)
from peerkey.errors import PeerkeyError
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.testing.ca import Issued, TestCA
from runtime.backends.local import LocalSystem
from runtime.ref import Ref
from runtime.store.memory import MemoryStore
from runtime.store.port import Store
from runtime.wire.direct import DirectWire
from runtime.wire.port import Wire

SECOND = timedelta(seconds=1)


@dataclass
class Fleet:
    """Some routers, each with one node, every one a peer of every other over some paths."""

    folder: Path
    routers: int = 2
    paths: int = 1
    algorithm: str = "ml-kem-768"
    fail_hard: bool = False
    store: Store = field(default_factory=MemoryStore)
    wire: Wire = field(default_factory=DirectWire)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    revocation: Revocation = field(default_factory=NoRevocation)
    plans: list[NodePlan] = field(default_factory=list)
    #: With these the fleet has a CRL manager, and knows what that knows.
    lists: RevocationPorts | None = None
    #: With this, settings that need a restart wait for one.
    deployed: Deployed | None = None

    def __post_init__(self) -> None:
        self.read_plans: Callable[[], tuple[NodePlan, ...]] = lambda: tuple(self.plans)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.ca = TestCA(now=self.now)
        self.keystore = FileKeyStore(self.folder / "sealing.key")
        (self.folder / "ca.pem").write_bytes(self.ca.root.certificate.public_bytes(Encoding.PEM))
        self.issued: dict[int, Issued] = {}
        for number in range(self.routers):
            self.certify(number, self.ca.issue(uuid(number)))
        self.plans = [self.plan(number) for number in range(self.routers)]

    # --- running ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self.system: LocalSystem = await self._stack.enter_async_context(
            LocalSystem(speakable=(PeerkeyError,))
        )
        ports = Ports(
            store=self.store,
            wire=self.wire,
            keystore=self.keystore,
            read_file=lambda path: Path(path).read_bytes(),
            entropy=secrets.token_bytes,
            journal=self.journal,
            revocation=self.revocation,
        )
        self.authority: Ref = self.system.spawn(
            lambda: Authority(self.read_plans, ports, revocation=self.lists, deployed=self.deployed),
            "authority",
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def status(self) -> tuple[NodeStatus, ...]:
        return await self.authority.ask(GetFleet(), 5 * SECOND)

    async def peer(self, number: int, other: int) -> PeerStatus:
        """Return what one router says of another."""
        fleet = await self.status()
        return next(peer for peer in fleet[number].peers if peer.uuid == str(uuid(other)))

    async def rekey(self) -> int:
        return await self.authority.ask(Rekey(), 5 * SECOND)

    async def reload(self) -> tuple[str, ...]:
        return await self.authority.ask(Reload(), 5 * SECOND)

    async def keyed(self) -> bool:
        fleet = await self.status()
        peers = [peer for node in fleet for peer in node.peers]
        return len(fleet) == len(self.plans) and all(
            peer.security.key_index is not None
            and len(peer.paths) == self.paths
            and all(path.state == "in-service" for path in peer.paths)
            for peer in peers
        )

    def node(self, number: int) -> Ref:
        """Return the actor of one router's node."""
        return self.system.ref(f"authority/r{number}.node0")

    def events(self, kind: str, node: int | None = None) -> list[dict[str, object]]:
        """Return the details of the events of one type, of one router or of all."""
        return [
            entry.event.detail()
            for entry in self.journal.recent()
            if kind == entry.event.TYPE and node in {None, int(entry.node[1 : entry.node.index("/")])}
        ]

    # --- what is configured -----------------------------------------------------------------------

    def certify(self, number: int, issued: Issued) -> None:
        """Put a certificate and its key where a router's configuration expects them."""
        self.issued[number] = issued
        (self.folder / f"r{number}.pem").write_bytes(issued.pem)
        key = self.folder / f"r{number}.key"
        key.touch(mode=0o600)
        key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def plan(self, number: int) -> NodePlan:
        """Return one router's plan as the fields of this fleet say."""
        policy = Policy(
            rekey_interval=timedelta(hours=24),
            retransmit_interval=5 * SECOND,
            timeout=10 * SECOND,
            probe_interval=None,
            invalid_certificate_behavior=(
                InvalidCertificateBehavior.FAIL_HARD
                if self.fail_hard
                else InvalidCertificateBehavior.FAIL_SOFT
            ),
            revocation_check_interval=None,
        )
        others = [other for other in range(self.routers) if other != number]
        return NodePlan(
            authority="test",
            router=f"r{number}",
            node="node0",
            uuid=uuid(number),
            alias=None,
            enabled=True,
            peer_validation=True,
            priority=0,
            certificate=_file("own", self.folder / f"r{number}.pem"),
            key_file=str(self.folder / f"r{number}.key"),
            trusted=(_file("root", self.folder / "ca.pem"),),
            revocation=(),
            interfaces=(),
            peerings=tuple(self._peering(number, other) for other in others),
            policy=policy,
        )

    def change(self, number: int, **changes: object) -> None:
        """Change one router's plan; :meth:`reload` takes it up."""
        self.plans[number] = replace(self.plans[number], **changes)  # type: ignore[arg-type]

    def _peering(self, number: int, other: int) -> PeeringPlan:
        return PeeringPlan(
            peer_router=f"r{other}",
            peer_node="node0",
            peer_uuid=uuid(other),
            alias=None,
            algorithm_name=self.algorithm,
            local_priority=0,
            peer_priority=0,
            paths=tuple(
                PathPlan(
                    name=f"wan{path}>r{other}/node0@10.{path}.0.{other + 1}:1280",
                    interface=f"wan{path}",
                    local=Endpoint(f"10.{path}.0.{number + 1}", 1280),
                    peer=Endpoint(f"10.{path}.0.{other + 1}", 1280),
                    mtu=1500,
                )
                for path in range(self.paths)
            ),
        )


def uuid(number: int) -> UUID:
    """Return the UUID of a router's node."""
    return UUID(int=(number + 1) << 96)


def _file(name: str, path: Path) -> CertificateSource:
    return CertificateSource(name, str(path), None, ValidationMode.STRICT)


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 90.0) -> None:
    """Wait until something holds that the actors bring about in their own time."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - nobody tells a test what actors do in their own time
            await asyncio.sleep(0.02)
