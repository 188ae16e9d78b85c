"""Every field of every kind: what it may be is accepted, everything else is malformed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgpack
import pytest

from peerkey.errors import Malformed
from peerkey.protocol.codec import array_untrusted, blob, fields_untrusted, number, text
from peerkey.protocol.constants import MAXIMUM_FRAME_BYTES, Kind
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import (
    LAYOUTS,
    RESPONSE_INNER,
    ResponseInner,
    Role,
    decode_body_untrusted,
    decode_inner_untrusted,
    decode_signatures_untrusted,
    encode_body,
    encode_signatures,
)
from tests.protocol.examples import INNER, MESSAGES, fingerprint

#: What no field takes.
NEVER: Final[tuple[object, ...]] = (
    None,
    1.5,
    -1,
    {},
    True,
    [None],
    "\n",
    "\x7f",
    2**64 - 1,
    bytes(70_000),
    "x" * 257,
)


class Case(NamedTuple):
    """One field of one kind, what it must accept and what it must refuse beyond :data:`NEVER`."""

    kind: Kind | None  # None: the inner part of a KEY_RESPONSE
    field: str
    good: tuple[object, ...]
    bad: tuple[object, ...]


def sized(length: int) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return bytes of exactly ``length``, and the nearest others."""
    return (bytes(length), b"\xff" * length), (b"", bytes(length - 1), bytes(length + 1), "x" * length, 0)


