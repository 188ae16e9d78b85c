"""Steps K6, K7 and R: activation, erasure, probes, rekeying."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from peerkey.observe.events import HaKeyNotReplicated
from peerkey.protocol.constants import Kind
from peerkey.protocol.effects import Count, ProbeAnswered, SendOn
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import Probe, decode_body_untrusted
from peerkey.protocol.path import PathState
from peerkey.protocol.rotation import path_id
from peerkey.protocol.schedule import mac
from peerkey.testing.pair import START, End, Options, Pair
from tests.protocol.wires import Wire, frames, hand, keyed_pair, last_sent, rekey, traces

HOURLY = Options(rekey_interval=timedelta(hours=1))


# --- activation ---------------------------------------------------------------------------------------


def test_the_first_key_is_used_at_once() -> None:
    pair = keyed_pair()

    assert pair.now.instant - START.instant < timedelta(seconds=1)
    assert pair.low.peering.ring.next is None


def test_a_new_key_is_used_exactly_thirty_seconds_after_its_acceptance() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    for end in pair.ends:
        old = end.current
        rekey(pair.high)
        pair.run(seconds=1, until=lambda end=end: end.peering.ring.next is not None)  # type: ignore[misc]
        accepted = pair.now.instant
        pair.run(seconds=29.999)
        assert end.current == old
        pair.run(seconds=0.001)
        assert pair.now.instant == accepted + timedelta(seconds=30)
        assert end.current != old
        pair.run(seconds=200)


def test_no_wall_clock_decides_activation_or_erasure() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    for offset in (-1000, 1000, 0):
        for end in pair.ends:
            end.clock_offset = timedelta(days=offset)
            end.tick()
        assert all(end.peering.ring.next is not None for end in pair.ends)
    pair.low.clock_offset = timedelta(days=-1)
    pair.run(seconds=28)
    assert all(end.peering.ring.next is not None for end in pair.ends)

    pair.run(seconds=2)
    assert all(end.peering.ring.next is None for end in pair.ends)
    assert all(end.peering.ring.previous is not None for end in pair.ends)


def test_the_old_key_is_used_during_the_rekey() -> None:
    pair = keyed_pair()
    old = pair.low.current
    rekey(pair.high)
    pair.run(seconds=20)

    assert old is not None
    assert {end.current.key_id for end in pair.ends if end.current} == {old.key_id}
    assert all(end.in_service() for end in pair.ends)


@pytest.mark.parametrize("end", ["low", "high"])
def test_after_a_restart_an_accepted_next_key_is_used_at_once(end: str) -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=5)
    node = getattr(pair, end)
    accepted = node.peering.ring.next
    assert accepted is not None
    node.crash()
    node.boot()

    assert node.current == accepted
    assert node.peering.ring.previous is not None
    pair.run(seconds=100)
    assert pair.keyed()


def test_a_peer_that_lacks_the_current_key_gets_one_that_is_used_at_once() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    pair.low.lose_store()
    pair.run(seconds=200, until=lambda: pair.low.current is not None)
    assert pair.low.current is not None
    pair.run(seconds=0.1)

    assert pair.high.current is not None
    assert pair.high.current.key_id == pair.low.current.key_id


# --- the other node of an HA pair ---------------------------------------------------------------------


class FakeMate:
    """The other node of an HA pair: it holds what a test says, and is linked while that says so."""

    def __init__(self) -> None:
        self.held: set[bytes] = set()
        self.linked = True
        self.turn = True
        self.turns_asked = 0
        self.asked: list[bytes] = []

    def may_use(self, key_id: bytes) -> bool:
        self.asked.append(key_id)
        return not self.linked or key_id in self.held

    def may_rekey(self) -> bool:
        self.turns_asked += 1
        return not self.linked or self.turn


def test_a_mate_that_holds_the_successor_changes_nothing() -> None:
    pair, mate = pair_with_mate()
    accepted = accept_successor(pair)
    mate.held.add(accepted)
    pair.run(seconds=29.999)
    assert pair.low.peering.ring.next is not None
    pair.run(seconds=0.001)

    assert in_use(pair) == accepted
    assert mate.asked == [accepted]
    assert HaKeyNotReplicated not in map(type, pair.low.events)


def test_a_successor_waits_until_the_mate_holds_it() -> None:
    pair, mate = pair_with_mate()
    accepted = accept_successor(pair)
    pair.run(seconds=41.5)
    assert in_use(pair) != accepted
    mate.held.add(accepted)
    pair.run(seconds=1)

    assert in_use(pair) == accepted
    assert len(mate.asked) == 13
    assert HaKeyNotReplicated not in map(type, pair.low.events)


def test_a_successor_waits_for_the_mate_no_longer_than_it_has_waited_for_the_peer() -> None:
    pair, mate = pair_with_mate()
    accepted = accept_successor(pair)
    pair.run(seconds=59.999)
    assert in_use(pair) != accepted
    pair.run(seconds=0.001)

    assert in_use(pair) == accepted
    assert len(mate.asked) == 31
    assert HaKeyNotReplicated("peer-of-low", 3, accepted.hex()) in pair.low.events


def test_while_there_is_no_link_to_the_mate_nothing_waits_and_what_waits_goes_on() -> None:
    pair, mate = pair_with_mate()
    accepted = accept_successor(pair)
    pair.run(seconds=35)
    assert in_use(pair) != accepted
    mate.linked = False
    pair.run(seconds=1)

    assert in_use(pair) == accepted
    assert HaKeyNotReplicated not in map(type, pair.low.events)


def test_a_first_key_never_waits_for_the_mate() -> None:
    pair, mate = pair_with_mate()

    assert pair.keyed()
    assert mate.asked == []


def test_a_key_for_a_peer_that_lacks_the_current_one_does_not_wait_for_the_mate() -> None:
    pair, mate = pair_with_mate()
    pair.run(seconds=5)
    pair.high.lose_store()

    assert pair.run(seconds=200, until=pair.keyed)
    assert mate.asked == []


def test_after_a_restart_an_accepted_key_does_not_wait_for_the_mate() -> None:
    pair, mate = pair_with_mate()
    accepted = accept_successor(pair)
    pair.low.crash()
    pair.low.boot()

    assert in_use(pair) == accepted
    assert mate.asked == []


def test_the_next_successor_is_waited_for_anew() -> None:
    pair, _ = pair_with_mate()
    first = accept_successor(pair)
    pair.run(seconds=60)
    assert in_use(pair) == first
    pair.run(seconds=100)
    second = accept_successor(pair)
    pair.run(seconds=59.9)
    assert in_use(pair) == first
    pair.run(seconds=0.1)

    assert in_use(pair) == second


def test_keys_that_are_erased_while_one_waits_for_the_mate_leave_nothing_waiting() -> None:
    pair, _ = pair_with_mate(Options(fail_hard=True))
    accept_successor(pair)
    pair.run(seconds=40)
    pair.low.judge_own_certificate("revoked")
    pair.run(seconds=60)
    assert not pair.low.peering.ring

    pair.low.judge_own_certificate("")
    assert pair.run(seconds=200, until=pair.keyed)


def test_a_peer_of_a_node_that_waits_opens_all_that_it_seals_and_comes_to_rest() -> None:
    """The observer of the pair looks after every step: whoever waits longer than its peer breaks nothing."""
    pair, _ = pair_with_mate()
    for _ in range(3):
        accept_successor(pair)
        pair.run(seconds=300)

    assert pair.keyed()
    assert all(end.peering.ring.previous is None for end in pair.ends)


# --- erasure ------------------------------------------------------------------------------------------


def test_the_old_key_opens_until_thirty_seconds_after_both_seal_with_the_new_one() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    rekey(pair.high)
    pair.run(seconds=31)
    old = {end.name: end.peering.ring.previous for end in pair.ends}
    assert all(old.values())
    pair.run(seconds=28)
    assert {end.name: end.peering.ring.previous for end in pair.ends} == old

    pair.run(seconds=2)
    assert all(end.peering.ring.previous is None for end in pair.ends)


def test_the_old_key_goes_on_opening_for_as_long_as_the_peer_has_not_said_that_it_left_it() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire, options=Options(timeout=timedelta(hours=1)))
    rekey(pair.high)
    pair.run(seconds=1)
    wire.lose()
    pair.run(hours=100)
    assert all(end.peering.ring.previous is not None for end in pair.ends)

    wire.heal()
    pair.run(hours=3)
    assert all(end.peering.ring.previous is None for end in pair.ends)
    assert pair.keyed()


def test_reason_with_a_clock_alone_one_lost_established_would_make_traffic_unopenable() -> None:
    """The responder seals with a key that the initiator holds but has not accepted: it can open it.

    Nothing is erased before both have said that they seal with the new one.
    """
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    wire.lose(Kind.KEY_ESTABLISHED, Kind.PROBE, Kind.PROBE_REPLY)
    rekey(pair.high)
    pair.run(seconds=1000)
    responder, initiator = pair.low, pair.high
    assert responder.current is not None
    assert initiator.peering.ring.find(responder.current.index) is not None
    assert initiator.current is not None
    assert responder.peering.ring.find(initiator.current.index) is not None
    assert responder.current.index > initiator.current.index

    wire.heal()
    pair.run(seconds=200)
    assert pair.keyed()
    assert initiator.peering.ring.previous is None


def test_the_previous_key_gets_a_full_thirty_seconds_after_a_restart() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=55)
    assert pair.low.peering.ring.previous is not None
    pair.low.crash()
    pair.low.boot()
    pair.run(seconds=29.9)
    assert pair.low.peering.ring.previous is not None

    pair.run(seconds=0.2)
    assert pair.low.peering.ring.previous is None


def test_a_removal_that_was_meant_for_a_lost_key_cannot_be_repeated_against_its_successor() -> None:
    """The remover comes back with a good certificate; what it said under the erased key is history."""
    wire = Wire()
    pair = keyed_pair(network=wire, options=Options(fail_hard=True))
    pair.run(seconds=5)
    wire.lose(Kind.PEERING_REMOVED)
    pair.high.judge_own_certificate("revoked")
    removal = last_sent(pair.high, Kind.PEERING_REMOVED)
    pair.run(seconds=5)
    assert pair.low.current is not None
    pair.high.judge_own_certificate("")
    assert pair.run(seconds=70, until=lambda: pair.high.current is not None and pair.low.current is not None)
    wire.heal()
    ring = pair.low.peering.ring

    assert hand(pair.low, removal) == [Count("bad-mac")]
    assert pair.low.peering.ring == ring


# --- probes -------------------------------------------------------------------------------------------


def test_on_activation_each_side_probes_until_it_has_heard_that_the_peer_seals_with_the_key() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    rekey(pair.high)
    pair.run(seconds=1)
    wire.lose(Kind.PROBE, Kind.PROBE_REPLY)
    pair.run(seconds=31)
    probes = {end.name: len(frames(end, Kind.PROBE)) for end in pair.ends}
    pair.run(seconds=300)
    for end in pair.ends:
        assert 9 <= len(frames(end, Kind.PROBE)) - probes[end.name] <= 11

    wire.heal()
    pair.run(seconds=100)
    settled = {end.name: len(frames(end, Kind.PROBE)) for end in pair.ends}
    pair.run(hours=5)
    assert {end.name: len(frames(end, Kind.PROBE)) for end in pair.ends} == settled


def test_a_probe_is_answered_under_its_key_with_the_index_that_the_answerer_seals_with() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=5)
    accepted, current = pair.low.peering.ring.next, pair.low.current
    assert accepted is not None
    assert current is not None
    wanted = hand(pair.low, probe_of(pair.high, accepted.index, accepted.index, 99))
    replies = [effect.frame for effect in wanted if isinstance(effect, SendOn)]
    reply = decode_body_untrusted(replies[0])

    assert isinstance(reply, Probe)
    assert (reply.key_index, reply.seals_with) == (accepted.index, current.index)
    assert replies[0].auth == mac(accepted.probe, replies[0].signed)


def test_only_what_the_peer_says_under_the_very_key_counts_as_sealing_with_it() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=5)
    current, accepted = pair.low.current, pair.low.peering.ring.next
    assert current is not None
    assert accepted is not None
    hand(pair.low, probe_of(pair.high, current.index, accepted.index, 99))

    assert pair.low.peering.status(pair.low.now).peer_seals_with == current.index


def test_a_key_that_is_pending_answers_no_probe() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=1)
    pending = pair.low.peering.ring.pending
    assert pending is not None
    before = traces(pair.low)

    assert hand(pair.low, probe_of(pair.high, pending.index, pending.index, 99)) == [Count("unaccepted-key")]
    assert traces(pair.low) == before


def test_a_replayed_probe_is_counted_and_is_no_sign_of_life() -> None:
    pair = keyed_pair()
    before = traces(pair.low)

    assert hand(pair.low, last_sent(pair.high, Kind.PROBE)) == [Count("replayed-probe")]
    assert traces(pair.low) == before


def test_probes_of_a_peer_that_counts_its_epochs_from_the_beginning_again_are_no_replays() -> None:
    pair = keyed_pair()
    for _ in range(5):
        pair.high.crash()
        pair.high.boot()
        pair.run(seconds=100)
    pair.high.lose_store()
    pair.high.epoch = 0
    pair.high.boot()
    pair.low.counts.clear()

    assert pair.run(seconds=100, until=pair.keyed)
    assert "replayed-probe" not in pair.low.counts


def test_a_replayed_reply_is_too_late_for_its_path() -> None:
    pair = keyed_pair()
    reply = last_sent(pair.low, Kind.PROBE_REPLY)
    before = traces(pair.high)
    wanted = hand(pair.high, reply)

    assert [type(effect) for effect in wanted] == [ProbeAnswered]
    assert pair.high.counts["late-probe-reply"] == 1
    assert traces(pair.high) == before


def test_a_reply_that_came_by_another_path_than_its_probe_is_counted() -> None:
    pair = keyed_pair(paths=2)

    replies = [frame for path, frame in pair.low.sent if frame.kind == Kind.PROBE_REPLY and path == "path0"]
    assert hand(pair.high, replies[-1], "path1") == [Count("rerouted-reply")]


def test_the_path_id_is_the_beginning_of_the_hash_of_its_name() -> None:
    assert path_id("path0") == hashlib.sha256(b"path0").digest()[:8]
    pair = keyed_pair()
    probe = decode_body_untrusted(last_sent(pair.high, Kind.PROBE))
    assert isinstance(probe, Probe)
    assert probe.path == path_id("path0")
    assert probe.nonce[:8] == pair.high.epoch.to_bytes(8, "big")


@pytest.mark.parametrize("kind", [Kind.PROBE, Kind.PROBE_REPLY])
def test_a_probe_that_is_not_authentic_changes_nothing_but_a_counter(kind: Kind) -> None:
    pair = keyed_pair()
    honest = last_sent(pair.high if kind is Kind.PROBE else pair.low, kind)
    receiver = pair.low if kind is Kind.PROBE else pair.high
    before = traces(receiver)

    assert hand(receiver, honest.with_auth(bytes(48))) == [Count("bad-mac")]
    assert hand(receiver, honest.with_auth(honest.auth[:47])) == [Count("bad-mac")]
    assert hand(receiver, honest.with_auth(b"")) == [Count("bad-mac")]
    assert traces(receiver) == before


def test_a_probe_that_is_reflected_is_not_authentic() -> None:
    pair = keyed_pair()
    probe = last_sent(pair.high, Kind.PROBE)
    reflected = Frame(Kind.PROBE_REPLY, pair.low.uuid.bytes, pair.high.uuid.bytes, probe.body, probe.auth)

    assert hand(pair.high, reflected) == [Count("bad-mac")]


# --- rekeying -----------------------------------------------------------------------------------------


def test_a_rekey_begins_within_the_last_tenth_of_the_interval_on_the_preferred_side() -> None:
    starts = set()
    for seed in range(6):
        pair = keyed_pair(options=HOURLY, seed=seed)
        first = pair.high.current
        assert first is not None
        pair.run(hours=2, until=lambda pair=pair: len(frames(pair.high, Kind.KEY_REQUEST)) > 1)  # type: ignore[misc]
        elapsed = pair.now.instant - START.instant
        assert timedelta(minutes=54) <= elapsed <= timedelta(hours=1, seconds=1)
        assert len(frames(pair.low, Kind.KEY_REQUEST)) == 0
        starts.add(elapsed)
    assert len(starts) > 3, "the jitter differs"


def test_the_other_side_rekeys_one_retransmit_interval_later_by_itself() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire, options=HOURLY)
    wire.lose(Kind.KEY_REQUEST, sender="high")
    pair.run(hours=1.1, until=lambda: bool(frames(pair.low, Kind.KEY_REQUEST)))

    assert (
        timedelta(minutes=60, seconds=30)
        <= pair.now.instant - START.instant
        <= timedelta(minutes=60, seconds=32)
    )


def test_a_rekey_that_is_due_waits_for_the_turn_of_its_node_and_asks_every_second() -> None:
    pair, mate = turns()
    due = due_at(pair)
    mate.turn = False
    run_to(pair, due + timedelta(seconds=20.5))
    assert requests(pair) == 1
    assert mate.turns_asked == 21
    mate.turn = True
    pair.run(seconds=1)

    assert requests(pair) == 2


def test_a_turn_is_waited_for_90_seconds_and_no_longer() -> None:
    pair, mate = turns(other_side_waits=True)
    due = due_at(pair)
    mate.turn = False
    run_to(pair, due + timedelta(seconds=89.999))
    assert requests(pair) == 1
    pair.run(seconds=0.001)

    assert requests(pair) == 2


def test_without_a_link_to_the_mate_no_turn_is_waited_for() -> None:
    pair, mate = turns()
    due = due_at(pair)
    mate.turn = mate.linked = False
    run_to(pair, due)

    assert requests(pair) == 2


def test_the_side_that_is_not_preferred_waits_for_its_turn_too() -> None:
    wire, mate = Wire(), FakeMate()
    pair = keyed_pair(network=wire, options=HOURLY)
    pair.low.crash()
    pair.low.mate, mate.turn = mate, False
    pair.low.boot()
    wire.lose(Kind.KEY_REQUEST, sender="high")
    pair.run(hours=1.1, until=lambda: mate.turns_asked > 0)
    pair.run(seconds=89.999)
    assert frames(pair.low, Kind.KEY_REQUEST) == []

    pair.run(seconds=0.001)
    assert len(frames(pair.low, Kind.KEY_REQUEST)) == 1


def test_what_is_not_due_by_the_interval_waits_for_no_turn() -> None:
    pair, mate = turns()
    mate.turn = False
    rekey(pair.high)
    pair.run(seconds=100)
    assert requests(pair) == 2

    pair.low.lose_store()
    assert pair.run(seconds=200, until=pair.keyed)
    assert mate.turns_asked == 0


def test_peers_rekey_again_and_again_and_stay_in_service() -> None:
    pair = keyed_pair(paths=2, options=HOURLY)
    pair.run(hours=24)

    assert pair.keyed()
    assert pair.low.current is not None
    assert 23 <= pair.low.current.index <= 28
    assert all(event != "path.down" for end in pair.ends for event in end.event_types())
    assert pair.low.failures() == pair.high.failures() == []


@pytest.mark.parametrize("interval", [None])
def test_never_means_that_no_rekey_begins(interval: timedelta | None) -> None:
    pair = keyed_pair(options=Options(rekey_interval=interval))
    pair.run(hours=10_000)

    assert pair.low.current is not None
    assert pair.low.current.index == 1


def test_the_old_key_stays_valid_during_an_outage_until_a_new_one_is_accepted() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire, options=HOURLY)
    first = pair.low.current
    wire.lose()
    pair.run(hours=50)
    assert first is not None
    assert {end.current.key_id for end in pair.ends if end.current} == {first.key_id}
    assert all(end.paths["path0"].state is PathState.INVALID for end in pair.ends)

    wire.heal()
    pair.run(hours=4)
    assert pair.keyed()
    assert pair.low.current != first


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_stepped_wall_clock_makes_a_rekey_early_or_one_interval_late_at_most(days: int) -> None:
    pair = keyed_pair(options=Options(rekey_interval=timedelta(hours=1), peer_validation=False))
    pair.run(seconds=100)
    pair.low.clock_offset = pair.high.clock_offset = timedelta(days=days)
    for end in pair.ends:
        end.crash()
        end.boot()
    pair.run(hours=1.1)

    assert pair.keyed()
    assert pair.low.current is not None
    assert 1 < pair.low.current.index < 4


def test_an_operator_may_ask_either_side_for_a_new_key() -> None:
    pair = keyed_pair()
    for number, end in enumerate((pair.low, pair.high, pair.low), 2):
        rekey(end)
        pair.run(seconds=200)
        assert pair.keyed()
        assert pair.low.current is not None
        assert pair.low.current.index == number


def test_a_shorter_interval_takes_effect_at_once() -> None:
    pair = keyed_pair()
    pair.run(hours=2)
    for end in pair.ends:
        end.options.rekey_interval = timedelta(hours=1)
        end.reconfigure()
    pair.run(seconds=100)

    assert pair.low.current is not None
    assert pair.low.current.index == 2


def probe_of(end: End, under: int, seals_with: int, counter: int) -> Frame:
    """Return a probe that an end could send under any key that it has."""
    found = end.peering.ring.find(under)
    assert found is not None
    nonce = end.epoch.to_bytes(8, "big") + counter.to_bytes(8, "big")
    core = end.peering._core  # noqa: SLF001 - only the peer itself has the key
    return core.maced(Kind.PROBE, Probe(path_id("path0"), under, seals_with, nonce), found[1].probe)


def pair_with_mate(options: Options | None = None) -> tuple[Pair, FakeMate]:
    """Return a keyed pair of which the lower has a mate that holds nothing yet."""
    mate = FakeMate()
    pair = Pair(options=options or Options())
    pair.low.crash()
    pair.low.record, pair.low.mate = None, mate
    pair.low.boot()
    assert pair.run(seconds=200, until=pair.keyed)
    pair.run(seconds=1)
    return pair, mate


def turns(*, other_side_waits: bool = False) -> tuple[Pair, FakeMate]:
    """Return a keyed pair of which the higher, which is preferred, has a mate; it rekeys every hour."""
    hour = timedelta(hours=1)
    other = Options(rekey_interval=2 * hour if other_side_waits else hour)
    mate = FakeMate()
    pair = keyed_pair(options=other, other_options=HOURLY)
    pair.high.crash()
    pair.high.mate = mate
    pair.high.boot()
    assert pair.run(seconds=200, until=pair.keyed)
    return pair, mate


def due_at(pair: Pair) -> timedelta:
    """Return when the next rekey of the higher is due."""
    left = pair.high.peering.status(pair.high.now).next_rekey_seconds
    assert left is not None
    return pair.now.instant + timedelta(seconds=left)


def run_to(pair: Pair, instant: timedelta) -> None:
    pair.run(seconds=(instant - pair.now.instant).total_seconds())


def requests(pair: Pair) -> int:
    return len(frames(pair.high, Kind.KEY_REQUEST))


def accept_successor(pair: Pair) -> bytes:
    rekey(pair.high)
    assert pair.run(seconds=1, until=lambda: pair.low.peering.ring.next is not None)
    accepted = pair.low.peering.ring.next
    assert accepted is not None
    return accepted.key_id


def in_use(pair: Pair) -> bytes:
    assert pair.low.current is not None
    return pair.low.current.key_id
