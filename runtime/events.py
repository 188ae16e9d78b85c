"""What a system tells its observer: deaths and returns of actors, as values.

The observer is given to the system when it is made. It is how an alarm can rise when an actor goes
on crashing, and how a test or a simulation sees what happens. It is called on the event loop, between
messages. One that raises is logged, and keeps no actor from what happens to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Crashed:
    """An incarnation ended with an error; a new one follows after ``delay``.

    The crash that makes an actor fail for good is told as :class:`Failed` instead.
    """

    name: str
    kind: str
    #: The type of the error, never its text: that may quote a message.
    error: str
    #: Crashes of this actor so far.
    crashes: int
    #: ``None``: the actor was about to stop, and nothing follows.
    delay: timedelta | None


@dataclass(frozen=True, slots=True)
class Restarted:
    """A new incarnation has finished ``started``."""

    name: str
    kind: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An actor crashed more often than its supervision allows. It stays, failed, for everybody to see."""

    name: str
    kind: str
    error: str
    crashes: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """An actor did not end within the deadline of its stop, and was cut off."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An actor that had crashed before is gone: it was stopped, or replaced after it had failed."""

    name: str
    kind: str


RuntimeEvent: TypeAlias = Crashed | Restarted | Failed | Overdue | Ended
Observer: TypeAlias = Callable[[RuntimeEvent], object]
