"""When Prometheus wakes somebody: an alert for every type of alarm, and for what no alarm can tell.

An alarm is what peerkey sees of itself, at once; an alert is what Prometheus makes of it, after a time in
which it may mend itself. Both have the same severity and the same numbers (:mod:`metrics.thresholds`). What
stops peerkey from telling anything at all (a machine that is gone, silent actors) has alerts alone.

Where a metric says a thing directly it is asked, so that the alert names what is concerned; where only the
alarm knows, ``peerkey_alarms`` is. ``deploy/monitoring/rules`` is made of this by :mod:`metrics.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from metrics import thresholds
from metrics.thresholds import AT_ONCE, HELD, LASTING, SETTLED
from peerkey.observe.alarms import Severity

#: The job of the scrape configuration, as a regular expression: what Prometheus calls the fleet.
JOB: Final = "peerkey.*"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    name: str
    #: PromQL; there is an alert for each series that it returns.
    expression: str
    #: ``None``: nobody is woken by it, but by its absence.
    severity: Severity | None
    #: How long it has to be so.
    wait: timedelta
    #: One line, with the labels of the series as Prometheus' templates write them.
    summary: str
    #: What it means, and what to do first.
    description: str
    #: The types of the alarms that it stands for; the first has the page that tells what to do.
    alarms: tuple[str, ...] = ()
    #: For how long it stays after its cause was last seen. What is asked of Prometheus itself is never
    #: missing, and over at once.
    held: timedelta = HELD

    @property
    def runbook(self) -> str:
        """Where it is told what to do, below the root of this project."""
        return f"docs/alarms.md#{self.alarms[0]}" if self.alarms else f"docs/alerts.md#{self.name.lower()}"


def _of_alarms(*types: str, severity: Severity | None = None) -> str:
    """Return which nodes have alarms of these types."""
    which = f'type=~"{"|".join(types)}"' if len(types) > 1 else f'type="{types[0]}"'
    if severity is not None:
        which += f',severity="{severity}"'
    return f"sum without (type, severity) (peerkey_alarms{{{which}}}) > 0"


def _ending(metric: str, *, soon: timedelta, sooner: timedelta) -> str:
    """Return what ends within ``soon``, and not within ``sooner``."""
    return f"({metric} - time() < {soon.days} * 86400) >= {sooner.days} * 86400"


_NODE: Final = "{{ with $labels.node }}{{ . }}{{ else }}{{ $labels.instance }}{{ end }}"
_INSTANCE: Final = "{{ $labels.instance }}"
_OWN: Final = "peerkey_certificate_not_after_timestamp_seconds"
_API: Final = "peerkey_api_certificate_not_after_timestamp_seconds"
_CLOCK: Final = "peerkey_clock_timestamp_seconds"
_UP: Final = f'up{{job=~"{JOB}"}}'
#: Every machine of the last hour: one that was taken away is told of for so long.
_KNOWN: Final = f"last_over_time({_UP}[1h])"
_SOON, _VERY_SOON = thresholds.EXPIRES_SOON, thresholds.EXPIRES_VERY_SOON
_NOW: Final = timedelta(0)

CERTIFICATES: Final = (
    Alert(
        "PeerkeyCertificateExpiresSoon",
        f"{_ending(_OWN, soon=_SOON, sooner=_VERY_SOON)} "
        f"or ({_of_alarms('certificate-expiring', severity=Severity.MINOR)})",
        Severity.MINOR,
        AT_ONCE,
        f"A certificate that {_NODE} needs expires within {_SOON.days} days",
        "Its own, or that of a CA above it or trusted by it. Ask the CA for another: `peerkey enroll`, or "
        "`peerkey create certificate-request` and `peerkey import certificate`.",
        ("certificate-expiring",),
    ),
    Alert(
        "PeerkeyCertificateExpiresVerySoon",
        f"{_ending(_OWN, soon=_VERY_SOON, sooner=_NOW)} "
        f"or ({_of_alarms('certificate-expiring', severity=Severity.MAJOR)})",
        Severity.MAJOR,
        AT_ONCE,
        f"A certificate that {_NODE} needs expires within {_VERY_SOON.days} days",
        "Its own, or that of a CA above it or trusted by it. Once it has, no peer authenticates the node.",
        ("certificate-expiring",),
    ),
    Alert(
        "PeerkeyCertificateExpired",
        f"{_OWN} - time() < 0 or ({_of_alarms('certificate-expired')})",
        Severity.CRITICAL,
        AT_ONCE,
        f"A certificate that {_NODE} needs has expired",
        "With fail-hard its peerings are removed; with fail-soft its keys stay, and no new peer takes it.",
        ("certificate-expired",),
    ),
    Alert(
        "PeerkeyCertificateBad",
        f"peerkey_certificate_valid == 0 or ({_of_alarms('certificate-bad', 'certificate-missing')})",
        Severity.CRITICAL,
        AT_ONCE,
        f"The certificate of {_NODE} is missing, revoked or not valid",
        "`peerkey show certificate` says which and why.",
        ("certificate-bad", "certificate-missing"),
    ),
    Alert(
        "PeerkeyEnrollmentFailing",
        _of_alarms("enrollment"),
        Severity.MAJOR,
        AT_ONCE,
        f"The certificate of {_NODE} should have been renewed, and every attempt fails",
        "The old one is still in use. `peerkey show events --type system.enrollment_failed` says why.",
        ("enrollment",),
    ),
    Alert(
        "PeerkeyTrustUnreadable",
        _of_alarms("trust"),
        Severity.MAJOR,
        AT_ONCE,
        f"{_NODE} cannot read a trusted certificate, or must not trust it",
        "What was read before stays in use. `peerkey show alarms` names the file.",
        ("trust",),
    ),
    Alert(
        "PeerkeyApiCertificateExpiresSoon",
        _ending(_API, soon=_SOON, sooner=_VERY_SOON),
        Severity.MINOR,
        AT_ONCE,
        f"The certificate of the admin API at {_INSTANCE} expires within {_SOON.days} days",
        "Replace the files of --api-certificate and --api-key, then `peerkey reload`: nothing restarts.",
        ("api-certificate",),
    ),
    Alert(
        "PeerkeyApiCertificateExpiresVerySoon",
        f"{_API} - time() < {_VERY_SOON.days} * 86400",
        Severity.MAJOR,
        AT_ONCE,
        f"The certificate of the admin API at {_INSTANCE} expires within {_VERY_SOON.days} days",
        "Once it has, no client speaks to it over TCP; the Unix socket stays. Replace the files of "
        "--api-certificate and --api-key, then `peerkey reload`.",
        ("api-certificate",),
    ),
    Alert(
        "PeerkeyClockWrong",
        f"abs(timestamp({_CLOCK}) - {_CLOCK}) > {thresholds.CLOCK_DIFFERENCE.total_seconds():g} "
        f"or ({_of_alarms('clock')})",
        Severity.CRITICAL,
        AT_ONCE,
        f"The clock of {_NODE} may be wrong",
        "Certificates are judged by it: good ones may be refused, and ended ones accepted. Where it differs "
        "from the clock of Prometheus, one of the two is wrong.",
        ("clock",),
    ),
)

PEERINGS: Final = (
    Alert(
        "PeerkeyPeeringDown",
        "peerkey_peerings_unreachable > 0",
        Severity.CRITICAL,
        SETTLED,
        f"{_NODE} does not reach {{{{ $value }}}} of its peers by any path",
        "Keys stay valid. `peerkey show peers` says which paths are down and why. Without "
        "`path-probe-interval` a peer that has died is missed when the next key is due, and not before.",
        ("peer-unreachable",),
    ),
    Alert(
        "PeerkeyPathDown",
        _of_alarms("path-down"),
        Severity.MAJOR,
        SETTLED,
        f"Paths of {_NODE} are down, and their peers are reached by others",
        "`peerkey show peers` names them, and why.",
        ("path-down",),
    ),
    Alert(
        "PeerkeyPeeringNotKeyed",
        "peerkey_peerings_enabled - peerkey_peerings_keyed > 0",
        Severity.CRITICAL,
        LASTING,
        f"{_NODE} has no key with {{{{ $value }}}} of its peers",
        "Traffic with them is not protected, or does not flow. `peerkey show peers security` says how far "
        "each has come, and `peerkey show security key-status` the last error.",
    ),
    Alert(
        "PeerkeyNoKeyAgreed",
        _of_alarms("peer-key"),
        Severity.CRITICAL,
        SETTLED,
        f"{_NODE} and a peer cannot agree a key, and one of them says why",
        "They are configured for different algorithms, say. `peerkey show peers` names both sides and what "
        "to do next.",
        ("peer-key",),
    ),
    Alert(
        "PeerkeyAuthenticationFailing",
        # Each of these counters is there from zero on: an increase needs to have seen that.
        "peerkey_peer_certificates_bad > 0 "
        "or (sum without (state) (increase(peerkey_peer_certificate_faults_total[10m])) > 0) "
        "or (sum without (outcome, reason) (increase(peerkey_peer_authentications_total"
        '{outcome="refused",reason="pinned"}[10m])) > 0)',
        Severity.CRITICAL,
        AT_ONCE,
        f"{_NODE} does not accept the certificate of a peer",
        "`peerkey show peers certificate` says whose and why. One that nobody knows may be an attack.",
        ("peer-certificate",),
    ),
    Alert(
        "PeerkeyPeerTwice",
        _of_alarms("peer-identity"),
        Severity.MAJOR,
        AT_ONCE,
        f"Two processes show {_NODE} the certificate of one peer",
        "It was restored from a backup and still runs elsewhere, or its private key was stolen. "
        "`peerkey show peers` says from where it comes.",
        ("peer-identity",),
    ),
    Alert(
        "PeerkeyRekeyOverdue",
        "peerkey_peerings_rekey_overdue > 0",
        Severity.MAJOR,
        AT_ONCE,
        f"{_NODE} uses {{{{ $value }}}} keys for longer than the rekey interval",
        "The key in use goes on. `peerkey show security key-status` has the last error; a peer that cannot "
        "be reached cannot be rekeyed.",
    ),
)

LISTS: Final = (
    Alert(
        "PeerkeyCrlStale",
        'peerkey_crl_state{state="stale"} == 1',
        Severity.MAJOR,
        AT_ONCE,
        "The revocation list {{ $labels.url }} should have been replaced",
        "What was revoked since is not known. See whether its CA publishes, and whether it can be reached.",
        ("crl-stale",),
    ),
    Alert(
        "PeerkeyCrlUnreachable",
        'peerkey_crl_state{state="unreachable"} == 1',
        Severity.MINOR,
        SETTLED,
        "The revocation list {{ $labels.url }} cannot be fetched",
        "The last good one is in use until it is stale. `peerkey show certificate crl` has the error.",
        ("crl-unreachable",),
    ),
    Alert(
        "PeerkeyCrlRefused",
        'peerkey_crl_state{state="refused"} == 1',
        Severity.MAJOR,
        SETTLED,
        "What {{ $labels.url }} serves is no revocation list that counts",
        "The one before is in use. `peerkey show certificate crl` says what is wrong with it.",
        ("crl-refused",),
    ),
    Alert(
        "PeerkeyCrlLimited",
        _of_alarms("crl-limited"),
        Severity.MAJOR,
        AT_ONCE,
        "Not every revocation list is fetched or kept at {{ $labels.instance }}",
        "`peerkey show alarms` says what is too much, or what the disk refuses.",
        ("crl-limited",),
    ),
)

PAIRS: Final = (
    Alert(
        "PeerkeyHaMateDown",
        "peerkey_ha_link_up == 0",
        Severity.CRITICAL,
        SETTLED,
        f"{_NODE} has no link to its HA mate",
        "Its keys are not replicated, and it goes on alone. `peerkey show security key-status` says why.",
        ("ha-link",),
    ),
    Alert(
        "PeerkeyHaRefused",
        _of_alarms("ha-refused", "ha-host-key", "ha-copies-unreadable"),
        Severity.CRITICAL,
        AT_ONCE,
        f"{_NODE} and its HA mate do not accept each other",
        "A key, a configuration or a version is not the same on both. `peerkey show alarms` says which.",
        ("ha-refused", "ha-host-key", "ha-copies-unreadable"),
    ),
    Alert(
        "PeerkeyHaOutOfDate",
        _of_alarms("ha-out-of-date", "ha-key-not-replicated"),
        Severity.MAJOR,
        AT_ONCE,
        f"The HA mate of {_NODE} lacks keys that are in use",
        "Were the node to die now, its peers would have to rekey.",
        ("ha-out-of-date", "ha-key-not-replicated"),
    ),
)

RUNTIME: Final = (
    Alert(
        "PeerkeyActorCrashLoop",
        f"({_of_alarms('actor-crashing')}) or increase(peerkey_actor_crashes_total[10m]) > 10",
        Severity.MAJOR,
        AT_ONCE,
        f"Actors of {_NODE} crash again and again",
        "`peerkey show actors` names them and their errors; the log has the traces. A defect: report it.",
        ("actor-crashing",),
    ),
    Alert(
        "PeerkeyActorFailed",
        _of_alarms("actor-failed"),
        Severity.CRITICAL,
        AT_ONCE,
        f"An actor of {_NODE} crashed too often and was given up",
        "What it did is not done any more until the process is restarted. A defect: report it.",
        ("actor-failed",),
    ),
    Alert(
        "PeerkeyNodeNotRunning",
        _of_alarms("node", "node-unplaced", "nodes-unplaced"),
        Severity.CRITICAL,
        SETTLED,
        f"{_NODE} does not run",
        "`peerkey show hosts` says where it should and why it does not.",
        ("node", "node-unplaced", "nodes-unplaced"),
    ),
    Alert(
        "PeerkeyHostGone",
        _of_alarms("host", "machine"),
        Severity.CRITICAL,
        SETTLED,
        f"{_NODE}, a process or a machine of the cluster, is gone",
        "Its nodes have moved where they could. `peerkey show hosts` says what has no place.",
        ("host", "machine"),
    ),
    Alert(
        "PeerkeyClusterLimited",
        _of_alarms("cluster"),
        Severity.MAJOR,
        SETTLED,
        "The cluster cannot decide anything anew",
        "Nodes run where they are. `peerkey show alarms` says who does not answer.",
        ("cluster",),
    ),
    Alert(
        "PeerkeyStoreFailing",
        f"increase(peerkey_store_errors_total[5m]) > 0 or ({_of_alarms('store')})",
        Severity.CRITICAL,
        AT_ONCE,
        "The store of {{ $labels.instance }} does not do what is asked of it",
        "No key can be agreed without it. Look at the disk, or at Redis.",
        ("store",),
    ),
    Alert(
        "PeerkeyMailboxFilling",
        f"peerkey_mailbox_depth / peerkey_mailbox_capacity > {thresholds.MAILBOX_SHARE:g}",
        Severity.MAJOR,
        SETTLED,
        "A mailbox of {{ $labels.kind }} at {{ $labels.instance }} is nearly full",
        "What comes beyond is refused. More arrives than is handled: look at the load, and at the store.",
    ),
    Alert(
        "PeerkeyEventLoopSlow",
        "histogram_quantile(0.99, rate(peerkey_event_loop_lag_seconds_bucket[5m])) "
        f"> {thresholds.LOOP_LAG.total_seconds():g}",
        Severity.MINOR,
        LASTING,
        "The event loop at {{ $labels.instance }} is late",
        "The processor has too much to do, or something holds the loop. Peers may take paths for dead.",
    ),
    Alert(
        "PeerkeyAuditLogLosesEvents",
        f"increase(peerkey_audit_events_lost_total[15m]) > 0 or ({_of_alarms('audit-log')})",
        Severity.MAJOR,
        AT_ONCE,
        "Audit events at {{ $labels.instance }} could not be written",
        "The disk is full or broken. Events stay in memory, and a gap is recorded once it can be written.",
        ("audit-log",),
    ),
    Alert(
        "PeerkeyRestartNeeded",
        _of_alarms("restart-needed"),
        Severity.MAJOR,
        LASTING,
        "{{ $labels.instance }} goes by former settings until it is restarted",
        "`peerkey config diff FILE` says by which, and what a restart would do.",
        ("restart-needed",),
    ),
    Alert(
        "PeerkeyDrained",
        _of_alarms("node-drained", "host-drained"),
        Severity.MINOR,
        LASTING,
        f"{_NODE}, a node or hosts of the cluster, is out of work",
        "An operator has drained it. When the maintenance is over: `peerkey drain --undo`.",
        ("node-drained", "host-drained"),
    ),
)

WATCHING: Final = (
    Alert(
        "PeerkeyTargetDown",
        f"{_UP} == 0",
        Severity.CRITICAL,
        SETTLED,
        "{{ $labels.instance }} does not answer Prometheus",
        "The machine or its process is gone, or the network between. Nothing is known of it meanwhile.",
        held=AT_ONCE,
    ),
    Alert(
        "PeerkeyActorsSilent",
        "peerkey_up == 0",
        Severity.CRITICAL,
        SETTLED,
        "The actors at {{ $labels.instance }} do not answer",
        "The process lives. Its log says what its authority does; on a cluster, whether the coordinator is "
        "there.",
        held=AT_ONCE,
    ),
    Alert(
        "PeerkeyAbsent",
        # A fleet that has left, of several; or none ever came.
        f"group by (job) ({_KNOWN}) unless group by (job) ({_UP}) or (absent({_UP}) unless on () {_KNOWN})",
        Severity.CRITICAL,
        LASTING,
        "Prometheus knows of no machine of {{ with $labels.job }}{{ . }}{{ else }}peerkey{{ end }}",
        "Its scrape configuration or its service discovery names none, or calls the job by another name.",
        held=AT_ONCE,
    ),
    Alert(
        "PeerkeyMetricsLeftOut",
        "peerkey_metrics_series_left_out > 0",
        Severity.MINOR,
        LASTING,
        "{{ $labels.instance }} leaves out {{ $value }} series",
        "It has too many to be told one by one. Choose --metrics-detail, or spread the nodes.",
    ),
    Alert(
        "PeerkeyDeadMan",
        "vector(1)",
        None,
        AT_ONCE,
        "Alerts are evaluated and delivered",
        "This one is always there. Send it to somebody who calls when it stops coming.",
        held=AT_ONCE,
    ),
)

#: Of the service levels: see :mod:`metrics.rules`.
LEVELS: Final = (
    *(
        Alert(
            f"PeerkeyKeyedBudgetBurns{speed.capitalize()}",
            f"peerkey:peerings_unkeyed:ratio_avg{long} > {rate} * {1 - thresholds.KEYED_OBJECTIVE:.4g} "
            f"and peerkey:peerings_unkeyed:ratio_avg{short} > {rate} * {1 - thresholds.KEYED_OBJECTIVE:.4g}",
            Severity.CRITICAL if speed == "fast" else Severity.MAJOR,
            SETTLED,
            "Of all peerings {{ $value | humanizePercentage }} had no key in the last " + long,
            f"At this rate the share of {thresholds.KEYED_OBJECTIVE:.1%} over 30 days will not be reached. "
            "The other alerts say where it comes from.",
            held=AT_ONCE,
        )
        for speed, (rate, long, short) in thresholds.BURN_RATES.items()
    ),
    Alert(
        "PeerkeyRekeysLate",
        f"peerkey:rekeys_in_time:ratio_rate1d < {thresholds.REKEYS_OBJECTIVE}",
        Severity.MINOR,
        LASTING,
        "Of the rekeys of the last day only {{ $value | humanizePercentage }} were in time",
        "Peers were not reached when it was time, or the machine is too slow for so many.",
        held=AT_ONCE,
    ),
)

ALERTS: Final = (*CERTIFICATES, *PEERINGS, *LISTS, *PAIRS, *RUNTIME, *WATCHING, *LEVELS)
