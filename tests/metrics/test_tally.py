"""Which events are counted, and as what."""

from __future__ import annotations

from typing import Literal

import pytest

from metrics import catalogue
from metrics.exporter import exposition
from metrics.tally import Tally, counted
from peerkey.observe.events import (
    CertificateIngested,
    CertificateRefused,
    CertificateWentBad,
    CrlUpdated,
    CrlUpdateFailed,
    CsrFailed,
    CsrGenerated,
    Event,
    PathInService,
    PeerCertificateAccepted,
    PeerCertificateRefused,
    PeerCertificateWentBad,
)

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
        (CertificateWentBad("expired", "", "fail-soft"), catalogue.CERTIFICATE_FAULTS, "expired"),
        (
            PeerCertificateWentBad("p", "revoked", "", "fail-hard"),
            catalogue.PEER_CERTIFICATE_FAULTS,
            "revoked",
        ),
        (PeerCertificateRefused("p", "00", "invalid", "r", ""), catalogue.PEER_CERTIFICATE_FAULTS, "invalid"),
    ],
    ids=["CSR", "no CSR", "import", "no import", "expired", "peer revoked", "peer invalid"],
)
def test_an_event_of_a_certificate_is_counted(event: Event, metric: catalogue.Metric, result: str) -> None:
    assert counted(event) == ((metric, result),)


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (updated("ingested"), {("fetch", "success"), ("ingestion", "success")}),
        (updated("unchanged"), {("fetch", "success")}),
        (failed("fetch"), {("fetch", "failure")}),
        (failed("ingestion"), {("fetch", "success"), ("ingestion", "failure")}),
    ],
    ids=["ingested", "unchanged", "not fetched", "refused"],
)
def test_a_list_is_counted_where_it_was_fetched_and_where_it_was_ingested(
    event: Event, counts: set[tuple[str, str]]
) -> None:
    names = {"fetch": catalogue.CRL_FETCHES, "ingestion": catalogue.CRL_INGESTIONS}

    assert set(counted(event)) == {(names[what], result) for what, result in counts}


@pytest.mark.parametrize(
    "event",
    [
        PathInService("p", "wan"),
        PeerCertificateAccepted("p", "00", validated=True, pinned=False),
        CertificateWentBad("missing", "", "fail-soft"),
    ],
    ids=["path", "accepted", "missing"],
)
def test_other_events_are_not_counted(event: Event) -> None:
    assert counted(event) == ()


def test_each_node_has_its_own_count() -> None:
    tally = Tally()
    for node in ("east/node0", "east/node0", "west/node0"):
        tally.add(node, INGESTED)

    page = exposition(tally.samples()).decode()

    assert 'peerkey_certificate_import_total{node="east/node0",result="success"} 2.0' in page
    assert 'peerkey_certificate_import_total{node="west/node0",result="success"} 1.0' in page
