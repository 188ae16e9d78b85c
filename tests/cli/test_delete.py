"""``peerkey delete private-key``: gone for good, and not while somebody needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.keystores.port import NoSuchKey
from tests.actors.keystores.places import Place, end_software_tpms, file_place, pkcs11_place, tpm_place
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import TwoRouters, two_routers


@pytest.fixture(autouse=True)
def _own_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr("peerkey_cli.state.MACHINE_IDENTITY", tmp_path / "etc" / "identity")
    yield
    end_software_tpms()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def routers(tmp_path: Path) -> TwoRouters:
    return two_routers(tmp_path)


@pytest.mark.parametrize("place", [file_place, pkcs11_place, tpm_place])
def test_a_key_is_gone_from_its_store_and_the_audit_log_tells_of_it(
    place: Callable[[Path], Place], state: Path, tmp_path: Path
) -> None:
    state.mkdir(mode=0o700)
    kept = place(state)
    name = kept.name("base")
    made = document("create", "private-key", name, "--state-dir", state)

    gone = document("delete", "private-key", name, "--yes", "--state-dir", state)

    assert (gone["name"], gone["fingerprint"]) == (name, made["fingerprint"])
    assert gone["node_uuid"] == made["node_uuid"]
    with pytest.raises(NoSuchKey):
        kept.opened().public_key(name)
    event = events(state)[-1]
    assert event["type"] == "system.delete_private_key"
    assert event["detail"] == {"name": name, "fingerprint": made["fingerprint"], "replaced": False}


def test_a_key_that_is_not_there_is_one_line_and_makes_nothing(state: Path) -> None:
    done = peerkey("delete", "private-key", "--yes", "--state-dir", state)

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert not state.exists()


def test_nobody_is_asked_where_nobody_is_there(state: Path) -> None:
    made = document("create", "private-key", "--state-dir", state)

    done = peerkey("delete", "private-key", "--state-dir", state, stdin=b"y\n")

    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert Path(made["name"]).exists()


@pytest.mark.parametrize(("answer", "status", "there"), [(b"y\n", 0, False), (b"n\n", 130, True)])
def test_at_a_terminal_it_asks_first(
    answer: bytes, status: int, *, there: bool, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = document("create", "private-key", "--state-dir", state)
    monkeypatch.setattr("peerkey_cli.asking.at_a_terminal", lambda: True)

    done = peerkey("delete", "private-key", "--state-dir", state, stdin=answer)

    assert done.exit_code == status
    assert f"Delete {made['name']}? It cannot be brought back." in done.stderr
    assert Path(made["name"]).exists() is there


def test_the_key_of_the_certificate_in_the_configuration_stays_unless_forced(
    routers: TwoRouters, state: Path
) -> None:
    key = routers.folder / "east.key"
    words = ("delete", "private-key", "--config", routers.file, "--node", "east/node0", "--yes")

    refused = peerkey(*words, "--state-dir", state)

    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert f"{key} is the private key of the certificate {routers.folder / 'east.pem'}" in refused.stderr
    assert key.exists()
    assert peerkey(*words, "--force", "--state-dir", state).exit_code == 0
    assert not key.exists()


@pytest.mark.parametrize("certificate", [None, b"spoilt"])
def test_a_certificate_that_is_not_there_holds_nothing_and_one_that_cannot_be_read_does(
    certificate: bytes | None, routers: TwoRouters, state: Path
) -> None:
    place = routers.folder / "east.pem"
    place.unlink()
    if certificate is not None:
        place.write_bytes(certificate)

    done = peerkey(
        *("delete", "private-key", "--config", routers.file, "--node", "east/node0", "--yes"),
        *("--state-dir", state),
    )

    assert done.exit_code == (0 if certificate is None else 1)
    assert (routers.folder / "east.key").exists() is (certificate is not None)


def test_a_key_with_which_a_running_system_proves_who_it_is_stays_unless_forced(
    routers: TwoRouters, state: Path
) -> None:
    key = routers.folder / "east.key"
    with in_background(routers.file, state):
        refused = peerkey("delete", "private-key", key, "--yes", "--state-dir", state)

        assert refused.exit_code == 1
        assert f"{key} is the private key of the certificate that east/node0 shows" in refused.stderr
        assert key.exists()
        assert peerkey("delete", "private-key", key, "--yes", "--force", "--state-dir", state).exit_code == 0
    assert not key.exists()


def test_a_file_that_holds_no_key_goes_only_when_forced(state: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.key"
    spoilt.touch(mode=0o600)

    assert peerkey("delete", "private-key", spoilt, "--yes", "--state-dir", state).exit_code == 1
    assert spoilt.exists()
    gone = document("delete", "private-key", spoilt, "--yes", "--force", "--state-dir", state)
    assert gone["fingerprint"] == ""
    assert not spoilt.exists()


def test_what_could_not_be_recorded_is_not_done(state: Path, tmp_path: Path) -> None:
    made = document("create", "private-key", tmp_path / "node.key", "--state-dir", state)
    (state / "events.jsonl").unlink()
    (state / "events.jsonl").mkdir()

    done = peerkey("delete", "private-key", made["name"], "--yes", "--state-dir", state)

    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert Path(made["name"]).exists()


def events(state: Path) -> Any:  # noqa: ANN401 - JSON
    return [json.loads(line) for line in (state / "events.jsonl").read_text("utf-8").splitlines()]
