"""The colours: apart from their ground, and from each other also for eyes that see fewer of them."""

from __future__ import annotations

from itertools import combinations
from math import cbrt, dist

import pytest

from peerkey_cli import palette
from peerkey_cli.palette import Standing

#: What is seen of linear RGB where cones of one kind are missing (Machado, Oliveira and Fernandes, 2009).
BLINDNESS = {
    "none": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
GROUNDS = {"light": palette.LIGHT_GROUND, "dark": palette.DARK_GROUND}
#: These two are told apart by their shape alone: neither of them is keyed, and neither is a fault.
GREY = {Standing.OFF, Standing.UNKNOWN}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("standing", list(Standing))
def test_every_shape_stands_out_from_its_ground(standing: Standing, scheme: str) -> None:
    assert contrast(getattr(standing.tone, scheme), GROUNDS[scheme]) >= 3


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        (palette.LIGHT_INK, palette.LIGHT_GROUND),
        (palette.LIGHT_FAINT_INK, palette.LIGHT_GROUND),
        (palette.DARK_INK, palette.DARK_GROUND),
        (palette.DARK_FAINT_INK, palette.DARK_GROUND),
        # Links.
        (Standing.GOOD.tone.light, palette.LIGHT_GROUND),
        (Standing.GOOD.tone.dark, palette.DARK_GROUND),
    ],
)
def test_text_can_be_read(ink: str, ground: str) -> None:
    assert contrast(ink, ground) >= 4.5


@pytest.mark.parametrize("blindness", list(BLINDNESS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_colours_look_alike_to_any_eye(scheme: str, blindness: str) -> None:
    seen = {each: lab(getattr(each.tone, scheme), blindness) for each in Standing}

    alike = [
        (first.name, second.name)
        for first, second in combinations(Standing, 2)
        if {first, second} != GREY and distance(seen[first], seen[second]) < 20
    ]

    assert alike == []


def test_no_two_have_the_same_shape_line_and_word_and_ranks_go_from_the_best_to_the_worst() -> None:
    drawn = [(each.tone.shape, each.tone.dashes) for each in Standing]

    assert len(set(drawn)) == len(Standing)
    assert [each.rank for each in Standing] == list(range(len(Standing)))


# --- helpers --------------------------------------------------------------------------------------


def linear(colour: str) -> list[float]:
    """Return the three parts of a colour as amounts of light."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours by WCAG 2."""
    weights = (0.2126, 0.7152, 0.0722)
    light = sorted(
        sum(w * part for w, part in zip(weights, linear(each), strict=True)) for each in (first, second)
    )
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(colour: str, blindness: str) -> tuple[float, float, float]:
    """Return a colour as such an eye sees it, in CIELAB."""
    rgb = linear(colour)
    seen = [
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in BLINDNESS[blindness]
    ]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    x, y, z = (
        root(sum(a * b for a, b in zip(row, seen, strict=True)) / of)
        for row, of in zip(to_xyz, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def root(value: float) -> float:
    return cbrt(value) if value > 0.008856 else 7.787 * value + 16 / 116


def distance(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    return dist(first, second)
