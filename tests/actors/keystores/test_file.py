"""Keys in files: for their owner alone, whole or not there, and opened by the right passphrase only."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from actors.keystores.file import FileKeyStore
from actors.keystores.port import KeyExists
from peerkey.errors import Misconfigured, Unavailable
from peerkey.pki.key_types import KeyType

PASSPHRASE = "correct horse"  # noqa: S105 - of this test alone


def test_a_private_key_is_textual_pkcs8_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "pki" / "base.key"
    FileKeyStore(tmp_path / "sealing.key", environment={}).create(str(path), KeyType.EC_P256)

    text = path.read_text("ascii")
    assert re.fullmatch(
        r"-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END PRIVATE KEY-----\n", text
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["base.key"]
    subprocess.run(["openssl", "pkey", "-in", path, "-check", "-noout"], check=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_can_reach_is_refused(mode: int, tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "sealing.key", environment={})
    path = tmp_path / "base.key"
    store.create(str(path), KeyType.EC_P256)
    path.chmod(mode)

    with pytest.raises(Misconfigured, match="others can read it"):
        FileKeyStore(tmp_path / "sealing.key", environment={}).signer(str(path))


def test_a_passphrase_in_a_file_encrypts_and_opens_what_is_made(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n")
    secret.chmod(0o600)
    environment = {"PEERKEY_KEY_PASSPHRASE_FILE": str(secret)}
    path = str(tmp_path / "base.key")
    FileKeyStore(tmp_path / "s", environment=environment).create(path, KeyType.EC_P256)

    assert "BEGIN ENCRYPTED PRIVATE KEY" in Path(path).read_text("ascii")
    assert FileKeyStore(tmp_path / "s", environment=environment).signer(path)[0].sign(b"data")
    subprocess.run(["openssl", "pkey", "-in", path, "-passin", f"file:{secret}", "-noout"], check=True)


@pytest.mark.parametrize(
    ("environment", "says"),
    [({}, "put its passphrase"), ({"PEERKEY_KEY_PASSPHRASE": "wrong horse"}, "does not open it")],
)
def test_without_the_right_passphrase_the_line_says_so_and_shows_none(
    environment: dict[str, str], says: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "base.key")
    FileKeyStore(tmp_path / "s", environment={"PEERKEY_KEY_PASSPHRASE": PASSPHRASE}).create(
        path, KeyType.EC_P256
    )

    with pytest.raises(Misconfigured, match=says) as caught:
        FileKeyStore(tmp_path / "s", environment=environment).signer(path)

    assert "horse" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_passphrase_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o644)

    with pytest.raises(Misconfigured, match="others can read it"):
        FileKeyStore(tmp_path / "s", environment={"PEERKEY_KEY_PASSPHRASE_FILE": str(secret)}).create(
            str(tmp_path / "base.key"), KeyType.EC_P256
        )
    assert not (tmp_path / "base.key").exists()


def test_a_failed_replacement_leaves_the_former_key_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileKeyStore(tmp_path / "s", environment={})
    path = tmp_path / "base.key"
    store.create(str(path), KeyType.EC_P256)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("actors.whole_files.os.fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            store.create(str(path), KeyType.EC_P256, replace=True)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["base.key"]


def test_a_dangling_link_counts_as_a_key_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "base.key").symlink_to(tmp_path / "nowhere")

    with pytest.raises(KeyExists):
        FileKeyStore(tmp_path / "s", environment={}).create(str(tmp_path / "base.key"), KeyType.EC_P256)


def test_no_error_quotes_what_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "base.key"
    path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)

    with pytest.raises(Misconfigured) as caught:
        FileKeyStore(tmp_path / "s", environment={}).signer(str(path))

    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None
