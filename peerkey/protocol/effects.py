"""What the machines want done, as values.

A machine's method returns a list of these; the actor around it carries them out *in order*. The
order matters in one place above all: effects behind a :class:`Store` wait until the write has
succeeded, and are dropped with the whole incarnation where it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from peerkey.observe.events import Event
from peerkey.protocol.frame import Frame

# --- Of a peering ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Store:
    """Write this record (in the clear; the store seals it). What follows depends on it."""

    record: bytes

    def __repr__(self) -> str:
        """Show the size; the record holds keys."""
        return f"Store({len(self.record)} bytes)"


@dataclass(frozen=True, slots=True)
class SendAll:
    """Send an acknowledged frame on every path."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class SendOn:
    """Send a frame on one path, in answer to what came by it."""

    path: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Send a PROBE on one path and expect its nonce back."""

    path: str
    frame: Frame
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Announce:
    """Repeat this CERTIFICATE on every path from now on; ``None``: the peer has it, stop."""

    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Usable:
    """Tell every path the index of the key in use (``None``: none) and whether to ask for the peer's.

    ``probing`` holds from the activation of a key until the peer has said that it seals with it too.
    """

    index: int | None
    probing: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """An authentic frame, not a replay, came by this path."""

    path: str


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """An authentic PROBE_REPLY came by this path, under the key of ``index``."""

    path: str
    nonce: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Emit:
    """Something happened that an operator may want to know."""

    event: Event


@dataclass(frozen=True, slots=True)
class Count:
    """A frame changed nothing but this counter."""

    reason: str


Effect: TypeAlias = (
    Store | SendAll | SendOn | SendProbe | Announce | Usable | Heard | ProbeAnswered | Emit | Count
)

# --- Of a path ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Datagram:
    """Hand this datagram to the wire."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this frame, which came by the path, to the peering."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class WantProbe:
    """Ask the peering for a PROBE to send on the path: only it has the key."""


@dataclass(frozen=True, slots=True)
class Service:
    """The path has entered or left service."""

    in_service: bool
    reason: str


PathEffect: TypeAlias = Datagram | Deliver | WantProbe | Service | Emit | Count
