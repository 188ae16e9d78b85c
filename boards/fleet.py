"""The fleet, by which one sees whether something is wrong, what it is, and whether it is getting worse.

The first row answers the first question with one number for each way in which a fleet fails. The second
names who is concerned and why, so that none of the usual causes needs a click: a certificate that ends, a
peer that is revoked, a server of lists that is down, a peer with another algorithm, a wrong clock, a node
that is killed.
"""

from __future__ import annotations

from typing import Final

from boards.pieces import (
    A_MINUTE,
    CLOCK,
    ENDS,
    IF_HAPPENED,
    IF_LISTS,
    IF_WRONG,
    IN_TIME,
    INSTANCE,
    JOB,
    KEYED,
    LISTS_NOT_CURRENT,
    SEVERITIES,
    STATES_OF_LISTS,
    Board,
    Panel,
    Query,
    Row,
    Shows,
    any_is,
    buckets,
    figure,
    grown,
    here,
    machine,
    which_peering,
)
from peerkey.observe.alarms import Severity

_OWN: Final = here("peerkey_certificate_not_after_timestamp_seconds")
_FAILURES: Final = here("peerkey_peering_failures_total")
_REFUSED: Final = here("peerkey_peer_authentications_total", 'outcome=~"refused|went-bad"')
_CRITICAL: Final = here("peerkey_alarms_active", 'severity="critical"')
_OTHER: Final = here("peerkey_alarms_active", 'severity!="critical"')
_CLOCK_DIFFERS: Final = (
    f"abs(timestamp({here('peerkey_clock_timestamp_seconds')}) - {here('peerkey_clock_timestamp_seconds')})"
)
_UNKEYED: Final = f"({here('peerkey_peerings_enabled')} - {here('peerkey_peerings_keyed')}) > 0"
_REASONS: Final = f"(sum by (job, node, instance, reason) ({_FAILURES}) > 0)"
_NOT_RUNNING: Final = 'type=~"node|node-unplaced|nodes-unplaced|host|machine"'


