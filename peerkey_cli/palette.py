"""How things stand, for the eye: one colour, one shape and one word each, alike on every picture.

The status page and the report draw with these and no others. No meaning is in a colour alone: whoever cannot
tell two of them apart sees two shapes and reads two words. The colours stay apart under the three kinds of
colour blindness, and from their background by 3 to 1 at least (``tests/page/test_palette.py``), on light and
on dark ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from markupsafe import Markup

#: Behind everything, and what is written on it.
LIGHT_GROUND: Final = "#ffffff"
DARK_GROUND: Final = "#15181d"
LIGHT_INK: Final = "#1b1f24"
DARK_INK: Final = "#e8eaed"
#: Text that matters less; still 4.5 to 1.
LIGHT_FAINT_INK: Final = "#59606b"
DARK_FAINT_INK: Final = "#a2aab5"


class Shape(StrEnum):
    """A small figure in a square of 16 by 16, its middle at the origin."""

    DISC = "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z"
    TRIANGLE = "M0-7L7 6H-7z"
    CROSS = "M-6-3L-3-6L0-3L3-6L6-3L3 0L6 3L3 6L0 3L-3 6L-6 3L-3 0z"
    DIAMOND = "M0-7.5L7.5 0L0 7.5L-7.5 0z"
    #: Hollow: two circles, of which the inner one is a hole.
    RING = "M-6.5 0a6.5 6.5 0 1 0 13 0a6.5 6.5 0 1 0-13 0zM-3.5 0a3.5 3.5 0 1 1 7 0a3.5 3.5 0 1 1-7 0z"
    BAR = "M-7-2.5H7V2.5H-7z"


@dataclass(frozen=True, slots=True)
class Tone:
    """One way to stand."""

    #: The class of it in a page, and the name of its symbol.
    name: str
    word: str
    #: 0 for the best; more is worse.
    rank: int
    light: str
    dark: str
    shape: Shape
    #: How a line of it is broken, as SVG's ``stroke-dasharray``; empty: not at all.
    dashes: str = ""


class Standing(Enum):
    """How a peering, a node, a certificate or a list stands, from the best to the worst."""

    GOOD = Tone("good", "keyed", 0, "#1e74b9", "#76c0ff", Shape.DISC)
    OFF = Tone("off", "not keyed by configuration", 1, "#797e86", "#c4c6ca", Shape.BAR, "1 7")
    UNKNOWN = Tone("unknown", "not known here", 2, "#797e86", "#c4c6ca", Shape.RING, "1 5")
    WAITING = Tone("waiting", "being keyed", 3, "#2e0790", "#8b42ff", Shape.RING, "3 5")
    DEGRADED = Tone("degraded", "a path is down", 4, "#cf7610", "#edc465", Shape.TRIANGLE, "10 5")
    SUSPECT = Tone(
        "suspect", "keyed, certificate not good", 5, "#642543", "#c558a9", Shape.DIAMOND, "14 4 3 4"
    )
    DOWN = Tone("down", "down", 6, "#c42a36", "#df3f60", Shape.CROSS, "4 6")

    @property
    def tone(self) -> Tone:
        """What it looks like."""
        return self.value

    @property
    def rank(self) -> int:
        """0 for the best; more is worse."""
        return self.value.rank


#: What the severity of an alarm looks like.
SEVERITIES: Final = {
    "critical": Standing.DOWN,
    "major": Standing.DEGRADED,
    "minor": Standing.WAITING,
}


def worst(*standings: Standing) -> Standing:
    """Return the worst of some; good where there are none."""
    return max(standings, key=lambda each: each.rank, default=Standing.GOOD)


def symbols() -> Markup:
    """Return the shapes as symbols of SVG, for ``<use href="#mark-NAME">``; once in each page."""
    drawn = "".join(
        f'<symbol id="mark-{each.tone.name}" viewBox="-8 -8 16 16" class="{each.tone.name}">'
        f'<path d="{each.tone.shape}" fill-rule="evenodd"/></symbol>'
        for each in Standing
    )
    head = '<svg class="symbols" width="0" height="0" aria-hidden="true" focusable="false">'
    return Markup(f"{head}{drawn}</svg>")  # noqa: S704 - constants


def mark(standing: Standing) -> Markup:
    """Return the small figure that stands before a word, which says the same; so nobody reads it out."""
    name = standing.tone.name
    return Markup(  # noqa: S704 - constants
        f'<svg class="mark {name}" width="14" height="14" aria-hidden="true" focusable="false">'
        f'<use href="#mark-{name}"/></svg>'
    )


def style() -> str:
    """Return the colours as CSS: by the class of each tone, on light and on dark ground."""
    light = _variables(LIGHT_GROUND, LIGHT_INK, LIGHT_FAINT_INK, {each: each.tone.light for each in Standing})
    dark = _variables(DARK_GROUND, DARK_INK, DARK_FAINT_INK, {each: each.tone.dark for each in Standing})
    classes = "".join(
        f".{each.tone.name}{{fill:var(--{each.tone.name});--tone:var(--{each.tone.name})}}"
        for each in Standing
    )
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}"


def _variables(ground: str, ink: str, faint: str, tones: dict[Standing, str]) -> str:
    named = "".join(f"--{each.tone.name}:{colour};" for each, colour in tones.items())
    return f"--ground:{ground};--ink:{ink};--faint:{faint};{named}"
