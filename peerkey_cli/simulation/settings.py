"""What a simulation is asked for. Two runs of equal settings over equal plans are equal to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from peerkey_cli.simulation.faults import Fault, FaultKind

#: How long a simulation may be: certificates of the simulated authority last longer than that.
LONGEST: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Settings:
    """One run."""

    seed: int
    #: How long faults go on. Afterwards everything is put right and has to come to rest.
    lasts: timedelta
    #: The share of datagrams that the network loses at all times, from 0 to 1.
    loss: float = 0.0
    #: What goes wrong.
    kinds: frozenset[FaultKind] = frozenset()
    #: How often, as a multiple of each kind's own rate.
    intensity: float = 1.0
    #: Exactly these faults instead of drawn ones: a failure that is replayed or shortened.
    schedule: tuple[Fault, ...] | None = None
