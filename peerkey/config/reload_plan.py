"""What a reload does: the one decision that actors carry out and ``config diff`` foretells.

A reload goes from the plans that run to the plans that are wanted. Nodes, peerings, paths and HA links are
compared by what makes each of them the same thing: a node by its UUID, a peering by the UUID of its peer, a
path by its two addresses, a link by all of its settings. :func:`steps` says of each whether it starts, stops,
starts anew, is told something new, or is left alone. Each actor asks it about its own children
(``node_steps``, ``peering_steps``, ``path_steps``, ``link_of``), and :func:`foretell` asks it about all of
them at once, so that what is foretold and what is done cannot disagree.

Some settings cannot change while the authority runs (:class:`Deployment`). :func:`held_back` takes them out
of the plans that are wanted and names them; everything else of the change is carried out
(``docs/decisions/0137``). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from peerkey.config.plan_difference import differences

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.config.plan import HaPlan, NodePlan, PathPlan, PeeringPlan

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Nodes, differences, peerings and paths that are listed one by one, all together: some screens full, and
#: what one message between hosts holds. The counts are of all of them.
MOST_LISTED: Final = 1_000


class Step(StrEnum):
    """What becomes of one thing."""

    #: It is new.
    START = "start"
    #: It is there no more.
    STOP = "stop"
    #: It ends, and one of the same name begins in its place.
    RESTART = "restart"
    #: It goes on, and is told something new.
    CHANGE = "change"
    #: Nothing.
    KEEP = "keep"


class Keys(StrEnum):
    """What becomes of the keys of a peering."""

    KEPT = "kept"
    #: They stay until another one has been agreed, which begins at once: by another algorithm than before.
    REPLACED = "replaced"
    #: They are erased, in memory and in the store.
    ERASED = "erased"
    #: The peering begins without any.
    NEW = "new"
    #: It begins with those that there are from before, in the store or since key management was off; where
    #: there are none, or they are of another algorithm, new ones are agreed.
    STORED = "stored"


def steps(before: Mapping[K, V], after: Mapping[K, V], lasting: Callable[[V], object]) -> dict[K, Step]:
    """Return what becomes of each thing.

    Where ``lasting`` of it differs it is another thing of the same name; where anything else, it changes.
    """
    found: dict[K, Step] = {}
    for key in {**before, **after}:
        if key not in after:
            found[key] = Step.STOP
        elif key not in before:
            found[key] = Step.START
        elif lasting(before[key]) != lasting(after[key]):
            found[key] = Step.RESTART
        else:
            found[key] = Step.KEEP if before[key] == after[key] else Step.CHANGE
    return found


def node_steps(running: Mapping[str, UUID], wanted: Iterable[NodePlan]) -> dict[str, Step]:
    """Return what becomes of each node, given under which UUID each runs."""
    return steps(running, {plan.name: plan.uuid for plan in wanted}, lambda uuid: uuid)


def peering_steps(there: Iterable[UUID], wanted: Iterable[PeeringPlan]) -> dict[UUID, Step]:
    """Return which peerings of a node end and which are new; all others go on with their keys."""
    return steps(dict.fromkeys(there), dict.fromkeys(peering.peer_uuid for peering in wanted), lambda _: None)


def path_steps(
    living: Mapping[str, PathPlan], wanted: Iterable[PathPlan], *, settings_changed: bool
) -> dict[str, Step]:
    """Return what becomes of each path of a peering; all are told of ``settings_changed`` of their node."""
    found = steps(living, {path.name: path for path in wanted}, lambda path: (path.local, path.peer))
    if settings_changed:
        return {name: Step.CHANGE if step is Step.KEEP else step for name, step in found.items()}
    return found


def link_of(plan: NodePlan) -> HaPlan | None:
    """Return the link that a node has to its mate: while key management is off, none."""
    return plan.ha if plan.enabled else None


# --- what cannot change while the authority runs -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the authority was started with, and keeps until it is started again."""

    #: By its name hosts of a cluster and the nodes of a pair know that they belong together.
    authority: str
    #: "Restart of the entire authority is required if enabled post deployment."
    enabled: bool

    @classmethod
    def of(cls, plans: Iterable[NodePlan]) -> Deployment:
        """Return the deployment that begins with these plans. An authority has at least one node."""
        first = next(iter(plans))
        return cls(first.authority, first.enabled)


