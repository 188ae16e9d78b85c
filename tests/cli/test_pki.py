"""``peerkey pki``: what it makes is what the fleet accepts, and nothing is replaced by accident."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.keystores.file import FileKeyStore
from peerkey.pki.certificate import read_bundle
from peerkey.pki.examination import Examination, Examiner
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors
from peerkey_cli.key_types import KeyType
from tests.cli.commands import peerkey

NODE = UUID("d66887a3-a556-4782-952b-f8818ec8d8bc")

CONFIGURATION = """\
authority:
  name: test
  enhanced-security-key-management: true
  trusted-ca-certificate: [{name: root, file: pki/ca.pem}]
  router:
    - name: east
      peering-common-name: the-east
      node: [{name: node0, uuid: d66887a3-a556-4782-952b-f8818ec8d8bc, private-key: {file: keys/east.key}}]
    - name: west
      node: [{name: node0, uuid: 877f77b2-2c5c-4316-b266-f24a7a44668e}]
"""


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    assert peerkey("pki", "init-ca", tmp_path / "pki").exit_code == 0
    return tmp_path / "pki"


@pytest.mark.parametrize("kind", list(KeyType))
def test_a_certificate_of_every_kind_of_key_is_accepted_and_its_key_signs(
    kind: KeyType, tmp_path: Path
) -> None:
    pki = tmp_path / "pki"
    assert peerkey("pki", "init-ca", pki, "--key-type", kind).exit_code == 0
    assert peerkey("pki", "issue", "--ca", pki, "--uuid", NODE, "--key-type", kind).exit_code == 0

    examination = examined(pki / f"{NODE}.pem", pki)
    signer, public = FileKeyStore(tmp_path / "none").signer(str(pki / f"{NODE}.key"))

    assert examination.verdict.faults == ()
    assert examination.chained
    assert public == examination.public_key
    assert signer.sign(b"data")


def test_an_intermediate_issues_and_its_certificate_follows_the_leaf(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    peerkey("pki", "init-ca", pki, "--intermediate", "--name", "Lab 7")
    peerkey("pki", "issue", "--ca", pki, "--uuid", NODE, "--out", pki / "east")

    leaf, intermediate = read_bundle((pki / "east.pem").read_bytes(), "east.pem")

    assert leaf.issuer == intermediate.subject
    assert intermediate.issuer.rfc4514_string() == "CN=Lab 7"
    assert examined(pki / "east.pem", pki).chained


def test_keys_are_for_their_owner_alone_and_certificates_for_everybody(ca: Path) -> None:
    peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", ca / "east")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ca.iterdir()}

    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "east.pem": 0o644, "east.key": 0o600}


def test_with_a_name_out_is_the_directory(ca: Path) -> None:
    done = peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", ca / "certs", "--name", "east")

    assert done.exit_code == 0
    assert {path.name for path in (ca / "certs").iterdir()} == {"east.pem", "east.key"}


def test_the_alias_is_in_the_certificate(ca: Path) -> None:
    peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--alias", "hub-1", "--out", ca / "hub")

    assert examined(ca / "hub.pem", ca).names.aliases == ("hub-1",)


@pytest.mark.parametrize("words", [["init-ca"], ["issue", "--uuid", NODE, "--ca", "pki", "--out"]])
def test_a_file_in_the_place_of_a_directory_is_one_line(
    words: list[object], ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    refused = peerkey("pki", *words, "file" if words[0] == "init-ca" else "file/x")

    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "file is not a directory" in refused.stderr


def test_what_is_no_authority_does_not_issue(ca: Path, tmp_path: Path) -> None:
    assert peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", tmp_path / "leaf").exit_code == 0
    for suffix in (".pem", ".key"):
        (tmp_path / "leaf").with_suffix(suffix).replace((ca / "ca").with_suffix(suffix))

    refused = peerkey("pki", "issue", "--ca", ca, "--uuid", NODE)

    assert refused.exit_code == 1
    assert "ca.pem: not the certificate of an authority" in refused.stderr


@pytest.mark.parametrize("words", [("init-ca",), ("issue", "--uuid", NODE, "--out"), ("issue", "--config")])
def test_nothing_that_exists_is_replaced_without_force(
    words: tuple[object, ...], ca: Path, tmp_path: Path
) -> None:
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION)
    peerkey("pki", "issue", "--ca", ca, "--config", config)
    peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", tmp_path / "one")
    before = contents(tmp_path)
    last = {"init-ca": ca, "issue": config if "--config" in words else tmp_path / "one"}[str(words[0])]
    with_ca = ("--ca", ca) if words[0] == "issue" else ()

    refused = peerkey("pki", words[0], *with_ca, *words[1:], last)
    unchanged = contents(tmp_path)
    forced = peerkey("pki", words[0], *with_ca, *words[1:], last, "--force")

    assert unchanged == before
    if "--config" in words:
        assert "east/node0: kept" in refused.stdout
    else:
        assert refused.exit_code == 1
        assert "--force" in refused.stderr
    assert forced.exit_code == 0
    assert contents(tmp_path) != before


def test_a_ca_that_loses_its_intermediate_issues_by_its_root(tmp_path: Path) -> None:
    peerkey("pki", "init-ca", tmp_path, "--intermediate")
    peerkey("pki", "init-ca", tmp_path, "--force")
    peerkey("pki", "issue", "--ca", tmp_path, "--uuid", NODE)

    assert not list(tmp_path.glob("intermediate.*"))
    assert examined(tmp_path / f"{NODE}.pem", tmp_path).chained


def test_every_node_of_a_configuration_gets_its_files_where_the_configuration_says(
    ca: Path, tmp_path: Path
) -> None:
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION)

    done = peerkey("pki", "issue", "--ca", ca, "--config", config)

    assert done.exit_code == 0
    assert {path.name for path in tmp_path.rglob("*.pem")} == {"ca.pem", "east-node0.pem", "west-node0.pem"}
    assert (tmp_path / "keys" / "east.key").is_file()
    assert examined(tmp_path / "east-node0.pem", ca).names.aliases == ("the-east",)
    assert peerkey("config", "check", config).exit_code == 0


def test_a_node_that_is_added_gets_a_certificate_and_the_others_keep_theirs(ca: Path, tmp_path: Path) -> None:
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION.partition("    - name: west")[0])
    peerkey("pki", "issue", "--ca", ca, "--config", config)
    first = (tmp_path / "east-node0.pem").read_bytes()
    config.write_text(CONFIGURATION)

    done = peerkey("pki", "issue", "--ca", ca, "--config", config)

    assert done.stdout.startswith("east/node0: kept, it has a certificate and a key; --force replaces them\n")
    assert (tmp_path / "east-node0.pem").read_bytes() == first
    assert (tmp_path / "west-node0.pem").is_file()


def test_half_of_a_nodes_files_stop_everything_before_anything_is_issued(ca: Path, tmp_path: Path) -> None:
    config = tmp_path / "authority.yaml"
    config.write_text(CONFIGURATION)
    (tmp_path / "west-node0.key").write_text("a key that came from elsewhere")

    done = peerkey("pki", "issue", "--ca", ca, "--config", config)

    assert done.exit_code == 1
    assert "west-node0.key exists, but not the other file of west/node0" in done.stderr
    assert not (tmp_path / "east-node0.pem").exists()


def test_an_end_in_days_and_one_as_a_time(ca: Path) -> None:
    peerkey("pki", "issue", "--ca", ca, "--uuid", NODE, "--out", ca / "days", "--days", 7)
    peerkey(
        "pki",
        "issue",
        "--ca",
        ca,
        "--uuid",
        NODE,
        "--out",
        ca / "time",
        "--not-after",
        "2030-06-15T14:00+02:00",
    )

    week = examined(ca / "days.pem", ca).not_after - datetime.now(UTC)

    assert timedelta(days=7) - timedelta(minutes=1) < week <= timedelta(days=7)
    assert examined(ca / "time.pem", ca).not_after == datetime(2030, 6, 15, 12, tzinfo=UTC)


def test_a_certificate_that_has_expired_can_be_made(ca: Path) -> None:
    done = peerkey(
        "pki", "issue", "--ca", ca, "--uuid", NODE, "--out", ca / "old", "--not-after", "2020-01-01T00:00Z"
    )

    assert done.exit_code == 0
    assert examined(ca / "old.pem", ca).verdict.reason == "expired"


def test_nobody_outlives_the_ca_and_the_default_does_not_try(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    peerkey("pki", "init-ca", pki, "--days", 30)

    chosen = peerkey("pki", "issue", "--ca", pki, "--uuid", NODE, "--days", 31)
    default = peerkey("pki", "issue", "--ca", pki, "--uuid", NODE)

    assert chosen.exit_code == 1
    assert "would outlive its issuer's" in chosen.stderr
    assert default.exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--uuid", NODE, "--config", "authority.yaml"),
        ("--config", "authority.yaml", "--name", "east"),
        ("--uuid", "east"),
        ("--uuid", NODE, "--name", "../east"),
        ("--uuid", NODE, "--out", "/"),
        ("--uuid", NODE, "--days", "0"),
        ("--uuid", NODE, "--days", "1", "--not-after", "2030-01-01"),
        ("--uuid", NODE, "--not-after", "soon"),
        ("--uuid", NODE, "--not-after", "0001-01-01T00:00Z"),
        ("--uuid", NODE, "--alias", "a" * 65),
        ("--uuid", NODE, "--key-type", "dsa"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(words: tuple[object, ...], ca: Path) -> None:
    done = peerkey("pki", "issue", "--ca", ca, *words)

    assert done.exit_code == 2
    assert done.stderr.startswith("peerkey: ")
    assert done.stderr.count("\n") == 1


def test_a_directory_without_a_ca_says_how_to_make_one(tmp_path: Path) -> None:
    done = peerkey("pki", "issue", "--ca", tmp_path, "--uuid", NODE)

    assert done.exit_code == 1
    assert f"make an authority with `peerkey pki init-ca {tmp_path}`" in done.stderr


def test_the_key_of_another_ca_is_noticed(ca: Path, tmp_path: Path) -> None:
    peerkey("pki", "init-ca", tmp_path / "other")
    (ca / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())

    done = peerkey("pki", "issue", "--ca", ca, "--uuid", NODE)

    assert done.exit_code == 1
    assert "is not the private key of" in done.stderr


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = peerkey("pki", "init-ca", tmp_path / "file" / "pki")

    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def examined(certificate: Path, ca: Path) -> Examination:
    """Judge a certificate file by the CA of a directory, with every check on."""
    chain = read_bundle(certificate.read_bytes(), certificate.name)
    examiner = Examiner(
        PeerIdentity(NODE),
        peer_validation=True,
        trust=TrustAnchors.read([((ca / "ca.pem").read_bytes(), "ca.pem")]),
        revocation=NoRevocation(),
    )
    return examiner.examine(tuple(each.public_bytes(Encoding.DER) for each in chain), datetime.now(UTC))


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file below a folder with what it holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
