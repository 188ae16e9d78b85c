"""An outcome is told once for each certificate, until it becomes another."""

from __future__ import annotations

from peerkey.protocol.outcomes import Outcomes

ONE, TWO = b"one", b"two"


def test_an_outcome_is_news_once() -> None:
    outcomes = Outcomes()

    assert [outcomes.news(ONE, "expired") for _ in range(3)] == [True, False, False]


def test_another_outcome_is_news_and_so_is_the_first_one_after_it() -> None:
    outcomes = Outcomes()

    assert [outcomes.news(ONE, outcome) for outcome in ("expired", "revoked", "expired")] == [True] * 3


def test_two_certificates_that_take_turns_are_told_of_once_each() -> None:
    outcomes = Outcomes()

    assert [outcomes.news(each, "expired") for each in (ONE, TWO) * 3] == [True, True, *[False] * 4]


def test_what_was_forgotten_is_news_again() -> None:
    outcomes = Outcomes()
    outcomes.news(ONE, "expired")
    outcomes.forget(ONE)
    outcomes.forget(TWO)

    assert outcomes.news(ONE, "expired")


def test_strangers_certificates_take_a_bounded_memory_and_the_latest_are_kept() -> None:
    outcomes = Outcomes()
    for number in range(100):
        outcomes.news(number.to_bytes(), "untrusted")

    assert not outcomes.news((99).to_bytes(), "untrusted")
    assert outcomes.news((0).to_bytes(), "untrusted")
