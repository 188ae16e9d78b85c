"""The text of a page, family by family: what prometheus_client makes of :mod:`metrics.exporter`, but quickly.

The library makes an object for each sample and formats each label anew: 20 µs a sample on a slow machine, and
garbage that everybody waits for when it is collected. Ten thousand paths are 22,000 samples. Here labels are
escaped once for each value and a family is one piece of text. A test holds the two together, byte by byte.

Between pieces whoever writes may let others have the interpreter (``breathe``): the event loop waits for a
piece, not for the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import copysign
from typing import TYPE_CHECKING, Final

from prometheus_client.utils import floatToGoString

from metrics.catalogue import CATALOGUE
from metrics.exporter import SUM, bucket_ends, require_known, require_labels
from metrics.labels import clean
from metrics.metric import Kind

if TYPE_CHECKING:
    from metrics.exporter import Exemplar, Page
    from metrics.metric import Metric

#: Samples in one piece: a quarter of a millisecond, on a slow machine one. Those of a histogram take longest.
PIECE_SAMPLES: Final = 100

#: Gives the interpreter to whoever waits for it.
Breathe = Callable[[], None]


def written(page: Page, *, open_metrics: bool, breathe: Breathe = lambda: None) -> bytes:
    """Return the page in OpenMetrics, without its last line, or in Prometheus' text format.

    :raises ValueError: a metric is not in the catalogue, or a sample does not have exactly its labels.
    """
    require_known(page.samples)
    writer = _Writer(page, open_metrics=open_metrics)
    pieces: list[bytes] = []
    lines: list[str] = []
    for metric in CATALOGUE:
        found = page.samples.get(metric)
        if not found:
            continue
        require_labels(metric, found)
        lines.append(writer.head(metric))
        for line in writer.lines(metric, found):
            lines.append(line)
            if len(lines) >= PIECE_SAMPLES:
                pieces.append("".join(lines).encode())
                lines.clear()
                breathe()
    pieces.append("".join(lines).encode())
    breathe()
    return b"".join(pieces)


class _Writer:
    """Writes one page."""

    def __init__(self, page: Page, *, open_metrics: bool) -> None:
        self._page = page
        self._open = open_metrics
        #: Labels and values that were written already, as they were: most come again.
        self._escaped: dict[str, str] = {}
        self._shown: dict[float, str] = {}
        created = page.created
        self._created = None if created is None or not open_metrics else self._value(created)

    def head(self, metric: Metric) -> str:
        """Return what a family begins with. OpenMetrics names a counter without its last word."""
        name = metric.name
        text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        if self._open:
            name, text = name.removesuffix("_total"), text.replace('"', r"\"")
        return f"# HELP {name} {text}\n# TYPE {name} {metric.kind.value}\n"

    def lines(self, metric: Metric, found: Mapping[tuple[str, ...], float]) -> Iterator[str]:
        """Yield a line for each sample."""
        if metric.kind is Kind.HISTOGRAM:
            yield from self._histogram(metric, found)
            return
        counts, name = metric.kind is Kind.COUNTER, metric.name
        exemplars = self._page.exemplars.get(metric, {}) if counts and self._open else {}
        created = self._created if counts else None
        bare = name.removesuffix("_total")
        for labels, value in found.items():
            named = self._named(metric.names, labels)
            exemplar = self._exemplar(exemplars.get(labels)) if exemplars else ""
            yield f"{name}{named} {self._value(value)}{exemplar}\n"
            if created is not None:
                yield f"{bare}_created{named} {created}\n"

    def _histogram(self, metric: Metric, found: Mapping[tuple[str, ...], float]) -> Iterator[str]:
        exemplars = self._page.exemplars.get(metric, {}) if self._open else {}
        name, names, ends = metric.name, (*metric.names, "le"), bucket_ends(metric)
        for labels in dict.fromkeys(each[:-1] for each in found):
            total = 0.0
            for end in ends:
                total += found.get((*labels, end), 0.0)
                named = self._named(names, (*labels, end))
                exemplar = self._exemplar(exemplars.get((*labels, end)))
                yield f"{name}_bucket{named} {self._value(total)}{exemplar}\n"
            named = self._named(metric.names, labels)
            yield f"{name}_count{named} {self._value(total)}\n"
            yield f"{name}_sum{named} {self._value(found.get((*labels, SUM), 0.0))}\n"
            if self._created is not None:
                yield f"{name}_created{named} {self._created}\n"

    def _named(self, names: tuple[str, ...], labels: tuple[str, ...]) -> str:
        """Return the labels as they stand behind a name, in order; one that is empty is none."""
        told = [
            f'{name}="{self._escape(value)}"'
            for name, value in sorted(zip(names, labels, strict=True))
            if value
        ]
        return f"{{{','.join(told)}}}" if told else ""

    def _escape(self, label: str) -> str:
        known = self._escaped.get(label)
        if known is None:
            known = clean(label).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
            self._escaped[label] = known
        return known

    def _value(self, value: float) -> str:
        if not value:
            # One is equal to the other, and would be found in its place.
            return "-0.0" if copysign(1.0, value) < 0 else "0.0"
        known = self._shown.get(value)
        if known is None:
            known = self._shown[value] = floatToGoString(value)  # type: ignore[no-untyped-call]
        return known

    def _exemplar(self, exemplar: Exemplar | None) -> str:
        if exemplar is None:
            return ""
        value = self._value(exemplar.value)
        return f' # {{key_id="{self._escape(exemplar.key_id)}"}} {value} {exemplar.time}'