_WRONG: Final = Row(
    100,
    "Is something wrong?",
    (
        figure(
            1,
            "Critical alarms",
            "Alarms of severity critical that are there now. Not 0: the table *Alarms* below names each, "
            "and its type leads to the page that tells what to do.",
            f"sum({_CRITICAL})",
            any_is(Severity.CRITICAL),
        ),
        figure(
            2,
            "Other alarms",
            "Alarms of severity major, minor or warning. They can wait until the morning, not until next "
            "month.",
            f"sum({_OTHER})",
            any_is(Severity.MINOR),
        ),
        figure(
            3,
            "Machines that are silent",
            "Machines that do not answer Prometheus, and those whose actors do not. Nothing below is known "
            "of them: see to these first. A machine that was killed is here.",
            f"(count({machine('up')} == 0) or vector(0)) + (count({here('peerkey_up')} == 0) or vector(0))",
            any_is(Severity.CRITICAL),
            "PeerkeyTargetDown",
            "PeerkeyActorsSilent",
        ),
        figure(
            4,
            "Nodes that do not run",
            "Nodes, processes and machines of a cluster of which an alarm says that they are gone. `peerkey "
            "show hosts` says where they should run.",
            f"sum({here('peerkey_alarms_active', _NOT_RUNNING)})",
            any_is(Severity.CRITICAL),
            "PeerkeyNodeNotRunning",
            "PeerkeyHostGone",
        ),
        figure(
            5,
            "Peers out of reach",
            "Peerings none of whose paths is in service. The peer is down (killed, without power) or the "
            "network between is. Keys stay valid. *Which peering is not as it should be, and why* has them.",
            f"sum({here('peerkey_peerings_unreachable')})",
            any_is(Severity.CRITICAL),
            "PeerkeyPeeringDown",
        ),
        figure(
            6,
            "Peerings without a key",
            "Peerings that should have a key and have none: traffic is not protected, or does not flow. "
            "*Why there is no key* below has the reason, such as a peer with another algorithm.",
            f"sum({here('peerkey_peerings_enabled')}) - sum({here('peerkey_peerings_keyed')})",
            any_is(Severity.CRITICAL),
            "PeerkeyPeeringNotKeyed",
            "PeerkeyNoKeyAgreed",
        ),
        figure(
            7,
            "Bad peer certificates",
            "Peerings whose peer shows no good certificate: revoked, expired, of another CA. *Why a peer is "
            "not accepted* below has the reason.",
            f"sum({here('peerkey_peer_certificates_bad')})",
            any_is(Severity.CRITICAL),
            "PeerkeyAuthenticationFailing",
        ),
        Panel(
            8,
            "Clocks differ by",
            Shows.STAT,
            "By how much the clock of a machine differs from that of Prometheus, at most. Above a minute "
            "good certificates are refused, or ended ones accepted: compare `date` with a time server on "
            "both. *Clocks* below says which machine.",
            (Query(f"max({_CLOCK_DIFFERS})", "differ by"),),
            unit="s",
            scale=CLOCK,
            width=3,
            height=4,
            alerts=("PeerkeyClockWrong",),
        ),
        Panel(
            9,
            "First certificate ends in",
            Shows.STAT,
            "How long the certificate that ends first is still valid. Yellow below 30 days, orange below 7, "
            "red when it has ended, as the alarms are. *Certificates by their end* names it: `peerkey "
            "enroll`.",
            (Query(f"min({_OWN}) - time()", "First certificate ends in"),),
            unit="s",
            scale=ENDS,
            width=3,
            height=4,
            alerts=("PeerkeyCertificateExpiresSoon", "PeerkeyCertificateExpiresVerySoon"),
        ),
        figure(
            10,
            "Bad own certificates",
            "Nodes without a certificate of their own, or with one that is expired, revoked or not valid: "
            "no peer accepts them. `peerkey show certificate` on the node says what is wrong.",
            f"count({here('peerkey_certificate_valid')} == 0) or vector(0)",
            any_is(Severity.CRITICAL),
            "PeerkeyCertificateExpired",
            "PeerkeyCertificateBad",
        ),
        figure(
            11,
            "Lists that are not current",
            "Revocation lists that are stale, refused or cannot be fetched: the server of lists is down, or "
            "serves what is none. The table *Revocation lists* names it.",
            LISTS_NOT_CURRENT,
            any_is(Severity.MAJOR),
            "PeerkeyCrlUnreachable",
            "PeerkeyCrlRefused",
            "PeerkeyCrlStale",
        ),
        figure(
            12,
            "Rekeys overdue",
            "Keys in use for longer than the rekey interval and ten minutes. The key goes on; `peerkey show "
            "security key-status` has the last error.",
            f"sum({here('peerkey_peerings_rekey_overdue')})",
            any_is(Severity.MAJOR),
            "PeerkeyRekeyOverdue",
        ),
        figure(
            13,
            "HA links down",
            "Nodes of HA pairs that do not hear their mate: their keys are not replicated. The board of "
            "routers has the pairs.",
            f"count({here('peerkey_ha_link_up')} == 0) or vector(0)",
            any_is(Severity.CRITICAL),
        ),
        Panel(
            14,
            "Share of peerings keyed",
            Shows.STAT,
            "The share now. The objective is 99.9 % over 30 days.",
            (Query('min(peerkey:peerings_keyed:ratio{job=~"$job"})', "now"),),
            unit="percentunit",
            decimals=3,
            scale=KEYED,
            width=3,
            height=4,
        ),
        Panel(
            15,
            "Keyed over 30 days",
            Shows.STAT,
            "The service level: the share of peerings that had a key, on average over 30 days. Below 99.9 % "
            "the budget is spent.",
            (Query('1 - max(peerkey:peerings_unkeyed:ratio_avg30d{job=~"$job"})', "30 days"),),
            unit="percentunit",
            decimals=3,
            scale=KEYED,
            width=3,
            height=4,
            alerts=("PeerkeyKeyedBudgetBurnsFast", "PeerkeyKeyedBudgetBurnsSlow"),
        ),
        figure(
            16,
            "Events lost",
            "Audit events that could not be written, since the counters count: the disk of the audit log is "
            "full or broken.",
            f"sum({here('peerkey_audit_events_lost_total')})",
            any_is(Severity.MAJOR),
            "PeerkeyAuditLogLosesEvents",
        ),
    ),
)

