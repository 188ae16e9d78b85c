"""One run, from a seed to an outcome.

Faults go on for as long as the settings say; then everything is put right, and within
:func:`~peerkey_cli.simulation.model.bound` the fleet must be as the model says. The run ends early with the
first finding. What is scheduled for the very beginning is already so when the machines first start.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from peerkey_cli.simulation import faults, model
from peerkey_cli.simulation.alarm_look import AlarmLook
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.injector import Injector
from peerkey_cli.simulation.trace import Trace
from peerkey_cli.simulation.watch import Finding, Watch
from runtime.backends.sim.machine import BEGINNING
from runtime.backends.virtual import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from actors.journal import Entry
    from actors.messages import NodeStatus
    from peerkey.config.plan import NodePlan
    from peerkey_cli.simulation.faults import Fault
    from peerkey_cli.simulation.settings import Settings
    from peerkey_cli.simulation.trace import OnEvent

#: What a test does to a fleet, or sees of it, beside the faults.
Beside: TypeAlias = "Callable[[Fleet], Coroutine[Any, Any, None]]"

#: How often the fleet is asked whether it has come to rest.
_ASK_EVERY: Final = timedelta(seconds=5)

#: Lines of the trace that go with a finding.
_TRACE_LINES: Final = 60
#: Audit events that are kept of each node.
_EVENTS: Final = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    settings: Settings
    schedule: tuple[Fault, ...]
    finding: Finding | None
    #: The last of what happened, of the nodes concerned.
    trace: tuple[str, ...]
    #: Names everything that happened: equal digests, equal runs.
    digest: str
    virtual: timedelta
    #: How long it took to come to rest after the last fault; ``None`` where it did not.
    settled_in: timedelta | None
    wall: datetime
    statuses: tuple[NodeStatus, ...]
    events: tuple[Entry, ...]
    event_counts: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    datagrams: Counter[str] = field(default_factory=Counter)
    #: Steps after which the invariants were checked.
    steps: int = 0


def simulate(
    plans: Sequence[NodePlan],
    settings: Settings,
    on_progress: Callable[[timedelta], object] | None = None,
    beside: Beside | None = None,
    on_event: OnEvent | None = None,
) -> Outcome:
    """Run a simulation. ``on_progress`` is told once in a while how much virtual time has passed.

    ``on_event`` is told of every audit event, and of alarms that come and go; the outcome has the latest
    events alone.

    ``beside`` runs beside the faults, from before the machines first start: it may look at the fleet, and do
    to it what no fault does. Nothing is put right before it ends, and what it raises is raised here. What it
    asks the actors takes their turns, so a run with it is another run.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_Run(plans, settings, on_progress, beside, on_event).whole())


