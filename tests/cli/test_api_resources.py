"""What the admin API has beside keys and documents: trust, enrolment, verdicts, the audit log, and tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Misconfigured
from peerkey.testing.ca import TestCA
from peerkey_cli.api import judging_routes
from peerkey_cli.api.judging_routes import Spent
from peerkey_cli.api.remote import Remote
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import add_token
from peerkey_cli.errors import NotFound
from tests.cli.commands import peerkey
from tests.cli.remote_system import RemoteSystem, remote_system
from tests.cli.two_routers import UUIDS, TwoRouters
from tests.support.est_server import PASSWORD, USER, EstServer, later
from tests.support.hosts import wait_for

TRUST = "/v1/router/east/node/node0/trusted-ca-certificate"
ENROLLMENT = "/v1/router/east/node/node0/enrollment"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


@pytest.fixture
def http(remote: RemoteSystem) -> Iterator[httpx.Client]:
    with remote.http("write") as client:
        yield client


@pytest.fixture(scope="module")
def enrollable(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RemoteSystem, EstServer]]:
    """Run two routers whose configuration names an EST server, which is there."""
    folder, made = tmp_path_factory.mktemp("enrollable"), []
    with ExitStack() as stack:

        def ca_profile(routers: TwoRouters) -> dict[str, object]:
            made.append(stack.enter_context(EstServer(folder / "server", routers.ca).listening()))
            return {"ca-profile": {"url": made[0].url}}

        system = stack.enter_context(remote_system(folder, more=ca_profile))
        yield system, made[0]


# --- trusted CAs ----------------------------------------------------------------------------------


def test_a_trusted_ca_is_added_shown_and_removed(http: httpx.Client, remote: RemoteSystem) -> None:
    before = http.get(TRUST).json()["trusted"]
    other = TestCA(now=datetime.now(UTC)).root.certificate
    pem = other.public_bytes(Encoding.PEM).decode()

    added = http.post(TRUST, json={"certificate": pem})
    twice = http.post(TRUST, json={"certificate": pem})
    (shown,) = http.get(TRUST).json()["trusted"]
    print_ = added.json()["certificates"][0]["fingerprint_sha256"]
    removed = http.delete(TRUST, params={"fingerprint": print_})
    again = http.delete(TRUST, params={"fingerprint": print_.replace(":", "").lower()})

    assert added.status_code == removed.status_code == 200
    assert added.json()["reloaded"] is removed.json()["reloaded"] is True
    assert [each["pem"] for each in shown["certificates"]][-1] == pem
    assert len(shown["certificates"]) == len(before[0]["certificates"]) + 1
    assert (twice.status_code, again.status_code) == (409, 404)
    assert http.get(TRUST).json()["trusted"] == before
    assert told(remote, "system.add_trusted_ca")[-1]["fingerprint"] == print_
    assert told(remote, "system.remove_trusted_ca")[-1]["fingerprint"] == print_


@pytest.mark.parametrize("what", ["a leaf", "nothing", "an expired CA", "too many"])
def test_what_is_no_ca_that_counts_is_not_trusted(
    http: httpx.Client, remote: RemoteSystem, what: str
) -> None:
    file = remote.routers.folder / "ca.pem"
    before = file.read_bytes()
    expired = TestCA(now=datetime.now(UTC) - timedelta(days=20_000)).root.certificate
    pem = {
        "a leaf": remote.routers.ca.issue(UUIDS["east"]).pem.decode(),
        "nothing": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "an expired CA": expired.public_bytes(Encoding.PEM).decode(),
        "too many": before.decode() * 17,
    }[what]

    refused = http.post(TRUST, json={"certificate": pem})

    assert refused.status_code == 409
    assert file.read_bytes() == before


def test_the_last_trusted_ca_of_a_file_stays(http: httpx.Client, remote: RemoteSystem) -> None:
    (source,) = http.get(TRUST).json()["trusted"]
    (only,) = source["certificates"]

    for force in ("false", "true"):
        refused = http.delete(TRUST, params={"fingerprint": only["fingerprint_sha256"], "force": force})
        assert refused.status_code == 409
        assert "it is the last one" in refused.json()["detail"]


def test_the_ca_of_the_nodes_own_certificate_goes_only_by_force(http: httpx.Client) -> None:
    (source,) = http.get(TRUST).json()["trusted"]
    (own,) = source["certificates"]
    other = TestCA(now=datetime.now(UTC)).root.certificate.public_bytes(Encoding.PEM).decode()
    added = http.post(TRUST, json={"certificate": other}).json()["certificates"][0]["fingerprint_sha256"]

    refused = http.delete(TRUST, params={"fingerprint": own["fingerprint_sha256"]})
    forced = http.delete(TRUST, params={"fingerprint": own["fingerprint_sha256"], "force": "true"})
    http.post(TRUST, json={"certificate": own["pem"]})
    http.delete(TRUST, params={"fingerprint": added})

    assert refused.status_code == 409
    assert "`force` removes it" in refused.json()["error"]
    assert forced.status_code == 200
    assert http.get(TRUST).json()["trusted"] == [source]


# --- enrolment ------------------------------------------------------------------------------------


def test_a_node_is_enrolled_while_the_client_looks_on(
    enrollable: tuple[RemoteSystem, EstServer],
) -> None:
    system, server = enrollable
    server.manners.append(later("1"))
    with system.http("write") as http:
        begun = http.post(ENROLLMENT, json={"user": USER, "password": PASSWORD})
        second = http.post(ENROLLMENT, json={})
        wait_for(lambda: http.get(ENROLLMENT).json()["state"] == "waiting", 30)
        waiting = http.get(ENROLLMENT).json()
        wait_for(lambda: http.get(ENROLLMENT).json()["ended"] is not None, 30)
        done = http.get(ENROLLMENT).json()
        shown = http.get("/v1/router/east/node/node0/certificate").json()["certificates"][0]
        log = system.system.running.state.journal.read_text()

    assert (begun.status_code, begun.json()["state"]) == (202, "preparing")
    assert second.status_code == 409
    assert waiting["retry_at"] is not None
    assert (done["state"], done["operation"], done["reloaded"]) == ("done", "simpleenroll", True)
    assert shown["fingerprint_sha1"] == done["fingerprint"]
    assert shown["not_after"] == done["not_after"]
    assert '"system.enrolled"' in log
    assert PASSWORD not in log
    assert PASSWORD not in begun.text + json.dumps(done)


def test_a_wrong_password_ends_an_enrolment_with_its_reason(
    enrollable: tuple[RemoteSystem, EstServer],
) -> None:
    system, _ = enrollable
    folder = system.routers.folder
    before = (folder / "east.pem").read_bytes()
    with system.http("write") as http:
        http.post(ENROLLMENT, json={"user": USER, "password": "wrong"})
        wait_for(lambda: http.get(ENROLLMENT).json()["ended"] is not None, 30)
        failed = http.get(ENROLLMENT).json()
        late = http.delete(ENROLLMENT)

    assert failed["state"] == "failed"
    assert "wrong" not in failed["reason"].replace("is wrong", "")
    assert failed["reason"]
    assert late.status_code == 409
    assert (folder / "east.pem").read_bytes() == before


def test_an_enrolment_that_waits_is_given_up(
    enrollable: tuple[RemoteSystem, EstServer],
) -> None:
    system, server = enrollable
    server.manners.append(later("3600"))
    with system.http("write") as http:
        http.post(ENROLLMENT, json={"user": USER, "password": PASSWORD})
        wait_for(lambda: http.get(ENROLLMENT).json()["state"] == "waiting", 30)
        given_up = http.delete(ENROLLMENT)
        server.manners.append(later("3600"))
        begun = http.post(ENROLLMENT, json={"user": USER, "password": PASSWORD})
        # The system ends while this one waits, if no other test gives it up.

    assert (given_up.status_code, given_up.json()["state"]) == (200, "cancelled")
    assert begun.status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 409),
        ({"user": "router"}, 409),
        ({"user": "a:b", "password": "x"}, 422),
        ({"url": "https://evil.example/"}, 422),
    ],
)
def test_without_a_server_in_the_configuration_nobody_is_asked(
    http: httpx.Client, body: dict[str, str], status: int
) -> None:
    assert http.post(ENROLLMENT, json=body).status_code == status
    assert http.get(ENROLLMENT).status_code == 404
    assert http.delete(ENROLLMENT).status_code == 404


# --- verdicts -------------------------------------------------------------------------------------


def test_a_chain_is_judged_for_whoever_may_read(remote: RemoteSystem) -> None:
    leaf = (remote.routers.folder / "east.pem").read_text()
    trust = (remote.routers.folder / "ca.pem").read_text()
    stranger = TestCA(now=datetime.now(UTC)).root.certificate.public_bytes(Encoding.PEM).decode()
    with remote.http("read") as http:

        def state(**question: object) -> tuple[bool, str]:
            answer = http.post("/v1/pki/verify", json={"leaf": leaf, **question})
            assert answer.status_code == 200
            return answer.json()["valid"], answer.json()["state"]

        assert state(trust=[trust]) == (True, "valid")
        assert state(trust=[trust], identity=str(UUIDS["east"])) == (True, "valid")
        assert state(trust=[trust], identity=str(UUIDS["west"])) == (False, "invalid")
        assert state(trust=[trust], at="2199-01-01T00:00:00Z") == (False, "expired")
        assert state(trust=[stranger]) == (False, "invalid")
        assert state() == (False, "invalid")
        assert state(trust=[trust], require_crl=True) == (False, "invalid")
        assert state(trust=[trust], crls=["nothing"]) == (False, "invalid")
        assert http.post("/v1/pki/verify", json={"leaf": "\x00"}).json()["valid"] is False
        for bad in ({}, {"leaf": ""}, {"leaf": leaf, "at": 7}, {"leaf": leaf, "chain": [leaf] * 33}):
            assert http.post("/v1/pki/verify", json=bad).status_code == 422


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"]
)
def test_a_time_at_the_ends_of_the_calendar_is_refused_and_breaks_nothing(
    remote: RemoteSystem, time: str
) -> None:
    leaf = (remote.routers.folder / "east.pem").read_text()
    with remote.http("read") as http:
        answers = [http.get("/v1/events", params={name: time}) for name in ("since", "until")]
        answers.append(http.post("/v1/pki/verify", json={"leaf": leaf, "at": time}))

    assert [each.status_code for each in answers] == [422, 422, 422]
    assert all("from 1900 to 9998" in each.json()["detail"] for each in answers)


# --- the audit log --------------------------------------------------------------------------------


def test_the_audit_log_is_verified_from_afar(remote: RemoteSystem) -> None:
    done = peerkey("events", "verify", "--json", *remote.options("read"))
    head = json.loads(done.stdout)["logs"][0]["head"]
    noted = peerkey("events", "verify", "--head", head, *remote.options("read"))
    wrong = peerkey("events", "verify", "--head", f"1:{'0' * 64}", *remote.options("read"))
    nonsense = peerkey("events", "verify", "--state-dir", "x", *remote.options("read"))

    assert (done.exit_code, noted.exit_code, wrong.exit_code, nonsense.exit_code) == (0, 0, 1, 2)
    assert json.loads(done.stdout)["valid"] is True


def test_questions_that_cost_have_a_share_of_the_time_and_no_more() -> None:
    spent = Spent()
    assert spent.wait(1_000.0) == 0

    spent.take(4.0, 1_000.0)
    assert spent.wait(1_000.0) == 0
    spent.take(3.0, 1_000.0)
    assert spent.wait(1_000.0) == pytest.approx(20)
    assert spent.wait(1_010.0) == pytest.approx(10)
    assert spent.wait(1_020.0) == pytest.approx(0)
    spent.take(1.0, 2_000.0)
    assert spent.wait(2_000.0) == 0


def test_too_many_questions_at_once_are_told_to_come_again(
    remote: RemoteSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> object:
        began.set()
        go_on.wait(30)
        message = "nobody said what"
        raise Misconfigured(message)

    monkeypatch.setattr(judging_routes, "answered_of", slow)
    asking = judging_routes.MAXIMUM_WAITING + 1
    with remote.http("read") as http, ThreadPoolExecutor(asking) as crowd:
        asked = [crowd.submit(http.post, "/v1/pki/verify", json={"leaf": "x"}) for _ in range(asking)]
        try:
            assert began.wait(30)
            # Nobody is answered before ``go_on``, so that the first answer is that of the one too many.
            assert next(as_completed(asked, timeout=30)).result().status_code == 503
            assert http.get("/v1/peers").status_code == 200
        finally:
            go_on.set()
    assert sorted(each.result().status_code for each in asked) == [409] * (asking - 1) + [503]


def test_nobody_invents_events_from_afar(remote: RemoteSystem) -> None:
    fields = {"name": "base", "reason": "x"}
    with remote.http("write") as http:
        refused = http.post(
            "/v1/audit", json={"node": "east/node0", "type": "certificate.request_failed", "fields": fields}
        )

    assert refused.status_code == 403
    assert {"name": "base", "reason": "x"} not in told(remote, "certificate.request_failed")


# --- tokens ---------------------------------------------------------------------------------------


def test_tokens_are_listed_without_anything_that_opens_a_door(remote: RemoteSystem) -> None:
    with remote.http("read") as http:
        listed = http.get("/v1/tokens")

    assert {(each["name"], each["role"]) for each in listed.json()["tokens"]} == {
        ("reader", "read"),
        ("writeer", "write"),
    }
    digests = [line.split()[2] for line in (remote.routers.folder / "tokens").read_text().splitlines()[1:]]
    for secret in (*digests, *(each.partition(":")[2] for each in digests), remote.token("read")):
        assert secret not in listed.text


def test_a_token_that_is_revoked_counts_no_more_and_its_streams_end(remote: RemoteSystem) -> None:
    tokens = remote.routers.folder / "tokens"
    made = add_token(tokens, "thief", Role.READ, datetime.now(UTC)).reveal().decode()
    with remote.http("write") as http, remote.http(None, Authorization=f"Bearer {made}") as thief:
        http.post("/v1/reload")
        with thief.stream("GET", "/v1/events/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 2000"
            revoked = http.delete("/v1/tokens/thief")
            # It ends: what is left of it can be read to the end.
            assert "still here" not in "".join(lines)
        refused = thief.get("/v1/peers")
        again = http.delete("/v1/tokens/thief")
        http.post("/v1/reload")

        assert (revoked.status_code, refused.status_code, again.status_code) == (200, 401, 404)
        assert thief.get("/v1/peers").status_code == 401
    assert "thief" not in tokens.read_text()
    assert told(remote, "api.token_revoked")[-1] == {"token": "thief", "by": "writeer"}


def test_a_reload_that_began_before_does_not_bring_a_revoked_token_back(remote: RemoteSystem) -> None:
    tokens = remote.routers.folder / "tokens"
    add_token(tokens, "gone", Role.WRITE, datetime.now(UTC))
    door = Remote(remote.settings)

    read = door.read()
    door.revoke("gone")
    door.take(read)
    assert "gone" not in {each.name for each in door.known()}

    add_token(tokens, "gone", Role.READ, datetime.now(UTC))
    door.take(door.read())
    assert "gone" in {each.name for each in door.known()}
    door.revoke("gone")


def test_a_token_is_revoked_also_where_its_file_does_not_let_it(remote: RemoteSystem) -> None:
    tokens = remote.routers.folder / "tokens"
    good = tokens.read_text()
    for name, spoilt in (("line-gone", good), ("file-faulty", "nonsense\n")):
        add_token(tokens, name, Role.WRITE, datetime.now(UTC))
        door = Remote(remote.settings)
        tokens.write_text(spoilt)
        if spoilt == good:
            door.revoke(name)
        else:
            with pytest.raises(Misconfigured, match="line 1 is no token"):
                door.revoke(name)
        assert name not in {each.name for each in door.known()}
        tokens.write_text(good)
        with pytest.raises(NotFound):
            door.revoke(name)


def test_a_stream_ends_when_a_reload_finds_its_token_gone_or_changed(remote: RemoteSystem) -> None:
    tokens = remote.routers.folder / "tokens"
    made = add_token(tokens, "demoted", Role.WRITE, datetime.now(UTC)).reveal().decode()
    with remote.http("write") as http, remote.http(None, Authorization=f"Bearer {made}") as other:
        http.post("/v1/reload")
        with other.stream("GET", "/v1/events/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 2000"
            tokens.write_text(tokens.read_text().replace("demoted write", "demoted read"))
            http.post("/v1/reload")
            assert "still here" not in "".join(lines)
        assert other.post("/v1/rekey", json={}).status_code == 403
        http.delete("/v1/tokens/demoted")


def test_what_is_no_name_is_no_token(remote: RemoteSystem) -> None:
    with remote.http("write") as http:
        assert http.delete("/v1/tokens/..%2Fx").status_code == 404
        assert http.delete("/v1/tokens/%20").status_code == 422


# --- helpers --------------------------------------------------------------------------------------


def told(remote: RemoteSystem, kind: str) -> list[dict[str, Any]]:
    entries = remote.system.running.journal.recent()
    return [dict(entry.event.detail()) for entry in entries if kind == entry.event.TYPE]
