"""Two whole peerings: restarts, lost stores, bad certificates, wrong neighbours, and what heals them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from peerkey.observe.events import PeerCertificateRecovered, PeerCertificateWentBad, PeeringFailed
from peerkey.protocol.constants import Kind
from peerkey.protocol.effects import Count, SendOn
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import Refusal, encode_body
from peerkey.protocol.path import PathState
from peerkey.protocol.segments import cut
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.observer import Observer
from peerkey.testing.pair import HIGHER, LOWER, Datagram, End, Fate, Options, Pair, reliable
from peerkey.testing.revocation import RevocationTable
from tests.protocol.wires import Wire, frames, hand, keyed_pair, last_sent, rekey, traces

STRANGER = UUID(int=3 << 96)
HARD = Options(fail_hard=True)
ENDS = ("low", "high")


# --- keyed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paths", [1, 2, 3])
def test_one_key_serves_all_paths(paths: int) -> None:
    pair = keyed_pair(paths=paths, observer=Observer())

    assert len(frames(pair.high, Kind.KEY_REQUEST)) == 1
    assert all(len(end.paths) == paths and end.in_service() for end in pair.ends)


def test_a_working_path_keys_the_peering_and_the_other_follows_when_it_works() -> None:
    wire = Wire()
    wire.lose(path="path0")
    pair = Pair(paths=2, network=wire)
    pair.run(seconds=10)
    for end in pair.ends:
        assert end.current is not None
        assert end.paths["path1"].state is PathState.IN_SERVICE
        assert end.paths["path0"].state is PathState.WAITING
    wire.heal()

    assert pair.run(seconds=35, until=pair.keyed)


def test_the_timer_of_a_silent_path_is_its_own() -> None:
    wire = Wire()
    pair = keyed_pair(paths=2, network=wire, options=Options(timeout=timedelta(seconds=120)))
    wire.lose(path="path0")
    rekey(pair.high)
    pair.run(seconds=200)

    for end in pair.ends:
        assert end.paths["path0"].state is PathState.INVALID
        assert end.paths["path1"].state is PathState.IN_SERVICE


def test_status_says_where_a_peering_stands_and_no_secret() -> None:
    wire = Wire()
    wire.lose(Kind.CERTIFICATE)
    pair = Pair(network=wire)
    seen = [status_of(pair)]
    wire.heal()
    wire.lose(Kind.KEY_REQUEST)
    pair.run(seconds=31)
    seen.append(status_of(pair))
    wire.heal()
    pair.run(seconds=65, until=pair.keyed)
    seen.append(status_of(pair))
    pair.high.options.enabled = False
    pair.high.reconfigure()
    seen.append(status_of(pair))

    assert seen == ["CERT_EXCH_INIT", "KEY_EXCH_INIT", "MKEY_EXCH_COMP", "ESKM_DISABLED"]
    status = pair.low.peering.status(pair.low.now)
    assert pair.low.current is not None
    assert status.key_index == pair.low.current.index
    assert pair.low.current.peer_key.reveal().hex() not in repr(status)


# --- restarts and lost stores -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("rekeying", [False, True])
def test_a_restart_at_every_step_from_the_stored_record_ends_keyed(end: str, rekeying: bool) -> None:  # noqa: FBT001
    """The node dies between two effects: at the first, the second, and so on, to the last of an exchange."""
    for step in range(60):
        pair = Pair(observer=Observer()) if not rekeying else keyed_pair(observer=Observer())
        node: End = getattr(pair, end)
        node.fuse = step
        if rekeying:
            rekey(pair.high)
        pair.run(seconds=300, until=lambda node=node: not node.alive)  # type: ignore[misc]
        survived = node.alive
        if not survived:
            node.boot()
        assert pair.run(seconds=400, until=pair.keyed), f"dead after {step} effects"
        pair.run(seconds=200)
        assert pair.keyed()
        if survived:
            break
    else:
        pytest.fail("the exchange never ended")


@pytest.mark.parametrize("end", ENDS)
def test_a_key_survives_the_restart_of_either_end_and_the_peer_does_not_rekey(end: str) -> None:
    pair = keyed_pair(observer=Observer())
    pair.run(seconds=100)
    node: End = getattr(pair, end)
    before = node.current
    node.crash()
    pair.run(seconds=100)
    node.boot()
    pair.run(seconds=100)

    assert node.current == before
    assert pair.keyed()
    assert len(frames(pair.low, Kind.KEY_REQUEST) + frames(pair.high, Kind.KEY_REQUEST)) == 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("paths", [1, 2])
def test_a_store_that_is_lost_on_either_side_is_recovered_from(end: str, paths: int) -> None:
    pair = keyed_pair(paths=paths, observer=Observer())
    pair.run(seconds=100)
    node: End = getattr(pair, end)
    lost = node.current
    assert lost is not None
    node.lose_store()

    assert pair.run(seconds=100, until=pair.keyed)
    assert node.current is not None
    assert node.current.index > lost.index


def test_stores_that_are_lost_on_both_sides_are_recovered_from() -> None:
    pair = keyed_pair(observer=Observer())
    for end in pair.ends:
        end.lose_store()

    assert pair.run(seconds=100, until=pair.keyed)


@pytest.mark.parametrize(
    "kind", [Kind.KEY_REQUEST, Kind.KEY_RESPONSE, Kind.KEY_CONFIRM, Kind.KEY_ESTABLISHED]
)
@pytest.mark.parametrize("end", ENDS)
def test_a_store_that_is_lost_in_the_middle_of_an_exchange_is_recovered_from(kind: Kind, end: str) -> None:
    wire = Wire()
    wire.lose(kind)
    pair = Pair(network=wire, observer=Observer())
    pair.run(seconds=1)
    getattr(pair, end).lose_store()
    pair.run(seconds=1)
    wire.heal()

    assert pair.run(seconds=400, until=pair.keyed)


# --- certificates that go bad -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
def test_fail_soft_tells_and_goes_on_rekeys_and_restarts_included(end: str) -> None:
    pair, node, table = revocable(Options(), end)
    peer_of = pair.other(node)
    table.revoke(node.issued.certificate, NOW)  # type: ignore[union-attr]
    peer_of.look_again()
    went_bad = [event for event in peer_of.events if isinstance(event, PeerCertificateWentBad)]
    assert [(event.state, event.behavior) for event in went_bad] == [("revoked", "fail-soft")]
    assert peer_of.peering.peer_fault is not None
    for _ in range(3):
        peer_of.look_again()
    assert len([event for event in peer_of.events if isinstance(event, PeerCertificateWentBad)]) == 1

    rekey(pair.high)
    pair.run(seconds=100)
    assert pair.keyed()
    assert node.current is not None
    assert node.current.index == 2
    peer_of.crash()
    peer_of.boot()
    assert peer_of.peering.peer_fault is not None
    rekey(pair.high)
    pair.run(seconds=200)
    assert pair.keyed()
    assert node.current.index == 3

    table.release(node.issued.certificate)  # type: ignore[union-attr]
    peer_of.look_again()
    assert not peer_of.peering.status(peer_of.now).peer_certificate_fault
    assert any(isinstance(event, PeerCertificateRecovered) for event in peer_of.events)


@pytest.mark.parametrize("end", ENDS)
def test_fail_hard_removes_the_peering_on_both_sides_and_heals_when_the_certificate_does(end: str) -> None:
    pair, node, table = revocable(replace_options(fail_hard=True), end)
    judge = pair.other(node)
    table.revoke(node.issued.certificate, NOW)  # type: ignore[union-attr]
    judge.look_again()
    assert not judge.peering.ring
    assert judge.stored() is not None
    pair.run(seconds=5)
    assert not node.peering.ring
    for each in pair.ends:
        assert "peering.removed" in each.event_types()
        assert all(path.state is PathState.WAITING for path in each.paths.values())
    removals = [passing for passing in wire_of(pair).carried if passing.kind == Kind.PEERING_REMOVED]
    assert removals
    assert {passing.path for passing in removals} == {"path0"}

    pair.run(seconds=400)
    assert node.current is judge.current is None
    table.release(node.issued.certificate)  # type: ignore[union-attr]
    judge.look_again()
    assert pair.run(seconds=100, until=pair.keyed)


def test_a_peering_is_removed_with_three_copies_on_each_path_when_nobody_acknowledges() -> None:
    wire = Wire()
    pair = keyed_pair(paths=2, network=wire, options=HARD)
    wire.lose(Kind.ACK)
    wire.carried.clear()
    pair.high.judge_own_certificate("expired")
    pair.run(seconds=10)

    removals = [passing.path for passing in wire.carried if passing.kind == Kind.PEERING_REMOVED]
    assert sorted(removals) == ["path0"] * 3 + ["path1"] * 3


def test_a_node_whose_own_certificate_went_bad_removes_its_peerings_under_fail_hard() -> None:
    pair = keyed_pair(options=HARD, observer=Observer())
    pair.low.judge_own_certificate("revoked: key compromise")
    pair.run(seconds=2)
    assert not pair.low.peering.ring
    assert not pair.high.peering.ring
    pair.run(seconds=400)
    assert not pair.low.peering.ring

    pair.low.judge_own_certificate("")
    assert pair.run(seconds=100, until=pair.keyed)


def test_a_new_certificate_heals_what_fail_hard_removed() -> None:
    pair, node, table = revocable(replace_options(fail_hard=True), "high")
    table.revoke(node.issued.certificate, NOW)  # type: ignore[union-attr]
    pair.low.look_again()
    pair.run(seconds=100)
    assert pair.low.current is None
    node.replace_certificate(pair.ca.issue(node.uuid))

    assert pair.run(seconds=100, until=pair.keyed)


@pytest.mark.parametrize("end", ENDS)
def test_fail_hard_survives_a_restart_of_the_side_that_judged(end: str) -> None:
    pair, node, table = revocable(replace_options(fail_hard=True), end)
    judge = pair.other(node)
    table.revoke(node.issued.certificate, NOW)  # type: ignore[union-attr]
    judge.look_again()
    judge.crash()
    judge.boot()
    pair.run(seconds=400)

    assert not judge.peering.ring
    assert judge.peering.status(judge.now).security_status == "REMOVED"


def test_a_certificate_that_expires_is_noticed_without_traffic() -> None:
    ca = TestCA()
    short = ca.issue(HIGHER, not_after=NOW + timedelta(hours=2))
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), short), options=Options(fail_hard=True, rekey_interval=None))
    assert pair.run(seconds=5, until=pair.keyed)
    pair.run(hours=3)
    # The shell calls at the instant that the examination names; the machine needs no frame to act.
    pair.low.look_again()

    assert not pair.low.peering.ring


def test_fail_soft_that_becomes_fail_hard_removes_what_is_bad_already() -> None:
    pair, node, table = revocable(Options(), "high")
    table.revoke(node.issued.certificate, NOW)  # type: ignore[union-attr]
    pair.low.look_again()
    assert pair.low.current is not None
    pair.low.options.fail_hard = True
    pair.low.reconfigure()

    assert not pair.low.peering.ring


@pytest.mark.parametrize("auth", [bytes(48), b"", b"\x01" * 47])
def test_a_removal_that_is_not_authentic_changes_nothing_but_a_counter(auth: bytes) -> None:
    pair = keyed_pair()
    before = traces(pair.low)
    body = b"\x91\xa7expired"
    forged = Frame(Kind.PEERING_REMOVED, HIGHER.bytes, LOWER.bytes, body, auth)

    assert hand(pair.low, forged) == [Count("bad-mac")]
    assert traces(pair.low) == before


# --- what may be reconfigured -------------------------------------------------------------------------


def test_a_changed_algorithm_restarts_k_only_and_the_key_in_use_stays() -> None:
    pair = keyed_pair(observer=Observer())
    pair.run(seconds=100)
    before = pair.low.current
    assert before is not None
    accepted = {end.name: end.event_types().count("system.peer_certificate_validation") for end in pair.ends}
    for end in pair.ends:
        end.options.algorithm = "diffie-hellman-2048"
        end.reconfigure()
    assert pair.low.current == before
    pair.run(seconds=200)

    assert pair.keyed()
    for end in pair.ends:
        assert end.current is not None
        assert end.current.algorithm == "diffie-hellman-2048"
        assert end.event_types().count("system.peer_certificate_validation") == accepted[end.name]
        assert "path.down" not in end.event_types()


def test_an_algorithm_that_is_changed_on_one_side_only_leaves_the_old_key_in_use_and_tells_both() -> None:
    pair = keyed_pair(observer=Observer())
    before = pair.low.current
    assert before is not None
    pair.low.options.algorithm = "diffie-hellman-2048"
    pair.low.reconfigure()
    pair.run(seconds=300)
    assert pair.low.current == before
    assert pair.low.failures() == pair.high.failures() == ["algorithm-mismatch"]

    pair.high.options.algorithm = "diffie-hellman-2048"
    pair.high.reconfigure()
    pair.run(seconds=200)
    assert pair.keyed()
    assert pair.low.current.index > before.index


@pytest.mark.parametrize("end", ENDS)
def test_a_disabled_feature_sends_and_answers_nothing(end: str) -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    node: End = getattr(pair, end)
    node.options.enabled = False
    node.reconfigure()
    pair.run(seconds=1)
    wire.carried.clear()
    rekey(pair.other(node))
    pair.run(hours=30)

    assert {passing.sender for passing in wire.carried} <= {pair.other(node).name}
    assert node.paths["path0"].state is PathState.DISABLED
    assert node.peering.deadline() is None
    assert node.current is not None
    for frame in {frame for _, frame in pair.other(node).sent}:
        assert hand(node, frame) == [Count("disabled")]

    node.options.enabled = True
    node.reconfigure()
    assert pair.run(hours=3, until=pair.keyed)


def test_a_pair_that_begins_disabled_is_silent_until_it_is_enabled() -> None:
    wire = Wire()
    pair = Pair(network=wire, options=Options(enabled=False))
    pair.run(hours=5)
    assert wire.carried == []
    for end in pair.ends:
        end.options.enabled = True
        end.reconfigure()

    assert pair.run(seconds=65, until=pair.keyed)


# --- wrong neighbours ---------------------------------------------------------------------------------


def test_a_wrong_version_gives_one_event_on_each_side_and_recovers_without_a_restart() -> None:
    """The peer's software speaks version 2 until it is exchanged."""
    newer = {"high"}

    def network(datagram: Datagram) -> Fate:
        for delay, data in reliable(datagram):
            speaks = datagram.sender.name in newer
            yield delay, data[:2] + (b"\x02" if speaks else b"\x01") + data[3:]

    pair = Pair(network=network)
    pair.run(seconds=100)
    assert not pair.keyed()
    assert [event.reason for event in told(pair.low)] == ["unsupported-version"]
    assert "version 2" in told(pair.low)[0].detail_text
    assert "version 1" in told(pair.low)[0].detail_text
    assert all(end.paths["path0"].state is not PathState.IN_SERVICE for end in pair.ends)
    newer.clear()

    assert pair.run(seconds=65, until=pair.keyed)


