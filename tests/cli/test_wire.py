"""``peerkey wire decode``: everything that two nodes say to each other can be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.protocol.constants import Kind
from peerkey.protocol.frame import Frame
from peerkey.protocol.messages import encode_body, encode_signatures
from peerkey.protocol.segments import cut
from peerkey.testing.pair import HIGHER, LOWER, Datagram, Pair
from peerkey_cli.anatomy import MAXIMUM_CAPTURE_BYTES, dissect_untrusted
from tests.cli.commands import peerkey
from tests.protocol.examples import MESSAGES

ID = bytes(range(8))


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_shown_field_by_field(kind: Kind) -> None:
    frame = example(kind)

    (shown,) = decoded(frame.encode())["frames"]

    assert (shown["kind"], shown["name"]) == (int(kind), kind.name)
    assert (shown["sender"], shown["receiver"]) == (str(LOWER), str(HIGHER))
    assert shown["digest"] == frame.digest.hex()
    assert list(shown["body"]) == list(MESSAGES[kind]._fields)
    text = peerkey("wire", "decode", "-", stdin=frame.encode())
    assert text.exit_code == 0
    assert text.stdout.startswith(f"frame {kind.name} ({kind}), {len(frame.encode())} bytes\n")
    for field in shown["body"]:
        assert f"    {field.replace('_', '-')} " in text.stdout or f"    {field}\n" in text.stdout


def test_all_that_two_nodes_say_can_be_decoded() -> None:
    sent: list[bytes] = []

    def watched(datagram: Datagram) -> Iterable[tuple[timedelta, bytes]]:
        sent.append(datagram.data)
        return ((timedelta(milliseconds=10), datagram.data),)

    pair = Pair(network=watched, paths=2)
    pair.run(seconds=60, until=pair.keyed)

    shown = decoded("\n".join(data.hex() for data in sent).encode())

    assert shown["incomplete"] == []
    assert len(shown["segments"]) == len(sent)
    names = {frame["name"] for frame in shown["frames"]}
    assert {"CERTIFICATE", "ACK", "KEY_REQUEST", "KEY_RESPONSE", "KEY_CONFIRM", "PROBE"} <= names
    certificate = next(frame for frame in shown["frames"] if frame["name"] == "CERTIFICATE")
    leaf = certificate["body"]["chain"][0]
    assert leaf["subject"] == f"CN={certificate['sender']}"
    assert leaf["key"] == "EC secp256r1"
    assert leaf["fault"] is None
    response = next(frame for frame in shown["frames"] if frame["name"] == "KEY_RESPONSE")
    assert response["body"]["inner"]["key_index"] >= 1


@pytest.mark.parametrize("form", ["bytes", "hex", "wrapped hex", "a segment a line", "reversed lines"])
def test_the_segments_of_a_frame_are_put_together(form: str, tmp_path: Path) -> None:
    frame = Frame(
        Kind.KEY_REQUEST, LOWER.bytes, HIGHER.bytes, encode_body(MESSAGES[Kind.KEY_REQUEST]), b"x" * 64
    )
    segments = cut(frame.encode(), ID, 200, never_answer=False)
    whole = b"".join(segments)
    content = {
        "bytes": whole,
        "hex": whole.hex().upper().encode(),
        "wrapped hex": "\n".join(
            whole.hex()[place : place + 60] for place in range(0, 2 * len(whole), 60)
        ).encode(),
        "a segment a line": "\n".join(segment.hex() for segment in segments).encode(),
        "reversed lines": "\r\n\r\n".join(segment.hex() for segment in reversed(segments)).encode(),
    }[form]
    file = tmp_path / "capture"
    file.write_bytes(content)

    done = peerkey("wire", "decode", file, "--json")

    assert done.exit_code == 0
    shown = json.loads(done.stdout)
    assert len(shown["segments"]) == len(segments) > 2
    assert {segment["frame_id"] for segment in shown["segments"]} == {ID.hex()}
    assert [frame["digest"] for frame in shown["frames"]] == [frame.digest.hex()]


def test_what_is_missing_of_a_frame_is_said() -> None:
    segments = cut(example(Kind.KEY_REQUEST).encode(), ID, 200, never_answer=False)

    done = peerkey("wire", "decode", "-", stdin=segments[0] + segments[2])

    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"segment 1 of {len(segments)} of frame {ID.hex()}: version 1, 186 bytes",
        f"segment 3 of {len(segments)} of frame {ID.hex()}: version 1, 186 bytes",
        f"frame {ID.hex()} is incomplete: 2 of {len(segments)} segments",
    ]


def test_a_repeated_segment_is_no_second_frame() -> None:
    (segment,) = cut(example(Kind.ACK).encode(), ID, 1200, never_answer=True)

    shown = decoded(f"{segment.hex()}\n{segment.hex()}".encode())

    assert (len(shown["segments"]), len(shown["frames"])) == (2, 1)
    assert shown["segments"][0]["never_answer"] is True


def test_a_segment_of_another_version_says_so() -> None:
    (segment,) = cut(example(Kind.ACK).encode(), ID, 1200, never_answer=False)

    done = peerkey("wire", "decode", "-", stdin=segment[:2] + b"\x07" + segment[3:])

    assert done.stdout == "segment of version 7, which this version does not understand\n"


def test_a_reserved_kind_is_shown_as_far_as_it_is_known() -> None:
    frame = Frame(16, LOWER.bytes, HIGHER.bytes, b"sealed", b"proof")

    (shown,) = decoded(frame.encode())["frames"]

    assert (shown["name"], shown["body"]) == (None, b"sealed".hex())
    assert peerkey("wire", "decode", "-", stdin=frame.encode()).exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing was captured"),
        (b"  \n ", "nothing was captured"),
        (b"hello, world", "not msgpack"),
        (b"abc", "odd number of hexadecimal digits"),
        (b"93c0c0c0", "not an array of the 5 fields of a frame"),
        (b"PK\x01\x00", "not a peerkey datagram"),
        (b"PK\x01\xf0" + bytes(8) + b"\x00\x01x", "segment header contradicts itself"),
        (b"PK\x01\x00" + bytes(8) + b"\x00\x01x", "not an array"),
    ],
)
def test_what_is_malformed_is_one_line_with_status_1(content: bytes, words: str) -> None:
    done = peerkey("wire", "decode", "-", stdin=content)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_truncated_frame_is_malformed() -> None:
    whole = example(Kind.KEY_RESPONSE).encode()

    assert peerkey("wire", "decode", "-", stdin=whole[:-1]).exit_code == 1


def test_too_much_is_refused() -> None:
    with pytest.raises(Malformed, match="decode some of them"):
        dissect_untrusted(b"\x95" * (MAXIMUM_CAPTURE_BYTES + 1))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = peerkey("wire", "decode", tmp_path / "absent")

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


@given(place=st.integers(0, 2_000), bits=st.integers(1, 255), kind=st.sampled_from(list(Kind)))
def test_a_spoiled_capture_is_decoded_or_malformed_and_nothing_else(
    place: int, bits: int, kind: Kind
) -> None:
    whole = bytearray(b"".join(cut(example(kind).encode(), ID, 300, never_answer=False)))
    whole[place % len(whole)] ^= bits
    with suppress(Malformed):
        json.dumps(dissect_untrusted(bytes(whole)).document())


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_malformed_and_nothing_else(content: bytes) -> None:
    for each in (content, content.hex().encode(), b"PK\x01\x00" + content):
        with suppress(Malformed):
            json.dumps(dissect_untrusted(each).document())


def example(kind: Kind) -> Frame:
    """Return a frame of a kind, with some proof."""
    auth = {Kind.CERTIFICATE: encode_signatures(b"signature", b"another"), Kind.ACK: b""}.get(kind, b"proof")
    return Frame(kind, LOWER.bytes, HIGHER.bytes, encode_body(MESSAGES[kind]), auth)


def decoded(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return what the command says of a capture."""
    done = peerkey("wire", "decode", "-", "--json", stdin=content)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)
