"""What a person sees, character by character, made from statuses of fixed values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.ha.messages import HaStatus, TakenKey
from actors.journal import Entry
from actors.messages import CertificateStatus, NodeStatus, PathStatus, PeerStatus
from peerkey.ha.messages import Role
from peerkey.observe import alarms
from peerkey.observe.events import KeyActivated, PathOutOfService, PeeringFailed
from peerkey.protocol.peering import PeeringStatus
from peerkey_cli import documents, layouts, schemas
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.fleet import HostActors
from runtime.info import ActorInfo, ActorState, SystemInfo

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
CERTIFICATE = schemas.CertificateInfo(
    subject="CN=east",
    issuer="CN=lab",
    serial="1f",
    not_before=NOW,
    not_after=NOW + timedelta(days=365),
    key="EC secp256r1",
    signature_algorithm="ecdsa-with-SHA256",
    alternative_names=("DNS:east",),
    purposes=("TLS Web Client Authentication",),
    crl_urls=(),
    fingerprint_sha1="6D:C7",
    fingerprint_sha256="00",
    pem="",
    text=("Certificate:", "    Data:"),
)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")


def test_show_peers_has_a_row_for_each_path() -> None:
    assert (
        shown(layouts.peers(documents.peers([node()], NOW), colours=False))
        == """\
✔ Retrieving peer paths...

============== ============ =================== ================ ======== ============= ==========
 Peer           Node         Network Interface   Destination      Status   Hostname      Path Mtu
============== ============ =================== ================ ======== ============= ==========
 branch/node0   east/node0   wan0                192.0.2.7:1280   up       unavailable   1500
 branch/node0   east/node0   lte                 192.0.2.8:1280   down     unavailable   1280

 branch/node0 (from east/node0): path by lte: silence
   -> see whether `peerkey run` runs on the peer, and whether UDP gets
     from 192.0.2.2:1280 to 192.0.2.8:1280 and back
"""
    )


def test_a_peer_that_is_never_asked_whether_it_is_there_is_up_with_a_warning() -> None:
    unasked = node(paths=1)

    told = shown(layouts.peers(documents.peers([unasked], NOW), colours=False))
    asked = shown(
        layouts.peers(documents.peers([replace(unasked, probe_interval_seconds=5.0)], NOW), colours=False)
    )

    assert "path-probe-interval is 0: a peer that has died stays up here" in told
    assert "path-probe-interval" not in asked


def test_a_thousand_peers_of_which_something_is_wrong_fill_no_more_than_a_page() -> None:
    def down(number: int, fault: str) -> schemas.Peer:
        return schemas.Peer(
            node="east/node0",
            peer=f"branch{number}/node0",
            peer_uuid="u",
            status="down",
            fault=fault,
            advice="look",
            paths=(),
        )

    same = schemas.Peers(time=NOW, peers=tuple(down(number, "silence") for number in range(1_000)))
    each = schemas.Peers(time=NOW, peers=tuple(down(number, f"silence {number}") for number in range(1_000)))

    together = shown(layouts.peers(same, colours=False))
    assert "branch3/node0 (from east/node0), and 996 more: silence" in " ".join(together.split())
    assert shown(layouts.peers(each, colours=False)).endswith(
        " And 988 more that are not in order; --json tells of all.\n"
    )


def test_show_peers_security_has_a_block_for_each_path() -> None:
    document = documents.peers_security([node(paths=1)], NOW)

    assert (
        shown(layouts.peers_security(document, colours=False))
        == """\
✔ Retrieving peer paths...

========================================================================
 Peer: branch
========================================================================
 Peer:               branch/node0
 Node:               east/node0
 Network Interface:  wan0
 Destination:        192.0.2.7:1280
 Status:             up
 Hostname:           unavailable
 Path Mtu:           1500
 Security Status:    MKEY_EXCH_COMP
 Key Index:          61
 Peer Ki:            60
 Cert Rec:           True
 Cert Ack:           True
 Key Rec:            True
 Key Ack:            False
