"""What the hosts of one place have counted, added up so that no number goes back. Pure.

A host counts from zero with each of its processes, and one that does not answer counts nothing. Prometheus
takes a sum that goes back for a reset of all of it, and reads the return as a burst. So what each process
of each host has counted is remembered: a new process goes on where the former one was, and a host that is
silent, or gone for good, is taken at its last word.

Whoever takes over for a machine goes on from what its predecessor has written (:meth:`Totals.written`). A
process is told from another by its incarnation too: a number of the operating system comes again.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from metrics.catalogue import BY_NAME
from metrics.exporter import whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cluster.instruments import Readings
    from metrics.exporter import Exemplar, Exemplars, Samples

#: Hosts that are remembered. Beyond it the one that was heard of first is forgotten, but for what it counted.
MAX_HOSTS: Final = 1_000
#: The name under which that is kept: no host has it.
_FORGOTTEN: Final = ""

#: Of what is written.
_VERSION: Final = 1

#: A metric by its name, and the labels of one series of it.
Series: TypeAlias = "tuple[str, tuple[str, ...]]"


@dataclass(slots=True)
class _Host:
    """One host."""

    process: str
    incarnation: int
    #: By all its former processes, and by the latest.
    before: dict[Series, float] = field(default_factory=dict)
    now: dict[Series, float] = field(default_factory=dict)
    keys: dict[Series, Exemplar] = field(default_factory=dict)


class Totals:
    """See the module."""

    def __init__(self, since: datetime) -> None:
        """Know of nobody, and count ``since`` then."""
        #: When counting began: whoever goes on from what is written has begun with its predecessor.
        self.since = since
        self._hosts: dict[str, _Host] = {}

    def take(self, host: str, readings: Readings) -> None:
        """Take what a host has counted so far."""
        known = self._hosts.get(host)
        if known is None:
            self._make_room()
            known = self._hosts[host] = _Host(readings.process, readings.incarnation)
        if (known.process, known.incarnation) != (readings.process, readings.incarnation):
            _add(known.before, known.now.items())
            known.process, known.incarnation = readings.process, readings.incarnation
        known.now = {(each.metric, each.labels): each.value for each in readings.counted}
        known.keys.update(
            ((each.metric, each.labels), each.exemplar)
            for each in readings.counted
            if each.exemplar is not None
        )

    def _make_room(self) -> None:
        """Forget the first host where there are too many; the sums keep what it has counted."""
        names = [name for name in self._hosts if name != _FORGOTTEN]
        if len(names) >= MAX_HOSTS:
            gone = self._hosts.pop(names[0])
            others = self._hosts.setdefault(_FORGOTTEN, _Host("", 0))
            _add(others.before, gone.before.items())
            _add(others.before, gone.now.items())

    def written(self) -> bytes:
        """Return everything, as :meth:`read` takes it."""
        hosts = {
            name: [host.process, host.incarnation, _rows(host.before), _rows(host.now)]
            for name, host in self._hosts.items()
        }
        document = {"version": _VERSION, "since": self.since.isoformat(), "hosts": hosts}
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def read(cls, written: bytes) -> Totals:
        """Return what :meth:`written` has returned.

        :raises ValueError: it has not.
        """
        try:
            document = json.loads(written)
            if document["version"] != _VERSION:
                message = f"version {document['version']} is not known"
                raise ValueError(message)
            made = cls(_instant(document["since"]))
            for name, (process, incarnation, before, now) in list(document["hosts"].items())[: MAX_HOSTS + 1]:
                known = _Host(str(process), int(incarnation), _series(before), _series(now))
                made._hosts[str(name)] = known
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as fault:
            message = f"not what was written ({type(fault).__name__})"
            raise ValueError(message) from fault
        return made

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


def _instant(written: str) -> datetime:
    instant = datetime.fromisoformat(written)
    if instant.tzinfo is None:
        message = f"{written!r} has no time zone"
        raise ValueError(message)
    return instant


def _rows(counted: dict[Series, float]) -> list[list[object]]:
    return [[metric, list(labels), value] for (metric, labels), value in counted.items()]


def _series(rows: Iterable[tuple[object, Iterable[object], object]]) -> dict[Series, float]:
    found: dict[Series, float] = {}
    for metric, labels, value in rows:
        if not (isinstance(value, int | float) and 0 <= value < math.inf):
            message = f"{value!r} was never counted"
            raise ValueError(message)
        found[str(metric), tuple(map(str, labels))] = float(value)
    return found


def _add(sums: dict[Series, float], more: Iterable[tuple[Series, float]]) -> None:
    for series, value in more:
        sums[series] = whole(sums.get(series, 0.0) + value)
