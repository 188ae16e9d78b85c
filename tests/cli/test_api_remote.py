"""The admin API over TCP: who is let in, who is not, and that whoever is slow or huge holds nobody up."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from peerkey_cli import doorkeeper, http_protocol
from peerkey_cli.api import gate
from peerkey_cli.api.gate import MAXIMUM_BODY_BYTES, SECURITY_HEADERS
from peerkey_cli.api.rates import Rate
from peerkey_cli.api.remote import Remote
from peerkey_cli.api.visitors import Allowances
from tests.cli.commands import peerkey
from tests.cli.remote_system import PROBLEM_KEYS, RemoteSystem, certify_api, remote_system
from tests.support.hosts import wait_for

#: Routes that are asked with a method of their own and change nothing.
ASKED = {("POST", f"/v1/{name}") for name in ("pki/verify", "config/check", "config/diff")}
ASKED_PATHS = {path for _, path in ASKED}
#: What several of them take.
BODY = {"peer": "west", "name": "base"}
METHODS = ("GET", "POST", "PUT", "DELETE")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


def test_every_command_that_asks_a_system_can_ask_it_over_tcp(remote: RemoteSystem) -> None:
    shown = peerkey("show", "peers", "--json", *remote.options("read"))
    done = peerkey("rekey", "--json", *remote.options("write"))

    assert {peer["node"] for peer in json.loads(shown.stdout)["peers"]} == {"east/node0", "west/node0"}
    assert json.loads(done.stdout)["peerings"] == 2


def test_the_file_of_the_token_can_be_named_by_the_environment(
    remote: RemoteSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERKEY_API_TOKEN_FILE", str(remote.files["read"]))
    monkeypatch.setenv("PEERKEY_API_CA", str(remote.ca))

    assert peerkey("show", "actors", "--api", remote.settings.url).exit_code == 0


def test_a_token_in_a_file_that_others_can_read_is_not_used(remote: RemoteSystem, tmp_path: Path) -> None:
    exposed = tmp_path / "token"
    shutil.copy(remote.files["read"], exposed)
    exposed.chmod(0o644)

    refused = peerkey(
        "show", "peers", "--api", remote.settings.url, "--api-token-file", exposed, "--api-ca", remote.ca
    )

    assert refused.exit_code == 1
    assert "others can read it" in refused.stderr


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(remote: RemoteSystem) -> None:
    refused = peerkey("show", "peers", "--api", remote.settings.url, "--api-token-file", remote.files["read"])

    assert refused.exit_code == 3
    assert "name its CA with --api-ca" in refused.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--api", "http://127.0.0.1:9443"], "without TLS nothing is said over TCP"),
        (["--api", "127.0.0.1:9443"], "without TLS nothing is said over TCP"),
        (["--api", "https://127.0.0.1:9443"], "needs --api-certificate, --api-key, --api-tokens too"),
        (["--api-tokens", "tokens"], "--api-tokens: these go with --api https://HOST:PORT"),
        (["--api", "https://user@host:1"], "write https://HOST:PORT"),
    ],
)
def test_a_system_does_not_begin_to_listen_by_halves(
    remote: RemoteSystem, tmp_path: Path, options: list[str], says: str
) -> None:
    refused = peerkey("run", remote.routers.file, "--state-dir", tmp_path, *options)

    assert refused.exit_code == 2
    assert says in refused.stderr


def test_plain_http_at_the_port_of_tls_is_not_answered(remote: RemoteSystem) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(remote.settings.url.replace("https", "http"), trust_env=False)


@pytest.mark.parametrize(("newest", "spoken"), [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
def test_tls_1_2_and_newer_are_spoken(remote: RemoteSystem, newest: str, spoken: str) -> None:
    with remote.connect(ssl.TLSVersion[newest]) as connection:
        assert connection.version() == spoken


def test_nothing_older_is_spoken(remote: RemoteSystem) -> None:
    assert Remote(remote.settings).tls().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Bearer realm="peerkey"'),
        ("Basic dXNlcjpwYXNz", 'Bearer realm="peerkey"'),
        ("Bearer peerkey_wrong", 'Bearer realm="peerkey", error="invalid_token"'),
        ("Bearer \xff\xfe", 'Bearer realm="peerkey", error="invalid_token"'),
    ],
)
def test_without_a_token_that_is_known_nothing_is_told(
    remote: RemoteSystem, authorization: str | None, challenge: str
) -> None:
    with remote.http(None) as http:
        headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
        for method, path in (
            ("GET", "/v1/health"),
            ("POST", "/v1/rekey"),
            ("GET", "/v1/openapi.json"),
            ("PUT", "/"),
        ):
            answer = http.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == challenge
            assert set(answer.json()) == PROBLEM_KEYS


def test_two_tokens_in_one_request_are_none(remote: RemoteSystem) -> None:
    with remote.http("write") as http:
        twice = [
            (b"Authorization", b"Bearer x"),
            (b"Authorization", f"Bearer {remote.token('write')}".encode()),
        ]
        request = http.build_request("GET", "/v1/health")
        request.headers = httpx.Headers([(b"Host", b"127.0.0.1"), *twice])
        assert http.send(request).status_code == 401


def test_a_token_that_may_read_changes_nothing(remote: RemoteSystem) -> None:
    """Walk every path of the description, with every method, as it is and as it may be written otherwise."""
    before, events = snapshot(remote), len(remote.changes())
    with remote.http("read") as http:
        paths = http.get("/v1/openapi.json").json()["paths"]
        assert len(paths) > 30
        for path in paths:
            if path == "/v1/events/stream":
                continue
            real = path.format(router="east", node="node0", name="writeer")
            for method in METHODS:
                answer = http.request(method, real, json=BODY)
                reads = method == "GET" and not path.endswith("certificate-request")
                if reads or (method, real) in ASKED:
                    assert answer.status_code in {200, 404, 405, 422}, (method, real)
                else:
                    assert answer.status_code == 403, (method, real)
            if real in ASKED_PATHS:
                continue
            written = f"/api{real}/".replace("-", "%2D").replace("v1", "%761")
            assert http.post(written, json=BODY).status_code == 403, written
        for method in ("TRACE", "PROPFIND", "get", "POST "):
            assert http.request(method.strip(), "/v1/rekey").status_code in {403, 405}
        for method in ("HEAD", "OPTIONS"):
            assert http.request(method, "/v1/rekey").status_code == 405

    assert snapshot(remote) == before
    assert len(remote.changes()) == events


def test_a_refused_login_is_recorded_without_its_token(remote: RemoteSystem) -> None:
    with remote.http("read") as http:
        http.get("/v1/peers", headers={"Authorization": "Bearer peerkey_a-wrong-one"})
        http.post("/v1/rekey", json={})
        http.get("/v1/peers", headers={"Authorization": ""})

    recorded = [
        entry for entry in remote.system.running.journal.recent() if entry.event.TYPE == "api.login_refused"
    ]
    told = {(entry.event.detail()["reason"], entry.event.detail()["token"]) for entry in recorded}
    assert {("unknown token", ""), ("no token", ""), ("role", "reader")} <= told
    assert {entry.event.detail()["source"] for entry in recorded} == {"127.0.0.1"}
    log = remote.system.running.state.journal.read_text()
    lines = [json.loads(line) for line in log.splitlines() if "api.login_refused" in line]
    assert {line["permitted"] for line in lines} == {False}
    with remote.http("read") as http:
        told_again = http.get("/v1/events", params={"type": "api.login_refused"}).json()["events"]
    assert {event["permitted"] for event in told_again} == {False}
    for secret in ("a-wrong-one", remote.token("read"), remote.token("write")):
        assert secret not in log


def test_who_is_refused_often_waits_and_who_has_a_token_does_not(tmp_path: Path) -> None:
    allowed = Allowances()
    with remote_system(tmp_path, allowed) as system:
        with system.http(None) as http:
            answers = [http.get("/v1/health") for _ in range(allowed.records.burst + 5)]
        with system.http("read") as http:
            good = http.get("/v1/health")
        events = [
            entry.event.detail()
            for entry in system.system.running.journal.recent()
            if entry.event.TYPE == "api.login_refused"
        ]

    assert {each.status_code for each in answers[: allowed.refusals.burst]} == {401}
    last = answers[-1]
    assert last.status_code == 429
    assert 1 <= int(last.headers["Retry-After"]) <= 6
    assert good.status_code == 200
    assert len(events) == allowed.records.burst


def test_a_token_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    few = Allowances(requests=Rate(burst=5, interval=timedelta(seconds=100)))
    with remote_system(tmp_path, few) as system:
        with system.http("read") as http:
            statuses = [http.get("/v1/health").status_code for _ in range(6)]
            late = http.get("/v1/health")
        with system.http("write") as http:
            other = http.get("/v1/health")

    assert statuses == [200] * 5 + [429]
    assert 1 <= int(late.headers["Retry-After"]) <= 100
    assert set(late.json()) == PROBLEM_KEYS
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9443", 200),
        ("HUB.example:443", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[::1]", 421),
        ("[", 421),
    ],
)
def test_a_request_for_another_system_is_refused(remote: RemoteSystem, host: str, status: int) -> None:
    with remote.http("read") as http:
        assert http.get("/v1/health", headers={"Host": host}).status_code == status


def test_every_answer_keeps_browsers_out(remote: RemoteSystem) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    with remote.http("write") as http, remote.http(None) as stranger:
        from_a_page = [
            http.get("/v1/health", headers=origin),
            http.post("/v1/rekey", headers={**origin, "Content-Type": "text/plain"}, content=b"{}"),
            http.options("/v1/rekey", headers=origin),
            stranger.options("/v1/rekey", headers=origin),
        ]
        others = [http.get("/v1/health"), http.get("/v1/none"), stranger.get("/v1/health")]

    assert {answer.status_code for answer in from_a_page} == {403}
    for answer in from_a_page + others:
        for name, value in SECURITY_HEADERS:
            assert answer.headers[name.decode()] == value.decode()
        assert "Strict-Transport-Security" in answer.headers
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/page", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/peers/", 404),
        ("GET", "/v1/router/east/node/node9/private-key", 404),
        ("GET", "/v1/router/..%2f..%2fetc/node/passwd/private-key", 404),
        ("GET", "/v1/router/east/node/node0/private-key?name=..%2f..%2fapi", 422),
        ("GET", "/v1/private-key", 404),
        ("GET", "/api/v1/peers", 200),
        ("POST", "/api/v1/login", 404),
        ("GET", "/docs", 404),
        ("DELETE", "/v1/peers", 405),
        ("GET", "/v1/rekey", 405),
        ("HEAD", "/v1/peers", 405),
        ("TRACE", "/v1/peers", 405),
        ("CONNECT", "/v1/peers", 405),
    ],
)
def test_what_is_not_there_is_not_found(remote: RemoteSystem, method: str, path: str, status: int) -> None:
    with remote.http("write") as http:
        request = http.build_request(method, "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = http.send(request)

    assert answer.status_code == status
    if status != 200 and method != "HEAD":
        assert set(answer.json()) == PROBLEM_KEYS


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"peer": "\\ud800"}', b"1" * 5_000,
        b'{"a":1,"a":2}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(remote: RemoteSystem, body: bytes) -> None:
    with remote.http("write") as http:
        answer = http.post("/v1/release-pin", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 404, 413, 422}
    assert set(answer.json()) == PROBLEM_KEYS
    assert len(answer.content) < 2_000


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_huge_request_is_refused_before_it_is_read(remote: RemoteSystem, *, told: bool) -> None:
    size = MAXIMUM_BODY_BYTES + 1
    pieces = iter([b"x" * 65_536] * (size // 65_536) + [b"x"])
    with remote.http("write") as http:
        headers = {"Content-Length": str(size)} if told else {}
        answer = http.post("/v1/rekey", content=pieces, headers=headers)

    assert answer.status_code == 413
    assert answer.headers["Connection"] == "close"


def test_a_request_of_some_megabytes_that_is_sent_at_once_is_told_that_it_is_too_large(
    remote: RemoteSystem,
) -> None:
    with remote.http("write") as http:
        answer = http.post("/v1/rekey", content=bytes(4 * 1024 * 1024 - 1))

    assert answer.status_code == 413
    assert set(answer.json()) == PROBLEM_KEYS


def test_a_request_of_a_gigabyte_is_not_waited_for(remote: RemoteSystem) -> None:
    with remote.connect() as connection:
        connection.sendall(head(remote, "POST", "/v1/rekey", "Content-Length: 1000000000"))
        assert status_of(connection) == 413
        assert ended(connection)


def test_endless_headers_are_cut_off(remote: RemoteSystem) -> None:
    with remote.connect() as connection:
        try:
            for number in range(4_096):
                connection.sendall(
                    f"X-{number}: {'x' * 64}\r\n".encode() if number else b"GET / HTTP/1.1\r\n"
                )
            answered = connection.recv(64)
        except OSError:
            answered = b""
        assert not answered or answered.startswith(b"HTTP/1.1 400 ")


def test_slow_clients_hold_nobody_up_and_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADERS_WITHIN_SECONDS", 2.0)
    monkeypatch.setattr(gate, "BODY_WITHIN_SECONDS", 2.0)
    monkeypatch.setattr(doorkeeper, "HANDSHAKE_WITHIN_SECONDS", 2.0)
    with remote_system(tmp_path) as system:
        silent, half, slow = system.connect(), system.connect(), system.connect()
        half.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.")
        slow.sendall(head(system, "POST", "/v1/rekey", "Content-Length: 100") + b"{")
        raw = socket.create_connection(system.settings.address, timeout=30)

        with system.http("read") as http:
            assert http.get("/v1/health").status_code == 200
        peers = peerkey("show", "peers", "--state-dir", tmp_path / "state")

        assert peers.exit_code == 0
        assert status_of(slow) == 408
        for each in (silent, half, slow):
            assert ended(each)
            each.close()
        assert raw.recv(1) == b""
        raw.close()


def test_a_client_that_does_not_take_its_answer_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "TAKEN_WITHIN_SECONDS", 2.0)
    with remote_system(tmp_path) as system:
        connection = system.connect()
        # Far more than the kernel keeps for a reader who does not read.
        request = head(system, "GET", "/v1/openapi.json") * 100
        connection.settimeout(0.5)
        wait_for(lambda: is_cut_off(connection, request), 60)
        connection.close()
        with system.http("read") as http:
            assert http.get("/v1/health").status_code == 200


def test_one_source_has_so_many_connections_and_the_socket_has_its_own(remote: RemoteSystem) -> None:
    held = [remote.connect() for _ in range(doorkeeper.MAXIMUM_FROM_ONE_SOURCE)]
    try:
        assert not is_answered(remote)
        assert peerkey("show", "peers", "--state-dir", remote.routers.folder / "state").exit_code == 0
    finally:
        for each in held:
            each.close()
    wait_for(lambda: healthy(remote), 30)


def test_a_reload_takes_tokens_and_certificate_and_a_faulty_one_changes_nothing(tmp_path: Path) -> None:
    with remote_system(tmp_path) as system:
        with system.http("write") as http:
            good = (tmp_path / "tokens").read_text()
            (tmp_path / "tokens").write_text(f"{good}{system.token('read')}\n")
            faulty = http.post("/v1/reload")
            (tmp_path / "tokens").write_text(good)
            key = (tmp_path / "api.key").read_bytes()
            (tmp_path / "api.key").write_bytes((tmp_path / "east.key").read_bytes())
            mismatch = http.post("/v1/reload")
            (tmp_path / "api.key").write_bytes(key)

            before = serial_of(system)
            certify_api(tmp_path, system.routers.ca)
            (tmp_path / "tokens").write_text(re.sub(r"(?m)^reader .*\n", "", good))
            still_old = serial_of(system)
            renewed = http.post("/v1/reload")
        with system.http("read") as http:
            gone = http.get("/v1/health")

        assert faulty.status_code == mismatch.status_code == 409
        assert "line 4 is no token" in faulty.json()["error"]
        assert system.token("read") not in faulty.text
        assert "is not the private key of the certificate" in mismatch.json()["error"]
        assert renewed.status_code == 200
        assert before == still_old != serial_of(system)
        assert gone.status_code == 401


# --- helpers --------------------------------------------------------------------------------------


def healthy(remote: RemoteSystem) -> bool:
    try:
        with remote.http("read") as http:
            return http.get("/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


def is_answered(remote: RemoteSystem) -> bool:
    """Tell whether one more connection is."""
    try:
        with remote.connect() as connection:
            connection.sendall(head(remote, "GET", "/v1/health"))
            return bool(connection.recv(1))
    except OSError:
        return False


def snapshot(remote: RemoteSystem) -> dict[str, Any]:
    """Return every file that a request could change, and what keys are in use."""
    folder = remote.routers.folder
    files = {
        str(path): path.read_bytes()
        for pattern in ("*", "state/pki/**/*")
        for path in folder.glob(pattern)
        if path.is_file()
    }
    shown = json.loads(peerkey("show", "peers", "security", "--json", "--state-dir", folder / "state").stdout)
    return {**files, "keys": [each["key_index"] for each in shown["peers"]]}


def head(remote: RemoteSystem, method: str, path: str, *more: str) -> bytes:
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {remote.token('write')}",
        *more,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def status_of(connection: ssl.SSLSocket) -> int:
    return int(connection.recv(4_096).split(b" ")[1])


def ended(connection: ssl.SSLSocket) -> bool:
    """Tell whether the other end closes the connection, in whichever way."""
    try:
        while connection.recv(4_096):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def is_cut_off(connection: ssl.SSLSocket, more: bytes) -> bool:
    """Send more; tell whether nobody is there any more."""
    try:
        connection.sendall(more)
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def serial_of(remote: RemoteSystem) -> object:
    with remote.connect() as connection:
        found = connection.getpeercert()
        assert found is not None
        return found["serialNumber"]
