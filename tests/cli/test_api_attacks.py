"""The admin API over TCP as an attacker sees it: every route, and every way to say HTTP wrongly.

What is slow and what is huge is in ``test_api_remote.py``; here is what lies, what is torn, and what comes in
crowds. Each connection is made by hand, so that nothing between the test and the system mends what is sent.
"""

from __future__ import annotations

import contextlib
import gzip
import hmac
import resource
import socket
import ssl
from collections import deque
from collections.abc import Iterator

import httpx
import pytest

from peerkey_cli.api.json_parts import parts_of
from peerkey_cli.api.remote import Remote
from tests.cli.commands import peerkey
from tests.cli.remote_system import PROBLEM_KEYS, RemoteSystem, remote_system
from tests.support.hosts import wait_for

#: What opens at one time: most systems let a process have a thousand descriptors.
AT_ONCE = 400
CROWD = 10_000


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


def test_every_route_that_changes_something_is_refused_without_a_token(remote: RemoteSystem) -> None:
    with remote.http("read") as reader, remote.http(None) as http:
        for path, operations in reader.get("/v1/openapi.json").json()["paths"].items():
            real = path.format(router="east", node="node0", name="writeer")
            for method in operations:
                answer = http.request(method, real, json={})
                assert answer.status_code == 401, (method, path)
                assert set(answer.json()) == PROBLEM_KEYS


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        # Two who read it differently: where does the request end?
        (("Content-Length: 2", "Transfer-Encoding: chunked"), 400),
        (("Content-Length: 2", "Content-Length: 3"), 400),
        (("Content-Length: +2",), 400),
        (("Content-Length: 0x2",), 400),
        (("Content-Length: 99999999999999999999",), 413),
        (("Transfer-Encoding: chunked, identity",), 501),
        (("Transfer-Encoding: xchunked",), 501),
        (("Transfer-Encoding : chunked",), 400),
        (("Transfer-Encoding: gzip, chunked",), 501),
        ((" Folded: header",), 401),
        (("No colon",), 400),
        (("X: a\x00b",), 400),
        (("X: a\rb",), 400),
        (("Content-Encoding: gzip", "Content-Length: 2"), 415),
        (("Origin: https://evil.example", "Content-Length: 2"), 403),
        (("Origin: null", "Content-Length: 2"), 403),
    ],
)
def test_what_can_be_understood_in_two_ways_is_refused_and_nothing_follows_it(
    remote: RemoteSystem, lines: tuple[str, ...], status: int
) -> None:
    smuggled = head(remote, "POST", "/v1/rekey", "Content-Length: 2") + b"{}"
    events = len(remote.changes())

    answers = spoken(remote, head(remote, "POST", "/v1/reload", *lines) + b"0\r\n\r\n" + smuggled)

    assert statuses(answers)[0] in {status, 400}
    assert statuses(answers) == statuses(answers)[:1]
    assert len(remote.changes()) == events


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example/v1/peers", 404),
        ("https://127.0.0.1/v1/peers", 404),
        ("*", 404),
        ("v1/peers", 404),
        ("//v1/peers", 404),
        ("/v1//peers", 404),
        ("/v1/./peers", 404),
        ("/v1/x/../peers", 404),
        ("/v1/%2e%2e/v1/peers", 404),
        ("/api/api/v1/peers", 404),
        ("/v1/router/..%2f..%2f..%2fetc/node/passwd/certificate", 404),
        ("/v1/router/east/node/node0%00/certificate", 422),
        ("/v1/peers%00", 404),
        ("/v1/peers%0d%0aX-Evil:%201", 404),
        ("/v1/%ff%fe", 404),
        ("/v1/router/%ff/node/node0/certificate", 422),
        ("/v1/events?type=%ff%00", 200),
        ("/v1/events?since=%ff", 422),
        ("/v1/stats/security?counter=%00", 404),
        ("/v1/peers?" + "x" * 20_000, 431),
        ("/v1/\xff", 400),
        ("/v1/peers#fragment", 404),
    ],
)
def test_a_target_is_taken_as_it_is_written_or_not_at_all(
    remote: RemoteSystem, target: str, status: int
) -> None:
    answers = spoken(remote, head(remote, "GET", target, "Connection: close"))

    assert statuses(answers) == [status]
    assert b"X-Evil" not in answers


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 200),
        ("application/json; charset=utf-8", b"{}", 200),
        # What a form of a page can send without asking first.
        ("text/plain", b"{}", 422),
        ("application/x-www-form-urlencoded", b"peer=west", 422),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n{}\r\n--x--", 422),
        ("", b"{}", 422),
        ("application/json", gzip.compress(b"{}" + b" " * 1_000_000), 400),
        ("application/json", b'{"peer": NaN}', 422),
        # In UTF-16 a quote that is escaped looks like one that is not.
        ("application/json", "{}".encode("utf-16"), 400),
        ("application/json", '{"peer": "west"}'.encode("utf-32-be"), 400),
        # A fault for each of sixty thousand values holds the loop for a second.
        ("application/json", b'{"peer":[' + b"{}," * 60_000 + b"{}]}", 413),
        ("Application/JSON", b"{" + b'"a":1,' * 20_000 + b'"b":1}', 413),
        ("application/problem+json", b"[" * 2_000, 413),
        ("application/json", b'{"peer": ' + b"9" * 100_000 + b"}", 400),
        ("application/json", b'{"a":' * 40_000, 413),
    ],
)
def test_a_body_is_json_and_says_so(remote: RemoteSystem, kind: str, body: bytes, status: int) -> None:
    lines = [
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Content-Type: {kind}"] if kind else []),
    ]

    answers = spoken(remote, head(remote, "POST", "/v1/rekey", *lines) + body)

    assert statuses(answers) == [status]
    assert len(answers) < 4_000


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"", 1),
        (b"{}", 2),
        (b'{"a": [1, 2, {"b": 3}]}', 6),
        (b'{"text": "' + b"[1, {2}]," * 1_000 + b'"}', 2),
        (b'{"text": "' + rb"\"[1, {2}]," * 1_000 + b'"}', 2),
        (b'{"text": "' + rb"\\" + b'", "more": [' + b"1," * 2_000 + b"1]}", 2_004),
        (b'"' * 4_000 + b"," * 2_000, 2_001),
        (rb"\"" * 100_000 + b"[" * 50_000, 50_001),
    ],
)
def test_the_values_of_a_body_are_counted_but_for_what_stands_in_strings(body: bytes, parts: int) -> None:
    assert parts_of(body) == parts


