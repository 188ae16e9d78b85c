"""Step C: whose certificates are in force, and what cannot bring another one back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from peerkey.protocol.constants import IMMEDIATE_RETRIES, Kind
from peerkey.protocol.effects import Count, Effect, SendOn, Store
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    Certificate,
    Reason,
    Refusal,
    decode_body_untrusted,
    decode_signatures_untrusted,
    encode_body,
    encode_signatures,
)
from peerkey.protocol.path import PathState
from peerkey.protocol.suites import signer_for
from peerkey.testing.ca import NOW, Issued, TestCA, new_key
from peerkey.testing.pair import HIGHER, LOWER, End, Options, Pair
from peerkey.testing.revocation import RevocationTable
from tests.protocol.wires import Wire, frames, hand, keyed_pair, last_sent, traces

PINNING = Options(peer_validation=False)


# --- C1 to C3 -----------------------------------------------------------------------------------------


def test_the_same_bytes_are_announced_on_every_path() -> None:
    pair = Pair(paths=3)

    assert [path for path, frame in pair.low.sent if frame.kind == Kind.CERTIFICATE] == [
        "path0",
        "path1",
        "path2",
    ]
    assert len(frames(pair.low, Kind.CERTIFICATE)) == 1


def test_a_certificate_that_comes_by_several_paths_is_judged_once() -> None:
    pair = keyed_pair(paths=3)

    assert pair.low.event_types().count("system.peer_certificate_validation") == 1
    assert pair.low.counts["repeated-certificate"] == 2


def test_an_announcement_is_repeated_until_an_authentic_frame_shows_that_the_peer_has_it() -> None:
    wire = Wire()
    wire.lose(Kind.CERTIFICATE, sender="high")
    pair = Pair(network=wire)
    pair.run(seconds=100)
    announced = [passing for passing in wire.carried if passing.kind == Kind.CERTIFICATE]
    assert announced
    wire.heal()
    assert pair.run(seconds=35, until=pair.keyed)

    pair.run(seconds=5)
    count = len(wire.carried)
    pair.run(seconds=1000)
    assert [passing.kind for passing in wire.carried[count:] if passing.kind == Kind.CERTIFICATE] == []


def test_the_saved_public_key_verifies_every_later_request() -> None:
    pair = keyed_pair()
    forged = last_sent(pair.high, Kind.KEY_REQUEST)
    stranger = signer_for(new_key())
    body = forged.body[:-1] + bytes((forged.body[-1] ^ 1,))
    frame = Frame(Kind.KEY_REQUEST, forged.sender, forged.receiver, body)
    before = traces(pair.low)
    hand(pair.low, frame.with_auth(stranger.sign(frame.signed)))

    assert traces(pair.low) == before


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA-2048"],
)
def test_certificates_of_other_kinds_of_key_key_the_peering_too(key: ec.EllipticCurvePrivateKey) -> None:
    ca = TestCA()
    keyed_pair(ca=ca, issued=(ca.issue(LOWER, key=key), ca.issue(HIGHER)))


@pytest.mark.parametrize("validation", [True, False])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"common_names": ("somebody-else",)}, "identity-mismatch"),
        ({"common_names": (str(HIGHER), str(LOWER))}, "names-two-identities"),
        ({"ca": True}, "ca-leaf"),
    ],
)
def test_identity_and_role_are_checked_always(
    validation: bool,  # noqa: FBT001
    spoil: dict[str, object],
    reason: str,
) -> None:
    ca = TestCA()
    bad = ca.issue(HIGHER, **spoil)  # type: ignore[arg-type]
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), bad), options=Options(peer_validation=validation))
    pair.run(seconds=100)

    assert reason in refused(pair.low)[0]
    assert len(refused(pair.low)) == 1
    assert pair.high.failures() == [reason]
    assert not pair.keyed()

    pair.high.replace_certificate(ca.issue(HIGHER))
    assert pair.run(seconds=65, until=pair.keyed)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"not_after": NOW - timedelta(hours=1)}, "expired"),
        ({"not_before": NOW + timedelta(hours=1)}, "not-yet-valid"),
    ],
)
def test_dates_are_checked_with_peer_validation(spoil: dict[str, object], reason: str) -> None:
    ca = TestCA()
    bad = ca.issue(HIGHER, **spoil)  # type: ignore[arg-type]
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), bad))
    pair.run(seconds=100)

    assert len(refused(pair.low)) == 1
    assert pair.high.failures() == [reason]
    assert not pair.keyed()
    assert all(end.paths["path0"].state is not PathState.IN_SERVICE for end in pair.ends)


def test_a_certificate_that_is_not_yet_valid_heals_with_the_clock() -> None:
    ca = TestCA()
    early = ca.issue(HIGHER, not_before=NOW + timedelta(hours=1))
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), early))
    pair.run(seconds=100)
    assert not pair.keyed()
    for end in pair.ends:
        end.clock_offset = timedelta(hours=1)
        end.look_again()

    assert pair.run(seconds=65, until=pair.keyed)


def test_an_expired_certificate_heals_with_a_clock_that_is_set_right() -> None:
    pair = Pair()
    pair = Pair(ca=pair.ca)
    pair.low.clock_offset = timedelta(days=500)
    pair.low.lose_store()
    pair.run(seconds=100)
    assert not pair.keyed()
    assert pair.high.failures() == ["expired"]
    pair.low.clock_offset = timedelta(0)
    pair.low.look_again()

    assert pair.run(seconds=65, until=pair.keyed)


def test_reason_a_ca_that_arrives_a_minute_later_heals_the_peering_by_itself() -> None:
    ca, other = TestCA(), TestCA("other")
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), other.issue(HIGHER)))
    pair.run(seconds=60)
    assert pair.high.failures() == ["untrusted"]
    # The announcement is kept: nothing further is needed for it.
    refused_one = last_sent(pair.high, Kind.CERTIFICATE)
    pair.low.trust = type(ca.trust).of([*ca.trust.certificates, *other.trust.certificates])
    pair.low.reconfigure()
    stored = pair.low.stored()
    assert stored is not None
    assert stored.peer is not None
    assert stored.peer.digest == refused_one.digest

    assert pair.run(seconds=35, until=pair.keyed)


def test_a_revoked_certificate_is_refused_and_comes_back_when_it_is_released() -> None:
    ca = TestCA()
    high = ca.issue(HIGHER)
    table = RevocationTable()
    table.revoke(high.certificate, NOW)
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), high))
    pair.low.revocation = table
    pair.low.lose_store()
    pair.run(seconds=100)
    assert pair.high.failures() == ["revoked"]
    table.release(high.certificate)
    pair.low.look_again()

    assert pair.run(seconds=65, until=pair.keyed)


def test_a_refused_certificate_that_is_bad_for_another_reason_is_told_of_before_it_comes_again() -> None:
    ca, other = TestCA(), TestCA("other")
    high = other.issue(HIGHER)
    pair = Pair(ca=ca, issued=(ca.issue(LOWER), high))
    pair.low.revocation = table = RevocationTable()
    pair.low.lose_store()
    pair.run(seconds=60)
    table.revoke(high.certificate, NOW)
    pair.low.trust = type(ca.trust).of([*ca.trust.certificates, *other.trust.certificates])
    pair.low.reconfigure()

    assert [text.split(":")[1].strip().split(" ")[0] for text in refused(pair.low)] == [
        "untrusted",
        "revoked",
    ]
    assert pair.low.peering.peer_fault is not None
    assert pair.low.peering.peer_fault.state == "revoked"
    pair.run(seconds=60)
    assert len(refused(pair.low)) == 2, "and it is not told of again when it comes"


# --- numbers and challenges ---------------------------------------------------------------------------


def test_reason_neither_a_replay_nor_an_old_key_brings_an_old_certificate_back_or_locks_the_peer_out() -> (
    None
):
    pair = keyed_pair()
    old = pair.high.issued
    assert old is not None
    replayed = last_sent(pair.high, Kind.CERTIFICATE)
    pair.high.replace_certificate(pair.ca.issue(HIGHER))
    pair.run(seconds=200)
    new = in_force(pair.low)
    assert new != leaf(old)

    pair.run(seconds=10)
    assert refusals(hand(pair.low, replayed)) == [Reason.STALE]
    for number in (1, 2**63, 2**64 - 1):
        pair.run(seconds=10)
        forged = announcement_of(pair.high, old, number=number, echo=b"")
        assert refusals(hand(pair.low, forged)) == [Reason.STALE]
    assert in_force(pair.low) == new

    pair.run(seconds=10)
    pair.high.replace_certificate(pair.ca.issue(HIGHER))
    pair.run(seconds=200)
    assert in_force(pair.low) not in {new, leaf(old)}
    assert pair.keyed()


def test_the_holder_of_the_present_key_cannot_lock_itself_out_with_a_huge_number() -> None:
    pair = keyed_pair()
    assert pair.high.issued is not None
    hand(pair.low, announcement_of(pair.high, pair.high.issued, number=2**64 - 1, echo=b""))
    pair.run(seconds=5)
    pair.high.lose_store()

    assert pair.run(seconds=100, until=pair.keyed)


def test_a_lower_number_under_the_same_leaf_is_stale() -> None:
    pair = keyed_pair()
    first = last_sent(pair.high, Kind.CERTIFICATE)
    pair.high.carry(pair.high.peering.release_pin(pair.high.now))
    pair.run(seconds=10)
    assert last_sent(pair.high, Kind.CERTIFICATE).digest != first.digest
    before = traces(pair.low)

    assert refusals(hand(pair.low, first)) == [Reason.STALE]
    assert traces(pair.low) == before


def test_an_announcement_number_only_grows_also_across_a_restart() -> None:
    pair = Pair()
    numbers = []
    for _ in range(3):
        message = decode_body_untrusted(last_sent(pair.high, Kind.CERTIFICATE))
        assert isinstance(message, Certificate)
        numbers.append(message.number)
        pair.high.crash()
        pair.high.boot()
    assert numbers == sorted(set(numbers))


def test_a_stale_announcement_is_renewed_at_once_at_most_three_times() -> None:
    wire = Wire()
    wire.lose(Kind.KEY_REQUEST, Kind.KEY_RESPONSE)
    pair = Pair(network=wire)
    pair.run(seconds=1)
    for number in range(10):
        refusal = Refusal(
            last_sent(pair.high, Kind.CERTIFICATE).digest, Reason.STALE, "", bytes([number]) * 32
        )
        hand(pair.high, pair.low.peering._core.signed(Kind.REFUSAL, refusal))  # noqa: SLF001
        pair.now = pair.now.after(timedelta(seconds=1.5))
    announced = frames(pair.high, Kind.CERTIFICATE)
    # Half a dozen refusals were received within one retransmit interval.
    assert len(announced) <= 1 + 1 + IMMEDIATE_RETRIES + 1


def test_an_announcement_is_stored_only_after_acceptance_and_before_it_is_acknowledged() -> None:
    pair = keyed_pair()
    assert pair.high.issued is not None
    wanted = pair.low.peering.receive(
        "path0", announcement_of(pair.high, pair.high.issued, number=50, echo=b""), pair.low.now
    )
    kinds = [type(effect) for effect in wanted]
    acknowledged = [
        place
        for place, effect in enumerate(wanted)
        if isinstance(effect, SendOn) and effect.frame.kind == Kind.ACK
    ]
    assert kinds.index(Store) < acknowledged[0]

    before = traces(pair.low)
    wanted = pair.low.peering.receive(
        "path0",
        announcement_of(pair.high, TestCA("stranger").issue(HIGHER), number=60, echo=b""),
        pair.low.now,
    )
    assert Store not in map(type, wanted)
    assert traces(pair.low) == before


@pytest.mark.parametrize("auth", [b"", b"junk", encode_signatures(b"junk"), encode_signatures(b"a", b"b")])
def test_an_announcement_whose_signature_does_not_verify_changes_nothing_but_a_counter(auth: bytes) -> None:
    pair = keyed_pair()
    assert pair.high.issued is not None
    before = traces(pair.low)
    wanted = hand(pair.low, announcement_of(pair.high, pair.high.issued, number=50, echo=b"").with_auth(auth))

    assert wanted in ([Count("bad-signature")], [Count("malformed")])
    assert traces(pair.low) == before


# --- replacement --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_replaced_certificate_restarts_c_and_then_k_and_the_key_in_use_stays(end: str) -> None:
    pair = keyed_pair()
    pair.run(seconds=100)
    node = pair.low if end == "low" else pair.high
    before = node.current
    assert before is not None
    node.replace_certificate(pair.ca.issue(node.uuid))
    assert node.current == before
    pair.run(seconds=1)
    assert in_force(pair.other(node)) == leaf(node.issued)
    assert [each.current.key_id for each in pair.ends if each.current] == [before.key_id] * 2
    assert all(each.in_service() for each in pair.ends)

    pair.run(seconds=65)
    assert pair.keyed()
    assert node.current is not None
    assert node.current.index > before.index
    assert node.current.local_leaf == hashlib.sha256(leaf(node.issued)).digest()
    assert node.failures() == pair.other(node).failures() == []


@pytest.mark.parametrize("phase", ["request", "response", "confirm"])
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_certificate_that_is_replaced_during_an_exchange_aborts_it_and_ends_keyed(
    phase: str, end: str
) -> None:
    lost = {"request": Kind.KEY_REQUEST, "response": Kind.KEY_RESPONSE, "confirm": Kind.KEY_CONFIRM}[phase]
    wire = Wire()
    wire.lose(lost)
    pair = Pair(network=wire)
    pair.run(seconds=1)
    node = pair.low if end == "low" else pair.high
    node.replace_certificate(pair.ca.issue(node.uuid))
    pair.run(seconds=1)
    wire.heal()
    pair.run(seconds=400)

    assert pair.keyed()
    assert node.current is not None
    assert node.current.local_leaf == hashlib.sha256(leaf(node.issued)).digest()


def test_both_certificates_may_be_replaced_at_the_same_time() -> None:
    pair = keyed_pair()
    pair.run(seconds=100)
    for end in pair.ends:
        end.replace_certificate(pair.ca.issue(end.uuid))
    pair.run(seconds=200)

    assert pair.keyed()
    assert {in_force(pair.low), in_force(pair.high)} == {leaf(pair.high.issued), leaf(pair.low.issued)}
    assert pair.low.current is not None
    assert pair.low.current.local_leaf == hashlib.sha256(leaf(pair.low.issued)).digest()


# --- pins ---------------------------------------------------------------------------------------------


def test_without_validation_the_first_certificate_is_pinned() -> None:
    ca, stranger = TestCA(), TestCA("stranger")
    pair = keyed_pair(ca=ca, options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))

    accepted = [event.detail() for event in pair.low.events if event.TITLE == "Validated a peer certificate."]
    assert [(detail["validated"], detail["pinned"]) for detail in accepted] == [(False, True)]
    pair.high.replace_certificate(TestCA("another").issue(HIGHER))
    pair.run(seconds=100)
    assert pair.high.failures() == pair.low.failures() == ["pinned"]
    assert in_force(pair.low) != leaf(pair.high.issued)


def test_a_chained_certificate_replaces_a_pin() -> None:
    ca, stranger = TestCA(), TestCA("stranger")
    pair = keyed_pair(ca=ca, options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))
    pair.high.replace_certificate(ca.issue(HIGHER))
    pair.run(seconds=200)

    assert in_force(pair.low) == leaf(pair.high.issued)
    assert pair.keyed()


def test_a_second_signature_by_the_pinned_key_replaces_a_pin() -> None:
    stranger = TestCA("stranger")
    pair = keyed_pair(options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))
    pair.high.replace_certificate(TestCA("another").issue(HIGHER), sign_with_both=True)
    assert len(decode_signatures_untrusted(last_sent(pair.high, Kind.CERTIFICATE).auth)) == 2
    pair.run(seconds=200)

    assert in_force(pair.low) == leaf(pair.high.issued)
    assert pair.keyed()


def test_a_second_signature_by_another_key_does_not_replace_a_pin() -> None:
    stranger = TestCA("stranger")
    pair = keyed_pair(options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))
    pair.high.issued = stranger.issue(HIGHER)
    pair.high.replace_certificate(TestCA("another").issue(HIGHER), sign_with_both=True)
    pair.run(seconds=200)

    assert in_force(pair.low) != leaf(pair.high.issued)


def test_an_operator_releases_a_pin_and_the_next_certificate_is_taken() -> None:
    stranger = TestCA("stranger")
    pair = keyed_pair(options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))
    pair.high.replace_certificate(TestCA("another").issue(HIGHER))
    pair.run(seconds=100)
    pair.low.carry(pair.low.peering.release_pin(pair.low.now))
    pair.run(seconds=200)

    assert in_force(pair.low) == leaf(pair.high.issued)
    assert pair.keyed()


def test_a_pin_that_is_released_while_the_peer_still_holds_the_same_certificate_comes_back() -> None:
    stranger = TestCA("stranger")
    pair = keyed_pair(options=PINNING, issued=(stranger.issue(LOWER), stranger.issue(HIGHER)))
    pair.run(seconds=100)
    pair.low.carry(pair.low.peering.release_pin(pair.low.now))
    pair.run(seconds=100)

    assert in_force(pair.low) == leaf(pair.high.issued)
    assert pair.keyed()


# --- rates and lengths --------------------------------------------------------------------------------


def test_unknown_certificates_do_not_use_up_the_rate_of_the_known_one() -> None:
    pair = keyed_pair()
    stranger = TestCA("stranger").issue(HIGHER)
    for number in range(100):
        hand(pair.low, announcement_of(pair.high, stranger, number=number, echo=b""))
    assert pair.low.counts["certificate-rate"] >= 80
    assert pair.high.issued is not None
    wanted = hand(pair.low, announcement_of(pair.high, pair.high.issued, number=1000, echo=b""))

    assert Count("certificate-rate") not in wanted
    assert Store in map(type, wanted)


def test_refusals_of_unknown_certificates_do_not_use_up_those_for_the_peer() -> None:
    pair = keyed_pair()
    pair.run(seconds=10)
    assert pair.high.issued is not None
    stranger = TestCA("stranger").issue(HIGHER)
    for number in range(10):
        hand(pair.low, announcement_of(pair.high, stranger, number=number, echo=b""))

    stale = announcement_of(pair.high, pair.high.issued, number=0, echo=b"")
    assert refusals(hand(pair.low, stale)) == [Reason.STALE]


def test_no_refusal_is_longer_than_a_certificate_that_nobody_vouches_for() -> None:
    """With an RSA-8192 key here a signed refusal would be longer than the announcement that caused it."""
    ca = TestCA()
    long = ca.issue(LOWER, key=rsa.generate_private_key(65537, 4096))
    pair = Pair(ca=ca, issued=(long, ca.issue(HIGHER)), options=Options(peer_validation=True))
    pair.run(seconds=10)
    stranger = TestCA("stranger").issue(HIGHER, issuer=None, intermediates=())
    cause = announcement_of(pair.high, stranger, number=1, echo=b"")
    answers = [effect.frame for effect in hand(pair.low, cause) if isinstance(effect, SendOn)]

    assert [answer.kind for answer in answers] == [Kind.REFUSAL]
    assert len(answers[0].encode()) <= len(cause.encode())


# --- helpers ------------------------------------------------------------------------------------------


def refused(end: End) -> list[str]:
    return [event.description() for event in end.events if event.TITLE == "Refused a peer certificate."]


def refusals(effects: Sequence[Effect]) -> list[str]:
    messages = [
        decode_body_untrusted(effect.frame)
        for effect in effects
        if isinstance(effect, SendOn) and effect.frame.kind == Kind.REFUSAL
    ]
    return [message.reason for message in messages if isinstance(message, Refusal)]


def leaf(issued: Issued | None) -> bytes:
    assert issued is not None
    return issued.chain[0]


def in_force(end: End) -> bytes:
    return end.peering.peer_chain[0]


def announcement_of(end: End, issued: Issued, *, number: int, echo: bytes) -> Frame:
    """Return an announcement that the holder of ``issued`` could make in the name of ``end``."""
    message = Certificate(number, issued.chain, (1,), (end.options.algorithm,), bytes(32), echo)
    frame = Frame(Kind.CERTIFICATE, end.uuid.bytes, end.peer_uuid.bytes, encode_body(message))
    return frame.with_auth(encode_signatures(signer_for(issued.key).sign(frame.signed)))
