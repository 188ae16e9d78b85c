"""What the hosts of one place have counted, added up so that no number goes back. Pure.

A host counts from zero with each of its processes, and one that does not answer counts nothing. Prometheus
takes a sum that goes back for a reset of all of it, and reads the return as a burst. So what each process
of each host has counted is remembered: a new process goes on where the former one was, and a host that is
silent, or gone for good, is taken at its last word.

Whoever takes over for a machine begins anew: that is a reset, and all numbers go back together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from metrics.catalogue import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cluster.instruments import Readings
    from metrics.exporter import Exemplar, Exemplars, Samples

#: Hosts that are remembered. Beyond it the one that was heard of first is forgotten.
MAX_HOSTS: Final = 1_000

#: A metric by its name, and the labels of one series of it.
Series: TypeAlias = "tuple[str, tuple[str, ...]]"


@dataclass(slots=True)
class _Host:
    """One host."""

    process: str
    #: By all its former processes, and by the latest.
    before: dict[Series, float] = field(default_factory=dict)
    now: dict[Series, float] = field(default_factory=dict)
    keys: dict[Series, Exemplar] = field(default_factory=dict)


class Totals:
    """See the module."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._hosts: dict[str, _Host] = {}

    def take(self, host: str, readings: Readings) -> None:
        """Take what a host has counted so far."""
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) >= MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]
            known = self._hosts[host] = _Host(readings.process)
        if known.process != readings.process:
            _add(known.before, known.now.items())
            known.process = readings.process
        known.now = {(each.metric, each.labels): each.value for each in readings.counted}
        known.keys.update(
            ((each.metric, each.labels), each.exemplar)
            for each in readings.counted
            if each.exemplar is not None
        )

    def samples(self) -> Samples:
        """Return the sums."""
        sums: dict[Series, float] = {}
        for host in self._hosts.values():
            _add(sums, host.before.items())
            _add(sums, host.now.items())
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for (metric, labels), value in sums.items():
            found.setdefault(metric, {})[labels] = value
        return {BY_NAME[name]: counts for name, counts in found.items() if name in BY_NAME}

    def exemplars(self) -> Exemplars:
        """Return the latest key of each number that counts keys."""
        latest: dict[str, dict[tuple[str, ...], Exemplar]] = {}
        for host in self._hosts.values():
            for (metric, labels), key in host.keys.items():
                known = latest.setdefault(metric, {})
                if labels not in known or known[labels].time < key.time:
                    known[labels] = key
        return {BY_NAME[name]: keys for name, keys in latest.items() if name in BY_NAME}


def _add(sums: dict[Series, float], more: Iterable[tuple[Series, float]]) -> None:
    for series, value in more:
        sums[series] = sums.get(series, 0.0) + value
