"""How fine an answer is: naming peers and paths, or nodes alone, or none of them. Pure.

==========  ============================================================  ==================================
``peer``    a series for each peering and each path, beside the rest       a machine with few peers
``node``    a series for each node                                         a machine with many peers
``fleet``   what all nodes of the machine do together                      a machine with many nodes
``auto``    the finest of these that the number of peerings allows         unless something else is wanted
==========  ============================================================  ==================================

An answer never has more than :data:`MAXIMUM_SERIES` series: it is made coarser until it has not, and says how
many were left out. ``auto`` becomes coarser when the fleet grows, and never finer while the process lives, so
that series do not come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from metrics.exporter import whole
from metrics.metric import Fold, Kind, Metric, Per

if TYPE_CHECKING:
    from metrics.exporter import Samples

#: Peerings of one machine up to which ``auto`` names them, and nodes up to which it names these. A peering
#: with ten paths is about 15 series; docs/metrics.md says what they cost.
PEERINGS_NAMED: Final = 1_000
NODES_NAMED: Final = 1_000
#: Series of one answer: about 25 MB of text, and what one Prometheus takes of one target without complaint.
MAXIMUM_SERIES: Final = 200_000


class Detail(StrEnum):
    """How fine an answer is."""

    PEER = "peer"
    NODE = "node"
    FLEET = "fleet"


class WantedDetail(StrEnum):
    """What an operator can ask for."""

    AUTO = "auto"
    PEER = "peer"
    NODE = "node"
    FLEET = "fleet"


#: From the finest to the coarsest, and the finest labels of each.
_FINEST: Final[Mapping[Detail, Per]] = {
    Detail.PEER: Per.PATH,
    Detail.NODE: Per.NODE,
    Detail.FLEET: Per.LIST,
}
_ORDER: Final = tuple(_FINEST)

_FOLDS: Final[Mapping[Fold, Callable[[float, float], float]]] = {
    Fold.SUM: lambda one, other: one + other,
    Fold.MINIMUM: min,
    Fold.MAXIMUM: max,
}


class Chooser:
    """Chooses the detail of each answer."""

    def __init__(self, wanted: WantedDetail = WantedDetail.AUTO) -> None:
        """Go by what is ``wanted``."""
        self._wanted = wanted
        self._chosen = Detail.PEER

    def choose(self, *, nodes: int, peerings: int) -> Detail:
        """Return the detail for a machine with so many nodes, which have so many peerings between them."""
        if self._wanted is not WantedDetail.AUTO:
            return Detail(self._wanted.value)
        wanted = (
            Detail.FLEET if nodes > NODES_NAMED else Detail.NODE if peerings > PEERINGS_NAMED else Detail.PEER
        )
        self._chosen = max(self._chosen, wanted, key=_ORDER.index)
        return self._chosen


def reduced(
    samples: Samples, detail: Detail, most: int = MAXIMUM_SERIES, breathe: Callable[[], None] = lambda: None
) -> tuple[Samples, Detail, int]:
    """Return what of the samples is told, how fine that is, and how many series were left out for the bound.

    Samples of nodes that are not named are folded into one, with an empty label for the node. After each
    metric that is folded, others ``breathe``.
    """
    told = _at(samples, detail, breathe)
    wanted = series_of(told)
    while series_of(told) > most and detail is not _ORDER[-1]:
        detail = _ORDER[_ORDER.index(detail) + 1]
        told = _at(samples, detail, breathe)
    return told, detail, wanted - series_of(told)


def series_of(samples: Samples) -> int:
    """Return how many series the samples become."""
    return sum(_series(metric, values) for metric, values in samples.items())


def _series(metric: Metric, values: Mapping[tuple[str, ...], float]) -> int:
    if metric.kind is not Kind.HISTOGRAM:
        return len(values)
    return len({labels[:-1] for labels in values}) * (len(metric.buckets) + 3)


def _at(samples: Samples, detail: Detail, breathe: Callable[[], None]) -> Samples:
    finest = _FINEST[detail]
    if finest is Per.PATH:
        return samples
    told: dict[Metric, Mapping[tuple[str, ...], float]] = {}
    for metric, values in samples.items():
        if metric.per <= finest:
            told[metric] = values
        elif metric.per is Per.NODE:
            told[metric] = _folded(metric, values)
            breathe()
    return told


def _folded(metric: Metric, values: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """Return the samples of all nodes as one. The node is the first label of every metric that has it."""
    fold, counted = _FOLDS[metric.fold], metric.kind is not Kind.GAUGE
    folded: dict[tuple[str, ...], float] = {}
    for labels, value in values.items():
        every = ("", *labels[1:])
        folded[every] = fold(folded[every], value) if every in folded else value
        if counted:
            folded[every] = whole(folded[every])
    return folded
