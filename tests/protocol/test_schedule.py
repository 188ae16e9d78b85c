"""The key schedule against published vectors, against another implementation, and against itself."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import PeerFault
from peerkey.protocol.schedule import (
    DERIVATIONS,
    BadMac,
    DerivedKeys,
    confirmation,
    derive,
    hkdf_expand,
    hkdf_extract,
    mac,
    seal_key,
    transcript,
    verify_confirmation,
    verify_mac,
)
from peerkey.protocol.suites import SharedSecret
from peerkey.secret import Secret
from tests.protocol.suites.published import published_records

REQUEST = hashlib.sha384(b"request").digest()
INITIATOR, RESPONDER = b"I" * 16, b"R" * 16
INNER = b"inner part of the response"
SECRET = SharedSecret(dh=bytes(range(256)), kem=b"\x5a" * 32)


@pytest.mark.parametrize(
    ("path", "answers"),
    [("rfc-5869-HKDF-SHA1.txt", 4), ("rfc-5869-HKDF-SHA256.txt", 3), ("hkdf-generated.txt", 1)],
)
def test_hkdf_gives_the_published_answers(path: str, answers: int) -> None:
    records = list(published_records(f"KDF/{path}"))
    assert len(records) == answers
    for record in records:
        hash_name = "sha1" if "SHA1" in path else "sha256"
        prk = hkdf_extract(bytes.fromhex(record["salt"]), bytes.fromhex(record["IKM"]), hash_name)
        okm = hkdf_expand(prk, bytes.fromhex(record["info"]), int(record["L"]), hash_name)
        assert prk.hex() == record.get("PRK", prk.hex())
        assert okm.hex() == record["OKM"]


def test_mac_gives_the_published_answers() -> None:
    records = list(published_records("HMAC/rfc-4231-sha384.txt"))
    assert len(records) == 6
    for record in records:
        assert mac(Secret(bytes.fromhex(record["Key"])), bytes.fromhex(record["Msg"])).hex() == record["MD"]


@given(prk=st.binary(min_size=48, max_size=48), info=st.binary(max_size=80), length=st.integers(1, 300))
def test_hkdf_agrees_with_another_implementation(prk: bytes, info: bytes, length: int) -> None:
    assert hkdf_expand(prk, info, length) == HKDFExpand(hashes.SHA384(), length, info).derive(prk)
    assert hkdf_extract(info, prk) == HKDF.extract(hashes.SHA384(), info or None, prk)


def test_hkdf_gives_255_blocks_and_not_one_byte_more() -> None:
    assert len(hkdf_expand(bytes(48), b"", 255 * 48)) == 255 * 48
    with pytest.raises(ValueError, match="12241"):
        hkdf_expand(bytes(48), b"", 255 * 48 + 1)


def test_the_schedule_is_the_one_that_the_protocol_document_writes() -> None:
    response = hashlib.sha384(b"peerkey v1 response" + RESPONDER + INITIATOR + INNER).digest()
    exchange = hashlib.sha384(REQUEST + response).digest()
    assert transcript(REQUEST, RESPONDER, INITIATOR, INNER) == exchange

    encoded = b"\x01\x00" + bytes(range(256)) + b"\x00\x20" + b"\x5a" * 32
    prk = HKDF.extract(hashes.SHA384(), exchange, encoded)
    keys = derive(exchange, SECRET)
    assert keys.peer_key == Secret(expanded(prk, b"peerkey v1 peer key", 32))
    assert keys.confirm_initiator == Secret(expanded(prk, b"peerkey v1 confirm initiator", 48))
    assert keys.confirm_responder == Secret(expanded(prk, b"peerkey v1 confirm responder", 48))
    assert keys.probe == Secret(expanded(prk, b"peerkey v1 probe", 48))
    assert keys.key_id == expanded(prk, b"peerkey v1 key id", 16)
    assert confirmation(keys, exchange) == mac(keys.confirm_responder, b"peerkey v1 confirmation" + exchange)

    info = b"peerkey v1 seal " + INITIATOR + bytes.fromhex("0000000000000107")
    assert seal_key(keys.peer_key, INITIATOR, 0x107) == Secret(
        expanded(keys.peer_key.reveal(), info, 32),
    )


def test_the_schedule_never_changes() -> None:
    """Frozen when version 1 was written. A difference here is another version of the protocol."""
    exchange = transcript(REQUEST, RESPONDER, INITIATOR, INNER)
    keys = derive(exchange, SECRET)
    frozen = (
        exchange[:16],
        keys.peer_key.reveal()[:16],
        keys.confirm_initiator.reveal()[:16],
        keys.confirm_responder.reveal()[:16],
        keys.probe.reveal()[:16],
        keys.key_id,
        confirmation(keys, exchange)[:16],
        seal_key(keys.peer_key, INITIATOR, 1).reveal()[:16],
    )
    assert [value.hex() for value in frozen] == [
        "4f2f717c483b5b050522c7c223f89368",
        "2549e914732aad30e20cc05d5bc5a541",
        "409c734ff741a1b18db75dcd72131f27",
        "9ac4e9e489b6c90db64fe42318187ba8",
        "5254a81b1461b46cbeadd93c94ec4516",
        "1450490a7f34dbe0b0613f2c97344e69",
        "edd2de9ca73165ebcf8951162feb60ab",
        "f3e760600d1789f955d4d03bb0de9e19",
    ]


def test_whatever_differs_between_two_exchanges_makes_other_keys() -> None:
    exchanges = [
        (REQUEST, RESPONDER, INITIATOR, INNER),
        (hashlib.sha384(b"another request").digest(), RESPONDER, INITIATOR, INNER),
        (REQUEST, INITIATOR, RESPONDER, INNER),
        (REQUEST, RESPONDER, RESPONDER, INNER),
        (REQUEST, RESPONDER, INITIATOR, INNER + b"\0"),
    ]
    keys = [derive(transcript(*exchange), SECRET) for exchange in exchanges]
    keys.append(derive(transcript(*exchanges[0]), SharedSecret(SECRET.dh.reveal(), b"\x5b" * 32)))
    keys.append(derive(transcript(*exchanges[0]), SharedSecret(b"\1" * 256, SECRET.kem.reveal())))
    for one, other in combinations(keys, 2):
        assert different(one, other)


@given(data=st.binary(min_size=1, max_size=40), cut=st.integers(0, 40))
def test_bytes_cannot_move_between_the_two_halves_of_a_secret(data: bytes, cut: int) -> None:
    whole, parted = SharedSecret(dh=data), SharedSecret(dh=data[:cut], kem=data[cut:])
    assert different(derive(REQUEST, whole), derive(REQUEST, parted)) == (cut < len(data))


def test_no_two_derived_keys_of_one_exchange_are_alike() -> None:
    keys = derive(REQUEST, SECRET)
    beginnings = {
        secret.reveal()[:16]
        for secret in (keys.peer_key, keys.confirm_initiator, keys.confirm_responder, keys.probe)
    }
    assert len(beginnings | {keys.key_id}) == len(DERIVATIONS) == 5
    assert [field for field, _, _ in DERIVATIONS] == list(DerivedKeys._fields)


def test_every_direction_and_every_incarnation_seals_with_a_key_of_its_own() -> None:
    peer_key = derive(REQUEST, SECRET).peer_key
    sealing = [
        seal_key(peer_key, sender, epoch)
        for sender in (INITIATOR, RESPONDER)
        for epoch in (0, 1, 256, 2**64 - 1)
    ]
    assert all(one != other for one, other in combinations(sealing, 2))
    assert {len(key) for key in sealing} == {32}


@pytest.mark.parametrize(
    ("sender", "epoch"), [(b"I" * 15, 1), (b"I" * 17, 1), (INITIATOR, -1), (INITIATOR, 2**64)]
)
def test_a_seal_key_for_a_misshapen_sender_or_epoch_is_a_bug_and_stops(sender: bytes, epoch: int) -> None:
    with pytest.raises(ValueError, match="seal key"):
        seal_key(Secret(bytes(32)), sender, epoch)


@given(position=st.integers(0, 47), flip=st.integers(1, 255))
def test_a_mac_or_confirmation_changed_in_any_byte_is_refused(position: int, flip: int) -> None:
    keys = derive(REQUEST, SECRET)
    verify_mac(keys.probe, INNER, mac(keys.probe, INNER))
    verify_confirmation(keys, REQUEST, confirmation(keys, REQUEST))
    with pytest.raises(BadMac):
        verify_mac(keys.probe, INNER, flipped(mac(keys.probe, INNER), position, flip))
    with pytest.raises(BadMac):
        verify_confirmation(keys, REQUEST, flipped(confirmation(keys, REQUEST), position, flip))


@pytest.mark.parametrize("length", [0, 1, 32, 47, 49, 96])
def test_a_mac_of_any_other_length_is_refused(length: int) -> None:
    keys = derive(REQUEST, SECRET)
    wrong = (mac(keys.probe, INNER) * 2)[:length]
    with pytest.raises(BadMac):
        verify_mac(keys.probe, INNER, wrong)
    assert issubclass(BadMac, PeerFault)


def test_a_confirmation_belongs_to_one_exchange() -> None:
    keys = derive(REQUEST, SECRET)
    with pytest.raises(BadMac):
        verify_confirmation(keys, hashlib.sha384(b"another").digest(), confirmation(keys, REQUEST))


def test_derived_keys_do_not_print() -> None:
    keys = derive(REQUEST, SECRET)
    shown = repr(keys)
    assert shown.count("Secret(") == 4
    for secret in (keys.peer_key, keys.confirm_initiator, keys.confirm_responder, keys.probe):
        assert secret.reveal()[:4].hex() not in shown
        assert repr(secret.reveal()[:4])[2:-1] not in shown


def expanded(prk: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA384(), length, info).derive(prk)


def different(one: DerivedKeys, other: DerivedKeys) -> bool:
    """No field is shared."""
    return all(mine != theirs for mine, theirs in zip(one, other, strict=True))


def flipped(original: bytes, position: int, flip: int) -> bytes:
    changed = bytearray(original)
    changed[position] ^= flip
    return bytes(changed)
