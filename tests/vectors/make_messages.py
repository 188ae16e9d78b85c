"""Write ``messages.json``: a frame of every kind, from a real exchange.

``python tests/vectors/make_messages.py`` lets two peerings with numbered keys, seeded entropy and
deterministic signatures talk to each other. The powers of Diffie-Hellman and the encapsulation of ML-KEM
are the libraries' own, so that each run writes other bytes; what is committed is one run, and
``tests/protocol/test_vectors.py`` verifies every value in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from peerkey.protocol import schedule  # noqa: E402 - found beside this script
from peerkey.protocol.constants import Kind  # noqa: E402
from peerkey.protocol.core import Entropy  # noqa: E402
from peerkey.protocol.effects import Datagram, SendOn  # noqa: E402
from peerkey.protocol.frame import Frame, decode_frame_untrusted  # noqa: E402
from peerkey.protocol.keyring import PeerKey  # noqa: E402
from peerkey.protocol.messages import KeyResponse, decode_body_untrusted, decode_inner_untrusted  # noqa: E402
from peerkey.protocol.segments import HEADER_BYTES, cut  # noqa: E402
from peerkey.protocol.suites import (  # noqa: E402
    Algorithm,
    Ephemeral,
    KeyAgreement,
    SharedSecret,
    Shares,
    agreement_for,
)
from peerkey.testing.pair import HIGHER, LOWER, End, Options, Pair  # noqa: E402
from peerkey.testing.reproducible import DeterministicSigner, numbered_key, reproducible_ca  # noqa: E402

TARGET: Final = Path(__file__).with_name("messages.json")
ALGORITHM: Final = "diffie-hellman-2048-ml-kem-768"
FRAME_ID: Final = bytes(range(8))
SEGMENT_BYTES: Final = 600
STRANGER: Final = UUID(int=3 << 96)
NOTE: Final = (
    "Made by tests/vectors/make_messages.py; see tests/vectors/README.md. Bytes are in hexadecimal. "
    "The keys in this file belong to nobody."
)


class Sample(NamedTuple):
    """One frame, and what proves it."""

    what: str
    frame: Frame
    proof: str


class Recorder:
    """A key agreement that remembers the secrets that its answers led to."""

    def __init__(self, algorithm: Algorithm, entropy: Entropy, secrets: list[SharedSecret]) -> None:
        """Pass everything on to the agreement of ``algorithm``."""
        self.algorithm = algorithm
        self.heavy = False
        self._agreement = agreement_for(algorithm, entropy)
        self._secrets = secrets

    def offer(self) -> tuple[Shares, Ephemeral]:
        """Offer."""
        return self._agreement.offer()

    def check_offer(self, offer: Shares) -> None:
        """Check."""
        self._agreement.check_offer(offer)

    def answer(self, offer: Shares) -> tuple[Shares, SharedSecret]:
        """Answer, and remember the secret."""
        shares, secret = self._agreement.answer(offer)
        self._secrets.append(secret)
        return shares, secret


def build() -> dict[str, Any]:
    """Let two peerings talk until a frame of every kind has been sent; return what was said."""
    secrets: list[SharedSecret] = []

    def agreement(algorithm: Algorithm, entropy: Entropy) -> KeyAgreement:
        return Recorder(algorithm, entropy, secrets)

    ca = reproducible_ca()
    issued = (ca.issue(LOWER, key=numbered_key(10)), ca.issue(HIGHER, key=numbered_key(11)))
    pair = Pair(
        ca=ca,
        seed="vectors",
        issued=issued,
        options=Options(algorithm=ALGORITHM, fail_hard=True),
        agreement=agreement,
        signer=DeterministicSigner,
    )
    low, high = pair.low, pair.high
    pair.run(seconds=5, until=pair.keyed)
    first = _current(low)
    request, response = _sent(high, Kind.KEY_REQUEST), _sent(low, Kind.KEY_RESPONSE)
    samples = [
        Sample("the certificate of low", _sent(low, Kind.CERTIFICATE), "signatures"),
        Sample("the certificate of high", _sent(high, Kind.CERTIFICATE), "signatures"),
        Sample("an acknowledgement", _sent(low, Kind.ACK), "nothing"),
        Sample("the request", request, "signature"),
        Sample("the response", response, "signature"),
        Sample("the confirm", _sent(high, Kind.KEY_CONFIRM), "confirm initiator"),
        Sample("the establishment", _sent(low, Kind.KEY_ESTABLISHED), "confirm responder"),
        Sample("a probe", _sent(low, Kind.PROBE), "probe"),
        Sample("a reply to a probe", _sent(high, Kind.PROBE_REPLY), "probe"),
    ]
    high.carry(high.peering.rekey(high.now))
    pair.run(seconds=100)
    samples += [
        Sample("a refusal of a request whose echo is stale", _refused(low, request), "signature"),
        Sample("a hint that another node was expected", _hint(low, request), "nothing"),
    ]
    high.replace_certificate(ca.issue(HIGHER, key=numbered_key(12)), sign_with_both=True)
    both = _sent(high, Kind.CERTIFICATE)
    samples.append(Sample("a certificate that replaces another, signed with both keys", both, "signatures"))
    pair.run(seconds=200)
    last = _current(low)
    low.judge_own_certificate("revoked")
    samples.append(Sample("a removal", _sent(low, Kind.PEERING_REMOVED), "probe of the last key"))
    inner = _inner(response)
    return {
        "note": NOTE,
        "algorithm": ALGORITHM,
        "nodes": {
            end.name: {"uuid": str(end.uuid), "chain": [der.hex() for der in certificate.chain]}
            for end, certificate in zip((low, high), issued, strict=True)
        },
        "exchange": {
            "secret": secrets[0].encoded().reveal().hex(),
            "inner": _fields(decode_inner_untrusted(inner)),
            "transcript": schedule.transcript(request.digest, LOWER.bytes, HIGHER.bytes, inner).hex(),
            **_derived(first),
            "seal key of low in its epoch 1": schedule.seal_key(first.peer_key, LOWER.bytes, 1)
            .reveal()
            .hex(),
        },
        "last key": _derived(last),
        "messages": [
            {
                "what": sample.what,
                "kind": sample.frame.kind,
                "fields": _fields(decode_body_untrusted(sample.frame)),
                "proved by": sample.proof,
                "auth": sample.frame.auth.hex(),
                "digest": sample.frame.digest.hex(),
                "frame": sample.frame.encode().hex(),
            }
            for sample in samples
        ],
        "segments": {
            "frame": request.encode().hex(),
            "frame id": FRAME_ID.hex(),
            "bytes at most": SEGMENT_BYTES,
            "datagrams": [
                data.hex() for data in cut(request.encode(), FRAME_ID, SEGMENT_BYTES, never_answer=False)
            ],
        },
    }


def _current(end: End) -> PeerKey:
    if end.current is None:
        message = f"{end.name} has no key"
        raise AssertionError(message)
    return end.current


def _sent(end: End, kind: Kind) -> Frame:
    return next(frame for _, frame in reversed(end.sent) if frame.kind == kind)


def _refused(end: End, frame: Frame) -> Frame:
    """Return what an end answers to a frame whose time is over."""
    wanted = end.peering.receive("path0", frame, end.now)
    return next(effect.frame for effect in wanted if isinstance(effect, SendOn))


def _hint(end: End, frame: Frame) -> Frame:
    """Return what an end answers when somebody else than its peer sends it a frame."""
    misaddressed = Frame(frame.kind, STRANGER.bytes, frame.receiver, frame.body, frame.auth)
    path = end.paths["path0"]
    answers = [
        effect.data
        for data in cut(misaddressed.encode(), FRAME_ID, 1200, never_answer=False)
        for effect in path.datagram_received(data, end.now.instant)
        if isinstance(effect, Datagram)
    ]
    return decode_frame_untrusted(answers[0][HEADER_BYTES:])


def _inner(response: Frame) -> bytes:
    message = decode_body_untrusted(response)
    if not isinstance(message, KeyResponse):
        text = "not a response"
        raise TypeError(text)
    return message.inner


def _derived(key: PeerKey) -> dict[str, object]:
    return {
        "key index": key.index,
        "key id": key.key_id.hex(),
        "peer key": key.peer_key.reveal().hex(),
        "confirm initiator": key.confirm_initiator.reveal().hex(),
        "confirm responder": key.confirm_responder.reveal().hex(),
        "probe": key.probe.reveal().hex(),
    }


def _fields(message: Any) -> dict[str, object]:  # noqa: ANN401 - a named tuple of any message
    return {name: _plain(getattr(message, name)) for name in message._fields}


def _plain(value: object) -> object:
    """Return a field as JSON has it: bytes in hexadecimal, tuples as lists."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


if __name__ == "__main__":
    TARGET.write_text(json.dumps(build(), indent=1) + "\n", "utf-8")
