"""What a simulated link does to datagrams, and the draw that decides what befalls one of them.

A :class:`Weather` is a value: shares from 0 to 1, and two durations. :meth:`Weather.fate` takes the
datagram and the source of chance, and says what becomes of it; it delivers nothing itself.

**The number of draws does not depend on what comes of them.** Each share that is not zero, and the jitter,
take one draw for each copy that there can be: a datagram that is lost has drawn its delay too, and so has
a duplicate that never comes. Hence what befalls one datagram changes nothing for the next. The number
that says *whether* a datagram is hurt also says *where*: below the share it is spread evenly again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final, NamedTuple

_SHARES: Final = ("loss", "duplication", "corruption", "truncation", "replay")
_DURATIONS: Final = ("latency", "jitter")

#: What a byte may be changed by: every value but zero, which would leave it as it is.
_CHANGES: Final = 255


class Copy(NamedTuple):
    """A datagram as it will arrive, unless somebody takes its way away."""

    #: How long it is on its way, in seconds.
    delay: float
    data: bytes
    truncated: bool
    corrupted: bool


class Fate(NamedTuple):
    """What the weather has in store for one datagram."""

    lost: bool
    #: The datagram, and its duplicate if there is one.
    copies: tuple[Copy, ...]
    #: Which earlier datagram follows it, from 0 (the oldest remembered) to 1 (the newest); ``None`` for none.
    replay: float | None


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad a link is. Shares are of datagrams, from 0 (never) to 1 (always)."""

    loss: float = 0
    #: Arrive twice, and each of the two has its own delay and its own damage.
    duplication: float = 0
    #: Have one byte changed. An empty datagram has none.
    corruption: float = 0
    #: Lose their end, or everything; what is left is shorter by one byte at least.
    truncation: float = 0
    #: Are followed at once by an earlier datagram of the same link.
    replay: float = 0
    #: How long every datagram is on its way.
    latency: timedelta = timedelta(milliseconds=5)
    #: The most that is added to the latency of a datagram: what is sent closer together may change places.
    jitter: timedelta = timedelta(0)
    #: Whether every share is zero, so that nothing but delay befalls a datagram.
    calm: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no weather can be.

        :raises ValueError: a share is not within 0 to 1, or a duration is negative.
        """
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                message = f"{name} is a share from 0 to 1, not {getattr(self, name)}"
                raise ValueError(message)
        for name in _DURATIONS:
            if getattr(self, name) < timedelta(0):
                message = f"{name} cannot be negative: {getattr(self, name)}"
                raise ValueError(message)
        object.__setattr__(self, "calm", not any(getattr(self, name) for name in _SHARES))

    def delay(self, random: Random) -> float:
        """Draw how long a datagram is on its way, in seconds. In calm weather this is its whole fate."""
        seconds = self.latency.total_seconds()
        if self.jitter:
            seconds += self.jitter.total_seconds() * random.random()
        return seconds

    def fate(self, random: Random, data: bytes) -> Fate:
        """Draw what becomes of a datagram."""
        lost = self.loss > 0 and random.random() < self.loss
        copies: tuple[Copy, ...] = (self._copy(random, data),)
        if self.duplication > 0:
            doubled = random.random() < self.duplication
            duplicate = self._copy(random, data)
            if doubled:
                copies += (duplicate,)
        replay = _hit(random, self.replay) if self.replay > 0 else None
        return Fate(lost, copies, replay)

    def _copy(self, random: Random, data: bytes) -> Copy:
        delay = self.delay(random)
        truncated = corrupted = False
        # What is cut off could not be seen to be changed: corruption comes second.
        if self.truncation > 0 and (cut := _hit(random, self.truncation)) is not None and data:
            data = data[: int(cut * len(data))]
            truncated = True
        if self.corruption > 0 and (spot := _hit(random, self.corruption)) is not None and data:
            position, change = divmod(int(spot * len(data) * _CHANGES), _CHANGES)
            data = data[:position] + bytes((data[position] ^ (change + 1),)) + data[position + 1 :]
            corrupted = True
        return Copy(delay, data, truncated, corrupted)


#: Nothing but latency.
FINE: Final = Weather()


def _hit(random: Random, share: float) -> float | None:
    """Draw once: ``None``, or with the probability ``share`` a number from 0 to below 1."""
    drawn = random.random()
    return drawn / share if drawn < share else None
