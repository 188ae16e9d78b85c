"""From samples to the text that Prometheus reads.

Samples are taken at the moment of a scrape and thrown away afterwards: what is exported is what is so, and
nothing is kept that could grow. There is no global registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from metrics.catalogue import CATALOGUE, Kind, Metric

#: The value for each combination of labels, in the order of :attr:`~metrics.catalogue.Metric.labels`.
Samples: TypeAlias = Mapping[Metric, Mapping[tuple[str, ...], float]]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_FAMILIES: Final = {Kind.GAUGE: GaugeMetricFamily, Kind.COUNTER: CounterMetricFamily}


def exposition(samples: Samples) -> bytes:
    """Return the samples in Prometheus' text format, in the order of the catalogue.

    :raises ValueError: a metric is not in the catalogue, or a sample does not have exactly its labels.
    """
    registry = CollectorRegistry()
    registry.register(_Sampled(samples))
    return generate_latest(registry)


class _Sampled(Collector):
    """Yields what it was given."""

    def __init__(self, samples: Samples) -> None:
        unknown = [metric.name for metric in samples if metric not in CATALOGUE]
        if unknown:
            message = f"not in the catalogue: {', '.join(unknown)}"
            raise ValueError(message)
        self._samples = samples

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield a family for each metric that has samples."""
        for metric in CATALOGUE:
            found = self._samples.get(metric)
            if not found:
                continue
            family = _FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
            for labels, value in sorted(found.items()):
                if len(labels) != len(metric.labels):
                    message = f"{metric.name} has the labels {metric.labels}, not {labels}"
                    raise ValueError(message)
                family.add_metric(labels, value)
            yield family
