"""``peerkey create ha-key``: the key of a node's HA link, and the line for the configuration."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from actors.ha.ssh_keys import public_line_of, read_ssh_key
from peerkey.config.load import load
from peerkey.errors import Misconfigured
from tests.cli.commands import document, peerkey

CONFIGURATION = """\
authority:
  name: test
  router:
    - name: east
      node:
        - {name: node0, uuid: d66887a3-a556-4782-952b-f8818ec8d8bc}
        - {name: node1, uuid: e66887a3-a556-4782-952b-f8818ec8d8bc}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "authority.yaml"
    path.write_text(CONFIGURATION)
    return path


def test_it_makes_a_key_for_its_owner_alone_and_prints_its_public_line(file: Path, tmp_path: Path) -> None:
    done = peerkey("create", "ha-key", file, "--node", "east/node0", "--state-dir", tmp_path / "state")

    path = tmp_path / "east-node0.ha.key"
    key = load_ssh_private_key(path.read_bytes(), None)
    assert done.exit_code == 0
    assert isinstance(key, Ed25519PrivateKey)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert done.stdout == f"{public_line_of(key.public_key())} east/node0\n"


def test_the_audit_log_tells_of_it_and_neither_it_nor_the_document_shows_the_key(
    file: Path, tmp_path: Path
) -> None:
    made = document("create", "ha-key", file, "--node", "east/node0", "--state-dir", tmp_path)

    logged = (tmp_path / "events.jsonl").read_text()
    assert json.loads(logged)["detail"]["fingerprint"] == made["fingerprint"]
    inner = Path(made["file"]).read_text().splitlines()[1:-1]
    assert not any(line in logged or line in json.dumps(made) for line in inner)


def test_a_key_that_is_there_is_replaced_by_force_only(file: Path, tmp_path: Path) -> None:
    command = ("create", "ha-key", file, "--node", "east/node0", "--state-dir", tmp_path / "state")
    first = peerkey(*command).stdout

    refused = peerkey(*command)
    assert refused.exit_code != 0
    assert "east-node0.ha.key" in refused.stderr
    second = peerkey(*command, "--force")
    assert second.exit_code == 0
    assert second.stdout != first


def test_the_printed_lines_make_a_pair_of_the_two_nodes(file: Path, tmp_path: Path) -> None:
    text = CONFIGURATION
    for place in (0, 1):
        line = peerkey(
            "create", "ha-key", file, "--node", f"east/node{place}", "--state-dir", tmp_path / "state"
        ).stdout.strip()
        sync = f"8ec8d8bc, ha-sync: {{address: 10.9.0.{place + 1}, public-key: '{line}'}}}}"
        first, rest = text.rsplit("8ec8d8bc}", 1) if place else text.split("8ec8d8bc}", 1)
        text = first + sync + rest
    assert load(text, "pair").authority.router[0].node[0].ha_sync is not None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.chmod(0o644), "others can read it"),
        (lambda path: path.write_text("no key"), "is no SSH key"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(file: Path, tmp_path: Path, spoil: object, words: str) -> None:
    made = document("create", "ha-key", file, "--node", "east/node0", "--state-dir", tmp_path)
    line = " ".join(made["public_key"].split()[:2])
    read_ssh_key(Path(made["file"]), line)
    assert callable(spoil)
    spoil(Path(made["file"]))
    with pytest.raises(Misconfigured, match=words):
        read_ssh_key(Path(made["file"]), line)


def test_the_key_of_another_node_is_refused_by_its_public_line(file: Path, tmp_path: Path) -> None:
    first = document("create", "ha-key", file, "--node", "east/node0", "--state-dir", tmp_path)
    second = document("create", "ha-key", file, "--node", "east/node1", "--state-dir", tmp_path)
    with pytest.raises(Misconfigured, match="its public key is not the configured one"):
        read_ssh_key(Path(first["file"]), " ".join(second["public_key"].split()[:2]))


# --- config check -------------------------------------------------------------------------------------


def test_a_key_that_is_there_and_is_the_configured_one_is_nothing_to_speak_of(pair: Path) -> None:
    assert ".ha.key" not in check(pair)


def test_a_key_that_is_on_another_machine_is_a_warning(pair: Path) -> None:
    (pair.parent / "east-node1.ha.key").unlink()

    assert re.search(
        r"11:\d+: warning: .*ha-sync > public-key: .*east-node1.ha.key: not there yet", check(pair)
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda own, _: own.chmod(0o644), "others can read it (mode 0644); run `chmod 600"),
        (lambda own, other: own.write_bytes(other.read_bytes()), "its public key is not the configured one"),
        (lambda own, _: own.write_text("junk"), "is no SSH key without a password"),
    ],
    ids=["world-readable", "another", "junk"],
)
def test_a_key_that_the_link_could_not_use_is_a_fault(
    pair: Path, spoil: Callable[[Path, Path], object], words: str
) -> None:
    spoil(pair.parent / "east-node0.ha.key", pair.parent / "east-node1.ha.key")

    (fault,) = [line for line in check(pair).splitlines() if ": error: " in line]
    assert "node[node0] > ha-sync > public-key: " in fault
    assert words in fault


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    file = tmp_path / "authority.yaml"
    file.write_text(CONFIGURATION)
    lines = CONFIGURATION.splitlines()
    for number in (0, 1):
        made = peerkey(
            "create", "ha-key", file, "--node", f"east/node{number}", "--state-dir", tmp_path / "state"
        )
        (node,) = [at for at, line in enumerate(lines) if f"node{number}," in line]
        name, uuid = re.findall(r": ([\w-]+)", lines[node])
        lines[node : node + 1] = [
            f"        - name: {name}",
            f"          uuid: {uuid}",
            f'          ha-sync: {{address: 10.0.0.{number + 1}, public-key: "{made.stdout.strip()}"}}',
        ]
    lines.append("")
    file.write_text("\n".join(lines))
    return file


def check(file: Path) -> str:
    done = peerkey("config", "check", file)
    return done.stdout + done.stderr
