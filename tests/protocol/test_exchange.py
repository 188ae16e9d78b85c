"""Steps K1 to K5: one exchange, what disturbs it, and how it is settled."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import pytest

from peerkey.moment import Instant
from peerkey.protocol.constants import IMMEDIATE_RETRIES, Kind
from peerkey.protocol.effects import Count, Effect, Heard, PathEffect, SendOn, Store
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    Certificate,
    KeyConfirm,
    KeyRequest,
    Message,
    Reason,
    Refusal,
    Role,
    decode_body_untrusted,
    encode_body,
)
from peerkey.protocol.path import Path
from peerkey.protocol.phases import EDGES, Phase, Progress, Step
from peerkey.protocol.suites import ALL, Algorithm, BadSignature
from peerkey.testing.pair import START, End, Options, Pair
from tests.protocol.wires import Wire, frames, hand, keyed_pair, last_sent, rekey, traces

T = TypeVar("T")


# --- the plain exchange -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL, ids=str)
def test_both_ends_agree_one_key_with_every_algorithm(algorithm: Algorithm) -> None:
    pair = keyed_pair(options=Options(algorithm=algorithm.name))

    assert pair.low.current is not None
    assert pair.high.current is not None
    assert pair.low.current.key_id == pair.high.current.key_id
    assert pair.low.current.algorithm == algorithm.name
    assert pair.low.counts == pair.high.counts == {}


def test_the_preferred_initiator_is_the_higher_uuid_among_equal_priorities() -> None:
    pair = keyed_pair()

    assert frames(pair.high, Kind.KEY_REQUEST)
    assert not frames(pair.low, Kind.KEY_REQUEST)


def test_the_preferred_initiator_is_the_higher_priority_whatever_the_uuids() -> None:
    pair = keyed_pair(
        options=Options(priority=5, peer_priority=1), other_options=Options(priority=1, peer_priority=5)
    )

    assert frames(pair.low, Kind.KEY_REQUEST)
    assert not frames(pair.high, Kind.KEY_REQUEST)


def test_the_other_side_starts_by_itself_after_one_retransmit_interval_without_a_request() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_REQUEST, sender="high")
    pair = Pair(network=wire)
    pair.run(seconds=29)
    assert not frames(pair.low, Kind.KEY_REQUEST)

    pair.run(seconds=2)
    assert frames(pair.low, Kind.KEY_REQUEST)
    wire.heal()
    assert pair.run(seconds=5, until=pair.keyed)


def test_the_other_side_starts_at_once_when_it_has_lost_its_keys() -> None:
    pair = keyed_pair(options=Options(fail_hard=True))
    pair.low.judge_own_certificate("revoked")
    pair.run(seconds=1)
    assert pair.low.current is pair.high.current is None
    pair.low.sent.clear()
    pair.low.judge_own_certificate("")
    pair.low.tick()

    assert frames(pair.low, Kind.KEY_REQUEST)


def test_the_same_bytes_are_retransmitted_and_nothing_is_signed_twice() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_RESPONSE)
    pair = Pair(network=wire, options=Options(timeout=timedelta(hours=1)))
    pair.run(seconds=115)

    assert len(frames(pair.high, Kind.KEY_REQUEST)) == 1
    assert len(frames(pair.low, Kind.KEY_RESPONSE)) == 1
    wire.heal()
    assert pair.run(seconds=60, until=pair.keyed)


@pytest.mark.parametrize(
    "kind", [Kind.KEY_REQUEST, Kind.KEY_RESPONSE, Kind.KEY_CONFIRM, Kind.KEY_ESTABLISHED]
)
@pytest.mark.parametrize("paths", [1, 2])
def test_an_exchange_recovers_from_the_loss_of_every_message(kind: Kind, paths: int) -> None:
    wire = Wire()
    wire.lose(kind)
    pair = Pair(paths=paths, network=wire)
    pair.run(seconds=10)
    wire.heal()

    assert pair.run(seconds=65, until=pair.keyed)


def test_reason_a_message_lost_between_peering_and_path_is_repeated_by_the_one_that_owns_it() -> None:
    """The peering repeats kinds 3 to 6, the path kinds 1 and 8: what a path never got is sent again."""
    pair = Pair()
    for end in pair.ends:
        forget_the_first_of_each_kind(end.paths["path0"])

    assert pair.run(seconds=155, until=pair.keyed)
    assert pair.now.instant - START.instant > timedelta(seconds=30)


def test_reason_signatures_cover_neither_envelope_nor_auth_because_both_are_malleable() -> None:
    """A request whose auth was exchanged is the same request: it is answered with the stored response."""
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=0.015)
    request = last_sent(pair.high, Kind.KEY_REQUEST)
    assert pair.low.peering.phase is Phase.RESPONDING
    before = traces(pair.low)
    pair.run(seconds=0)
    malleated = request.with_auth(request.auth + b"\x00")

    assert malleated.digest == request.digest
    hand(pair.low, malleated)
    assert traces(pair.low) == before
    assert len(frames(pair.low, Kind.KEY_RESPONSE)) == 2


def test_a_request_in_flight_is_answered_with_the_stored_response_on_its_path_once_a_second() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_RESPONSE)
    pair = Pair(paths=2, network=wire)
    pair.run(seconds=0.5)
    request = last_sent(pair.high, Kind.KEY_REQUEST)
    assert pair.low.peering.phase is Phase.RESPONDING
    before = traces(pair.low)
    pair.now = pair.now.after(timedelta(seconds=2))

    again = hand(pair.low, request, "path1")
    assert [effect.path for effect in answers(again, Kind.KEY_RESPONSE)] == ["path1"]
    assert answers(hand(pair.low, request, "path0"), Kind.KEY_RESPONSE) == []
    assert pair.low.counts["answer-rate"] >= 1
    assert traces(pair.low) == before


def test_requests_and_responses_that_were_dealt_with_are_acknowledged_and_change_nothing() -> None:
    pair = keyed_pair()
    for sender, kind in (
        (pair.high, Kind.KEY_REQUEST),
        (pair.low, Kind.KEY_RESPONSE),
        (pair.high, Kind.KEY_CONFIRM),
        (pair.low, Kind.KEY_ESTABLISHED),
    ):
        receiver = pair.other(sender)
        before = traces(receiver)
        wanted = hand(receiver, last_sent(sender, kind))
        assert answers(wanted, Kind.ACK)
        assert traces(receiver) == before
        assert not of(wanted, Store)
        assert not of(wanted, Heard)


# --- crossed requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["low", "high"])
def test_when_two_requests_cross_the_higher_stands_and_the_other_sender_answers(first: str) -> None:
    pair = keyed_pair()
    starter = pair.low if first == "low" else pair.high
    rekey(starter)
    rekey(pair.other(starter))
    assert pair.low.peering.phase is pair.high.peering.phase is Phase.REQUESTING
    pair.run(seconds=1)

    assert pair.low.counts.get("crossed-request") is None
    assert pair.high.counts["crossed-request"] == 1
    assert len(frames(pair.low, Kind.KEY_RESPONSE)) == 2
    assert not frames(pair.high, Kind.KEY_RESPONSE)
    assert pair.low.peering.ring.summary() == pair.high.peering.ring.summary()


def test_crossed_requests_are_compared_by_what_stands_in_them_not_by_configuration() -> None:
    """Each side believes the other one to be preferred, or itself; the requests say the same to both."""
    for low_thinks, high_thinks in ((20, 0), (0, 20)):
        pair = Pair(
            options=Options(priority=9, peer_priority=low_thinks),
            other_options=Options(priority=3, peer_priority=high_thinks),
        )
        assert pair.run(seconds=65, until=pair.keyed)
        responses = len(frames(pair.low, Kind.KEY_RESPONSE))
        for end in pair.ends:
            rekey(end)
        pair.run(seconds=1)
        accepted = [end.peering.ring.next for end in pair.ends]
        assert len({key.key_id for key in accepted if key is not None}) == 1
        assert None not in accepted
        assert len(frames(pair.low, Kind.KEY_RESPONSE)) == responses
        assert frames(pair.high, Kind.KEY_RESPONSE)


@pytest.mark.parametrize("lost", ["low", "high"])
def test_crossed_requests_of_which_one_is_lost_still_end_in_one_key(lost: str) -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    wire.lose(Kind.KEY_REQUEST, sender=lost)
    for end in pair.ends:
        rekey(end)
    pair.run(seconds=20)
    wire.heal()
    pair.run(seconds=120)

    assert pair.keyed()
    assert pair.low.current is not None
    assert pair.low.current.index > 1


# --- challenges ---------------------------------------------------------------------------------------


def test_a_request_echoes_the_challenge_last_heard_from_the_receiver() -> None:
    pair = keyed_pair()
    rekey(pair.high)

    assert request_of(pair.high).echo == last_challenge(pair.low)


def test_a_stale_echo_is_refused_with_the_current_challenge_and_asked_again_at_once() -> None:
    pair = keyed_pair()
    lose_challenge(pair.high)
    rekey(pair.high)
    pair.run(seconds=1)

    refusal = decode_body_untrusted(last_sent(pair.low, Kind.REFUSAL))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == Reason.STALE
    assert pair.low.peering.ring.next is not None
    assert pair.high.failures() == pair.low.failures() == []


def test_at_most_three_immediate_retries_follow_a_stale_refusal() -> None:
    pair = keyed_pair()
    pair.low.crash()
    rekey(pair.high)
    for _ in range(10):
        refuse(pair, pair.high, Reason.STALE, b"\xee" * 32)
        pair.now = pair.now.after(timedelta(seconds=1))
    requests = frames(pair.high, Kind.KEY_REQUEST)
    assert len(requests) == 1 + 1 + IMMEDIATE_RETRIES

    pair.run(seconds=35)
    assert len(frames(pair.high, Kind.KEY_REQUEST)) == 1 + 1 + IMMEDIATE_RETRIES + 1


def test_a_wrong_echo_gets_at_most_one_refusal_a_second() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    pair.low.sent.clear()
    for second in range(3):
        for number in range(20):
            hand(pair.low, signed_request(pair, echo=bytes([second, number]) * 16))
        pair.now = pair.now.after(timedelta(seconds=1))

    assert len(frames(pair.low, Kind.REFUSAL)) == 3


def test_a_wrong_echo_that_is_not_signed_by_the_peer_gets_no_answer() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    before = traces(pair.low)
    forged = signed_request(pair, echo=bytes(32)).with_auth(b"\x30\x06\x02\x01\x01\x02\x01\x01")

    assert hand(pair.low, forged) == [Count("bad-signature")]
    assert traces(pair.low) == before


def test_a_challenge_is_spent_by_a_request_that_verifies_also_where_it_is_refused() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    assert pair.low.peering.ring.next is not None
    busy = signed_request(pair, echo=last_challenge(pair.low))
    assert refusals(hand(pair.low, busy)) == ["busy"]

    pair.run(seconds=90)
    assert pair.low.peering.ring.previous is None
    before = pair.low.peering.ring
    wanted = hand(pair.low, busy)
    assert pair.low.peering.ring == before
    assert pair.low.peering.phase is Phase.IDLE
    assert not answers(wanted, Kind.KEY_RESPONSE)


# --- busy, unknown-exchange, summaries ----------------------------------------------------------------


def test_while_a_rekey_is_being_completed_requests_are_refused_as_busy() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    assert pair.low.peering.ring.next is not None

    assert refusals(hand(pair.low, signed_request(pair, echo=last_challenge(pair.low)))) == ["busy"]


def test_a_side_that_completes_a_rekey_does_not_begin_another() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    rekey(pair.high)
    pair.run(seconds=58)
    assert len(frames(pair.high, Kind.KEY_REQUEST)) == 2
    assert pair.high.peering.ring.previous is not None

    pair.run(seconds=120)
    assert pair.high.current is not None
    assert pair.high.current.index > 2


def test_a_busy_side_answers_a_peer_that_lacks_the_current_key() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    assert pair.low.peering.ring.next is not None
    pair.high.lose_store()

    assert pair.run(seconds=70, until=pair.keyed)


def test_a_late_confirm_gets_a_signed_refusal_unknown_exchange() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=119)
    assert Role.PENDING in roles(pair.low)
    pair.run(seconds=2)
    assert Role.PENDING not in roles(pair.low)
    dropped = pair.high.peering.ring.held
    assert dropped is not None

    wire.heal()
    wire.lose(Kind.KEY_REQUEST)
    pair.run(seconds=31)
    refusal = last_sent(pair.low, Kind.REFUSAL)
    message = decode_body_untrusted(refusal)
    assert isinstance(message, Refusal)
    assert message.reason == Reason.UNKNOWN_EXCHANGE
    assert refusal.auth
    assert pair.high.peering.ring.held is None
    assert all(key != dropped for _, key in pair.high.peering.ring)

    wire.heal()
    pair.run(seconds=60)
    assert pair.high.current is not None
    assert pair.high.current.index > dropped.index


def test_unknown_exchange_is_told_also_after_a_restart_of_the_side_that_gave_up() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=121)
    pair.low.crash()
    pair.low.boot()
    wire.heal()
    wire.lose(Kind.KEY_REQUEST)
    pair.run(seconds=40)

    assert pair.high.peering.ring.held is None


def test_a_forged_confirm_of_an_exchange_that_was_given_up_gets_no_signature() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=121)
    confirm = last_sent(pair.high, Kind.KEY_CONFIRM)

    assert hand(pair.low, confirm.with_auth(bytes(48))) == [Count("bad-mac")]


def test_a_confirm_of_nothing_known_gets_a_hint_no_longer_than_itself() -> None:
    pair = keyed_pair()
    pair.run(seconds=5)
    stranger = Frame(Kind.KEY_CONFIRM, pair.high.uuid.bytes, pair.low.uuid.bytes, confirm_body(), bytes(48))
    wanted = hand(pair.low, stranger)

    for answer in of(wanted, SendOn):
        assert len(answer.frame.encode()) <= len(stranger.encode())
    assert Count("unknown-exchange") in wanted


def test_a_spoofer_of_confirms_does_not_use_up_the_refusals_of_the_real_peer() -> None:
    pair = keyed_pair()
    rekey(pair.high)
    pair.run(seconds=1)
    for number in range(100):
        spoofed = confirm_body(number)
        hand(pair.low, Frame(Kind.KEY_CONFIRM, pair.high.uuid.bytes, pair.low.uuid.bytes, spoofed, bytes(48)))

    assert refusals(hand(pair.low, signed_request(pair, echo=last_challenge(pair.low)))) == ["busy"]


@pytest.mark.parametrize("accepted", [True, False])
def test_a_ring_summary_settles_a_held_key_both_ways(accepted: bool) -> None:  # noqa: FBT001
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    if accepted:
        # The responder accepts; nothing that says so arrives.
        wire.lose(Kind.KEY_ESTABLISHED, Kind.PROBE, Kind.PROBE_REPLY, sender="low")
        wire.lose(Kind.KEY_CONFIRM, sender="high", path="none")
    else:
        wire.lose(Kind.KEY_CONFIRM)
        wire.lose(Kind.REFUSAL, sender="low")
    rekey(pair.high)
    pair.run(seconds=125)
    held = pair.high.peering.ring.held
    assert held is not None
    assert (pair.low.peering.ring.find(held.index) is not None) == accepted
    if accepted:
        # Its own key is replaced by an operator's word; the request tells what it can open.
        pair.low.peering.ring.find(held.index)
    rekey(pair.low)
    if accepted:
        hand(pair.high, signed_request(pair, sender=pair.low, echo=last_challenge(pair.high)))
        pair.run(seconds=1)
        found = pair.high.peering.ring.find(held.index)
        assert found is not None
        assert found[0] in {Role.NEXT, Role.CURRENT}
    else:
        pair.run(seconds=10)
        found = pair.high.peering.ring.find(held.index)
        assert found is None or found[1] != held
    wire.heal()
    pair.run(seconds=200)
    assert pair.keyed()


def test_a_held_key_is_settled_by_an_authentic_probe_under_it() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_ESTABLISHED)
    pair = Pair(network=wire)
    pair.run(seconds=1)

    assert pair.keyed()
    assert wire_kinds(wire).isdisjoint({Kind.KEY_ESTABLISHED})


def test_nothing_but_those_four_drops_a_held_key() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    pair.run(seconds=5)
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=1)
    held = pair.high.peering.ring.held
    assert held is not None

    rekey(pair.high)
    pair.high.options.algorithm = "ml-kem-512"
    pair.high.reconfigure()
    pair.high.replace_certificate(pair.ca.issue(pair.high.uuid))
    for reason in (Reason.BUSY, Reason.STALE, Reason.CERTIFICATE_CHANGED, "nonsense"):
        refuse(pair, pair.high, reason, bytes(32), of_kind=Kind.KEY_CONFIRM)
    pair.high.crash()
    pair.high.boot()
    pair.run(seconds=10_000, until=lambda: pair.high.peering.ring.held is None)

    assert pair.low.peering.ring.find(held.index) is None, "what dropped it was that the peer had given it up"


def test_a_pending_key_is_dropped_by_a_newer_valid_request_of_the_same_initiator() -> None:
    wire = Wire()
    pair = keyed_pair(network=wire)
    wire.lose(Kind.KEY_RESPONSE)
    rekey(pair.high)
    pair.run(seconds=1)
    first = pair.low.peering.ring.pending
    assert first is not None
    pair.high.crash()
    pair.high.boot()
    rekey(pair.high)
    pair.run(seconds=2)

    second = pair.low.peering.ring.pending
    assert second is not None
    assert second.index > first.index


@pytest.mark.parametrize(("interval", "kept"), [(5, 120), (30, 120), (60, 240), (3600, 14_400)])
def test_a_pending_key_is_kept_for_the_exchange_timeout(interval: int, kept: int) -> None:
    wire = Wire()
    interval_ = timedelta(seconds=interval)
    pair = keyed_pair(network=wire, options=Options(retransmit_interval=interval_, timeout=interval_ * 10))
    wire.lose(Kind.KEY_CONFIRM)
    rekey(pair.high)
    pair.run(seconds=0.1)
    assert pair.low.peering.ring.pending is not None

    pair.run(seconds=kept - 0.2)
    assert pair.low.peering.ring.pending is not None
    pair.run(seconds=0.2)
    assert pair.low.peering.ring.pending is None


# --- what is checked ----------------------------------------------------------------------------------


def test_an_index_is_greater_than_every_one_that_either_side_has_proposed_accepted_or_seen() -> None:
    pair = keyed_pair()
    pair.low.peering._core.state.highest_index = 40  # noqa: SLF001 - as if this side had proposed so far
    rekey(pair.high)
    pair.run(seconds=1)
    found = pair.high.peering.ring.next
    assert found is not None
    assert found.index == 41
    assert pair.low.peering.ring.find(41) is not None

    pair.high.lose_store()
    assert pair.run(seconds=100, until=pair.keyed)
    assert pair.low.current is not None
    assert pair.low.current.index > 41


@pytest.mark.parametrize("proposed", [0, 2**63, 2**64 - 1])
def test_an_index_that_would_exhaust_the_numbers_is_ignored(proposed: int) -> None:
    pair = keyed_pair()
    pair.run(seconds=90)
    before = pair.low.peering.ring
    request = signed_request(pair, echo=last_challenge(pair.low), proposed_index=proposed)

    assert Count("index-jump") in hand(pair.low, request)
    assert pair.low.peering.ring == before


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("dh_public", b""),
        ("dh_public", b"\x00"),
        ("dh_public", b"\xff"),
        ("kem_public", b""),
        ("kem_public", b"\xff"),
    ],
)
def test_public_values_of_another_length_or_range_are_refused_without_a_trace(
    field: str, change: bytes
) -> None:
    pair = keyed_pair(options=Options(algorithm="diffie-hellman-2048-ml-kem-768"))
    pair.run(seconds=90)
    spoiled = change * len(getattr(request_of(pair.high), field))
    ring, phase = pair.low.peering.ring, pair.low.peering.phase
    changes: dict[str, object] = {"echo": last_challenge(pair.low), field: spoiled}
    request = signed_request(pair, **changes)  # type: ignore[arg-type]
    wanted = hand(pair.low, request)

    assert Count("bad-share") in wanted
    assert (pair.low.peering.ring, pair.low.peering.phase) == (ring, phase)


def test_another_algorithm_than_the_configured_one_is_refused_on_both_sides_with_one_event_each() -> None:
    pair = Pair(
        options=Options(algorithm="ml-kem-768"), other_options=Options(algorithm="diffie-hellman-2048")
    )
    pair.run(seconds=400)
    assert not pair.keyed()
    assert set(pair.low.failures()) == set(pair.high.failures()) == {"algorithm-mismatch"}
    for end in pair.ends:
        assert len(end.failures()) == len(set(failures_in_full(end)))
    assert pair.low.current is pair.high.current is None
    assert [fault and fault[0] for fault in (pair.low.peering.key_fault, pair.high.peering.key_fault)] == [
        "algorithm-mismatch"
    ] * 2

    pair.high.options.algorithm = "ml-kem-768"
    pair.high.reconfigure()
    assert pair.high.peering.key_fault is None
    assert pair.run(seconds=65, until=pair.keyed)
    assert pair.low.peering.key_fault is None


def test_a_request_that_names_another_certificate_than_the_one_in_force_is_refused() -> None:
    pair = keyed_pair()
    pair.run(seconds=90)
    request = signed_request(pair, echo=last_challenge(pair.low), receiver_leaf=bytes(32))

    assert refusals(hand(pair.low, request)) == ["certificate-changed"]


def test_a_response_to_no_request_of_ours_is_counted() -> None:
    pair = keyed_pair()
    response = last_sent(pair.low, Kind.KEY_RESPONSE)
    stranger = Frame(Kind.KEY_RESPONSE, response.sender, response.receiver, response.body[:-1] + b"\x00")
    for _ in range(2):
        before = traces(pair.high)
        assert hand(pair.high, stranger) == [Count("unexpected-response")]
        assert traces(pair.high) == before
        rekey(pair.high)
        assert pair.high.peering.phase is Phase.REQUESTING


def test_no_signature_is_checked_before_echo_and_rate() -> None:
    """From cheap to dear: bounds, source, sender, echo, rate, then signature, then key agreement."""
    pair = keyed_pair()
    pair.run(seconds=5)
    verified: list[bytes] = []

    class Counting:
        def verify(self, signature: bytes, data: bytes) -> None:
            verified.append(data)
            raise BadSignature(signature.hex())

    pair.low.peering._core.verifier = Counting()  # type: ignore[assignment] # noqa: SLF001
    for number in range(100):
        hand(pair.low, signed_request(pair, echo=bytes([number]) * 32).with_auth(b"forged"))
    assert len(verified) <= 4
    assert pair.low.counts["stale-request"] >= 90

    verified.clear()
    challenge = last_challenge(pair.low)
    for number in range(100):
        hand(pair.low, signed_request(pair, echo=challenge, nonce=bytes([number]) * 32).with_auth(b"forged"))
    assert len(verified) <= 16
    assert pair.low.counts["request-rate"] >= 80


def test_reason_a_spoofer_does_not_starve_the_real_peer() -> None:
    """Wrong echoes, unknown certificates and confirms of nothing fall into buckets of their own."""
    pair = keyed_pair()
    pair.run(seconds=90)
    stranger = pair.ca.issue(pair.high.uuid)
    announcement = decode_body_untrusted(last_sent(pair.high, Kind.CERTIFICATE))
    assert isinstance(announcement, Certificate)
    for number in range(200):
        echo = bytes([number]) * 32
        hand(pair.low, signed_request(pair, echo=echo).with_auth(b"forged"))
        body = encode_body(announcement._replace(chain=stranger.chain, number=1000 + number))
        certificate = Frame(Kind.CERTIFICATE, pair.high.uuid.bytes, pair.low.uuid.bytes, body)
        hand(pair.low, certificate.with_auth(b"\x91\xc4\x06forged"))
        spoofed = confirm_body(number)
        hand(pair.low, Frame(Kind.KEY_CONFIRM, pair.high.uuid.bytes, pair.low.uuid.bytes, spoofed, bytes(48)))
    rekey(pair.high)
    pair.run(seconds=1)

    assert pair.low.peering.ring.next is not None
    assert pair.high.peering.ring.next is not None


def test_every_phase_can_be_reached_and_left_and_a_step_without_an_edge_is_a_bug() -> None:
    assert {phase for phase, _ in EDGES} == set(EDGES.values()) == set(Phase)
    assert {step for _, step in EDGES} == set(Step)
    progress = Progress()
    with pytest.raises(KeyError):
        progress.move(Step.COMPUTE)
    assert progress.phase is Phase.IDLE


# --- helpers ------------------------------------------------------------------------------------------


def of(effects: list[Effect], kind: type[T]) -> list[T]:
    return [effect for effect in effects if isinstance(effect, kind)]


def answers(effects: list[Effect], kind: Kind) -> list[SendOn]:
    return [effect for effect in of(effects, SendOn) if effect.frame.kind == kind]


def refusals(effects: list[Effect]) -> list[str]:
    messages = [decode_body_untrusted(answer.frame) for answer in answers(effects, Kind.REFUSAL)]
    return [message.reason for message in messages if isinstance(message, Refusal)]


def wire_kinds(wire: Wire) -> set[int]:
    return {passing.kind for passing in wire.carried}


def failures_in_full(end: End) -> list[str]:
    return [event.description() for event in end.events if event.TYPE == "peering.failed"]


def request_of(end: End) -> KeyRequest:
    message = decode_body_untrusted(last_sent(end, Kind.KEY_REQUEST))
    assert isinstance(message, KeyRequest)
    return message


def roles(end: End) -> set[Role]:
    return {role for role, _ in end.peering.ring}


def last_challenge(end: End) -> bytes:
    """Return what this end expects to be echoed."""
    stored = end.stored()
    assert stored is not None
    return stored.challenge


def lose_challenge(end: End) -> None:
    end.peering._core.state.peer_challenge = b"\xaa" * 32  # noqa: SLF001 - as if an older one had been heard last


def signed_request(pair: Pair, *, sender: End | None = None, **changes: object) -> Frame:
    """Return a request of one end as it could have made it, with some fields changed, and signed."""
    sender = sender or pair.high
    core = sender.peering._core  # noqa: SLF001 - only the peer itself can sign
    shares, _ = core.agreement.offer()
    identity, peer = core.identity, core.state.peer
    assert identity is not None
    assert peer is not None
    message = KeyRequest(
        core.state.highest_index + 1,
        core.config.local_priority,
        core.config.algorithm.name,
        shares.dh,
        shares.kem,
        core.entropy(32),
        identity.fingerprint,
        peer.fingerprint,
        b"",
        core.state.ring.summary(),
    )
    return core.signed(Kind.KEY_REQUEST, message._replace(**changes))  # type: ignore[arg-type]


def refuse(pair: Pair, end: End, reason: str, challenge: bytes, *, of_kind: Kind = Kind.KEY_REQUEST) -> None:
    """Let the peer of ``end`` refuse, with its signature, what ``end`` sent last."""
    digest = last_sent(end, of_kind).digest
    message: Message = Refusal(digest, reason, "because", challenge)
    hand(end, pair.other(end).peering._core.signed(Kind.REFUSAL, message))  # noqa: SLF001


def confirm_body(number: int = 0) -> bytes:
    return encode_body(KeyConfirm(bytes([number]) * 48, bytes(48), bytes(32)))


def forget_the_first_of_each_kind(path: Path) -> None:
    """Let a path never get the first frame of each kind that the peering gives to it."""
    forgotten: set[int] = set()
    send = path.send

    def forgetful(frame: Frame, now: Instant) -> list[PathEffect]:
        if frame.kind in forgotten:
            return send(frame, now)
        forgotten.add(frame.kind)
        return []

    path.send = forgetful  # type: ignore[method-assign]
