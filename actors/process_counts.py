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

#: Numbers in one answer between hosts, half of what a message may hold. Where there are more, those of all
#: nodes are told as one.
MAXIMUM_TOLD: Final = 6_000


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
    samples, detail, _ = reduced(samples, Detail.NODE, MAXIMUM_TOLD)
    keys = exemplars if detail is Detail.NODE else {}
    return tuple(
        Counted(metric.name, labels, float(value), keys.get(metric, {}).get(labels))
        for metric, numbers in samples.items()
        for labels, value in numbers.items()
    )
