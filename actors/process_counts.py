"""What a process has counted for Prometheus, and how it tells another host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metrics import catalogue
from metrics.detail import Detail, reduced

if TYPE_CHECKING:
    from metrics.exporter import Exemplar, Exemplars, Samples
    from metrics.tally import Tally
    from runtime.info import SystemInfo

#: What the numbers in one answer between hosts may take, in bytes: half of what a message may hold, and those
#: of some six hundred nodes. Where they take more, keys are left out, and then those of all nodes are one.
MAXIMUM_TOLD: Final = 512 << 10
#: What a number takes beside its labels, and its key.
_NUMBER_BYTES: Final = 48
_KEY_BYTES: Final = 96


@dataclass(frozen=True, slots=True)
class Counted:
    """One number that was counted: the name of its metric, its labels, and how much."""

    metric: str
    labels: tuple[str, ...]
    value: float
    #: The latest key in it, if it counts keys.
    exemplar: Exemplar | None = None


def counts_of(tally: Tally, system: SystemInfo | None) -> Samples:
    """Return everything that a process has counted, with what its actors have been through."""
    if system is None:
        return tally.samples()
    return {**tally.samples(), **life_of(system)}


def life_of(system: SystemInfo) -> Samples:
    """Return what has become of the actors of a process since it began."""
    totals = {
        catalogue.ACTOR_CRASHES: system.crashes,
        catalogue.ACTOR_RESTARTS: system.restarts,
        catalogue.ACTOR_FAILURES: system.failures,
        catalogue.DEAD_LETTERS: system.dead_letters,
        catalogue.MESSAGES_REFUSED: system.refused,
    }
    return {metric: {(): float(value)} for metric, value in totals.items()}


def told(samples: Samples, exemplars: Exemplars) -> tuple[Counted, ...]:
    """Return what another host is told of it, in one message."""
    weight = sum(_NUMBER_BYTES + sum(map(len, labels)) for numbers in samples.values() for labels in numbers)
    keys = exemplars if weight + _KEY_BYTES * sum(map(len, exemplars.values())) <= MAXIMUM_TOLD else {}
    if weight > MAXIMUM_TOLD:
        samples, _, _ = reduced(samples, Detail.FLEET)
    return tuple(
        Counted(metric.name, labels, float(value), keys.get(metric, {}).get(labels))
        for metric, numbers in samples.items()
        for labels, value in numbers.items()
    )
