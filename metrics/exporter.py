"""From samples to the text that Prometheus reads.

Samples are taken at the moment of a scrape and thrown away afterwards: what is exported is what is so, and
nothing is kept that could grow. There is no global registry.

A histogram is told as a count for each of its buckets (the label ``le``, after the others) and the sum of all
(``sum``); what has no count is left out. Only here the counts are added up as Prometheus wants them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
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
#: What asks for OpenMetrics. Anything else gets the text format of Prometheus, version 0.0.4.
OPENMETRICS: Final = "application/openmetrics-text"

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
    """Return the samples in Prometheus' text format, in the order of the catalogue.

    :raises ValueError: a metric is not in the catalogue, or a sample does not have exactly its labels.
    """
    return rendered(Page(samples))[0]


def rendered(page: Page, accept: str = "", *beside: Collector) -> tuple[bytes, str]:
    """Return the page in the format that ``accept`` (a header) asks for, and the type of its content.

    What the collectors ``beside`` it tell follows it.

    :raises ValueError: a metric is not in the catalogue, or a sample does not have exactly its labels.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Paged(page, open_metrics=content_type.startswith(OPENMETRICS)))
    for each in beside:
        registry.register(each)
    return encode(registry), content_type


class _Paged(Collector):
    """Yields what it was given."""

    def __init__(self, page: Page, *, open_metrics: bool) -> None:
        unknown = [metric.name for metric in page.samples if metric not in _KNOWN]
        if unknown:
            message = f"not in the catalogue: {', '.join(unknown)}"
            raise ValueError(message)
        self._page = page
        self._open_metrics = open_metrics

    def describe(self) -> Iterator[Family]:
        """Tell the registry nothing beforehand: names are unique by a test of the catalogue."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Yield a family for each metric that has samples."""
        for metric in CATALOGUE:
            found = self._page.samples.get(metric)
            if found:
                yield self._family(metric, found)

    def _family(self, metric: Metric, found: Mapping[tuple[str, ...], float]) -> Family:
        names = metric.names
        several = len(names) + (metric.kind is Kind.HISTOGRAM)
        for labels in found:
            if len(labels) != several:
                message = f"{metric.name} has the labels {names}, not {labels}"
                raise ValueError(message)
        bare = metric.name.removesuffix("_total")
        family = Family(bare, metric.help, metric.kind.value)
        exemplars = self._page.exemplars.get(metric, {})
        if metric.kind is Kind.HISTOGRAM:
            family.samples = list(self._histogram(metric, found, exemplars))
            return family
        counts = metric.kind is Kind.COUNTER
        for labels, value in sorted(found.items()):
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
        for labels in sorted({each[:-1] for each in found}):
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