class _Run:
    """What belongs to one run."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        settings: Settings,
        on_progress: Callable[[timedelta], object] | None,
        beside: Beside | None,
        on_event: OnEvent | None,
    ) -> None:
        self._plans = plans
        self._settings = settings
        self._on_progress = on_progress
        self._beside = beside
        self._on_event = on_event

    async def whole(self) -> Outcome:
        settings = self._settings
        loop = asyncio.get_running_loop()
        random = Random(settings.seed)  # noqa: S311 - a simulation is to be repeated
        nodes = [
            (plan.name, [f"{peering.peer_router}/{peering.peer_node}" for peering in plan.peerings])
            for plan in self._plans
        ]
        drawn = faults.schedule(
            random, nodes, settings.lasts, settings.kinds, settings.intensity, _mates(self._plans)
        )
        schedule = drawn if settings.schedule is None else settings.schedule
        trace = Trace()
        trace.on_event = self._on_event
        watch = Watch(trace)
        loop.set_exception_handler(
            lambda _, context: watch.fail(
                0, f"a mistake in the simulation itself: {context.get('exception')!r}"
            )
        )
        lists = faults.with_lists(settings.kinds, settings.schedule)
        fleet = Fleet(self._plans, random, trace, watch, loss=settings.loss, lists=lists)
        if self._on_event is not None:
            fleet.after_turn = AlarmLook(fleet, self._on_event).look
        injector = Injector(fleet, random)
        settled: list[timedelta] = []
        story = loop.create_task(self._story(fleet, watch, injector, schedule, settled), name="story")
        await asyncio.wait((story, watch.found), return_when=asyncio.FIRST_COMPLETED)
        if not story.done():
            story.cancel()
            await asyncio.gather(story, return_exceptions=True)
            await injector.stop()
        elif not story.cancelled() and (error := story.exception()) is not None:
            raise error
        finding = watch.found.result() if watch.found.done() else None
        statuses = [status for site in fleet.sites.values() if (status := await site.status()) is not None]
        outcome = Outcome(
            settings=settings,
            schedule=schedule,
            finding=finding,
            trace=() if finding is None else tuple(trace.latest(*finding.nodes, most=_TRACE_LINES)),
            digest=trace.digest,
            virtual=timedelta(seconds=loop.time()),
            settled_in=settled[0] if settled else None,
            wall=BEGINNING + timedelta(seconds=loop.time()),
            statuses=tuple(statuses),
            events=tuple(
                sorted(
                    (entry for site in fleet.sites.values() for entry in site.journal.recent()[-_EVENTS:]),
                    key=lambda entry: entry.time,
                )
            ),
            event_counts=sum((site.journal.counts for site in fleet.sites.values()), Counter()),
            deaths=sum((site.deaths for site in fleet.sites.values()), Counter()),
            datagrams=Counter(asdict(fleet.network.counters)),
            steps=watch.steps,
        )
        for site in fleet.sites.values():
            site.machine.kill()
        return outcome

    async def _story(
        self,
        fleet: Fleet,
        watch: Watch,
        injector: Injector,
        schedule: Sequence[Fault],
        settled: list[timedelta],
    ) -> None:
        """Begin, let faults happen, put everything right, and compare with the model."""
        loop = asyncio.get_running_loop()
        progress = loop.create_task(self._progress(), name="progress")
        beside = None if self._beside is None else loop.create_task(self._beside(fleet), name="beside")
        try:
            await self._faults(fleet, injector, schedule)
            if beside is not None:
                await beside
        finally:
            if beside is not None:
                beside.cancel()
        await injector.calm()
        fleet.trace.note("fault", "all", "everything is put right")
        began = timedelta(seconds=loop.time())
        plans = [site.base for site in fleet.sites.values()]
        revoked = frozenset(site.name for site in fleet.sites.values() if site.revoked)
        wanted = model.expected(plans, revoked)
        end = began + model.bound(plans)
        wrong = await self._differences(fleet, watch, wanted)
        while wrong and timedelta(seconds=loop.time()) < end:
            await asyncio.sleep(_ASK_EVERY.total_seconds())
            wrong = await self._differences(fleet, watch, wanted)
        progress.cancel()
        if wrong:
            nodes, what = wrong[0]
            watch.fail(4, f"{what} ({end - began} after everything was put right)", *nodes)
        else:
            settled.append(timedelta(seconds=loop.time()) - began)

    async def _faults(self, fleet: Fleet, injector: Injector, schedule: Sequence[Fault]) -> None:
        """Start all machines, and let faults happen for as long as the settings say."""
        loop = asyncio.get_running_loop()
        first = [fault for fault in schedule if not fault.at]
        if first or self._beside is not None:
            await injector.run(first)
            # What has just been begun takes its turn before the machines do.
            await asyncio.sleep(0)
        for site in fleet.sites.values():
            await site.boot()
        await injector.run([fault for fault in schedule if fault.at])
        await asyncio.sleep(max(0.0, self._settings.lasts.total_seconds() - loop.time()))

    async def _differences(
        self, fleet: Fleet, watch: Watch, wanted: tuple[model.Expected, ...]
    ) -> list[tuple[tuple[str, ...], str]]:
        """Compare with the model; return what differs, each with the nodes concerned."""
        statuses = {name: await site.status() for name, site in fleet.sites.items()}
        not_shown = frozenset[tuple[str, str]]()
        if fleet.lists is not None:
            authority = fleet.lists.authority
            not_shown = watch.not_shown(lambda certificate: not authority.names_it(certificate))
        differing = model.differences(wanted, statuses, watch.key_facts(), not_shown)
        wrong: list[tuple[tuple[str, ...], str]] = [
            ((want.node, want.peer), what) for want, what in differing
        ]
        if fleet.lists is not None:
            following = {name: site.lists for name, site in fleet.sites.items() if site.lists is not None}
            told = {name: await lists.status() for name, lists in following.items()}
            knows = {name: fleet.lists.watch.knows(name) for name in following}
            named = fleet.lists.authority.names
            wrong += (((node,), what) for node, what in model.list_differences(named, knows, told))
        pairs = [(site.name, mate.name) for site, mate in fleet.pairs]
        wrong += model.pair_differences(pairs, statuses)
        wrong += (((node,), what) for node, what in fleet.ha_watch.differences())
        return wrong

    async def _progress(self) -> None:
        """Tell once a virtual hour how far the run has come."""
        loop = asyncio.get_running_loop()
        while self._on_progress is not None:
            await asyncio.sleep(3600)
            self._on_progress(timedelta(seconds=loop.time()))


def _mates(plans: Sequence[NodePlan]) -> dict[str, str]:
    """Return the nodes of each HA pair, by each other."""
    named = {(plan.router, plan.uuid): plan.name for plan in plans}
    mates = ((plan.name, plan.ha and named.get((plan.router, plan.ha.mate_uuid))) for plan in plans)
    return {name: mate for name, mate in mates if mate}
