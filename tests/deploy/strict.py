"""Holds a manifest of Kubernetes to the types of its kind, strictly and without a cluster.

A type is a class of ``lightkube.models``, or one in a table below ``tests/vectors/kubernetes``, whose README
says how they are written. A field that the type does not have is a fault: a server would drop it in silence,
and with it what somebody relied on.
"""

from __future__ import annotations

import base64
import importlib
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec
import yaml

from tests.deploy.sources import ROOT

#: The module of ``lightkube.models`` with the kinds of an API group and version.
_MODULES: Final = {
    "v1": "core_v1",
    "apps/v1": "apps_v1",
    "networking.k8s.io/v1": "networking_v1",
    "policy/v1": "policy_v1",
}
_SIMPLE: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def faults(manifest: Mapping[str, Any]) -> list[str]:
    """Return what a strict server would refuse in one manifest, each with its place."""
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if kind in _tables():
        return list(_of_table(manifest, str(kind), str(kind)))
    if version not in _MODULES or not hasattr(_module(_MODULES[version]), str(kind)):
        return [f"{version} {kind}: a kind that is not known here"]
    found = list(_of_class(manifest, getattr(_module(_MODULES[version]), str(kind)), str(kind)))
    if kind == "Secret":
        found += [
            f"Secret.data.{name}: not base64" for name in manifest["data"] if not _is_base64(manifest, name)
        ]
    return found


def _is_base64(manifest: Mapping[str, Any], name: str) -> bool:
    try:
        base64.b64decode(manifest["data"][name], validate=True)
    except ValueError:
        return False
    return True


def _of_class(value: Any, kind: type[msgspec.Struct], where: str) -> Iterator[str]:  # noqa: ANN401 - any YAML
    """Compare with a class of Kubernetes."""
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is not {kind.__name__}"
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in value.keys() - fields.keys():
        yield f"{where}.{name}: {kind.__name__} has no such field"
    for name, field in fields.items():
        if name in value:
            yield from _of_hint(value[name], field.type, f"{where}.{name}")
        elif field.required:
            yield f"{where}.{name}: {kind.__name__} must have it"


def _of_hint(value: Any, hint: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - any YAML, any annotation
    """Compare with the annotation of a field."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        options = [option for option in parts if option is not type(None)]
        if all(list(_of_hint(value, option, where)) for option in options):
            yield from _of_hint(value, options[0], where)
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_hint(item, parts[0], f"{where}[{index}]")
    elif (origin or hint) is dict and isinstance(value, dict):
        for name, item in value.items() if parts else ():
            yield from _of_hint(name, parts[0], where)
            yield from _of_hint(item, parts[1], f"{where}.{name}")
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from _of_class(value, hint, where)
    elif not isinstance(hint, type) or hint in {list, dict, datetime}:
        yield f"{where}: {value!r} is not {hint}"
    elif not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        yield f"{where}: {value!r} is not {hint.__name__}"


def _of_table(value: Any, kind: str, where: str) -> Iterator[str]:  # noqa: ANN401 - any YAML
    """Compare with a type of the tables."""
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is not {kind}"
        return
    table = _tables()[kind]
    for name in value.keys() - table.keys():
        yield f"{where}.{name}: {kind} has no such field"
    for name, text in table.items():
        if name in value:
            yield from _of_text(value[name], text.removesuffix("!"), f"{where}.{name}")
        elif text.endswith("!"):
            yield f"{where}.{name}: {kind} must have it"


def _of_text(value: Any, text: str, where: str) -> Iterator[str]:  # noqa: ANN401 - any YAML
    """Compare with what a table says of a field."""
    if text[0] in "[{":
        wanted = list if text[0] == "[" else dict
        if not isinstance(value, wanted):
            yield f"{where}: {value!r} is not {text}"
            return
        for key, item in enumerate(value) if isinstance(value, list) else value.items():
            yield from _of_text(item, text[1:-1], f"{where}.{key}")
    elif text in _SIMPLE:
        if not isinstance(value, _SIMPLE[text]) or (isinstance(value, bool) and text != "boolean"):
            yield f"{where}: {value!r} is not {text}"
    elif text in _tables() and value != text:
        yield from _of_table(value, text, where)
    elif "." in text and "/" not in text:
        module, name = text.split(".")
        yield from _of_class(value, getattr(_module(module), name), where)
    elif value not in text.split("|"):
        yield f"{where}: {value!r} is not {text}"


def _module(name: str) -> types.ModuleType:
    return importlib.import_module(f"lightkube.models.{name}")


@cache
def _tables() -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] = {}
    for name in ("ray.yaml", "podmonitor.yaml", "monitoring.yaml"):
        known |= yaml.safe_load((ROOT / "tests" / "vectors" / "kubernetes" / name).read_text("utf-8"))
    return known
