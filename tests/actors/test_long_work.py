"""A node leaves its event loop free: what is dear runs elsewhere, and what is much is done in portions."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from actors.certificate_watch import WatchDue
from actors.desk import Desk
from actors.keystores.file import KEYS_REMEMBERED, FileKeyStore
from actors.messages import GetStatus
from actors.node_status import DESCRIBED_AT_ONCE
from actors.router_node import PEERINGS_AT_ONCE, RouterNode
from peerkey.pki.certificate import parse_chain_untrusted
from tests.support.fleet import SECOND, Fleet, eventually, uuid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.protocol.suites import Signer
    from peerkey.secret import Secret

#: More than are described in two messages.
PEERS = 2 * DESCRIBED_AT_ONCE + 1


async def test_no_dear_signature_and_no_certificate_of_a_peer_is_computed_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads()
    read = threads.noting("reads", parse_chain_untrusted)
    monkeypatch.setattr("peerkey.protocol.authentication.parse_chain_untrusted", read)
    fleet = Fleet(tmp_path, routers=3)
    fleet.keystore = DearKeys(fleet.keystore, threads)  # type: ignore[assignment]
    async with fleet:
        await eventually(fleet.keyed)
        await fleet.rekey()
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()
        fleet.system.crash(fleet.node(1), RuntimeError("a test"))

        async def replaced() -> bool:
            return len(fleet.events("system.peer_certificate_validation")) >= 8 and await fleet.keyed()

        await eventually(replaced)
    assert threads.elsewhere["signs"] > 6
    assert threads.elsewhere["reads"] > 6
    assert not threads.on_the_loop


async def test_what_concerns_every_peering_is_done_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    fleet = Fleet(tmp_path, routers=2 * PEERINGS_AT_ONCE)
    async with fleet:
        await eventually(fleet.keyed)
        steps.most.clear()
        fleet.node(0).tell(WatchDue())
        await fleet.reload()
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()

        async def told() -> bool:
            accepted = fleet.events("system.peer_certificate_validation")
            return len(accepted) >= fleet.routers**2 - 1

        await eventually(told)
        assert [actor.name for actor in fleet.system.actors() if actor.crashes] == []
    assert steps.most["Loaded"] == PEERINGS_AT_ONCE
    assert steps.most["Onward"] > 0
    assert max(steps.most.values()) == PEERINGS_AT_ONCE


async def test_a_node_with_many_peerings_is_described_whole_to_everybody_who_asks(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, routers=2)
    fleet.plans[0] = replace(fleet.plans[0], peerings=tuple(fleet._peering(0, 1 + n) for n in range(PEERS)))  # noqa: SLF001
    async with fleet:
        await fleet.status()
        answers = await asyncio.gather(*(fleet.node(0).ask(GetStatus(), 5 * SECOND) for _ in range(3)))
    for answer in answers:
        assert [peer.uuid for peer in answer.peers] == [str(uuid(1 + number)) for number in range(PEERS)]


async def test_a_reload_while_another_is_being_carried_out_is_not_lost(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, routers=PEERINGS_AT_ONCE + 3)
    async with fleet:
        await eventually(fleet.keyed)
        last = PEERINGS_AT_ONCE + 2
        plans = list(fleet.plans)
        for number in range(last):
            without = tuple(peer for peer in plans[number].peerings if peer.peer_uuid != uuid(last))
            fleet.change(number, peerings=without)
        await fleet.reload()
        fleet.plans = plans
        await fleet.reload()
        await fleet.reload()

        async def whole() -> bool:
            fleets = await fleet.status()
            return all(len(node.peers) == last for node in fleets) and await fleet.keyed()

        await eventually(whole)


def test_a_key_is_loaded_again_only_when_its_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = Counter[str]()

    def counted(content: bytes, password: None) -> object:
        loads["key"] += 1
        return load_pem_private_key(content, password)

    monkeypatch.setattr("actors.keystores.file.load_pem_private_key", counted)
    fleet = Fleet(tmp_path)
    keys = FileKeyStore(tmp_path / "none")
    mine = str(tmp_path / "r0.key")
    first = keys.signer(mine)
    assert keys.signer(mine) == first
    assert loads["key"] == 1
    fleet.certify(0, fleet.ca.issue(uuid(0)))
    assert keys.signer(mine) != first
    assert loads["key"] == 2
    for _ in range(KEYS_REMEMBERED + 1):
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        keys.signer(mine)
    assert len(keys._loaded) <= KEYS_REMEMBERED  # noqa: SLF001 - the bound is nobody else's


@dataclass
class Threads:
    """What was done on the thread of the event loop, and what was not."""

    loop: int = field(default_factory=threading.get_ident)
    on_the_loop: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)

    def noting(self, what: str, function: Callable[..., object]) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            where = self.on_the_loop if threading.get_ident() == self.loop else self.elsewhere
            where[what] += 1
            return function(*arguments)

        return noted


@dataclass
class DearKeys:
    """A key store whose keys take long to sign."""

    inner: FileKeyStore
    threads: Threads

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        signer, public_key = self.inner.signer(name)
        return DearSigner(signer.scheme, self.threads.noting("signs", signer.sign)), public_key

    def sealing_key(self) -> Secret:
        return self.inner.sealing_key()


class DearSigner:
    """Signs, and says that this takes long."""

    heavy = True

    def __init__(self, scheme: str, sign: Callable[..., object]) -> None:
        self.scheme = scheme
        self._sign = sign

    def sign(self, data: bytes) -> bytes:
        signature = self._sign(data)
        assert isinstance(signature, bytes)
        return signature


class Steps:
    """The most steps of peerings that one message of each type has begun, at any node."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most: Counter[str] = Counter()
        begun = [0]
        run, receive = Desk.run, RouterNode.receive

        def counted(desk: Desk, *arguments: object, **options: object) -> None:
            begun[0] += 1
            run(desk, *arguments, **options)  # type: ignore[arg-type]

        def noted(node: RouterNode, message: object) -> None:
            begun[0] = 0
            receive(node, message)
            name = type(message).__name__
            self.most[name] = max(self.most[name], begun[0])

        monkeypatch.setattr(Desk, "run", counted)
        monkeypatch.setattr(RouterNode, "receive", noted)
