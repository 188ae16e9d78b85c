"""Which events are counted, and under which name: what the seed's ``show stats security …`` tell.

A tally begins at zero with its process, as Prometheus expects of a counter, and nobody sets it back: what
``clear stats`` clears is :mod:`peerkey.observe.security_stats`. It is fed every event, and what is no event:
frames that were dropped, and how long things took. It outlives the actors that feed it.
"""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock
from typing import TYPE_CHECKING, Final

from metrics import labels as label
from metrics.catalogue import (
    AUDIT_EVENTS,
    CERTIFICATE_FAULTS,
    CERTIFICATE_IMPORTS,
    CRL_FETCHES,
    CRL_INGESTIONS,
    CSRS,
    ENROLLMENTS,
    FAILURES,
    HA_KEYS_NOT_REPLICATED,
    HA_LINKS,
    HA_TAKEOVERS,
    KEY_CHANGES,
    LOGINS_REFUSED,
    PATH_CHANGES,
    PEER_AUTHENTICATIONS,
    PEER_CERTIFICATE_FAULTS,
    REVOCATION_CHECKS,
    Metric,
)
from metrics.exporter import SUM, Exemplar, bucket_ends, whole
from metrics.labels import ACCEPTED, AT_FAULT, OTHER, RECOVERED, known
from peerkey.observe import events
from peerkey.observe.security_stats import Counter, counters_of

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from metrics.exporter import Exemplars, Samples

#: Numbers of one metric that are told apart. Nodes that come and go by reloads must not fill the memory.
MAXIMUM_NUMBERS: Final = 50_000

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


def authentication(event: events.Event) -> tuple[str, str] | None:
    """Return the outcome of a peer's authentication and its reason; ``None`` where an event is of none."""
    match event:
        case events.PeerCertificateAccepted(reason=reason):
            return "accepted", reason if reason in ACCEPTED else OTHER
        case events.PeerCertificateRefused(reason=reason):
            return "refused", reason if reason in AT_FAULT else OTHER
        case events.PeerCertificateWentBad(reason=reason):
            return "went-bad", reason if reason in AT_FAULT else OTHER
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


def of_keys(event: events.Event) -> tuple[Metric, tuple[str, ...], str] | None:
    """Return what an event of a peering is counted as, its labels but the node, and the id of its key."""
    match event:
        case events.KeyActivated(key_id=key_id):
            return KEY_CHANGES, (), key_id
        case events.PeeringFailed(reason=reason):
            return FAILURES, (known(reason, label.FAILED),), ""
        case events.PathInService():
            return PATH_CHANGES, ("up",), ""
        case events.PathOutOfService():
            return PATH_CHANGES, ("down",), ""
        case events.Enrolled():
            return ENROLLMENTS, ("success",), ""
        case events.EnrollmentFailed():
            return ENROLLMENTS, ("failure",), ""
        case _:
            return None


class Tally:
    """Counts events, frames and durations. Its methods may be called from any thread."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counts: dict[Metric, dict[tuple[str, ...], float]] = {}
        self._exemplars: dict[Metric, dict[tuple[str, ...], Exemplar]] = {}
        self._lock = Lock()

    def add(self, node: str, event: events.Event, at: datetime | None = None) -> None:
        """Count an event of ``node``, if it is one that is counted; ``at`` dates the key that it names."""
        self.count(AUDIT_EVENTS, event.TYPE)
        found = counted(event) or of_a_pair(event)
        if found is not None:
            metric, result = found
            self.count(metric, node, result)
        for metric, result in of_lists(event):
            self.count(metric, node, result)
        outcome = authentication(event)
        if outcome is not None:
            self.count(PEER_AUTHENTICATIONS, node, *outcome)
        of_key = of_keys(event)
        if of_key is not None:
            metric, labels, key_id = of_key
            exemplar = Exemplar(key_id, 1.0, at.timestamp()) if key_id and at is not None else None
            self.count(metric, node, *labels, exemplar=exemplar)
        if isinstance(event, events.LoginRefused):
            reason = known(event.reason, label.REFUSED_LOGIN)
            self.count(LOGINS_REFUSED, reason, by=1.0 + event.unrecorded)

    def count(self, metric: Metric, *labels: str, by: float = 1.0, exemplar: Exemplar | None = None) -> None:
        """Count something, once or ``by`` so much, and note the key that it was, if it was one."""
        with self._lock:
            self._add(metric, labels, by)
            if exemplar is not None:
                self._exemplars.setdefault(metric, {})[labels] = exemplar

    def observe(
        self, metric: Metric, took: timedelta, *labels: str, exemplar: Exemplar | None = None
    ) -> None:
        """Count that something ``took`` so long."""
        seconds = took.total_seconds()
        end = bucket_ends(metric)[bisect_left(metric.buckets, seconds)]
        with self._lock:
            kept = self._add(metric, (*labels, end), 1.0)
            self._add(metric, (*kept[:-1], SUM), seconds)
            if exemplar is not None:
                self._exemplars.setdefault(metric, {})[kept] = exemplar

    def _add(self, metric: Metric, labels: tuple[str, ...], by: float) -> tuple[str, ...]:
        """Add to a number; where there would be too many, to that of all others. Return which it was."""
        numbers = self._counts.setdefault(metric, {})
        if labels not in numbers and len(numbers) >= MAXIMUM_NUMBERS:
            labels = (*(OTHER for _ in metric.labels), *labels[len(metric.labels) :])
        numbers[labels] = whole(numbers.get(labels, 0.0) + by)
        return labels

    def samples(self) -> Samples:
        """Return what has been counted so far, for the exporter."""
        with self._lock:
            return {metric: dict(numbers) for metric, numbers in self._counts.items()}

    def exemplars(self) -> Exemplars:
        """Return the latest key of each number that counts keys."""
        with self._lock:
            return {metric: dict(keys) for metric, keys in self._exemplars.items()}
