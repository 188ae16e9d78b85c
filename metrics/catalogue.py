"""Every metric: its name, its labels, what it says, and the command that shows the same to a person.

The catalogue is the truth: the exporter refuses what is not in it, and ``docs/metrics.md`` is made from it
(:mod:`metrics.document`). Names follow the conventions of Prometheus: ``_total`` for what only grows, base
units, and instants as seconds since 1970, so that an age is ``time() -`` one of them. What there is one of
for each peering or path is left out where that would be too much (:mod:`metrics.detail`).
"""

from __future__ import annotations

from typing import Final

from metrics import labels as label
from metrics.metric import Fold, Kind, Label, Metric

__all__ = ["BY_NAME", "CATALOGUE", "LIBRARY", "Kind", "Metric"]

_PEERS: Final = "show peers"
_SECURITY: Final = "show peers security"
_KEY_STATUS: Final = "show security key-status"
_ACTORS: Final = "show actors"
_EVENTS: Final = "show events"
_ALARMS: Final = "show alarms"
_LISTS: Final = "show certificate crl"

#: For what a processor or a disk does: from a tenth of a millisecond to seconds.
_QUICK: Final = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
#: For what crosses a network.
_NETWORK: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: A key waits 30 seconds before it is used, and up to 30 more for its mate.
_REKEY: Final = (1.0, 5.0, 15.0, 30.0, 31.0, 32.0, 35.0, 40.0, 60.0, 65.0, 90.0, 300.0)
#: What one message may hold the loop for is promised to be less than 5 ms.
_LAG: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


def _gauge(
    name: str, says: str, command: str, *labels: Label, meaning: str = "", fold: Fold = Fold.SUM
) -> Metric:
    return Metric(f"peerkey_{name}", Kind.GAUGE, labels, says, command, meaning, fold=fold)


def _counter(
    name: str, says: str, command: str, *labels: Label, meaning: str = "", keys: bool = False
) -> Metric:
    return Metric(f"peerkey_{name}_total", Kind.COUNTER, labels, says, command, meaning, exemplars=keys)


def _histogram(
    name: str,
    says: str,
    *labels: Label,
    buckets: tuple[float, ...],
    why: str,
    command: str,
    keys: bool = False,
) -> Metric:
    return Metric(
        f"peerkey_{name}_seconds",
        Kind.HISTOGRAM,
        labels,
        says,
        command,
        buckets=buckets,
        why_buckets=why,
        exemplars=keys,
    )


# --- this endpoint ------------------------------------------------------------------------------------

BUILD_INFO: Final = _gauge(
    "build_info", "Always 1; the label says which version runs.", "--version", label.VERSION
)
UP: Final = _gauge(
    "up",
    "1 if the actors answered this scrape, else 0.",
    _PEERS,
    meaning="Prometheus' own `up` tells of this endpoint; this one of what is behind it.",
)
COUNTED_SINCE: Final = _gauge(
    "counters_created_timestamp_seconds",
    "Since when the counters of this endpoint count, in seconds since 1970.",
    _ACTORS,
    meaning="Where it changes, all of them were reset. In OpenMetrics each says the same as its `_created`.",
)
SERIES: Final = _gauge(
    "metrics_series", "Series of peerkey in this answer, this one included.", "run --metrics-detail"
)
DETAIL: Final = _gauge(
    "metrics_detail",
    "1 for how fine this answer is, else 0.",
    "run --metrics-detail",
    label.DETAIL,
    meaning="`peer` names peers and paths, `node` only nodes, `fleet` none of them.",
)
SERIES_LEFT_OUT: Final = _gauge(
    "metrics_series_left_out",
    "Series that were left out of this answer because it would have had too many.",
    "run --metrics-detail",
    meaning="More than 0: the answer is coarser than it was to be. Split the machine, or choose the detail.",
)
ASKING: Final = _gauge("scrape_asking_seconds", "How long the actors took to answer this scrape.", _ACTORS)
CLOCK: Final = _gauge(
    "clock_timestamp_seconds",
    "The clock of the machine at this scrape, in seconds since 1970.",
    "show alarms",
    meaning="Certificates are judged by it. `timestamp()` of the sample is Prometheus' clock: they differ by "
    "as much as one of the two is wrong.",
)
HOSTS: Final = _gauge(
    "hosts",
    "Processes of this fleet on this machine that answered.",
    "show hosts",
    meaning="1 without a cluster.",
)