"""
    )


def test_show_certificate_has_a_block_for_each_node() -> None:
    document = schemas.Certificates(
        time=NOW,
        nodes=(
            schemas.NodeCertificates(
                node="east/node0", uuid="u", state="valid", detail="", certificates=(CERTIFICATE, CERTIFICATE)
            ),
            schemas.NodeCertificates(
                node="west/node0", uuid="u", state="missing", detail="west.pem: No such file", certificates=()
            ),
        ),
    )

    assert (
        shown(layouts.certificate(document, colours=False))
        == """\
✔ Retrieving certificates...

========================================================================
 node0.east
========================================================================
 State:                valid
 Detail:               N/A
 Subject:              CN=east
 Issuer:               CN=lab
 Serial:               1f
 Not Before:           2030-06-15T12:00:00.000Z
 Not After:            2031-06-15T12:00:00.000Z
 Alternative Names:    DNS:east
 Purpose:              TLS Web Client Authentication
 Public Key:           EC secp256r1
 Signature Algorithm:  ecdsa-with-SHA256
 CRL:                  N/A
 Fingerprint SHA-1:    6D:C7
 Chain:                CN=east

========================================================================
 node0.west
========================================================================
 State:   missing
 Detail:  west.pem: No such file
"""
    )
    assert (
        shown(layouts.certificate_detail(document, colours=False)).count("\nCertificate:\n    Data:\n") == 2
    )


def test_show_peers_certificate_has_a_block_for_each_path() -> None:
    (peer,) = documents.peers([node(paths=1)], NOW).peers
    document = schemas.PeersCertificate(
        time=NOW,
        peers=(
            schemas.PeerCertificates(
                **peer.model_dump(),
                local_certificate=CERTIFICATE,
                peer_certificate=None,
                certificate_fault="",
            ),
        ),
    )

    assert (
        shown(layouts.peers_certificate(document, colours=False))
        == """\
✔ Retrieving peer paths...

========================================================================
 Peer: branch
========================================================================
 Peer:               branch/node0
 Node:               east/node0
 Network Interface:  wan0
 Destination:        192.0.2.7:1280
 Status:             up
 Hostname:           unavailable
 Path Mtu:           1500
 Local Cert:         CN=east, issued by CN=lab, serial 1f, until
 2031-06-15T12:00:00.000Z
 Peer Cert:          N/A
"""
    )


def test_show_security_key_status_shows_the_mate_of_a_node_and_the_keys_that_were_taken_over() -> None:
    ha = HaStatus(
        mate="east/node1",
        mate_uuid="m",
        role=Role.LEADER,
        term=3,
        link="down",
        link_error="cannot connect",
        records=2,
        replicated=1,
        lag=1,
        copies=1,
        taken_over=True,
        silent_seconds=2.5,
        rekey_turn="east/node0",
        keys=(
            TakenKey("v", "current", 61, "00", seals=True),
            TakenKey("w", "previous", 60, "01", seals=False),
        ),
    )
    document = documents.key_status([replace(node(), ha=ha)], NOW)
    text = shown(layouts.key_status(document, colours=False))
    assert [line.split(":")[1].strip() for line in text.splitlines() if line.startswith(" HA ")] == [
        "Active Leader",
        "east/node1",
        "down (cannot connect)",
        "1 of 2",
        "1",
        "1",
        "True",
        "east/node0",
    ]
    assert [line.split() for line in text.splitlines()[-2:]] == [
        ["branch/node0", "current", "61", "00", "True"],
        ["w", "previous", "60", "01", "False"],
    ]


def test_show_security_key_status_has_a_block_for_each_node_and_a_row_for_each_peer() -> None:
    document = documents.key_status([node()], NOW)

    assert (
        shown(layouts.key_status(document, colours=False))
        == """\
