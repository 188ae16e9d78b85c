"""The three groups: where their primes come from, what is refused, and two kinds of arithmetic."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count

import pytest

from peerkey.protocol.suites import Algorithm, BadShare, KeyAgreement, KeyExchange, Shares, agreement_for
from peerkey.protocol.suites.diffie_hellman import EXPONENT_BITS, NamedGroup, SecondOakleyGroup, secret_power
from peerkey.protocol.suites.groups import GROUPS, Group
from tests.protocol.suites.published import published_records

every_group = pytest.mark.parametrize("group", GROUPS.values(), ids=lambda group: str(group.bits))


@pytest.mark.parametrize(("bits", "position"), [(2048, 1), (4096, 3)])
def test_the_large_primes_are_those_of_rfc_3526(bits: int, position: int) -> None:
    record = list(published_records("asymmetric/DH/rfc3526.txt"))[position]
    assert GROUPS[bits].prime == int(record["P"], 16)
    assert GROUPS[bits].generator == int(record["G"])


@pytest.mark.parametrize(("bits", "offset"), [(1024, 129093), (2048, 124476), (4096, 240904)])
def test_every_prime_is_made_from_the_digits_of_pi(bits: int, offset: int) -> None:
    """``2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + offset)``, as both RFCs write it."""
    pi = floor_of_pi_times_two_to(bits - 130)
    assert GROUPS[bits].prime == 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi + offset)


@every_group
def test_every_group_is_a_safe_prime_whose_generator_has_prime_order(group: Group) -> None:
    order = group.prime // 2
    assert group.prime.bit_length() == group.bits
    assert is_strong_probable_prime(group.prime)
    assert is_strong_probable_prime(order)
    assert pow(group.generator, order, group.prime) == 1


@every_group
def test_a_public_value_outside_the_group_is_refused(group: Group) -> None:
    agreement = agreement_of(group)
    _, ephemeral = agreement.offer()
    for value in (0, 1, group.prime - 1, group.prime, group.prime + 1, 2**group.bits - 1):
        shares = Shares(value.to_bytes(group.size, "big"))
        for take in (agreement.check_offer, agreement.answer, ephemeral.finish):
            with pytest.raises(BadShare, match="outside"):
                take(shares)


@every_group
def test_the_outermost_public_values_inside_the_group_are_accepted(group: Group) -> None:
    agreement = agreement_of(group)
    _, ephemeral = agreement.offer()
    for value in (2, group.prime - 2):
        shares = Shares(value.to_bytes(group.size, "big"))
        agreement.check_offer(shares)
        assert len(ephemeral.finish(shares).dh) == group.size


@every_group
def test_a_shared_value_keeps_its_leading_zeros(group: Group) -> None:
    """The peer's exponent is chosen so small that it can be searched for: 1 in 256 gives a zero."""
    offer, ephemeral = agreement_of(group).offer()
    ours = int.from_bytes(offer.dh, "big")
    exponent = next(k for k in count(2) if pow(ours, k, group.prime) < 1 << (group.bits - 8))
    answer = pow(group.generator, exponent, group.prime).to_bytes(group.size, "big")
    shared = ephemeral.finish(Shares(answer)).dh.reveal()
    assert shared[0] == 0
    assert shared == pow(ours, exponent, group.prime).to_bytes(group.size, "big")


@every_group
def test_both_kinds_of_arithmetic_understand_each_other(group: Group) -> None:
    named_public, named_exchange = NamedGroup(group).generate()
    own_public, own_exchange = SecondOakleyGroup(group, os.urandom).generate()
    assert named_exchange(int.from_bytes(own_public, "big")) == own_exchange(
        int.from_bytes(named_public, "big"),
    )


@pytest.mark.parametrize("entropy", [b"\0" * 32, b"\xff" * 32, bytes(range(32))])
def test_every_exponent_of_the_small_group_is_equally_long_and_comes_from_the_entropy(entropy: bytes) -> None:
    group = GROUPS[1024]
    public, exchange = SecondOakleyGroup(group, lambda size: entropy[:size]).generate()
    exponent = int.from_bytes(entropy, "big") | 1 << 255
    assert exponent.bit_length() == EXPONENT_BITS
    assert public == pow(2, exponent, group.prime).to_bytes(128, "big")
    assert exchange(3) == pow(3, exponent, group.prime).to_bytes(128, "big")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_an_entropy_source_that_gives_too_little_or_too_much_is_a_bug_and_stops(size: int) -> None:
    with pytest.raises(ValueError, match="entropy source"):
        SecondOakleyGroup(GROUPS[1024], lambda _: b"\0" * size).generate()


def test_our_arithmetic_agrees_with_published_exchanges() -> None:
    records = list(published_records("asymmetric/DH/vec.txt"))
    for record in records:
        prime = int(record["P"])
        group = Group(-(-prime.bit_length() // 8) * 8, "vec.txt", prime, int(record["G"]))
        shared = secret_power(group, int(record["Y"]), int(record["X"]))
        assert int.from_bytes(shared, "big") == int(record["K"], 16)
    assert len(records) == 5


def test_our_arithmetic_agrees_with_rfc_5114() -> None:
    records = list(published_records("asymmetric/DH/RFC5114.txt"))
    assert len(records) == 3
    for record in records:
        value = {name: int(record[name], 16) for name in record if name[0] in "PGXYZ"}
        group = Group(value["P"].bit_length(), "RFC 5114", value["P"], value["G"])
        for ours, theirs in (("IUT", "CAVS"), ("CAVS", "IUT")):
            exponent = value[f"Xstat{ours}"]
            public = secret_power(group, group.generator, exponent)
            shared = secret_power(group, value[f"Ystat{theirs}"], exponent)
            assert int.from_bytes(public, "big") == value[f"Ystat{ours}"]
            assert int.from_bytes(shared, "big") == value["Z"]


def test_the_deprecation_of_the_library_s_interface_reaches_nobody() -> None:
    program = (
        "import os; from peerkey.protocol.suites import *;"
        "[agreement_for(a, os.urandom).offer() for a in ALL];"
        "import warnings; print(sum('hellman' in str(f[1]).lower() for f in warnings.filters))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0\n")


def agreement_of(group: Group) -> KeyAgreement:
    return agreement_for(Algorithm(KeyExchange.DIFFIE_HELLMAN, dh_bits=group.bits), os.urandom)


def floor_of_pi_times_two_to(bits: int) -> int:
    """Machin's formula in integers: ``pi = 16 arctan(1/5) - 4 arctan(1/239)``."""
    one = 1 << (bits + 64)
    return (16 * arctan_of_inverse(5, one) - 4 * arctan_of_inverse(239, one)) >> 64


def arctan_of_inverse(number: int, one: int) -> int:
    power, total = one // number, 0
    for odd in count(1, 2):
        if not power:
            break
        total += power // odd if odd % 4 == 1 else -(power // odd)
        power //= number * number
    return total


def is_strong_probable_prime(number: int) -> bool:
    """Miller and Rabin's test to four bases, for numbers that are 3 modulo 4."""
    return number % 4 == 3 and all(pow(base, number // 2, number) in {1, number - 1} for base in (2, 3, 5, 7))
