"""Which events are counted, and as what."""

from __future__ import annotations

import pytest

from metrics import catalogue
from metrics.exporter import exposition
from metrics.tally import Tally, counted
from peerkey.observe.events import (
    CertificateIngested,
    CertificateRefused,
    CertificateWentBad,
    CsrFailed,
    CsrGenerated,
    Event,
    PathInService,
    PeerCertificateAccepted,
    PeerCertificateRefused,
    PeerCertificateWentBad,
)

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
    assert counted(event) == (metric, result)


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
    assert counted(event) is None


def test_each_node_has_its_own_count() -> None:
    tally = Tally()
    for node in ("east/node0", "east/node0", "west/node0"):
        tally.add(node, INGESTED)

    page = exposition(tally.samples()).decode()

    assert 'peerkey_certificate_import_total{node="east/node0",result="success"} 2.0' in page
    assert 'peerkey_certificate_import_total{node="west/node0",result="success"} 1.0' in page
