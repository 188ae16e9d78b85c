"""The routers: who is keyed with whom, by which paths, since when, and what becomes of HA pairs.

It names peers and paths, and so is empty where a machine does not (``--metrics-detail``): the board of the
fleet is for those.
"""

from __future__ import annotations

from typing import Final

from boards.pieces import (
    A_MINUTE,
    COLOURS,
    ENDS,
    IF_HA,
    IF_HAPPENED,
    IF_WRONG,
    INSTANCE,
    JOB,
    NODE,
    PEER,
    PLAIN,
    SEVERITIES,
    WELL,
    Board,
    Panel,
    Query,
    Row,
    Scale,
    Shows,
    any_is,
    figure,
    grown,
    lanes,
    node,
    peer,
    quantile,
    which_peering,
)
from metrics import thresholds
from metrics.labels import STATUSES
from peerkey.observe.alarms import Severity

_GRACE: Final = thresholds.REKEY_GRACE.total_seconds()
_LEFT: Final = f"{node('peerkey_certificate_not_after_timestamp_seconds')} - time()"
_KEY_AGE: Final = f"time() - {peer('peerkey_peering_key_timestamp_seconds')}"
#: As the lanes number them: their place in the order of the specification.
_STATUS: Final = lanes(peer, "peerkey_peering_state", "state", STATUSES)
_STATUS_WORDS: Final = tuple(
    (
        str(number),
        status,
        {"MKEY_EXCH_COMP": WELL, "REMOVED": COLOURS[Severity.CRITICAL], "ESKM_DISABLED": "text"}.get(
            status, COLOURS[Severity.MAJOR]
        ),
    )
    for number, status in enumerate(STATUSES)
)
_YES_NO: Final = (("0", "down", COLOURS[Severity.CRITICAL]), ("1", "in service", WELL))


_NOW: Final = Row(
    100,
    "Is something wrong with these nodes?",
    (
        figure(
            1,
            "Peerings without a key",
            "Of the nodes that are chosen. The lanes below say with whom and how far each has come.",
            f"sum({node('peerkey_peerings_enabled')}) - sum({node('peerkey_peerings_keyed')})",
            any_is(Severity.CRITICAL),
            width=4,
        ),
        figure(
            2,
            "Peers out of reach",
            "By any path. The lanes *Paths* say which are down, and since when.",
            f"sum({node('peerkey_peerings_unreachable')})",
            any_is(Severity.CRITICAL),
            width=4,
        ),
        figure(
            3,
            "Bad peer certificates",
            "*Why peers were not accepted* has the reason: `revoked`, `expired`, `untrusted` and others.",
            f"sum({node('peerkey_peer_certificates_bad')})",
            any_is(Severity.CRITICAL),
            width=4,
        ),
        figure(
            4,
            "Own certificate ends in",
            "Of the node whose certificate ends first. `peerkey enroll`, or a new request and `peerkey "
            "import certificate`.",
            f"min({_LEFT})",
            ENDS,
            unit="s",
            width=4,
        ),
        figure(
            5,
            "Oldest key",
            "The age of the newest key of the peering that has had none for the longest time. To be "
            "compared with the rekey interval.",
            f"time() - min({node('peerkey_oldest_key_timestamp_seconds')})",
            Scale(PLAIN),
            unit="s",
            width=4,
        ),
        figure(
            6,
            "Next rekey in",
            f"Below 0 it is late; below -{_GRACE:g} s the alert *PeerkeyRekeyOverdue* fires. None: no "
            "interval is configured.",
            f"min({node('peerkey_next_rekey_timestamp_seconds')}) - time()",
            Scale(COLOURS[Severity.MAJOR], ((-_GRACE, WELL),)),
            unit="s",
            quiet="there is no next rekey where no interval is configured, or no key yet",
            width=4,
        ),
    ),
)

