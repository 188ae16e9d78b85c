"""The sample outputs of the sources, word for word, out of the parts that make them.

Lines are folded at the width of a terminal, so the text is compared without its folding. The samples of
the sources, in their order, and where each has its test:

=====================================  =====================================================================
seed: Generate CSR                     here
seed: Import Certificate               here
seed: Peer Certificate Validation      "(Need example)": designed here, and compared below
seed: CRL Update                       here; the original names the issuer ``endpoint``, we the address
seed: the fourteen counters            here: each of its lines is a command that answers
seed: show certificate, detail, crl    no sample; ``tests/cli/test_layouts.py`` and ``test_show_crl.py`` there
facts 7: show alarms, columns          here, and the view by ``id``
facts 7: show alarms shelved           with shelving
facts 7: show security key-status      here: labels and values of the first key manager. The original's
                                       ``Config …`` and ``Metadata …`` lines are about managers that are not
                                       here (``docs/console.md``); the header and its block are compared
facts 7: show peers security           here: every label but those of salts, which this protocol has none of
facts 7: show peers certificate        here: every label; one line for each certificate where the original has
                                       PEM, which is in ``--json``
facts 8.1: an alarm as an example      here, with the backquotes of the texts beside it
facts 8.2: layout of events            here, by the three samples of the seed
=====================================  =====================================================================
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.journal import Entry
from peerkey.observe import alarms
from peerkey.observe.events import (
    CertificateIngested,
    CrlUpdated,
    CsrGenerated,
    Event,
    PeerCertificateRefused,
)
from peerkey_cli import alarm_layouts, documents, layouts, schemas, statistics

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


#: "(Need example)": what this system tells of a peer's certificate, in the layout of the other three.
VALIDATION = """
 2025-03-19T20:50:35.173Z Refused a peer certificate.
 Type:               system.peer_certificate_validation
 Node:               east/node0
 Description:        Certificate of peer west/node0 refused: expired - expired: the certificate expired
 2025-03-18 00:00:00Z
 Json Event Detail:  {"peer":"west/node0","fingerprint":"6d:c7","state":"expired","reason":"expired",
 "detail_text":"expired: the certificate expired 2025-03-18 00:00:00Z"}
 Permitted:          True
"""
NOW = datetime(2025, 3, 19, 20, 50, 35, 173_000, tzinfo=UTC)
#: "Show Stats Commands" of the seed, without their first words.
COUNTERS = """
CSR success
CSR failure
certificate import success
certificate import failure
CRL fetch success
CRL fetch failure
CRL ingestion success
CRL ingestion failure
certificate expired
certificate invalid
certificate revoked
peer certificate expired
peer certificate invalid
peer certificate revoked
"""
KEY_STATUS = """
✔ Retrieving key state...
 node0.SSR_701_hub1
 Key Manager State:  Inactive
 Rekey Index:        1
 Last Rekey:         N/A
 Next Rekey:         N/A
 Key Change Count:   1
 Key Change Error:   N/A
"""
PEERS_SECURITY = """
✔ Retrieving peer paths...
 Peer: branch
 Peer:               branch/node0
 Node:               hub/node0
 Network Interface:  wan
 Destination:        192.0.2.7:1280
 Status:             up
 Hostname:           unavailable
 Path Mtu:           1500
 Security Status:    MKEY_EXCH_COMP
 Key Index:          5
 Peer Ki:            253
 Cert Rec:           True
 Cert Ack:           True
 Key Rec:            True
 Key Ack:            True
"""
PEERS_CERTIFICATE = """
✔ Retrieving peer paths...
 Peer: branch
 Peer:               branch/node0
 Node:               hub/node0
 Network Interface:  wan
 Destination:        192.0.2.7:1280
 Status:             up
 Hostname:           unavailable
 Path Mtu:           1500
 Local Cert:         N/A
 Peer Cert:          N/A
"""
ALARM = """
✔ Retrieving alarms...
 Alarm: combo-east-1:13
 Time:      2025-03-19T20:50:35.173Z
 Severity:  critical
 Source:    RTR_WEST_COMBO
 Category:  peer
 Process:   stateMonitor
 Message:   Peer `RTR_WEST_COMBO` certificate is invalid: `expired` - `testing-detail`.
