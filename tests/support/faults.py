"""A fault for each alert, as the exporter tells of it: a fleet that runs, and what its actors say of a fault.

The alarms are made by what makes them, and the page by what serves it; which fault raises which alarm is told
by the tests of the actors. ``tests/monitoring/test_every_alert.py`` lets Prometheus judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from actors.crl.status import RevocationStatus, SourceStatus, Trouble
from actors.messages import NodeStatus
from metrics import catalogue
from metrics.detail import Detail
from peerkey.observe import alarms, own_alarms
from peerkey.observe.alarms import Alarm, Severity
from peerkey_cli.fleet import Measured
from peerkey_cli.scrape import Format, page_of, rendered
from tests.support import scraped
from tests.support.scraped import AUTHORITY, EAST, OFF, WEST, Fault, counted, noticing, unkeyed

#: The API's certificate of a machine that is well.
_API_ENDS = timedelta(days=90)
#: Of the service level: who has no key at all burns its budget fast.
BURNS = frozenset({"PeerkeyKeyedBudgetBurnsFast", "PeerkeyKeyedBudgetBurnsSlow"})


@dataclass(frozen=True)
class Faulty:
    """One fault, and which alerts there are while it lasts."""

    alert: str
    fault: Fault = scraped.well
    #: Alerts that there are beside it, and no other.
    also: frozenset[str] = frozenset()
    #: For how long the alert looks back: it stays so long after the fault.
    window: timedelta = timedelta(0)
    #: When the certificate of the API ends.
    api_ends: timedelta = _API_ENDS
    #: Series that are left out of the page.
    left_out: int = 0
    #: Whether the machine answers at all, and how finely.
    answers: bool = True
    detail: Detail = Detail.NODE

    def page(self, measured: Measured, number: int, *, wrong: bool) -> bytes | None:
        """Return what is scraped, as of a machine that is well where it is not ``wrong``; ``None``: nothing.

        ``number`` scrapes were wrong so far; what was counted in them stays.
        """
        shown = self if wrong else WELL
        if not shown.answers:
            return None
        changed = replace(shown.fault(measured, number), tally=self.fault(measured, number).tally)
        page = page_of(changed, self.detail, timedelta(0), measured.now + shown.api_ends)
        samples: dict[catalogue.Metric, Mapping[tuple[str, ...], float]] = dict(page.samples)
        samples[catalogue.SERIES_LEFT_OUT] = {(): float(shown.left_out)}
        return rendered(replace(page, samples=samples), Format.PLAIN)


def alarmed(*found: Alarm) -> Fault:
    """Return the fault of which the actors tell by these alarms alone."""
    return lambda measured, _: replace(
        measured, noticing=(*measured.noticing, *noticing(measured.nodes[0], *found))
    )


def together(faults: Iterable[Fault]) -> Fault:
    """Return all of these faults at once, none of which hides another."""

    def fault(measured: Measured, number: int) -> Measured:
        for each in faults:
            measured = each(measured, number)
        return measured

    return fault


def own_certificate(ends: timedelta | None, state: str = "valid") -> Fault:
    """Return the fault of a certificate that ends then, or is not there."""

    def fault(measured: Measured, _: int) -> Measured:
        east = measured.nodes[0]
        assert east.certificate is not None
        certificate = (
            None
            if ends is None
            else replace(east.certificate, not_after=(measured.now + ends).isoformat(), state=state)
        )
        return of_east(measured, replace(east, certificate=certificate))

    return fault


def grows(metric: catalogue.Metric, *labels: str, by: int = 1) -> Fault:
    """Return the fault that is counted at every scrape."""
    return lambda measured, number: replace(
        measured, tally=counted(measured.tally, by * number, {metric: labels})
    )


def listed(trouble: Trouble | None, ago: timedelta = timedelta(0)) -> Fault:
    """Return the fault of a list that was to be replaced so long ago, or of its server."""

    def fault(measured: Measured, _: int) -> Measured:
        source: SourceStatus = replace(scraped.a_list(measured.now), trouble=trouble)
        assert source.latest is not None
        if ago:
            source = replace(source, latest=replace(source.latest, next_update=measured.now - ago))
        return replace(measured, revocation=RevocationStatus(1, 7, (source,)))

    return fault


def of_east(measured: Measured, east: NodeStatus) -> Measured:
    return replace(measured, nodes=(east, *measured.nodes[1:]))


def unreachable(measured: Measured, _: int) -> Measured:
    (peer,) = measured.nodes[0].peers
    down = tuple(replace(path, state="down", reason="silent") for path in peer.paths)
    told = (alarms.peer_unreachable(WEST),)
    return of_east(measured, replace(measured.nodes[0], peers=(replace(peer, paths=down),), alarms=told))


def not_keyed(measured: Measured, _: int) -> Measured:
    """East and west have different algorithms: no path is in service, and neither is out of reach."""
    east = unkeyed(measured.nodes[0], "KEY_EXCH_INIT")
    (peer,) = east.peers
    waiting = tuple(replace(path, state="waiting") for path in peer.paths)
    return of_east(measured, replace(east, peers=(replace(peer, paths=waiting),)))


def peer_is_bad(measured: Measured, _: int) -> Measured:
    (peer,) = measured.nodes[0].peers
    security = replace(peer.security, peer_certificate_fault="expired")
    return of_east(measured, replace(measured.nodes[0], peers=(replace(peer, security=security),)))


def overdue(measured: Measured, _: int) -> Measured:
    (peer,) = measured.nodes[0].peers
    security = replace(peer.security, last_rekey=(measured.now - timedelta(hours=25)).isoformat())
    peers = (replace(peer, security=security),)
    return of_east(measured, replace(measured.nodes[0], peers=peers, rekey_interval_hours=24.0))


def not_running(measured: Measured, _: int) -> Measured:
    """East does not answer the authority, which tells of it."""
    east = measured.nodes[0]
    told = NodeStatus(EAST, east.uuid, True, None, (), (alarms.node_not_running(EAST, "killed"),), None)  # noqa: FBT003
    return replace(measured, nodes=(told, *measured.nodes[1:]), noticing=(told,))


def without_mate(measured: Measured, _: int) -> Measured:
    return of_east(measured, replace(measured.nodes[0], ha=scraped.mate()))


def mailbox_fills(measured: Measured, _: int) -> Measured:
    (host,) = measured.hosts
    first, *others = host.actors
    full = replace(first, mailbox_depth=first.mailbox_capacity)
    return replace(measured, hosts=(replace(host, actors=(full, *others)),))


def ends_within(days: int, severity: Severity) -> Alarm:
    """Return the alarm of a CA that a node trusts: no metric tells when that ends."""
    return alarms.certificates_expiring(EAST, days, severity, ["CN=ca"])


WELL = Faulty("")

#: What actors show of nodes, lists and themselves, and what is no page at all.
SHOWN = (
    Faulty("PeerkeyCertificateExpiresSoon", own_certificate(timedelta(days=30))),
    Faulty("PeerkeyCertificateExpiresVerySoon", own_certificate(timedelta(days=7))),
    Faulty(
        "PeerkeyCertificateExpired",
        own_certificate(timedelta(0), "expired"),
        also=frozenset({"PeerkeyCertificateBad"}),
    ),
    Faulty("PeerkeyCertificateBad", own_certificate(None)),
    Faulty("PeerkeyApiCertificateExpiresSoon", api_ends=timedelta(days=30)),
    Faulty("PeerkeyApiCertificateExpiresVerySoon", api_ends=timedelta(days=7)),
    Faulty("PeerkeyClockWrong", lambda measured, _: replace(measured, now=measured.now - OFF)),
    Faulty("PeerkeyPeeringDown", unreachable),
    Faulty("PeerkeyPeeringNotKeyed", not_keyed, also=BURNS),
    Faulty("PeerkeyAuthenticationFailing", peer_is_bad),
    Faulty("PeerkeyRekeyOverdue", overdue),
    Faulty("PeerkeyCrlStale", listed(None, ago=timedelta(hours=1))),
    Faulty("PeerkeyCrlUnreachable", listed(Trouble.UNREACHABLE)),
    Faulty("PeerkeyCrlRefused", listed(Trouble.REFUSED)),
    Faulty("PeerkeyHaMateDown", without_mate),
    Faulty("PeerkeyNodeNotRunning", not_running),
    Faulty("PeerkeyMailboxFilling", mailbox_fills),
    Faulty("PeerkeyTargetDown", answers=False),
    Faulty("PeerkeyActorsSilent", scraped.actors_are_silent),
    Faulty("PeerkeyMetricsLeftOut", left_out=7),
)
#: What they raise an alarm of, and what they count.
TOLD = (
    Faulty("PeerkeyCertificateExpiresSoon", alarmed(ends_within(30, Severity.MINOR))),
    Faulty("PeerkeyCertificateExpiresVerySoon", alarmed(ends_within(7, Severity.MAJOR))),
    Faulty("PeerkeyCertificateExpired", alarmed(alarms.certificate_bad(EAST, "expired", "", ["CN=ca"]))),
    Faulty("PeerkeyCertificateBad", alarmed(alarms.certificate_missing(EAST, "no file"))),
    Faulty("PeerkeyEnrollmentFailing", alarmed(alarms.enrollment_failing(EAST, "no answer"))),
    Faulty("PeerkeyTrustUnreadable", alarmed(alarms.trust_unreadable(EAST, "no such file"))),
    Faulty("PeerkeyClockWrong", alarmed(own_alarms.clock_wrong(EAST, Severity.CRITICAL, "it went back"))),
    Faulty("PeerkeyPathDown", alarmed(alarms.path_down(WEST, "wan0>west"))),
    Faulty("PeerkeyNoKeyAgreed", alarmed(alarms.peer_key_invalid(WEST, "algorithm-mismatch", "theirs"))),
    Faulty(
        "PeerkeyAuthenticationFailing",
        grows(catalogue.PEER_CERTIFICATE_FAULTS, EAST, "revoked"),
        window=timedelta(minutes=10),
    ),
    Faulty(
        "PeerkeyAuthenticationFailing",
        grows(catalogue.PEER_AUTHENTICATIONS, EAST, "refused", "pinned"),
        window=timedelta(minutes=10),
    ),
    Faulty("PeerkeyPeerTwice", alarmed(alarms.peer_identity_shared(WEST))),
    Faulty("PeerkeyCrlLimited", alarmed(alarms.crl_limited(AUTHORITY, "too many"))),
    Faulty("PeerkeyHaRefused", alarmed(alarms.ha_copies_unreadable(EAST, "east/node1", 3))),
    Faulty("PeerkeyHaOutOfDate", alarmed(alarms.ha_mate_out_of_date(EAST, "east/node1", 3))),
    Faulty("PeerkeyActorCrashLoop", alarmed(alarms.actor_crashing(EAST, "path", "OSError"))),
    Faulty("PeerkeyActorCrashLoop", grows(catalogue.ACTOR_CRASHES, by=12), window=timedelta(minutes=10)),
    Faulty("PeerkeyActorFailed", alarmed(alarms.actor_failed(EAST, "path", "OSError"))),
    Faulty("PeerkeyNodeNotRunning", alarmed(alarms.nodes_unplaced(AUTHORITY, [EAST]))),
    Faulty("PeerkeyHostGone", alarmed(alarms.host_gone("edge8-0", "edge8", "killed"))),
    Faulty("PeerkeyHostGone", alarmed(alarms.machine_lost("edge8"))),
    Faulty("PeerkeyClusterLimited", alarmed(alarms.cluster_limited("coordinator", "away"))),
    Faulty("PeerkeyStoreFailing", alarmed(own_alarms.store_failing(EAST, "no space"))),
    Faulty("PeerkeyStoreFailing", grows(catalogue.STORE_ERRORS, "commit"), window=timedelta(minutes=5)),
    Faulty("PeerkeyEventLoopSlow", grows(catalogue.LOOP_LAG, "5.0", by=30), window=timedelta(minutes=5)),
    Faulty("PeerkeyAuditLogLosesEvents", alarmed(own_alarms.audit_log_unwritable("log", "no space", 7))),
    Faulty("PeerkeyAuditLogLosesEvents", grows(catalogue.AUDIT_LOST), window=timedelta(minutes=15)),
    Faulty("PeerkeyRestartNeeded", alarmed(alarms.restart_needed(AUTHORITY, ["name"]))),
    Faulty("PeerkeyDrained", alarmed(alarms.node_drained(EAST, "today"))),
)
TABLE = (*SHOWN, *TOLD)