_PEERS: Final = Row(
    101,
    "Who reaches whom?",
    (
        Panel(
            10,
            "Peerings",
            Shows.LANES,
            "Each peering by its security status. MKEY_EXCH_COMP is keyed. One that stays in KEY_EXCH_INIT: "
            "the two ends do not agree, or frames are lost. One in CERT_EXCH_INIT: a certificate is not "
            "accepted, or the peer does not answer.",
            (Query(f"max by (node, peer, job) ({_STATUS})", "{{node}} with {{peer}} ({{job}})"),),
            width=12,
            height=10,
            words=_STATUS_WORDS,
        ),
        Panel(
            11,
            "Paths",
            Shows.LANES,
            "Each path: green while it is in service. All paths of one peer red: the peer is down. One of "
            "several: the network of that path.",
            (
                Query(
                    f"max by (node, peer, path, job) ({peer('peerkey_path_in_service')})",
                    "{{node}} to {{peer}} by {{path}} ({{job}})",
                ),
            ),
            width=12,
            height=10,
            words=_YES_NO,
        ),
        Panel(
            12,
            "Peers",
            Shows.TABLE,
            "Each peering: how many paths, how many in service, how old its newest key is. A peer with no "
            "path in service is out of reach.",
            (
                Query(f"max by (node, peer, job) ({peer('peerkey_peering_paths')})", "Paths"),
                Query(f"max by (node, peer, job) ({peer('peerkey_peering_paths_in_service')})", "In service"),
                Query(f"max by (node, peer, job) ({_KEY_AGE})", "Age of the key", unit="s"),
            ),
            columns=("node", "peer", "job"),
            sorted_by=(1, False),
            width=12,
        ),
        Panel(
            13,
            "Age of keys",
            Shows.SERIES,
            "The twenty oldest. A saw: it falls to 0 at each rekey. One that goes on growing while others "
            "fall has a peer that does not rekey.",
            (Query(f"topk(20, max by (node, peer, job) ({_KEY_AGE}))", "{{node}} with {{peer}} ({{job}})"),),
            unit="s",
            width=12,
            alerts=("PeerkeyRekeyOverdue",),
        ),
    ),
)

_WHY: Final = Row(
    102,
    "Why?",
    (
        which_peering(14, node("peerkey_peering_fault", 'peer=~"$peer"'), width=24),
        Panel(
            20,
            "Causes that kept peerings from being keyed",
            Shows.TABLE,
            "In the time that is chosen above. `algorithm-mismatch`: the peer has another "
            "key-exchange-algorithm. `unsupported-version`: another release.",
            (
                Query(
                    grown(node("peerkey_peering_failures_total"), "node, reason, job"), "How often", IF_WRONG
                ),
            ),
            columns=("node", "reason", "job"),
            sorted_by=(0, True),
            width=8,
            nothing="None in this time",
        ),
        Panel(
            21,
            "Why peers were not accepted",
            Shows.TABLE,
            "In the time that is chosen above. `not-yet-valid` and `expired` with a certificate that is good "
            "elsewhere: the clock of this node is wrong.",
            (
                Query(
                    grown(
                        node("peerkey_peer_authentications_total", 'outcome=~"refused|went-bad"'),
                        "node, outcome, reason, job",
                    ),
                    "How often",
                    IF_WRONG,
                ),
            ),
            columns=("node", "reason", "outcome", "job"),
            sorted_by=(0, True),
            width=8,
            nothing="None in this time",
        ),
        Panel(
            22,
            "Alarms of these nodes",
            Shows.TABLE,
            "The type leads to the page that tells what to do.",
            (Query(f"sum by (severity, type, node, job) ({node('peerkey_alarms')})", "How many", IF_WRONG),),
            columns=("severity", "type", "node", "job"),
            painted="severity",
            sorted_by=("severity", False),
            words=SEVERITIES,
            width=8,
            nothing="No alarm",
            leads=("type", "docs/alarms.md"),
        ),
        Panel(
            23,
            "Frames dropped",
            Shows.SERIES,
            "Frames of peers that changed nothing, each minute, by reason. A few of `repeated-…` are "
            "retransmissions. `bad-mac` or `malformed` in numbers: somebody sends what no peer does.",
            (
                Query(
                    f"sum by (reason) (rate({node('peerkey_frames_dropped_total')}[$__rate_interval])) * 60",
                    "{{reason}}",
                    IF_HAPPENED,
                ),
            ),
            unit=A_MINUTE,
            width=8,
            nothing="None was dropped",
        ),
        Panel(
            24,
            "Paths that went up and down",
            Shows.SERIES,
            "Each minute. A path that flaps: the network, or a peer that restarts.",
            (
                Query(
                    f"sum by (result) (rate({node('peerkey_path_changes_total')}[$__rate_interval])) * 60",
                    "{{result}}",
                ),
            ),
            unit=A_MINUTE,
            width=8,
        ),
        Panel(
            25,
            "Establishing a key, and rekeying",
            Shows.SERIES,
            "Half of them, and nineteen of twenty, took no longer. Thirty seconds are the specification's "
            "wait before a key is used.",
            (
                Query(
                    quantile(0.5, node("peerkey_establishment_duration_seconds_bucket")),
                    "establishment, half",
                    "NaN where nothing was established in the interval",
                ),
                Query(
                    quantile(0.95, node("peerkey_establishment_duration_seconds_bucket")),
                    "establishment, 95 %",
                    "NaN where nothing was established in the interval",
                ),
                Query(
                    quantile(0.95, node("peerkey_rekey_duration_seconds_bucket")), "rekey, 95 %", IF_HAPPENED
                ),
            ),
            unit="s",
            width=8,
            nothing="Nothing in this time",
        ),
    ),
)