def maybe(length: int) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return bytes of exactly ``length`` or none at all, and the nearest others."""
    good, bad = sized(length)
    return (b"", *good), bad[1:]


INDEX: Final = ((0, 1, 2**63, 2**64 - 1), (-1, 1.0, "1", b"1", True, False, None))
NAME: Final = (("", "a", "x" * 64, "ü" * 64), ("x" * 65, b"a", 1, "a\nb", "a\x1b[31m", "\u202e"))
DETAIL: Final = (("", "x" * 256), ("x" * 257, b"a", "a\x00b", "\r"))
DH: Final = ((b"", bytes(512)), (bytes(513), "x", None))
KEM: Final = ((b"", bytes(1568)), (bytes(1569), "x", None))
SUMMARY: Final = (
    ((), tuple((index, bytes(16), role.value) for index, role in enumerate(list(Role)[:4]))),
    (
        tuple((index, bytes(16), "current") for index in range(5)),
        ((1, bytes(16)),),
        ((1, bytes(16), "current", 0),),
        ((1, bytes(15), "current"),),
        ((1, bytes(17), "current"),),
        ((-1, bytes(16), "current"),),
        ((1, bytes(16), "other"),),
        ((1, bytes(16), b"current"),),
        ((1, bytes(16), 1),),
        (1,),
        "current",
        b"",
    ),
)
CASES: Final = (
    Case(Kind.CERTIFICATE, "number", *INDEX),
    Case(
        Kind.CERTIFICATE,
        "chain",
        ((b"x",), (b"x",) * 6, (bytes(16 * 1024),)),
        ((), (b"",), (b"x",) * 7, (bytes(16 * 1024 + 1),), ("x",), b"x", (b"x", b"")),
    ),
    Case(
        Kind.CERTIFICATE,
        "versions",
        ((0,), (255,), (1,) * 16),
        ((), (256,), (-1,), (1,) * 17, 1, ("1",), (True,)),
    ),
    Case(
        Kind.CERTIFICATE,
        "algorithms",
        (("a",), ("x" * 64,) * 16),
        ((), ("x" * 65,), ("a",) * 17, "a", (b"a",)),
    ),
    Case(Kind.CERTIFICATE, "challenge", *sized(32)),
    Case(Kind.CERTIFICATE, "echo", *maybe(32)),
    Case(Kind.ACK, "digest", *sized(48)),
    Case(Kind.KEY_REQUEST, "proposed_index", *INDEX),
    Case(Kind.KEY_REQUEST, "priority", (0, 2**32 - 1), (2**32, -1, "1", True)),
    Case(Kind.KEY_REQUEST, "algorithm", *NAME),
    Case(Kind.KEY_REQUEST, "dh_public", *DH),
    Case(Kind.KEY_REQUEST, "kem_public", *KEM),
    Case(Kind.KEY_REQUEST, "nonce", *sized(32)),
    Case(Kind.KEY_REQUEST, "sender_leaf", *sized(32)),
    Case(Kind.KEY_REQUEST, "receiver_leaf", *sized(32)),
    Case(Kind.KEY_REQUEST, "echo", *maybe(32)),
    Case(Kind.KEY_REQUEST, "summary", *SUMMARY),
    Case(
        Kind.KEY_RESPONSE,
        "inner",
        (b"", bytes(MAXIMUM_FRAME_BYTES)),
        (bytes(MAXIMUM_FRAME_BYTES + 1), "", ()),
    ),
    Case(Kind.KEY_RESPONSE, "confirmation", *sized(48)),
    Case(None, "request_digest", *sized(48)),
    Case(None, "key_index", *INDEX),
    Case(None, "dh_public", *DH),
    Case(None, "kem_ciphertext", *KEM),
    Case(None, "nonce", *sized(32)),
    Case(None, "sender_leaf", *sized(32)),
    Case(None, "receiver_leaf", *sized(32)),
    Case(None, "challenge", *sized(32)),
    Case(None, "summary", *SUMMARY),
    Case(Kind.KEY_CONFIRM, "request_digest", *sized(48)),
    Case(Kind.KEY_CONFIRM, "response_digest", *sized(48)),
    Case(Kind.KEY_CONFIRM, "challenge", *sized(32)),
    Case(Kind.KEY_ESTABLISHED, "confirm_digest", *sized(48)),
    Case(Kind.REFUSAL, "digest", *maybe(48)),
    Case(Kind.REFUSAL, "reason", *NAME),
    Case(Kind.REFUSAL, "detail", *DETAIL),
    Case(Kind.REFUSAL, "challenge", *maybe(32)),
    *(
        Case(kind, *field)
        for kind in (Kind.PROBE, Kind.PROBE_REPLY)
        for field in (
            ("path", *sized(8)),
            ("key_index", *INDEX),
            ("seals_with", *INDEX),
            ("nonce", *sized(16)),
        )
    ),
    Case(Kind.PEERING_REMOVED, "reason", *NAME),
)


def test_every_field_of_every_kind_has_a_case() -> None:
    fields = {(kind, field) for kind, (make, _) in LAYOUTS.items() for field in make._fields}
    inner = set(ResponseInner._fields)

    assert {(case.kind, case.field) for case in CASES if case.kind is not None} == fields
    assert {case.field for case in CASES if case.kind is None} == inner
    assert len(RESPONSE_INNER) == len(ResponseInner._fields)
    assert all(len(make._fields) == len(layout) for make, layout in LAYOUTS.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.field}")
def test_what_a_field_may_be_is_accepted(case: Case) -> None:
    for good in case.good:
        assert msgpack.packb(getattr(read(case, good), case.field)) == msgpack.packb(good)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.field}")
def test_what_a_field_may_not_be_is_malformed(case: Case) -> None:
    good = {(type(value), repr(value)) for value in case.good}
    bad = [value for value in (*case.bad, *NEVER) if (type(value), repr(value)) not in good]

    assert [value for value in bad if not is_malformed(case, value)] == []


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_kind_survives_its_encoding(kind: Kind) -> None:
    message = MESSAGES[kind]
    assert decode_body_untrusted(framed(kind, encode_body(message))) == message


def test_the_inner_part_of_a_response_survives_its_encoding() -> None:
    assert decode_inner_untrusted(encode_body(INNER)) == INNER


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_field_too_many_or_too_few_is_malformed(kind: Kind) -> None:
    fields = tuple(MESSAGES[kind])
    for count in {*range(len(fields)), len(fields) + 1}:
        with pytest.raises(Malformed, match="fields"):
            decode_body_untrusted(framed(kind, msgpack.packb((*fields, 0)[:count])))


@pytest.mark.parametrize("kind", MESSAGES)
def test_bytes_behind_a_body_are_malformed(kind: Kind) -> None:
    for behind in (b"\x00", b"\xc0", b"\x90"):
        with pytest.raises(Malformed):
            decode_body_untrusted(framed(kind, encode_body(MESSAGES[kind]) + behind))


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_body_cut_short_is_malformed(kind: Kind) -> None:
    body = encode_body(MESSAGES[kind])
    for length in range(len(body)):
        with pytest.raises(Malformed):
            decode_body_untrusted(framed(kind, body[:length]))


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_body_whose_array_is_not_shortest_is_malformed(kind: Kind) -> None:
    body = encode_body(MESSAGES[kind])
    longer = b"\xdc\x00" + bytes((body[0] & 0x0F,)) + body[1:]

    assert msgpack.unpackb(longer) == msgpack.unpackb(body)
    with pytest.raises(Malformed, match="shortest"):
        decode_body_untrusted(framed(kind, longer))


@pytest.mark.parametrize(
    "body",
    [
        b"\x94\xcc\x07" + msgpack.packb(bytes(8)),
        b"\x91\xcd\x00\x07",  # 7 in two bytes
        b"\x91\xcf" + bytes(7) + b"\x07",  # 7 in eight
        b"\x91\xc5\x00\x30" + bytes(48),  # 48 bytes with a length of two
        b"\x91\xd9\x01a",  # text with a length byte that it does not need
    ],
)
@pytest.mark.parametrize("kind", MESSAGES)
def test_a_field_that_is_not_shortest_is_malformed(kind: Kind, body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_body_untrusted(framed(kind, body))


@pytest.mark.parametrize("body", [b"", b"\xc0", b"\x07", b"\x80", b"\xc4\x00", b"\xa0"])
@pytest.mark.parametrize("kind", MESSAGES)
def test_a_body_that_is_no_array_is_malformed(kind: Kind, body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_body_untrusted(framed(kind, body))


@pytest.mark.parametrize("kind", [11, 15, 16, 200, 255])
def test_a_kind_that_this_version_does_not_know_is_malformed(kind: int) -> None:
    with pytest.raises(Malformed, match=f"kind {kind}"):
        decode_body_untrusted(framed(kind, b"\x90"))


def test_one_or_two_signatures_are_the_proof_of_a_certificate() -> None:
    assert decode_signatures_untrusted(encode_signatures(b"one")) == (b"one",)
    assert decode_signatures_untrusted(encode_signatures(b"one", b"two")) == (b"one", b"two")
    assert decode_signatures_untrusted(encode_signatures(bytes(4627))) == (bytes(4627),)


@pytest.mark.parametrize(
    "auth",
    [
        b"",
        b"signature",
        encode_signatures(),
        encode_signatures(b""),
        encode_signatures(b"one", b""),
        encode_signatures(b"one", b"two", b"three"),
        encode_signatures(bytes(4628)),
        msgpack.packb(b"signature"),
        msgpack.packb(["signature"]),
        msgpack.packb([1]),
        msgpack.packb([[b"one"]]),
        encode_signatures(b"one") + b"\x00",
        encode_signatures(b"one")[:-1],
        b"\xdc\x00\x01" + encode_signatures(b"one")[1:],
        b"\x91\xc5\x00\x03one",
    ],
)
def test_any_other_proof_of_a_certificate_is_malformed(auth: bytes) -> None:
    with pytest.raises(Malformed):
        decode_signatures_untrusted(auth)


def test_a_field_names_what_it_expected() -> None:
    with pytest.raises(Malformed, match="0 or 32 bytes"):
        blob(0, 32)(b"x")
    with pytest.raises(Malformed, match="from 0 to 255"):
        number(255)(256)
    with pytest.raises(Malformed, match="at most 3 characters"):
        text(3)("four")
    with pytest.raises(Malformed, match="expected 1 fields, found 0"):
        fields_untrusted((), (text(3),))
    with pytest.raises(Malformed, match="an array"):
        array_untrusted(b"\x01")


def read(case: Case, value: object) -> Any:  # noqa: ANN401 - a message of any kind, whose field is asked for by name
    """Decode the example of a kind with one field replaced."""
    message: Any = INNER if case.kind is None else MESSAGES[case.kind]
    spoiled = msgpack.packb(message._replace(**{case.field: value}))
    if case.kind is None:
        return decode_inner_untrusted(spoiled)
    return decode_body_untrusted(framed(case.kind, spoiled))


def is_malformed(case: Case, value: object) -> bool:
    try:
        read(case, value)
    except Malformed:
        return True
    return False


def framed(kind: int, body: bytes) -> Frame:
    return Frame(kind, fingerprint("a")[:16], fingerprint("b")[:16], body)
