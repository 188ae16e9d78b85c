"""A second opinion on EST: strongSwan's client and ours get the same of one server.

No independent EST server can be installed by a package, but an independent client can. What it accepts of the
tests' server shows that our client was not only written to fit that; and it sends a request made here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.testing.ca import Issued
from tests.cli.commands import peerkey
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.est_server import PASSWORD, USER, EstServer

EAST = UUIDS["east"]
PLUGIN = Path("/usr/lib/ipsec/plugins/libstrongswan-openssl.so")


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    if shutil.which("pki") is None or not PLUGIN.exists():
        pytest.skip("strongSwan is missing: apt install strongswan-pki libstrongswan-standard-plugins")
    routers = two_routers(tmp_path)
    for name, authority in (("root", routers.ca.root), ("sub", routers.ca.intermediate)):
        (tmp_path / f"{name}.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    return routers


@pytest.fixture
def old(routers: TwoRouters) -> Issued:
    issued = routers.ca.issue(EAST)
    routers.certify("east", issued)
    return issued


@pytest.fixture
def server(routers: TwoRouters) -> Iterator[EstServer]:
    with EstServer(routers.folder / "server", routers.ca).listening() as server:
        # This client takes base64 without line breaks only, as RFC 8951 has it.
        server.lines = False
        yield server


def test_both_clients_are_offered_the_same_cas(routers: TwoRouters, server: EstServer) -> None:
    out, ours = routers.folder / "theirs.pem", routers.folder / "ours.pem"

    strongswan(routers, server, "--estca", "--caout", out)
    done = peerkey(
        "enroll", "--config", routers.file, "--node", "east/node0", "--url", server.url, "--cacerts", ours
    )

    assert done.exit_code == 0, done.stderr
    theirs = {*certificates(out), *certificates(routers.folder / "theirs-1.pem")}
    assert (
        theirs
        == set(certificates(ours))
        == {routers.ca.root.certificate, routers.ca.intermediate.certificate}
    )


def test_a_request_of_ours_is_enrolled_by_the_other_client_and_imported_here(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    folder = routers.folder
    state = ("--state-dir", folder / "state")
    node = ("--config", routers.file, "--node", "east/node0")
    made = peerkey("create", "certificate-request", *node, "--out", folder / "east.csr", *state)
    assert made.exit_code == 0, made.stderr

    first = strongswan(
        routers, server, "--est", "--in", folder / "east.csr", "--userpass", f"{USER}:{PASSWORD}"
    )
    (folder / "first.pem").write_bytes(first)
    done = peerkey("import", "certificate", folder / "first.pem", *node, *state)

    assert done.exit_code == 1, "it comes without the intermediate, which is not trusted by itself"
    assert "untrusted" in done.stderr
    (folder / "whole.pem").write_bytes(first + (folder / "sub.pem").read_bytes())
    whole = peerkey("import", "certificate", folder / "whole.pem", *node, *state)
    assert whole.exit_code == 0, whole.stderr
    ours = peerkey("enroll", "--config", routers.file, "--node", "east/node0", "--url", server.url, *state)
    assert ours.exit_code == 0, ours.stderr
    by_password, by_certificate = server.enrolments()
    assert by_password.csr.public_key() == by_certificate.csr.public_key()
    assert by_password.authorization
    assert by_certificate.client == certificates(folder / "first.pem")[0].public_bytes(Encoding.DER)


def test_both_clients_renew_a_certificate_with_itself(
    routers: TwoRouters, old: Issued, server: EstServer
) -> None:
    folder = routers.folder
    state = ("--state-dir", folder / "state")
    ours = peerkey("enroll", "--config", routers.file, "--node", "east/node0", "--url", server.url, *state)
    assert ours.exit_code == 0, ours.stderr
    (seen,) = server.enrolments()
    (folder / "again.csr").write_bytes(seen.csr.public_bytes(Encoding.PEM))
    (folder / "leaf.pem").write_bytes(certificates(folder / "east.pem")[0].public_bytes(Encoding.PEM))

    theirs = strongswan(
        routers,
        server,
        *("--est", "--in", folder / "again.csr", "--cert", folder / "leaf.pem", "--key", folder / "east.key"),
    )

    renewed = x509.load_pem_x509_certificate(theirs)
    (ours_seen, theirs_seen) = server.enrolments()
    assert ours_seen.operation == theirs_seen.operation == "simplereenroll"
    assert ours_seen.csr.public_bytes(Encoding.DER) == theirs_seen.csr.public_bytes(Encoding.DER)
    assert renewed.subject == old.certificate.subject


# --- helpers --------------------------------------------------------------------------------------


def strongswan(routers: TwoRouters, server: EstServer, command: str, *words: object) -> bytes:
    """Run strongSwan's client; return what it prints."""
    trust = ("--cacert", routers.folder / "root.pem", "--cacert", routers.folder / "sub.pem")
    line = ["pki", command, "--url", server.url, *trust, *words, "--outform", "pem"]
    done = subprocess.run([str(word) for word in line], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())
