"""Certificates and revocation lists: what ends, what is bad, and what is not known of revocation."""

from __future__ import annotations

from typing import Final

from boards.pieces import (
    ENDS,
    IF_HAPPENED,
    IF_LISTS,
    IF_WRONG,
    INSTANCE,
    JOB,
    LISTS_NOT_CURRENT,
    NODE,
    PLAIN,
    STATES_OF_LISTS,
    Board,
    Panel,
    Query,
    Row,
    Scale,
    Shows,
    any_is,
    buckets,
    figure,
    grown,
    here,
    lanes,
    node,
    quantile,
)
from metrics.labels import LIST_STATES
from peerkey.observe.alarms import Severity

_ENDS: Final = node("peerkey_certificate_not_after_timestamp_seconds")
_API: Final = here("peerkey_api_certificate_not_after_timestamp_seconds")
_ALARMS: Final = here(
    "peerkey_alarms_active", 'type=~"certificate.*|crl.*|peer-certificate|enrollment|trust|clock"'
)
_STATE: Final = lanes(here, "peerkey_crl_state", "state", LIST_STATES)
_STATE_WORDS: Final = tuple(
    (
        str(number),
        state,
        STATES_OF_LISTS[state],
    )
    for number, state in enumerate(LIST_STATES)
)


def _results(number: int, title: str, description: str, counter: str, by: str, *alerts: str) -> Panel:
    """Return what came of something, each hour."""
    return Panel(
        number,
        title,
        Shows.SERIES,
        description,
        (Query(f"sum by ({by}) (increase({counter}[1h]))", f"{{{{{by}}}}}"),),
        width=8,
        alerts=alerts,
    )


_NOW: Final = Row(
    100,
    "Is something wrong?",
    (
        figure(
            1,
            "First certificate ends in",
            "Yellow below 30 days, orange below 7, red when it has ended, as the alarms are. The table "
            "below names it.",
            f"min({_ENDS}) - time()",
            ENDS,
            unit="s",
            width=4,
        ),
        figure(
            2,
            "Bad own certificates",
            "Missing, expired, revoked or not valid. `peerkey show certificate` on the node says which and "
            "why.",
            f"count({node('peerkey_certificate_valid')} == 0) or vector(0)",
            any_is(Severity.CRITICAL),
            width=4,
        ),
        figure(
            3,
            "Bad peer certificates",
            "Peerings whose peer shows none that is accepted. *Why peers were not accepted* has the reason.",
            f"sum({node('peerkey_peer_certificates_bad')})",
            any_is(Severity.CRITICAL),
            width=4,
        ),
        figure(
            4,
            "Lists that are not current",
            "Stale, refused or out of reach. The lanes below say which, and since when.",
            LISTS_NOT_CURRENT,
            any_is(Severity.MAJOR),
            width=4,
        ),
        figure(
            5,
            "Revoked certificates",
            "Entries of all lists together, at the machine that knows most. A jump is a CA that has taken "
            "back many: find out why.",
            f"max({here('peerkey_revoked_certificates')})",
            Scale(PLAIN),
            width=4,
        ),
        figure(
            6,
            "Alarms of certificates and lists",
            "The board of the fleet names each and leads to its page.",
            f"sum({_ALARMS})",
            any_is(Severity.MINOR),
            width=4,
        ),
    ),
)

