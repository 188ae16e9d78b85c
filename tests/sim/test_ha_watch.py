"""The watch over HA pairs: each rule of ha.md, section 4, finds what breaks it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.desk import record_name
from actors.ha.link import HaSyncLink
from actors.ha.records import mate_owner
from actors.messages import Rekey
from peerkey.ha.copies import Copies
from peerkey.ha.leadership import Leadership
from peerkey.ha.messages import Beat, Entry, Inventory, Mark, Role, Version, encode
from peerkey.ha.records import Copy, decode_copy, encode_copy
from peerkey.ha.takeover import Takeover
from peerkey.ha.turns import Decision, Turns
from peerkey.ha.view import MateView
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.rotation import Rotation
from peerkey.protocol.state import decode_state, encode_state
from peerkey_cli.simulation import ha_watch
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.ha_copies import RecordCopies
from peerkey_cli.simulation.run import Beside
from peerkey_cli.simulation.watch import Finding
from tests.support.story import MINUTE, SECOND, at, play

ONE, TWO, BRANCH = "hub/node0", "hub/node1", "branch/node0"
AFTER = MINUTE

Change = Callable[[Copy], Copy | None]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert play("ha", 70 * MINUTE).finding is None


@pytest.mark.parametrize(
    ("went", "change"),
    [
        ("was lost", lambda _: None),
        ("went back", "the first"),
        ("was made up", lambda copy: Copy(copy.store_id, Version(9, 9), copy.content)),
        ("was made up", lambda copy: Copy(copy.store_id, copy.version, without_keys(copy.content))),
        ("was made up", "another's"),
    ],
    ids=["lost", "older", "another version", "another content", "another owner's"],
)
def test_a_copy_that_is_not_a_later_state_of_the_owners_record_is_found(
    went: str, change: Change | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = copies_seen(monkeypatch)

    async def changed(fleet: Fleet) -> None:
        await at(AFTER)
        own = stored_copy(fleet, TWO, ONE)
        if change == "the first":
            copy: Copy | None = seen[0]
        elif change == "another's":
            copy = stored_copy(fleet, ONE, TWO)
        else:
            assert not isinstance(change, str)
            copy = change(own)
        name = record_name(fleet.sites[BRANCH].uuid)
        records = fleet.ha_watch._halves[ONE].records  # noqa: SLF001 - a disk is shown to it that is not there
        records.copied(name, None if copy is None else encode_copy(copy))

    found = planted(changed)

    assert found.nodes == (TWO,)
    assert found.what == f"1: the copy of {ONE}'s peering:877f77b2-2c5c-4316-b266-f24a7a44668e {went}"


def test_a_turn_to_rekey_that_both_nodes_have_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "ours", True)

    found = planted()

    assert found.what.startswith("7: the turn to rekey is this node's and that of hub/node")


def test_a_decision_about_the_turn_that_is_made_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "_decide", lambda self, *_, **__: (Decision(1, 1, self._local), None))

    found = planted()

    assert found.what == "7: decision (1, 1) about the turn to rekey was made twice"


def test_an_acknowledgement_of_what_is_not_durable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Copies, "stored", lambda _self, _write: None)
    monkeypatch.setattr(Copies, "settled", True)
    monkeypatch.setattr(Copies, "to_acknowledge", lambda self: self._number or None)

    assert "is acknowledged before it is durable" in planted().what


def test_an_inventory_of_what_was_never_durable_is_found() -> None:
    async def boasts(fleet: Fleet) -> None:
        await at(AFTER)
        name = record_name(fleet.sites[BRANCH].uuid)
        entry = Entry(name, Mark(Version(1, 99), bytes(16)))
        ha = fleet.sites[ONE].base.ha
        assert ha is not None
        fleet.ha_watch.sent(ha.local, 1, encode(Inventory((entry,), last=True)))

    found = planted(boasts)

    assert found.nodes == (ONE,)
    assert found.what.startswith("1: an inventory lists hub/node1's peering:")


def test_a_key_in_use_that_the_mate_lacks_without_an_alarm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MateView, "holds", lambda _self, _name, _key_id: True)

    async def loses(fleet: Fleet) -> None:
        await at(AFTER)
        fleet.sync.lets_through = lambda _, frame: len(frame) < 300
        await fleet.sites[ONE].ask(Rekey())
        await at(3 * AFTER)

    found = planted(loses)

    assert found.nodes == (ONE,)
    assert found.what in {
        "2: hub/node1 does not hold key 2, and no alarm says so",
        "2: a key is in use before hub/node1, to which there is a link, holds it",
    }


def test_a_successor_that_does_not_wait_for_the_mate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rotation, "_mate_is_ready", lambda _self, _now: True)

    found = planted(records_are_lost)

    assert found.nodes == (ONE,)
    assert found.what == "2: a key is in use before hub/node1, to which there is a link, holds it"


def test_a_successor_that_has_waited_to_the_end_is_not() -> None:
    assert play("ha", 4 * MINUTE, beside=records_are_lost).finding is None


def test_a_key_that_crosses_the_link_in_the_clear_is_found() -> None:
    async def told(fleet: Fleet) -> None:
        await at(AFTER)
        state, ha = fleet.sites[ONE].stored(fleet.sites[BRANCH].uuid), fleet.sites[ONE].base.ha
        assert state is not None
        assert state.ring.current is not None
        assert ha is not None
        fleet.ha_watch.sent(ha.local, 1, b"x" + state.ring.current.peer_key.reveal())

    assert planted(told).what == "3: a key crosses the HA link in the clear"


def test_a_term_that_goes_back_is_found() -> None:
    async def back(fleet: Fleet) -> None:
        await at(AFTER)
        site = fleet.sites[ONE]
        actor = link(fleet, ONE)
        await actor._records.keep_term(0)  # noqa: SLF001 - a disk that forgets
        assert site.machine.disk.acknowledged.read(mate_owner(fleet.sites[TWO].uuid), "term") is not None

    assert planted(back).what.startswith("5: the term went back from")


def test_two_leaders_of_one_term_are_found() -> None:
    async def both(fleet: Fleet) -> None:
        await at(AFTER)
        one, two = (link(fleet, node).machine.leadership for node in (ONE, TWO))
        assert [one.role, two.role] == [Role.LEADER, Role.REDUNDANT]
        two.role = Role.LEADER
        site = fleet.sites[TWO]
        site.turn(f"{site.actor_name}/ha-sync")

    assert planted(both).what.startswith("5: two nodes lead under term")


def test_a_term_that_is_used_before_it_is_stored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Leadership.heard

    def hasty(self: Leadership, beat: Beat, now: timedelta) -> object:
        if self.role is Role.LEADER:
            self.term += 2
        return heard(self, beat, now)

    monkeypatch.setattr(Leadership, "heard", hasty)

    assert "which is not stored" in planted().what


def test_a_silent_mate_that_is_not_taken_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Takeover, "tick", lambda _self, _now: [])
    monkeypatch.setattr(Takeover, "deadline", lambda _self: None)

    async def dies(fleet: Fleet) -> None:
        await at(AFTER)
        async with fleet.sites[TWO].held_off():
            await at(2 * AFTER)

    found = planted(dies)

    assert found.nodes == (ONE,)
    assert found.what.startswith("6: hub/node1 has been silent for")
    assert found.at < AFTER + 4 * SECOND


def test_two_that_seal_under_one_key_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ha_watch, "seal_key", lambda key, _uuid, _epoch: key.peer_key
    )  # Neither who seals nor its epoch is in it.

    async def dies(fleet: Fleet) -> None:
        await at(AFTER)
        async with fleet.sites[TWO].held_off():
            await at(2 * AFTER)

    assert planted(dies).what == "6: two that seal have one key"


def test_a_copy_that_is_not_the_record_in_the_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # The watch is shown no copy at all, so that to it none has ever arrived.
    monkeypatch.setattr(RecordCopies, "copied", lambda _self, _name, _stored: None)
    monkeypatch.setattr(RecordCopies, "acknowledged", lambda _self, _channel, _number: None)
    monkeypatch.setattr(RecordCopies, "listed", lambda _self, _inventory: None)
    monkeypatch.setattr(RecordCopies, "has", lambda _self, _name, _key_id: True)

    outcome = play("ha", MINUTE)

    assert outcome.finding is not None
    assert outcome.finding.invariant == 4
    assert "is not the record" in outcome.finding.what


# --- helpers --------------------------------------------------------------------------------------


async def records_are_lost(fleet: Fleet) -> None:
    """Let both hear each other, and no record arrive; then replace a key."""
    await at(AFTER)
    fleet.sync.lets_through = lambda _, frame: len(frame) < 300
    await fleet.sites[ONE].ask(Rekey())
    await at(3 * AFTER)
    fleet.sync.lets_through = lambda _sender, _frame: True
    fleet.sync.cut()
    fleet.sync.mend()


def planted(beside: Beside | None = None) -> Finding:
    finding = play("ha", 4 * MINUTE, beside=beside).finding
    assert finding is not None, "nothing was found"
    return finding


def link(fleet: Fleet, node: str) -> HaSyncLink:
    site = fleet.sites[node]
    assert site.system is not None
    actor = site.system.instance(f"{site.actor_name}/ha-sync")
    assert isinstance(actor, HaSyncLink)
    return actor


def stored_copy(fleet: Fleet, node: str, owner: str) -> Copy:
    """Return what a node has stored of its mate's only record."""
    site = fleet.sites[node]
    found = site.durable(mate_owner(fleet.sites[owner].uuid), f"copy:{record_name(fleet.sites[BRANCH].uuid)}")
    assert found is not None
    return decode_copy(found[1])


def without_keys(content: bytes) -> bytes:
    return encode_state(replace(decode_state(content), ring=KeyRing()))


def copies_seen(monkeypatch: pytest.MonkeyPatch) -> list[Copy]:
    """Return a list of all copies of the first node's record that will have been stored."""
    seen: list[Copy] = []
    copied = RecordCopies.copied

    def noting(self: RecordCopies, name: str, stored: bytes | None) -> None:
        if self._owner == ONE and stored is not None:
            seen.append(decode_copy(stored))
        copied(self, name, stored)

    monkeypatch.setattr(RecordCopies, "copied", noting)
    return seen