_WHAT: Final = Row(
    101,
    "What is it, and why?",
    (
        Panel(
            20,
            "Alarms",
            Shows.TABLE,
            "Every alarm that is there now, by who notices it. Its type leads to the page that tells what "
            "to do.",
            (
                Query(
                    f"sum by (severity, type, node, instance, job) ({here('peerkey_alarms')})",
                    "How many",
                    IF_WRONG,
                ),
            ),
            columns=("severity", "type", "node", "instance", "job"),
            painted="severity",
            sorted_by=("severity", False),
            words=SEVERITIES,
            width=12,
            alerts=(
                "PeerkeyTrustUnreadable",
                "PeerkeyPeerTwice",
                "PeerkeyRestartNeeded",
                "PeerkeyDrained",
                "PeerkeyCrlLimited",
                "PeerkeyClusterLimited",
                "PeerkeyActorFailed",
                "PeerkeyCertificateBad",
                "PeerkeyAuditLogLosesEvents",
            ),
            nothing="No alarm",
            leads=("type", "docs/alarms.md"),
        ),
        Panel(
            21,
            "Alerts that fire",
            Shows.TABLE,
            "What Prometheus woke somebody for. The name leads to its page. The dead man's alert is left "
            "out.",
            (
                Query(
                    "sum by (severity, alertname, node, instance, job) "
                    '(ALERTS{job=~"$job|",instance=~"$instance|",alertname=~"Peerkey.+",alertname!="PeerkeyDeadMan",alertstate="firing"})',
                    "How many",
                    IF_WRONG,
                ),
            ),
            columns=("severity", "alertname", "node", "instance", "job"),
            painted="severity",
            sorted_by=("severity", False),
            words=SEVERITIES,
            width=12,
            nothing="No alert",
            leads=("alertname", "docs/alerts.md"),
        ),
        which_peering(29, here("peerkey_peering_fault"), "PeerkeyPathDown", "PeerkeyNoKeyAgreed", width=16),
        Panel(
            28,
            "Clocks",
            Shows.TABLE,
            "By how much the clock of each machine differs from that of Prometheus. One that differs is "
            "wrong; where all do, Prometheus' own is.",
            (Query(f"sort_desc({_CLOCK_DIFFERS})", "Differs by"),),
            columns=("instance", "job"),
            sorted_by=(0, True),
            unit="s",
            scale=CLOCK,
            width=8,
            alerts=("PeerkeyClockWrong",),
        ),
        Panel(
            22,
            "Why there is no key",
            Shows.TABLE,
            "What the nodes that lack a key have counted, by reason. `algorithm-mismatch`: both ends must "
            "have the same key-exchange-algorithm. `certificate-invalid`: see the panel beside. `stale`, "
            "`busy`: they mend themselves. `none told`: the peer is silent, has not answered yet, or is not "
            "accepted (the panel beside).",
            (
                Query(
                    f"({_REASONS} and on (job, instance, node) ({_UNKEYED})) or label_replace("
                    f"({_UNKEYED} unless on (job, instance, node) {_REASONS}) * 0, "
                    '"reason", "none told", "", "")',
                    "How often",
                    IF_WRONG,
                ),
            ),
            columns=("node", "reason", "instance", "job"),
            sorted_by=(0, True),
            width=8,
            nothing="Every peering has its key",
            alerts=("PeerkeyPeeringNotKeyed",),
        ),
        Panel(
            23,
            "Why a peer is not accepted",
            Shows.TABLE,
            "What the nodes with a peer without a good certificate have counted, by reason. `revoked`: its "
            "CA took it back; replace the peer's certificate, or find out who uses it. `not-yet-valid` or "
            "`expired` at many nodes at once: a clock is wrong. `untrusted`: another CA.",
            (
                Query(
                    f"(sum by (job, node, instance, outcome, reason) ({_REFUSED}) > 0) "
                    f"and on (job, instance, node) ({here('peerkey_peer_certificates_bad')} > 0)",
                    "How often",
                    IF_WRONG,
                ),
            ),
            columns=("node", "reason", "outcome", "instance", "job"),
            sorted_by=(0, True),
            width=8,
            nothing="Every peer is accepted",
            alerts=("PeerkeyAuthenticationFailing",),
        ),
        Panel(
            24,
            "Machines that do not answer",
            Shows.TABLE,
            "Which machine is silent, and whether it is the whole of it or its actors alone. Its nodes are "
            "named by their peers: *Peers out of reach, by node*.",
            (
                Query(
                    f'label_replace({machine("up")} == 0, "silent", "machine", "", "") '
                    f'or label_replace({here("peerkey_up")} == 0, "silent", "actors", "", "")',
                    "Answers",
                    IF_WRONG,
                    only_there=True,
                ),
            ),
            columns=("instance", "silent", "job"),
            width=8,
            nothing="Every machine answers",
            alerts=(
                "PeerkeyTargetDown",
                "PeerkeyActorsSilent",
            ),
        ),
        Panel(
            25,
            "Certificates by their end",
            Shows.TABLE,
            "The ten certificates that end first. `peerkey enroll`, or a new request and `peerkey import "
            "certificate`: nothing restarts.",
            (Query(f"sort(bottomk(10, {_OWN} - time()))", "Ends in"),),
            columns=("node", "instance", "job"),
            sorted_by=(0, False),
            unit="s",
            scale=ENDS,
            width=8,
        ),
        Panel(
            26,
            "Revocation lists",
            Shows.TABLE,
            "Each list with its state. `unreachable`: its server is down or the way to it is; the last good "
            "one is in use until it is stale. `refused`: what is served is no list of this CA.",
            (Query(f"{here('peerkey_crl_state')} == 1", "Is", IF_LISTS, only_there=True),),
            columns=("url", "state", "instance", "job"),
            painted="state",
            words=tuple((state, state, colour) for state, colour in STATES_OF_LISTS.items()),
            width=8,
            nothing="No list is configured",
        ),
        Panel(
            27,
            "Peers out of reach, by node",
            Shows.TABLE,
            "Who misses whom most. A node that all others miss is the one that is down; one that misses all "
            "others has lost its network.",
            (Query(f"sort_desc({here('peerkey_peerings_unreachable')} > 0)", "Peers", IF_WRONG),),
            columns=("node", "instance", "job"),
            sorted_by=(0, True),
            width=8,
            alerts=("PeerkeyPeeringDown",),
            nothing="Everybody is reached",
        ),
    ),
)

