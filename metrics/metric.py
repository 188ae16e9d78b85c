"""What a metric is: its name, its kind, its labels with their bounds, and how it is folded.

A label has a *bound*: how many values it may take, and by what. Nothing that a peer has sent becomes a label
without being one of a few known words. Where the bound is the size of the fleet, the label says so
(:attr:`Per.NODE`, :attr:`Per.PEERING`, :attr:`Per.PATH`), and :mod:`metrics.detail` may leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final


class Kind(Enum):
    """What may become of a value."""

    #: It goes up and down.
    GAUGE = "gauge"
    #: It only grows, until it is reset: see :data:`metrics.catalogue.COUNTED_SINCE`.
    COUNTER = "counter"
    #: How often something took how long, in buckets that never change.
    HISTOGRAM = "histogram"


class Per(IntEnum):
    """What there is one series of, from the coarsest to the finest."""

    #: The whole machine, or a few words of ours.
    MACHINE = 0
    #: Each revocation list.
    LIST = 1
    #: Each node.
    NODE = 2
    #: Each peer of each node.
    PEERING = 3
    #: Each path of each peering.
    PATH = 4


class Fold(Enum):
    """What a machine says of all its nodes at once, where none is named."""

    SUM = "sum"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True)
class Label:
    """One label: its name, and which values there are."""

    name: str
    #: Says which; for the document.
    meaning: str
    #: The words that it may be, where they are known: any other is ``other``.
    words: tuple[str, ...] = ()
    #: How many values it takes on one machine, where not :attr:`per` says it. Reason in :attr:`meaning`.
    most: int = 0
    per: Per = Per.MACHINE

    @property
    def bound(self) -> str:
        """How many values it takes, for the document."""
        names = {Per.LIST: "lists", Per.NODE: "nodes", Per.PEERING: "peers", Per.PATH: "paths"}
        return names.get(self.per) or str(self.most or len(self.words))


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of samples. The name of a counter ends in ``_total``."""

    name: str
    kind: Kind
    labels: tuple[Label, ...]
    help: str
    #: The command that shows the same to a person.
    command: str
    #: What an operator does with it, and what it does not say.
    meaning: str = ""
    #: Of peerkey.
    since: str = "0.1.0"
    fold: Fold = Fold.SUM
    #: The upper ends of the buckets of a histogram, and why these.
    buckets: tuple[float, ...] = ()
    why_buckets: str = ""
    #: Whether samples may carry the id of a key as an exemplar, in OpenMetrics.
    exemplars: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(label.name for label in self.labels)

    @property
    def unit(self) -> str:
        """The unit, which is the last word of the name; empty where there is none."""
        bare = self.name.removesuffix("_total")
        return next((unit for unit in UNITS if bare.endswith(f"_{unit}")), "")

    @property
    def per(self) -> Per:
        """What there is one series of."""
        return max((label.per for label in self.labels), default=Per.MACHINE)

    @property
    def cost(self) -> str:
        """How many series it is on one machine, at most, for the document."""
        sizes = {Per.LIST: "lists", Per.NODE: "nodes", Per.PEERING: "peerings", Per.PATH: "paths"}
        factors = [sizes[self.per]] if self.per in sizes else []
        factors += [label.bound for label in self.labels if label.per is Per.MACHINE]
        if self.kind is Kind.HISTOGRAM:
            # The buckets, that of everything, sum and count.
            factors.append(str(len(self.buckets) + 3))
        return " x ".join(factor for factor in factors if factor != "1") or "1"


#: The units that there are: all are base units, as Prometheus asks for.
UNITS: Final = ("seconds", "bytes", "info")