def test_both_sides_of_different_versions_tell_it() -> None:
    """Each end speaks a version that the other does not understand."""

    def network(datagram: Datagram) -> Fate:
        return ((delay, data[:2] + b"\x02" + data[3:]) for delay, data in reliable(datagram))

    pair = Pair(network=network)
    pair.run(seconds=100)

    for end in pair.ends:
        assert [event.reason for event in told(end)] == ["unsupported-version"]


@pytest.mark.parametrize("wrong", ["sender", "receiver"])
def test_a_wrong_node_at_the_address_gives_one_event_on_each_side_and_recovers(wrong: str) -> None:
    ca = TestCA()
    pair = Pair(ca=ca)
    # low is configured for a stranger at high's address, or high answers for another node than low expects.
    node = pair.low if wrong == "receiver" else pair.high
    other = pair.other(node)
    true_peer = node.peer_uuid
    for end in pair.ends:
        end.crash()
        end.record = None
    pair.run(seconds=1)
    node.peer_uuid = STRANGER
    for end in pair.ends:
        end.events.clear()
        end.boot()
    pair.run(seconds=100)
    assert not pair.keyed()
    for end in (node, other):
        reasons = {event.reason for event in told(end)}
        assert reasons & {"wrong-sender", "wrong-receiver"}
        assert len(told(end)) == len({(event.reason, event.told_by) for event in told(end)})
        assert end.paths["path0"].state is not PathState.IN_SERVICE
    node.peer_uuid = true_peer
    node.crash()
    node.boot()

    assert pair.run(seconds=100, until=pair.keyed)