# --- peerings, keys, paths ----------------------------------------------------------------------------

NODES: Final = _gauge("nodes", "Nodes that run here.", _PEERS)
PEERINGS: Final = _gauge("peerings", "Peerings by security status.", _SECURITY, label.NODE, label.STATUS)
PEERINGS_ENABLED: Final = _gauge(
    "peerings_enabled",
    "Peerings of nodes with key management: those that should be keyed.",
    _SECURITY,
    label.NODE,
)
PEERINGS_KEYED: Final = _gauge(
    "peerings_keyed",
    "Peerings with a key in use, of those that should have one.",
    _SECURITY,
    label.NODE,
    meaning="Over `peerkey_peerings_enabled` it is the share of peerings keyed.",
)
PEERINGS_UNREACHABLE: Final = _gauge(
    "peerings_unreachable",
    "Peerings whose peer is out of reach: none of their paths is in service, and nothing else says why.",
    _PEERS,
    label.NODE,
    meaning="As the alarm `peer-unreachable`: a bad certificate and another algorithm keep paths down, too.",
)
PEERINGS_OVERDUE: Final = _gauge(
    "peerings_rekey_overdue",
    "Peerings whose key is in use for longer than the rekey interval and its grace.",
    _KEY_STATUS,
    label.NODE,
    meaning="The grace is `REKEY_GRACE` of `metrics/thresholds.py`.",
)
PEER_CERTIFICATES_BAD: Final = _gauge(
    "peer_certificates_bad",
    "Peerings whose peer shows no good certificate.",
    "show peers certificate",
    label.NODE,
)
PATHS: Final = _gauge("paths", "Paths by state.", _PEERS, label.NODE, label.PATH_STATE)
KEYS: Final = _gauge("keys", "Keys in the rings by role.", _SECURITY, label.NODE, label.ROLE)
OLDEST_KEY: Final = _gauge(
    "oldest_key_timestamp_seconds",
    "When the oldest of the newest keys was agreed, in seconds since 1970.",
    _KEY_STATUS,
    label.NODE,
    meaning="`time() -` this is the age of the key that has been in use for the longest time.",
    fold=Fold.MINIMUM,
)
NEXT_REKEY: Final = _gauge(
    "next_rekey_timestamp_seconds",
    "When the next rekey of the node is due, in seconds since 1970.",
    _KEY_STATUS,
    label.NODE,
    fold=Fold.MINIMUM,
)
REKEY_INTERVAL: Final = _gauge(
    "rekey_interval_seconds",
    "The configured interval between rekeys; absent where there is none.",
    _KEY_STATUS,
    label.NODE,
    fold=Fold.MAXIMUM,
)
KEY_CHANGES: Final = _counter("key_changes", "Keys that came into use.", _KEY_STATUS, label.NODE, keys=True)
REKEYS: Final = _counter(
    "rekeys",
    "Keys that replaced another, by whether the rekey interval was kept.",
    _KEY_STATUS,
    label.NODE,
    label.IN_TIME,
    meaning="`late`: the replaced key had been there for longer than the interval and its grace.",
    keys=True,
)
ESTABLISHMENT: Final = _histogram(
    "establishment_duration",
    "From a peering without a key until one is in use.",
    label.NODE,
    buckets=_NETWORK,
    why="Two round trips and the arithmetic are 10 ms to 1 s; each lost frame costs 5 s.",
    command=_EVENTS,
    keys=True,
)
REKEY: Final = _histogram(
    "rekey_duration",
    "From the beginning of a rekey until its key is in use.",
    label.NODE,
    buckets=_REKEY,
    why="A key waits 30 s before it is used, and for an HA mate up to 30 s more: both are told from delay.",
    command=_EVENTS,
    keys=True,
)
FAILURES: Final = _counter(
    "peering_failures",
    "Causes that kept a peering from being keyed, each told once.",
    _EVENTS,
    label.NODE,
    label.FAILED,
)
PATH_CHANGES: Final = _counter(
    "path_changes", "How often paths went into service and out of it.", _EVENTS, label.NODE, label.PATH_CHANGE
)
FRAMES_DROPPED: Final = _counter(
    "frames_dropped", "Frames of peers that changed nothing, by reason.", _SECURITY, label.NODE, label.DROPPED
)
PEERING_STATE: Final = _gauge(
    "peering_state",
    "1 with the security status of the peering.",
    _SECURITY,
    label.NODE,
    label.PEER,
    label.STATUS,
    meaning="One series, not one for each status: the former ends where another begins.",
)
PEERING_FAULT: Final = _gauge(
    "peering_fault",
    "1 with the cause that keeps the peering from being as it should be; absent where there is none.",
    _PEERS,
    label.NODE,
    label.PEER,
    label.ABOUT,
    label.CAUSE,
    meaning="One series, and only while something is wrong. `about`: the certificate of the node "
    "(`own-certificate`) or of the peer (`peer-certificate`), what the peer says of the node's "
    "(`refused-by-peer`), the agreement of a `key`, or a `path` that is out of service.",
)
PEERING_PATHS: Final = _gauge("peering_paths", "Paths of the peering.", _PEERS, label.NODE, label.PEER)
PEERING_PATHS_UP: Final = _gauge(
    "peering_paths_in_service", "Paths of the peering that are in service.", _PEERS, label.NODE, label.PEER
)
PEERING_KEY: Final = _gauge(
    "peering_key_timestamp_seconds",
    "When the newest key of the peering was agreed, in seconds since 1970.",
    _KEY_STATUS,
    label.NODE,
    label.PEER,
    fold=Fold.MINIMUM,
)
PEERING_NEXT_REKEY: Final = _gauge(
    "peering_next_rekey_timestamp_seconds",
    "When the next rekey of the peering is due, in seconds since 1970.",
    _KEY_STATUS,
    label.NODE,
    label.PEER,
    fold=Fold.MINIMUM,
)
PATH_IN_SERVICE: Final = _gauge(
    "path_in_service", "1 while the path is in service, else 0.", _PEERS, label.NODE, label.PEER, label.PATH
)

