"""What happens after a crash: try again later, or give up.

The decision is a pure function of the crashes so far, the time and a random number. Waiting doubles with
each crash within the window, and the actual delay is drawn evenly from zero up to that ("full jitter"), so
that actors which crashed together do not return together. More crashes within the window than the
intensity allows mean that restarting does not help: the actor *fails*, visibly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Supervision:
    """How patient a parent is with one child."""

    #: The longest delay before the first restart.
    initial: timedelta = timedelta(milliseconds=100)
    #: The longest delay before any restart.
    maximum: timedelta = timedelta(seconds=30)
    #: So many restarts within ``window`` are tried. ``None``: there is no end to patience.
    intensity: int | None = 10
    #: A crash is forgotten after this.
    window: timedelta = timedelta(minutes=5)
    #: Whether a failure for good crashes the parent too. Otherwise the parent learns of it by ``watch``.
    escalate: bool = True

    def __post_init__(self) -> None:
        """Refuse delays that are out of order.

        :raises ValueError: a bound is negative, or the initial delay is above the maximum.
        """
        if not timedelta(0) <= self.initial <= self.maximum:
            message = "the initial delay is between zero and the maximum"
            raise ValueError(message)
        if self.window <= timedelta(0) or (self.intensity is not None and self.intensity < 0):
            message = "the window is positive and the intensity is not negative"
            raise ValueError(message)


#: Ten restarts in five minutes, then the parent crashes too.
DEFAULT_SUPERVISION: Final = Supervision()

#: For actors whose trouble lies outside (a disk, a network): restart for ever, at most every 30 seconds.
PATIENT: Final = Supervision(intensity=None)

#: The doublings that are worth computing; beyond them every maximum has long been reached.
_MAX_DOUBLINGS: Final = 40

#: How many crashes are remembered where there is no intensity.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Restart:
    """Make a new instance after ``delay``."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The actor has failed for good."""


Decision: TypeAlias = Restart | GiveUp


def remembered(
    supervision: Supervision, crashes: Sequence[timedelta], now: timedelta
) -> tuple[timedelta, ...]:
    """Return the crashes that still count at ``now``, bounded in number."""
    bound = _REMEMBERED if supervision.intensity is None else supervision.intensity + 1
    return tuple(at for at in crashes if now - at < supervision.window)[-bound:]


def decide(
    supervision: Supervision, crashes: Sequence[timedelta], now: timedelta, random: Random
) -> Decision:
    """Decide after a crash at ``now``, which is the last of ``crashes`` (monotonic instants)."""
    counted = remembered(supervision, crashes, now)
    if supervision.intensity is not None and len(counted) > supervision.intensity:
        return GiveUp()
    doublings = min(len(counted) - 1, _MAX_DOUBLINGS)
    ceiling = min(supervision.maximum.total_seconds(), supervision.initial.total_seconds() * 2**doublings)
    return Restart(timedelta(seconds=random.uniform(0, ceiling)))
