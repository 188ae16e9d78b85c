"""What the CRL manager has published is asked before any certificate goes into service, system or none."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.keystores.stores import KeyStores
from actors.master_list_file import MasterListFile
from peerkey.pki.ingest import Check, ImportRefused
from peerkey.pki.laboratory import Authority
from peerkey.pki.list_ingestion import ingest
from peerkey.pki.list_merging import Held, publish
from peerkey.pki.master_list import MasterList
from peerkey.pki.revocation import AllOf, NoRevocation
from peerkey.testing.ca import Issued
from peerkey.testing.lists import revocation_list
from peerkey_cli.plans import PlansReader
from peerkey_cli.renewing import EstEnroller
from peerkey_cli.state import StateDirectory
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.est_server import EstServer
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


def test_a_certificate_on_the_published_list_is_refused_while_no_system_runs(
    routers: TwoRouters, old: Issued
) -> None:
    """I95-64977: ingestion without expiry and revocation check."""
    new, other = (routers.ca.issue(EAST, key=old.key) for _ in range(2))
    published(routers, routers.ca.intermediate, new.certificate)

    refused = import_(routers, new)

    assert refused.exit_code == 1
    assert "revoked: the certificate is revoked since" in refused.stderr
    assert installed(routers) == old.certificate
    assert audited(routers)[-1]["detail"]["check"] == "revocation"
    assert import_(routers, other).exit_code == 0, "of this one the list says nothing"
    assert installed(routers) == other.certificate


def test_an_authority_on_the_published_list_takes_what_it_issued_with_it(
    routers: TwoRouters, old: Issued
) -> None:
    published(routers, routers.ca.root, routers.ca.intermediate.certificate)

    refused = import_(routers, routers.ca.issue(EAST, key=old.key))

    assert refused.exit_code == 1
    assert "revoked: CA CN=test issuing is revoked since" in refused.stderr
    assert installed(routers) == old.certificate


def test_lists_that_are_given_add_to_what_is_published(routers: TwoRouters, old: Issued) -> None:
    """A list that an operator gives does not release what another has revoked."""
    new = routers.ca.issue(EAST, key=old.key)
    published(routers, routers.ca.intermediate, new.certificate)
    empty = routers.folder / "empty.crl"
    empty.write_bytes(listed(routers, routers.ca.intermediate).public_bytes(Encoding.PEM))

    refused = import_(routers, new, "--crl", empty)

    assert refused.exit_code == 1
    assert "is revoked since" in refused.stderr


def test_a_published_list_that_is_damaged_lets_nothing_in(routers: TwoRouters, old: Issued) -> None:
    path = published(routers, routers.ca.intermediate)
    path.write_bytes(path.read_bytes()[:-1])

    refused = import_(routers, routers.ca.issue(EAST, key=old.key))

    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "so that nobody can tell what is revoked: start the system" in line
    assert installed(routers) == old.certificate


def test_a_running_system_that_knows_a_certificate_to_be_revoked_is_not_given_it(
    routers: TwoRouters, old: Issued
) -> None:
    new = routers.ca.issue(EAST, key=old.key)
    crl = routers.folder / "ca.crl"
    crl.write_bytes(listed(routers, routers.ca.intermediate, new.certificate).public_bytes(Encoding.DER))
    file = routers.file
    configuration = json.loads(file.read_text())
    configuration["authority"]["certificate-revocation"] = [{"url": crl.as_uri()}]
    file.write_text(json.dumps(configuration))
    with in_background(file, routers.folder / "state"):
        at = ("--state-dir", routers.folder / "state")
        wait_for(lambda: document("show", "certificate", "crl", *at)["revoked"] == 1, 30)

        refused = import_(routers, new, config=file)

        assert refused.exit_code == 1
        assert "revoked: the certificate is revoked since" in refused.stderr
        assert installed(routers) == old.certificate


def test_what_was_enrolled_is_asked_for_too(routers: TwoRouters, old: Issued) -> None:
    published(routers, routers.ca.root, routers.ca.intermediate.certificate)
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        file = routers.write("both", **{"ca-profile": {"url": server.url}})

        refused = peerkey(
            *("enroll", "--config", file, "--node", "east/node0", "--ca", routers.folder / "ca.pem"),
            *("--state-dir", routers.folder / "state"),
        )

    assert refused.exit_code == 1
    assert "is revoked since" in refused.stderr
    assert installed(routers) == old.certificate
    assert [event["type"] for event in audited(routers)][-2:] == [
        "certificate.refused",
        "system.enrollment_failed",
    ]


def test_a_renewal_without_an_operator_installs_nothing_that_is_revoked(
    routers: TwoRouters, old: Issued
) -> None:
    published(routers, routers.ca.root, routers.ca.intermediate.certificate)
    known = MasterListFile(StateDirectory(routers.folder / "state").master_list).read()
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        profile = {"url": server.url, "automatic-enrollment": True}
        (plan, _) = PlansReader(routers.write("both", **{"ca-profile": profile}))()
        keys = KeyStores(routers.folder / "sealing.key")
        attempt = EstEnroller(keys, {}, revocation=known).prepare(plan)
        asyncio.run(attempt.submit())

        with pytest.raises(ImportRefused, match="is revoked since") as refusal:
            attempt.install()

    assert refusal.value.check is Check.REVOCATION
    assert installed(routers) == old.certificate


def test_of_several_that_know_something_any_one_revokes(routers: TwoRouters, old: Issued) -> None:
    published(routers, routers.ca.intermediate, old.certificate)
    known = MasterListFile(StateDirectory(routers.folder / "state").master_list).read()
    assert known is not None
    asked = old.certificate.issuer.public_bytes(), old.certificate.serial_number

    for together in (AllOf((known, NoRevocation())), AllOf((NoRevocation(), known))):
        entry = together.lookup(*asked)
        assert entry is not None
        assert entry.serial == old.certificate.serial_number
        assert together.generation == known.generation
    assert AllOf(()).lookup(*asked) is None


# --- helpers --------------------------------------------------------------------------------------


def listed(
    routers: TwoRouters, issuer: Authority, *revoked: x509.Certificate
) -> x509.CertificateRevocationList:
    now = routers.ca.now
    return revocation_list(issuer, *revoked, this_update=now, next_update=now + timedelta(days=1))


def published(routers: TwoRouters, issuer: Authority, *revoked: x509.Certificate) -> Path:
    """Leave the master list that a system would have left; return its file."""
    path = StateDirectory(routers.folder / "state").master_list
    ca = routers.ca
    found = ingest(
        listed(routers, issuer, *revoked).public_bytes(Encoding.DER),
        "file:///ca.crl",
        certificates=[ca.intermediate.certificate],
        trust=ca.trust,
        at=ca.now,
    )
    routers.folder.joinpath("state").mkdir(mode=0o700)
    MasterListFile(path).publish(publish([Held(found.facts, MasterList(found.entries))], 1))
    return path


def import_(routers: TwoRouters, issued: Issued, *words: object, config: Path | None = None) -> Any:  # noqa: ANN401
    sent = routers.folder / "sent.pem"
    sent.write_bytes(issued.pem)
    target = ("--config", config or routers.file, "--node", "east/node0")
    return peerkey("import", "certificate", sent, *target, "--state-dir", routers.folder / "state", *words)


def installed(routers: TwoRouters) -> x509.Certificate:
    return x509.load_pem_x509_certificates((routers.folder / "east.pem").read_bytes())[0]


def audited(routers: TwoRouters) -> list[dict[str, Any]]:
    lines = (routers.folder / "state" / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
