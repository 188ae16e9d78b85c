"""The actors together, on the local backend: keyed, crashed, reloaded, refused."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from actors.messages import FrameArrived
from peerkey.protocol.frame import Frame
from peerkey.protocol.state import decode_state
from runtime.errors import StaleEpoch, StoreUnavailable
from runtime.store.memory import MemoryStore
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore
from tests.support.fleet import Fleet, eventually, uuid


async def test_every_peering_of_a_fleet_is_keyed_with_one_key_for_all_its_paths(tmp_path: Path) -> None:
    async with Fleet(tmp_path, routers=3, paths=2) as fleet:
        await eventually(fleet.keyed)
        for number, other in ((0, 1), (0, 2), (1, 2)):
            here, there = await fleet.peer(number, other), await fleet.peer(other, number)
            assert here.security.keys == there.security.keys
        assert not [alarm for node in await fleet.status() for alarm in node.alarms]


async def test_neither_the_store_nor_what_is_shown_holds_a_key(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    inner = await SqliteStore.open(file)
    key = bytes(range(32))
    store = SealedStore(inner, AesGcmSealer(key, secrets.token_bytes))
    async with Fleet(tmp_path, store=store) as fleet:
        await eventually(fleet.keyed)
        shown = repr(await fleet.status()) + repr([entry.document() for entry in fleet.journal.recent()])
        (record,) = await store.scan(f"node:{uuid(0)}")
    state = decode_state(record.value)
    await store.close()
    current = state.ring.current
    assert current is not None
    on_disk = contents(tmp_path, "store.sqlite*")
    for kept in (current.peer_key, current.probe, current.confirm_initiator, current.confirm_responder):
        assert kept.reveal() not in on_disk
        assert kept.reveal().hex() not in shown
        assert repr(kept.reveal()) not in shown


async def test_a_node_that_crashes_goes_on_with_the_same_key_and_its_peer_does_not_rekey(
    tmp_path: Path,
) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        before = (await fleet.peer(0, 1)).security.keys
        fleet.system.crash(fleet.node(0), RuntimeError("a test"))

        async def restarted() -> bool:
            return any(actor.crashes for actor in fleet.system.actors()) and await fleet.keyed()

        await eventually(restarted)
        assert (await fleet.peer(0, 1)).security.keys == before
        assert (await fleet.peer(1, 0)).security.keys == before
        assert len(fleet.events("key.accepted")) == 2


async def test_keys_are_there_after_the_whole_process_has_ended(tmp_path: Path) -> None:
    store = MemoryStore()
    async with Fleet(tmp_path, store=store) as fleet:
        await eventually(fleet.keyed)
        before = (await fleet.peer(0, 1)).security.keys
    async with Fleet(tmp_path, store=store) as fleet:
        fleet.plans = [fleet.plan(number) for number in range(2)]
        await eventually(fleet.keyed)
        keys = (await fleet.peer(0, 1)).security.keys
        assert before[0] in keys or any(role == "previous" for role, _, _ in keys)


async def test_a_write_that_fails_ends_the_incarnation_and_nothing_that_waited_leaves(tmp_path: Path) -> None:
    store = FailingStore()
    async with Fleet(tmp_path, store=store) as fleet:
        await eventually(fleet.keyed)
        store.failing = True
        await fleet.rekey()

        async def crashed() -> bool:
            return any(actor.crashes for actor in fleet.system.actors())

        await eventually(crashed)
        assert len(fleet.events("key.accepted")) == 2, "a key was accepted that was never stored"
        store.failing = False
        await eventually(fleet.keyed)
        await fleet.rekey()

        async def rekeyed() -> bool:
            return len(fleet.events("key.accepted")) >= 4

        await eventually(rekeyed)


async def test_a_stale_incarnation_can_change_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    async with Fleet(tmp_path, store=store) as fleet:
        await eventually(fleet.keyed)
        owner = f"node:{uuid(0)}"
        (record,) = await store.scan(owner)
        epoch = await store.activate(owner)
        with pytest.raises(StaleEpoch):
            await store.write(owner, epoch - 1, record.name, b"old", record.version)
        # The running node is the stale one now: its next write is refused, it ends, and takes a newer epoch.
        await fleet.rekey()

        async def took_over() -> bool:
            return any(actor.crashes for actor in fleet.system.actors()) and await fleet.keyed()

        await eventually(took_over)
        assert await store.activate(owner) > epoch + 1


async def test_reload_with_another_algorithm_restarts_the_key_exchange_only(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        fleet.algorithm = "diffie-hellman-2048"
        fleet.plans = [fleet.plan(number) for number in range(2)]
        assert await fleet.reload() == ("r0/node0", "r1/node0")

        async def changed() -> bool:
            return all(
                any(
                    detail["algorithm"] == "diffie-hellman-2048"
                    for detail in fleet.events("key.accepted", node)
                )
                for node in range(2)
            )

        await eventually(changed)
        assert len(fleet.events("system.peer_certificate_validation")) == 2
        assert not fleet.events("path.down")


async def test_a_peer_that_is_no_longer_configured_loses_its_paths_keys_and_record(tmp_path: Path) -> None:
    store = MemoryStore()
    async with Fleet(tmp_path, routers=3, store=store) as fleet:
        await eventually(fleet.keyed)
        kept = (await fleet.peer(0, 1)).security.keys
        fleet.change(0, peerings=fleet.plans[0].peerings[:1])
        await fleet.reload()

        async def forgotten() -> bool:
            return len(await store.scan(f"node:{uuid(0)}")) == 1

        await eventually(forgotten)
        (node, *_) = await fleet.status()
        assert [peer.uuid for peer in node.peers] == [str(uuid(1))]
        assert (await fleet.peer(0, 1)).security.keys == kept


async def test_a_replaced_certificate_is_announced_and_the_key_in_use_stays_until_its_successor(
    tmp_path: Path,
) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()

        async def rekeyed() -> bool:
            return len(fleet.events("key.accepted")) == 4

        await eventually(rekeyed)
        assert (await fleet.peer(1, 0)).security.key_index == 1, "the successor waits thirty seconds"
        assert not fleet.events("path.down")


@pytest.mark.parametrize("fail_hard", [False, True])
async def test_a_certificate_that_expires_raises_the_alarm_and_under_fail_hard_removes_the_peering(
    tmp_path: Path, *, fail_hard: bool
) -> None:
    fleet = Fleet(tmp_path, fail_hard=fail_hard)
    fleet.certify(0, fleet.ca.issue(uuid(0), not_after=fleet.now + timedelta(seconds=4)))
    async with fleet:
        await eventually(fleet.keyed)

        async def alarmed() -> bool:
            texts = [alarm.message for node in await fleet.status() for alarm in node.alarms]
            own = any("certificates are expired: `r0/node0`" in text for text in texts)
            return own and any("Peer `r0/node0` certificate is invalid: `expired`" in text for text in texts)

        await eventually(alarmed)
        keys = (await fleet.peer(1, 0)).security.keys
        assert bool(keys) is not fail_hard
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()
        await eventually(fleet.keyed)


async def test_a_node_without_a_certificate_says_so_and_recovers_when_there_is_one(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    (tmp_path / "r0.pem").unlink()
    async with fleet:

        async def alarmed() -> bool:
            node = (await fleet.status())[0]
            return any("without a valid signed certificate" in alarm.message for alarm in node.alarms)

        await eventually(alarmed)
        fleet.certify(0, fleet.ca.issue(uuid(0)))
        await fleet.reload()
        await eventually(fleet.keyed)


async def test_one_heavy_agreement_delays_no_other_peer_and_keeps_its_order(tmp_path: Path) -> None:
    async with Fleet(tmp_path, routers=3, algorithm="diffie-hellman-4096-ml-kem-1024") as fleet:
        await eventually(fleet.keyed)
        await fleet.rekey()

        async def rekeyed() -> bool:
            return len(fleet.events("key.accepted")) == 12

        await eventually(rekeyed)


async def test_frames_of_nobody_change_nothing_but_a_counter(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet:
        await eventually(fleet.keyed)
        before = (await fleet.peer(0, 1)).security
        path = fleet.plans[0].peerings[0].paths[0].name
        for kind in range(1, 20):
            frame = Frame(kind, uuid(1).bytes, uuid(0).bytes, b"\x90", b"no proof")
            fleet.node(0).tell(FrameArrived(uuid(1), path, frame))
            fleet.node(0).tell(FrameArrived(uuid(2), path, frame))

        async def counted() -> bool:
            return dict((await fleet.peer(0, 1)).dropped).get("malformed", 0) >= 19

        await eventually(counted)
        after = (await fleet.peer(0, 1)).security
        assert after.keys == before.keys
        assert not any(actor.crashes for actor in fleet.system.actors())


def contents(folder: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(pattern))


class FailingStore(MemoryStore):
    """A store whose disk can be full."""

    failing = False

    async def commit(self, owner: str, epoch: int, changes: object) -> tuple[int, ...]:
        await asyncio.sleep(0)
        if self.failing:
            raise StoreUnavailable("the disk is full")
        return await super().commit(owner, epoch, changes)  # type: ignore[arg-type]
