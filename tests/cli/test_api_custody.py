"""Keys and certificates over the admin API: made, brought, asked for, imported, removed; never handed out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tests.cli.remote_system import RemoteSystem, remote_system
from tests.cli.two_routers import UUIDS
from tests.support.hosts import wait_for

NODE = "/v1/router/east/node/node0"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


@pytest.fixture
def http(remote: RemoteSystem) -> Iterator[httpx.Client]:
    with remote.http("write") as client:
        yield client


@pytest.mark.parametrize(
    ("wanted", "algorithm"),
    [
        ({}, "ec-p256"),
        ({"algorithm": "ECC"}, "ec-p256"),
        ({"algorithm": "ECC", "ecc_curve": "SECP521R1"}, "ec-p521"),
        ({"algorithm": "RSA", "rsa_key_size": "2048"}, "rsa-2048"),
        ({"algorithm": "ml-dsa-44"}, "ml-dsa-44"),
    ],
)
def test_a_private_key_is_made_and_only_its_public_key_is_told(
    http: httpx.Client, remote: RemoteSystem, wanted: dict[str, Any], algorithm: str
) -> None:
    name = f"made-{len(str(wanted))}-{algorithm}"

    made = http.post(f"{NODE}/private-key", json={"name": name, **wanted})

    assert made.status_code == 201
    assert made.json()["algorithm"] == algorithm
    assert made.json()["configured"] is False
    file = remote.system.running.state.path / "pki" / str(UUIDS["east"]) / f"{name}.key"
    key = load_pem_private_key(file.read_bytes(), None)
    assert file.stat().st_mode & 0o777 == 0o600
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert made.json()["public_key"] == public
    shown = http.get(f"{NODE}/private-key", params={"name": name}).json()
    assert {**shown, "time": ""} == {**made.json(), "time": ""}
    assert http.get("/v1/router/west/node/node0/private-key", params={"name": name}).status_code == 404


def test_a_key_that_is_there_is_replaced_only_on_demand(http: httpx.Client, remote: RemoteSystem) -> None:
    first = http.post(f"{NODE}/private-key", json={"name": "twice"}).json()

    refused = http.post(f"{NODE}/private-key", json={"name": "twice"})
    replaced = http.post(f"{NODE}/private-key", json={"name": "twice", "replace": True})

    assert refused.status_code == 409
    assert "there is a private key already" in refused.json()["error"]
    assert replaced.json()["fingerprint"] != first["fingerprint"]
    deleted = told(remote, "system.delete_private_key")[-1]
    assert (deleted["fingerprint"], deleted["replaced"]) == (first["fingerprint"], True)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_private_key_that_somebody_brings_goes_in_and_never_out(
    http: httpx.Client, remote: RemoteSystem, kind: str
) -> None:
    key = ec.generate_private_key(ec.SECP384R1()) if kind == "ec" else rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    taken = http.put(f"{NODE}/private-key", json={"name": f"brought-{kind}", "private_key": pem})
    again = http.put(f"{NODE}/private-key", json={"name": f"brought-{kind}", "private_key": pem})

    assert taken.status_code == 200
    assert load_pem_public_key(taken.json()["public_key"].encode()) == key.public_key()
    assert again.status_code == 409
    assert told(remote, "system.import_private_key")[-1]["fingerprint"] == taken.json()["fingerprint"]
    inner = pem.splitlines()[1]
    for text in (taken.text, again.text, remote.system.running.state.journal.read_text()):
        assert inner not in text


@pytest.mark.parametrize("what", ["nothing", "certificate", "encrypted", "ed25519", "rsa-1024", "two names"])
def test_a_private_key_that_cannot_be_used_is_not_taken_and_not_repeated(
    http: httpx.Client, remote: RemoteSystem, what: str
) -> None:
    body = {"name": "bad", **brought(remote, what)}

    refused = http.put(f"{NODE}/private-key", json=body)

    assert refused.status_code in {409, 422}
    assert "MI" not in refused.text.replace("MI\\", "")
    assert http.get(f"{NODE}/private-key", params={"name": "bad"}).status_code == 404


def test_a_signing_request_has_the_names_of_the_node_and_what_was_asked_for(http: httpx.Client) -> None:
    http.post(f"{NODE}/private-key", json={"name": "asks", "replace": True})
    wanted = {
        "name": "asks",
        "common_name": "east-peering",
        "country_name": "US",
        "organization_name": "Example",
        "validity_period": 90,
        "subject_alt_names": [{"type": "urn_ssr_peering", "value": "east"}],
        "algorithm": "ECC",
    }

    posted = http.post(f"{NODE}/certificate-request", json=wanted)
    got = http.request("GET", f"/api{NODE}/certificate-request", json=wanted)

    assert posted.status_code == got.status_code == 200
    for answer in (posted, got):
        request = x509.load_pem_x509_csr(answer.json()["csr"].encode())
        assert request.is_signature_valid
        assert request.subject.rfc4514_string() == "CN=east-peering,O=Example,C=US"
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        assert uris == [f"urn:uuid:{UUIDS['east']}", "urn:ssr:peering:east"]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"name": "no-such-key"}, 404),
        ({"country_name": "usa"}, 422),
        ({"common_name": ""}, 422),
        ({"validity_period": 0}, 422),
        ({"subject_alt_names": [{"type": "uuid", "value": "x"}]}, 422),
        ({"subject_alt_names": [{"type": "odd", "value": "x"}]}, 422),
        ({"algorithm": "RSA", "rsa_key_size": 4_096}, 409),
        ({"algorithm": "ECC", "rsa_key_size": 4_096}, 422),
        ({"password": "secret"}, 422),
    ],
)
def test_a_signing_request_that_cannot_be_is_refused(
    http: httpx.Client, wanted: dict[str, Any], status: int
) -> None:
    refused = http.post(f"{NODE}/certificate-request", json=wanted)

    assert refused.status_code == status
    assert "secret" not in refused.text


def test_a_certificate_goes_from_key_to_service_without_a_file_of_the_machine(
    http: httpx.Client, remote: RemoteSystem
) -> None:
    csr = x509.load_pem_x509_csr(http.post(f"{NODE}/certificate-request", json={}).json()["csr"].encode())
    issued = remote.routers.ca.issue(UUIDS["east"], public_key=csr.public_key())

    done = http.post(f"{NODE}/certificate", json={"name": "base", "certificate": issued.pem.decode()})

    assert done.status_code == 200, done.text
    assert done.json()["reloaded"] is True
    assert (remote.routers.folder / "east.pem").read_bytes() == issued.pem
    stored = http.get(f"{NODE}/certificate").json()["certificates"]
    assert stored[0]["pem"].encode() == issued.certificate.public_bytes(Encoding.PEM)
    wait_for(lambda: shown(http)[0]["certificates"][0]["serial"] == stored[0]["serial"], 30)
    assert told(remote, "system.ingest_certificate")[-1]["fingerprint"] == stored[0]["fingerprint_sha1"]


@pytest.mark.parametrize(
    ("what", "check"),
    [
        ("with its private key", "private-key"),
        ("of another", "validity"),
        ("expired", "validity"),
        ("nothing", "validity"),
    ],
)
def test_a_certificate_that_fails_a_check_changes_nothing(
    http: httpx.Client, remote: RemoteSystem, what: str, check: str
) -> None:
    before = (remote.routers.folder / "west.pem").read_bytes()
    pem = certificate(remote, what)

    refused = http.put("/v1/router/west/node/node0/certificate", json={"name": "base", "certificate": pem})

    assert refused.status_code == 409
    assert "nothing was changed" in refused.json()["error"]
    assert told(remote, "certificate.refused")[-1]["check"] == check
    assert (remote.routers.folder / "west.pem").read_bytes() == before
    assert "PRIVATE" not in refused.text


def test_what_the_node_uses_is_deleted_only_by_force(http: httpx.Client, remote: RemoteSystem) -> None:
    west = "/v1/router/west/node/node0"

    for resource in ("private-key", "certificate"):
        refused = http.delete(f"{west}/{resource}")
        assert refused.status_code == 409
        assert "`force` deletes it all the same" in refused.json()["error"]

    pem, key = (remote.routers.folder / "west.pem"), (remote.routers.folder / "west.key")
    kept = pem.read_bytes(), key.read_bytes()
    try:
        assert http.delete(f"{west}/certificate", params={"force": True}).json()["reloaded"] is True
        assert http.delete(f"{west}/private-key", params={"force": True}).status_code == 200
        assert not pem.exists()
        assert not key.exists()
        assert http.delete(f"{west}/certificate", params={"force": True}).status_code == 404
        assert http.delete(f"{west}/private-key", params={"force": True}).status_code == 404
    finally:
        pem.write_bytes(kept[0])
        key.touch(mode=0o600)
        key.write_bytes(kept[1])
        http.post("/v1/reload")
    assert told(remote, "system.delete_certificate")[-1]["name"] == "base"


def test_the_short_path_needs_a_system_of_one_node(http: httpx.Client) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        body = {"POST": {}, "PUT": {"private_key": "x"}}.get(method)
        answer = http.request(method, "/v1/private-key", json=body)
        assert answer.status_code == 404
        assert "2 nodes run here" in answer.json()["error"]


def test_the_short_path_is_that_of_the_only_node(tmp_path: Path) -> None:
    with remote_system(tmp_path, routers=("east",)) as alone, alone.http("write") as http:
        assert http.get("/v1/private-key").json()["node"] == "east/node0"
        assert http.post("/v1/certificate-request", json={}).status_code == 200
        assert http.get("/v1/certificate").json()["configured"] is True


def test_others_are_answered_while_a_large_key_is_made(http: httpx.Client, remote: RemoteSystem) -> None:
    wanted = {"name": "large", "algorithm": "RSA", "rsa_key_size": 4_096, "replace": True}
    with ThreadPoolExecutor(1) as threads:
        making = threads.submit(remote_post, remote, f"{NODE}/private-key", wanted)
        answered = 0
        while not making.done():
            assert http.get("/v1/peers").status_code == 200
            answered += 1
        made = making.result()

    assert made["algorithm"] == "rsa-4096"
    assert answered > 1


# --- helpers --------------------------------------------------------------------------------------


def told(remote: RemoteSystem, kind: str) -> list[dict[str, Any]]:
    """Return name and detail of the events of a type."""
    return [
        {"name": getattr(entry.event, "name", ""), **entry.event.detail()}
        for entry in remote.system.running.journal.recent()
        if kind == entry.event.TYPE
    ]


def remote_post(remote: RemoteSystem, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    with remote.http("write") as http:
        return http.post(path, json=body).json()


def shown(http: httpx.Client) -> Any:  # noqa: ANN401 - JSON
    return http.get("/v1/certificates").json()["nodes"]


def brought(remote: RemoteSystem, what: str) -> dict[str, Any]:
    plain = NoEncryption()
    if what == "nothing":
        return {"private_key": "nothing"}
    if what == "certificate":
        return {"private_key": (remote.routers.folder / "east.pem").read_text()}
    if what == "two names":
        return {"private_key": (remote.routers.folder / "east.key").read_text(), "key": "MI"}
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if what == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    if what == "rsa-1024":
        key = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - which is the point
    encryption = BestAvailableEncryption(b"passphrase") if what == "encrypted" else plain
    return {"private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()}


def certificate(remote: RemoteSystem, what: str) -> str:
    folder, ca = remote.routers.folder, remote.routers.ca
    key = load_pem_private_key((folder / "west.key").read_bytes(), None)
    past = datetime.now(UTC) - timedelta(days=1)
    match what:
        case "with its private key":
            return (folder / "west.pem").read_text() + (folder / "west.key").read_text()
        case "of another":
            return (folder / "east.pem").read_text()
        case "expired":
            return ca.issue(UUIDS["west"], public_key=key.public_key(), not_after=past).pem.decode()  # type: ignore[arg-type]
    return "nothing"
