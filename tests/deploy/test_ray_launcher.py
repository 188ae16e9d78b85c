"""``cluster.yaml`` and its cloud variant are what Ray's own cluster launcher accepts, and start Ray alike."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runtime.backends.ray.settings import SETTINGS
from tests.deploy.sources import ROOT, settings_of

pytest.importorskip("ray", reason="install ray: pip install -e '.[cluster]'")

FILES = {"local": ROOT / "cluster.yaml", "aws": ROOT / "deploy" / "ray" / "aws.yaml"}

#: Run in a process of its own: the launcher's parts change what warnings and logs do.
_PREPARE = """
import json, sys, yaml
from ray.autoscaler._private.util import prepare_config, validate_config
config = prepare_config(yaml.safe_load(open(sys.argv[1])))
validate_config(config)
print("\\n" + json.dumps(config))
"""
_OPTIONS = """
import json
from ray.scripts.scripts import start
print("\\n" + json.dumps([name for option in start.params for name in option.opts]))
"""


@pytest.mark.parametrize("provider", FILES)
def test_the_file_fits_rays_own_schema(provider: str) -> None:
    import ray.autoscaler  # noqa: PLC0415 - not before it is known to be there

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text("utf-8"))

    jsonschema.validate(_config(provider), schema)


@pytest.mark.parametrize("provider", FILES)
def test_the_launcher_prepares_and_validates_the_file(provider: str) -> None:
    prepared = _in_python(_PREPARE, str(FILES[provider]))

    assert prepared["provider"]["type"] == provider
    workers = sum(
        kind["min_workers"]
        for name, kind in prepared["available_node_types"].items()
        if provider == "local" or name != prepared["head_node_type"]
    )
    assert workers == _config(provider)["max_workers"]


def test_the_launcher_refuses_a_file_with_a_wrong_word(tmp_path: Path) -> None:
    wrong = tmp_path / "cluster.yaml"
    wrong.write_text(FILES["local"].read_text("utf-8").replace("max_workers", "max_worker"), "utf-8")

    with pytest.raises(subprocess.CalledProcessError) as caught:
        _in_python(_PREPARE, str(wrong))

    assert "max_worker" in caught.value.stderr


def test_every_option_of_ray_start_is_one() -> None:
    known = set(_in_python(_OPTIONS))

    given = {word.partition("=")[0] for line in _starts() for word in shlex.split(line) if word[:2] == "--"}

    assert len(given) > 10
    assert given <= known


def test_both_files_start_ray_alike() -> None:
    local, aws = (_config(provider) for provider in FILES)

    assert local["head_start_ray_commands"] == aws["head_start_ray_commands"]
    assert local["worker_start_ray_commands"] == aws["worker_start_ray_commands"]


def test_every_start_reads_the_settings_with_token_and_tls() -> None:
    settings = settings_of(ROOT / "deploy" / "ray" / "ray.env")

    assert settings["RAY_AUTH_MODE"] == "token"
    assert settings["RAY_USE_TLS"] == "1"
    assert len(list(_starts())) == 4
    assert all(". /etc/peerkey/ray.env;" in line for line in _starts())


def test_a_cluster_of_others_is_set_as_one_that_is_started_here() -> None:
    settings = settings_of(ROOT / "deploy" / "ray" / "ray.env")

    assert settings.items() >= SETTINGS.items()


def test_every_setting_is_one_that_ray_reads() -> None:
    import ray  # noqa: PLC0415 - not before it is known to be there

    server = (Path(ray.__file__).parent / "core" / "src" / "ray" / "gcs" / "gcs_server").read_bytes()
    names = {
        name
        for file in ("ray.env", "head.env")
        for name in settings_of(ROOT / "deploy" / "ray" / file)
        # Read by our own command line alone, and by Ray's Python part.
        if name
        not in {"RAY_REDIS_USERNAME", "RAY_REDIS_PASSWORD", "RAY_REDIS_ADDRESS", "RAY_USAGE_STATS_ENABLED"}
    }

    assert len(names) > 8
    assert [name for name in sorted(names) if name.encode() not in server] == []


def test_no_file_for_the_launcher_holds_a_password() -> None:
    assert settings_of(ROOT / "deploy" / "ray" / "head.env")["RAY_REDIS_PASSWORD"] == ""
    assert not any(re.search(r"password=[^\"$ ]", line) for line in _starts())


def _config(provider: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILES[provider].read_text("utf-8"))
    return loaded


def _starts() -> list[str]:
    return [
        line
        for provider in FILES
        for kind in ("head", "worker")
        for line in _config(provider)[f"{kind}_start_ray_commands"]
        if " start " in line
    ]


def _in_python(text: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever it prints
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
