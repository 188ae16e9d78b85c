"""The JSON Schema and the reference page say what is checked."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from peerkey.config.schema import json_schema, settings
from tests.config.sample import FOREIGN, HUB_UUID, TEXT, edited, faults_of, with_policy, with_top

ROOT = Path(__file__).resolve().parents[2]
BRANCH_PEER = "        - name: branch\n          path:"


def test_the_schema_is_a_json_schema_of_the_2020_12_draft() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        edited((BRANCH_PEER, FOREIGN + BRANCH_PEER)),
        with_policy("peer-key-rekey-interval: never\npayload-key-rekey-interval: never"),
        with_policy("key-exchange-algorithm: {diffie-hellman-ml-kem: {dh-key-size: 2048}}"),
        with_policy("key-exchange-algorithm: {ml-kem: {}}"),
        with_top("certificate-revocation: {url: 'http://h/a'}"),
        with_top("certificate-revocation-list: [{url: 'http://h/a', polling-interval: 168}]"),
    ],
)
def test_what_is_accepted_matches_the_schema(text: str) -> None:
    assert not faults_of(text)
    assert not schema_errors(text)


@pytest.mark.parametrize(
    "text",
    [
        with_policy("peer-key-rekey-interval: 721"),
        with_policy("peer-key-rekey-interval: sometimes"),
        with_policy("payload-key-rekey-interval: 0"),
        with_policy("peer-key-retransmit-interval: 4"),
        with_policy("peer-key-timeout: '3600'"),
        with_policy("invalid-certificate-behavior: hard"),
        with_policy("key-exchange-algorithm: rsa"),
        with_policy("key-exchange-algorithm: {}"),
        with_policy("key-exchange-algorithm: {ml-kem: {}, diffie-hellman: {}}"),
        with_policy("diffie-hellman: {dh-key-size: 512}"),
        with_policy("zebra: 1"),
        with_top("certificate-revocation: {url: 'http://h/a', polling-interval: 0}"),
        with_top("certificate-revocation: {url: 'ftp://h/a'}"),
        edited((HUB_UUID, "hub")),
        edited(("name: hub", "name: a b")),
        edited(("peer-validation: true", "peer-validation: 'yes'")),
        edited(("10.0.0.1}", "10.0.0.1, port: 65536}")),
        edited(("          path:\n", "          paths:\n")),
        "authority: {name: x}",
    ],
)
def test_what_the_schema_refuses_is_a_fault(text: str) -> None:
    assert schema_errors(text)
    assert faults_of(text)


def test_every_setting_has_a_meaning() -> None:
    assert all(setting.description for setting in settings().values())
    assert all(setting.kind for setting in settings().values())


def test_every_number_has_a_range_and_every_interval_a_unit() -> None:
    for path, setting in settings().items():
        if setting.kind.startswith("whole number"):
            assert " to " in setting.allowed, path
        if path[-1].endswith(("-interval", "-timeout")):
            assert setting.unit in {"hours", "seconds"}, path


def test_the_reference_page_is_what_the_schema_says() -> None:
    """Run ``python docs/configuration_reference.py`` if this fails."""
    script = runpy.run_path(str(ROOT / "docs" / "configuration_reference.py"))
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == script["reference"]()


def schema_errors(text: str) -> list[str]:
    """Return what the schema has against ``text``, as any program with a YAML and a schema library would."""
    document: Any = yaml.safe_load(text)
    return [each.message for each in Draft202012Validator(json_schema()).iter_errors(document)]
