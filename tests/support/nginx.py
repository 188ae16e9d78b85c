"""nginx on the loopback, as a child with a configuration of its own: real lists from a real server.

    with nginx(tmp_path) as server:
        server.publish("ca.crl", content)
        fetch(server.http("ca.crl"))

Beside the published files it answers ``/500``, redirects of several kinds (``/loop``, ``/far``, ``/file``)
and, over TLS, ``/downgrade``. What it has been asked is in its access log: :meth:`Nginx.asked`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from peerkey.pki import laboratory
from peerkey.testing.ca import TestCA, new_key
from tests.support.ports import free_port

INSTALL = "nginx is missing: apt-get install nginx-light"

_CONFIGURATION = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format plain '$request_method $request_uri $status';
    access_log {root}/access.log plain;
    client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
    uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
    default_type application/pkix-crl;
    gzip on; gzip_types *; gzip_min_length 100;
    root {root}/www;
    server {{
        listen 127.0.0.1:{http};
        if (-f {root}/flags/500) {{ return 500; }}
        if (-f {root}/flags/loop) {{ return 302 $uri; }}
        location /500 {{ return 500; }}
        location /loop {{ return 302 /pool; }}
        location /pool {{ return 302 /loop; }}
        location ~ ^/far(x*)$ {{ return 302 /farx$1; }}
        location /file {{ return 302 file:///etc/passwd; }}
        location /moved {{ return 301 /ca.crl; }}
    }}
    server {{
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {root}/server.pem;
        ssl_certificate_key {root}/server.key;
        location /downgrade {{ return 302 http://127.0.0.1:{http}/ca.crl; }}
    }}
}}
"""


@dataclass
class Nginx:
    """A server that runs."""

    root: Path
    ports: tuple[int, int]
    #: Who vouches for it.
    ca: TestCA
    program: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        configuration = str(self.root / "nginx.conf")
        command = [self.program, "-p", str(self.root), "-c", configuration, "-e", "error.log"]
        self.process = subprocess.Popen(command)
        _wait_for(self.process, self.ports)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
            self.process = None

    def http(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/{path}"

    def https(self, path: str) -> str:
        return f"https://127.0.0.1:{self.ports[1]}/{path}"

    def publish(self, name: str, content: bytes) -> None:
        """Put a file in place as a whole, with a date of its own."""
        draft = self.root / "draft"
        draft.write_bytes(content)
        # nginx tells versions apart by whole seconds.
        age = 10_000 - len(list((self.root / "versions").iterdir()))
        (self.root / "versions" / str(age)).touch()
        stamp = time.time() - age
        os.utime(draft, (stamp, stamp))
        draft.replace(self.root / "www" / name)

    def withdraw(self, name: str) -> None:
        (self.root / "www" / name).unlink()

    def flag(self, name: str, *, up: bool = True) -> None:
        """Let everything be answered by ``500``, or by a redirect to itself (``loop``)."""
        flag = self.root / "flags" / name
        if up:
            flag.touch()
        else:
            flag.unlink()

    def asked(self, path: str) -> list[int]:
        """Return how it has answered for a path so far."""
        lines = (line.split() for line in (self.root / "access.log").read_text().splitlines())
        return [int(status) for _, uri, status in lines if uri == f"/{path}"]


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Run a server while the block lasts. Within it the server may be stopped and started again."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip(INSTALL)
    root = folder / "nginx"
    for name in ("www", "tmp", "versions", "flags"):
        (root / name).mkdir(parents=True)
    # nginx started by root serves as nobody.
    for each in (root, root / "www"):
        each.chmod(0o755)
    ca = TestCA("servers", now=datetime.now(UTC).replace(microsecond=0))
    certify(root, ca)
    ports = (free_port(), free_port())
    configuration = root / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(root=root, http=ports[0], https=ports[1]))
    server = Nginx(root, ports, ca, program)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def certify(root: Path, ca: TestCA) -> None:
    """Write a certificate for the loopback address, and its key, into a folder."""
    key = new_key()
    builder = laboratory.started(
        laboratory.common_name("127.0.0.1"),
        ca.root.certificate.subject,
        key.public_key(),
        serial=ca.next_serial(),
        validity=laboratory.Validity(ca.now - timedelta(days=1), ca.now + timedelta(days=1)),
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = builder.add_extension(names, critical=False)
    certificate = laboratory.signed(builder, ca.root.key)
    (root / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (root / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _wait_for(process: subprocess.Popen[bytes], ports: tuple[int, ...]) -> None:
    end = time.monotonic() + 20
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    message = f"nginx did not start (exit code {process.poll()})"
                    raise AssertionError(message) from None
                time.sleep(0.02)