@pytest.mark.parametrize("validation", [True, False])
def test_a_wrong_identity_gives_one_event_on_each_side_and_recovers(validation: bool) -> None:  # noqa: FBT001
    ca = TestCA()
    pair = Pair(
        ca=ca, issued=(ca.issue(LOWER), ca.issue(STRANGER)), options=Options(peer_validation=validation)
    )
    pair.run(seconds=300)
    assert not pair.keyed()
    assert pair.high.failures() == ["identity-mismatch"]
    assert pair.low.event_types() == ["system.peer_certificate_validation"]
    assert all(end.paths["path0"].state is not PathState.IN_SERVICE for end in pair.ends)
    pair.high.replace_certificate(ca.issue(HIGHER))

    assert pair.run(seconds=65, until=pair.keyed)


def test_a_frame_of_another_peering_is_counted_and_changes_nothing() -> None:
    pair = keyed_pair()
    request = last_sent(pair.high, Kind.KEY_REQUEST)
    before = traces(pair.low)
    for sender, receiver in ((STRANGER, LOWER), (HIGHER, STRANGER), (LOWER, HIGHER)):
        frame = Frame(request.kind, sender.bytes, receiver.bytes, request.body, request.auth)
        assert hand(pair.low, frame) == [Count("not-this-peering")]
    assert traces(pair.low) == before