_WORSE: Final = Row(
    102,
    "Is it getting worse?",
    (
        Panel(
            30,
            "Peerings",
            Shows.SERIES,
            "Those that should be keyed, those that are, and those out of reach. The first two lines are "
            "one while all is well.",
            (
                Query(f"sum({here('peerkey_peerings_enabled')})", "should be keyed"),
                Query(f"sum({here('peerkey_peerings_keyed')})", "keyed"),
                Query(f"sum({here('peerkey_peerings_unreachable')})", "out of reach"),
            ),
            width=8,
            alerts=(
                "PeerkeyKeyedBudgetBurnsFast",
                "PeerkeyKeyedBudgetBurnsSlow",
            ),
        ),
        Panel(
            31,
            "Paths by state",
            Shows.SERIES,
            "A path that is down while its peer is reached by another shows here, and nowhere at the top.",
            (Query(f"sum by (state) ({here('peerkey_paths')})", "{{state}}"),),
            width=8,
            stacked=True,
        ),
        Panel(
            32,
            "Alarms by severity",
            Shows.SERIES,
            "When it began. Compare with the panels beside it.",
            (Query(f"sum by (severity) ({here('peerkey_alarms_active')})", "{{severity}}"),),
            width=8,
            stacked=True,
        ),
        Panel(
            33,
            "Rekeys",
            Shows.SERIES,
            "Rekeys in an hour by whether the interval was kept. Late ones have a peer that was not reached "
            "in time.",
            (
                Query(
                    f"sum by (result) (increase({here('peerkey_rekeys_total')}[1h]))",
                    "{{result}}",
                    IF_HAPPENED,
                ),
            ),
            width=8,
            nothing="No rekey yet",
        ),
        Panel(
            34,
            "Rekeys in time",
            Shows.SERIES,
            "The share over a day. The objective is 99 %.",
            (Query('peerkey:rekeys_in_time:ratio_rate1d{job=~"$job"}', "{{job}}", IF_HAPPENED),),
            unit="percentunit",
            decimals=3,
            scale=IN_TIME,
            most=1,
            width=8,
            alerts=("PeerkeyRekeysLate",),
            nothing="No rekey yet",
        ),
        Panel(
            35,
            "Keys that came into use",
            Shows.SERIES,
            "Each minute. A fleet that rekeys all at once has a tooth here: spread it by other intervals.",
            (Query(f"sum(rate({here('peerkey_key_changes_total')}[$__rate_interval])) * 60", "keys"),),
            unit=A_MINUTE,
            width=8,
        ),
        Panel(
            36,
            "How long a peering takes until it has a key",
            Shows.HEATMAP,
            "From a peering without a key until one is in use. It contains the thirty seconds that the "
            "specification waits before a key is used. Much more means retransmissions: look at frames "
            "dropped.",
            (Query(buckets(here("peerkey_establishment_duration_seconds_bucket")), "{{le}}"),),
            unit="s",
            width=12,
        ),
        Panel(
            37,
            "How long a rekey takes",
            Shows.HEATMAP,
            "From its beginning until its key is in use.",
            (Query(buckets(here("peerkey_rekey_duration_seconds_bucket")), "{{le}}", IF_HAPPENED),),
            unit="s",
            width=12,
            nothing="No rekey yet",
        ),
        Panel(
            38,
            "Causes that kept peerings from being keyed",
            Shows.TABLE,
            "In the time that is chosen above, over now too. The panel *Why there is no key* has those of "
            "now.",
            (Query(grown(_FAILURES, "reason"), "How often", IF_WRONG),),
            columns=("reason",),
            sorted_by=(0, True),
            width=12,
            nothing="None in this time",
        ),
        Panel(
            39,
            "Peers that were not accepted",
            Shows.TABLE,
            "In the time that is chosen above. A reason that nobody can explain may be an attack: `peerkey "
            "show events`.",
            (Query(grown(_REFUSED, "outcome, reason"), "How often", IF_WRONG),),
            columns=("reason", "outcome"),
            sorted_by=(0, True),
            width=12,
            nothing="None in this time",
        ),
    ),
)

BOARD: Final = Board(
    "peerkey-fleet",
    "peerkey: fleet",
    "Is something wrong, what is it, and is it getting worse?",
    (JOB, INSTANCE),
    (_WRONG, _WHAT, _WORSE),
)
