"""What a node, its link and its operator say to each other about the mate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from peerkey.ha.messages import Role, Version
from peerkey.ha.view import Written
from peerkey.observe.alarms import Alarm
from peerkey.secret import Secret
from runtime.message import Ask

#: The state of a link, in an operator's words.
LinkWord: TypeAlias = Literal["down", "greeting", "resynchronising", "in-step"]


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """A peering's record is durable in this version, or (without content) is gone.

    From a node to its own link, which is in the same process always (``docs/decisions/0093``).
    """

    name: str
    version: Version
    content: Secret | None


@dataclass(frozen=True, slots=True)
class MateNews:
    """What a link has to tell its node: whether it is up, and what the mate holds now, by record.

    ``None`` stands for a record of which the mate has lost what it held.
    """

    #: Which of the links that the node has had: news of one that was replaced do not count.
    link: int
    up: bool
    held: tuple[tuple[str, Version | None], ...]
    #: Whether it is the node's turn to rekey.
    turn: bool = False
    #: Where the link has just begun, or begun again: the node's records that it has found in the store.
    begun: tuple[Written, ...] | None = None


@dataclass(frozen=True, slots=True)
class TurnWanted:
    """From a node to its link: a peering waits for the node's turn to rekey, or begins to rekey in it."""


@dataclass(frozen=True, slots=True)
class TakenKey:
    """A key of the mate's that is taken over, by what names it. Never the key."""

    peer_uuid: str
    role: str
    index: int
    key_id: str
    #: Whether it is the one to seal with; the others only open.
    seals: bool


@dataclass(frozen=True, slots=True)
class HaStatus:
    """What an operator is shown of a pair, from one node's side."""

    mate: str
    mate_uuid: str
    role: Role
    term: int
    link: LinkWord
    #: Why there is no link, where that is known.
    link_error: str
    records: int
    replicated: int
    lag: int
    copies: int
    taken_over: bool
    silent_seconds: float
    #: Whose turn it is to rekey, as ``router/node``; empty before anybody wanted one.
    rekey_turn: str = ""
    keys: tuple[TakenKey, ...] = ()
    alarms: tuple[Alarm, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class GetHaStatus(Ask[HaStatus]):
    """Ask a link how it stands."""
