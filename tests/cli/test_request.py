"""``peerkey create certificate-request``: authorities of others sign it, and what they issue is imported."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from peerkey.errors import Misconfigured
from peerkey.observe.events import CsrGenerated
from peerkey.pki.csr import Wanted, generated
from peerkey_cli.asking import Question, answers
from peerkey_cli.key_types import KeyType
from peerkey_cli.laboratory.keys import generate
from tests.cli.commands import peerkey
from tests.cli.two_routers import UUIDS, two_routers

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")

FIELDS = {
    "country-name": "US",
    "state-province-name": "California",
    "locality-name": "San Francisco",
    "organization-name": "ExampleOrg",
    "organizational-unit-name": "IT",
    "email-address": "admin@example.com",
}

CA_CONFIGURATION = """\
[ca]
default_ca = lab
[lab]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
default_days = 30
policy = anything
copy_extensions = copy
unique_subject = no
x509_extensions = leaf
[anything]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
emailAddress = optional
[leaf]
basicConstraints = critical, CA:FALSE
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
"""

#: OpenSSL before 3.5 and cfssl know nothing of ML-DSA.
KINDS_THAT_OTHERS_KNOW = [kind for kind in KeyType if not kind.startswith("ml-dsa")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key(tmp_path / "node.key", KeyType.EC_P256)
    return tmp_path


def test_the_common_name_is_the_uuid_and_the_names_of_the_node_are_in_it(folder: Path) -> None:
    done = create(folder, "--alias", "the-east", "--san", "dns:east.example.com", "--san", "ip:2001:db8::7")

    made = x509.load_pem_x509_csr(done.stdout_bytes)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert made.is_signature_valid
    assert made.subject.rfc4514_string() == f"CN={NODE}"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"urn:uuid:{NODE}",
        "urn:ssr:peering:the-east",
    ]
    assert names.get_values_for_type(x509.DNSName) == ["east.example.com"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["2001:db8::7"]


def test_the_event_is_that_of_the_original(folder: Path) -> None:
    """The fields, their order and the texts of the seed's sample."""
    given = [word for field, value in FIELDS.items() for word in (f"--{field}", value)]

    done = create(folder, "--name", "TestCertificate", "--common-name", "example.com", *given)

    assert done.exit_code == 0, done.stderr
    (event,) = audited(folder)
    assert event["type"] == "system.generate_csr"
    assert event["title"] == "Generated certificate signing request."
    assert event["description"] == "Generated CSR for: TestCertificate"
    assert json.dumps(event["detail"], separators=(",", ":")) == (
        '{"name":"TestCertificate","common_name":"example.com","country_name":"US","state_province_name":'
        '"California","locality_name":"San Francisco","organization_name":"ExampleOrg",'
        '"organizational_unit_name":"IT","email_address":"admin@example.com","validity_period_days":365}'
    )


def test_the_node_of_a_configuration_needs_no_options(tmp_path: Path) -> None:
    routers = two_routers(tmp_path)

    done = peerkey(
        *("create", "certificate-request", "--config", routers.file, "--node", "west/node0"),
        *("--state-dir", tmp_path / "state"),
    )

    assert x509.load_pem_x509_csr(done.stdout_bytes).subject.rfc4514_string() == f"CN={UUIDS['west']}"
    assert audited(tmp_path)[0]["node"] == "west/node0"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--country-name", "USA", "write the two capital letters"),
        ("--country-name", "us", "write the two capital letters"),
        ("--locality-name", "a\tb", "control character"),
        ("--organization-name", "x" * 65, "65 characters; at most 64"),
        ("--state-province-name", "x" * 129, "129 characters; at most 128"),
        ("--common-name", "", "is empty"),
        ("--common-name", "x" * 65, "65 characters; at most 64"),
        ("--email-address", "nobody", "is no address"),
        ("--email-address", "ä@example.com", "is no address"),
        ("--name", "", "printable characters"),
        ("--validity-period-days", "0", "a number from 1 to 36500"),
        ("--san", "dns:-x", "is no host name"),
        ("--san", "ip:300.1.1.1", "is no IP address"),
        ("--san", "uri:nowhere", "is no URI"),
        ("--san", "uuid:7", "is no UUID"),
        ("--san", "email:x", "is no address"),
        ("--san", "other:x", "write TYPE:VALUE, where TYPE is uuid"),
        ("--san", "dns", "write TYPE:VALUE"),
        ("--san", "dns:\x1b[2J", "printable characters"),
    ],
)
def test_a_value_that_no_certificate_holds_is_told_by_its_option(
    folder: Path, option: str, value: str, said: str
) -> None:
    done = create(folder, option, value)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"peerkey: {option}: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_key_that_others_can_read_makes_no_request(folder: Path) -> None:
    (folder / "node.key").chmod(0o644)

    done = create(folder)

    assert done.exit_code == 1
    assert "chmod 600" in done.stderr
    (event,) = audited(folder)
    assert event["type"] == "certificate.request_failed"


def test_a_file_is_replaced_with_force_only(folder: Path) -> None:
    out = folder / "node.csr"
    assert create(folder, "--out", out).stdout == f"wrote {out}\n"
    first = out.read_bytes()

    assert create(folder, "--out", out).exit_code == 1
    assert out.read_bytes() == first
    assert create(folder, "--out", out, "--force", "--locality-name", "Bern").exit_code == 0
    assert out.read_bytes() != first


