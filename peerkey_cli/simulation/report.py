"""What an operator would have seen, and what must not have been: the outcome of a run as a document."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from peerkey_cli import documents, layouts, schemas
from peerkey_cli.schemas import Document, Time
from peerkey_cli.terminal import block, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from peerkey_cli.simulation.run import Outcome

#: The last audit events that a person is shown; ``--json`` has more.
_EVENTS_SHOWN: Final = 8


class Violation(Document):
    """One thing that must not be."""

    #: The number of the invariant of ``protocol.md``, section 5; 0 for another rule.
    invariant: int
    what: str
    nodes: tuple[str, ...]
    at_seconds: float
    #: The faults that are needed for it, as far as the schedule could be shortened.
    faults: tuple[dict[str, Any], ...]
    #: The last of what happened at the nodes concerned.
    trace: tuple[str, ...]


class Simulation(Document):
    """``peerkey simulate --json``."""

    file: str
    seed: int
    days: float
    loss: float
    intensity: float
    kinds: tuple[str, ...]
    #: Equal for two runs exactly when the same happened in both.
    digest: str
    time: Time
    virtual_seconds: float
    elapsed_seconds: float
    virtual_days_per_second: float
    settled_seconds: float | None
    steps: int
    faults: dict[str, int]
    deaths: dict[str, int]
    datagrams: dict[str, int]
    event_counts: dict[str, int]
    peers: tuple[schemas.Peer, ...]
    nodes: tuple[schemas.NodeKeyStatus, ...]
    alarms: tuple[schemas.Alarm, ...]
    events: tuple[schemas.Event, ...]
    violations: tuple[Violation, ...]


def document(file: str, outcome: Outcome, elapsed: timedelta) -> Simulation:
    """Return the document of a run that took ``elapsed`` of real time."""
    settings, now, fleet = outcome.settings, outcome.wall, outcome.statuses
    kinds: dict[str, int] = {}
    for fault in outcome.schedule:
        kinds[fault.kind.value] = kinds.get(fault.kind.value, 0) + 1
    return Simulation(
        file=file,
        seed=settings.seed,
        days=settings.lasts / timedelta(days=1),
        loss=settings.loss,
        intensity=settings.intensity,
        kinds=tuple(sorted(kind.value for kind in settings.kinds)),
        digest=outcome.digest,
        time=now,
        virtual_seconds=outcome.virtual.total_seconds(),
        elapsed_seconds=round(elapsed.total_seconds(), 3),
        virtual_days_per_second=round(outcome.virtual / timedelta(days=1) / elapsed.total_seconds(), 3),
        settled_seconds=None if outcome.settled_in is None else outcome.settled_in.total_seconds(),
        steps=outcome.steps,
        faults=dict(sorted(kinds.items())),
        deaths=dict(sorted(outcome.deaths.items())),
        datagrams=dict(outcome.datagrams),
        event_counts=dict(sorted(outcome.event_counts.items())),
        peers=documents.peers(fleet, now).peers,
        nodes=documents.key_status(fleet, now).nodes,
        alarms=documents.alarms(fleet, {}, now).alarms,
        events=documents.events(outcome.events, now).events,
        violations=()
        if outcome.finding is None
        else (
            Violation(
                invariant=outcome.finding.invariant,
                what=outcome.finding.what,
                nodes=outcome.finding.nodes,
                at_seconds=outcome.finding.at.total_seconds(),
                faults=tuple(fault.document() for fault in outcome.schedule),
                trace=outcome.trace,
            ),
        ),
    )


def lines(run: Simulation, replay: str, *, colours: bool) -> Iterable[str]:
    """Return what a person is shown. ``replay`` is the command that does the same again."""
    yield from layouts.peers(schemas.Peers(time=run.time, peers=run.peers), colours)
    yield ""
    yield from layouts.key_status(schemas.KeyStatus(time=run.time, nodes=run.nodes), colours)
    yield ""
    yield from layouts.alarms(schemas.Alarms(time=run.time, alarms=run.alarms), colours)
    yield ""
    latest = run.events[-_EVENTS_SHOWN:]
    yield from layouts.events(schemas.Events(time=run.time, events=latest), colours)
    yield ""
    rows = sorted(run.faults.items())
    yield from table(("Fault", "Times"), rows or [("none", 0)])
    yield ""
    yield from table(("Audit event", "Times"), sorted(run.event_counts.items()))
    yield ""
    settled = "not at all" if run.settled_seconds is None else f"{run.settled_seconds:g} s"
    fields = (
        ("Seed", run.seed),
        ("Virtual time", f"{run.virtual_seconds / 86_400:.2f} days"),
        ("Real time", f"{run.elapsed_seconds:.1f} s"),
        ("Speed", f"{run.virtual_days_per_second:.2f} virtual days per second"),
        ("Steps checked", f"{run.steps:,}"),
        ("Datagrams", ", ".join(f"{name} {number:,}" for name, number in run.datagrams.items() if number)),
        ("Deaths", ", ".join(f"{name} {number:,}" for name, number in run.deaths.items()) or "none"),
        ("At rest after faults", settled),
        ("Digest", run.digest),
        ("Violations", len(run.violations)),
    )
    yield from block(f"Simulation of {run.file}", fields, colours=colours)
    for violation in run.violations:
        yield from _violation(violation, replay)


def _violation(violation: Violation, replay: str) -> Iterable[str]:
    rule = f"invariant {violation.invariant}" if violation.invariant else "a rule"
    yield ""
    yield f"VIOLATION of {rule} at {violation.at_seconds:.6f} s: {violation.what}"
    yield f"  concerns {' and '.join(violation.nodes)}"
    yield f"  faults that it needs ({len(violation.faults)}):"
    for fault in violation.faults:
        peer = f" - {fault['peer']}" if fault["peer"] else ""
        yield (
            f"    {fault['at']:14.6f} s  {fault['kind']} {fault['node']}{peer}"
            f" for {fault['lasts']:g} s (choice {fault['choice']})"
        )
    yield "  the last of what happened there:"
    for line in violation.trace:
        yield f"    {line}"
    yield f"  again: {replay}"