✔ Retrieving key state...

========================================================================
 node0.east
========================================================================
 Key Manager State:  Active
 Rekey Index:        61
 Last Rekey:         0 hrs 17 min 29 sec
 Next Rekey:         23 hrs 42 min 31 sec
 Key Change Count:   4
 Key Change Error:   N/A

============== ============= ===================== ====================== ================== \
==================
 Peer           Rekey Index   Last Rekey            Next Rekey             Key Change Count   Key Change Error
============== ============= ===================== ====================== ================== \
==================
 branch/node0   61            0 hrs 17 min 29 sec   23 hrs 42 min 31 sec   4                  N/A
"""
    )


def test_show_alarms_has_a_row_for_each_alarm() -> None:
    raised = (alarms.peer_certificate_invalid("branch/node0", "expired", "ended yesterday"),)
    document = documents.alarms([node(raised=raised)], {}, NOW)

    assert shown(layouts.alarms(document, colours=False)) == (
        "✔ Retrieving alarms...\n\n"
        "===================== ========================== ========== ============== ========== "
        f"{'=' * 76}\n"
        " ID                    Time                       Severity   Source         Category   Message\n"
        "===================== ========================== ========== ============== ========== "
        f"{'=' * 76}\n"
        " east/node0:de3ad22f   2030-06-15T12:00:00.000Z   critical   branch/node0   peer       "
        "Peer `branch/node0` certificate is invalid: `expired` - `ended yesterday`.\n\n"
        " `peerkey show peers` says of each peer why, and what to do next.\n"
    )


def test_an_event_looks_as_in_the_specification() -> None:
    event = KeyActivated("branch/node0", 61, "00112233445566778899aabbccddeeff")
    document = documents.events([Entry(NOW, "east/node0", event)], NOW)

    assert (
        shown(layouts.events(document, colours=False))
        == """\
✔ Retrieving audit events...

========================================================================
 2030-06-15T12:00:00.000Z Activated a peer key.
========================================================================
 Type:               key.activated
 Node:               east/node0
 Description:        Key 61 with peer branch/node0 is in use
 Json Event Detail:
 {"peer":"branch/node0","index":61,"key_id":"00112233445566778899aabbccddeeff"}
 Permitted:          True
"""
    )


def test_show_actors_has_a_row_for_each_actor() -> None:
    info = ActorInfo("authority", "Authority", ActorState.RUNNING, 3, 2, "OSError", 1, 5, 1000, 7, 0, 0, 0)
    host = HostActors("control", "host:7", "edge", (info,), SystemInfo(1, 0, 0, 2, 2, 0))
    document = documents.actors([host], NOW)

    assert (
        shown(layouts.actors(document, colours=False))
        == """\
✔ Retrieving actors...

=========== =========== ========= ========= ========= ========= ========== ===========
 Kind        Name        Host      Process   Machine   State     Restarts   Mailbox
=========== =========== ========= ========= ========= ========= ========== ===========
 Authority   authority   control   host:7    edge      running   2          1 of 1000