def test_requests_that_come_at_once_are_answered_one_after_the_other(remote: RemoteSystem) -> None:
    first = head(remote, "POST", "/v1/rekey", "Content-Type: application/json", "Content-Length: 2") + b"{}"
    last = head(remote, "GET", "/v1/ready", "Connection: close")

    answers = spoken(remote, first + head(remote, "GET", "/v1/none") + last)

    assert statuses(answers) == [200, 404, 200]


def test_http_1_0_is_answered_and_ends_and_other_versions_are_refused(remote: RemoteSystem) -> None:
    old = head(remote, "GET", "/v1/ready").replace(b"HTTP/1.1", b"HTTP/1.0")
    without_host = old.replace(b"Host: 127.0.0.1\r\n", b"")

    assert statuses(spoken(remote, old)) == [200]
    assert statuses(spoken(remote, without_host)) == [421]
    for version, status in ((b"HTTP/0.9", 505), (b"HTTP/2.0", 505), (b"HTTP/1.9", 505), (b"ICY", 400)):
        assert statuses(spoken(remote, old.replace(b"HTTP/1.0", version))) == [status]
    assert statuses(spoken(remote, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == [505]


def test_nobody_is_asked_to_change_to_another_protocol(remote: RemoteSystem) -> None:
    socket_wanted = ("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13")

    answers = spoken(
        remote, head(remote, "GET", "/v1/events/stream?type=none", *socket_wanted)[:-2] + b"\r\n", 1
    )

    assert b" 101 " not in answers


def test_a_body_in_endless_chunks_is_cut_off(remote: RemoteSystem) -> None:
    with remote.connect() as connection:
        connection.sendall(head(remote, "POST", "/v1/rekey", "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            for _ in range(4_096):
                connection.sendall(b"1\r\nx\r\n" * 1_024)
        assert statuses(received(connection)) in ([400], [])
    with remote.connect() as connection:
        connection.sendall(head(remote, "POST", "/v1/rekey", "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            # The extension of a chunk, which nobody reads, and never its end.
            for _ in range(256):
                connection.sendall(b"1;" + b"x" * 65_536)
        assert statuses(received(connection)) in ([400], [413], [])


def test_a_crowd_of_connections_is_bounded_and_holds_up_nobody_else(remote: RemoteSystem) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > AT_ONCE + 200
    held: deque[socket.socket] = deque()
    try:
        for number in range(CROWD):
            one = socket.socket()
            one.setblocking(False)  # noqa: FBT003 - the library's
            one.connect_ex(remote.settings.address)
            held.append(one)
            if len(held) > AT_ONCE:
                held.popleft().close()
            if number == CROWD - AT_ONCE:
                done = peerkey("show", "peers", "--state-dir", remote.routers.folder / "state")
                assert done.exit_code == 0
        # Of its own source each has its own share.
        wait_for(lambda: is_healthy(remote, "127.0.0.2"), 30)
    finally:
        for each in held:
            each.close()
    wait_for(lambda: is_healthy(remote), 60)


def test_a_torn_handshake_costs_its_connection_alone(remote: RemoteSystem) -> None:
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=remote.ca)
    half = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    whole = hello.read()
    for sent in (
        b"",
        whole[:1],
        whole[:-1],
        whole,
        b"\x16\x03\x01\xff\xff",
        b"\x00" * 512,
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(remote.settings.address, timeout=10) as raw:
            raw.sendall(sent)
            if sent == whole:
                assert raw.recv(1)

    assert is_healthy(remote)


def test_tls_is_not_negotiated_again_and_not_compressed(remote: RemoteSystem) -> None:
    options = Remote(remote.settings).tls().options

    assert options & ssl.OP_NO_RENEGOTIATION
    assert options & ssl.OP_NO_COMPRESSION


def test_every_token_is_compared_whichever_was_presented(
    remote: RemoteSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Remote(remote.settings).admitted().tokens
    compared: list[bool] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for presented in (remote.token("read"), remote.token("write"), "x", remote.token("read") + "x", ""):
        compared.clear()
        found = tokens.owner(presented)
        assert len(compared) == len(tokens.tokens)
        assert (found is not None) is any(compared)


def test_streams_that_nobody_reads_leave_room_for_others(remote: RemoteSystem) -> None:
    silent = [remote.connect() for _ in range(8)]
    try:
        for each in silent:
            each.sendall(head(remote, "GET", "/v1/events/stream"))
            assert each.recv(12) == b"HTTP/1.1 200"
        with remote.http("write") as http:
            assert http.get("/v1/events/stream").status_code == 503
            assert http.get("/v1/peers").status_code == 200
        with remote.http("read") as http, http.stream("GET", "/v1/events/stream") as other:
            assert other.status_code == 200
    finally:
        for each in silent:
            each.close()


# --- helpers --------------------------------------------------------------------------------------


def head(remote: RemoteSystem, method: str, target: str, *more: str) -> bytes:
    """Return the head of a request with the token that may do everything."""
    lines = (
        f"{method} {target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {remote.token('write')}",
    )
    return "".join(f"{line}\r\n" for line in (*lines, *more, "")).encode("latin-1")


def spoken(remote: RemoteSystem, said: bytes, within: float = 20.0) -> bytes:
    """Say something and no more; return whatever comes back until the other end has had enough."""
    with remote.connect() as connection:
        connection.settimeout(within)
        with contextlib.suppress(OSError):
            connection.sendall(said)
        return received(connection)


def received(connection: ssl.SSLSocket) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while more := connection.recv(65_536):
            found += more
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def is_healthy(remote: RemoteSystem, source: str = "127.0.0.1") -> bool:
    context = ssl.create_default_context(cafile=remote.ca)
    transport = httpx.HTTPTransport(verify=context, local_address=source)
    headers = {"Authorization": f"Bearer {remote.token('read')}"}
    try:
        with httpx.Client(
            base_url=remote.settings.url, transport=transport, headers=headers, timeout=10
        ) as http:
            return http.get("/v1/health").status_code == 200
    except httpx.HTTPError:
        return False