def test_a_node_without_a_certificate_waits_and_keys_when_it_gets_one() -> None:
    ca = TestCA()
    pair = Pair(ca=ca, issued=(None, ca.issue(HIGHER)))
    pair.run(seconds=100)
    assert not frames(pair.low, Kind.CERTIFICATE)
    pair.low.replace_certificate(ca.issue(LOWER))

    assert pair.run(seconds=65, until=pair.keyed)


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [b"", b"junk", bytes(70)])
def test_a_refusal_that_is_not_signed_by_the_peer_is_at_most_a_hint(auth: bytes) -> None:
    wire = Wire()
    wire.lose(Kind.KEY_RESPONSE)
    pair = Pair(network=wire)
    pair.run(seconds=1)
    request = last_sent(pair.high, Kind.KEY_REQUEST)
    before = traces(pair.high)
    forged = Refusal(request.digest, "stale", "", bytes(32))
    for _ in range(20):
        hand(pair.high, Frame(Kind.REFUSAL, LOWER.bytes, HIGHER.bytes, encode_body(forged), auth))

    assert traces(pair.high) == before
    assert len(told(pair.high)) <= 1


@pytest.mark.parametrize("detail", ["", "x" * 256])
def test_what_nobody_proved_is_shown_as_that_and_is_no_fault_of_the_key(detail: str) -> None:
    wire = Wire()
    wire.lose(Kind.KEY_RESPONSE)
    pair = Pair(network=wire)
    pair.run(seconds=1)
    forged = Refusal(last_sent(pair.high, Kind.KEY_REQUEST).digest, "algorithm-mismatch", detail, bytes(32))
    hand(pair.high, Frame(Kind.REFUSAL, LOWER.bytes, HIGHER.bytes, encode_body(forged)))

    status = pair.high.peering.status(pair.now)
    assert status.last_error.startswith("algorithm-mismatch: ")
    assert status.last_error.endswith(" (told without proof)")
    assert pair.high.peering.key_fault is None


