"""What a link can be in, what it wants done, and its numbers. The machine is :mod:`runtime.cluster.link`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, TypeAlias

from runtime.cluster.frames import Item, Label


class LinkState(Enum):
    """What is known of the other host."""

    #: Nothing yet. What is sent to it waits.
    CALLING = "calling"
    #: It is there.
    JOINED = "joined"
    #: It has been silent for too long. What is sent to it is refused.
    GONE = "gone"


#: Every step of a link that there is.
TRANSITIONS: Final[Mapping[LinkState, frozenset[LinkState]]] = {
    LinkState.CALLING: frozenset({LinkState.JOINED, LinkState.GONE}),
    LinkState.JOINED: frozenset({LinkState.CALLING, LinkState.GONE}),
    LinkState.GONE: frozenset({LinkState.JOINED}),
}


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """The numbers of a link. Both ends use the same ones."""

    #: A sign of life is due so long after the last frame,
    beat: timedelta = timedelta(seconds=1)
    #: and a host without one for so long is gone: four beats may be late or lost.
    silence: timedelta = timedelta(seconds=5)
    #: A host that is gone is called so often.
    probe: timedelta = timedelta(seconds=2)
    #: A batch that did not get through is sent again after so long, then after twice as long, and so on
    retry: timedelta = timedelta(milliseconds=50)
    #: up to so long.
    longest_retry: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bring these bytes to the other host, and tell the link under ``token`` what became of it."""

    token: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Deliver:
    """These items of the other host are next."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """The other host is there, in this life."""

    label: Label


@dataclass(frozen=True, slots=True)
class Parted:
    """What was between the two hosts is over: questions fail, watches fire. Transmissions are void.

    ``lost`` is what was on its way, and may have arrived, or waited. The link is in ``state`` then, and may
    have been joined anew since.
    """

    why: str
    lost: tuple[Item, ...]
    state: LinkState


Effect: TypeAlias = Transmit | Deliver | Joined | Parted


@dataclass(slots=True)
class LinkCounters:
    """What a link has seen."""

    sent: int = 0
    received: int = 0
    #: Batches that had to be sent again.
    retried: int = 0
    #: Frames of an earlier life, or meant for one.
    fenced: int = 0
    #: Batches that had been handled already.
    repeated: int = 0
    #: Items that were refused because too much was waiting.
    refused: int = 0
    parted: int = 0
