"""The units below ``deploy/systemd`` are units, and let what they start do little."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.sources import ROOT, settings_of

FOLDER = ROOT / "deploy" / "systemd"
#: The exposure that `systemd-analyze security` may see, in tenths: 0 is none, 100 all.
LIMITS = {"peerkey": 15, "peerkey-ray": 22, "peerkey-ray-head": 22, "peerkey-fleet": 22}

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="install systemd-analyze: apt install systemd"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the programs where they are on this machine: a program that is not there is a fault."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*.service"):
        text = path.read_text("utf-8").replace("/opt/peerkey/bin/", f"{Path(sys.executable).parent}/")
        path.write_text(text, "utf-8")
    return tmp_path


def test_every_unit_has_a_limit() -> None:
    assert {path.stem for path in FOLDER.glob("*.service")} == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_systemd_has_nothing_to_say_against_the_unit(units: Path, name: str) -> None:
    if "ray" in name and not (Path(sys.executable).parent / "ray").exists():
        pytest.skip("install ray: pip install -e '.[cluster]'")

    done = _analyze(units, "verify", "--man=no", f"./{name}.service")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_refuses_a_unit_with_a_wrong_word(units: Path) -> None:
    path = units / "peerkey.service"
    path.write_text(
        path.read_text("utf-8").replace("ProtectSystem=strict", "ProtectSystem=strictly"), "utf-8"
    )

    done = _analyze(units, "verify", "--man=no", "./peerkey.service")

    assert "protect system" in done.stderr


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_the_unit_may_do_little(units: Path, name: str, limit: int) -> None:
    security = ("security", "--offline=true", "--no-pager", f"./{name}.service")

    assert _analyze(units, *security, f"--threshold={limit}").returncode == 0
    assert _analyze(units, *security, "--threshold=5").returncode != 0


def test_the_credential_is_at_the_path_that_is_told(units: Path) -> None:
    text = (units / "peerkey.service.d" / "credentials.conf").read_text("utf-8")

    (name,) = re.findall(r"^LoadCredential=([^:]+):/etc/peerkey/", text, re.MULTILINE)
    assert f"/run/credentials/peerkey.service/{name}" in text


@pytest.mark.parametrize("name", LIMITS)
def test_every_variable_of_the_unit_is_set_by_one_of_its_files(name: str) -> None:
    text = (FOLDER / f"{name}.service").read_text("utf-8")
    known = {"MAINPID", "PEERKEY_ARGS"}
    for path in (FOLDER / "cluster.env", ROOT / "deploy/ray/ray.env", ROOT / "deploy/ray/head.env"):
        known |= settings_of(path).keys()

    asked = re.findall(r"\$\{?([A-Z_]+)", text)

    assert asked
    assert set(asked) <= known


def test_both_ways_of_starting_ray_by_hand_have_the_same_ports() -> None:
    launcher = set(re.findall(r"--[a-z-]+-port=\d+", (ROOT / "cluster.yaml").read_text("utf-8")))

    for name in ("peerkey-ray", "peerkey-ray-head"):
        assert (
            set(re.findall(r"--[a-z-]+-port=\d+", (FOLDER / f"{name}.service").read_text("utf-8")))
            == launcher
        )


@pytest.mark.parametrize("name", ["peerkey-ray", "peerkey-ray-head"])
def test_a_machine_has_the_same_name_after_each_start_of_ray(name: str) -> None:
    """Without one it would be a new machine each time, and the former one lost."""
    text = (FOLDER / f"{name}.service").read_text("utf-8")

    assert re.search(r"/ray start(?:.*\\\n)*.* --node-name=%H$", text, re.MULTILINE)


def _analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
