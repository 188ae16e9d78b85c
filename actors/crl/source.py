"""The actor of one address of revocation lists: it has the newest list that counts, and keeps it.

It guarantees that what counted once goes on to count until something better is there: a fetch that fails, a
list that is refused and a disk that is full change nothing of what is in use. A list is on the disk before
anybody is told of it. It survives its death by re-reading its last good lists from the disk, judging them by
whom we trust now, and then polling; nobody notices but the index, which is told the same again.

The machine is :class:`~peerkey.pki.crl_polling.Polling`. One fetch is under way at a time, or one judgement.
Everybody who wants the list shares this actor: the index starts it for the first and stops it with the last.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never

from actors.crl.ingesting import GoodList, IngestWork, Judges
from actors.crl.keeping import digest_of, loaded, saved
from actors.crl.messages import (
    Circumstances,
    FetchNow,
    FetchSoon,
    SourcePorts,
    SourceReport,
    Subscribed,
)
from actors.crl.port import FetchFailed, KeptLists, ListFetched, ListRequest, ListUnchanged, shown
from actors.crl.rejudging import judged_in_turn
from actors.crl.remembered import Remembered
from actors.crl.series import Series, newer, series_of, with_newest
from actors.crl.source_steps import (
    Came,
    Good,
    JudgedAgain,
    KeepDue,
    Kept,
    LookDue,
    NotCome,
    NotGood,
    ReportDue,
)
from actors.crl.status import SourceStatus, Trouble
from actors.crl.telling import update_event
from actors.names import AUTHORITY
from actors.time import moment
from actors.work import computed
from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import NO_VALIDATORS, Polling
from peerkey.pki.list_ingestion import ListRefused
from runtime.actor import Actor

if TYPE_CHECKING:
    from actors.crl.telling import Stage
    from peerkey.moment import Moment
    from peerkey.pki.crl_polling import Wanted
    from peerkey.pki.list_facts import ListFacts
    from peerkey.pki.list_subscriptions import Subscription
    from runtime.ref import Ref

#: How often it is looked whether something is due although nothing says so: wall clocks are stepped.
LOOK_AGAIN_AFTER: Final = timedelta(minutes=10)
#: How long changes of what is kept beside a list are gathered before the file is written again, and when what
#: the disk has refused is tried again.
KEEP_AFTER: Final = timedelta(minutes=1)
#: How long a list is fresh for whoever wants a fresh one.
FRESH: Final = timedelta(hours=1)
#: When an index that had no room for a report is told again.
REPORT_AGAIN_AFTER: Final = timedelta(seconds=1)
#: Bytes of the lists of all addresses together, as they were published. A list beyond it is refused.
MAXIMUM_BYTES: Final = 1024 * 1024 * 1024
#: Authorities that are remembered beside those that are trusted. A fleet has a handful.
MAXIMUM_SIGNERS: Final = 64

#: Bytes of which a number between 0 and 1 is made.
_LUCK_BYTES: Final = 4


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
        #: The lists that count, the newest last. What they were read from is on the disk, or remembered.
        self._lists: dict[Series, GoodList] = {}
        self._memory = ports.memory.setdefault(url, Remembered())
        #: Whether a writing is under way, and what waits for its end to be written.
        self._writing = False
        self._waiting: Good | None = None
        self._validators = NO_VALIDATORS
        self._status = SourceStatus(url, subscription.origin, self._polling.state)
        #: Whether the lists are being judged again, and by whom they were judged.
        self._judging = False
        self._judged_by = circumstances.judges

    # --- life -------------------------------------------------------------------------------------

    async def started(self) -> None:
        """Serve what was kept, then poll."""
        memory = self._memory
        try:
            kept = await computed(self.ctx, self._ports.keeper.load, self._url)
        except Unavailable as fault:
            kept, memory.error = None, str(fault)
        else:
            memory.error = memory.error if memory.unkept else ""
        if kept is not None:
            self._status = replace(self._status, fetched=kept.fetched, confirmed=kept.fetched)
            self._validators = kept.validators
            # Who was known to sign lists then may not have been seen again yet.
            self._judged_by = replace(self._judged_by, seen=kept.signers)
            self._take_judged(await self._judge(self._judges(), kept.contents, frozenset()))
        # What the disk has refused to keep is not forgotten with the actor that has died.
        for good in memory.lists:
            series = series_of(good)
            self._lists[series] = newer(self._lists.get(series, good), good)
        if memory.unkept:
            self.ctx.set_timer("keep", KEEP_AFTER, KeepDue())
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
            case Came():
                self._came(message, now)
            case NotCome():
                self._not_come(message, now)
            case NotGood():
                self._not_good(message, now)
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
                self._fetched(request),
                lambda came: Came(wanted, *came),
                lambda error: NotCome(wanted, error),
                drain=False,
            )
            self._report()
            return
        wait = self._polling.wait(now)
        if wait is not None and not self._judging:
            self.ctx.set_timer("look", min(wait, LOOK_AGAIN_AFTER), LookDue())

    async def _fetched(self, request: ListRequest) -> tuple[ListFetched | ListUnchanged, bytes]:
        """Fetch a list; of the largest the digest alone would hold the event loop for a tenth of a second."""
        answer = await self._ports.fetcher.fetch(request)
        if isinstance(answer, ListUnchanged):
            return answer, b""
        return answer, await computed(self.ctx, digest_of, answer.content)

    def _freshen(self, now: Moment) -> None:
        """Fetch the list for a node that wants it fresh, unless it is: a hundred nodes ask in turn."""
        confirmed = self._status.confirmed
        if confirmed is None or now.wall - confirmed >= FRESH or now.wall < confirmed:
            self._polling.hasten()
            self._look(now)

    def _came(self, message: Came, now: Moment) -> None:
        """Judge what came, unless it is what counts already."""
        wanted, answer = message.wanted, message.answer
        match answer:
            case ListUnchanged():
                self._polling.unchanged(now, luck=self._luck())
                self._right(now)
                self._journal(now, wanted, "unchanged")
            case ListFetched(content, validators):
                known = {good.facts.digest for good in self._lists.values()}
                trusted = self._circumstances.judges.trusted
                kept = not self._memory.error
                if message.digest in known and self._judged_by.trusted == trusted and kept:
                    self._validators = validators
                    self._polling.fetched(validators, self._next_update(), now, luck=self._luck())
                    self._right(now)
                    self._journal(now, wanted, "ingested")
                    return
                others = sum(each.size for each in self._circumstances.known if each.source != self._url)
                if others + len(content) > MAXIMUM_BYTES:
                    why = f"all lists together would be larger than {MAXIMUM_BYTES} bytes"
                    self._failed(wanted, Trouble.REFUSED, why, now)
                    return
                self._begin_judging(wanted, answer, now)

    def _begin_judging(self, wanted: Wanted, answer: ListFetched, now: Moment) -> None:
        judges, circumstances = self._judges(), self._circumstances
        work = IngestWork(
            self._url,
            answer.content,
            tuple(self._lists.values()),
            circumstances.known,
            judges,
            now.wall,
        )
        self.ctx.pipe(
            self._ports.ingester.ingest(work),
            lambda good: Good(wanted, answer, good, judges),
            lambda error: NotGood(wanted, error, circumstances),
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

    def _not_good(self, message: NotGood, now: Moment) -> None:
        """Have what was refused judged once more, if by others now: its authority was perhaps just seen."""
        self._not_come(message, now)
        if self._circumstances != message.circumstances:
            self._polling.hasten()
            self._look(now)

    def _failed(self, wanted: Wanted, trouble: Trouble, why: str, now: Moment) -> None:
        """Say why no list came; what is in use stays in use."""
        self._polling.failed(now, luck=self._luck())
        self._status = replace(self._status, trouble=trouble, last_error=why)
        self.ctx.log.warning("no revocation list", url=shown(self._url), reason=why)
        self._journal(now, wanted, "fetch" if trouble is Trouble.UNREACHABLE else "ingestion")
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
        lists = self._lists if behind is None else with_newest(self._lists, behind.good)
        if not lists:
            return
        if self._writing:
            self._waiting = behind or self._waiting
            self.ctx.set_timer("keep", KEEP_AFTER, KeepDue())
            return
        self._writing = True
        memory = self._memory
        memory.writings += 1
        digests = tuple(good.facts.digest for good in lists.values())
        refused = (*memory.unkept.values(), *(() if behind is None else (behind,)))
        kept = KeptLists(
            self._url,
            tuple(each.fetched.content for each in refused),
            self._validators if behind is None else behind.fetched.validators,
            now.wall if behind is not None else self._status.fetched or now.wall,
            self._subscription.until,
            (self._judged_by if behind is None else behind.judges).seen,
        )
        self.ctx.pipe(
            computed(self.ctx, saved, self._ports.keeper, kept, digests, memory.writings, memory),
            lambda error: Kept(error, behind),
        )

    def _kept(self, message: Kept, now: Moment) -> None:
        """Go on behind a writing, and try again later what was refused: its server may not give it again."""
        self._writing = False
        if message.error:
            self._memory.refused(message.behind, message.error)
            self.ctx.set_timer("keep", KEEP_AFTER, KeepDue())
        else:
            self._memory.kept()
        if message.behind is not None:
            self._in_use(message.behind, now)
        if message.error:
            # The server would say "unchanged" of what is perhaps gone.
            self._validators = NO_VALIDATORS
            self._polling.holds(self._validators, self._next_update())
        self._report()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._keep(waiting, now)

    def _in_use(self, good: Good, now: Moment) -> None:
        """Put a list in use that has been kept, as far as it could be."""
        self._lists = with_newest(self._lists, good.good)
        self._judged_by = good.judges
        self._validators = good.fetched.validators
        self._polling.fetched(self._validators, self._next_update(), now, luck=self._luck())
        self._status = replace(
            self._status, fetched=now.wall, confirmed=now.wall, trouble=None, last_error=""
        )
        facts = good.good.facts
        self._journal(now, good.wanted, "ingested", changes=(facts.added, facts.removed))
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
        """Judge what counts by whom we trust now, or what is kept; fetch nothing meanwhile."""
        if self._judging:
            return
        self._judging = True
        digests = frozenset(good.facts.digest for good in self._lists.values())
        self.ctx.pipe(self._judge_kept(self._judges(), digests), lambda outcome: outcome, drain=False)

    def _judges(self) -> Judges:
        """Return by whom lists are judged now; who was known to sign them once is not forgotten."""
        judges = self._circumstances.judges
        seen = tuple(dict.fromkeys((*judges.seen, *self._judged_by.seen)))
        return replace(judges, seen=seen[:MAXIMUM_SIGNERS])

    async def _judge_kept(self, judges: Judges, digests: frozenset[bytes]) -> JudgedAgain:
        """Judge those lists again; one that is gone from the disk cannot be, and is fetched instead."""
        unkept = tuple(each.fetched.content for each in self._memory.unkept.values())
        contents = await computed(self.ctx, loaded, self._ports.keeper, self._url, digests, unkept)
        return await self._judge(judges, contents, digests)

    async def _judge(
        self, judges: Judges, contents: tuple[bytes, ...], digests: frozenset[bytes]
    ) -> JudgedAgain:
        # They have been good at that time: a machine whose clock is behind does not forget them.
        at = max(self.ctx.clock.wall(), self._status.fetched or datetime.min.replace(tzinfo=UTC))
        work = IngestWork(self._url, b"", (), self._circumstances.known, judges, at)
        refused = "" if len(contents) >= len(digests) else "it was not kept, and so cannot be judged again"
        lists, why = await judged_in_turn(self._ports.ingester, work, contents)
        return JudgedAgain(judges, digests, lists, why or refused)

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
        judged = {series_of(good): good for good in outcome.lists}
        # What has come meanwhile stands beside it.
        since = {each: good for each, good in self._lists.items() if good.facts.digest not in outcome.digests}
        self._lists = {**judged, **since}
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
            entries=sum(good.facts.total for good in self._lists.values()),
            next_poll=None if wait is None else now.wall + wait,
            disk_error=self._memory.error,
        )
        self._memory.counting(self._lists.values())
        if not self._index.offer(SourceReport(self._url, self._memory.lists, self._status)):
            self.ctx.set_timer("report", REPORT_AGAIN_AFTER, ReportDue())

    def _journal(self, now: Moment, wanted: Wanted, stage: Stage, changes: tuple[int, int] = (0, 0)) -> None:
        """Record what has become of a fetch."""
        event = update_event(
            self._url,
            self._latest(),
            stage,
            forced=wanted.forced,
            changes=changes,
            why=self._status.last_error,
        )
        self._ports.journal.record(now.wall, AUTHORITY, event)

    def _latest(self) -> ListFacts | None:
        return next((good.facts for good in reversed(self._lists.values())), None)

    def _next_update(self) -> datetime | None:
        latest = self._latest()
        return None if latest is None else latest.next_update

    def _luck(self) -> float:
        """Draw a number between 0 and 1."""
        return int.from_bytes(self._ports.entropy(_LUCK_BYTES), "big") / 256**_LUCK_BYTES