"""
    )


def test_where_nothing_is_there_that_is_said() -> None:
    assert layouts.alarms(documents.alarms([], {}, NOW), colours=False)[-1] == " There are no alarms."
    assert layouts.events(documents.events([], NOW), colours=False)[-1] == " There are no such events."


def test_colours_mark_how_things_are_and_do_not_move_a_column() -> None:
    document = documents.peers([node()], NOW)
    plain, coloured = layouts.peers(document, colours=False), layouts.peers(document, colours=True)

    assert "\x1b[32m up     \x1b[0m" in "\n".join(coloured)
    assert "\x1b[31m down   \x1b[0m" in "\n".join(coloured)
    for colour in ("\x1b[31m", "\x1b[32m", "\x1b[0m"):
        coloured = [line.replace(colour, "") for line in coloured]
    assert coloured == plain


def test_what_a_peer_says_cannot_command_the_terminal() -> None:
    event = PeeringFailed("branch/node0", "refused", "\x1b]0;title\x07\x9b31m", "peer")
    document = documents.events([Entry(NOW, "east/node0", event)], NOW)

    text = shown(layouts.events(document, colours=False))

    assert "�]0;title��31m" in text
    assert not {each for each in text if not each.isprintable()} - {"\n"}


def test_an_alarm_keeps_the_time_at_which_it_was_first_seen() -> None:
    times = AlarmTimes()
    raised = node(raised=(alarms.peer_unreachable("branch/node0"),))
    times.seen([raised], NOW)
    later = NOW + timedelta(minutes=5)

    (alarm,) = times.seen([raised], later)
    assert alarm.since == NOW

    times.seen([node()], later)
    (alarm,) = times.seen([raised], later)
    assert alarm.since == later


def test_the_same_alarm_of_two_nodes_is_two_alarms() -> None:
    raised = (alarms.peer_unreachable("branch/node0"),)
    document = documents.alarms([node(raised=raised), node("west/node0", raised=raised)], {}, NOW)

    assert len({alarm.id for alarm in document.alarms}) == 2


@pytest.mark.parametrize(
    ("kind", "number"), [(None, 2), ("key", 1), ("key.activated", 1), ("path.down", 1), ("key.act", 0)]
)
def test_a_type_names_itself_and_what_is_below_it(kind: str | None, number: int) -> None:
    entries = [
        Entry(NOW, "east/node0", KeyActivated("branch/node0", 1, "00")),
        Entry(NOW, "east/node0", PathOutOfService("branch/node0", "wan0", "silence")),
    ]

    assert len(documents.events(entries, NOW, kind=kind).events) == number


def test_a_node_rekeys_when_the_first_of_its_peerings_does() -> None:
    first, second = peer("branch/node0", due=900.0), peer("hub/node0", due=300.0, error="timed out")
    status = NodeStatus(
        "east/node0",
        "u",
        enabled=True,
        certificate=None,
        peers=(first, second),
        alarms=(),
        rekey_interval_hours=24.0,
    )

    (summary,) = documents.key_status([status], NOW).nodes

    assert summary.next_rekey == NOW + timedelta(seconds=300)
    assert summary.key_change_count == 8
    assert summary.key_change_error == "hub/node0: timed out"


# --- helpers --------------------------------------------------------------------------------------


def shown(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def node(name: str = "east/node0", *, paths: int = 2, raised: tuple[alarms.Alarm, ...] = ()) -> NodeStatus:
    return NodeStatus(
        name,
        "u",
        enabled=True,
        certificate=CertificateStatus("CN=east", "CN=lab", "", "", "", "valid", ""),
        peers=(peer("branch/node0", paths=paths),),
        alarms=raised,
        rekey_interval_hours=24.0,
    )


def peer(name: str, *, paths: int = 2, due: float = 85351.0, error: str = "") -> PeerStatus:
    known = (
        PathStatus("wan0>x", "in-service", "a probe was answered", "192.0.2.1:1280", "192.0.2.7:1280", 1500),
        PathStatus("lte>x", "out-of-service", "silence", "192.0.2.2:1280", "192.0.2.8:1280", 1280),
    )
    return PeerStatus(
        name,
        "v",
        PeeringStatus(
            peer=name,
            security_status="MKEY_EXCH_COMP",
            algorithm="ml-kem-768",
            keys=(("current", 61, "00"),),
            key_index=61,
            peer_seals_with=60,
            certificate_received=True,
            certificate_acknowledged=True,
            key_received=True,
            key_acknowledged=False,
            key_changes=4,
            last_rekey=(NOW - timedelta(minutes=17, seconds=29)).isoformat(),
            next_rekey_seconds=due,
            last_error=error,
            peer_certificate_fault="",
        ),
        known[:paths],
        (("repeated", 1),),
    )
