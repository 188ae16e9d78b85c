"""What an operator is shown of the revocation lists, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from actors.crl.port import shown
from actors.names import AUTHORITY
from peerkey.observe import alarms
from peerkey.pki.crl_polling import PollState
from runtime.message import Ask

if TYPE_CHECKING:
    from peerkey.observe.alarms import Alarm
    from peerkey.pki.list_facts import ListFacts
    from peerkey.pki.list_subscriptions import Origin


#: How long after its end a list is stale whatever is being done about it: fetching its successor takes a
#: while, and a minute may pass before that begins.
STALE_AFTER: Final = timedelta(minutes=10)


class Trouble(Enum):
    """What kind of thing keeps a list from being had."""

    #: It could not be fetched.
    UNREACHABLE = "unreachable"
    #: It was fetched, and must not count.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One address."""

    url: str
    origin: Origin
    polling: PollState
    #: The newest list that counts; ``None`` before there is one.
    latest: ListFacts | None = None
    #: Entries of all lists of this address that count.
    entries: int = 0
    #: When the newest was fetched, and when it was last fetched or found unchanged.
    fetched: datetime | None = None
    confirmed: datetime | None = None
    #: When it is asked for again; ``None`` while it is being fetched.
    next_poll: datetime | None = None
    trouble: Trouble | None = None
    #: Why, in one line; empty without trouble.
    last_error: str = ""
    #: Why the list could not be kept on the disk; empty where it is.
    disk_error: str = ""

    def stale(self, at: datetime) -> bool:
        """Whether the list should have been replaced, and no other has come although it was asked for."""
        due = None if self.latest is None else self.latest.next_update
        if due is None or at <= due:
            return False
        return self.polling is PollState.RETRYING or at > due + STALE_AFTER

    def state(self, at: datetime) -> str:
        """Return one word for it."""
        if self.latest is None:
            return "waiting" if self.trouble is None else self.trouble.value
        if self.stale(at):
            return "stale"
        return "current" if self.trouble is None else self.trouble.value


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """Everything that is known of revocations."""

    generation: int = 0
    #: Entries of the master list.
    entries: int = 0
    sources: tuple[SourceStatus, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    #: Who notices what is wrong.
    node: str = AUTHORITY


@dataclass(frozen=True, slots=True)
class GetRevocation(Ask[RevocationStatus]):
    """Ask what is known of revocations, and how it stands with each address."""


def alarms_of(sources: Iterable[SourceStatus], limits: Iterable[str], at: datetime) -> Iterator[Alarm]:
    """Compute what is wrong; ``limits`` are sentences about what could not be done at all."""
    sources = tuple(sources)
    unreachable = [_why(each) for each in sources if each.trouble is Trouble.UNREACHABLE]
    refused = [_why(each) for each in sources if each.trouble is Trouble.REFUSED]
    stale = [
        f"{shown(each.url)} (since {each.latest.next_update:%Y-%m-%d %H:%M:%S}Z)"
        for each in sources
        if each.stale(at) and each.latest is not None
    ]
    if unreachable:
        yield alarms.crl_unreachable(AUTHORITY, unreachable)
    if refused:
        yield alarms.crl_refused(AUTHORITY, refused)
    if stale:
        yield alarms.crl_stale(AUTHORITY, stale)
    said = [*limits, *(each.disk_error for each in sources if each.disk_error)]
    if said:
        more = f", and {len(said) - 1} more" if len(said) > 1 else ""
        yield alarms.crl_limited(AUTHORITY, f"{said[0]}{more}")


def _why(source: SourceStatus) -> str:
    """Name an address and say what is wrong with it."""
    return f"{shown(source.url)} ({source.last_error})"
