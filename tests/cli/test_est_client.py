"""The client of EST against servers that waste its time, its memory or its trust."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config.est_url import Operation, est_url
from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.csr import Wanted, request
from peerkey.pki.est import Issued as Certificates
from peerkey.pki.est import Moved, Reply, outcome_untrusted
from peerkey.pki.trust import TrustAnchors
from peerkey.secret import Secret
from peerkey.testing.ca import NOW, TestCA, new_key
from peerkey_cli.errors import Unreachable
from peerkey_cli.est_client import Basic, ClientCertificate, EstClient, NotEst, tls_context
from tests.support import est_server
from tests.support.est_server import PASSWORD, USER, EstServer

NODE = UUID(int=7)
REQUEST = request(Wanted("base", str(NODE)), new_key())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EstServer]:
    ca = TestCA(now=datetime.now(UTC).replace(microsecond=0))
    with EstServer(tmp_path, ca).listening() as server:
        yield server


def test_a_server_that_sends_a_byte_now_and_then_holds_nobody(server: EstServer) -> None:
    server.manners.append(est_server.drip)

    with pytest.raises(Unreachable, match=r"does not answer completely within 0\.5 s"):
        enroll(server, total=timedelta(seconds=0.5))


def test_a_server_that_accepts_and_says_nothing_holds_nobody(server: EstServer) -> None:
    with (
        speaking(lambda door: door.recv(1)) as url,
        pytest.raises(Unreachable, match=r"does not answer completely within 0\.5 s"),
    ):
        enroll(server, url, total=timedelta(seconds=0.5))


@pytest.mark.parametrize("words", [b"", b"220 smtp ready\r\n", b"\x00" * 4096])
def test_what_does_not_speak_tls_is_refused(server: EstServer, words: bytes) -> None:
    with speaking(lambda door: door.sendall(words)) as url, pytest.raises((Unreachable, Misconfigured)):
        enroll(server, url, total=timedelta(seconds=1))


def test_an_endless_answer_is_read_as_far_as_it_may_go(server: EstServer) -> None:
    server.manners.append(est_server.flood)

    with pytest.raises(NotEst, match="longer than 1048576 bytes"):
        enroll(server, total=timedelta(seconds=10))


def test_a_host_that_the_certificate_does_not_name_is_another_server(server: EstServer) -> None:
    with pytest.raises(Misconfigured, match="not trusted: Hostname mismatch"):
        enroll(server, server.url.replace("127.0.0.1", "localhost"))


def test_a_proxy_of_the_environment_is_not_used(server: EstServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert isinstance(enroll(server), Certificates)


@given(st.text("https:/@.[]#?%\\ca.example:43evil \t\x00", max_size=60) | st.text(max_size=60))
def test_no_redirection_leads_to_another_server_by_any_reading(location: str) -> None:
    reply = Reply(307, "", "", location, b"")
    try:
        moved = outcome_untrusted(reply, "https://ca.example/.well-known/est/cacerts", NOW)
    except Malformed:
        return
    assert isinstance(moved, Moved)
    read = httpx.URL(moved.url)
    assert (read.scheme, read.host, read.port or 443, read.userinfo) == ("https", "ca.example", 443, b"")


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    context = tls_context(TestCA().trust)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_without_anybody_to_trust_there_is_no_tls() -> None:
    with pytest.raises(Misconfigured, match="no CA is trusted"):
        tls_context(TrustAnchors.of(()))


def test_a_certificate_with_another_key_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    ca = TestCA()
    one, other = ca.issue(NODE), ca.issue(NODE)
    (tmp_path / "one.pem").write_bytes(one.pem)
    (tmp_path / "other.key").write_bytes(
        other.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )

    with pytest.raises(Misconfigured, match="cannot use this certificate with this key: key values mismatch"):
        tls_context(ca.trust, ClientCertificate(str(tmp_path / "one.pem"), str(tmp_path / "other.key")))


@pytest.mark.parametrize("user", ["", "a:b", "a\nb"])
def test_a_user_that_http_cannot_carry_is_refused(user: str) -> None:
    with pytest.raises(Misconfigured, match="no colon"):
        Basic(user, Secret(b"x"))


def test_a_password_is_not_printed() -> None:
    assert "sesame" not in repr(Basic("router", Secret(b"sesame")))


# --- helpers --------------------------------------------------------------------------------------


def enroll(server: EstServer, url: str | None = None, *, total: timedelta = timedelta(seconds=20)) -> object:
    client = EstClient(
        est_url(url or server.url),
        tls_context(server.ca.trust),
        Basic(USER, Secret(PASSWORD.encode())),
        total=total,
    )
    return asyncio.run(client.enroll(Operation.SIMPLE_ENROLL, REQUEST))


@contextmanager
def speaking(say: Callable[[socket.socket], object]) -> Iterator[str]:
    """Accept one connection and do something with it; it ends when the client does, or the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def accept() -> None:
            door, _ = listener.accept()
            with door:
                door.settimeout(10)
                say(door)
                while door.recv(4096):
                    pass

        thread = threading.Thread(target=accept, name="a strange server")
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
    assert not thread.is_alive()
