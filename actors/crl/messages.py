"""What the index and the actors of single addresses say to each other, and what these need of the world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.crl.ingesting import GoodList, Judges
from actors.crl.remembered import Remembered
from actors.crl.status import SourceStatus

if TYPE_CHECKING:
    from actors.crl.ingesting import ListIngester
    from actors.crl.port import ListFetcher, ListKeeper
    from actors.journal import Journal
    from peerkey.pki.list_facts import ListFacts
    from peerkey.pki.list_subscriptions import Subscription
    from peerkey.protocol.core import Entropy


@dataclass(frozen=True, slots=True)
class SourcePorts:
    """What a source needs of the world."""

    fetcher: ListFetcher
    keeper: ListKeeper
    ingester: ListIngester
    journal: Journal
    entropy: Entropy
    #: By address, what outlives its actor.
    memory: dict[str, Remembered] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """By whom lists are judged, and beside which: told whenever it changes."""

    judges: Judges = field(default_factory=Judges)
    #: Facts of the lists of every address, among which a delta finds its base.
    known: tuple[ListFacts, ...] = field(default=(), repr=False)


# --- what an address is told ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Who wants the list has changed."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class FetchNow:
    """An operator orders that the list be fetched."""


@dataclass(frozen=True, slots=True)
class FetchSoon:
    """A node would like the list to be fresh."""


# --- what it tells ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What an address has, and how it stands with it. Each replaces the one before."""

    url: str
    lists: tuple[GoodList, ...] = field(repr=False)
    status: SourceStatus
