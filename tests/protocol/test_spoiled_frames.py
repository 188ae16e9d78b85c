"""Every byte of every frame, changed, and every length, cut: refused, counted, and without a trace.

"A frame that does not verify changes nothing but a counter by reason, and the exchange goes on waiting."
The frames are those of real exchanges, spoiled at the very moment at which the true one would have had
its effect; afterwards the true one arrives, and must still have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from peerkey.errors import Malformed
from peerkey.observe.events import Event
from peerkey.protocol import effects
from peerkey.protocol.constants import Kind
from peerkey.protocol.core import Buckets
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.path import PathState
from peerkey.protocol.segments import FRAME_ID_BYTES, cut
from peerkey.testing.pair import HIGHER, LOWER, End, Options, Pair
from peerkey.testing.reproducible import (
    DeterministicSigner,
    PlainAgreement,
    numbered_key,
    reproducible_ca,
)

#: What a refused frame may bring about: its counter, a refusal to whoever asked, a word to the operator.
_REFUSED = (effects.Count, effects.SendOn, effects.Emit, effects.Datagram)


def test_every_frame_of_a_first_exchange_is_refused_with_any_byte_changed() -> None:
    spoiler = Spoiler(each_byte_changed)
    spoiler.run_until(spoiler.pair.keyed)
    assert spoiler.kinds == {
        Kind.CERTIFICATE,
        Kind.ACK,
        Kind.KEY_REQUEST,
        Kind.KEY_RESPONSE,
        Kind.KEY_CONFIRM,
        Kind.KEY_ESTABLISHED,
        Kind.PROBE,
        Kind.PROBE_REPLY,
    }


def test_every_frame_of_a_first_exchange_is_refused_at_any_shorter_length() -> None:
    spoiler = Spoiler(each_shorter_length)
    spoiler.run_until(spoiler.pair.keyed)
    assert set(spoiler.reasons) == {"malformed"}


def test_every_frame_of_a_rekey_is_refused_with_any_byte_changed() -> None:
    spoiler = Spoiler(each_byte_changed, spoiling=False)
    spoiler.run_until(spoiler.pair.keyed)
    spoiler.spoiling = True
    high = spoiler.pair.high
    high.carry(high.peering.rekey(high.now))
    spoiler.run_until(lambda: spoiler.pair.keyed() and high.current is not None and high.current.index > 1)
    assert spoiler.kinds >= {Kind.KEY_REQUEST, Kind.KEY_RESPONSE, Kind.KEY_CONFIRM, Kind.KEY_ESTABLISHED}


def test_every_frame_of_two_replaced_certificates_is_refused_with_any_byte_changed() -> None:
    spoiler = Spoiler(each_byte_changed, spoiling=False)
    spoiler.run_until(spoiler.pair.keyed)
    spoiler.spoiling = True
    low, high = spoiler.pair.low, spoiler.pair.high
    low.replace_certificate(spoiler.pair.ca.issue(LOWER, key=numbered_key(12)))
    high.replace_certificate(spoiler.pair.ca.issue(HIGHER, key=numbered_key(13)))
    spoiler.run_until(lambda: spoiler.pair.keyed() and low.current is not None and low.current.index > 1)
    assert spoiler.kinds >= {Kind.CERTIFICATE, Kind.REFUSAL, Kind.KEY_REQUEST}


def test_a_farewell_is_refused_with_any_byte_changed() -> None:
    spoiler = Spoiler(each_byte_changed, options=Options(fail_hard=True), spoiling=False)
    spoiler.run_until(spoiler.pair.keyed)
    spoiler.spoiling = True
    low, high = spoiler.pair.low, spoiler.pair.high
    low.judge_own_certificate("revoked")
    spoiler.run_until(lambda: high.current is None)
    assert Kind.PEERING_REMOVED in spoiler.kinds


@pytest.mark.parametrize("validated", [True, False], ids=["validated", "pinned"])
def test_what_is_refused_is_counted_by_reason(validated: bool) -> None:  # noqa: FBT001
    spoiler = Spoiler(each_byte_changed, options=Options(peer_validation=validated))
    spoiler.run_until(spoiler.pair.keyed)
    assert {"malformed", "bad-signature", "bad-mac", "wrong-sender", "wrong-receiver"} <= set(spoiler.reasons)
    assert all(count > 0 for count in spoiler.reasons.values())


# --- helpers ----------------------------------------------------------------------------------------


def each_byte_changed(encoded: bytes) -> Iterator[bytes]:
    for position, byte in enumerate(encoded):
        yield encoded[:position] + bytes((byte ^ (1 << position % 8),)) + encoded[position + 1 :]


def each_shorter_length(encoded: bytes) -> Iterator[bytes]:
    for length in range(len(encoded)):
        yield encoded[:length]


class Spoiler:
    """A pair whose network lets every spoiled version of a frame arrive just before the frame itself."""

    def __init__(
        self,
        spoil: Callable[[bytes], Iterator[bytes]],
        *,
        options: Options | None = None,
        spoiling: bool = True,
    ) -> None:
        self.spoil = spoil
        self.spoiling = spoiling
        self.kinds: set[int] = set()
        self.reasons: dict[str, int] = {}
        self._done: set[bytes] = set()
        self._slices: dict[tuple[str, bytes], dict[int, bytes]] = {}
        ca = reproducible_ca()
        self.pair = Pair(
            ca=ca,
            issued=(ca.issue(LOWER, key=numbered_key(10)), ca.issue(HIGHER, key=numbered_key(11))),
            options=options or Options(retransmit_interval=timedelta(seconds=5)),
            agreement=PlainAgreement,
            signer=DeterministicSigner,
        )
        self.pair.tap = self._tap

    def run_until(self, done: Callable[[], bool]) -> None:
        assert self.pair.run(seconds=120, until=done)

    def _tap(self, receiver: End, path: str, data: bytes) -> None:
        """Let the spoiled frames arrive where the last segment of the true one is about to."""
        if not self.spoiling:
            return
        slices = self._slices.setdefault((receiver.name, data[4:12]), {})
        slices[data[12]] = data[14:]
        if len(slices) == data[13]:
            self._try(receiver, path, b"".join(slices[index] for index in range(data[13])))

    def _try(self, end: End, path: str, encoded: bytes) -> None:
        if encoded in self._done:
            return
        self._done.add(encoded)
        end.tick()
        self.kinds.add(decode_frame_untrusted(encoded).kind)
        before = trace(end, path)
        for number, spoiled in enumerate(self.spoil(encoded)):
            wanted = self._receive(end, path, spoiled, number)
            assert trace(end, path) == before, f"byte {number} of {encoded.hex()} left a trace"
            assert all(isinstance(effect, _REFUSED) for effect in wanted), wanted
            counts = [effect.reason for effect in wanted if isinstance(effect, effects.Count)]
            refused = [effect for effect in wanted if isinstance(effect, effects.SendOn)]
            assert counts or refused, f"byte {number} of {encoded.hex()} was not counted"
            for reason in counts:
                self.reasons[str(reason)] = self.reasons.get(str(reason), 0) + 1
            for effect in wanted:
                if isinstance(effect, effects.Emit):
                    assert is_of_nobody(effect.event), effect.event

    def _receive(self, end: End, path: str, spoiled: bytes, number: int) -> list[object]:
        """Let it arrive as datagrams, and hand what comes of it to the peering; carry nothing out."""
        end.peering._core.buckets = Buckets()  # noqa: SLF001 - rates would hide what is behind them
        wanted: list[object] = []
        frame_id = number.to_bytes(FRAME_ID_BYTES, "big")
        if not spoiled:
            return [effects.Count("malformed")]
        for datagram in cut(spoiled, frame_id, 1200, never_answer=True):
            for effect in end.paths[path].datagram_received(datagram, end.now.instant):
                if isinstance(effect, effects.Deliver):
                    wanted += end.peering.receive(path, effect.frame, end.now)
                else:
                    wanted.append(effect)
        return wanted


def trace(end: End, path: str) -> tuple[bytes, object, object, PathState]:
    """Return everything that a frame may have changed."""
    peering = end.peering
    return (peering.record, peering.phase, peering.deadline(), end.paths[path].state)


def is_of_nobody(event: Event) -> bool:
    """Tell whether an event claims nothing in the peer's name."""
    return event.detail().get("told_by") in {"hint", "local"}


def test_a_spoiled_frame_is_never_read_as_the_true_one() -> None:
    frame = Frame(Kind.ACK, LOWER.bytes, HIGHER.bytes, b"\x91\xc4\x01a", b"proof")
    for spoiled in each_byte_changed(frame.encode()):
        try:
            assert decode_frame_untrusted(spoiled) != frame
        except Malformed:
            continue
