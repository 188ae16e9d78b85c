"""One alarm for one cause: what many alarms of a kind have in common, told once, with how many there are.

A thousand peers below a CA that is not trusted any more, or behind an interface that is dead, are one thing
to an operator. Nodes notice what they notice; whoever shows alarms puts them together here. Alarms belong
together that are of one kind, one severity and one :attr:`~peerkey.observe.alarms.Alarm.cause`:

- of *one node*, where there are nine of them (:data:`TOGETHER_FROM`; a kind may say less): under that node;
- of *many nodes*, where so many nodes have such alarms: under whoever stands at the top.

Fewer are shown each by itself. What was together stays so until few are left (:data:`APART_BELOW`), so that
one peer which comes and goes does not make all the others do so. Pure: who asks keeps what was together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.observe.alarm_kinds.kind import TOGETHER_FROM
from peerkey.observe.alarms import Alarm, Severity, named

#: Fewer than this come apart again.
APART_BELOW: Final = 5
#: Alarms of one kind whose causes are all different: more are told together whatever their causes.
MOST_OF_A_KIND: Final = 64
#: What is told of the first one, in characters: a certificate may have much wrong with it.
_TOLD_OF_FIRST: Final = 400


class Noticing(Protocol):
    """Whoever notices what is wrong: a node, or what watches over its actors."""

    @property
    def node(self) -> str:
        """The node, as ``router/node``, or the actor at the top."""
        ...

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now."""
        ...


@dataclass(frozen=True, slots=True)
class Noticed:
    """What is wrong, and who noticed."""

    node: str
    alarms: tuple[Alarm, ...]


class Cause(NamedTuple):
    """What alarms have in common that belong together, and the node that they are of; empty: of many."""

    node: str
    kind: str
    severity: Severity
    cause: str


def condensed(
    noticing: Iterable[Noticing], top: str, together: Collection[Cause] = ()
) -> tuple[tuple[Noticed, ...], frozenset[Cause]]:
    """Return what is to be shown, by node, and what stands together in it.

    ``top`` is under whom alarms of many nodes are shown; ``together`` is what this has returned before.
    """
    groups = _groups(noticing)
    shown: dict[str, list[Alarm]] = {}
    merged: set[Cause] = set()
    for cause, nodes in groups.items():
        if len(nodes) >= _enough(cause, together):
            merged.add(cause)
            shown.setdefault(top, []).append(_one_for(cause, nodes))
            continue
        for node, alarms in nodes.items():
            own = cause._replace(node=node)
            if len(alarms) >= _enough(own, together):
                merged.add(own)
                shown.setdefault(node, []).append(_one_for(own, {node: alarms}))
            else:
                shown.setdefault(node, []).extend(alarms.values())
    return tuple(Noticed(node, tuple(alarms)) for node, alarms in shown.items()), frozenset(merged)


def _enough(cause: Cause, together: Collection[Cause]) -> int:
    """Return of how many alarms, or of alarms of how many nodes, one is made."""
    kind = ALARM_KINDS.get(cause.kind)
    enough = TOGETHER_FROM if kind is None else kind.together_from
    return min(enough, APART_BELOW) if cause in together else enough


def _groups(noticing: Iterable[Noticing]) -> dict[Cause, dict[str, dict[str, Alarm]]]:
    """Return the alarms by what they have in common, then by node and identity."""
    groups: dict[Cause, dict[str, dict[str, Alarm]]] = {}
    for node, alarm in _each(noticing):
        key = Cause("", alarm.kind, alarm.severity, alarm.cause)
        groups.setdefault(key, {}).setdefault(node, {})[alarm.identity] = alarm
    causes: dict[tuple[str, Severity], list[Cause]] = {}
    for key in groups:
        causes.setdefault((key.kind, key.severity), []).append(key)
    for (kind, severity), keys in causes.items():
        if len(keys) > MOST_OF_A_KIND:
            whatever = groups.setdefault(Cause("", kind, severity, ""), {})
            for key in keys:
                if key.cause:
                    for node, alarms in groups.pop(key).items():
                        whatever.setdefault(node, {}).update(alarms)
    return groups


def _each(noticing: Iterable[Noticing]) -> Iterator[tuple[str, Alarm]]:
    for each in noticing:
        for alarm in each.alarms:
            yield each.node, alarm


def _one_for(cause: Cause, nodes: dict[str, dict[str, Alarm]]) -> Alarm:
    """Return the one alarm that stands for all of these."""
    every = {identity: alarm for alarms in nodes.values() for identity, alarm in alarms.items()}
    first = min(every.values(), key=lambda alarm: alarm.identity)
    sources = sorted({alarm.source for alarm in every.values()})
    if len(every) == 1:
        # All of them say the same of one thing.
        message = f"{first.message} {len(nodes)} nodes say so: `{named(sorted(nodes))}`."
    else:
        kind = ALARM_KINDS.get(cause.kind)
        many = (
            kind.many if kind is not None else ""
        ) or f"{{count}} alarms of the kind {cause.kind} are there"
        what = many.format(count=f"{len(every):,}") + (f" (`{cause.cause}`)" if cause.cause else "")
        told = first.message[:_TOLD_OF_FIRST] + ("…" if len(first.message) > _TOLD_OF_FIRST else "")
        of = "" if cause.node or sources == sorted(nodes) else f" {len(nodes)} nodes say so."
        message = f"{what}: `{named(sources)}`.{of} One of them: {told}"
    return Alarm(
        f"{cause.kind}:*:{cause.severity.value}:{cause.cause}",
        cause.severity,
        first.source if len(sources) == 1 else cause.node or "many",
        first.category,
        message,
        cause.cause,
    )
