"""Which events are counted, and under which name: what the seed's ``show stats security …`` tell.

A tally begins at zero with its process, as Prometheus expects of a counter, and nobody sets it back: what
``clear stats`` clears is :mod:`peerkey.observe.security_stats`. It is fed every event, and keeps one number
for each node and result.
"""

from __future__ import annotations

from collections import Counter as Count
from typing import TYPE_CHECKING, Final

from metrics.catalogue import (
    CERTIFICATE_FAULTS,
    CERTIFICATE_IMPORTS,
    CRL_FETCHES,
    CRL_INGESTIONS,
    CSRS,
    HA_KEYS_NOT_REPLICATED,
    HA_LINKS,
    HA_TAKEOVERS,
    PEER_AUTHENTICATIONS,
    PEER_CERTIFICATE_FAULTS,
    REVOCATION_CHECKS,
    Metric,
)
from peerkey.observe import events
from peerkey.observe.security_stats import Counter, counters_of
from peerkey.pki.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The seed's counters as metrics. What is counted as which is said in :mod:`peerkey.observe.security_stats`.
_METRICS: Final = {
    Counter.CSR_SUCCESS: (CSRS, "success"),
    Counter.CSR_FAILURE: (CSRS, "failure"),
    Counter.IMPORT_SUCCESS: (CERTIFICATE_IMPORTS, "success"),
    Counter.IMPORT_FAILURE: (CERTIFICATE_IMPORTS, "failure"),
    Counter.FETCH_SUCCESS: (CRL_FETCHES, "success"),
    Counter.FETCH_FAILURE: (CRL_FETCHES, "failure"),
    Counter.INGESTION_SUCCESS: (CRL_INGESTIONS, "success"),
    Counter.INGESTION_FAILURE: (CRL_INGESTIONS, "failure"),
    Counter.EXPIRED: (CERTIFICATE_FAULTS, "expired"),
    Counter.INVALID: (CERTIFICATE_FAULTS, "invalid"),
    Counter.REVOKED: (CERTIFICATE_FAULTS, "revoked"),
    Counter.PEER_EXPIRED: (PEER_CERTIFICATE_FAULTS, "expired"),
    Counter.PEER_INVALID: (PEER_CERTIFICATE_FAULTS, "invalid"),
    Counter.PEER_REVOKED: (PEER_CERTIFICATE_FAULTS, "revoked"),
}


#: Why a certificate was accepted: its chain leads to a trusted CA; it is the first one that was seen, and no
#: other is taken; or neither.
ACCEPTED: Final = ("validated", "pinned", "unvalidated")
#: Why one was refused or went bad: everything that can be wrong with a certificate, or another is pinned.
AT_FAULT: Final = (*(fault.value for fault in Fault), "pinned")
#: The reason of what has none of its own.
RECOVERED: Final = "valid"
#: Whatever is none of these: no label is made of what was received.
_OTHER: Final = "other"


def authentication(event: events.Event) -> tuple[str, str] | None:
    """Return the outcome of a peer's authentication and its reason; ``None`` where an event is of none."""
    match event:
        case events.PeerCertificateAccepted(reason=reason):
            return "accepted", reason if reason in ACCEPTED else _OTHER
        case events.PeerCertificateRefused(reason=reason):
            return "refused", reason if reason in AT_FAULT else _OTHER
        case events.PeerCertificateWentBad(reason=reason):
            return "went-bad", reason if reason in AT_FAULT else _OTHER
        case events.PeerCertificateRecovered():
            return "recovered", RECOVERED
        case _:
            return None


def of_lists(event: events.Event) -> tuple[tuple[Metric, str], ...]:
    """Return what has become of fetching and of ingesting a revocation list, where an event tells it."""
    return (
        tuple(_METRICS[each] for each in counters_of(event)) if isinstance(event, events.CrlUpdated) else ()
    )


def counted(event: events.Event) -> tuple[Metric, str] | None:
    """Return what an event is counted as, and with which result; ``None`` where it is not."""
    match event:
        case events.RevocationChecked(outcome=outcome):
            return REVOCATION_CHECKS, outcome
        case events.CrlUpdated():
            return None
        case _:
            return next((_METRICS[each] for each in counters_of(event)), None)


def of_a_pair(event: events.Event) -> tuple[Metric, str] | None:
    """Return what an event of an HA pair is counted as, and with which result; ``None`` where it is none."""
    match event:
        case events.HaLinkUp():
            return HA_LINKS, "up"
        case events.HaLinkDown():
            return HA_LINKS, "down"
        case events.HaRefused():
            return HA_LINKS, "refused"
        case events.HaTakeover():
            return HA_TAKEOVERS, "taken-over"
        case events.HaReleased():
            return HA_TAKEOVERS, "released"
        case events.HaKeyNotReplicated():
            return HA_KEYS_NOT_REPLICATED, "used"
        case _:
            return None


class Tally:
    """Counts events."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counts: dict[Metric, Count[tuple[str, ...]]] = {}

    def add(self, node: str, event: events.Event) -> None:
        """Count an event of ``node``, if it is one that is counted."""
        found = counted(event) or of_a_pair(event)
        if found is not None:
            metric, result = found
            self._count(metric, node, result)
        for metric, result in of_lists(event):
            self._count(metric, node, result)
        outcome = authentication(event)
        if outcome is not None:
            self._count(PEER_AUTHENTICATIONS, node, *outcome)

    def _count(self, metric: Metric, *labels: str) -> None:
        self._counts.setdefault(metric, Count())[labels] += 1

    def samples(self) -> Mapping[Metric, Count[tuple[str, ...]]]:
        """Return what has been counted so far, for the exporter."""
        return {metric: Count(counts) for metric, counts in self._counts.items()}