# --- certificates -------------------------------------------------------------------------------------

CERTIFICATE_NOT_AFTER: Final = _gauge(
    "certificate_not_after_timestamp_seconds",
    "When the node's own certificate ends, in seconds since 1970.",
    "show certificate",
    label.NODE,
    meaning="Of nodes with key management: the others use none.",
    fold=Fold.MINIMUM,
)
CERTIFICATE_VALID: Final = _gauge(
    "certificate_valid",
    "1 while the node has a certificate of its own with which nothing is wrong, else 0.",
    "show certificate",
    label.NODE,
    meaning="Of nodes with key management that run: what a node has that does not answer is not known.",
    fold=Fold.MINIMUM,
)
CSRS: Final = _counter(
    "csr",
    "Certificate signing requests: made (success) or not (failure).",
    "show stats security CSR",
    label.NODE,
    label.RESULT,
)
CERTIFICATE_IMPORTS: Final = _counter(
    "certificate_import",
    "Imports of a node's certificate: done (success) or refused (failure).",
    "show stats security certificate import",
    label.NODE,
    label.RESULT,
)
ENROLLMENTS: Final = _counter(
    "certificate_enrollments",
    "Certificates asked of a CA: installed (success) or not (failure).",
    _EVENTS,
    label.NODE,
    label.RESULT,
)
CERTIFICATE_FAULTS: Final = _counter(
    "certificate_faults",
    "How often the node's own certificate was found expired, invalid or revoked.",
    "show stats security certificate",
    label.NODE,
    label.FAULT_STATE,
)
REVOCATION_CHECKS: Final = _counter(
    "revocation_checks",
    "Periodic checks of the node's own certificate: revoked, not-revoked or not-checked.",
    _EVENTS,
    label.NODE,
    label.CHECKED,
)
PEER_CERTIFICATE_FAULTS: Final = _counter(
    "peer_certificate_faults",
    "How often a peer's certificate was found expired, invalid or revoked.",
    "show stats security peer certificate",
    label.NODE,
    label.FAULT_STATE,
)
PEER_AUTHENTICATIONS: Final = _counter(
    "peer_authentications",
    "What became of peers' certificates: accepted, refused, went-bad or recovered, and why.",
    _EVENTS,
    label.NODE,
    label.OUTCOME,
    label.REASON,
)
VALIDATION: Final = _histogram(
    "certificate_validation_duration",
    "How long it took to judge the certificates of a peer.",
    buckets=_QUICK,
    why="A verdict that is remembered takes microseconds, a chain of RSA-4096 with lists some milliseconds.",
    command="show peers certificate",
)
API_NOT_AFTER: Final = _gauge(
    "api_certificate_not_after_timestamp_seconds",
    "When the certificate of the admin API ends, in seconds since 1970; absent without TCP.",
    "run --api-certificate",
)
LOGINS_REFUSED: Final = _counter(
    "api_logins_refused",
    "Requests to the admin API that were refused, those included that are in no event.",
    _EVENTS,
    label.REFUSED_LOGIN,
)