_PAIRS: Final = Row(
    103,
    "HA pairs",
    (
        Panel(
            30,
            "Link to the mate",
            Shows.LANES,
            "Green while the mate has greeted and is heard. Red: the node goes on alone and its keys are not "
            "replicated; `peerkey show security key-status` says why.",
            (Query(f"max by (node, job) ({node('peerkey_ha_link_up')})", "{{node}} ({{job}})", IF_HA),),
            width=8,
            height=6,
            alerts=("PeerkeyHaMateDown", "PeerkeyHaRefused"),
            nothing="No HA pair",
            words=(("0", "down", COLOURS[Severity.CRITICAL]), ("1", "up", WELL)),
        ),
        Panel(
            31,
            "Who leads, and who has taken over",
            Shows.LANES,
            "One of two leads. A node that has taken over seals with its mate's keys: the mate is down.",
            (
                Query(f"max by (node, job) ({node('peerkey_ha_leader')})", "{{node}} leads ({{job}})", IF_HA),
                Query(
                    f"max by (node, job) ({node('peerkey_ha_taken_over')})",
                    "{{node}} has taken over ({{job}})",
                    IF_HA,
                ),
            ),
            width=8,
            height=6,
            nothing="No HA pair",
            words=(("0", "no", "text"), ("1", "yes", PLAIN)),
        ),
        Panel(
            32,
            "Records that the mate lacks",
            Shows.SERIES,
            "Changes that the mate has not stored yet. It is above 0 for a moment at each rekey; where it "
            "stays, the mate is out of date and its peers would have to rekey if the node died now.",
            (Query(f"max by (node, job) ({node('peerkey_ha_lag_records')})", "{{node}} ({{job}})", IF_HA),),
            width=4,
            height=6,
            alerts=("PeerkeyHaOutOfDate",),
            nothing="No HA pair",
        ),
        Panel(
            33,
            "Mate not heard for",
            Shows.SERIES,
            "Seconds since the mate was heard. It is above a few only where the mate or the way to it is "
            "down.",
            (
                Query(
                    f"max by (node, job) ({node('peerkey_ha_mate_silent_seconds')})",
                    "{{node}} ({{job}})",
                    IF_HA,
                ),
            ),
            unit="s",
            width=4,
            height=6,
            nothing="No HA pair",
        ),
    ),
)

BOARD: Final = Board(
    "peerkey-router",
    "peerkey: routers",
    "Who is keyed with whom, by which paths and since when; and if not, why.",
    (JOB, INSTANCE, NODE, PEER),
    (_NOW, _PEERS, _WHY, _PAIRS),
)
