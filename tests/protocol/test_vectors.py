"""Our own test vectors: what was once on the wire is still read, written and proved the same."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from cryptography import x509

from peerkey.moment import Instant
from peerkey.protocol import schedule
from peerkey.protocol.constants import Kind
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.messages import (
    Certificate,
    KeyResponse,
    decode_body_untrusted,
    decode_inner_untrusted,
    decode_signatures_untrusted,
    encode_body,
)
from peerkey.protocol.schedule import DerivedKeys, verify_confirmation, verify_mac
from peerkey.protocol.segments import Reassembly, Segment, cut, read_datagram_untrusted
from peerkey.protocol.suites import SharedSecret, verifier_for
from peerkey.secret import Secret

FOLDER: Final = Path(__file__).parents[1] / "vectors"
VECTORS: Final[dict[str, Any]] = json.loads((FOLDER / "messages.json").read_text("utf-8"))
MESSAGES: Final[list[dict[str, Any]]] = VECTORS["messages"]
EXCHANGE: Final[dict[str, Any]] = VECTORS["exchange"]
LOW, HIGH = (UUID(VECTORS["nodes"][name]["uuid"]).bytes for name in ("low", "high"))

each_message = pytest.mark.parametrize(
    "vector", MESSAGES, ids=lambda vector: vector["what"].replace(" ", "-")
)


def test_there_is_a_vector_of_every_kind() -> None:
    assert {vector["kind"] for vector in MESSAGES} == set(Kind)


@each_message
def test_a_frame_is_read_as_it_was_meant(vector: dict[str, Any]) -> None:
    frame = frame_of(vector)
    message = decode_body_untrusted(frame)

    assert frame.kind == vector["kind"]
    assert frame.digest.hex() == vector["digest"]
    assert frame.auth.hex() == vector["auth"]
    assert {name: plain(getattr(message, name)) for name in message._fields} == vector["fields"]


@each_message
def test_a_frame_is_written_as_it_was(vector: dict[str, Any]) -> None:
    frame = frame_of(vector)
    again = Frame(
        frame.kind, frame.sender, frame.receiver, encode_body(decode_body_untrusted(frame)), frame.auth
    )

    assert again.encode().hex() == vector["frame"]


@each_message
def test_a_proof_verifies(vector: dict[str, Any]) -> None:
    frame, proof = frame_of(vector), vector["proved by"]
    match proof:
        case "nothing":
            assert frame.auth == b""
        case "signatures":
            message = decode_body_untrusted(frame)
            assert isinstance(message, Certificate)
            signatures = decode_signatures_untrusted(frame.auth)
            leaves = [message.chain[0], chain_of(frame.sender)[0]][: len(signatures)]
            for signature, leaf in zip(signatures, leaves, strict=True):
                public_key_of(leaf).verify(signature, frame.signed)
        case "signature":
            public_key_of(chain_of(frame.sender)[0]).verify(frame.auth, frame.signed)
        case "probe of the last key":
            verify_mac(Secret(bytes.fromhex(VECTORS["last key"]["probe"])), frame.signed, frame.auth)
        case _:
            verify_mac(Secret(bytes.fromhex(EXCHANGE[proof])), frame.signed, frame.auth)


def test_one_certificate_is_signed_with_two_keys() -> None:
    counts = [
        len(decode_signatures_untrusted(bytes.fromhex(vector["auth"])))
        for vector in MESSAGES
        if vector["kind"] == Kind.CERTIFICATE
    ]
    assert sorted(counts) == [1, 1, 2]


def test_the_keys_follow_from_the_request_the_response_and_the_secret() -> None:
    request, response = (frame_of(one(kind)) for kind in (Kind.KEY_REQUEST, Kind.KEY_RESPONSE))
    message = decode_body_untrusted(response)
    assert isinstance(message, KeyResponse)
    inner = decode_inner_untrusted(message.inner)
    transcript = schedule.transcript(request.digest, response.sender, response.receiver, message.inner)
    keys = schedule.derive(transcript, secret_of(bytes.fromhex(EXCHANGE["secret"])))

    assert {name: plain(getattr(inner, name)) for name in inner._fields} == EXCHANGE["inner"]
    assert encode_body(inner) == message.inner
    assert inner.request_digest == request.digest
    assert inner.key_index == EXCHANGE["key index"]
    assert transcript.hex() == EXCHANGE["transcript"]
    assert revealed(keys) == {name: EXCHANGE[name.replace("_", " ")] for name in DerivedKeys._fields}
    verify_confirmation(keys, transcript, message.confirmation)
    sealing = schedule.seal_key(keys.peer_key, LOW, 1)
    assert sealing.reveal().hex() == EXCHANGE["seal key of low in its epoch 1"]


def test_segments_are_cut_and_put_together_as_they_were() -> None:
    segments = VECTORS["segments"]
    datagrams = [bytes.fromhex(data) for data in segments["datagrams"]]
    frame = bytes.fromhex(segments["frame"])
    slots = Reassembly()
    read = [read_datagram_untrusted(data) for data in datagrams]

    assert (
        list(cut(frame, bytes.fromhex(segments["frame id"]), segments["bytes at most"], never_answer=False))
        == datagrams
    )
    assert [slots.add(segment, Instant(0)) for segment in read if isinstance(segment, Segment)][-1] == frame


def test_the_script_still_makes_such_vectors() -> None:
    """Each run has other bytes; what there is of what, and every number, is the same."""
    made = runpy.run_path(str(FOLDER / "make_messages.py"))["build"]()

    assert shape(made) == shape(VECTORS)


def frame_of(vector: dict[str, Any]) -> Frame:
    return decode_frame_untrusted(bytes.fromhex(vector["frame"]))


def one(kind: Kind) -> dict[str, Any]:
    return next(vector for vector in MESSAGES if vector["kind"] == kind)


def chain_of(uuid: bytes) -> list[bytes]:
    name = {LOW: "low", HIGH: "high"}[uuid]
    return [bytes.fromhex(der) for der in VECTORS["nodes"][name]["chain"]]


def public_key_of(leaf: bytes) -> Any:  # noqa: ANN401 - a verifier
    return verifier_for(x509.load_der_x509_certificate(leaf).public_key())


def secret_of(encoded: bytes) -> SharedSecret:
    length = int.from_bytes(encoded[:2], "big")
    return SharedSecret(dh=encoded[2 : 2 + length], kem=encoded[4 + length :])


def revealed(keys: DerivedKeys) -> dict[str, str]:
    return {
        name: (value.reveal() if isinstance(value, Secret) else value).hex()
        for name, value in keys._asdict().items()
    }


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def shape(value: object) -> object:
    """Return a document without the bytes in it, which differ from run to run."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str) and value and all(letter in "0123456789abcdef" for letter in value):
        return "bytes"
    return value
