"""Reloading: what moves, what comes back, and what nothing old may reach."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from actors.messages import ReleasePin
from peerkey.config.plan import Endpoint
from peerkey.protocol.state import decode_state
from peerkey.protocol.suites.diffie_hellman import DiffieHellmanAgreement
from runtime.store.memory import MemoryStore
from tests.support.fleet import SECOND, Fleet, eventually, uuid


async def test_a_peering_that_is_removed_and_added_again_never_meets_the_step_of_its_former_self(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    computing_now = threading.Event()
    gate.set()
    answer = DiffieHellmanAgreement.answer

    def slowly(self: DiffieHellmanAgreement, offer: object) -> object:
        if not gate.is_set():
            computing_now.set()
        gate.wait(20)
        return answer(self, offer)  # type: ignore[arg-type]

    monkeypatch.setattr(DiffieHellmanAgreement, "answer", slowly)
    async with Fleet(tmp_path, algorithm="diffie-hellman-4096") as fleet:
        await eventually(fleet.keyed)
        ((_, _, removed),) = (await fleet.peer(0, 1)).security.keys
        plans = list(fleet.plans)
        gate.clear()
        await fleet.rekey()

        async def computing() -> bool:
            return computing_now.is_set()

        await eventually(computing)
        for number in range(2):
            fleet.change(number, peerings=())
        await fleet.reload()
        fleet.plans = plans
        await fleet.reload()
        gate.set()

        async def keyed_anew() -> bool:
            keys = await keys_of(fleet, 0, 1)
            return await fleet.keyed() and bool(keys) and keys[-1][2] != removed

        await eventually(keyed_anew)
        for number in range(2):
            (record,) = await fleet.store.scan(f"node:{uuid(number)}")
            assert removed not in {key.key_id.hex() for _, key in decode_state(record.value).ring}
        assert not crashes(fleet)


async def test_what_is_stored_of_a_peer_that_is_not_configured_any_more_is_deleted_at_start(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    fleet = Fleet(tmp_path, routers=3, store=store)
    async with fleet:
        await eventually(fleet.keyed)
        ((_, _, removed),) = (await fleet.peer(0, 2)).security.keys
    full = fleet.plans[0].peerings
    fleet.change(0, peerings=full[:1])
    async with fleet:

        async def deleted() -> bool:
            return len(await store.scan(f"node:{uuid(0)}")) == 1

        await eventually(deleted)
        fleet.change(0, peerings=full)
        await fleet.reload()

        async def opened() -> bool:
            return len(await store.scan(f"node:{uuid(0)}")) == 2

        await eventually(opened)
        assert removed not in {key_id for _, _, key_id in await keys_of(fleet, 0, 2)}
        assert not crashes(fleet)


async def test_a_peer_that_was_replaced_under_the_same_addresses_is_keyed_without_a_crash(
    tmp_path: Path,
) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        successor = UUID(int=99 << 96)
        fleet.certify(1, fleet.ca.issue(successor))
        (peering,) = fleet.plans[0].peerings
        fleet.change(0, peerings=(replace(peering, peer_uuid=successor),))
        fleet.change(1, uuid=successor)
        await fleet.reload()

        async def replaced() -> bool:
            (node, other) = await fleet.status()
            (peer,) = node.peers
            return other.uuid == peer.uuid == str(successor) and await fleet.keyed()

        await eventually(replaced)
        assert len(await fleet.store.scan(f"node:{successor}")) == 1
        assert not crashes(fleet)


async def test_a_router_that_is_removed_and_added_again_at_once_starts_when_its_former_self_has_ended(
    tmp_path: Path,
) -> None:
    store = SlowStore()
    async with Fleet(tmp_path, store=store) as fleet:
        await eventually(fleet.keyed)
        store.delay = 0.2
        await fleet.rekey()
        plans = list(fleet.plans)
        fleet.plans = plans[:1]
        await fleet.reload()
        fleet.plans = plans
        await fleet.reload()
        store.delay = 0.0
        await eventually(fleet.keyed)
        assert not crashes(fleet)


async def test_a_changed_local_address_moves_the_path_and_a_changed_mtu_is_shown(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        for number, other in ((0, 1), (1, 0)):
            (peering,) = fleet.plans[number].peerings
            (path,) = peering.paths
            moved = Endpoint("10.0.0.77", 1280)
            changed = replace(path, local=moved) if number == 0 else replace(path, peer=moved, mtu=1400)
            fleet.change(number, peerings=(replace(peering, paths=(changed,)),))
            assert uuid(other) == peering.peer_uuid
        await fleet.reload()

        async def moved_over() -> bool:
            shown = [(await fleet.peer(*pair)).paths for pair in ((0, 1), (1, 0))]
            if not all(shown):
                return False
            (here,), (there,) = shown
            return (here.local, there.remote, there.mtu, here.state, there.state) == (
                "10.0.0.77:1280",
                "10.0.0.77:1280",
                1400,
                "in-service",
                "in-service",
            )

        await eventually(moved_over)
        (peering,) = fleet.plans[1].peerings
        fleet.change(1, peerings=(replace(peering, paths=(replace(peering.paths[0], mtu=1300),)),))
        await fleet.reload()

        async def shown() -> bool:
            (path,) = (await fleet.peer(1, 0)).paths
            return path.mtu == 1300

        await eventually(shown)
        assert not crashes(fleet)


async def test_an_operator_can_release_a_pin_by_the_name_of_the_peer(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        assert await fleet.authority.ask(ReleasePin("nobody"), 5 * SECOND) == 0
        assert await fleet.authority.ask(ReleasePin("r1/node0"), 5 * SECOND) == 1

        async def shown_again() -> bool:
            accepted = fleet.events("system.peer_certificate_validation", 0)
            return len(accepted) == 2 and await fleet.keyed()

        await eventually(shown_again)


async def keys_of(fleet: Fleet, number: int, other: int) -> tuple[tuple[str, int, str], ...]:
    """Return the keys that one router shows of another, none where it knows no such peer yet."""
    peers = (await fleet.status())[number].peers
    return next((peer.security.keys for peer in peers if peer.uuid == str(uuid(other))), ())


def crashes(fleet: Fleet) -> dict[str, str | None]:
    return {actor.name: actor.last_error for actor in fleet.system.actors() if actor.crashes}


class SlowStore(MemoryStore):
    """A store whose writes take their time."""

    delay = 0.0

    async def commit(self, owner: str, epoch: int, changes: object) -> tuple[int, ...]:
        await asyncio.sleep(self.delay)
        return await super().commit(owner, epoch, changes)  # type: ignore[arg-type]
