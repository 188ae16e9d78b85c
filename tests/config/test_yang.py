"""The YANG module of the configuration: two validators read it, and it refuses what the schema does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyang.context import Context
from pyang.repository import FileRepository
from yangson import DataModel
from yangson.exceptions import YangsonException

from peerkey.config.findings import ConfigurationFaults
from peerkey.config.load import load
from peerkey.config.schema import settings
from peerkey.config.yang import MODULE, NAMESPACE, NUMBER, REVISION, yang_module, yang_tree
from tests.config.sample import FOREIGN, HUB, TEXT, edited, with_policy, with_top

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/*.yaml"))
#: Where pyang installs the modules of the IETF.
IETF = Path(sys.prefix) / "share" / "yang" / "modules" / "ietf"
TYPES = ("ietf-inet-types", "ietf-yang-types")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DataModel:
    folder = tmp_path_factory.mktemp("yang")
    for name in TYPES:
        (folder / f"{name}@2013-07-15.yang").write_text((IETF / f"{name}.yang").read_text())
    (folder / f"{MODULE}@{REVISION}.yang").write_text(yang_module())
    imported = [
        {
            "name": name,
            "revision": "2013-07-15",
            "namespace": f"urn:ietf:params:xml:ns:yang:{name}",
            "conformance-type": "import",
        }
        for name in TYPES
    ]
    own = {"name": MODULE, "revision": REVISION, "namespace": NAMESPACE, "conformance-type": "implement"}
    library = {"ietf-yang-library:modules-state": {"module-set-id": "", "module": [*imported, own]}}
    return DataModel(json.dumps(library), (str(folder),))


def test_a_validator_finds_nothing_wrong_with_the_module() -> None:
    context = Context(FileRepository(str(IETF)))
    context.strict = True
    module = context.add_module(f"{MODULE}.yang", yang_module())
    context.validate()

    assert module is not None
    assert context.errors == []


def test_every_setting_is_in_the_module_once_with_its_default_and_its_unit() -> None:
    text = yang_module()
    tree = dict(statements(text))

    for path, setting in settings().items():
        body = tree[path]
        if setting.unit and "container" not in setting.kind:
            assert f'units "{setting.unit}"' in body, path
        if setting.default and "container" not in setting.kind:
            assert f'default "{setting.default}"' in body, path
        assert setting.description.replace('"', '\\"').replace("\\\\", "\\") in body, path
    assert {path for path in tree if path[-1] != NUMBER} == set(settings())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_every_example_is_an_instance_of_the_module(model: DataModel, file: Path) -> None:
    validate(model, file.read_text())


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        edited((HUB, HUB + FOREIGN)),
        with_policy("peer-key-rekey-interval: never"),
        with_policy("key-exchange-algorithm: diffie-hellman-ml-kem\ndiffie-hellman: {dh-key-size: 4096}"),
        with_policy("key-exchange-algorithm: {ml-kem: {ml-kem-key-size: 1024}}"),
        with_policy("key-exchange-algorithm: {ml-kem: }\nca-profile: {url: 'https://ca.example/'}"),
        with_top("certificate-revocation: {url: 'http://ca.example/list.crl', polling-interval: 168}"),
        with_top("certificate-revocation-list: [{url: 'file:///var/list.crl'}, {url: 'https://ca/x'}]"),
    ],
)
def test_what_is_a_configuration_is_an_instance_whichever_form_it_has(model: DataModel, text: str) -> None:
    load(text, "sample")

    validate(model, text)


@pytest.mark.parametrize(
    "lines",
    [
        "peer-key-rekey-interval: 721",
        "peer-key-rekey-interval: sometimes",
        "peer-key-retransmit-interval: 4",
        "peer-key-timeout: -1",
        "path-probe-interval: 86401",
        "invalid-certificate-behavior: fail-never",
        "key-exchange-algorithm: {rsa: {}}",
        "key-exchange-algorithm: {ml-kem: {}, diffie-hellman: {}}",
        "diffie-hellman: {diffie-hellman-key-size: 3072}",
        "ml-kem: {ml-kem-key-size: 640}",
        "ca-profile: {url: 'ftp://ca.example/'}",
        "ca-profile: {automatic-enrollment: 1}",
    ],
)
def test_what_the_schema_refuses_the_module_refuses_too(model: DataModel, lines: str) -> None:
    text = with_policy(lines)
    with pytest.raises(ConfigurationFaults):
        load(text, "sample")

    with pytest.raises(YangsonException):
        validate(model, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: example", "name: '-example'"),
        ("mtu: 1500", "mtu: 575"),
        ("port: 4000", "port: 0"),
        ("address: 10.0.0.1", "address: hub.example"),
        ("uuid: 6f0c9d1e", "uuid: 6f0c9d1"),
        ("peer-validation: true", "peer-validation: 'yes'"),
        ("{name: wan1, address: 10.1.0.1", "{name: wan0, address: 10.1.0.1"),
        ("trusted-ca-certificate: [{name: root", "trusted-ca-certificate: [{nome: root"),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_refused_by_both(model: DataModel, old: str, new: str) -> None:
    text = edited((old, new))
    with pytest.raises(ConfigurationFaults):
        load(text, "sample")

    with pytest.raises(YangsonException):
        validate(model, text)


# --- helpers --------------------------------------------------------------------------------------


def validate(model: DataModel, text: str) -> None:
    """Raise what yangson has against a configuration."""
    raw: dict[str, Any] = yang_tree(yaml.safe_load(text))
    model.from_raw(raw).validate()


def statements(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each data node of the module with its path and the text of its own statements."""
    opened: list[tuple[str, str]] = []
    bodies: dict[tuple[str, ...], list[str]] = {}

    def path() -> tuple[str, ...]:
        return tuple(name for word, name in opened if word in {"container", "list", "leaf"})

    for line in text.splitlines():
        block = re.fullmatch(r"\s*([a-z-]+) (\S+) \{", line)
        if block:
            opened.append((block[1], block[2]))
            if block[1] in {"container", "list", "leaf"}:
                assert path() not in bodies
                bodies[path()] = []
        elif line.strip() == "}":
            opened.pop()
        elif path():
            bodies[path()].append(line.strip())
    for name, lines in bodies.items():
        yield name, "\n".join(lines)
