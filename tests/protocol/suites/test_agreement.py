"""What every key agreement promises, checked for all fifteen."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.protocol.suites import (
    ALL,
    Algorithm,
    BadShare,
    KeyAgreement,
    SharedSecret,
    Shares,
    agreement_for,
)

AGREEMENTS = {algorithm: agreement_for(algorithm, os.urandom) for algorithm in ALL}
#: The 4096-bit group makes every example cost five milliseconds; the 2048-bit one shares its code.
LIGHT = [agreement for agreement in AGREEMENTS.values() if not agreement.heavy]
#: Bytes of (encapsulation key, ciphertext), FIPS 203 table 3.
KEM_BYTES = {0: (0, 0), 512: (800, 768), 768: (1184, 1088), 1024: (1568, 1568)}

every_agreement = pytest.mark.parametrize("agreement", AGREEMENTS.values(), ids=map(str, AGREEMENTS))
every_light_agreement = pytest.mark.parametrize("agreement", LIGHT, ids=lambda a: a.algorithm.name)


@every_agreement
def test_both_ends_get_the_same_secret(agreement: KeyAgreement) -> None:
    offer, ephemeral = agreement.offer()
    agreement.check_offer(offer)
    answer, secret = agreement.answer(offer)
    assert ephemeral.finish(answer) == secret


@every_agreement
def test_no_two_exchanges_give_the_same_secret(agreement: KeyAgreement) -> None:
    offer, _ = agreement.offer()
    (first_answer, first), (second_answer, second) = agreement.answer(offer), agreement.answer(offer)
    assert first_answer != second_answer
    assert first != second
    assert agreement.offer()[0] != offer


@every_agreement
def test_shares_and_secrets_have_the_sizes_of_the_standards(agreement: KeyAgreement) -> None:
    dh = agreement.algorithm.dh_bits // 8
    encapsulation_key, ciphertext = KEM_BYTES[agreement.algorithm.kem_size]
    kem = 32 if ciphertext else 0
    offer, _ = agreement.offer()
    answer, secret = agreement.answer(offer)
    assert (len(offer.dh), len(offer.kem)) == (dh, encapsulation_key)
    assert (len(answer.dh), len(answer.kem)) == (dh, ciphertext)
    assert (len(secret.dh), len(secret.kem)) == (dh, kem)
    assert len(secret.encoded()) == 2 + dh + 2 + kem


@every_agreement
def test_only_the_largest_group_is_expected_to_be_slow(agreement: KeyAgreement) -> None:
    assert agreement.heavy == (agreement.algorithm.dh_bits == 4096)


@every_agreement
def test_an_offer_of_any_other_length_is_refused(agreement: KeyAgreement) -> None:
    offer, _ = agreement.offer()
    for wrong in other_lengths(offer):
        refused(agreement.check_offer, wrong)
        refused(agreement.answer, wrong)


@every_agreement
def test_an_answer_of_any_other_length_is_refused_and_the_right_one_still_finishes(
    agreement: KeyAgreement,
) -> None:
    offer, ephemeral = agreement.offer()
    answer, secret = agreement.answer(offer)
    for wrong in other_lengths(answer):
        refused(ephemeral.finish, wrong)
    assert ephemeral.finish(answer) == secret


@every_agreement
def test_a_half_that_is_missing_or_superfluous_is_refused(agreement: KeyAgreement) -> None:
    offer, ephemeral = agreement.offer()
    answer, _ = agreement.answer(offer)
    takers: list[tuple[Shares, Callable[[Shares], object]]] = [
        (offer, agreement.check_offer),
        (offer, agreement.answer),
        (answer, ephemeral.finish),
    ]
    for shares, take in takers:
        for wrong in (
            Shares(),
            shares._replace(dh=b"" if shares.dh else b"\x02"),
            shares._replace(kem=b"" if shares.kem else b"\x02"),
        ):
            refused(take, wrong)


@every_light_agreement
@given(data=st.data())
def test_an_offer_changed_on_the_way_is_refused_or_gives_another_secret(
    agreement: KeyAgreement,
    data: st.DataObject,
) -> None:
    offer, ephemeral = agreement.offer()
    changed = mutated(offer, data)
    try:
        answer, secret = agreement.answer(changed)
    except BadShare:
        refused(agreement.check_offer, changed)
        return
    agreement.check_offer(changed)
    assert ephemeral.finish(answer) != secret


@every_light_agreement
@given(data=st.data())
def test_an_answer_changed_on_the_way_is_refused_or_gives_another_secret(
    agreement: KeyAgreement,
    data: st.DataObject,
) -> None:
    offer, ephemeral = agreement.offer()
    answer, secret = agreement.answer(offer)
    changed = mutated(answer, data)
    try:
        assert ephemeral.finish(changed) != secret
    except BadShare:
        refused(ephemeral.finish, changed)


@every_light_agreement
@given(dh=st.binary(max_size=300), kem=st.binary(max_size=1600))
def test_noise_is_refused_and_breaks_nothing(agreement: KeyAgreement, dh: bytes, kem: bytes) -> None:
    noise = Shares(dh, kem)
    _, ephemeral = agreement.offer()
    for take in (agreement.check_offer, agreement.answer, ephemeral.finish):
        if lengths(noise) not in sizes_of(agreement.algorithm):
            refused(take, noise)


@every_agreement
def test_nothing_secret_prints_or_travels(agreement: KeyAgreement) -> None:
    offer, ephemeral = agreement.offer()
    _, secret = agreement.answer(offer)
    raw = secret.encoded().reveal()
    for shown in (repr(secret), str(secret), repr(secret.encoded()), f"{secret.dh}{secret.kem}"):
        assert shown.count("bytes)") >= 1
        assert raw[2:10].hex() not in shown
        assert repr(raw[2:10])[2:-1] not in shown
    for private in (secret, secret.dh, ephemeral):
        with pytest.raises((TypeError, AttributeError)):
            pickle.dumps(private)


def test_the_encoding_of_a_secret_is_two_lengths_and_two_values() -> None:
    assert SharedSecret(b"\xaa\xbb", b"\xcc").encoded().reveal() == bytes.fromhex("0002aabb0001cc")
    assert SharedSecret(dh=b"\xaa").encoded().reveal() == bytes.fromhex("0001aa0000")
    assert SharedSecret(kem=b"\xaa").encoded().reveal() == bytes.fromhex("00000001aa")


def test_secrets_are_equal_only_when_both_halves_are() -> None:
    secret = SharedSecret(b"a" * 32, b"b" * 32)
    assert secret == SharedSecret(b"a" * 32, b"b" * 32)
    assert secret != SharedSecret(b"b" * 32, b"b" * 32)
    assert secret != SharedSecret(b"a" * 32, b"a" * 32)
    assert secret != secret.encoded()


def other_lengths(shares: Shares) -> list[Shares]:
    wrong = []
    for name, share in shares._asdict().items():
        cuts = {share[:length] for length in range(len(share))}
        wrong += [shares._replace(**{name: cut}) for cut in cuts]
        longer = (share + b"\0", b"\0" + share, share * 2 + b"\0")
        wrong += [shares._replace(**{name: value}) for value in longer]
    return wrong


def mutated(shares: Shares, data: st.DataObject) -> Shares:
    name = data.draw(st.sampled_from([name for name, share in shares._asdict().items() if share]))
    changed = bytearray(getattr(shares, name))
    # Half of the time among the first bytes, where range and modulus are decided.
    last = data.draw(st.sampled_from((2, len(changed) - 1)))
    changed[data.draw(st.integers(0, last))] ^= data.draw(st.integers(1, 255))
    return shares._replace(**{name: bytes(changed)})


def lengths(shares: Shares) -> tuple[int, int]:
    return len(shares.dh), len(shares.kem)


def sizes_of(algorithm: Algorithm) -> set[tuple[int, int]]:
    return {(algorithm.dh_bits // 8, kem) for kem in KEM_BYTES[algorithm.kem_size]}


def refused(take: Callable[[Shares], object], shares: Shares) -> None:
    with pytest.raises(BadShare):
        take(shares)
