"""What a system tells its observer: deaths and returns of actors, as values.

The observer is given to the system when it is made. It is how an alarm can rise when an actor goes
on crashing, and how a test or a simulation sees what happens. It is called on the event loop, between
messages, and must not raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Crashed:
    """An incarnation ended with an error; a new one follows after ``delay``."""

    name: str
    kind: str
    #: The type of the error, never its text: that may quote a message.
    error: str
    #: Crashes of this actor so far.
    crashes: int
    delay: timedelta


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


RuntimeEvent: TypeAlias = Crashed | Restarted | Failed | Overdue
Observer: TypeAlias = Callable[[RuntimeEvent], object]
