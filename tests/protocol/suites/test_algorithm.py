"""The names and sizes of the fifteen key exchanges."""

from __future__ import annotations

import pytest

from peerkey.protocol.suites import ALL, Algorithm, KeyExchange


def test_there_are_three_three_and_nine() -> None:
    counts = [sum(a.exchange is exchange for a in ALL) for exchange in KeyExchange]
    assert counts == [3, 3, 9]
    assert len(set(ALL)) == len({algorithm.name for algorithm in ALL}) == 15


def test_names_are_those_of_the_configuration() -> None:
    assert Algorithm(KeyExchange.DIFFIE_HELLMAN, dh_bits=2048).name == "diffie-hellman-2048"
    assert Algorithm(KeyExchange.ML_KEM, kem_size=768).name == "ml-kem-768"
    assert str(Algorithm(KeyExchange.HYBRID, 4096, 1024)) == "diffie-hellman-4096-ml-kem-1024"
    assert [exchange.value for exchange in KeyExchange] == [
        "diffie-hellman",
        "ml-kem",
        "diffie-hellman-ml-kem",
    ]


@pytest.mark.parametrize("algorithm", ALL, ids=str)
def test_a_name_is_read_back_as_the_algorithm_that_wrote_it(algorithm: Algorithm) -> None:
    assert Algorithm.parse(algorithm.name) == algorithm


@pytest.mark.parametrize(
    "name",
    [
        "",
        "diffie-hellman",
        "ml-kem",
        "diffie-hellman-3072",
        "ml-kem-2048",
        "diffie-hellman-02048",
        "Diffie-Hellman-2048",
        "diffie-hellman-2048 ",
        "diffie-hellman-2048-",
        "ml-kem-768-diffie-hellman-2048",
        "diffie-hellman-2048-ml-kem-768-ml-kem-768",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such key exchange"):
        Algorithm.parse(name)


@pytest.mark.parametrize(
    ("exchange", "dh_bits", "kem_size"),
    [
        (KeyExchange.DIFFIE_HELLMAN, 0, 0),
        (KeyExchange.DIFFIE_HELLMAN, 3072, 0),
        (KeyExchange.DIFFIE_HELLMAN, 2048, 768),
        (KeyExchange.ML_KEM, 0, 0),
        (KeyExchange.ML_KEM, 0, 2048),
        (KeyExchange.ML_KEM, 2048, 768),
        (KeyExchange.HYBRID, 2048, 0),
        (KeyExchange.HYBRID, 0, 768),
    ],
)
def test_a_combination_that_does_not_exist_cannot_be_built(
    exchange: KeyExchange,
    dh_bits: int,
    kem_size: int,
) -> None:
    with pytest.raises(ValueError, match="no such key exchange"):
        Algorithm(exchange, dh_bits, kem_size)