_CERTIFICATES: Final = Row(
    101,
    "Certificates",
    (
        Panel(
            10,
            "Certificates by their end",
            Shows.TABLE,
            "The twenty that end first. `peerkey enroll`, or a new request and `peerkey import certificate`.",
            (Query(f"sort(bottomk(20, {_ENDS} - time()))", "Ends in"),),
            columns=("node", "instance", "job"),
            sorted_by=(0, False),
            unit="s",
            scale=ENDS,
            width=8,
            alerts=(
                "PeerkeyCertificateExpiresSoon",
                "PeerkeyCertificateExpiresVerySoon",
                "PeerkeyCertificateExpired",
            ),
        ),
        Panel(
            11,
            "Certificates over time",
            Shows.SERIES,
            "How long each is still valid: a line that falls, and leaps up at a renewal. The dashed lines "
            "are where the alarms are.",
            (Query(f"bottomk(10, {_ENDS} - time())", "{{node}} ({{job}})"),),
            unit="s",
            scale=ENDS,
            width=8,
        ),
        Panel(
            12,
            "Certificate of the admin API ends in",
            Shows.STAT,
            "Replace the files of --api-certificate and --api-key, then `peerkey reload`. None: the API is "
            "not on TCP.",
            (Query(f"min({_API}) - time()", "ends in", "it is there with --api-certificate alone"),),
            unit="s",
            scale=ENDS,
            width=8,
            alerts=("PeerkeyApiCertificateExpiresSoon", "PeerkeyApiCertificateExpiresVerySoon"),
            nothing="The API has none",
        ),
        Panel(
            13,
            "Why peers were not accepted",
            Shows.TABLE,
            "In the time that is chosen above. `revoked`: its CA took it back. `not-yet-valid` and "
            "`expired` at many nodes at once: a clock is wrong. `revocation-unknown`: a list is missing.",
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
        _results(
            14,
            "Own certificates found bad",
            "Each hour, by what they were found. Each has its alarm.",
            node("peerkey_certificate_faults_total"),
            "state",
        ),
        _results(
            15,
            "Peers' certificates found bad",
            "Each hour, by what they were found.",
            node("peerkey_peer_certificate_faults_total"),
            "state",
        ),
        _results(
            16,
            "Requests for certificates",
            "Each hour. `failure`: `peerkey show events` says why.",
            node("peerkey_csr_total"),
            "result",
        ),
        _results(
            17,
            "Imports of certificates",
            "Each hour. `failure` is a certificate that does not belong to the key, or to the node.",
            node("peerkey_certificate_import_total"),
            "result",
        ),
        Panel(
            18,
            "Enrolments",
            Shows.SERIES,
            "Certificates asked of a CA, each hour. `failure` that goes on: the CA refuses or does not "
            "answer; the old certificate is in use until it ends.",
            (
                Query(
                    f"sum by (result) (increase({node('peerkey_certificate_enrollments_total')}[1h]))",
                    "{{result}}",
                    IF_HAPPENED,
                ),
            ),
            width=8,
            alerts=("PeerkeyEnrollmentFailing",),
            nothing="No CA was asked",
        ),
        Panel(
            19,
            "How long it takes to judge a peer's certificates",
            Shows.HEATMAP,
            "Longer than a tenth of a second: the processor has too much to do, or the lists are very large.",
            (Query(buckets(here("peerkey_certificate_validation_duration_seconds_bucket")), "{{le}}"),),
            unit="s",
            width=12,
        ),
        Panel(
            20,
            "Checks whether the own certificate is revoked",
            Shows.SERIES,
            "Each hour. `revoked`: its node has been taken back. `not-checked`: no list spoke of it.",
            (
                Query(
                    f"sum by (result) (increase({node('peerkey_revocation_checks_total')}[1h]))",
                    "{{result}}",
                    IF_HAPPENED,
                ),
            ),
            width=12,
            nothing="No check yet",
        ),
    ),
)

_LISTS: Final = Row(
    102,
    "Revocation lists",
    (
        Panel(
            30,
            "Lists",
            Shows.LANES,
            "Each list by its state, the worst of all machines. `unreachable` begins when its server goes "
            "down, and ends in `stale` when its next update has passed: from then on nobody knows what was "
            "revoked since.",
            (Query(f"max by (url) ({_STATE})", "{{url}}", IF_LISTS),),
            width=12,
            alerts=("PeerkeyCrlUnreachable", "PeerkeyCrlRefused", "PeerkeyCrlStale"),
            nothing="No list is configured",
            words=_STATE_WORDS,
        ),
        Panel(
            31,
            "Each list",
            Shows.TABLE,
            "How many entries, since when it is confirmed, and until when it counts. Below 0: it is stale.",
            (
                Query(f"max by (url) ({here('peerkey_crl_entries')})", "Entries", IF_LISTS),
                Query(f"max by (url) ({here('peerkey_crl_age_seconds')})", "Confirmed ago", IF_LISTS, "s"),
                Query(
                    f"min by (url) ({here('peerkey_crl_next_update_timestamp_seconds')}) - time()",
                    "Counts for",
                    IF_LISTS,
                    "s",
                ),
            ),
            columns=("url",),
            sorted_by=(2, False),
            width=12,
            nothing="No list is configured",
        ),
        _results(
            32,
            "Lists fetched",
            "Each hour. `failure`: the server of lists does not answer, or says no.",
            here("peerkey_crl_fetch_total"),
            "result",
        ),
        _results(
            33,
            "Lists taken into use",
            "Each hour. `failure`: what was fetched is no list of this CA, or an old one.",
            here("peerkey_crl_ingestion_total"),
            "result",
        ),
        Panel(
            34,
            "Entries",
            Shows.SERIES,
            "Of each list. Where one falls to 0 its CA publishes an empty list: ask whether that is meant.",
            (Query(f"max by (url) ({here('peerkey_crl_entries')})", "{{url}}", IF_LISTS),),
            width=8,
            alerts=("PeerkeyCrlLimited",),
            nothing="No list is configured",
        ),
        Panel(
            35,
            "How long a fetch takes",
            Shows.HEATMAP,
            "Fetches that take as long as they may are those that fail.",
            (Query(buckets(here("peerkey_crl_fetch_duration_seconds_bucket")), "{{le}}", IF_LISTS),),
            unit="s",
            width=12,
            nothing="No list is fetched",
        ),
        Panel(
            36,
            "How long it takes to judge a list",
            Shows.SERIES,
            "Half of them, and nineteen of twenty, took no longer. It grows with the entries.",
            (
                Query(quantile(0.5, here("peerkey_crl_ingestion_duration_seconds_bucket")), "half", IF_LISTS),
                Query(
                    quantile(0.95, here("peerkey_crl_ingestion_duration_seconds_bucket")), "95 %", IF_LISTS
                ),
            ),
            unit="s",
            width=12,
            nothing="No list is fetched",
        ),
    ),
)

BOARD: Final = Board(
    "peerkey-pki",
    "peerkey: certificates and lists",
    "What ends, what is bad, and what is not known of revocation.",
    (JOB, INSTANCE, NODE),
    (_NOW, _CERTIFICATES, _LISTS),
)