# --- revocation lists ---------------------------------------------------------------------------------

CRL_FETCHES: Final = _counter(
    "crl_fetch",
    "Revocation lists that were asked for: there, or unchanged (success), or not (failure).",
    "show stats security CRL fetch",
    label.NODE,
    label.RESULT,
)
CRL_INGESTIONS: Final = _counter(
    "crl_ingestion",
    "Revocation lists that were fetched: in use (success), or refused (failure).",
    "show stats security CRL ingestion",
    label.NODE,
    label.RESULT,
)
CRL_FETCH: Final = _histogram(
    "crl_fetch_duration",
    "How long it took to fetch a revocation list, or to learn that it is unchanged or not to be had.",
    buckets=_NETWORK,
    why="A small list nearby comes in milliseconds; a fetch is given up after minutes.",
    command=_LISTS,
)
CRL_INGESTION: Final = _histogram(
    "crl_ingestion_duration",
    "How long it took to judge a revocation list that was fetched.",
    buckets=_NETWORK,
    why="A list of a million entries takes seconds.",
    command=_LISTS,
)
CRL_STATE: Final = _gauge(
    "crl_state", "1 for the state of the list, else 0.", _LISTS, label.URL, label.LIST_STATE
)
CRL_ENTRIES: Final = _gauge("crl_entries", "Entries of the last good list of an address.", _LISTS, label.URL)
CRL_AGE: Final = _gauge(
    "crl_age_seconds", "Time since the list of an address was fetched, or found unchanged.", _LISTS, label.URL
)
CRL_CONFIRMED: Final = _gauge(
    "crl_confirmed_timestamp_seconds",
    "When the list of an address was fetched last, or found unchanged, in seconds since 1970.",
    _LISTS,
    label.URL,
)
CRL_NEXT_UPDATE: Final = _gauge(
    "crl_next_update_timestamp_seconds",
    "When the list of an address is to be replaced, in seconds since 1970.",
    _LISTS,
    label.URL,
)
REVOKED: Final = _gauge(
    "revoked_certificates", "Entries of the master list: certificates that any list says are revoked.", _LISTS
)

# --- HA pairs -----------------------------------------------------------------------------------------

HA_LINK_UP: Final = _gauge(
    "ha_link_up",
    "1 where the mate has greeted and is heard, else 0.",
    _KEY_STATUS,
    label.NODE,
    fold=Fold.MINIMUM,
)
HA_LEADER: Final = _gauge("ha_leader", "1 where the node leads its router, else 0.", _KEY_STATUS, label.NODE)
HA_RECORDS: Final = _gauge(
    "ha_records",
    "Key records of the node: replicated or lagging; and copies of its mate's.",
    _KEY_STATUS,
    label.NODE,
    label.HA_STATE,
)
HA_LAG: Final = _gauge(
    "ha_lag_records",
    "Changes of records that the mate has not stored yet.",
    _KEY_STATUS,
    label.NODE,
    fold=Fold.MAXIMUM,
)
HA_SILENT: Final = _gauge(
    "ha_mate_silent_seconds",
    "For how long the mate has not been heard.",
    _KEY_STATUS,
    label.NODE,
    fold=Fold.MAXIMUM,
)
HA_TAKEN_OVER: Final = _gauge(
    "ha_taken_over", "1 while the node seals with its mate's keys, else 0.", _KEY_STATUS, label.NODE
)
HA_LINKS: Final = _counter(
    "ha_links", "What became of links to the mate: up, down or refused.", _EVENTS, label.NODE, label.HA_LINK
)
HA_TAKEOVERS: Final = _counter(
    "ha_takeovers", "The mate's keys: taken-over and released.", _EVENTS, label.NODE, label.HA_TAKEN
)
HA_KEYS_NOT_REPLICATED: Final = _counter(
    "ha_keys_not_replicated",
    "Keys that came into use before the mate held them (result is used).",
    _EVENTS,
    label.NODE,
    label.HA_USED,
)

