"""The sealed stream and what is in it: what is cut, changed, foreign or too much is one clear refusal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audit_files import Checkpoint, NoCheckpoint
from actors.desk import record_name
from actors.restored import Owned, restored
from peerkey.errors import Misconfigured
from peerkey.observe.security_stats import Counter
from peerkey.protocol.state import PeeringState, encode_state
from peerkey.secret import Secret
from peerkey_cli.backup.entries import (
    Entry,
    FileEntry,
    Manifest,
    NodeName,
    OwnerEntry,
    RecordEntry,
    decoded_untrusted,
    encoded,
)
from peerkey_cli.backup.passphrases import passphrase, require_good
from peerkey_cli.backup.sealing import (
    CHUNK_BYTES,
    MAGIC,
    Effort,
    NoBackup,
    WrongPassphrase,
    opened_untrusted,
    sealed,
)

VECTOR = Path(__file__).parents[1] / "vectors" / "backup.json"
#: What a try costs is not what these tests are about.
CHEAP = Effort(iterations=1, lanes=1, memory_kib=64)
PASSPHRASE = Secret(b"a passphrase of the tests")
MADE = datetime(2026, 6, 1, 12, tzinfo=UTC)
HEADER = 77


PEERING = record_name(UUID(int=7))


def spoiled(place: int, value: object) -> bytes:
    """Return the record of a peering with another value in one place."""
    fields = list(msgpack.unpackb(encode_state(PeeringState(1, b"c"))))
    fields[place] = value
    packed: bytes = msgpack.packb(fields)
    return packed


# --- the stream -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_sealed_comes_out(size: int) -> None:
    plain = bytes(size)

    assert unsealed(closed(plain)) == plain


def test_a_wrong_passphrase_is_told_from_damage() -> None:
    with pytest.raises(WrongPassphrase):
        unsealed(closed(b"plain"), Secret(b"another passphrase"))


def test_a_passphrase_is_the_same_however_its_letters_are_composed() -> None:
    content = closed(b"plain", Secret("ä lettre".encode()))

    assert unsealed(content, Secret("a\u0308 lettre".encode())) == b"plain"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_byte_is_changed_nothing_of_its_chunk_comes_out(data: st.DataObject) -> None:
    content = bytearray(CONTENT)
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises((NoBackup, WrongPassphrase)):
        unsealed(bytes(content))


@pytest.mark.parametrize("length", [0, 5, HEADER - 1, HEADER, HEADER + 1, HEADER + CHUNK_BYTES + 16, -1])
def test_whatever_is_cut_off_shows(length: int) -> None:
    with pytest.raises(NoBackup):
        unsealed(CONTENT[:length])


def test_chunks_that_are_swapped_doubled_or_added_show() -> None:
    size = CHUNK_BYTES + 16
    head, one, two, rest = (
        CONTENT[:HEADER],
        CONTENT[HEADER : HEADER + size],
        CONTENT[HEADER + size : HEADER + 2 * size],
        CONTENT[HEADER + 2 * size :],
    )

    for forged in (head + two + one + rest, head + one + one + two + rest, CONTENT + rest):
        with pytest.raises(NoBackup):
            unsealed(forged)


@pytest.mark.parametrize(
    ("place", "word"),
    [(1, bytes((255,))), (2, bytes((200,))), (3, (2**31).to_bytes(4, "big")), (3, bytes(4))],
    ids=["iterations", "lanes", "memory", "no memory"],
)
def test_a_header_that_asks_for_too_much_is_refused_before_any_work(place: int, word: bytes) -> None:
    content = bytearray(CONTENT)
    at = len(MAGIC) + place
    content[at : at + len(word)] = word

    with pytest.raises(NoBackup, match="more work, or less"):
        unsealed(bytes(content))


def test_a_newer_format_says_so() -> None:
    content = bytearray(CONTENT)
    content[len(MAGIC)] = 2

    with pytest.raises(NoBackup, match="format 2; this software reads 1"):
        unsealed(bytes(content))


def test_another_file_is_no_backup() -> None:
    with pytest.raises(NoBackup, match="no backup of peerkey"):
        unsealed(b"\x1f\x8b" + bytes(200))


def test_the_vector_of_the_format_opens_and_is_made_again() -> None:
    vector = json.loads(VECTOR.read_text("utf-8"))
    content, secret = bytes.fromhex(vector["file"]), Secret(vector["passphrase"].encode())

    (manifest, *others) = [settled(each) for each in decoded_untrusted(iter([unsealed(content, secret)]))]

    assert isinstance(manifest, Manifest)
    assert str(manifest.nodes[0].name) == vector["node"]
    assert len(others) == vector["entries"] - 1
    again = b"".join(sealed(encoded(VECTOR_ENTRIES()), secret, counting(), CHEAP))
    assert again.hex() == vector["file"]


# --- entries ----------------------------------------------------------------------------------------


def test_what_was_encoded_is_read_again() -> None:
    found = [settled(each) for each in decoded_untrusted(pieces(b"".join(encoded(entries()))))]

    assert found == [settled(each) for each in entries()]


def test_the_pieces_of_a_file_that_nobody_reads_are_passed_over() -> None:
    assert len(list(decoded_untrusted(pieces(b"".join(encoded(entries())))))) == len(list(entries()))


@pytest.mark.parametrize(
    "place",
    [
        "../etc/passwd",
        "/etc/passwd",
        "pki/../../x",
        "outside/../../x",
        "outside//x",
        "outside/./x",
        "lock",
        "store.sqlite",
        "sealing.key",
        "pki/a\0b",
        "pki/a/b",
        "",
        "hosts/a/events.jsonl",
    ],
)
def test_a_file_never_goes_where_no_restore_puts_one(place: str) -> None:
    forged = FileEntry(place, "", 0o600, 1, (b"x",))

    with pytest.raises(NoBackup, match="place is no printable text" if "\0" in place else "puts none"):
        read(Manifest(MADE, "1", "m", ()), forged)


def test_two_files_in_one_place_are_refused() -> None:
    twice = FileEntry("identity", "", 0o600, 1, (b"x",))

    with pytest.raises(NoBackup, match="two files"):
        read(Manifest(MADE, "1", "m", ()), twice, twice)


def test_a_mode_never_lets_others_write_or_run() -> None:
    found = list(
        decoded_untrusted(pieces(b"".join(encoded([MANIFEST, FileEntry("identity", "", 0o4777, 0, ())]))))
    )

    assert isinstance(found[1], FileEntry)
    assert found[1].mode == 0o644


@pytest.mark.parametrize(
    "head",
    [
        {"kind": "record", "name": "x", "size": 0},
        {"kind": "owner", "owner": "x" * 600, "epoch": 1},
        {"kind": "owner", "owner": "x", "epoch": -1},
        {"kind": "owner", "owner": "x", "epoch": 2**64 - 1},
        {"kind": "owner", "owner": "x", "epoch": True},
        {"kind": "file", "place": "identity", "original": "", "mode": 0, "size": 2**50},
        {"kind": "end", "entries": 7},
        {"kind": "manifest"},
        {"kind": 7},
        {},
        [],
        7,
    ],
)
def test_a_head_that_is_none_is_refused(head: object) -> None:
    (first, *_) = encoded([MANIFEST])
    packed = msgpack.packb(head)

    with pytest.raises(NoBackup):
        list(decoded_untrusted(iter([first, len(packed).to_bytes(4, "big"), packed])))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_whatever_an_authentic_backup_holds_is_read_or_refused(content: bytes) -> None:
    with pytest.raises(NoBackup):
        list(decoded_untrusted(iter([content])))


@pytest.mark.parametrize("made", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-06-01", 7])
def test_a_time_that_there_is_not_is_refused(made: object) -> None:
    whole = {**manifest(), "made": made}
    packed = msgpack.packb(whole)

    with pytest.raises(NoBackup, match="is not what a backup holds"):
        list(decoded_untrusted(iter([len(packed).to_bytes(4, "big") + packed])))


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("node:x", PEERING, b""),
        ("node:x", PEERING, msgpack.packb(7)),
        ("node:x", PEERING, msgpack.packb({})),
        ("node:x", PEERING, msgpack.packb([1] + [None] * 15)),
        ("node:x", PEERING, spoiled(1, -1)),
        ("node:x", PEERING, spoiled(4, 2**64 - 1)),
        ("node:x", PEERING, spoiled(4, "9")),
        ("node:x", PEERING, spoiled(11, [[7], b"f", 1, b"d", [1], ["a"], True, True])),
        ("node:x", PEERING, spoiled(12, 7)),
        ("node:x", "drained", b"2026-06-01T00:00:00+00:00"),
        ("mate:x", "term", b"\xff" * 100),
        ("mate:x", PEERING, spoiled(1, 1)),
        ("cluster", PEERING, spoiled(1, 1)),
    ],
)
def test_a_record_that_no_node_has_written_is_not_restored(owner: str, name: str, value: bytes) -> None:
    with pytest.raises(Misconfigured):
        restored(Owned(owner, 1, ((name, value),)), None, 8, bytes)


@pytest.mark.parametrize("text", ["host\x1b[2J", "east\nnode0", "\x9b31m"])
def test_what_a_terminal_would_obey_is_not_shown(text: str) -> None:
    for given_ in (
        [replace(MANIFEST, machine=text)],
        [replace(MANIFEST, nodes=(NodeName(text, "x"),))],
        [replace(MANIFEST, in_hardware=(text,))],
        [MANIFEST, FileEntry("outside/x", text, 0, 0, ())],
    ):
        with pytest.raises(NoBackup, match="print"):
            read(*given_)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", '"x"', "[]", "null"])
def test_a_checkpoint_with_a_number_that_is_none_is_none(number: str) -> None:
    written = Checkpoint(counted={"east/node0": {Counter.CSR_SUCCESS: 77}}).encode()

    with pytest.raises(NoCheckpoint):
        Checkpoint.decode_untrusted(written.replace(b"77", number.encode()))


def test_an_owner_that_is_no_node_is_not_emptied() -> None:
    with pytest.raises(Misconfigured, match="which is no node"):
        restored(Owned("cluster", 1, ()), Owned("cluster", 1, (("assignment", b"x"),)), 8, bytes)


def test_contents_of_a_newer_format_say_so() -> None:
    packed = msgpack.packb({"kind": "manifest", "format": 2})

    with pytest.raises(NoBackup, match="format 2"):
        list(decoded_untrusted(iter([len(packed).to_bytes(4, "big") + packed])))


# --- passphrases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["short", "elevenchars", "aaaaaaaaaaaaaaaa", "121212121212"])
def test_a_weak_passphrase_seals_nothing_and_is_not_told(text: str) -> None:
    with pytest.raises(Misconfigured, match="too weak") as refused:
        require_good(Secret(text.encode()))

    assert text not in str(refused.value)


def test_a_new_passphrase_is_asked_for_twice_and_has_to_be_the_same() -> None:
    with pytest.raises(Misconfigured, match="differ"):
        passphrase(None, new=True, ask=saying("correct horse battery", "correct horse batterx"))

    found = passphrase(None, new=True, ask=saying("correct horse battery", "correct horse battery"))
    assert found == Secret(b"correct horse battery")


def test_a_passphrase_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery\n")
    file.chmod(0o644)

    with pytest.raises(Misconfigured, match="others can read it"):
        passphrase(file, new=True)


# --- helpers ----------------------------------------------------------------------------------------


MANIFEST = Manifest(
    MADE,
    "1.0",
    "lab",
    (NodeName("east/node0", "00000001-0000-0000-0000-000000000000"),),
    ("tpm:hub",),
    "7:ab",
)


def entries() -> Iterator[Entry]:
    yield MANIFEST
    yield OwnerEntry("node:00000001-0000-0000-0000-000000000000", 3)
    yield RecordEntry("peering:x", b"record")
    yield OwnerEntry("mate:00000002-0000-0000-0000-000000000000", 1)
    yield FileEntry("identity", "", 0o600, 5, (b"ident",))
    yield FileEntry("outside/etc/hub.yaml", "/etc/hub.yaml", 0o644, 3, (b"a", b"bc"))


VECTOR_ENTRIES = entries


def manifest() -> dict[str, object]:
    """Return the head of a manifest."""
    (first, *_) = encoded([MANIFEST])
    found: dict[str, object] = msgpack.unpackb(first[4:])
    return found


def read(*given_: Entry) -> None:
    for entry in decoded_untrusted(pieces(b"".join(encoded(given_)))):
        settled(entry)


def settled(entry: Entry) -> object:
    """Return an entry so that it can be compared, its pieces read."""
    if isinstance(entry, FileEntry):
        return entry.place, entry.original, entry.mode, entry.size, b"".join(entry.pieces)
    return entry if not isinstance(entry, RecordEntry) else (entry.name, entry.value)


def pieces(content: bytes) -> Iterator[bytes]:
    """Cut something into pieces that are no entries."""
    return (content[at : at + 7] for at in range(0, len(content), 7))


def closed(plain: bytes, secret: Secret = PASSPHRASE) -> bytes:
    return b"".join(sealed([plain], secret, counting(), CHEAP))


def unsealed(content: bytes, secret: Secret = PASSPHRASE) -> bytes:
    return b"".join(opened_untrusted(io.BytesIO(content), secret))


def counting() -> Callable[[int], bytes]:
    """Return entropy that does the same again."""
    numbers = count(1)
    return lambda size: bytes(next(numbers) % 256 for _ in range(size))


def saying(*words: str) -> Callable[[str], Secret]:
    said = iter(words)
    return lambda _: Secret(next(said).encode())


CONTENT = closed(bytes(2 * CHUNK_BYTES + 100))
