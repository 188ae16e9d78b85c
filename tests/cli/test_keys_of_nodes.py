"""The private keys of nodes, from the first command to a keyed peering: where they are, and are not.

    "The Trusted Platform Module (TPM) stores the private key of the base certificate. The certificate and any
    keys are not included in any configuration."

Everything is done as an operator does it: commands and a process of ``peerkey run``.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from peerkey.config.key_names import parse_pkcs11, parse_tpm
from peerkey_cli.state import StateDirectory
from tests.actors.keystores.places import PIN, end_software_tpms, pkcs11_place, tpm_place
from tests.cli.commands import peerkey
from tests.cli.test_run import Process
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.hosts import wait_for


@dataclass
class Operated:
    """Two routers without keys and certificates, what is done to them, and all that was printed."""

    routers: TwoRouters
    file: Path
    process: Process
    printed: list[str] = field(default_factory=list)

    def peerkey(self, *words: str, status: int = 0) -> str:
        where = () if words[0] == "config" else ("--state-dir", str(self.process.state.path))
        done = peerkey(*words, *where)
        assert done.exit_code == status, done.stderr
        self.printed += [*words, done.stdout, done.stderr]
        return done.stdout

    def enrolled(self, router: str, *how: str) -> None:
        """Make a key, ask for a certificate, have it signed and import it."""
        node = ("--config", str(self.file), "--node", f"{router}/node0")
        self.peerkey("create", "private-key", *node, *how)
        self.peerkey("create", "certificate-request", *node, "--batch", "--out", self.path(f"{router}.csr"))
        request = x509.load_pem_x509_csr(Path(self.path(f"{router}.csr")).read_bytes())
        assert request.is_signature_valid
        issued = self.routers.ca.issue(UUIDS[router], public_key=request.public_key())
        Path(self.path(f"{router}.sent")).write_bytes(issued.pem)
        self.peerkey("import", "certificate", self.path(f"{router}.sent"), *node)

    def path(self, name: str) -> str:
        return str(self.routers.folder / name)

    def shown(self) -> None:
        """Ask for everything that can be asked for."""
        for words in (
            ("certificate", "detail"),
            ("peers", "certificate"),
            ("peers", "security"),
            ("security", "key-status"),
            ("alarms",),
            ("events",),
            ("actors",),
        ):
            self.peerkey("show", *words, "--json")
        self.peerkey("show", "certificate", "detail")
        self.peerkey("show", "events")

    def everything(self, *but: str) -> dict[str, bytes]:
        """Return all that was printed, passed as an argument or written to a file, but to these files."""
        kept = {self.routers.folder / name for name in but}
        found = {
            str(each): each.read_bytes()
            for each in self.routers.folder.rglob("*")
            if each.is_file() and each not in kept
        }
        return found | {"printed": "\n".join(self.printed).encode()}

    def arguments(self) -> bytes:
        """Return the argument list of the process, as anybody on the machine can read it."""
        assert self.process.process is not None
        return Path(f"/proc/{self.process.process.pid}/cmdline").read_bytes()


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[Operated]:
    routers = two_routers(tmp_path)
    for name in UUIDS:
        (tmp_path / f"{name}.pem").unlink()
        (tmp_path / f"{name}.key").unlink()
    file = routers.file
    made = Operated(routers, file, Process(file, StateDirectory(tmp_path / "state"), ()))
    yield made
    if made.process.process is not None:
        made.process.end()
    end_software_tpms()


def test_a_node_with_its_key_in_a_token_and_one_with_its_key_in_a_tpm_key_their_peering(
    operated: Operated, tmp_path: Path
) -> None:
    token = configure_devices(operated, tmp_path)
    operated.enrolled("east")
    operated.enrolled("west", "--algorithm", "ec-p384")

    operated.process.start()
    operated.process.wait_until_up()

    operated.peerkey("reload")
    operated.process.wait_until_up()
    operated.shown()
    assert operated.process.ask("show", "alarms")["alarms"] == []
    assert token.label in (tmp_path / "both.yaml").read_text()
    holding = [
        name
        for name, content in operated.everything("pin").items()
        if PIN.encode() in content and "softhsm" not in name
    ]
    assert holding == []
    assert PIN.encode() not in operated.arguments()


def test_a_wrong_pin_is_an_alarm_and_the_right_one_is_noticed_by_a_reload(
    operated: Operated, tmp_path: Path
) -> None:
    configure_devices(operated, tmp_path)
    operated.enrolled("east")
    operated.enrolled("west")
    # The store is sealed by the token too, so the process is started with the right one.
    operated.process.start()
    operated.process.wait_until_up()
    (tmp_path / "pin").write_text("271828182\n")

    operated.peerkey("reload")
    wait_for(lambda: any("is not tried again" in each for each in alarms(operated)), 30)
    assert any(f"correct {tmp_path / 'pin'}" in each for each in alarms(operated))
    assert operated.process.all_up()

    (tmp_path / "pin").write_text(f"{PIN}\n")
    operated.peerkey("reload")
    wait_for(lambda: alarms(operated) == [], 30)


@pytest.mark.parametrize("kind", ["ec-p256", "rsa-2048"])
def test_no_byte_of_a_private_key_is_anywhere_but_in_its_file(
    kind: str, operated: Operated, tmp_path: Path
) -> None:
    for router in UUIDS:
        operated.enrolled(router, "--algorithm", kind)
    operated.process.start()
    operated.process.wait_until_up()
    keys = [(tmp_path / f"{name}.key").read_bytes() for name in UUIDS]

    # A key that arrives beside a certificate is refused, and not repeated.
    (tmp_path / "both.sent").write_bytes((tmp_path / "east.sent").read_bytes() + keys[0])
    node = ("--config", str(operated.file), "--node", "east/node0")
    operated.peerkey("import", "certificate", operated.path("both.sent"), *node, status=1)
    (tmp_path / "both.sent").unlink()
    operated.peerkey("config", "check", str(operated.file))
    operated.peerkey("delete", "private-key", *node, "--yes", status=1)
    operated.peerkey("rekey")
    operated.peerkey("reload")
    operated.process.wait_until_up()
    operated.shown()

    places = operated.everything("east.key", "west.key") | {"arguments": operated.arguments()}
    assert any(name.endswith("store.sqlite") for name in places)
    assert any(name.endswith("events.jsonl") for name in places)
    assert any(b'"event": "ready"' in content for content in places.values())
    found = [name for pem in keys for form in forms(pem) for name, each in places.items() if form in each]
    assert found == []


# --- helpers --------------------------------------------------------------------------------------


def configure_devices(operated: Operated, folder: Path) -> Any:  # noqa: ANN401 - a token
    """Let the key of one node be in a token and that of the other in a TPM; return the token."""
    token, _ = parse_pkcs11(pkcs11_place(folder).name("base"))
    tpm, _ = parse_tpm(tpm_place(folder).name("base"))
    document = json.loads(operated.file.read_text())
    east, west = (router["node"][0] for router in document["authority"]["router"])
    east["private-key"] = {
        "pkcs11": {
            "module": token.module,
            "token": token.label,
            "label": "east",
            "pin-file": os.path.relpath(str(token.pin_file), folder),
        }
    }
    west["private-key"] = {"tpm": {"name": "west", "tcti": tpm.tcti}}
    operated.file.write_text(json.dumps(document, indent=2))
    return token


def alarms(operated: Operated) -> list[str]:
    return [alarm["message"] for alarm in operated.process.ask("show", "alarms")["alarms"]]


def forms(pem: bytes) -> Iterator[bytes]:
    """Yield every form in which what is secret in a key might be written."""
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    yield key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    # The first line tells the kind of the key, which is no secret.
    yield from [line for line in pem.splitlines() if not line.startswith(b"-----")][1:]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = [key.private_numbers().private_value]
    else:
        private = key.private_numbers()
        numbers = [private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp]
    for number in numbers:
        raw = number.to_bytes((number.bit_length() + 7) // 8)
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), raw.hex(":").encode())
        yield from (b64encode(raw)[:-4], str(number).encode())
