"""The actor that knows every revocation list: which are wanted, what they bring, what follows from them.

    "From this process a list of all known revoked certificates from all CRL sources is created, and the
    master list is published to disk."

It guarantees that nothing that was known to be revoked is forgotten because somebody died: the master list
that was published last answers until a newer one does, and the next one is not made of fewer addresses only
because one of them has not come back yet. It survives its death by reading configuration and addresses again;
its sources, which end with it, re-read their lists from the disk.

Desired state is who wants what (:class:`~actors.crl.wants.Wants`); actual state is the sources that live.
What they report is merged by one piece of work at a time, and what is reported meanwhile waits for the next:
lists that are judged faster than they are merged are merged together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never

from actors.crl.discovery import Installed, installed, seen
from actors.crl.index_steps import (
    CertificatesRead,
    ConfigurationRead,
    KeptRead,
    LookDue,
    Merged,
    OrderDue,
    OthersHeard,
    PatienceEnded,
    TellAgain,
)
from actors.crl.messages import (
    Circumstances,
    FetchNow,
    FetchSoon,
    SourcePorts,
    SourceReport,
    Subscribed,
)
from actors.crl.needs import Needs, needs_of, together
from actors.crl.port import shown
from actors.crl.publishing import published
from actors.crl.source import CrlSource
from actors.crl.spelling import actor_name
from actors.crl.status import GetRevocation, RevocationStatus, alarms_of
from actors.crl.wants import Wants
from actors.messages import CertificatesSeen, FetchLists, ListsWanted, RevocationChanged
from actors.names import AUTHORITY
from actors.work import computed
from peerkey.errors import Unavailable
from peerkey.observe.events import CrlUnsupported
from peerkey.pki.list_subscriptions import MAXIMUM_SOURCES, Subscription
from runtime.actor import Actor, Terminated
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from actors.crl.known import KnownRevocations
    from actors.identity import ReadFile
    from peerkey.config.plan import NodePlan
    from runtime.ref import Ref

#: How often it is looked who wants what: certificates end, and files can be read again.
LOOK_AFTER: Final = timedelta(minutes=10)
#: How long the addresses that a list was kept of may take to come back before the others are merged without
#: them: beside what was known before, so that nothing is forgotten even then.
PATIENCE: Final = timedelta(seconds=10)
#: How long an index of several hosts waits for the others to say what they want: until then it drops nothing
#: that is kept, and merges what it has beside what was known before.
OTHERS_WITHIN: Final = timedelta(minutes=2)
#: Orders of several hosts within so long are one.
ORDERS_WITHIN: Final = timedelta(seconds=2)
#: When a master list that the disk has refused is written again.
WRITE_AGAIN_AFTER: Final = timedelta(minutes=1)
#: When an authority whose mailbox was full is told again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class RevocationPorts:
    """What the CRL manager needs of the world."""

    source: SourcePorts
    known: KnownRevocations
    read_file: ReadFile


@dataclass(frozen=True, slots=True)
class Merge:
    """What a master list is made of: nothing is merged twice."""

    #: SHA-256 of the lists.
    digests: tuple[bytes, ...]
    #: The addresses that have not come back yet.
    awaited: frozenset[str]
    #: Whether what was known before stands beside the lists.
    beside: bool
    #: Whether it is written: not before all of its lists are. The next process would find it naming
    #: certificates that no list names which it has, and forget them.
    durable: bool


class RevocationIndex(Actor):
    """All addresses of one process, or of one machine."""

    def __init__(
        self,
        plans: Callable[[], tuple[NodePlan, ...]],
        authority: Ref,
        ports: RevocationPorts,
        *,
        elsewhere: Callable[[], Needs] | None = None,
    ) -> None:
        """Have the lists that ``plans`` and their certificates want, and tell ``authority`` of changes.

        Where the machine has other hosts, ``elsewhere`` says what they want by now.
        """
        self._plans = plans
        self._elsewhere = elsewhere
        #: Whether others may not have been heard yet, and whether an order waits for more of its kind.
        self._expecting = elsewhere is not None
        self._order_waits = False
        self._authority = authority
        self._ports = ports
        self._wants = Wants(())
        #: What was wanted when it was looked last.
        self._wanted: Mapping[str, Subscription] = {}
        self._sources: dict[str, Ref] = {}
        self._started: dict[str, timedelta] = {}
        self._ending: dict[Ref, str] = {}
        self._reports: dict[str, SourceReport] = {}
        #: Addresses of which lists are kept and that have not reported yet.
        self._awaited: set[str] = set()
        self._patient = True
        #: Whether every list has been judged by whom we trust: not while that could not be read.
        self._settled = False
        #: What every source was told last of that.
        self._told = Circumstances()
        self._told_unsupported: OrderedDict[str, None] = OrderedDict()
        self._merging = False
        self._merge_again = False
        #: What the master list was made of.
        self._merged: Merge | None = None
        #: Whether the configuration is being read, must be read again then, and whether fetching was ordered.
        self._reading = self._read_once_more = self._ordered = False
        self._fault = ""

    # --- life -------------------------------------------------------------------------------------

    async def started(self) -> None:
        """See which lists are kept, read the configuration, and start with both."""
        try:
            kept = await computed(self.ctx, self._ports.source.keeper.addresses)
        except Unavailable as fault:
            kept, self._fault = (), str(fault)
        self._wants = Wants(kept)
        needs = self._needs()
        self._configured(needs, await computed(self.ctx, installed, needs, self._ports.read_file))
        self._settled = self._wants.trust_read
        # Where it cannot be told of which addresses lists are kept, it may be of any.
        self._awaited = set(self._wanted) if self._fault else {url for url, _ in kept} & set(self._wanted)
        if self._expecting:
            self.ctx.set_timer("others", OTHERS_WITHIN, OthersHeard())
        else:
            self._drop_unwanted(kept)
        self.ctx.set_timer("patience", PATIENCE, PatienceEnded())
        # Without any list the master list has to say so: the one on the disk may be of another configuration.
        self._merge()

    def receive(self, message: object) -> None:
        """Keep what is fetched equal to what is wanted, and what is known to what was fetched."""
        match message:
            case SourceReport():
                self._reported(message)
            case CertificatesSeen(chains):
                self.ctx.pipe(computed(self.ctx, seen, chains, self._wants.read), CertificatesRead)
            case CertificatesRead(found):
                self._tell_unsupported(self._wants.named(found))
                self._reconcile()
            case FetchLists():
                self._order()
            case ListsWanted():
                for ref in self._sources.values():
                    ref.offer(FetchSoon())
            case ConfigurationRead(needs, found):
                self._configuration_read(needs, found)
            case LookDue() | PatienceEnded() | TellAgain() | OrderDue() | OthersHeard():
                self._due(message)
            case Merged():
                self._merging = False
                if self._ports.known.fault:
                    self.ctx.set_timer("look", WRITE_AGAIN_AFTER, LookDue())
                self._tell()
                if self._merge_again:
                    self._merge()
            case KeptRead(kept):
                self._let_go(kept)
            case GetRevocation():
                self.ctx.reply(self._status())
            case Terminated(ref):
                self._ended(ref)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _due(self, message: LookDue | PatienceEnded | TellAgain | OrderDue | OthersHeard) -> None:
        match message:
            case LookDue():
                self._read_again()
            case PatienceEnded():
                self._patient, self._settled = False, self._wants.trust_read
                self._merge()
            case TellAgain():
                self._tell()
            case OrderDue():
                self._order_waits, self._ordered = False, True
                self._read_again()
            case OthersHeard():
                self._others_heard()
            case unreachable:
                assert_never(unreachable)

    # --- what is wanted -----------------------------------------------------------------------------

    def _needs(self) -> Needs:
        """Return what is wanted by the plans of all whose lists are followed here."""
        here = needs_of(self._plans())
        return here if self._elsewhere is None else together((here, self._elsewhere()))

    def _order(self) -> None:
        """Carry an order out; where it may come once of each host, when all have had the time to."""
        if self._elsewhere is None:
            self._ordered = True
            self._read_again()
        elif not self._order_waits:
            self._order_waits = True
            self.ctx.set_timer("order", ORDERS_WITHIN, OrderDue())

    def _fresh(self, url: str) -> bool:
        """Tell whether a source was started while an order waited, perhaps for what the order is about."""
        now = self.ctx.clock.monotonic()
        return self._elsewhere is not None and now - self._started[url] <= 2 * ORDERS_WITHIN

    def _others_heard(self) -> None:
        """See what is kept: that of hosts which have not come is let go."""
        work = computed(self.ctx, self._ports.source.keeper.addresses)
        self.ctx.pipe(work, KeptRead, self._kept_not_read)

    def _kept_not_read(self, error: Exception) -> KeptRead:
        """Leave files that cannot be read: they are found again at the next start."""
        if not isinstance(error, Unavailable):
            raise error
        self.ctx.log.warning("the kept revocation lists cannot be read", reason=str(error))
        return KeptRead(())

    def _let_go(self, kept: tuple[tuple[str, datetime | None], ...]) -> None:
        """Let go of what was kept and known for other hosts, and wait for what has just been wanted."""
        self._expecting = False
        self._drop_unwanted(kept)
        self._awaited |= {url for url, _ in kept if url in self._wanted and url not in self._reports}
        self._patient = True
        self.ctx.set_timer("patience", PATIENCE, PatienceEnded())
        self._merge()

    def _drop_unwanted(self, kept: Iterable[tuple[str, datetime | None]]) -> None:
        """Give up what is kept of addresses that nobody wants."""
        for url, _ in kept:
            if url not in self._wanted and url not in self._ending.values():
                self._drop(url)

    def _read_again(self) -> None:
        """Read the configuration's files again, and once more where that is under way."""
        if self._reading:
            self._read_once_more = True
            return
        self._reading, self._read_once_more = True, False
        needs = self._needs()
        self.ctx.pipe(
            computed(self.ctx, installed, needs, self._ports.read_file),
            lambda found: ConfigurationRead(needs, found),
        )

    def _configuration_read(self, needs: Needs, found: Installed) -> None:
        """Take up what was read, and carry out an order: by whom we trust now."""
        self._reading = False
        known = frozenset(self._sources)
        self._configured(needs, found)
        if self._ports.known.fault:
            self._merge()  # The disk has room again, perhaps.
        if self._read_once_more:
            self._read_again()
        elif self._ordered:
            self._ordered = False
            # Those that have just been started fetch for the first time anyway.
            for url in [url for url in self._sources if url in known and not self._fresh(url)]:
                self._sources[url].offer(FetchNow())

    def _configured(self, needs: Needs, found: Installed) -> None:
        """Take up what the configuration says."""
        was_read = self._wants.trust_read
        known = {url: url in self._reports and bool(self._reports[url].lists) for url in self._wanted}
        self._tell_unsupported(self._wants.configured(needs, found, known))
        if self._wants.trust_read and not was_read:
            # Until lists that could not be judged have been, nothing is forgotten either.
            self.ctx.set_timer("patience", PATIENCE, PatienceEnded())
        self._reconcile()

    def _tell_unsupported(self, addresses: Iterable[tuple[str, str, str]]) -> None:
        """Tell once of each address that cannot be fetched."""
        for url, subject, reason in addresses:
            if url in self._told_unsupported:
                continue
            self._told_unsupported[url] = None
            if len(self._told_unsupported) > MAXIMUM_SOURCES:
                self._told_unsupported.popitem(last=False)
            self.ctx.log.warning("unsupported address of a revocation list", url=shown(url), reason=reason)
            event = CrlUnsupported(shown(url), subject, reason)
            self._ports.source.journal.record(self.ctx.clock.wall(), AUTHORITY, event)

    def _reconcile(self) -> None:
        """Start and stop sources until those live that are wanted, and tell each what concerns it."""
        before = self._wanted
        self._wanted = self._wants.at(self.ctx.clock.wall())
        for url in [url for url in self._sources if url not in self._wanted]:
            ref = self._sources.pop(url)
            del self._started[url]
            self._ending[ref] = url
            # A clock may have been wrong when it ended.
            self._wants.read_anew()
            self.ctx.stop(ref)
        for url, subscription in self._wanted.items():
            if url not in self._sources:
                self._start(url)
            elif subscription != before.get(url):
                self._sources[url].offer(Subscribed(subscription))
        self._tell_sources()
        self.ctx.set_timer("look", LOOK_AFTER, LookDue())

    def _start(self, url: str) -> None:
        if url in self._ending.values():
            return  # It is started again when the one before it has ended.
        index, ports = self.ctx.ref, self._ports.source
        ref = self.ctx.spawn(
            lambda: CrlSource(url, self._wanted[url], self._circumstances(), index, ports),
            actor_name(url),
            supervision=PATIENT,
        )
        self._sources[url] = ref
        self._started[url] = self.ctx.clock.monotonic()
        self.ctx.watch(ref)

    def _ended(self, ref: Ref) -> None:
        """Forget a source that was stopped with its last subscriber, or start it for the next."""
        url = self._ending.pop(ref, None)
        if url is None:
            return
        if url in self._wanted:
            self._start(url)
            return
        if not self._expecting:
            self._drop(url)
        self._reports.pop(url, None)
        self._awaited.discard(url)
        self._merge()

    def _drop(self, url: str) -> None:
        """Give up what is kept of an address that nobody wants."""
        self._ports.source.memory.pop(url, None)
        self.ctx.pipe(
            computed(self.ctx, self._ports.source.keeper.drop, url), lambda _: None, self._not_dropped
        )

    def _not_dropped(self, error: Exception) -> object:
        """Leave a file that cannot be removed: it is found again at the next start."""
        if not isinstance(error, Unavailable):
            raise error
        self.ctx.log.warning("a kept revocation list cannot be removed", reason=str(error))
        return LookDue()

    # --- what sources bring -------------------------------------------------------------------------

    def _reported(self, report: SourceReport) -> None:
        """Take note of what an address has."""
        url = report.url
        if url not in self._wanted:
            return
        self._reports[url] = report
        if report.lists or not report.status.disk_error:
            self._awaited.discard(url)
        self._wants.brought(url, report.lists)
        if self._wants.at(self.ctx.clock.wall()).keys() != self._wanted.keys():
            self._reconcile()
        self._tell_sources()
        self._merge()

    def _circumstances(self) -> Circumstances:
        known = tuple(good.facts for report in self._reports.values() for good in report.lists)
        return Circumstances(self._wants.judges, known)

    def _tell_sources(self) -> None:
        """Tell every source by whom lists are judged and beside which, where that has changed."""
        now = self._circumstances()
        if now != self._told:
            self._told = now
            for ref in self._sources.values():
                ref.offer(now)

    def _merge(self) -> None:
        """Merge what is there, unless it has been, or too many have not come back yet."""
        if self._merging:
            self._merge_again = True
            return
        self._merge_again = False
        if self._awaited and self._patient:
            return
        reports = [self._reports[url] for url in self._wanted if url in self._reports]
        now = Merge(
            tuple(good.facts.digest for each in reports for good in each.lists),
            frozenset(self._awaited),
            beside=bool(self._awaited) or not self._settled or self._expecting,
            durable=not any(each.lists and each.status.disk_error for each in reports),
        )
        if now == self._merged and not (now.durable and self._ports.known.fault):
            return
        self._merged, self._merging = now, True
        lists = tuple(good for each in reports for good in each.lists)
        work = computed(self.ctx, published, self._ports.known, lists, now.beside, now.durable)
        self.ctx.pipe(work, lambda _: Merged())

    def _tell(self) -> None:
        """Tell the authority, and through it every node."""
        if not self._authority.offer(RevocationChanged()):
            self.ctx.set_timer("tell", TELL_AGAIN_AFTER, TellAgain())

    # --- what an operator asks -----------------------------------------------------------------------

    def _status(self) -> RevocationStatus:
        known, now = self._ports.known, self.ctx.clock.wall()
        sources = tuple(self._reports[url].status for url in self._wanted if url in self._reports)
        limits = []
        if left_out := self._wants.left_out:
            first, count = shown(left_out[0]), len(left_out)
            limits.append(f"{count} lists beyond {MAXIMUM_SOURCES} are not fetched, among them {first}")
        limits += [fault for fault in (known.fault, self._fault) if fault]
        return RevocationStatus(
            known.generation, known.total, sources, tuple(alarms_of(sources, limits, now))
        )
