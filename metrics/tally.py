"""Which events are counted, and under which name: what the seed's ``show stats security …`` tell.

A tally begins at zero with its process, as Prometheus expects of a counter. It is fed every event, and
keeps one number for each node and result.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from metrics.catalogue import (
    CERTIFICATE_FAULTS,
    CERTIFICATE_IMPORTS,
    CRL_FETCHES,
    CRL_INGESTIONS,
    CSRS,
    PEER_CERTIFICATE_FAULTS,
    Metric,
)
from peerkey.observe import events

if TYPE_CHECKING:
    from collections.abc import Mapping

Counts: TypeAlias = tuple[tuple[Metric, str], ...]

#: What the seed has a counter for. A certificate that is missing is none of them.
_STATES: Final = frozenset({"expired", "invalid", "revoked"})


#: A list that was refused had been fetched; one that is unchanged is not ingested again.
_CRL_STAGES: Final[dict[str, Counts]] = {
    "unchanged": ((CRL_FETCHES, "success"),),
    "ingested": ((CRL_FETCHES, "success"), (CRL_INGESTIONS, "success")),
    "fetch": ((CRL_FETCHES, "failure"),),
    "ingestion": ((CRL_FETCHES, "success"), (CRL_INGESTIONS, "failure")),
}


def counted(event: events.Event) -> Counts:
    """Return what an event is counted as, each with its result."""
    match event:
        case events.CsrGenerated():
            return ((CSRS, "success"),)
        case events.CsrFailed():
            return ((CSRS, "failure"),)
        case events.CertificateIngested():
            return ((CERTIFICATE_IMPORTS, "success"),)
        case events.CertificateRefused():
            return ((CERTIFICATE_IMPORTS, "failure"),)
        case events.CertificateWentBad(state=state) if state in _STATES:
            return ((CERTIFICATE_FAULTS, state),)
        case events.PeerCertificateRefused(state=state) | events.PeerCertificateWentBad(state=state) if (
            state in _STATES
        ):
            return ((PEER_CERTIFICATE_FAULTS, state),)
        case events.CrlUpdated(stage=stage):
            return _CRL_STAGES[stage]
        case _:
            return ()


class Tally:
    """Counts events."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counts: dict[Metric, Counter[tuple[str, ...]]] = {}

    def add(self, node: str, event: events.Event) -> None:
        """Count an event of ``node``, if it is one that is counted."""
        for metric, result in counted(event):
            self._counts.setdefault(metric, Counter())[node, result] += 1

    def samples(self) -> Mapping[Metric, Counter[tuple[str, ...]]]:
        """Return what has been counted so far, for the exporter."""
        return {metric: Counter(counts) for metric, counts in self._counts.items()}
