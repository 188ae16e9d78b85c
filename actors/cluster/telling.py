"""What a coordinator has to tell the agents: where every node is, and what each host is to run. Pure.

A list travels in parts, each of them small enough for a message whatever the names in it are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from actors.cluster.messages import Assignment, Piece, PlansOf, Target
from actors.cluster.shares import MESSAGE_WEIGHT, messages, pieces, target_digest, weight_of
from actors.cluster.units import prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cluster.shares import Share

T = TypeVar("T")

#: Prefixes or nodes in one part of a list: a quarter of a MiB at most, with the longest names that there are.
PART: Final = 400
#: Messages with plans that answer one report, roughly.
ANSWERED_AT_ONCE: Final = 4


@dataclass(slots=True)
class Telling:
    """What one incarnation of the coordinator has to tell now."""

    epoch: int
    #: Where every node is, in parts.
    assignment: tuple[Assignment, ...] = ()
    _nodes: dict[str, dict[str, bytes]] = field(default_factory=dict)
    _shares: Mapping[str, Share] = field(default_factory=dict)
    _reloads: int = 0
    _targets: dict[str, tuple[Target, ...]] = field(default_factory=dict)

    def place(self, hosts: Mapping[str, str], version: int) -> None:
        """Tell of a new assignment of nodes to hosts."""
        parts = _parted([(prefix_of(node), host) for node, host in sorted(hosts.items())])
        self.assignment = tuple(
            _assignment(self.epoch, version, number, len(parts), part) for number, part in enumerate(parts)
        )

    def want(self, hosts: Mapping[str, str], shares: Mapping[str, Share], reloads: int) -> None:
        """Tell every host of the shares of its nodes, and how often everything is to have been read again."""
        self._shares, self._reloads = shares, reloads
        self._targets = {}
        self._nodes = {}
        for node, host in hosts.items():
            if node in shares:
                self._nodes.setdefault(host, {})[node] = shares[node].digest

    def target(self, host: str) -> tuple[Target, ...]:
        """Return what a host is to run, in parts. There is always one, if only an empty one."""
        found = self._targets.get(host)
        if found is None:
            nodes = self._nodes.get(host, {})
            digest = target_digest(nodes, self._reloads)
            parts = _parted(sorted(nodes.items()))
            found = self._targets[host] = tuple(
                Target(self.epoch, digest, number, len(parts), part, self._reloads)
                for number, part in enumerate(parts)
            )
        return found

    def forget(self, host: str) -> None:
        """Let go of what was prepared for a host that is no more."""
        self._targets.pop(host, None)

    def plans(self, host: str, lacks: Iterable[str]) -> Iterator[PlansOf]:
        """Yield what a host lacks, as much of it as is sent at once."""
        wanted = self._nodes.get(host, {})
        cut: list[Piece] = []
        weight = 0
        for node in lacks:
            if node not in wanted:
                continue
            # At least one node at a time, however large it is.
            if weight > ANSWERED_AT_ONCE * MESSAGE_WEIGHT:
                break
            of_node = pieces(self._shares[node])
            weight += sum(map(weight_of, of_node))
            cut.extend(of_node)
        groups = tuple(messages(cut))
        for number, group in enumerate(groups, 1):
            yield PlansOf(self.epoch, group, last=number == len(groups))


def _parted(things: Sequence[T]) -> tuple[tuple[T, ...], ...]:
    return tuple(tuple(things[first : first + PART]) for first in range(0, len(things) or 1, PART))


def _assignment(
    epoch: int, version: int, part: int, parts: int, prefixes: tuple[tuple[str, str], ...]
) -> Assignment:
    """Return one part, with the names of those hosts alone that it speaks of."""
    hosts = tuple(sorted({host for _, host in prefixes}))
    numbers = {host: number for number, host in enumerate(hosts)}
    return Assignment(
        epoch, version, part, parts, hosts, tuple((prefix, numbers[host]) for prefix, host in prefixes)
    )
