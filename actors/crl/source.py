"""The actor of one address of revocation lists: it has the newest list that counts, and keeps it.

It guarantees that what counted once goes on to count until something better is there: a fetch that fails, a
list that is refused and a disk that is full change nothing of what is in use. A list is on the disk before
anybody is told of it. It survives its death by re-reading its last good lists from the disk, judging them by
whom we trust now, and then polling; nobody notices but the index, which is told the same again.

The machine is :class:`~peerkey.pki.crl_polling.Polling`. One fetch is under way at a time, or one judgement.
Everybody who wants the list shares this actor: the index starts it for the first and stops it with the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from actors.crl.ingesting import GoodList, IngestWork, Judges
from actors.crl.port import FetchFailed, KeptLists, ListFetched, ListRequest, ListUnchanged, shown
from actors.crl.status import SourceStatus, Trouble
from actors.names import AUTHORITY
from actors.time import moment
from actors.work import computed
from peerkey.errors import Unavailable
from peerkey.observe.events import CrlUpdated, CrlUpdateFailed
from peerkey.pki.crl_polling import NO_VALIDATORS, Polling
from peerkey.pki.list_ingestion import MAXIMUM_SERIES, ListRefused
from runtime.actor import Actor

if TYPE_CHECKING:
    from actors.crl.ingesting import ListIngester
    from actors.crl.port import ListFetcher, ListKeeper
    from actors.journal import Journal
    from peerkey.moment import Moment
    from peerkey.pki.crl_polling import Wanted
    from peerkey.pki.list_facts import ListFacts
    from peerkey.pki.list_subscriptions import Subscription
    from peerkey.protocol.core import Entropy
    from runtime.ref import Ref

#: How often it is looked whether something is due although nothing says so: wall clocks are stepped.
LOOK_AGAIN_AFTER: Final = timedelta(minutes=10)
#: How long changes of what is kept beside a list are gathered before the file is written again.
KEEP_AFTER: Final = timedelta(minutes=1)
#: How long a list is fresh for whoever wants a fresh one.
FRESH: Final = timedelta(hours=1)
#: When an index that had no room for a report is told again.
REPORT_AGAIN_AFTER: Final = timedelta(seconds=1)
#: Bytes of the lists of all addresses together, as they were published. A list beyond it is refused.
MAXIMUM_BYTES: Final = 1024 * 1024 * 1024
#: Authorities that are remembered beside those that are trusted. A fleet has a handful.
MAXIMUM_SIGNERS: Final = 64

_NOTHING: Final = "N/A"
#: Bytes of which a number between 0 and 1 is made.
_LUCK_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class SourcePorts:
    """What a source needs of the world."""

    fetcher: ListFetcher
    keeper: ListKeeper
    ingester: ListIngester
    journal: Journal
    entropy: Entropy


@dataclass(frozen=True, slots=True)
class Circumstances:
    """By whom lists are judged, and beside which: told whenever it changes."""

    judges: Judges = field(default_factory=Judges)
    #: Facts of the lists of every address, among which a delta finds its base.
    known: tuple[ListFacts, ...] = field(default=(), repr=False)


# --- what it is told ----------------------------------------------------------------------------------


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


# --- what it tells itself -----------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Kept:
    """What counts has been written, or could not be."""

    error: str
    #: What the writing was for; ``None`` where nothing waits behind it.
    behind: Good | None


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """What was kept, judged by whom we trust now."""

    judges: Judges
    #: All that was judged, and what of it counts.
    contents: tuple[bytes, ...] = field(repr=False)
    lists: tuple[tuple[bytes, GoodList], ...] = field(repr=False)
    refused: str


#: Issuer, key and scope of a list, and whether it is complete: lists of one series replace each other.
Series: TypeAlias = "tuple[tuple[bytes, bytes, bytes], bool]"


class CrlSource(Actor):
    """One address."""

    def __init__(
        self,
        url: str,
        subscription: Subscription,
        circumstances: Circumstances,
        index: Ref,
        ports: SourcePorts,
    ) -> None:
        """Have the list of ``url`` for whoever ``index`` tells of."""
        self._url = url
        self._subscription = subscription
        self._circumstances = circumstances
        self._index = index
        self._ports = ports
        self._polling = Polling(subscription.intervals)
        #: The lists that count with what they were read from, the newest last.
        self._lists: dict[Series, tuple[bytes, GoodList]] = {}
        self._validators = NO_VALIDATORS
        self._status = SourceStatus(url, subscription.origin, self._polling.state)
        #: Whether the lists are being judged again, and by whom they were judged.
        self._judging = False
        self._judged_by = circumstances.judges

    # --- life -------------------------------------------------------------------------------------

    async def started(self) -> None:
        """Serve what was kept, then poll."""
        try:
            kept = await computed(self.ctx, self._ports.keeper.load, self._url)
        except Unavailable as fault:
            kept, self._status = None, replace(self._status, disk_error=str(fault))
        if kept is not None:
            self._status = replace(self._status, fetched=kept.fetched, confirmed=kept.fetched)
            self._validators = kept.validators
            # Who was known to sign lists then may not have been seen again yet.
            self._judged_by = replace(self._judged_by, seen=kept.signers)
            self._take_judged(await self._judge(self._judges(), kept.contents))
        self._report()
        self._look(moment(self.ctx.clock))

    def receive(self, message: object) -> None:
        """Fetch, judge, keep, tell."""
        now = moment(self.ctx.clock)
        match message:
            case LookDue() | KeepDue() | ReportDue():
                self._due(message, now)
            case Subscribed(subscription):
                self._subscribed(subscription, now)
            case Circumstances():
                self._circumstances_changed(message, now)
            case FetchNow():
                self._polling.force()
                self._look(now)
            case FetchSoon():
                self._freshen(now)
            case Came(wanted, answer):
                self._came(wanted, answer, now)
            case NotCome() | NotGood():
                self._not_come(message, now)
            case Good():
                self._keep(message, now)
            case Kept():
                self._kept(message, now)
            case JudgedAgain():
                self._judged_again(message, now)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _due(self, message: LookDue | KeepDue | ReportDue, now: Moment) -> None:
        match message:
            case LookDue():
                self._look(now)
            case KeepDue():
                self._keep(None, now)
            case ReportDue():
                self._report()
            case unreachable:
                assert_never(unreachable)

    # --- fetching ---------------------------------------------------------------------------------

    def _look(self, now: Moment) -> None:
        """Begin a fetch if one is due, and see to it that it is looked again."""
        wanted = None if self._judging else self._polling.begin(now)
        if wanted is not None:
            request = ListRequest(self._url, wanted.validators, self._circumstances.judges.trusted)
            self.ctx.pipe(
                self._ports.fetcher.fetch(request),
                lambda answer: Came(wanted, answer),
                lambda error: NotCome(wanted, error),
                drain=False,
            )
            self._report()
            return
        wait = self._polling.wait(now)
        if wait is not None and not self._judging:
            self.ctx.set_timer("look", min(wait, LOOK_AGAIN_AFTER), LookDue())

    def _freshen(self, now: Moment) -> None:
        """Fetch the list for a node that wants it fresh, unless it is: a hundred nodes ask in turn."""
        confirmed = self._status.confirmed
        if confirmed is None or now.wall - confirmed >= FRESH or now.wall < confirmed:
            self._polling.hasten()
            self._look(now)

    def _came(self, wanted: Wanted, answer: ListFetched | ListUnchanged, now: Moment) -> None:
        """Judge what came, unless it is what counts already."""
        match answer:
            case ListUnchanged():
                self._polling.unchanged(now, luck=self._luck())
                self._right(now)
                self._journal(now, wanted, stage="unchanged")
            case ListFetched(content, validators):
                known = {good.facts.digest for _, good in self._lists.values()}
                trusted = self._circumstances.judges.trusted
                if sha256(content).digest() in known and self._judged_by.trusted == trusted:
                    self._validators = validators
                    self._polling.fetched(validators, self._next_update(), now, luck=self._luck())
                    self._right(now)
                    self._journal(now, wanted, stage="ingested")
                    return
                others = sum(each.size for each in self._circumstances.known if each.source != self._url)
                if others + len(content) > MAXIMUM_BYTES:
                    why = f"all lists together would be larger than {MAXIMUM_BYTES} bytes"
                    self._failed(wanted, Trouble.REFUSED, why, now)
                    return
                self._begin_judging(wanted, answer, now)

    def _begin_judging(self, wanted: Wanted, answer: ListFetched, now: Moment) -> None:
        judges = self._judges()
        work = IngestWork(
            self._url,
            answer.content,
            tuple(good for _, good in self._lists.values()),
            self._circumstances.known,
            judges,
            now.wall,
        )
        self.ctx.pipe(
            self._ports.ingester.ingest(work),
            lambda good: Good(wanted, answer, good, judges),
            lambda error: NotGood(wanted, error),
            drain=False,
        )

    def _not_come(self, message: NotCome | NotGood, now: Moment) -> None:
        """Tell what is wrong outside from what is wrong here, which is a bug."""
        match message.error:
            case FetchFailed() as error:
                self._failed(message.wanted, Trouble.UNREACHABLE, error.why, now)
            case ListRefused() as error:
                self._failed(message.wanted, Trouble.REFUSED, error.text, now)
            case Unavailable() as error:
                self._failed(message.wanted, Trouble.REFUSED, str(error), now)
            case error:
                raise error

    def _failed(self, wanted: Wanted, trouble: Trouble, why: str, now: Moment) -> None:
        """Say why no list came; what is in use stays in use."""
        self._polling.failed(now, luck=self._luck())
        self._status = replace(self._status, trouble=trouble, last_error=why)
        self.ctx.log.warning("no revocation list", url=shown(self._url), reason=why)
        self._journal(now, wanted, stage="fetch" if trouble is Trouble.UNREACHABLE else "ingestion")
        self._report()
        self._look(now)

    def _right(self, now: Moment) -> None:
        """Take note that the list in use is what the server has."""
        self._status = replace(self._status, confirmed=now.wall, trouble=None, last_error="")
        self._report()
        self._look(now)

    # --- keeping ----------------------------------------------------------------------------------

    def _keep(self, behind: Good | None, now: Moment) -> None:
        """Write what counts to the disk; what comes after it waits behind the writing."""
        lists = self._lists if behind is None else _with(self._lists, behind)
        if not lists:
            return
        kept = KeptLists(
            self._url,
            tuple(content for content, _ in lists.values()),
            self._validators if behind is None else behind.fetched.validators,
            now.wall if behind is not None else self._status.fetched or now.wall,
            self._subscription.until,
            (self._judged_by if behind is None else behind.judges).seen,
        )
        self.ctx.pipe(computed(self.ctx, _saved, self._ports.keeper, kept), lambda error: Kept(error, behind))

    def _kept(self, message: Kept, now: Moment) -> None:
        """Go on behind a writing."""
        self._status = replace(self._status, disk_error=message.error)
        if message.error:
            # A disk that has room again should have what counts before the process ends.
            self.ctx.set_timer("keep", KEEP_AFTER, KeepDue())
        if message.behind is not None:
            self._in_use(message.behind, now)
        self._report()

    def _in_use(self, good: Good, now: Moment) -> None:
        """Put a list in use that has been kept, as far as it could be."""
        self._lists = _with(self._lists, good)
        self._judged_by = good.judges
        self._validators = good.fetched.validators
        self._polling.fetched(self._validators, self._next_update(), now, luck=self._luck())
        self._status = replace(
            self._status, fetched=now.wall, confirmed=now.wall, trouble=None, last_error=""
        )
        facts = good.good.facts
        self._journal(now, good.wanted, stage="ingested", changes=(facts.added, facts.removed))
        if good.judges.trusted != self._circumstances.judges.trusted:
            self._judge_again()
        self._look(now)

    # --- who wants it, and who judges it -------------------------------------------------------------

    def _subscribed(self, subscription: Subscription, now: Moment) -> None:
        before, self._subscription = self._subscription, subscription
        self._polling.intervals = subscription.intervals
        self._status = replace(self._status, origin=subscription.origin)
        if subscription.until != before.until and self._lists:
            self.ctx.set_timer("keep", KEEP_AFTER, KeepDue())
        self._report()
        self._look(now)

    def _circumstances_changed(self, circumstances: Circumstances, now: Moment) -> None:
        before, self._circumstances = self._circumstances, circumstances
        if self._status.trouble is Trouble.REFUSED and circumstances != before:
            self._polling.hasten()
        # That more authorities have been seen takes nothing away from a list that counts.
        if circumstances.judges.trusted != before.judges.trusted:
            self._judge_again()
        self._look(now)

    def _judge_again(self) -> None:
        """Judge what counts by whom we trust now, and fetch nothing meanwhile."""
        if self._judging or not self._lists:
            return
        self._judging = True
        contents = tuple(content for content, _ in self._lists.values())
        self.ctx.pipe(self._judge(self._judges(), contents), lambda outcome: outcome, drain=False)

    def _judges(self) -> Judges:
        """Return by whom lists are judged now; who was known to sign them once is not forgotten."""
        judges = self._circumstances.judges
        seen = tuple(dict.fromkeys((*judges.seen, *self._judged_by.seen)))
        return replace(judges, seen=seen[:MAXIMUM_SIGNERS])

    async def _judge(self, judges: Judges, contents: tuple[bytes, ...]) -> JudgedAgain:
        """Judge lists one after the other, as if they came anew.

        They were good when they were fetched, and a clock that has been set back since makes none of them a
        list of the future: what it revokes would be forgotten.
        """
        at = max(self.ctx.clock.wall(), self._status.fetched or datetime.min.replace(tzinfo=UTC))
        good: dict[Series, tuple[bytes, GoodList]] = {}
        refused = ""
        for content in contents:
            before = tuple(each for _, each in good.values())
            # A delta that was kept finds its base among its own, or counts again when it is fetched.
            work = IngestWork(self._url, content, before, self._circumstances.known, judges, at)
            try:
                found = await self._ports.ingester.ingest(work)
            except ListRefused as error:
                refused = error.text
            else:
                good[_series(found)] = (content, found)
        return JudgedAgain(judges, contents, tuple(good.values()), refused)

    def _judged_again(self, outcome: JudgedAgain, now: Moment) -> None:
        self._judging = False
        self._take_judged(outcome)
        if outcome.judges.trusted != self._circumstances.judges.trusted:
            self._judge_again()
        self._report()
        self._look(now)

    def _take_judged(self, outcome: JudgedAgain) -> None:
        """Let count what still does."""
        self._judged_by = outcome.judges
        since = {series: value for series, value in self._lists.items() if value[0] not in outcome.contents}
        self._lists = {**{_series(good): (content, good) for content, good in outcome.lists}, **since}
        if outcome.refused:
            self._status = replace(self._status, trouble=Trouble.REFUSED, last_error=outcome.refused)
            # The server would say "unchanged" of what is not in use any more.
            self._validators = NO_VALIDATORS
            self._polling.hasten()
        self._polling.holds(self._validators, self._next_update())

    # --- what is told -----------------------------------------------------------------------------

    def _report(self) -> None:
        """Tell the index how it stands."""
        now = moment(self.ctx.clock)
        wait = self._polling.wait(now)
        latest = self._latest()
        self._status = replace(
            self._status,
            polling=self._polling.state,
            latest=latest,
            entries=sum(good.facts.total for _, good in self._lists.values()),
            next_poll=None if wait is None else now.wall + wait,
        )
        lists = tuple(good for _, good in self._lists.values())
        if not self._index.offer(SourceReport(self._url, lists, self._status)):
            self.ctx.set_timer("report", REPORT_AGAIN_AFTER, ReportDue())

    def _journal(self, now: Moment, wanted: Wanted, *, stage: str, changes: tuple[int, int] = (0, 0)) -> None:
        """Record what has become of a fetch."""
        facts = self._latest()
        fields: Mapping[str, object] = {
            "forced": wanted.forced,
            "last_updated": _NOTHING if facts is None else facts.last_updated,
            "next_update": (facts.next_updated if facts is not None else "") or _NOTHING,
            "crl_url": shown(self._url),
            "size": 0 if facts is None else facts.size,
            "total_entries": 0 if facts is None else facts.total,
            "added_entries": changes[0],
            "removed_entries": changes[1],
            "certificate_authority": _NOTHING if facts is None else facts.authority,
            "stage": stage,
        }
        event = (
            CrlUpdated(success=True, **fields)  # type: ignore[arg-type]
            if stage in {"unchanged", "ingested"}
            else CrlUpdateFailed(success=False, reason=self._status.last_error, **fields)  # type: ignore[arg-type]
        )
        self._ports.journal.record(now.wall, AUTHORITY, event)

    def _latest(self) -> ListFacts | None:
        return next((good.facts for _, good in reversed(self._lists.values())), None)

    def _next_update(self) -> datetime | None:
        latest = self._latest()
        return None if latest is None else latest.next_update

    def _luck(self) -> float:
        """Draw a number between 0 and 1."""
        return int.from_bytes(self._ports.entropy(_LUCK_BYTES), "big") / 256**_LUCK_BYTES


def _series(good: GoodList) -> Series:
    return good.facts.series, good.facts.base is None


def _with(lists: Mapping[Series, tuple[bytes, GoodList]], good: Good) -> dict[Series, tuple[bytes, GoodList]]:
    """Return the lists with one more, or in the place of the one that it replaces, as the newest."""
    series = _series(good.good)
    others = {each: value for each, value in lists.items() if each != series}
    # Beyond the bound the one goes that has been there for longest.
    for oldest in list(others)[: max(0, len(others) + 1 - MAXIMUM_SERIES)]:
        del others[oldest]
    return {**others, series: (good.fetched.content, good.good)}


def _saved(keeper: ListKeeper, kept: KeptLists) -> str:
    """Write lists; return why that was not possible, or nothing."""
    try:
        keeper.save(kept)
    except Unavailable as fault:
        return str(fault)
    return ""