"""
PATH = schemas.Path(
    name="wan>x",
    interface="wan",
    local="192.0.2.1:1280",
    remote="192.0.2.7:1280",
    mtu=1500,
    state="in-service",
    status="up",
    reason="",
)
PEER: dict[str, Any] = {
    "node": "hub/node0",
    "peer": "branch/node0",
    "peer_uuid": "u",
    "status": "up",
    "paths": (PATH,),
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_what_the_seed_left_open_is_told_in_the_same_layout() -> None:
    text = "expired: the certificate expired 2025-03-18 00:00:00Z"
    event = PeerCertificateRefused("west/node0", "6d:c7", "expired", "expired", text)
    shown = layouts.events(documents.events([Entry(NOW, "east/node0", event)], NOW), colours=False)

    assert unfolded("\n".join(shown[1:])) == unfolded(VALIDATION)


@pytest.mark.parametrize("words", COUNTERS.split("\n")[1:-1])
def test_a_counter_is_asked_for_by_the_words_of_the_seed(words: str) -> None:
    assert [counter.value for counter in statistics.chosen(words.split())] == [words]


def test_the_counters_of_the_seed_are_all_that_there_are() -> None:
    assert [counter.value for counter in statistics.chosen([])] == COUNTERS.split("\n")[1:-1]


def test_key_status_looks_as_in_the_original() -> None:
    node = schemas.NodeKeyStatus(
        node="SSR_701_hub1/node0",
        uuid="u",
        key_manager_state="inactive",
        rekey_interval_hours=24,
        rekey_index=1,
        last_rekey=None,
        next_rekey=None,
        key_change_count=1,
        key_change_error="",
        peers=(),
    )
    ran = node.model_copy(
        update={
            "last_rekey": NOW - timedelta(minutes=17, seconds=29),
            "next_rekey": NOW + timedelta(hours=23, minutes=42, seconds=31),
        }
    )

    assert in_lines(
        layouts.key_status(schemas.KeyStatus(time=NOW, nodes=(node,)), colours=False)
    ) == in_lines(KEY_STATUS.splitlines())
    shown = "\n".join(layouts.key_status(schemas.KeyStatus(time=NOW, nodes=(ran,)), colours=False))
    assert "0 hrs 17 min 29 sec" in shown
    assert "23 hrs 42 min 31 sec" in shown


def test_peers_security_looks_as_in_the_original_without_salts() -> None:
    peer = schemas.PeerSecurity(
        **PEER,
        security_status="MKEY_EXCH_COMP",
        algorithm="ml-kem-768",
        key_index=5,
        peer_key_index=253,
        certificate_received=True,
        certificate_acknowledged=True,
        key_received=True,
        key_acknowledged=True,
        keys=(),
        certificate_fault="",
        dropped={},
    )
    shown = layouts.peers_security(schemas.PeersSecurity(time=NOW, peers=(peer,)), colours=False)

    assert in_lines(shown) == in_lines(PEERS_SECURITY.splitlines())


def test_peers_certificate_looks_as_in_the_original() -> None:
    peer = schemas.PeerCertificates(
        **PEER, local_certificate=None, peer_certificate=None, certificate_fault=""
    )
    shown = layouts.peers_certificate(schemas.PeersCertificate(time=NOW, peers=(peer,)), colours=False)

    assert in_lines(shown) == in_lines(PEERS_CERTIFICATE.splitlines())


def test_an_alarm_by_its_id_looks_as_in_the_original() -> None:
    message = alarms.peer_certificate_invalid("RTR_WEST_COMBO", "expired", "testing-detail").message
    alarm = schemas.Alarm(
        id="combo-east-1:13",
        time=NOW,
        severity="critical",
        node="combo-east-1",
        source="RTR_WEST_COMBO",
        category="peer",
        process="stateMonitor",
        message=message,
        type="peer-certificate",
    )
    explained = schemas.AlarmExplained(
        time=NOW,
        alarms=(alarm,),
        means="It has expired.",
        todo=("Renew it.",),
        page="docs/alarms.md#peer-certificate",
        raised=(NOW,),
        shelving=None,
        events=(),
    )

    sample = in_lines(ALARM.splitlines())
    assert in_lines(alarm_layouts.explained(explained, colours=False))[: len(sample)] == sample
    document = schemas.Alarms(time=NOW, alarms=(alarm,))
    assert layouts.alarms(document, colours=False)[3].split() == [
        *("ID", "Time", "Severity", "Source", "Category", "Message")
    ]


def in_lines(lines: list[str]) -> list[str]:
    """Return lines without rules and empty ones."""
    return [line for line in lines if line and set(line) != {"="}]


def unfolded(text: str) -> str:
    """Return a text without rules, and without what folding adds."""
    return re.sub(r"\s+", "", re.sub(r"^=+$", "", text, flags=re.MULTILINE))
