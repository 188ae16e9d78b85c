"""Records sealed from end to end: the two of one greeting open them, and nothing about them may change."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from peerkey.errors import Malformed
from peerkey.ha.messages import Hello, Record, Version, encode
from peerkey.ha.sealing import NotAuthentic, Seals, agree_untrusted, public_key
from peerkey.secret import Secret

LOW, HIGH = b"\x01" * 16, b"\x02" * 16
CONTENT = b"what a peering remembers, with its keys"
AT = Version(3, 9)


def test_what_one_end_seals_the_other_opens() -> None:
    low, high = greeted()

    assert high.open_untrusted(low.seal(1, "peering:a", AT, CONTENT)) == CONTENT
    assert low.open_untrusted(high.seal(1, "peering:a", AT, CONTENT)) == CONTENT
    assert high.open_untrusted(low.seal(2, "peering:a", AT, None)) == b""


def test_the_two_directions_and_two_connections_have_different_keys() -> None:
    low, high = greeted()
    sealed = {
        seals.seal(1, "peering:a", AT, CONTENT).sealed
        for seals in (low, high, *greeted("another connection"))
    }

    assert len(sealed) == 4


def test_neither_the_content_nor_what_two_contents_have_in_common_shows() -> None:
    low, _ = greeted()
    first, second = (low.seal(number, "peering:a", AT, CONTENT).sealed for number in (1, 2))

    assert CONTENT[:8] not in first
    assert first != second


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"name": "peering:b"},
        {"version": Version(3, 10)},
        {"version": Version(4, 9)},
        {"deleted": True},
        {"sealed": bytes(50)},
    ],
    ids=str,
)
def test_whatever_is_changed_does_not_open(change: dict[str, object]) -> None:
    low, high = greeted()
    record = low.seal(1, "peering:a", AT, CONTENT)

    with pytest.raises(NotAuthentic):
        high.open_untrusted(record._replace(**change))  # type: ignore[arg-type]


def test_a_record_does_not_open_at_its_sender_or_on_another_connection() -> None:
    low, _ = greeted()
    record = low.seal(1, "peering:a", AT, CONTENT)
    for seals in (low, greeted("another connection")[1]):
        with pytest.raises(NotAuthentic):
            seals.open_untrusted(record)


@pytest.mark.parametrize("field", ["authority", "router", "store_id", "epoch"])
def test_two_that_read_different_hellos_do_not_open_each_others_records(field: str) -> None:
    (low_key, low_hello), (high_key, high_hello) = ends()
    changed = {"authority": "b", "router": "b", "store_id": b"b" * 16, "epoch": 9}[field]
    low = agree_untrusted(low_key, low_hello, high_hello)
    high = agree_untrusted(high_key, high_hello, low_hello._replace(**{field: changed}))  # type: ignore[arg-type]

    with pytest.raises(NotAuthentic):
        high.open_untrusted(low.seal(1, "peering:a", AT, CONTENT))


@pytest.mark.parametrize("point", [0, 1])
def test_a_public_key_that_agrees_on_nothing_is_refused(point: int) -> None:
    (key, own), (_, mate) = ends()
    with pytest.raises(Malformed, match="is no key"):
        agree_untrusted(key, own, mate._replace(public_key=point.to_bytes(32, "little")))


def test_the_key_is_the_one_of_the_document() -> None:
    """The formula of docs/ha.md, in another library's words."""
    (low_key, low_hello), (high_key, high_hello) = ends()
    shared = X25519PrivateKey.from_private_bytes(low_key.reveal()).exchange(
        X25519PublicKey.from_public_bytes(high_hello.public_key)
    )
    transcript = hashlib.sha384(b"peerkey v1 ha hello" + encode(low_hello) + encode(high_hello)).digest()
    key = HKDF(SHA384(), 32, transcript, b"peerkey v1 ha record " + LOW).derive(shared)
    bound = bytes.fromhex("94 a9") + b"peering:a" + bytes([3, 9, 0xC2])
    sealed = AESGCM(key).encrypt((7).to_bytes(12, "big"), CONTENT, bound)

    opened = agree_untrusted(high_key, high_hello, low_hello).open_untrusted(
        Record(7, "peering:a", AT, deleted=False, sealed=sealed)
    )
    assert opened == CONTENT


def test_seals_show_nothing() -> None:
    assert repr(greeted()[0]) == "Seals()"


def ends(of: str = "one connection") -> tuple[tuple[Secret, Hello], tuple[Secret, Hello]]:
    low, high = (Secret(hashlib.sha256(f"{of} {end}".encode()).digest()) for end in ("low", "high"))
    return (
        (low, Hello("a", "r", LOW, HIGH, bytes(16), 3, public_key(low))),
        (high, Hello("a", "r", HIGH, LOW, bytes(16), 5, public_key(high))),
    )


def greeted(of: str = "one connection") -> tuple[Seals, Seals]:
    (low, low_hello), (high, high_hello) = ends(of)
    return agree_untrusted(low, low_hello, high_hello), agree_untrusted(high, high_hello, low_hello)