@dataclass(frozen=True, slots=True)
class RestartNeeded:
    """A setting that has changed in the configuration, and takes effect when the authority is restarted."""

    #: As in the file: ``authority > enhanced-security-key-management``.
    setting: str
    running: str
    configured: str

    def __str__(self) -> str:
        """Return ``authority > name: one -> two``."""
        return f"{self.setting}: {self.running} -> {self.configured}"


def held_back(
    deployment: Deployment, wanted: Iterable[NodePlan]
) -> tuple[tuple[NodePlan, ...], tuple[RestartNeeded, ...]]:
    """Return the plans that can be carried out now, and what of those that are wanted cannot.

    Key management can be turned off at any time, and on again where the authority was started with it.
    """
    plans = tuple(wanted)
    names = sorted({plan.authority for plan in plans} - {deployment.authority})
    needed = [RestartNeeded("authority > name", deployment.authority, name) for name in names]
    enabling = not deployment.enabled and any(plan.enabled for plan in plans)
    if enabling:
        needed.append(RestartNeeded("authority > enhanced-security-key-management", "false", "true"))
    if not needed:
        return plans, ()
    return tuple(
        replace(plan, authority=deployment.authority, enabled=plan.enabled and not enabling) for plan in plans
    ), tuple(needed)


# --- what is foretold ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathChange:
    """What becomes of one path."""

    name: str
    step: Step


@dataclass(frozen=True, slots=True)
class PeeringChange:
    """What becomes of one peering: the paths that are left alone are not listed."""

    peer: str
    peer_uuid: str
    step: Step
    keys: Keys
    paths: tuple[PathChange, ...]


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What becomes of one node: the peerings that are left alone are not listed."""

    node: str
    step: Step
    #: What becomes of its link to its mate; ``keep`` also where there is none.
    link: Step
    #: What is different in its plan, as in the event ``configuration.changed``, and how much more there is.
    differences: tuple[str, ...]
    differences_left_out: int
    peerings: tuple[PeeringChange, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many things each step would befall."""

    start: int = 0
    stop: int = 0
    restart: int = 0
    change: int = 0
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a reload would do."""

    #: Those that are not left alone, in the order of the configuration.
    nodes: tuple[NodeChange, ...]
    #: All of them, also those that are not listed.
    node_counts: Counts
    peering_counts: Counts
    path_counts: Counts
    #: How many nodes, peerings and paths that are not left alone are not listed.
    left_out: int
    #: What would wait for a restart of the authority.
    restart_needed: tuple[RestartNeeded, ...]


def foretell(before: Iterable[NodePlan], after: Iterable[NodePlan], deployment: Deployment) -> Foretold:
    """Return what a reload does to an authority that runs ``before``, when the configuration says ``after``.

    It reads every certificate and key file again as well, of every node, and fetches every revocation list;
    what comes of that is in those files, and not foretold.
    """
    now = {plan.name: plan for plan in before}
    wanted, needed = held_back(deployment, after)
    then = {plan.name: plan for plan in wanted}
    tally = _Tally()
    nodes = []
    for name, decided in node_steps({each.name: each.uuid for each in now.values()}, wanted).items():
        former, latter = now.get(name), then.get(name)
        step = Step.CHANGE if decided is Step.KEEP and former != latter else decided
        change = _node_change(name, step, former, latter, tally)
        if change is not None:
            nodes.append(change)
    return Foretold(
        tuple(nodes),
        Counts(**tally.nodes),
        Counts(**tally.peerings),
        Counts(**tally.paths),
        tally.left_out,
        needed,
    )


class _Tally:
    """Counts everything, and how much of it may still be listed."""

    def __init__(self) -> None:
        self.nodes: Counter[str] = Counter()
        self.peerings: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()
        self._room = MOST_LISTED
        self.left_out = 0

    def lists(self, counts: Counter[str], step: Step) -> bool:
        """Count one thing; return whether it is listed."""
        counts[step.value] += 1
        if step is Step.KEEP:
            return False
        if not self._room:
            self.left_out += 1
            return False
        self._room -= 1
        return True

    def told(self, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Return the lines for which there is room."""
        kept = lines[: self._room]
        self._room -= len(kept)
        return kept


