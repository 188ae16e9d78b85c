"""``peerkey import certificate``: what passes takes the old one's place, what does not leaves it there."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.messages import GetFleet
from metrics.exporter import exposition
from peerkey.pki.laboratory import Authority
from peerkey.testing.ca import Issued, TestCA
from tests.cli.background import Background, in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.hosts import wait_for

EAST = UUIDS["east"]


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    return two_routers(tmp_path)


@pytest.fixture
def old(routers: TwoRouters) -> Issued:
    """Give the node a certificate and key that the test knows."""
    issued = routers.ca.issue(EAST)
    routers.certify("east", issued)
    return issued


def test_a_renewed_certificate_takes_the_place_of_the_old_one(routers: TwoRouters, old: Issued) -> None:
    new = renewed(routers, old)

    done = import_(routers, "--json", given=given_file(routers, new.pem))

    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["node"], said["name"], said["certificates"], said["reloaded"]) == (
        "east/node0",
        "base",
        2,
        False,
    )
    assert installed(routers) == new.pem
    assert stat.S_IMODE((routers.folder / "east.pem").stat().st_mode) == 0o644
    (event,) = audited(routers)
    assert event["type"] == "system.ingest_certificate"
    assert event["node"] == "east/node0"
    assert event["description"] == "Ingested certificate: base"
    assert event["detail"]["fingerprint"] == said["fingerprint"]
    assert said["fingerprint"] == new.certificate.fingerprint(hashes.SHA1()).hex(":").upper()  # noqa: S303


def test_a_paste_without_line_breaks_is_taken_from_standard_input(routers: TwoRouters, old: Issued) -> None:
    """I95-65559: a pasted certificate was dropped in silence."""
    new = renewed(routers, old)

    done = import_(routers, given="-", stdin=new.pem.replace(b"\n", b""))

    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(
        f"Imported base of east/node0 to {routers.folder / 'east.pem'}, with 1 of its"
    )
    assert installed(routers) == new.pem


def test_an_accompanying_private_key_is_refused_and_repeated_nowhere(
    routers: TwoRouters, old: Issued
) -> None:
    key = old.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    done = import_(routers, given="-", stdin=renewed(routers, old).pem + key)

    assert done.exit_code == 1
    assert done.stderr.startswith("peerkey: standard input: holds a private key in PEM")
    assert len(done.stderr.splitlines()) == 1
    assert installed(routers) == old.pem
    secret = key.splitlines()[1].decode()
    assert secret not in done.output + (routers.folder / "state" / "events.jsonl").read_text()
    (event,) = audited(routers)
    assert (event["type"], event["detail"]["check"]) == ("certificate.refused", "private-key")


def test_a_certificate_on_a_revocation_list_is_refused(routers: TwoRouters, old: Issued) -> None:
    """I95-64977: ingestion without expiry and revocation check."""
    new = renewed(routers, old)
    crl = routers.folder / "ca.crl"
    crl.write_bytes(list_of(routers.ca.intermediate, new.certificate))

    done = import_(routers, "--crl", crl, given=given_file(routers, new.pem))

    assert done.exit_code == 1
    assert "revoked: the certificate is revoked since" in done.stderr
    assert installed(routers) == old.pem
    assert audited(routers)[0]["detail"]["check"] == "revocation"


def test_an_expired_certificate_is_refused(routers: TwoRouters, old: Issued) -> None:
    """I95-64977: ingestion without expiry and revocation check."""
    expired = renewed(routers, old, not_after=datetime.now(UTC) - timedelta(hours=1))

    done = import_(routers, given=given_file(routers, expired.pem))

    assert done.exit_code == 1
    assert "expired: the certificate expired" in done.stderr
    assert installed(routers) == old.pem


def test_a_certificate_that_does_not_say_what_it_is_for_is_imported_with_a_remark(
    routers: TwoRouters, old: Issued
) -> None:
    done = import_(routers, "--json", given=given_file(routers, renewed(routers, old, purposes=None).pem))

    (remark,) = json.loads(done.stdout)["remarks"]
    assert done.exit_code == 0
    assert "does not say what it is for" in remark


def test_a_full_chain_of_rsa_is_imported_with_its_root_in_any_order(routers: TwoRouters) -> None:
    """I95-65719: an RSA certificate with its full chain was refused, with a message about something else."""
    key = rsa.generate_private_key(65_537, 2_048)
    ca = TestCA(
        "rsa",
        now=routers.ca.now,
        root_key=rsa.generate_private_key(65_537, 3_072),
        intermediate_key=rsa.generate_private_key(65_537, 2_048),
    )
    (routers.folder / "ca.pem").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    issued = ca.issue(EAST, key=key)
    routers.certify("east", issued)
    leaf, issuing, root = (
        each.public_bytes(Encoding.PEM)
        for each in (issued.certificate, ca.intermediate.certificate, ca.root.certificate)
    )

    for full in (leaf + issuing + root, root + issuing + leaf, issuing + leaf + root):
        done = import_(routers, given=given_file(routers, full))

        assert done.exit_code == 0, done.stderr
        assert installed(routers) == leaf + issuing

    wrong = import_(routers, given=given_file(routers, issuing + root))
    assert wrong.exit_code == 1
    assert "none of the 2 certificates is for the private key" in wrong.stderr


def test_validation_mode_is_about_configurations_and_not_about_imports(
    routers: TwoRouters, old: Issued
) -> None:
    file = routers.file
    lenient = json.loads(file.read_text())
    lenient["authority"]["router"][0]["node"][0]["client-certificate"]["validation-mode"] = "warn"
    expired = renewed(routers, old, not_after=datetime.now(UTC) - timedelta(hours=1))
    other = routers.folder / "lenient.yaml"
    other.write_text(json.dumps(lenient))

    done = peerkey(
        "import",
        "certificate",
        given_file(routers, expired.pem),
        "--config",
        other,
        "--node",
        "east/node0",
        *("--state-dir", routers.folder / "state"),
    )

    assert done.exit_code == 1
    assert installed(routers) == old.pem


@pytest.mark.parametrize("forged", [False, True])
def test_a_revocation_list_must_be_one_and_be_signed(
    routers: TwoRouters, old: Issued, *, forged: bool
) -> None:
    crl = routers.folder / "ca.crl"
    stranger = TestCA("test", now=routers.ca.now).intermediate
    crl.write_bytes(list_of(stranger, old.certificate) if forged else b"none")

    done = import_(routers, "--crl", crl, given=given_file(routers, renewed(routers, old).pem))

    assert done.exit_code == 1
    assert ("that may sign lists has signed it" if forged else "holds no revocation list") in done.stderr
    assert installed(routers) == old.pem


def test_without_a_configuration_everything_is_named(routers: TwoRouters, old: Issued) -> None:
    new, out = renewed(routers, old), routers.folder / "fresh" / "node.pem"

    done = peerkey(
        *("import", "certificate", given_file(routers, new.pem), "--key", routers.folder / "east.key"),
        *("--out", out, "--trust", routers.folder / "ca.pem", "--uuid", EAST),
        *("--state-dir", routers.folder / "state"),
    )

    assert done.exit_code == 0, done.stderr
    assert out.read_bytes() == new.pem
    assert audited(routers)[0]["node"] == str(EAST)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--key", "k", "--out", "o", "--trust", "t"),
        ("--uuid", str(EAST), "--key", "k", "--out", "o"),
        ("--config", "c", "--key", "k"),
    ],
    ids=["nothing", "no uuid", "no trust", "both"],
)
def test_options_that_do_not_say_whose_it_is_are_wrong_usage(words: tuple[str, ...]) -> None:
    assert peerkey("import", "certificate", "-", *words).exit_code == 2


def test_a_file_that_cannot_be_written_leaves_the_old_certificate(routers: TwoRouters, old: Issued) -> None:
    (routers.folder / "east.pem").unlink()
    (routers.folder / "east.pem").mkdir()

    done = import_(routers, given=given_file(routers, renewed(routers, old).pem))

    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert [path.name for path in routers.folder.iterdir() if path.name.startswith(".")] == []
    assert audited(routers)[0]["detail"]["check"] == "installation"


def test_what_could_not_be_recorded_is_not_done(routers: TwoRouters, old: Issued) -> None:
    (routers.folder / "state").write_text("no directory")

    done = import_(routers, given=given_file(routers, renewed(routers, old).pem))

    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert installed(routers) == old.pem


def test_a_link_to_the_certificate_stays_a_link(routers: TwoRouters, old: Issued) -> None:
    place, new = routers.folder / "east.pem", renewed(routers, old)
    place.rename(routers.folder / "real.pem")
    place.symlink_to(routers.folder / "real.pem")

    assert import_(routers, given=given_file(routers, new.pem)).exit_code == 0

    assert place.is_symlink()
    assert (routers.folder / "real.pem").read_bytes() == new.pem


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300)
    | st.integers(1, 60).map(lambda cut: b"-----BEGIN CERTIFICATE-----MII" * cut)
)
def test_no_import_does_more_than_fail_with_one_line(
    routers: TwoRouters, old: Issued, content: bytes
) -> None:
    done = import_(routers, given="-", stdin=content)

    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert installed(routers) == old.pem


# --- while a system runs --------------------------------------------------------------------------


@pytest.fixture
def system(routers: TwoRouters, old: Issued) -> Iterator[Background]:
    assert installed(routers) == old.pem
    with in_background(routers.file, routers.folder / "state") as background:
        up(routers)
        yield background


def test_a_running_system_reads_it_records_it_and_counts_it(
    system: Background, routers: TwoRouters, old: Issued
) -> None:
    """I95-61856: a new certificate was not picked up without a restart."""
    new = renewed(routers, old)
    assert import_(routers, given="-", stdin=b"nothing").exit_code == 1

    done = import_(routers, given=given_file(routers, new.pem))

    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "The running system reads it: east/node0, west/node0."
    wait_for(lambda: serial_at_peer(system, "west") == new.certificate.serial_number, 30)
    events = show(routers, "events")["events"]
    kinds = [event["type"] for event in events]
    assert "certificate.refused" in kinds
    assert "system.ingest_certificate" in kinds
    page = exposition(system.running.journal.tally.samples()).decode()
    assert 'peerkey_certificate_import_total{node="east/node0",result="success"} 1.0' in page
    assert 'peerkey_certificate_import_total{node="east/node0",result="failure"} 1.0' in page


def test_a_ca_bundle_that_was_replaced_counts_with_the_import(
    system: Background, routers: TwoRouters, old: Issued
) -> None:
    """I95-66066: the CA bundle was not refreshed in memory after an ingestion."""
    successor = TestCA("successor", now=routers.ca.now)
    bundle = [authority.root.certificate.public_bytes(Encoding.PEM) for authority in (routers.ca, successor)]
    (routers.folder / "ca.pem").write_bytes(b"".join(bundle))
    new = successor.issue(EAST, key=old.key)

    assert import_(routers, given=given_file(routers, new.pem)).exit_code == 0

    wait_for(lambda: serial_at_peer(system, "west") == new.certificate.serial_number, 30)
    assert show(routers, "alarms")["alarms"] == []


def test_nothing_is_imported_for_a_node_whose_system_is_another(
    system: Background, routers: TwoRouters
) -> None:
    assert system.running is not None
    stranger, out = routers.ca.issue(UUID(int=99)), routers.folder / "stranger.pem"
    routers.certify("stranger", stranger)
    out.unlink()

    done = peerkey(
        *("import", "certificate", given_file(routers, stranger.pem), "--uuid", UUID(int=99)),
        *("--key", routers.folder / "stranger.key", "--out", out, "--trust", routers.folder / "ca.pem"),
        *("--state-dir", routers.folder / "state"),
    )

    assert done.exit_code == 1
    assert "the system that runs here has no node" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


def test_a_certificate_that_is_missing_at_the_start_is_an_alarm_until_it_is_imported(
    routers: TwoRouters, old: Issued
) -> None:
    """I95-65488: say so when the file of a certificate is missing."""
    (routers.folder / "east.pem").unlink()
    with in_background(routers.file, routers.folder / "state"):
        wait_for(
            lambda: any("east.pem" in alarm["message"] for alarm in show(routers, "alarms")["alarms"]), 30
        )

        assert import_(routers, given=given_file(routers, old.pem)).exit_code == 0

        up(routers)
        assert show(routers, "alarms")["alarms"] == []


# --- helpers --------------------------------------------------------------------------------------


def import_(routers: TwoRouters, *words: object, given: object, stdin: bytes | None = None) -> Any:  # noqa: ANN401
    target = ("--config", routers.file, "--node", "east/node0", "--state-dir", routers.folder / "state")
    return peerkey("import", "certificate", given, *target, *words, stdin=stdin)


def renewed(routers: TwoRouters, old: Issued, **changes: Any) -> Issued:  # noqa: ANN401
    return routers.ca.issue(EAST, key=old.key, **changes)


def given_file(routers: TwoRouters, pem: bytes) -> Path:
    path = routers.folder / "sent.pem"
    path.write_bytes(pem)
    return path


def installed(routers: TwoRouters) -> bytes:
    return (routers.folder / "east.pem").read_bytes()


def audited(routers: TwoRouters) -> list[dict[str, Any]]:
    lines = (routers.folder / "state" / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def list_of(issuer: Authority, revoked: x509.Certificate) -> bytes:
    now = datetime.now(UTC)
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.serial_number)
        .revocation_date(now - timedelta(minutes=1))
        .build()
    )
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(now).next_update(now + timedelta(days=1)).add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def show(routers: TwoRouters, *words: str) -> Any:  # noqa: ANN401
    return document("show", *words, "--state-dir", routers.folder / "state")


def up(routers: TwoRouters) -> None:
    wait_for(lambda: all(peer["status"] == "up" for peer in show(routers, "peers")["peers"]), 30)


def serial_at_peer(system: Background, router: str) -> int | None:
    """Return the serial number of the certificate that ``router`` has of its peer."""

    async def found(running: Any) -> int | None:  # noqa: ANN401
        fleet = await running.authority.ask(GetFleet(), timedelta(seconds=5))
        (node,) = (node for node in fleet if node.node.startswith(router))
        chain = node.peers[0].security.peer_chain
        return x509.load_der_x509_certificate(chain[0]).serial_number if chain else None

    return system.call(found)
