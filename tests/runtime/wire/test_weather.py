"""What weather does to one datagram, and how much it draws for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from runtime.wire.weather import FINE, Fate, Weather

DATA = bytes(range(200))
MILLISECOND = timedelta(milliseconds=1)
ROUGH = Weather(loss=0.3, duplication=0.3, corruption=0.3, truncation=0.3, replay=0.3, jitter=MILLISECOND)


def test_fine_weather_draws_nothing_and_takes_five_milliseconds() -> None:
    random = Counting()
    fate = FINE.fate(random, DATA)
    assert (fate.lost, fate.replay) == (False, None)
    assert [(copy.delay, copy.data) for copy in fate.copies] == [(0.005, DATA)]
    assert random.drawn == 0


@pytest.mark.parametrize(
    ("weather", "draws"),
    [
        (Weather(loss=0.5), 1),
        (Weather(corruption=0.5), 1),
        (Weather(truncation=0.5), 1),
        (Weather(replay=0.5), 1),
        (Weather(duplication=0.5), 1),
        (Weather(jitter=MILLISECOND), 1),
        (Weather(duplication=0.5, jitter=MILLISECOND), 3),
        (Weather(loss=1, corruption=1, jitter=MILLISECOND), 3),
        (replace(ROUGH, duplication=0), 5),
        # Loss, duplication and replay once; jitter, truncation and corruption for each of two copies.
        (ROUGH, 9),
    ],
)
def test_the_number_of_draws_depends_on_the_weather_alone(weather: Weather, draws: int) -> None:
    random = Counting()
    for number in range(1, 201):
        weather.fate(random, DATA[:number] if number % 3 else b"")
        assert random.drawn == draws * number


def test_the_whole_fate_in_calm_weather_is_the_delay() -> None:
    weather = Weather(jitter=20 * MILLISECOND)
    one, two = Random(7), Random(7)
    for _ in range(50):
        (copy,) = weather.fate(one, DATA).copies
        assert copy.delay == weather.delay(two)
    assert weather.calm
    assert not Weather(replay=0.01).calm
    assert not replace(weather, loss=0.01).calm
    assert replace(ROUGH, loss=0, duplication=0, corruption=0, truncation=0, replay=0).calm


@pytest.mark.parametrize(
    ("share", "weather"),
    [
        ("loss", Weather(loss=0.1)),
        ("duplication", Weather(duplication=0.1)),
        ("corruption", Weather(corruption=0.1)),
        ("truncation", Weather(truncation=0.1)),
        ("replay", Weather(replay=0.1)),
    ],
)
def test_a_share_is_met_within_the_bounds_of_chance(share: str, weather: Weather) -> None:
    random = Random(1)
    hit = sum(suffers(weather.fate(random, DATA))[share] for _ in range(10_000))
    # Six standard deviations of 10,000 throws.
    assert abs(hit - 1_000) < 180


def test_the_shares_do_not_depend_on_each_other() -> None:
    random = Random(2)
    fates = [suffers(ROUGH.fate(random, DATA)) for _ in range(10_000)]
    for one in ("loss", "duplication", "corruption", "truncation", "replay"):
        for two in ("loss", "duplication", "replay"):
            if one != two:
                both = sum(fate[one] and fate[two] for fate in fates)
                assert abs(both - 900) < 180, (one, two)


def test_corruption_changes_one_byte_anywhere_to_any_other_value() -> None:
    weather, random = Weather(corruption=0.5), Random(3)
    places, changes = set(), set()
    for _ in range(10_000):
        (copy,) = weather.fate(random, DATA[:8]).copies
        differing = [spot for spot in range(8) if copy.data[spot] != DATA[spot]]
        assert len(differing) == copy.corrupted
        assert len(copy.data) == 8
        for spot in differing:
            places.add(spot)
            changes.add(copy.data[spot] ^ DATA[spot])
    assert places == set(range(8))
    assert changes == set(range(1, 256))


def test_truncation_leaves_any_beginning_but_the_whole() -> None:
    weather, random = Weather(truncation=1), Random(4)
    left = set()
    for _ in range(1_000):
        (copy,) = weather.fate(random, DATA[:8]).copies
        assert DATA[:8].startswith(copy.data)
        assert copy.truncated
        left.add(len(copy.data))
    assert left == set(range(8))


def test_what_is_truncated_and_corrupted_shows_both() -> None:
    weather, random = Weather(truncation=1, corruption=1), Random(5)
    for _ in range(200):
        (copy,) = weather.fate(random, DATA).copies
        assert len(copy.data) < len(DATA)
        assert DATA.startswith(copy.data) is not copy.corrupted
        assert copy.corrupted is (copy.data != b"")


def test_an_empty_datagram_cannot_be_hurt() -> None:
    (copy,) = Weather(truncation=1, corruption=1).fate(Random(6), b"").copies
    assert (copy.data, copy.truncated, copy.corrupted) == (b"", False, False)


def test_each_duplicate_has_its_own_delay_and_its_own_damage() -> None:
    fate = Weather(duplication=1, corruption=1, jitter=MILLISECOND).fate(Random(8), DATA)
    first, second = fate.copies
    assert first.delay != second.delay
    assert DATA not in (first.data, second.data)
    assert first.data != second.data


def test_jitter_is_added_to_the_latency_and_spread_evenly() -> None:
    weather, random = Weather(latency=10 * MILLISECOND, jitter=40 * MILLISECOND), Random(9)
    delays = [weather.delay(random) for _ in range(10_000)]
    assert 0.010 <= min(delays) < 0.0101
    assert 0.0499 < max(delays) < 0.050
    assert abs(sum(delays) / len(delays) - 0.030) < 0.001


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("share", ["loss", "duplication", "corruption", "truncation", "replay"])
def test_a_share_that_cannot_be_is_refused(share: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=share):
        Weather(**{share: wrong})  # type: ignore[arg-type]  # no duration is among the names


@pytest.mark.parametrize("duration", ["latency", "jitter"])
def test_a_negative_duration_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match=duration):
        Weather(**{duration: -MILLISECOND})  # type: ignore[arg-type]  # no share is among the names


def suffers(fate: Fate) -> dict[str, bool]:
    """Say by the name of each share whether the datagram was hit."""
    return {
        "loss": fate.lost,
        "duplication": len(fate.copies) == 2,
        "corruption": fate.copies[0].corrupted,
        "truncation": fate.copies[0].truncated,
        "replay": fate.replay is not None,
    }


class Counting(Random):
    """Counts what is drawn, and knows no other way to draw."""

    def __init__(self) -> None:
        super().__init__(0)
        self.drawn = 0

    def random(self) -> float:
        self.drawn += 1
        return super().random()

    def getrandbits(self, k: int) -> int:
        raise AssertionError(k)
