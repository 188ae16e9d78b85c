"""How a node reaches its mate: one channel, ordered, reliable and authenticated at both ends.

A :class:`SyncTransport` makes one :class:`SyncEnd` for each node of a pair. Which of the two ends connects,
and which listens, is in the plan. Whoever drives an end calls :meth:`SyncEnd.attempt` as often as it misses
a channel; what becomes of that comes back as words, never as an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from peerkey.config.plan import HaPlan


class WrongKey(StrEnum):
    """Which key was not the one that is configured for it."""

    #: Of whoever answers at the mate's address.
    HOST = "wrong-host-key"
    #: Of whoever connects here, or ours in the eyes of the mate.
    CLIENT = "wrong-client-key"


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """There is a channel to the mate. One that was there before is gone."""

    channel: int


@dataclass(frozen=True, slots=True)
class ChannelData:
    """Bytes have come by a channel, cut as they may be."""

    channel: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChannelLost:
    """A channel is gone."""

    channel: int
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """There is no channel, and this is why."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """One end has shown a key that is not the configured one, and the other has refused it."""

    which: WrongKey
    #: As OpenSSH shows it, ``SHA256:…``: it names the key that was shown.
    fingerprint: str
    #: Whether it was ours, refused by the mate.
    by_mate: bool


Word: TypeAlias = ChannelOpened | ChannelData | ChannelLost | AttemptFailed | KeyRefused

#: Takes a word, or has no room for it: then the channel that it is about is dropped.
Tell: TypeAlias = Callable[[Word], bool]


class SyncEnd(Protocol):
    """One node's end. No method blocks or raises."""

    def attempt(self) -> None:
        """See to it that there is a channel, or the possibility of one; twice is harmless."""
        ...

    def send(self, channel: int, data: bytes) -> None:
        """Send by this channel, if it is still there."""
        ...

    def drop(self, channel: int) -> None:
        """Close this channel after what was sent; nothing more is told of it."""
        ...

    def close(self) -> None:
        """Close everything; nothing more is told."""
        ...


class SyncTransport(Protocol):
    """Makes the ends of pairs."""

    def open(self, plan: HaPlan, tell: Tell) -> SyncEnd:
        """Return the end of the node of ``plan``. Nothing happens before ``attempt``."""
        ...