def _node_change(
    name: str, step: Step, former: NodePlan | None, latter: NodePlan | None, tally: _Tally
) -> NodeChange | None:
    listed = tally.lists(tally.nodes, step)
    told: tuple[str, ...] = ()
    left_out = 0
    if listed and former is not None and latter is not None:
        found, left_out = differences(former, latter)
        told = tally.told(found)
        left_out += len(found) - len(told)
    peerings = _peering_changes(step, former, latter, tally)
    return (
        NodeChange(name, step, _link_step(step, former, latter), told, left_out, peerings) if listed else None
    )


def _link_step(node: Step, former: NodePlan | None, latter: NodePlan | None) -> Step:
    links = [
        {"ha": link} if plan is not None and (link := link_of(plan)) is not None else {}
        for plan in (former, latter)
    ]
    step = steps(links[0], links[1], lambda ha: ha).get("ha", Step.KEEP)
    return Step.RESTART if node is Step.RESTART and all(links) else step


def _peering_changes(
    step: Step, former: NodePlan | None, latter: NodePlan | None, tally: _Tally
) -> tuple[PeeringChange, ...]:
    olds = {each.peer_uuid: each for each in former.peerings} if former is not None else {}
    news = {each.peer_uuid: each for each in latter.peerings} if latter is not None else {}
    # Under another UUID nothing of the node goes on.
    anew = step is Step.RESTART
    settings_changed = (
        former is not None
        and latter is not None
        and (former.policy, former.enabled) != (latter.policy, latter.enabled)
    )
    found = []
    for peer, decided in peering_steps(olds, news.values()).items():
        old, new = olds.get(peer), news.get(peer)
        either = new or old
        if either is None:
            continue
        become = decided
        if decided is Step.KEEP and old != new:
            become = Step.CHANGE
        if anew and become in {Step.KEEP, Step.CHANGE}:
            become = Step.RESTART
        listed = tally.lists(tally.peerings, become)
        living = {path.name: path for path in old.paths} if old is not None else {}
        wanted = new.paths if new is not None else ()
        lines = []
        for name, path_step in path_steps(living, wanted, settings_changed=settings_changed).items():
            becomes = Step.RESTART if anew and path_step in {Step.KEEP, Step.CHANGE} else path_step
            if tally.lists(tally.paths, becomes):
                lines.append(PathChange(name, becomes))
        if listed or lines:
            found.append(
                PeeringChange(
                    f"{either.peer_router}/{either.peer_node}",
                    str(peer),
                    become,
                    _keys(step, become, former, latter, another=_algorithm(old) != _algorithm(new)),
                    tuple(lines),
                )
            )
    return tuple(found)


def _algorithm(plan: PeeringPlan | None) -> str:
    return "" if plan is None else plan.algorithm_name


def _keys(
    node: Step, peering: Step, former: NodePlan | None, latter: NodePlan | None, *, another: bool
) -> Keys:
    """Say what becomes of the keys of a peering, given whether it has ``another`` algorithm than before.

    A node that stops leaves its keys sealed in the store.
    """
    if peering is Step.STOP:
        return Keys.ERASED if node in {Step.CHANGE, Step.KEEP} else Keys.KEPT
    if former is None or latter is None or node is Step.RESTART:
        return Keys.STORED
    if peering is Step.START:
        return Keys.NEW
    if not latter.enabled:
        return Keys.KEPT
    if not former.enabled:
        return Keys.STORED
    return Keys.REPLACED if another else Keys.KEPT
