"""What is on the status page, as values: ``view`` decides them, ``html`` and ``fleet_map`` draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from peerkey_cli.page.folding import Few, StandsAlone
from peerkey_cli.palette import Standing

if TYPE_CHECKING:
    from datetime import datetime

#: A key is in use, and a path in service.
_KEYED: Final = (Standing.GOOD, Standing.DEGRADED, Standing.SUSPECT)


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One thing that is wrong."""

    id: str
    severity: str
    standing: Standing
    node: str
    message: str
    since: datetime
    #: By which :class:`Todo` is found.
    kind: str


@dataclass(frozen=True, slots=True)
class Todo:
    """What a kind of alarm means, and what to do about it: the words of ``show alarms id ID``."""

    kind: str
    means: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeeringRow:
    """One peering, seen from one node, or from both where both say the same and nothing is wrong."""

    node: str
    peer: str
    both: bool
    standing: Standing
    reasons: tuple[str, ...]
    #: What to do next; empty where nothing is.
    step: str
    #: Since when there is an alarm about it; ``None``: there is none about it alone.
    since: datetime | None
    paths_up: int
    paths: int
    key_index: int | None
    keyed_at: datetime | None
    rekey_at: datetime | None

    @property
    def well(self) -> bool:
        """Whether nothing is to be said of it: a key that cannot be replaced is still in use."""
        return self.standing is Standing.GOOD and not self.reasons


@dataclass(frozen=True, slots=True)
class CertificateRow(StandsAlone):
    """What a node shows, and until when."""

    node: str
    standing: Standing
    state: str
    subject: str
    issuer: str
    not_after: datetime | None
    detail: str
    step: str


@dataclass(frozen=True, slots=True)
class SourceRow(StandsAlone):
    """One address of revocation lists."""

    url: str
    standing: Standing
    state: str
    issuer: str
    entries: int
    next_update: datetime | None
    confirmed: datetime | None
    error: str
    step: str


@dataclass(frozen=True, slots=True)
class PairRow(StandsAlone):
    """One node of an HA router, and how it stands with its mate."""

    node: str
    mate: str
    standing: Standing
    role: str
    link: str
    error: str
    replicated: int
    records: int
    taken_over: bool


@dataclass(frozen=True, slots=True)
class HostRow(StandsAlone):
    """One process of a cluster."""

    host: str
    machine: str
    standing: Standing
    nodes: int
    restarts: int
    fault: str


@dataclass(frozen=True, slots=True)
class Place:
    """One node of the map."""

    node: str
    #: Whether it runs in this system, so that it says itself how it stands.
    here: bool
    standing: Standing


@dataclass(frozen=True, slots=True)
class Link:
    """What is between two places of the map, by their numbers: the worse of what both ends say."""

    first: int
    second: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Map:
    """Who is keyed with whom."""

    places: tuple[Place, ...]
    links: tuple[Link, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is on the page."""

    now: datetime
    version: str
    since: datetime
    process: str
    #: Parts that did not answer, by their names.
    silent: tuple[str, ...]
    #: How many peerings stand how, each peering counted once.
    standings: Mapping[Standing, int]
    nodes: int
    severities: Mapping[str, int]
    map: Map
    alarms: Few[AlarmRow]
    #: One for each kind of the alarms that are shown, in their order.
    todo: tuple[Todo, ...]
    #: Alarms that an operator has taken out of the list for a while.
    shelved: int
    peerings: Few[PeeringRow]
    certificates: Few[CertificateRow]
    sources: Few[SourceRow]
    revoked: int
    pairs: Few[PairRow]
    hosts: Few[HostRow]

    @property
    def headline(self) -> str:
        """The one sentence that tells how it is."""
        alarms = self.alarms.total
        peerings = sum(self.standings.values())
        if self.silent and not peerings and not alarms:
            return "The actors of this system do not answer."
        keyed = sum(self.standings.get(each, 0) for each in _KEYED)
        marred = keyed - self.standings.get(Standing.GOOD, 0)
        told = [
            "No alarms" if not alarms else _many(alarms, "alarm"),
            f"{keyed} of {_many(peerings, 'peering')} keyed and in service"
            + (f", {marred} of them not as they should be" if marred else ""),
        ]
        return "; ".join(told) + "."


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
