"""What is sealed cannot be read, changed or moved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Unsealable
from runtime.store.memory import MemoryStore
from runtime.store.port import Record
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore

PLAIN = b"thirty-two bytes of a peer key.."


async def test_the_plain_value_never_reaches_the_inner_store() -> None:
    inner, store = sealed()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", PLAIN, 0)
    record = await inner.read("node", "ring")
    assert record is not None
    assert PLAIN not in record.value
    assert PLAIN[:8] not in record.value


async def test_the_plain_value_is_in_no_file_of_the_store(tmp_path: Path) -> None:
    store = SealedStore(await SqliteStore.open(tmp_path / "store.db"), AesGcmSealer(bytes(32), os.urandom))
    epoch = await store.activate("node")
    for version in range(20):
        await store.write("node", epoch, "ring", PLAIN, version)
    found = contents_of(tmp_path)
    await store.close()
    assert len(found) == 3
    assert not any(PLAIN[:8] in contents for contents in found)


async def test_the_same_value_is_sealed_differently_each_time() -> None:
    inner, store = sealed()
    epoch = await store.activate("node")
    seen = set()
    for version in range(10):
        await store.write("node", epoch, "ring", PLAIN, version)
        record = await inner.read("node", "ring")
        assert record is not None
        seen.add(record.value)
    assert len(seen) == 10


async def test_a_sealed_value_cannot_be_moved_to_another_record() -> None:
    inner, store = sealed()
    for owner in ("node", "other"):
        epoch = await store.activate(owner)
        await store.write(owner, epoch, "ring", PLAIN, 0)
        await store.write(owner, epoch, "spare", PLAIN, 0)
    record = await inner.read("node", "ring")
    assert record is not None
    await inner.write("node", 1, "spare", record.value, 1)
    await inner.write("other", 1, "ring", record.value, 1)
    for owner, name in (("node", "spare"), ("other", "ring")):
        with pytest.raises(Unsealable):
            await store.read(owner, name)
    with pytest.raises(Unsealable):
        await store.scan("node")


async def test_an_earlier_value_cannot_take_the_place_of_a_later_one() -> None:
    inner, store = sealed()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", PLAIN, 0)
    earlier = await inner.read("node", "ring")
    assert earlier is not None
    await store.write("node", epoch, "ring", b"later", 1)
    await inner.write("node", epoch, "ring", earlier.value, 2)
    with pytest.raises(Unsealable):
        await store.read("node", "ring")


async def test_another_key_does_not_open_it() -> None:
    inner, store = sealed()
    epoch = await store.activate("node")
    await store.write("node", epoch, "ring", PLAIN, 0)
    other = SealedStore(inner, AesGcmSealer(b"\x01" * 32, os.urandom))
    with pytest.raises(Unsealable):
        await other.read("node", "ring")
    assert await store.read("node", "ring") == Record("ring", 1, epoch, PLAIN)


@given(position=st.integers(0, 60), flip=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(position: int, flip: int) -> None:
    sealer = AesGcmSealer(bytes(32), os.urandom)
    value = bytearray(sealer.seal(PLAIN, b"place"))
    assert len(value) == 61
    value[position] ^= flip
    with pytest.raises(Unsealable):
        sealer.open(bytes(value), b"place")


@given(length=st.integers(0, 60))
def test_a_shortened_value_is_noticed(length: int) -> None:
    sealer = AesGcmSealer(bytes(32), os.urandom)
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal(PLAIN, b"place")[:length], b"place")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_only_a_key_of_32_bytes_is_taken(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        AesGcmSealer(bytes(size), os.urandom)


def test_a_sealer_does_not_show_its_key() -> None:
    assert repr(AesGcmSealer(b"k" * 32, os.urandom)) == "AesGcmSealer()"


async def test_names_of_the_same_letters_are_different_places() -> None:
    inner, store = sealed()
    for owner in ("ab", "a"):
        await store.activate(owner)
    await store.write("ab", 1, "c", PLAIN, 0)
    record = await inner.read("ab", "c")
    assert record is not None
    await inner.write("a", 1, "bc", record.value, 0)
    with pytest.raises(Unsealable):
        await store.read("a", "bc")


def contents_of(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.iterdir()]


def sealed() -> tuple[MemoryStore, SealedStore]:
    inner = MemoryStore()
    return inner, SealedStore(inner, AesGcmSealer(bytes(32), os.urandom))
