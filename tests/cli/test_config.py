"""``peerkey config``: every fault of the configuration and of the files that it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from peerkey.pki.laboratory import Validity, common_name, signed, started
from peerkey.testing.ca import TestCA
from tests.cli.commands import document, peerkey

EAST, WEST = "d66887a3-a556-4782-952b-f8818ec8d8bc", "877f77b2-2c5c-4316-b266-f24a7a44668e"

CONFIGURATION = f"""\
authority:
  name: test
  enhanced-security-key-management: true
  trusted-ca-certificate:
    - name: root
      file: ca.pem
  router:
    - name: east
      peer-validation: true
      node:
        - name: node0
          uuid: {EAST}
          client-certificate: {{name: base, file: east.pem}}
          private-key: {{file: east.key}}
          network-interface: [{{name: wan, address: 127.0.0.1}}]
      peer:
        - {{name: west, path: [{{node: node0, network-interface: wan,
                               peer-node: node0, peer-network-interface: wan}}]}}
    - name: west
      peer-validation: true
      node:
        - name: node0
          uuid: {WEST}
          network-interface: [{{name: wan, address: 127.0.0.2}}]
      peer:
        - {{name: east, path: [{{node: node0, network-interface: wan,
                               peer-node: node0, peer-network-interface: wan}}]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "authority.yaml"
    path.write_text(CONFIGURATION)
    peerkey("pki", "init-ca", tmp_path)
    peerkey("pki", "issue", "--ca", tmp_path, "--config", path)
    return path


def test_a_configuration_whose_files_are_all_there_and_good_is_valid(file: Path) -> None:
    done = peerkey("config", "check", file)

    assert done.exit_code == 0
    assert done.stdout == f"{file}: valid: 2 routers, 2 nodes, 1 peering, 1 path\n"


def test_every_fault_is_told_at_once_with_its_line_and_path(tmp_path: Path) -> None:
    path = tmp_path / "authority.yaml"
    path.write_text(
        "authority:\n"
        "  name: test\n"
        "  pear-validation: true\n"
        "  security-key-management: {peer-key-rekey-interval: 721}\n"
        "  router: [{name: r, node: [{name: n, uuid: nobody}]}]\n"
    )

    done = peerkey("config", "check", path)

    assert done.exit_code == 1
    where = [line.split(": error: ")[0] for line in done.stdout.splitlines()[:-1]]
    assert where == [f"{path}:3:3", f"{path}:4:54", f"{path}:5:45"]
    assert "allowed: 0 to 720 hours or never" in done.stdout
    assert done.stdout.endswith(f"{path}: 3 faults, 0 warnings\n")


def test_files_that_are_not_there_are_warnings_and_listed(file: Path) -> None:
    for name in ("ca.pem", "east.pem", "west-node0.key"):
        (file.parent / name).unlink()

    found = document("config", "check", file)

    assert found["valid"] is True
    assert found["missing"] == [str(file.parent / name) for name in ("ca.pem", "east.pem", "west-node0.key")]
    assert [warning["line"] for warning in found["warnings"]] == [6, 13, 22]
    assert peerkey("config", "check", file).exit_code == 0


def test_the_cas_of_the_est_server_are_looked_at_too(file: Path) -> None:
    profile = "  security-key-management: {ca-profile: {url: https://ca.example, server-ca-file: web.pem}}\n"
    file.write_text(CONFIGURATION.replace("  router:\n", f"{profile}  router:\n", 1))

    missing = document("config", "check", file)
    (file.parent / "web.pem").write_text("nothing")
    bad = document("config", "check", file)

    assert missing["missing"] == [str(file.parent / "web.pem")]
    assert [each["path"].rpartition(" > ")[2] for each in missing["warnings"]] == ["server-ca-file"]
    assert [each["path"].rpartition(" > ")[2] for each in bad["faults"]] == ["server-ca-file"]


def with_another_key(file: Path) -> None:
    (file.parent / "east.key").write_bytes((file.parent / "west-node0.key").read_bytes())


def with_another_nodes_certificate(file: Path) -> None:
    peerkey("pki", "issue", "--ca", file.parent, "--uuid", WEST, "--out", file.parent / "east", "--force")


def with_an_expired_certificate(file: Path) -> None:
    issue_east(file, "--not-after", "2020-01-01T00:00Z")


def with_a_certificate_of_another_ca(file: Path) -> None:
    other = file.parent / "other"
    peerkey("pki", "init-ca", other, "--name", "another")
    peerkey("pki", "issue", "--ca", other, "--uuid", EAST, "--out", file.parent / "east", "--force")


def with_a_certificate_that_is_none(file: Path) -> None:
    (file.parent / "east.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def with_a_key_that_is_none(file: Path) -> None:
    (file.parent / "east.key").write_text("secret")


def with_a_key_that_others_can_read(file: Path) -> None:
    (file.parent / "east.key").chmod(0o644)


def with_a_leaf_for_a_ca(file: Path) -> None:
    (file.parent / "ca.pem").write_bytes((file.parent / "west-node0.pem").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "line", "words", "of_the_certificate"),
    [
        (with_another_key, 14, "not the private key of", False),
        (with_another_nodes_certificate, 13, f"identity-mismatch: the certificate names {WEST}", True),
        (with_an_expired_certificate, 13, "expired: the certificate expired 2020-01-01", True),
        (with_a_certificate_of_another_ca, 13, "untrusted", True),
        (with_a_certificate_that_is_none, 13, "certificate 1 cannot be read", True),
        (with_a_key_that_is_none, 14, "not a private key in PEM", False),
        (with_a_key_that_others_can_read, 14, "others can read it (mode 0644)", False),
        (with_a_leaf_for_a_ca, 6, "may not be trusted", False),
    ],
)
def test_a_bad_file_is_a_fault_at_the_setting_that_names_it(
    spoil: Callable[[Path], None],
    line: int,
    words: str,
    of_the_certificate: bool,  # noqa: FBT001 - a column of the table
    file: Path,
) -> None:
    spoil(file)

    found = document("config", "check", file)

    (fault,) = [fault for fault in found["faults"] if words in fault["message"]]
    assert fault["line"] == line
    assert found["valid"] is False
    assert peerkey("config", "check", file).exit_code == 1

    warn_only = "{name: base, file: east.pem, validation-mode: warn}"
    file.write_text(CONFIGURATION.replace("{name: base, file: east.pem}", warn_only))
    lenient = document("config", "check", file)
    moved = [warning["line"] for warning in lenient["warnings"] if words in warning["message"]]
    assert moved == ([line] if of_the_certificate else [])


def with_no_certificate_of_an_authority(file: Path) -> None:
    (file.parent / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def with_an_authority_that_has_expired(file: Path) -> None:
    ended = TestCA(now=datetime.now(UTC) - timedelta(days=9_000)).root.certificate
    (file.parent / "ca.pem").write_bytes(ended.public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_a_leaf_for_a_ca, "may not be trusted"),
        (with_no_certificate_of_an_authority, "certificate 1 cannot be read"),
        (with_an_authority_that_has_expired, "has expired"),
    ],
)
def test_the_mode_of_a_trusted_certificate_is_about_that_certificate_alone(
    spoil: Callable[[Path], None], words: str, file: Path
) -> None:
    spoil(file)
    strict = document("config", "check", file)
    at_the_authority = [fault for fault in strict["faults"] if fault["line"] == 6]
    assert [words in fault["message"] for fault in at_the_authority] == [True]

    file.write_text(
        CONFIGURATION.replace("      file: ca.pem\n", "      file: ca.pem\n      validation-mode: warn\n")
    )
    lenient = document("config", "check", file)

    moved = [warning for warning in lenient["warnings"] if warning["line"] == 6]
    assert [words in warning["message"] for warning in moved] == [True]
    # What leads to no trusted authority is a fault of the certificates of nodes, and theirs is the mode.
    assert all(fault["line"] != 6 for fault in lenient["faults"])


def test_a_certificate_that_does_not_say_what_it_is_for_is_a_warning_in_either_mode(file: Path) -> None:
    key = load_pem_private_key((file.parent / "east.key").read_bytes(), None)
    ca = TestCA(now=datetime.now(UTC))
    (file.parent / "ca.pem").write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    issued = ca.issue(UUID(EAST), key=key, purposes=None)  # type: ignore[arg-type]
    (file.parent / "east.pem").write_bytes(issued.pem)

    found = document("config", "check", file)

    (told,) = [warning for warning in found["warnings"] if warning["line"] == 13]
    assert "does not say what it is for" in told["message"]
    assert not [fault for fault in found["faults"] if fault["line"] == 13]


def test_a_certificate_that_is_signed_by_its_own_key_is_told_where_nobody_is_trusted(file: Path) -> None:
    alone = CONFIGURATION.replace(
        "  trusted-ca-certificate:\n    - name: root\n      file: ca.pem\n", ""
    ).replace("peer-validation: true", "peer-validation: false")
    file.write_text(alone)
    key = load_pem_private_key((file.parent / "east.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC).replace(microsecond=0)
    name = common_name(EAST)
    validity = Validity(now - timedelta(days=1), now + timedelta(days=300))
    builder = started(name, name, key.public_key(), serial=7, validity=validity)
    (file.parent / "east.pem").write_bytes(signed(builder, key).public_bytes(Encoding.PEM))

    found = document("config", "check", file)

    line = 1 + alone.splitlines().index("          client-certificate: {name: base, file: east.pem}")
    assert found["valid"] is True
    assert any(
        "signed by its own key" in warning["message"] and warning["line"] == line
        for warning in found["warnings"]
    )


def test_a_certificate_that_expires_soon_is_a_warning(file: Path) -> None:
    soon = datetime.now(UTC) + timedelta(days=20)
    issue_east(file, "--not-after", soon.isoformat())

    found = document("config", "check", file)

    assert found["valid"] is True
    assert [warning["message"].split(": ")[1] for warning in found["warnings"]] == [
        "expires in less than 30 days"
    ]


def test_a_default_file_is_reported_at_its_node(file: Path) -> None:
    (file.parent / "west-node0.pem").write_text("nothing")

    (fault,) = document("config", "check", file)["faults"]

    assert (fault["line"], fault["path"]) == (22, "authority > router[west] > node[node0]")


def test_faults_and_warnings_are_marked_and_in_the_order_of_the_file(file: Path) -> None:
    (file.parent / "ca.pem").unlink()
    with_a_key_that_is_none(file)

    lines = peerkey("config", "check", file).stdout.splitlines()

    assert [line.split(": ")[1] for line in lines] == ["warning", "error", "1 fault, 1 warning"]


def test_no_key_is_ever_shown(file: Path) -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\n-----END PRIVATE KEY-----\n"  # noqa: S105
    file.write_text(CONFIGURATION.replace("{file: east.key}", f"{{file: {json.dumps(secret)}}}"))

    done = peerkey("config", "check", file, "--json")

    assert done.exit_code == 1
    assert "MC4CAQ" not in done.stdout + done.stderr


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = peerkey("config", "check", tmp_path / "absent.yaml")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_the_schema_is_one_json_document() -> None:
    done = peerkey("config", "schema")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def issue_east(file: Path, *words: str) -> None:
    """Give the router east another certificate."""
    done = peerkey(
        "pki", "issue", "--ca", file.parent, "--uuid", EAST, "--out", file.parent / "east", "--force", *words
    )
    assert done.exit_code == 0
