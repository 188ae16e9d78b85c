"""The watch: whatever is wrong between two nodes is found and named, and what is right is left alone.

Each test plants one violation in a fleet that is otherwise well: in the memory of a machine, on a disk, on
the wire, in the code. ``tests/sim/mutants`` has more of the last kind.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.messages import AnswerFrame, Rekey
from actors.peer_path import DUE_TIMER, PeerPath
from peerkey.protocol import rotation
from peerkey.protocol.constants import Kind
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.messages import KeyConfirm, encode_body
from peerkey.protocol.path import PathState
from peerkey.protocol.peering import Peering
from peerkey.protocol.segments import FRAME_ID_BYTES, cut
from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet, Site
from peerkey_cli.simulation.run import Beside
from peerkey_cli.simulation.watch import Finding, Injected, Watch
from runtime.wire.port import Address
from tests.support.story import BEGINS, EAST, MINUTE, SECOND, WEST, at, fault, play, told

AFTER = MINUTE
PORT = 1280
BOTH = (EAST, WEST)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    outcome = play("pair", timedelta(hours=2))

    assert outcome.finding is None
    assert outcome.steps > 500


def test_keys_in_memory_that_are_not_the_stored_ones_are_found() -> None:
    async def corrupted(fleet: Fleet) -> None:
        await at(AFTER)
        core = peering(fleet, EAST)._core  # noqa: SLF001 - memory is corrupted
        core.state = replace(core.state, ring=KeyRing())
        look(fleet, EAST)

    found = planted(corrupted)

    assert (found.invariant, found.nodes, found.at) == (7, BOTH, AFTER)
    assert found.what == "east/node0 holds no key in memory and has stored current 1"


def test_a_key_that_is_gone_from_memory_and_disk_is_missed() -> None:
    async def erased(fleet: Fleet) -> None:
        await at(AFTER)
        # Power fails, and the disk is another one. Nobody tells the watch, so to it keys are just gone.
        site = fleet.sites[EAST]
        site.kill(power=True)
        site.machine.replace_disk()
        look(fleet, EAST)
        await site.boot()

    found = planted(erased)

    assert (found.invariant, found.what) == (3, "east/node0 lost its current key 1")
    assert found.at == AFTER


def test_a_frame_that_nobody_sent_and_that_moves_a_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(self: Watch, site: Site, receiver: str, message: object) -> None:
        """What leaves is not seen, so that whatever arrives is a forgery with a good signature."""

    monkeypatch.setattr(Watch, "handed", unseen)

    found = planted()

    assert found.invariant == 6
    assert "is not the peer's and changed" in found.what


def test_a_forgery_that_is_refused_is_no_finding() -> None:
    async def forged(fleet: Fleet) -> None:
        await at(AFTER)
        east, west = fleet.sites[EAST], fleet.sites[WEST]
        before = await dropped(fleet)
        body = encode_body(KeyConfirm(bytes(48), bytes(48), bytes(32)))
        forgery = Frame(Kind.KEY_CONFIRM, west.uuid.bytes, east.uuid.bytes, body, b"no signature")
        (local,), (remote,) = east.addresses, west.addresses
        for datagram in cut(forgery.encode(), bytes(FRAME_ID_BYTES), 1200, never_answer=False):
            fleet.network.inject(Address(local, PORT), Address(remote, PORT), datagram)
        await at(AFTER + SECOND)
        assert await dropped(fleet) > before, "it did not arrive"

    assert play("pair", 2 * MINUTE, beside=forged).finding is None


def test_a_frame_that_leaves_before_what_it_presupposes_is_stored_is_found() -> None:
    async def hurried(fleet: Fleet) -> None:
        await at(AFTER)
        site = fleet.sites[EAST]
        (path,) = paths(fleet, EAST)
        body = encode_body(KeyConfirm(bytes(48), bytes(48), bytes(32)))
        peer = fleet.sites[WEST].uuid
        frame = Frame(Kind.KEY_CONFIRM, site.uuid.bytes, peer.bytes, body, b"a signature")
        site.handed(path, AnswerFrame(frame))

    found = planted(hurried)

    assert found.invariant == 7
    assert found.what.startswith("east/node0 sends Frame(")
    assert found.what.endswith("before it has stored what that presupposes")


def test_a_datagram_that_shows_a_key_is_found() -> None:
    async def told(fleet: Fleet) -> None:
        await at(AFTER)
        stored = fleet.sites[EAST].stored(fleet.sites[WEST].uuid)
        assert stored is not None
        assert stored.ring.current is not None
        (one,), (other,) = fleet.sites[EAST].addresses, fleet.sites[WEST].addresses
        shown = b"x" + stored.ring.current.probe.reveal()
        fleet.network.carry(Address(one, PORT), Address(other, PORT), shown)

    found = planted(told)

    assert (found.invariant, found.what) == (2, "a datagram carries key material of key 1")


def test_a_key_that_is_in_use_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "ACTIVATION_DELAY", SECOND)

    found = planted(rekey)

    assert found.invariant == 0
    assert found.what.startswith("key 2 is in use 1")
    assert found.what.endswith("s after it was accepted")


def test_a_key_that_is_erased_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "ERASURE_DELAY", SECOND)

    found = planted(rekey)

    assert found.invariant == 1
    assert "erased" in found.what


def test_a_path_that_lost_its_timer_is_found() -> None:
    async def forgets(fleet: Fleet) -> None:
        await at(AFTER)
        (name,) = paths(fleet, EAST)
        system = fleet.sites[EAST].system
        assert system is not None
        path = system.instance(name)
        assert isinstance(path, PeerPath)
        assert path.machine.state is PathState.INVALID
        path.ctx.cancel_timer(DUE_TIMER)
        look(fleet, EAST)

    cut = fault(BEGINS, FaultKind.PARTITION, EAST, timedelta(hours=1), peer=WEST)
    outcome = play("pair", 2 * MINUTE, cut, beside=forgets)

    assert outcome.finding == Finding(4, "east/node0 has an invalid path that never tries again", BOTH, AFTER)


def test_a_crash_that_no_fault_explains_is_found() -> None:
    async def mistaken(fleet: Fleet) -> None:
        await at(AFTER)
        crash(fleet, ZeroDivisionError())

    found = planted(mistaken)

    assert found.invariant == 0
    assert found.what == "authority/east.node0 crashed: ZeroDivisionError"
    assert found.nodes == (EAST,)


def test_a_crash_that_a_fault_explains_is_none() -> None:
    async def injected(fleet: Fleet) -> None:
        await at(AFTER)
        crash(fleet, Injected())

    outcome = play("pair", 3 * MINUTE, beside=injected)

    assert outcome.finding is None
    assert outcome.deaths["Crashed"] == 1


def test_a_task_that_fails_is_a_mistake_of_the_simulation_itself() -> None:
    async def mistaken(_fleet: Fleet) -> None:
        await at(AFTER)
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await at(2 * AFTER)

    assert planted(mistaken).what == (
        "a mistake in the simulation itself: ZeroDivisionError('division by zero')"
    )


def test_a_fleet_that_does_not_come_to_rest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(self: Site) -> None:
        """An operator who cannot put the certificate right."""

    async def spoilt(fleet: Fleet) -> None:
        await at(AFTER)
        fleet.sites[EAST].certify(SECOND)
        monkeypatch.setattr(Site, "certify", deaf)

    outcome = play("pair", 2 * MINUTE, beside=spoilt)

    assert outcome.finding is not None
    assert outcome.finding.invariant == 4
    assert "after everything was put right" in outcome.finding.what
    assert outcome.settled_in is None
    assert outcome.trace


def test_only_the_first_finding_counts() -> None:
    async def twice(fleet: Fleet) -> None:
        await at(AFTER)
        fleet.watch.fail(1, "the cause", EAST)
        fleet.watch.fail(2, "the consequence", WEST)

    assert planted(twice) == Finding(1, "the cause", (EAST,), AFTER)


# --- helpers --------------------------------------------------------------------------------------


async def rekey(fleet: Fleet) -> None:
    await at(AFTER)
    await fleet.sites[EAST].ask(Rekey())
    await at(3 * AFTER)


def planted(beside: Beside | None = None) -> Finding:
    """Return what is found in the authority ``pair`` when this happens beside it."""
    finding = play("pair", 3 * MINUTE, beside=beside).finding
    assert finding is not None, "nothing was found"
    return finding


def peering(fleet: Fleet, node: str) -> Peering:
    """Return the machine of the only peering of a node."""
    actor = fleet.sites[node].actor
    assert actor is not None
    (desk,) = actor.desks.values()
    return desk.peering


def paths(fleet: Fleet, node: str) -> list[str]:
    """Return the names of the actors of the paths of a node."""
    site = fleet.sites[node]
    assert site.system is not None
    return [info.name for info in site.system.actors() if info.name.startswith(f"{site.actor_name}/")]


def look(fleet: Fleet, node: str) -> None:
    """Let the watch look at a node, as after any step of it."""
    fleet.watch.touched_all(fleet.sites[node])
    fleet.watch.look()


async def dropped(fleet: Fleet) -> int:
    """Return how many frames have changed nothing at one end."""
    (peer,) = (await told(fleet, EAST)).peers
    return sum(number for _, number in peer.dropped)


def crash(fleet: Fleet, error: Exception) -> None:
    site = fleet.sites[EAST]
    assert site.system is not None
    site.system.crash(site.system.ref(site.actor_name), error)
