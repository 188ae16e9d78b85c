"""``docs/guides/cluster.md`` tells the truth as far as a machine without a cluster can say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.sources import ROOT, settings_of

PATH = ROOT / "docs" / "guides" / "cluster.md"
TEXT = PATH.read_text("utf-8")
SCRIPTS = re.findall(r"```sh\n(.+?)```", TEXT, re.DOTALL)
NAMED = sorted(set(re.findall(r"(?:\"\$PWD/|`|\s)((?:deploy/[\w./-]+\w)(?![\w./*-])|cluster\.yaml)", TEXT)))


@pytest.mark.parametrize("name", NAMED)
def test_a_file_that_the_guide_names_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_script_of_the_guide_is_one(script: str) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_certificates_of_the_guide_are_valid_for_their_machines(tmp_path: Path) -> None:
    (script,) = (script for script in SCRIPTS if "openssl req -x509" in script)

    _run(script, tmp_path)

    for address in ("192.0.2.10", "192.0.2.11", "192.0.2.12"):
        for purpose in ("sslserver", "sslclient"):
            said = _run(
                f"openssl verify -CAfile ca.pem -purpose {purpose} -verify_ip {address} {address}.pem",
                tmp_path,
            )
            assert said == f"{address}.pem: OK\n"
        assert (tmp_path / f"{address}.key").stat().st_mode & 0o077 == 0


def test_the_passwords_of_the_guide_fit_the_file_of_users(tmp_path: Path) -> None:
    (script,) = (script for script in SCRIPTS if "sha256sum" in script)

    said = _run(script, tmp_path)

    assert re.fullmatch(r"peerkey [0-9a-f]{64}\nray [0-9a-f]{64}\n", said)
    for user in ("peerkey", "ray"):
        assert re.fullmatch(r"[0-9a-f]{64}", (tmp_path / f"{user}.password").read_text("ascii"))
        assert (tmp_path / f"{user}.password").stat().st_mode & 0o077 == 0


def test_the_units_read_the_files_that_the_guide_puts_there() -> None:
    units = "".join(path.read_text("utf-8") for path in (ROOT / "deploy" / "systemd").glob("*.service"))
    settings = settings_of(ROOT / "deploy" / "ray" / "ray.env")
    asked = {Path(path).name for path in re.findall(r"=-?(/etc/peerkey/[\w.-]+)$", units, re.MULTILINE)}
    asked |= {Path(value).name for name, value in settings.items() if value.startswith("/")}

    assert asked >= {"ray.token", "ray.env", "cluster.env", "ray-head.env", "machine.pem"}
    assert [name for name in sorted(asked) if name not in TEXT] == []


def test_the_addresses_of_the_guide_are_those_of_the_files() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text("utf-8"))["provider"]
    settings = settings_of(ROOT / "deploy" / "systemd" / "cluster.env")

    assert cluster["head_ip"] == settings["PEERKEY_HEAD"]
    assert f"--ray-address {cluster['head_ip']}:6379 --redis {settings['PEERKEY_REDIS']} " in TEXT
    assert all(address in TEXT for address in cluster["worker_ips"])


def test_the_guide_has_something_to_check() -> None:
    assert len(SCRIPTS) > 6
    assert len(NAMED) > 10


def _run(script: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