@pytest.mark.parametrize("kind", KINDS_THAT_OTHERS_KNOW)
def test_openssl_ca_signs_it_and_what_comes_back_is_imported(kind: KeyType, folder: Path) -> None:
    write_key(folder / "node.key", kind)
    root(folder)
    done = create(folder, "--out", folder / "node.csr", "--country-name", "CH", "--san", "dns:a.example.com")
    assert done.exit_code == 0, done.stderr

    verified = openssl(folder, "req", "-verify", "-in", "node.csr", "-noout")
    openssl(folder, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-in", "node.csr", "-out", "signed.pem")  # fmt: skip

    assert "OK" in verified
    assert imported(folder, "signed.pem").exit_code == 0
    leaf = x509.load_pem_x509_certificate((folder / "installed.pem").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example.com"]


@pytest.mark.parametrize("kind", KINDS_THAT_OTHERS_KNOW)
def test_cfssl_signs_it_and_what_comes_back_is_imported(kind: KeyType, folder: Path) -> None:
    if shutil.which("cfssl") is None:
        pytest.skip("cfssl is not installed: apt-get install golang-cfssl")
    write_key(folder / "node.key", kind)
    root(folder)
    assert create(folder, "--out", folder / "node.csr").exit_code == 0

    done = subprocess.run(
        ["cfssl", "sign", "-ca", "ca.pem", "-ca-key", "ca.key", "node.csr"],
        cwd=folder, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    (folder / "signed.pem").write_text(json.loads(done.stdout)["cert"])

    answer = imported(folder, "signed.pem")
    assert answer.exit_code == 0, answer.stderr


def test_a_request_for_ml_dsa_proves_itself(folder: Path) -> None:
    write_key(folder / "node.key", KeyType.ML_DSA_65)

    assert x509.load_pem_x509_csr(create(folder).stdout_bytes).is_signature_valid


# --- at a terminal --------------------------------------------------------------------------------


def test_a_question_is_asked_until_its_answer_is_good_and_an_empty_line_takes_the_default() -> None:
    def even(answer: str) -> None:
        if int(answer) % 2:
            raise Misconfigured("odd")

    questions = [Question("first", "First", "4", even), Question("second", "Second", "2", even)]
    with create_pipe_input() as keyboard:
        # "3" is refused and stays in the line until it is erased.
        keyboard.send_text("\r3\r\x7f8\r")
        session: PromptSession[str] = PromptSession(input=keyboard, output=DummyOutput())

        assert answers(questions, session) == {"first": "4", "second": "8"}


def test_at_a_terminal_it_asks_there_for_what_is_missing_and_prints_the_request_alone(folder: Path) -> None:
    operator, terminal = pty.openpty()
    words: list[str | Path] = [
        "--uuid",
        str(NODE),
        "--key",
        folder / "node.key",
        "--state-dir",
        folder / "state",
    ]
    words += ["--name", "base"]
    with subprocess.Popen(
        [sys.executable, "-m", "peerkey_cli.main", "create", "certificate-request", *words],
        stdin=terminal,
        stderr=terminal,
        stdout=subprocess.PIPE,
        env={**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1"},
    ) as process:
        os.close(terminal)
        os.write(operator, b"\rCH\rBern\r\r\r\r\r90\r")
        screen = drained(operator)
        assert process.stdout is not None
        made = x509.load_pem_x509_csr(process.stdout.read())

    assert process.returncode == 0
    assert f"Common name [{NODE}]:" in screen
    assert made.subject.rfc4514_string() == f"CN={NODE},ST=Bern,C=CH"
    assert audited(folder)[0]["detail"]["validity_period_days"] == 90


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_an_operator_may_leave(key: str) -> None:
    with create_pipe_input() as keyboard:
        keyboard.send_text(key)
        session: PromptSession[str] = PromptSession(input=keyboard, output=DummyOutput())

        with pytest.raises(typer.Abort):
            answers([Question("first", "First", "", lambda _: None)], session)


def test_what_was_asked_for_is_what_is_told() -> None:
    event = generated(Wanted("base", "cn", country_name="CH", validity_period_days=7))

    assert event == CsrGenerated("base", "cn", "CH", "", "", "", "", "", 7)


# --- helpers --------------------------------------------------------------------------------------


def create(folder: Path, *words: object) -> Any:  # noqa: ANN401
    return peerkey(
        *("create", "certificate-request", "--uuid", NODE, "--key", folder / "node.key"),
        *("--state-dir", folder / "state", *words),
    )


def imported(folder: Path, name: str) -> Any:  # noqa: ANN401
    return peerkey(
        *("import", "certificate", folder / name, "--uuid", NODE, "--key", folder / "node.key"),
        *("--out", folder / "installed.pem", "--trust", folder / "ca.pem", "--state-dir", folder / "state"),
    )


def write_key(path: Path, kind: KeyType) -> None:
    path.touch(mode=0o600)
    path.write_bytes(_key(kind))


@cache
def _key(kind: KeyType) -> bytes:
    """Make one key of each kind: the larger ones take seconds."""
    return generate(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def root(folder: Path) -> None:
    """Make an authority with OpenSSL alone."""
    (folder / "ca.cnf").write_text(CA_CONFIGURATION)
    (folder / "index.txt").touch()
    openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "pkcs8.key")
    # cfssl reads the older form of EC keys.
    openssl(folder, "pkey", "-in", "pkcs8.key", "-traditional", "-out", "ca.key")
    openssl(folder, "req", "-x509", "-new", "-config", "ca.cnf", "-extensions", "root", "-key", "ca.key",
            "-subj", "/CN=root", "-days", "60", "-out", "ca.pem")  # fmt: skip


def openssl(folder: Path, *words: str) -> str:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


def drained(terminal: int) -> str:
    """Return what was shown at a terminal until everybody has left it."""
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4_096):
            shown += piece
    os.close(terminal)
    return shown.decode()


def audited(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "state" / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
