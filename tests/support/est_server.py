"""A small EST server of the tests' own: RFC 7030 as it is written, and every way in which a server may err.

It shares no code with the client: requests are read and certificates are wrapped here, by what the RFC says.
It listens on the loopback address for as long as its block lasts. What it is to do next is queued in
:attr:`EstServer.manners`; with an empty queue it signs.
"""

from __future__ import annotations

import base64
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7

from peerkey.pki import laboratory
from peerkey.pki.laboratory import Authority, Validity
from peerkey.testing.ca import TestCA, new_key

USER, PASSWORD = "router", "correct horse"
WELL_KNOWN = "/.well-known/est"
#: A day is long for a test, and short for a certificate.
LIFETIME = timedelta(days=1)
#: No request of a test is longer.
MAXIMUM_BODY = 64 * 1024


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    content_type: str
    body: bytes
    #: The DER of the certificate that the client showed; empty where it showed none.
    client: bytes
    authorization: str

    @property
    def operation(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def csr(self) -> x509.CertificateSigningRequest:
        return x509.load_der_x509_csr(base64.b64decode(self.body))


@dataclass(frozen=True)
class Answer:
    """What the server sends. A body in pieces is sent piece by piece, until the server stops."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""


#: What the server does with one request to enroll.
Manner = Callable[["EstServer", Seen], Answer]


class EstServer:
    """One EST server with one CA behind it."""

    def __init__(self, folder: Path, ca: TestCA, *, listener_ca: Authority | None = None) -> None:
        """Sign with the intermediate of ``ca``; its root, or another CA, vouches for the server itself."""
        self.ca = ca
        self.manners: deque[Manner] = deque()
        self.seen: list[Seen] = []
        #: What ``cacerts`` answers.
        self.cacerts: Manner = lambda server, _: certificates(
            server.ca.root.certificate, server.ca.intermediate.certificate
        )
        #: Whether base64 is broken into lines, as RFC 7030 has it and RFC 8951 has not.
        self.lines = True
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_listener(folder, ca, listener_ca or ca.root))
        context.load_verify_locations(
            cadata=b"".join(
                each.certificate.public_bytes(Encoding.DER) for each in (ca.root, ca.intermediate)
            )
        )
        context.verify_mode = ssl.CERT_OPTIONAL
        # The handshake is made by the thread of the connection, not by the one that accepts.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def listening(self) -> Iterator[EstServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="EST server")
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join(30)
            assert not thread.is_alive()

    def answer(self, seen: Seen) -> Answer:
        answer = self._answer(seen)
        if self.lines or not isinstance(answer.body, bytes):
            return answer
        return replace(answer, body=answer.body.replace(b"\n", b""))

    def _answer(self, seen: Seen) -> Answer:
        if not seen.path.startswith(f"{WELL_KNOWN}/"):
            return Answer(404, {"Content-Type": "text/plain"}, b"no such thing")
        if seen.operation == "cacerts" and seen.method == "GET":
            return self.cacerts(self, seen)
        if seen.operation not in {"simpleenroll", "simplereenroll"} or seen.method != "POST":
            return Answer(404)
        return (self.manners.popleft() if self.manners else sign)(self, seen)

    def enrolments(self) -> list[Seen]:
        return [each for each in self.seen if each.method == "POST"]


# --- manners --------------------------------------------------------------------------------------


def sign(server: EstServer, seen: Seen, *, signed: x509.Certificate | None = None) -> Answer:
    """Do as RFC 7030 says: know who asks, and issue what is asked for."""
    if seen.operation == "simplereenroll":
        if not seen.client:
            return refusal(403, "show the certificate that is to be renewed")(server, seen)
        old = x509.load_der_x509_certificate(seen.client)
        if old.subject != seen.csr.subject or _names(old) != _names(seen.csr):
            return refusal(400, "the names are not those of the old certificate")(server, seen)
    elif not seen.client and seen.authorization != basic(USER, PASSWORD):
        return Answer(401, {"WWW-Authenticate": 'Basic realm="EST"', "Content-Type": "text/plain"}, b"who?")
    return certificates(signed or issue(server.ca, seen.csr))


def refusal(status: int, words: str, kind: str = "text/plain") -> Manner:
    return lambda _, __: Answer(status, {"Content-Type": kind}, words.encode())


def later(retry_after: str = "1", status: int = 202) -> Manner:
    return lambda _, __: Answer(status, {"Retry-After": retry_after} if retry_after else {})


def moved(location: str, status: int = 307) -> Manner:
    return lambda _, __: Answer(status, {"Location": location})


def drip(server: EstServer, _: Seen) -> Answer:
    """Send a byte every now and then, for as long as anybody listens."""
    return _endless(b"M", lambda: server.stopping.wait(0.02))


def flood(server: EstServer, _: Seen) -> Answer:
    """Send as much as goes through, for as long as anybody listens."""
    return _endless(b"M" * 65_536, server.stopping.is_set)


def _endless(piece: bytes, stopped: Callable[[], bool]) -> Answer:
    def pieces() -> Iterator[bytes]:
        while not stopped():
            yield piece

    return Answer(200, {"Content-Type": "application/pkcs7-mime"}, pieces())


def raw(
    body: bytes, kind: str = "application/pkcs7-mime; smime-type=certs-only", status: int = 200
) -> Manner:
    return lambda _, __: Answer(status, {"Content-Type": kind} if kind else {}, body)


def certificates(*which: x509.Certificate) -> Answer:
    container = pkcs7.serialize_certificates(list(which), Encoding.DER)
    headers = {
        "Content-Type": "application/pkcs7-mime; smime-type=certs-only",
        "Content-Transfer-Encoding": "base64",
    }
    return Answer(200, headers, base64.encodebytes(container))


# --- a certificate authority ----------------------------------------------------------------------


def issue(
    ca: TestCA,
    csr: x509.CertificateSigningRequest,
    *,
    issuer: Authority | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> x509.Certificate:
    """Issue what a request asks for."""
    assert csr.is_signature_valid
    issuer = issuer or ca.intermediate
    builder = laboratory.started(
        csr.subject,
        issuer.certificate.subject,
        csr.public_key(),
        serial=ca.next_serial(),
        validity=Validity(not_before or ca.now - LIFETIME, not_after or ca.now + LIFETIME),
    ).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    for extension in csr.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return laboratory.signed(builder, issuer.key)


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _names(of: x509.Certificate | x509.CertificateSigningRequest) -> object:
    try:
        return of.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _listener(folder: Path, ca: TestCA, issuer: Authority) -> tuple[Path, Path]:
    """Write the certificate and the key of the server itself."""
    key = new_key()
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = laboratory.started(
        laboratory.common_name("est"),
        issuer.certificate.subject,
        key.public_key(),
        serial=ca.next_serial(),
        validity=Validity(ca.now - LIFETIME, ca.now + LIFETIME),
    )
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(laboratory.LEAF_PURPOSES, critical=False)
    folder.mkdir(parents=True, exist_ok=True)
    chain, private = folder / "est.pem", folder / "est.key"
    chain.write_bytes(laboratory.signed(builder, issuer.key).public_bytes(Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private


def _handler(server: EstServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        #: A client that says nothing holds no thread for longer.
        timeout = 10

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def _do(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), MAXIMUM_BODY)
            connection = self.connection
            assert isinstance(connection, ssl.SSLSocket)
            seen = Seen(
                self.command,
                self.path,
                self.headers.get("Content-Type", ""),
                self.rfile.read(length),
                connection.getpeercert(binary_form=True) or b"",
                self.headers.get("Authorization", ""),
            )
            server.seen.append(seen)
            answer = server.answer(seen)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, bytes):
                self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            # The client may have heard enough before the end.
            with suppress(OSError):
                for piece in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                    self.wfile.write(piece)
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            # A handshake that failed is the client's to tell.
            with suppress(OSError):
                super().handle()

    return Handler