# --- alarms and the audit log -------------------------------------------------------------------------

ALARMS: Final = _gauge(
    "alarms",
    "Alarms that are there now, by who notices it and by type; none is no series.",
    _ALARMS,
    label.NODE,
    label.ALARM_TYPE,
    label.SEVERITY,
    meaning="As `show alarms` tells them: one for all that have one cause. "
    "Shelved ones are counted too: shelving quiets, and mends nothing.",
)
ALARMS_BY_TYPE: Final = _gauge(
    "alarms_active",
    "Alarms that are there now on the machine, zero included.",
    _ALARMS,
    label.ALARM_TYPE,
    label.SEVERITY,
)
ALARMS_SHELVED: Final = _gauge("alarms_shelved", "Of these, those that an operator has shelved.", _ALARMS)
AUDIT_EVENTS: Final = _counter(
    "audit_events", "Audit events that were recorded, by type.", _EVENTS, label.EVENT_TYPE
)
AUDIT_LOST: Final = _counter(
    "audit_events_lost", "Audit events that could not be written to the audit log.", "events verify"
)

# --- actors -------------------------------------------------------------------------------------------

ACTORS: Final = _gauge("actors", "Actors by class and state.", _ACTORS, label.ACTOR_KIND, label.ACTOR_STATE)
MAILBOX_DEPTH: Final = _gauge(
    "mailbox_depth", "Messages that wait in the fullest mailbox of the class.", _ACTORS, label.ACTOR_KIND
)
MAILBOX_HIGHEST: Final = _gauge(
    "mailbox_depth_highest",
    "The most messages that ever waited in one mailbox of the class.",
    _ACTORS,
    label.ACTOR_KIND,
)
MAILBOX_CAPACITY: Final = _gauge(
    "mailbox_capacity", "Messages that the smallest mailbox of the class takes.", _ACTORS, label.ACTOR_KIND
)
ACTOR_CRASHES: Final = _counter("actor_crashes", "Crashes of actors.", _ACTORS)
ACTOR_RESTARTS: Final = _counter("actor_restarts", "Actors that were started again after a crash.", _ACTORS)
ACTOR_FAILURES: Final = _counter(
    "actor_failures", "Actors that crashed too often and were given up.", _ACTORS
)
DEAD_LETTERS: Final = _counter("dead_letters", "Messages that nobody could be given.", _ACTORS)
MESSAGES_REFUSED: Final = _counter("messages_refused", "Messages that a full mailbox refused.", _ACTORS)
LOOP_LAG: Final = _histogram(
    "event_loop_lag",
    "How late the event loop was with what was due, looked at twice a second.",
    buckets=_LAG,
    why="One message may hold the loop for 5 ms; a quarter of a second is felt by peers.",
    command=_ACTORS,
)
STORE: Final = _histogram(
    "store_operation_duration",
    "How long the store took to answer.",
    label.OPERATION,
    buckets=_QUICK,
    why="A commit is one wait for the disk: 0.1 ms on a fast one, 10 ms on a turning one, more is trouble.",
    command=_ACTORS,
)
STORE_ERRORS: Final = _counter("store_errors", "What the store did not do.", _ACTORS, label.OPERATION)

#: In the order of the document.
CATALOGUE: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Metric))
BY_NAME: Final = {metric.name: metric for metric in CATALOGUE}

#: What prometheus_client says of the process that answers, and of its interpreter: the library's own names.
LIBRARY: Final = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "python_gc_collections_total",
    "python_gc_objects_collected_total",
    "python_gc_objects_uncollectable_total",
    "python_info",
)
