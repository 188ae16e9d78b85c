"""ML-KEM against published answers, and the checks of FIPS 203 that the libraries leave to the caller."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.protocol.suites import Algorithm, BadShare, KeyAgreement, KeyExchange, Shares, agreement_for
from peerkey.protocol.suites.ml_kem import (
    PARAMETER_SETS,
    SEED_BYTES,
    Decapsulate,
    MlKemAgreement,
    ModulusCheck,
    Q,
    backend_for,
    decapsulation_512,
)
from peerkey.secret import Secret
from tests.protocol.suites.published import published_records

SIZES = (512, 768, 1024)
every_size = pytest.mark.parametrize("size", SIZES)


@pytest.mark.parametrize("size", [768, 1024])
def test_a_published_seed_gives_the_published_encapsulation_key(size: int) -> None:
    for record in known_answers(size):
        offer, _ = from_seed(size, record).offer()
        assert offer == Shares(kem=bytes.fromhex(record["pk"]))


@every_size
def test_a_published_ciphertext_gives_the_published_secret(size: int) -> None:
    for agreement, record in published_keys(size):
        _, ephemeral = agreement.offer()
        secret = ephemeral.finish(Shares(kem=bytes.fromhex(record["ct"])))
        assert secret.kem == Secret(bytes.fromhex(record["ss"]))


@every_size
def test_a_published_wrong_ciphertext_is_rejected_implicitly_with_the_published_secret(size: int) -> None:
    for agreement, record in published_keys(size):
        _, ephemeral = agreement.offer()
        secret = ephemeral.finish(Shares(kem=bytes.fromhex(record["ct_n"])))
        assert secret.kem == Secret(bytes.fromhex(record["ss_n"]))


@every_size
def test_an_encapsulation_to_a_published_key_is_opened_by_its_private_key(size: int) -> None:
    for agreement, record in published_keys(size):
        _, ephemeral = agreement.offer()
        offer = Shares(kem=bytes.fromhex(record["pk"]))
        answer, secret = agreement_of(size).answer(offer)
        assert ephemeral.finish(answer) == secret


@every_size
def test_every_published_key_passes_the_modulus_check(size: int) -> None:
    agreement = agreement_of(size)
    for record in known_answers(size):
        agreement.check_offer(Shares(kem=bytes.fromhex(record["pk"])))


@every_size
@pytest.mark.parametrize("value", [Q, Q + 1, 4095])
def test_a_coefficient_that_is_not_reduced_is_refused_wherever_it_stands(size: int, value: int) -> None:
    agreement = agreement_of(size)
    offer, _ = agreement.offer()
    for position in range(size):
        wrong = Shares(kem=with_coefficient(offer.kem, position, value))
        with pytest.raises(BadShare, match="not reduced"):
            agreement.check_offer(wrong)
        with pytest.raises(BadShare, match="not reduced"):
            agreement.answer(wrong)


@every_size
def test_the_largest_reduced_coefficient_is_accepted_wherever_it_stands(size: int) -> None:
    agreement = agreement_of(size)
    offer, _ = agreement.offer()
    for position in range(size):
        agreement.check_offer(Shares(kem=with_coefficient(offer.kem, position, Q - 1)))


@every_size
def test_the_seed_of_the_matrix_may_be_anything(size: int) -> None:
    agreement = agreement_of(size)
    offer, _ = agreement.offer()
    for seed in (b"\0" * 32, b"\xff" * 32):
        agreement.answer(Shares(kem=offer.kem[:-32] + seed))


@every_size
@given(data=st.data())
def test_the_modulus_check_is_a_comparison_of_every_coefficient(size: int, data: st.DataObject) -> None:
    near = st.sampled_from((0, 1, 2**11, Q - 2, Q - 1, Q, Q + 1, 4095))
    row = [0] * size
    for position, value in data.draw(st.dictionaries(st.integers(0, size - 1), near, max_size=8)).items():
        row[position] = value
    number = sum(value << 12 * position for position, value in enumerate(row))
    packed = number.to_bytes(size * 3 // 2, "little")
    check = ModulusCheck(PARAMETER_SETS[size])
    assert check.passes(packed + b"\xff" * 32) == all(value < Q for value in row)


@every_size
def test_a_ciphertext_changed_in_any_byte_gives_another_secret_and_no_error(size: int) -> None:
    agreement = agreement_of(size)
    offer, ephemeral = agreement.offer()
    answer, secret = agreement.answer(offer)
    for position in range(0, len(answer.kem), 7):
        changed = bytearray(answer.kem)
        changed[position] ^= 1 << position % 8
        assert ephemeral.finish(Shares(kem=bytes(changed))) != secret


def test_private_keys_come_from_the_entropy_that_is_given() -> None:
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return b"\x07" * size

    agreement = agreement_for(Algorithm(KeyExchange.ML_KEM, kem_size=768), entropy)
    assert agreement.offer()[0] == agreement.offer()[0]
    assert asked == [SEED_BYTES, SEED_BYTES]


@pytest.mark.parametrize("size", [768, 1024])
def test_an_entropy_source_that_gives_too_little_is_a_bug_and_stops(size: int) -> None:
    algorithm = Algorithm(KeyExchange.ML_KEM, kem_size=size)
    agreement = agreement_for(algorithm, lambda wanted: b"\0" * (wanted - 1))
    with pytest.raises(ValueError, match=r"."):
        agreement.offer()


def test_no_library_is_found_for_a_size_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="ML-KEM-640"):
        backend_for(640, os.urandom)


class PublishedKey:
    """A backend whose one key pair is a published one of ML-KEM-512, in its expanded form."""

    def __init__(self, record: dict[str, str]) -> None:
        self._record = record

    def generate(self) -> tuple[bytes, Decapsulate]:
        private = Secret(bytes.fromhex(self._record["sk"]))
        return bytes.fromhex(self._record["pk"]), decapsulation_512(private)

    def encapsulate(self, encapsulation_key: bytes) -> tuple[bytes, bytes]:
        return backend_for(512, os.urandom).encapsulate(encapsulation_key)


def known_answers(size: int) -> Iterator[dict[str, str]]:
    yield from published_records(f"asymmetric/MLKEM/kat_MLKEM_{size}.rsp")


def published_keys(size: int) -> Iterator[tuple[KeyAgreement, dict[str, str]]]:
    answers = 0
    for record in known_answers(size):
        answers += 1
        if size == 512:
            yield MlKemAgreement(Algorithm(KeyExchange.ML_KEM, kem_size=512), PublishedKey(record)), record
        else:
            yield from_seed(size, record), record
    assert answers == 1000


def from_seed(size: int, record: dict[str, str]) -> KeyAgreement:
    seed = bytes.fromhex(record["d"] + record["z"])
    return agreement_for(Algorithm(KeyExchange.ML_KEM, kem_size=size), lambda wanted: seed[:wanted])


def agreement_of(size: int) -> KeyAgreement:
    return agreement_for(Algorithm(KeyExchange.ML_KEM, kem_size=size), os.urandom)


def with_coefficient(key: bytes, position: int, value: int) -> bytes:
    row = int.from_bytes(key[:-32], "little")
    row &= ~(0xFFF << 12 * position)
    row |= value << 12 * position
    return row.to_bytes(len(key) - 32, "little") + key[-32:]
