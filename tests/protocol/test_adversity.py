"""Floods, hostile peers, unlucky operators: each once stopped keying, or went on when it must not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from peerkey.protocol.constants import MAXIMUM_INDEX, Kind
from peerkey.protocol.effects import Effect, Usable
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    Certificate,
    KeyRequest,
    PeeringRemoved,
    Probe,
    Reason,
    Refusal,
    Role,
    SummaryEntry,
    decode_body_untrusted,
    encode_body,
    encode_signatures,
)
from peerkey.protocol.path import PathState
from peerkey.protocol.phases import Phase
from peerkey.protocol.replay import WINDOW, ReplayWindow
from peerkey.protocol.segments import cut
from peerkey.protocol.suites import signer_for
from peerkey.testing.ca import TestCA
from peerkey.testing.pair import LATENCY, LOWER, Datagram, End, Fate, Options, Pair
from tests.protocol.wires import hand, keyed_pair, last_sent, rekey

JUNK_EVERY = timedelta(milliseconds=10)


def test_a_flood_of_forged_macs_does_not_keep_a_rekey_from_completing() -> None:
    pair = keyed_pair()
    for end in (pair.low, pair.high):
        rekey(end)
    for _ in range(100 * 45):
        for end in (pair.low, pair.high):
            forged = Frame(
                Kind.PEERING_REMOVED,
                end.peer_uuid.bytes,
                end.uuid.bytes,
                encode_body(PeeringRemoved("x")),
                bytes(48),
            )
            for datagram in cut(forged.encode(), bytes(8), 1200, never_answer=False):
                pair.inject(end, "path0", datagram)
        pair.run(seconds=JUNK_EVERY.total_seconds())

    assert pair.keyed()
    assert pair.low.current is not None
    assert pair.low.current.index > 1


def test_a_flood_of_junk_certificates_does_not_keep_two_strangers_from_meeting() -> None:
    silent = [True]
    pair = Pair(network=lambda datagram: () if silent[0] else ((LATENCY, datagram.data),))
    for number in range(500):
        for end in (pair.low, pair.high):
            message = Certificate(number + 1, (b"junk",), (1,), ("ml-kem-768",), bytes(32), b"")
            junk = Frame(Kind.CERTIFICATE, end.peer_uuid.bytes, end.uuid.bytes, encode_body(message))
            hand(end, junk.with_auth(encode_signatures(b"junk")))
        pair.run(seconds=0.05)
    silent[0] = False

    assert pair.run(seconds=40, until=pair.keyed)


def test_a_chain_is_judged_only_for_whoever_holds_its_key() -> None:
    pair = Pair()
    other = TestCA("other").issue(LOWER)
    message = Certificate(1, other.chain, (1,), ("ml-kem-768",), bytes(32), b"")
    frame = Frame(Kind.CERTIFICATE, LOWER.bytes, pair.high.uuid.bytes, encode_body(message))
    stolen = frame.with_auth(
        encode_signatures(signer_for(TestCA("thief").issue(LOWER).key).sign(frame.signed))
    )
    hand(pair.high, stolen)

    assert pair.high.counts["bad-signature"] == 1
    assert not pair.high.events


def test_an_index_that_a_bad_peer_claims_in_its_summary_cannot_exhaust_ours() -> None:
    for claimed in (MAXIMUM_INDEX, MAXIMUM_INDEX - 2, 2**33):
        pair = keyed_pair()
        summary = (SummaryEntry(claimed, bytes(16), Role.CURRENT),)
        hand(pair.low, _request(pair.high, summary))

        assert pair.low.counts["index-jump"] == 1
        stored = pair.low.stored()
        assert stored is not None
        assert stored.highest_index < 10
        rekey(pair.high)
        pair.run(seconds=60)
        assert pair.keyed()


def test_a_request_in_flight_dies_with_our_certificate_under_fail_hard() -> None:
    slow = [False]
    delay = timedelta(seconds=5)
    pair = Pair(
        options=Options(fail_hard=True),
        network=lambda datagram: ((delay if slow[0] else LATENCY, datagram.data),),
    )
    pair.run(seconds=60, until=lambda: pair.high.peering.phase is Phase.REQUESTING)
    slow[0] = True
    pair.high.judge_own_certificate("expired: a test")
    pair.run(seconds=300)

    assert pair.high.peering.phase is Phase.IDLE
    assert not pair.high.peering.ring
    assert not pair.high.in_service()


def test_a_key_that_fail_hard_forbids_is_not_said_to_be_usable_at_a_restart() -> None:
    pair = keyed_pair(options=Options(fail_hard=True))
    pair.high.crash()
    pair.run(seconds=1)
    pair.high.trust = TestCA("another").trust
    said: list[Effect] = []
    carry = pair.high.carry

    def listening(wanted: list[Effect]) -> None:
        said.extend(wanted)
        carry(wanted)

    pair.high.carry = listening  # type: ignore[method-assign]
    pair.high.boot()

    assert not pair.high.peering.ring
    assert {effect.index for effect in said if isinstance(effect, Usable)} == {None}


def test_a_certificate_that_is_rolled_back_is_announced_until_the_peer_names_it() -> None:
    cut_off = [False]
    pair = Pair(
        options=Options(rekey_interval=timedelta(hours=1)),
        network=lambda datagram: () if cut_off[0] else ((LATENCY, datagram.data),),
    )
    pair.run(seconds=120, until=pair.keyed)
    old = pair.low.issued
    assert old is not None
    pair.low.replace_certificate(pair.ca.issue(LOWER))
    pair.run(seconds=40)
    cut_off[0] = True
    pair.low.replace_certificate(old)
    pair.run(seconds=10)
    cut_off[0] = False
    pair.run(hours=6)

    assert pair.keyed()
    assert pair.low.current is not None
    assert pair.low.current.index > 5
    assert pair.high.peering.peer_chain == old.chain


def test_what_was_waited_for_before_it_was_disabled_does_not_rest_a_path_that_is_enabled() -> None:
    cut_off = [False]
    pair = Pair(network=lambda datagram: () if cut_off[0] else ((LATENCY, datagram.data),))
    pair.run(seconds=60, until=pair.keyed)
    cut_off[0] = True
    rekey(pair.high)
    pair.run(seconds=40)
    _enable(pair, enabled=False)
    cut_off[0] = False
    pair.run(hours=2)
    _enable(pair, enabled=True)

    assert pair.run(seconds=60, until=pair.keyed)


def test_a_probe_that_is_copied_to_a_dead_path_does_not_make_it_look_alive() -> None:
    def copying(datagram: Datagram) -> Fate:
        """Let the second path be dead, and copy to it what goes by the first."""
        if datagram.path == "path1":
            return ()
        other = pair.other(datagram.sender)
        pair.inject(other, "path1", datagram.data)
        return ((LATENCY, datagram.data),)

    pair = Pair(paths=2, options=Options(probe_interval=timedelta(minutes=5)))
    pair.run(seconds=60, until=pair.keyed)
    pair.network = copying
    pair.run(hours=6)

    for end in (pair.low, pair.high):
        assert end.paths["path0"].state is PathState.IN_SERVICE
        assert end.paths["path1"].state is not PathState.IN_SERVICE


def test_a_forged_probe_does_not_hurry_a_side_without_keys() -> None:
    pair = Pair(network=lambda datagram: _only(Kind.CERTIFICATE, datagram))
    pair.run(seconds=1)
    before = pair.low.peering.deadline()
    body = encode_body(Probe(bytes(8), 1, 1, bytes(16)))
    hand(pair.low, Frame(Kind.PROBE, pair.high.uuid.bytes, LOWER.bytes, body, bytes(48)))

    assert pair.low.counts["unknown-key"] == 1
    assert pair.low.peering.deadline() == before


def test_unsigned_refusals_tell_an_operator_a_bounded_number_of_times() -> None:
    pair = Pair(network=lambda _: ())
    digest = last_sent(pair.low, Kind.CERTIFICATE).digest if pair.low.sent else _announced(pair.low)
    for number in range(1_000):
        hint = Refusal(digest, f"made-up-{number}", "", b"")
        frame = Frame(Kind.REFUSAL, pair.high.uuid.bytes, LOWER.bytes, encode_body(hint))
        for datagram in cut(frame.encode(), number.to_bytes(8, "big"), 1200, never_answer=True):
            pair.inject(pair.low, "path0", datagram)

    assert 1 <= len(pair.low.failures()) <= len(Reason) + 1


def test_strangers_certificates_tell_an_operator_a_bounded_number_of_times() -> None:
    pair = keyed_pair()
    strangers = [TestCA(f"stranger {number}").issue(pair.high.uuid) for number in range(2)]
    for number in range(600):
        issued = strangers[number % 2]
        stored = pair.low.stored()
        assert stored is not None
        message = Certificate(number + 1, issued.chain, (1,), ("ml-kem-768",), bytes(32), stored.challenge)
        frame = Frame(Kind.CERTIFICATE, pair.high.uuid.bytes, LOWER.bytes, encode_body(message))
        hand(pair.low, frame.with_auth(encode_signatures(signer_for(issued.key).sign(frame.signed))))
        pair.run(seconds=1)

    told = [event for event in pair.low.events if event.TITLE == "Refused a peer certificate."]
    assert 1 <= len(told) <= 15


def test_a_window_takes_each_number_once_and_late_ones_within_its_width() -> None:
    window = ReplayWindow()
    life = (1, bytes(8))
    assert window.take(life, 100)
    assert not window.take(life, 100)
    assert window.take(life, 100 - WINDOW + 1)
    assert not window.take(life, 100 - WINDOW + 1)
    assert not window.take(life, 100 - WINDOW)
    assert window.take(life, 2**64 - 1)
    assert not window.take(life, 100)
    assert not window.take((0, b"\xff" * 8), 2**64 - 1), "a key of before"
    assert window.take((2, bytes(8)), 1), "a peer that lost its store, under its next key"


# --- helpers ------------------------------------------------------------------------------------------


def _request(sender: End, summary: tuple[SummaryEntry, ...]) -> Frame:
    """Return a request that only the peer itself could make, with this summary."""
    core = sender.peering._core  # noqa: SLF001 - only the peer itself can sign
    identity, peer = core.identity, core.state.peer
    assert identity is not None
    assert peer is not None
    shares, _ = core.agreement.offer()
    message = KeyRequest(
        core.state.highest_index + 1,
        0,
        core.config.algorithm.name,
        shares.dh,
        shares.kem,
        bytes(32),
        identity.fingerprint,
        peer.fingerprint,
        core.state.peer_challenge,
        summary,
    )
    return core.signed(Kind.KEY_REQUEST, message)


def _enable(pair: Pair, *, enabled: bool) -> None:
    for end in (pair.low, pair.high):
        end.options.enabled = enabled
        end.reconfigure()


def _only(kind: Kind, datagram: Datagram) -> Iterable[tuple[timedelta, bytes]]:
    """Let only frames of one kind through, as long as each is one segment or the kind is the first."""
    del kind
    return ((LATENCY, datagram.data),) if len(datagram.data) > 1_000 else ()


def _announced(end: End) -> bytes:
    (effect, _) = end.peering.path_started()
    frame = getattr(effect, "frame", None)
    assert isinstance(frame, Frame)
    assert isinstance(decode_body_untrusted(frame), Certificate)
    return frame.digest
