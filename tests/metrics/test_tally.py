"""Which events are counted, and as what."""

from __future__ import annotations

from typing import Literal

import pytest

from metrics import catalogue
from metrics.exporter import exposition
from metrics.tally import Tally, authentication, counted, of_lists
from peerkey.observe.events import (
    CertificateIngested,
    CertificateRefused,
    CertificateWentBad,
    CrlUpdated,
    CrlUpdateFailed,
    CsrFailed,
    CsrGenerated,
    Event,
    HaKeyNotReplicated,
    HaLinkDown,
    HaLinkUp,
    HaRefused,
    HaReleased,
    HaTakeover,
    PathInService,
    PeerCertificateAccepted,
    PeerCertificateRecovered,
    PeerCertificateRefused,
    PeerCertificateWentBad,
    RevocationChecked,
)
from peerkey.pki.faults import Fault

URL = "http://crl.example/ca.crl"


def updated(stage: Literal["unchanged", "ingested"]) -> CrlUpdated:
    """Return the event of a list that is in use."""
    return CrlUpdated(False, "N/A", "N/A", URL, 9, 1, 0, 0, True, "/CN=ca", stage)  # noqa: FBT003


def failed(stage: Literal["fetch", "ingestion"]) -> CrlUpdateFailed:
    """Return the event of a list that could not be had."""
    return CrlUpdateFailed(False, "N/A", "N/A", URL, 9, 1, 0, 0, False, "/CN=ca", stage, "why")  # noqa: FBT003


INGESTED = CertificateIngested("base", "N/A", "cn", (), "N/A", "00")


@pytest.mark.parametrize(
    ("event", "metric", "result"),
    [
        (CsrGenerated("base", "cn", "", "", "", "", "", "", 365), catalogue.CSRS, "success"),
        (CsrFailed("base", "no key"), catalogue.CSRS, "failure"),
        (INGESTED, catalogue.CERTIFICATE_IMPORTS, "success"),
        (CertificateRefused("base", "validity", "expired"), catalogue.CERTIFICATE_IMPORTS, "failure"),
        (CertificateWentBad("expired", "expired", "", "fail-soft"), catalogue.CERTIFICATE_FAULTS, "expired"),
        (
            PeerCertificateWentBad("p", "00", "revoked", "revoked", "", "fail-hard"),
            catalogue.PEER_CERTIFICATE_FAULTS,
            "revoked",
        ),
        (
            PeerCertificateRefused("p", "00", "invalid", "untrusted", ""),
            catalogue.PEER_CERTIFICATE_FAULTS,
            "invalid",
        ),
    ],
    ids=["CSR", "no CSR", "import", "no import", "expired", "peer revoked", "peer invalid"],
)
def test_an_event_of_a_certificate_is_counted(event: Event, metric: catalogue.Metric, result: str) -> None:
    assert counted(event) == (metric, result)


@pytest.mark.parametrize("reason", [fault.value for fault in Fault])
def test_everything_that_can_be_wrong_with_a_certificate_has_a_label_of_its_own(reason: str) -> None:
    refused = PeerCertificateRefused("p", "00", "invalid", reason, "")
    bad = PeerCertificateWentBad("p", "00", "invalid", reason, "", "fail-soft")

    assert (authentication(refused), authentication(bad)) == (("refused", reason), ("went-bad", reason))


@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (PeerCertificateAccepted("p", "00", validated=True, pinned=False), "accepted", "validated"),
        (PeerCertificateAccepted("p", "00", validated=False, pinned=True), "accepted", "pinned"),
        (PeerCertificateAccepted("p", "00", validated=False, pinned=False), "accepted", "unvalidated"),
        (PeerCertificateRefused("p", "00", "valid", "pinned", ""), "refused", "pinned"),
        (PeerCertificateRecovered("p", "00"), "recovered", "valid"),
        (PeerCertificateRefused("p", "00", "invalid", "what a peer has written", ""), "refused", "other"),
    ],
    ids=["validated", "pinned", "unvalidated", "another is pinned", "recovered", "unknown"],
)
def test_what_became_of_a_peers_certificate_is_counted_with_its_reason(
    event: Event, outcome: str, reason: str
) -> None:
    tally = Tally()
    tally.add("east/node0", event)

    page = exposition(tally.samples()).decode()

    labels = f'node="east/node0",outcome="{outcome}",reason="{reason}"'
    assert f"peerkey_peer_authentications_total{{{labels}}} 1.0" in page


@pytest.mark.parametrize("outcome", ["revoked", "not-revoked", "not-checked"])
def test_each_periodic_check_is_counted_with_what_came_of_it(outcome: str) -> None:
    event = RevocationChecked(outcome, "", "", "fail-soft")

    assert counted(event) == (catalogue.REVOCATION_CHECKS, outcome)


@pytest.mark.parametrize(
    "event",
    [
        PathInService("p", "wan"),
        PeerCertificateAccepted("p", "00", validated=True, pinned=False),
        CertificateWentBad("missing", "missing", "", "fail-soft"),
    ],
    ids=["path", "accepted", "missing"],
)
def test_other_events_are_not_counted_as_faults(event: Event) -> None:
    assert counted(event) is None


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (updated("ingested"), {("fetch", "success"), ("ingestion", "success")}),
        (updated("unchanged"), {("fetch", "success")}),
        (failed("fetch"), {("fetch", "failure")}),
        (failed("ingestion"), {("fetch", "success"), ("ingestion", "failure")}),
        (INGESTED, set()),
    ],
    ids=["ingested", "unchanged", "not fetched", "refused", "another event"],
)
def test_a_list_is_counted_where_it_was_fetched_and_where_it_was_ingested(
    event: Event, counts: set[tuple[str, str]]
) -> None:
    names = {"fetch": catalogue.CRL_FETCHES, "ingestion": catalogue.CRL_INGESTIONS}

    assert set(of_lists(event)) == {(names[what], result) for what, result in counts}


def test_each_node_has_its_own_count() -> None:
    tally = Tally()
    for node in ("east/node0", "east/node0", "west/node0"):
        tally.add(node, INGESTED)

    page = exposition(tally.samples()).decode()

    assert 'peerkey_certificate_import_total{node="east/node0",result="success"} 2.0' in page
    assert 'peerkey_certificate_import_total{node="west/node0",result="success"} 1.0' in page


@pytest.mark.parametrize(
    ("event", "sample"),
    [
        (HaLinkUp("hub/node1"), 'peerkey_ha_links_total{node="hub/node0",result="up"} 1'),
        (HaLinkDown("hub/node1", "why"), 'peerkey_ha_links_total{node="hub/node0",result="down"} 1'),
        (
            HaRefused("hub/node1", "wrong-node", "why", by_mate=True),
            'peerkey_ha_links_total{node="hub/node0",result="refused"} 1',
        ),
        (HaTakeover("hub/node1", 7), 'peerkey_ha_takeovers_total{node="hub/node0",result="taken-over"} 1'),
        (HaReleased("hub/node1"), 'peerkey_ha_takeovers_total{node="hub/node0",result="released"} 1'),
        (
            HaKeyNotReplicated("branch/node0", 3, "ab"),
            'peerkey_ha_keys_not_replicated_total{node="hub/node0",result="used"} 1',
        ),
    ],
)
def test_what_happens_to_a_pair_is_counted(event: Event, sample: str) -> None:
    tally = Tally()
    tally.add("hub/node0", event)
    assert sample in exposition(tally.samples()).decode()
