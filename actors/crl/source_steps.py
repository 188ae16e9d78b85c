"""What :class:`~actors.crl.source.CrlSource` tells itself: what is due, and what came of what it began."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.crl.ingesting import GoodList, Judges
    from actors.crl.messages import Circumstances
    from actors.crl.port import ListFetched, ListUnchanged
    from peerkey.pki.crl_polling import Wanted


@dataclass(frozen=True, slots=True)
class LookDue:
    """It is time to look whether something is due."""


@dataclass(frozen=True, slots=True)
class KeepDue:
    """What is kept beside the lists has changed for a while."""


@dataclass(frozen=True, slots=True)
class ReportDue:
    """The index had no room for a report."""


@dataclass(frozen=True, slots=True)
class Came:
    """An answer came."""

    wanted: Wanted
    answer: ListFetched | ListUnchanged
    #: SHA-256 of what came; empty where nothing did.
    digest: bytes


@dataclass(frozen=True, slots=True)
class NotCome:
    """None came."""

    wanted: Wanted
    error: Exception


@dataclass(frozen=True, slots=True)
class Good:
    """What came counts."""

    wanted: Wanted
    fetched: ListFetched
    good: GoodList
    judges: Judges


@dataclass(frozen=True, slots=True)
class NotGood:
    """What came does not count, or could not be judged."""

    wanted: Wanted
    error: Exception
    #: What it was judged by, and beside.
    circumstances: Circumstances


@dataclass(frozen=True, slots=True)
class Kept:
    """What counts has been written, or could not be."""

    #: Why not; empty where it was.
    error: str
    #: What the writing was for; ``None`` where nothing waits behind it.
    behind: Good | None


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """What was kept, judged by whom we trust now."""

    judges: Judges
    #: SHA-256 of all that was to be judged, and what of it counts.
    digests: frozenset[bytes] = field(repr=False)
    lists: tuple[GoodList, ...] = field(repr=False)
    refused: str