def test_a_signed_refusal_of_nothing_that_is_in_flight_is_counted() -> None:
    pair = keyed_pair()
    before = traces(pair.high)
    refusal = Refusal(bytes(48), "busy", "", bytes(32))

    frame = pair.low.peering._core.signed(Kind.REFUSAL, refusal)  # noqa: SLF001 - only the peer can sign
    assert hand(pair.high, frame) == [Count("unexpected-refusal")]
    assert traces(pair.high) == before


def test_a_reason_that_is_not_known_is_shown_as_it_came() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_RESPONSE)
    pair = Pair(network=wire)
    pair.run(seconds=1)
    refusal = Refusal(
        last_sent(pair.high, Kind.KEY_REQUEST).digest, "from-the-future", "who knows", bytes(32)
    )
    hand(pair.high, pair.low.peering._core.signed(Kind.REFUSAL, refusal))  # noqa: SLF001

    assert [(event.reason, event.detail_text, event.told_by) for event in told(pair.high)] == [
        ("from-the-future", "who knows", "peer")
    ]


def test_kinds_that_do_not_concern_a_peering_are_counted() -> None:
    pair = keyed_pair()
    ack = last_sent(pair.low, Kind.ACK)
    before = traces(pair.high)

    assert hand(pair.high, ack) == [Count("ack-is-for-paths")]
    assert hand(pair.high, Frame(77, LOWER.bytes, HIGHER.bytes, b"\x90")) == [Count("malformed")]
    assert traces(pair.high) == before


