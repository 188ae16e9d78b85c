"""The three sample events of the seed, word for word, out of the audit log's own events.

Lines are folded at the width of a terminal, so what is compared is the text without its folding.
"""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from actors.journal import Entry
from peerkey.observe.events import CertificateIngested, CrlUpdated, CsrGenerated, Event
from peerkey_cli import documents, layouts

CSR = """
 2025-03-19T20:50:35.173Z Generated certificate signing request.
 Type:               system.generate_csr
 Node:               test-1
 Description:        Generated CSR for: TestCertificate
 Json Event Detail:  {"name":"TestCertificate","common_name":"example.com","country_name":"US",
 "state_province_name":"California","locality_name":"San Francisco","organization_name":"ExampleOrg",
 "organizational_unit_name":"IT","email_address":"admin@example.com","validity_period_days":365}
 Permitted:          True
"""
IMPORT = """
 2025-03-26T21:22:43.108Z Ingested a certificate.
 Type:               system.ingest_certificate
 Node:               test-1
 Description:        Ingested certificate: TestCertificate
 Json Event Detail:  {"purpose":"TLS Web Client Authentication","common_name":"example.com",
 "crl_urls":["http://10.27.34.42/crlfile.crl"],"certificate_authority":"N/A",
 "fingerprint":"6D:C7:8E:48:4F:55:63:D9:AB:70:66:CD:29:4E:1C:37:CF:89:17:B0"}
 Permitted:          True
"""
#: The original names the issuer `endpoint` in the description; here that is the address.
CRL = """
 2025-03-07T20:59:50.736Z Updated certificate revocation list files.
 Type:               system.crl_update
 Node:               t158-dut1.CONDUCTOR
 Description:        Updated CRL for issuer: http://10.27.39.143/testCrl.pem
 Json Event Detail:  {"forced":false,"last_updated":"Oct 17 16:33:11 2024 GMT",
 "next_update":"Oct 27 15:33:10 2024 GMT","crl_url":"http://10.27.39.143/testCrl.pem","size":14162,
 "total_entries":279,"added_entries":0,"removed_entries":0,"success":true,
 "certificate_authority":"/C=US/O=Google Trust Services/CN=WR2"}
 Permitted:          True
"""


@pytest.mark.parametrize(
    ("time", "node", "event", "sample"),
    [
        (
            "2025-03-19T20:50:35.173Z",
            "test-1",
            CsrGenerated(
                name="TestCertificate",
                common_name="example.com",
                country_name="US",
                state_province_name="California",
                locality_name="San Francisco",
                organization_name="ExampleOrg",
                organizational_unit_name="IT",
                email_address="admin@example.com",
                validity_period_days=365,
            ),
            CSR,
        ),
        (
            "2025-03-26T21:22:43.108Z",
            "test-1",
            CertificateIngested(
                name="TestCertificate",
                purpose="TLS Web Client Authentication",
                common_name="example.com",
                crl_urls=("http://10.27.34.42/crlfile.crl",),
                certificate_authority="N/A",
                fingerprint="6D:C7:8E:48:4F:55:63:D9:AB:70:66:CD:29:4E:1C:37:CF:89:17:B0",
            ),
            IMPORT,
        ),
        (
            "2025-03-07T20:59:50.736Z",
            "t158-dut1.CONDUCTOR",
            CrlUpdated(
                forced=False,
                last_updated="Oct 17 16:33:11 2024 GMT",
                next_update="Oct 27 15:33:10 2024 GMT",
                crl_url="http://10.27.39.143/testCrl.pem",
                size=14162,
                total_entries=279,
                added_entries=0,
                removed_entries=0,
                success=True,
                certificate_authority="/C=US/O=Google Trust Services/CN=WR2",
                stage="unchanged",
            ),
            CRL,
        ),
    ],
    ids=["generate CSR", "import", "CRL update"],
)
def test_an_event_looks_as_in_the_seed(time: str, node: str, event: Event, sample: str) -> None:
    entry = Entry(datetime.fromisoformat(time), node, event)
    shown = layouts.events(documents.events([entry], entry.time), colours=False)

    assert unfolded("\n".join(shown[1:])) == unfolded(sample)


def unfolded(text: str) -> str:
    """Return a text without rules, and without what folding adds."""
    return re.sub(r"\s+", "", re.sub(r"^=+$", "", text, flags=re.MULTILINE))
