"""Renewal without an operator: in a system that runs, and for a key that never leaves its token."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.keystores.stores import KeyStores
from actors.renewal import Later
from peerkey.errors import Misconfigured
from peerkey.pki.key_types import KeyType
from peerkey.testing.ca import Issued
from peerkey_cli.laboratory.keys import generate
from peerkey_cli.plans import PlansReader
from peerkey_cli.renewing import EstAttempt, EstEnroller
from tests.actors.keystores.places import PIN, pkcs11_place
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support import est_server
from tests.support.est_server import PASSWORD, USER, EstServer, basic
from tests.support.hosts import wait_for

EAST = UUIDS["east"]
DAY = timedelta(days=1)


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    return two_routers(tmp_path)


@pytest.fixture
def due(routers: TwoRouters) -> Issued:
    """Give the node a certificate of which four fifths have passed."""
    now = routers.ca.now
    issued = routers.ca.issue(EAST, not_before=now - 20 * DAY, not_after=now + 5 * DAY)
    routers.certify("east", issued)
    return issued


@pytest.fixture
def server(routers: TwoRouters) -> Iterator[EstServer]:
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        yield server


def test_a_running_system_renews_what_is_due_and_the_peerings_keep_their_keys(
    routers: TwoRouters, due: Issued, server: EstServer
) -> None:
    file = configured(routers, server, automatic=False)
    with in_background(file, routers.folder / "state"):
        up(routers)
        keys = keys_in_use(routers)
        configured(routers, server, automatic=True)
        reload(routers)

        wait_for(lambda: "system.enrolled" in kinds_of(routers), 30)
        new = installed(routers)
        wait_for(lambda: serial_shown(routers) == new.serial_number, 30)

        assert keys_in_use(routers) == keys
        up(routers)
        assert renewal_alarms(routers) == []
        actors = {actor["name"] for actor in show(routers, "actors")["actors"]}
    assert new.public_key() == due.certificate.public_key()
    assert [seen.operation for seen in server.enrolments()] == ["simplereenroll"], "the other one is not due"
    assert "authority/renewal~east.node0" in actors


def test_while_the_ca_refuses_there_is_an_alarm_and_a_reload_tries_again_at_once(
    routers: TwoRouters, due: Issued, server: EstServer
) -> None:
    server.manners.append(est_server.refusal(403, "ask the office"))
    with in_background(configured(routers, server, automatic=True), routers.folder / "state"):
        wait_for(lambda: bool(renewal_alarms(routers)), 30)
        (alarm,) = renewal_alarms(routers)
        assert "403: ask the office" in alarm["message"]
        assert (alarm["severity"], alarm["node"], alarm["category"]) == ("major", "east/node0", "system")
        assert installed(routers) == due.certificate
        assert "system.enrollment_failed" in kinds_of(routers)

        reload(routers)

        wait_for(lambda: installed(routers) != due.certificate, 30)
        wait_for(lambda: not renewal_alarms(routers), 30)


def test_without_being_asked_for_nothing_is_renewed(
    routers: TwoRouters, due: Issued, server: EstServer
) -> None:
    with in_background(configured(routers, server, automatic=False), routers.folder / "state"):
        up(routers)
        reload(routers)
        up(routers)

    assert server.seen == []


def test_a_key_in_a_token_is_renewed_with_the_password_of_the_environment(
    routers: TwoRouters, server: EstServer, tmp_path: Path
) -> None:
    place = pkcs11_place(tmp_path)
    public = place.opened().create(place.name("east"), KeyType.EC_P256)
    names = (f"urn:uuid:{EAST}", "https://east.example/")
    old = routers.ca.issue(EAST, public_key=public, uris=names)  # type: ignore[arg-type]
    (routers.folder / "east.pem").write_bytes(old.pem)
    (plan, _) = PlansReader(configured(routers, server, automatic=True))()
    plan = replace(plan, key_file=place.name("east"))
    keys = KeyStores(tmp_path / "sealing.key")
    lacking = EstEnroller(keys, {})
    having = EstEnroller(keys, {"PEERKEY_ENROLL_USER": USER, "PEERKEY_ENROLL_PASSWORD": PASSWORD})

    with pytest.raises(Misconfigured, match="TLS here cannot use a private key in a device") as refusal:
        lacking.prepare(plan)
    attempt = having.prepare(plan)
    later = asyncio.run(attempt.submit())
    events = attempt.install()

    assert PIN not in str(refusal.value)
    assert later is None
    assert [event.TYPE for event in events] == ["system.ingest_certificate", "system.enrolled"]
    (seen,) = server.enrolments()
    assert (seen.operation, seen.authorization) == ("simpleenroll", basic(USER, PASSWORD))
    new = installed(routers)
    assert new.subject == old.certificate.subject
    found = new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(found.get_values_for_type(x509.UniformResourceIdentifier)) == names
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert new.public_key().public_bytes(*spki) == public.public_bytes(*spki)


def test_a_kind_of_key_that_tls_does_not_know_is_renewed_with_the_password_too(
    routers: TwoRouters, server: EstServer
) -> None:
    routers.certify("east", routers.ca.issue(EAST, key=generate(KeyType.ML_DSA_44)))
    (plan, _) = PlansReader(configured(routers, server, automatic=True))()
    environment = {"PEERKEY_ENROLL_USER": USER, "PEERKEY_ENROLL_PASSWORD": PASSWORD}

    attempt = EstEnroller(KeyStores(routers.folder / "sealing.key"), environment).prepare(plan)

    assert isinstance(attempt, EstAttempt)
    knows = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    assert attempt.application.operation.value == ("simplereenroll" if knows else "simpleenroll")


def test_a_server_that_is_busy_and_a_ca_that_decides_later_are_told_apart(
    routers: TwoRouters, due: Issued, server: EstServer
) -> None:
    (plan, _) = PlansReader(configured(routers, server, automatic=True))()
    server.manners.extend([est_server.later("120", 503), est_server.later("90", 202)])
    attempt = EstEnroller(KeyStores(routers.folder / "sealing.key"), {}).prepare(plan)

    busy, undecided = asyncio.run(attempt.submit()), asyncio.run(attempt.submit())

    assert busy is not None
    assert (busy.retry_after, "503" in str(busy.fault)) == (timedelta(seconds=120), True)
    assert undecided == Later(timedelta(seconds=90), None)
    assert server.enrolments()[0] == server.enrolments()[1]


# --- helpers --------------------------------------------------------------------------------------


def configured(routers: TwoRouters, server: EstServer, *, automatic: bool) -> Path:
    return routers.write("both", **{"ca-profile": {"url": server.url, "automatic-enrollment": automatic}})


def show(routers: TwoRouters, *words: str) -> Any:  # noqa: ANN401 - JSON
    return document("show", *words, "--state-dir", routers.folder / "state")


def reload(routers: TwoRouters) -> None:
    assert peerkey("reload", "--state-dir", routers.folder / "state").exit_code == 0


def up(routers: TwoRouters) -> None:
    wait_for(lambda: all(peer["status"] == "up" for peer in show(routers, "peers")["peers"]), 30)


def keys_in_use(routers: TwoRouters) -> list[Any]:
    return [peer["keys"][0] for peer in show(routers, "peers", "security")["peers"]]


def serial_shown(routers: TwoRouters) -> int:
    """Return the serial number of the certificate that the peer has of the node."""
    (west,) = (
        each for each in show(routers, "peers", "certificate")["peers"] if each["node"] == "west/node0"
    )
    return int(str(x509.load_pem_x509_certificate(west["peer_certificate"]["pem"].encode()).serial_number))


def renewal_alarms(routers: TwoRouters) -> list[Any]:
    return [each for each in show(routers, "alarms")["alarms"] if "cannot be renewed" in each["message"]]


def kinds_of(routers: TwoRouters) -> set[str]:
    lines = (routers.folder / "state" / "events.jsonl").read_text().splitlines()
    return {json.loads(line)["type"] for line in lines}


def installed(routers: TwoRouters) -> x509.Certificate:
    return x509.load_pem_x509_certificates((routers.folder / "east.pem").read_bytes())[0]
