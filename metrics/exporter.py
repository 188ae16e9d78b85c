"""From samples to the text that Prometheus reads.

Samples are taken at the moment of a scrape and thrown away afterwards: what is exported is what is so, and
nothing is kept that could grow. There is no global registry.

A histogram is told as a count for each of its buckets (the label ``le``, after the others) and the sum of all
(``sum``); what has no count is left out. Only here the counts are added up as Prometheus wants them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as FamilyExemplar
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from metrics.catalogue import CATALOGUE, Kind, Metric
from metrics.labels import clean

#: The value for each combination of labels, in the order of :attr:`~metrics.metric.Metric.labels`.
Samples: TypeAlias = Mapping[Metric, Mapping[tuple[str, ...], float]]

#: The last label of the sum of a histogram; that of a bucket is its upper end.
SUM: Final = "sum"
_KNOWN: Final = frozenset(CATALOGUE)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The id of one key, which is public, that a sample counts."""

    key_id: str
    #: What it adds to the sample, and when, in seconds since 1970.
    value: float
    time: float


#: By metric and labels; of a histogram with those of the bucket.
Exemplars: TypeAlias = Mapping[Metric, Mapping[tuple[str, ...], Exemplar]]


@dataclass(frozen=True, slots=True)
class Page:
    """What is told at one scrape."""

    samples: Samples
    exemplars: Exemplars = field(default_factory=dict)
    #: Since when counters count, in seconds since 1970.
    created: float | None = None


def exposition(samples: Samples) -> bytes:
    """Return the samples in Prometheus' text format, in the order of the catalogue, by the library.

    :raises ValueError: a metric is not in the catalogue, or a sample does not have exactly its labels.
    """
    registry = CollectorRegistry()
    registry.register(Paged(Page(samples)))
    return generate_latest(registry)


def require_known(samples: Samples) -> None:
    """Refuse what the catalogue does not have.

    :raises ValueError: there is some.
    """
    unknown = [metric.name for metric in samples if metric not in _KNOWN]
    if unknown:
        message = f"not in the catalogue: {', '.join(unknown)}"
        raise ValueError(message)


def require_labels(metric: Metric, found: Mapping[tuple[str, ...], float]) -> None:
    """Refuse samples that do not have exactly the labels of their metric.

    :raises ValueError: one has not.
    """
    several = len(metric.labels) + (metric.kind is Kind.HISTOGRAM)
    for labels in found:
        if len(labels) != several:
            message = f"{metric.name} has the labels {metric.names}, not {labels}"
            raise ValueError(message)


class Paged(Collector):
    """A page for a registry of prometheus_client, such as an application has that peerkey is a part of."""

    def __init__(self, page: Page, *, open_metrics: bool = False) -> None:
        """Tell of ``page``, with what only OpenMetrics has a place for if that is to be spoken.

        :raises ValueError: a metric is not in the catalogue.
        """
        require_known(page.samples)
        self._page = page
        self._open_metrics = open_metrics

    def describe(self) -> Iterator[Family]:
        """Tell the registry nothing beforehand: names are unique by a test of the catalogue."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Yield a family for each metric that has samples.

        :raises ValueError: a sample does not have exactly its labels.
        """
        for metric in CATALOGUE:
            found = self._page.samples.get(metric)
            if found:
                yield self._family(metric, found)

    def _family(self, metric: Metric, found: Mapping[tuple[str, ...], float]) -> Family:
        names = metric.names
        require_labels(metric, found)
        bare = metric.name.removesuffix("_total")
        family = Family(bare, metric.help, metric.kind.value)
        exemplars = self._page.exemplars.get(metric, {})
        if metric.kind is Kind.HISTOGRAM:
            family.samples = list(self._histogram(metric, found, exemplars))
            return family
        counts = metric.kind is Kind.COUNTER
        for labels, value in found.items():
            named = _named(names, labels)
            exemplar = exemplars.get(labels) if counts else None
            family.samples.append(Sample(metric.name, named, value, None, _shown(exemplar)))
            if counts:
                family.samples += self._created(bare, named)
        return family

    def _histogram(
        self,
        metric: Metric,
        found: Mapping[tuple[str, ...], float],
        exemplars: Mapping[tuple[str, ...], Exemplar],
    ) -> Iterator[Sample]:
        ends = bucket_ends(metric)
        for labels in dict.fromkeys(each[:-1] for each in found):
            named = _named(metric.names, labels)
            total = 0.0
            for end in ends:
                total += found.get((*labels, end), 0.0)
                exemplar = _shown(exemplars.get((*labels, end)))
                yield Sample(f"{metric.name}_bucket", {**named, "le": end}, total, None, exemplar)
            yield Sample(f"{metric.name}_count", named, total)
            yield Sample(f"{metric.name}_sum", named, found.get((*labels, SUM), 0.0))
            yield from self._created(metric.name, named)

    def _created(self, name: str, labels: dict[str, str]) -> Iterator[Sample]:
        """Yield since when it counts, where the format has a place for it."""
        created = self._page.created
        if self._open_metrics and created is not None:
            yield Sample(f"{name}_created", labels, created)


def whole(seconds: float) -> float:
    """Return a sum of counts or durations to the microsecond, which is what durations are counted in.

    So a sum is the same in whatever order it was added up. A last digit that depends on the order could go
    back, and Prometheus would take that for a reset, and all of the sum for new.
    """
    return round(seconds, 6)


@cache
def bucket_ends(metric: Metric) -> tuple[str, ...]:
    """Return the upper ends of the buckets as Prometheus writes them, that of everything last."""
    return (*map(floatToGoString, metric.buckets), "+Inf")


def _named(names: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, str]:
    """Return the labels by their names. One that is empty is none, as Prometheus sees it too."""
    return {name: clean(label) for name, label in zip(names, labels, strict=False) if label}


def _shown(exemplar: Exemplar | None) -> FamilyExemplar | None:
    if exemplar is None:
        return None
    return FamilyExemplar({"key_id": exemplar.key_id}, exemplar.value, exemplar.time)