# --- replays, lengths, order --------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0.5, 60, 7200])
def test_every_datagram_may_be_replayed_to_either_side_and_changes_no_key(later: float) -> None:
    wire = Wire()
    pair = keyed_pair(network=wire, observer=Observer())
    rekey(pair.high)
    pair.run(seconds=100)
    pair.run(seconds=later)
    rings = [end.peering.ring for end in pair.ends]
    for passing in list(wire.carried):
        for receiver in pair.ends:
            pair.inject(receiver, passing.path, passing.data)
        pair.run(seconds=0.2)

    assert [end.peering.ring for end in pair.ends] == rings
    assert pair.run(seconds=100, until=pair.keyed)


def test_no_reply_is_longer_than_its_cause_unless_the_cause_was_authentic() -> None:
    """Each frame of an exchange, its proof spoiled, is handed to a keyed and to a fresh peering."""
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=100)
    fresh = Pair(ca=pair.ca, issued=(pair.low.issued, pair.high.issued), network=lambda _: ())
    for sender in pair.ends:
        for _, frame in sender.sent:
            for receiver in (pair.other(sender), fresh.low if sender is pair.high else fresh.high):
                for auth in (b"", bytes(len(frame.auth)), frame.auth[:-1] + b"\x00"):
                    spoiled = frame.with_auth(auth)
                    for effect in hand(receiver, spoiled):
                        if isinstance(effect, SendOn) and frame.auth and auth != frame.auth:
                            assert len(effect.frame.encode()) <= len(spoiled.encode())
                        assert isinstance(effect, SendOn | Count) or effect_is_a_hint(effect)


def test_what_is_not_a_datagram_of_the_peer_leaves_no_trace_in_the_peering() -> None:
    pair = keyed_pair()
    before = [traces(end) for end in pair.ends]
    frame = Frame(Kind.KEY_REQUEST, STRANGER.bytes, LOWER.bytes, bytes(300))
    for data in (b"", b"PK", bytes(1500), *cut(frame.encode(), bytes(8), 1200, never_answer=False)):
        pair.inject(pair.low, "path0", data)
    pair.run(seconds=10)

    assert [traces(end) for end in pair.ends] == before


def test_effects_behind_a_write_that_fails_are_dropped_with_the_incarnation() -> None:
    pair = Pair()
    pair.run(seconds=0.005)
    pair.high.fuse = 0
    pair.run(seconds=5)
    assert not pair.high.alive
    sent = len(pair.high.sent)
    pair.run(seconds=100)
    assert len(pair.high.sent) == sent
    pair.high.boot()

    assert pair.run(seconds=100, until=pair.keyed)


# --- helpers ------------------------------------------------------------------------------------------


def told(end: End) -> list[PeeringFailed]:
    return [event for event in end.events if isinstance(event, PeeringFailed)]


def status_of(pair: Pair) -> str:
    return pair.high.peering.status(pair.high.now).security_status


def replace_options(**changes: object) -> Options:
    return replace(Options(), **changes)  # type: ignore[arg-type]


def revocable(options: Options, end: str) -> tuple[Pair, End, RevocationTable]:
    """Return a keyed pair, the end whose certificate can be revoked, and the table that its peer looks at."""
    pair = keyed_pair(options=options, network=Wire(), observer=Observer())
    pair.run(seconds=100)
    node: End = getattr(pair, end)
    table = RevocationTable()
    pair.other(node).revocation = table
    pair.other(node).reconfigure()
    return pair, node, table


def wire_of(pair: Pair) -> Wire:
    assert isinstance(pair.network, Wire)
    return pair.network


def effect_is_a_hint(effect: object) -> bool:
    event = getattr(effect, "event", None)
    return isinstance(event, PeeringFailed) and event.told_by == "hint"
