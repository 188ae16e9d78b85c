"""The schema as a document: JSON Schema for machines, a list of settings for people.

Both are derived from :mod:`peerkey.config.models`. The list of settings is what ``config check``
quotes when a value is out of range, and what ``docs/configuration.md`` is printed from, so that the
three cannot contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from peerkey.config.models import Document
from peerkey.config.text import SYNONYMS

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema: TypeAlias = dict[str, Any]

#: What pydantic adds for its own purposes.
_NOISE: Final = ("title",)


@dataclass(frozen=True, slots=True)
class Setting:
    """A container or value of the configuration."""

    #: ``("authority", "router", "peer-validation")``
    path: tuple[str, ...]
    description: str
    #: ``container``, ``list of containers``, ``whole number``, ``true or false``, ``text``, ...
    kind: str
    #: What is accepted: ``5 to 3600``, ``fail-soft, fail-hard``; empty for what speaks for itself.
    allowed: str
    unit: str
    #: As it would be written; empty if the setting is required or has no default.
    default: str
    required: bool

    @property
    def rule(self) -> str:
        """What an error message says of it: ``allowed: 0 to 720 hours or never (default 24)``."""
        never = "or never" if self.kind.endswith("or never") else ""
        words = " ".join(word for word in (self.allowed or self.kind, self.unit, never) if word)
        return f"allowed: {words}" + (f" (default {self.default})" if self.default else "")


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a configuration file."""
    schema = Document.model_json_schema(by_alias=True)
    definitions: Schema = schema.pop("$defs")
    for definition in [schema, *definitions.values()]:
        _tidy(definition)
        if "enum" in definition:  # what the class says of itself is for programmers
            del definition["description"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "peerkey configuration",
        **schema,
        "$defs": definitions,
    }


@cache
def settings() -> dict[tuple[str, ...], Setting]:
    """Return every setting by its path, each container before what it holds."""
    schema = json_schema()
    return {setting.path: setting for setting in _settings(schema, schema["$defs"], ())}


def _tidy(schema: Schema) -> None:
    """Turn pydantic's wording into ours, in place."""
    for word in _NOISE:
        schema.pop(word, None)
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if schema.get("default", 0) in (None, []) or isinstance(schema.get("default"), dict):
        del schema["default"]
    properties: Schema = schema.get("properties", {})
    for name, described in properties.items():
        _tidy(described)
        if described.pop("x-single", False):
            listed = {key: described.pop(key) for key in ("type", "items", "maxItems")}
            properties[name] = {"anyOf": [listed["items"], listed], **described}
    for alternative in schema.get("anyOf", []):
        _tidy(alternative)
    for newer, name in SYNONYMS.items():
        if name in properties:
            properties[newer] = {**properties[name], "description": f"The same as {name}.", "x-synonym": name}


def _settings(schema: Schema, definitions: Schema, above: tuple[str, ...]) -> Iterator[Setting]:
    """Walk the properties of ``schema``."""
    for name, written in schema.get("properties", {}).items():
        if "x-synonym" in written:
            continue
        path = (*above, name)
        resolved = _resolved(written, definitions)
        yield _setting(path, resolved, required=name in schema.get("required", ()))
        inner = _resolved(resolved.get("items", resolved), definitions)
        yield from _settings(inner, definitions, path)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Follow a reference, and reduce alternatives to the one that holds most: a list, else a container."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    alternatives = [
        _resolved(each, definitions) for each in schema.get("anyOf", []) if each.get("type") != "null"
    ]
    common = {key: value for key, value in schema.items() if key != "anyOf"}
    for wanted in ("items", "properties"):
        for each in alternatives:
            if wanted in each:
                names = [name for other in alternatives for name in other.get("enum", [])]
                return {**each, **common, **({"x-names": names} if names else {})}
    if len(alternatives) == 1:
        return {**alternatives[0], **common}
    return schema


def _setting(path: tuple[str, ...], schema: Schema, *, required: bool) -> Setting:
    """Put one property into words."""
    return Setting(
        path=path,
        description=schema.get("description", ""),
        kind=_kind(schema),
        allowed=_allowed(schema),
        unit=schema.get("x-unit", ""),
        default=_default(path, schema),
        required=required,
    )


def _kind(schema: Schema) -> str:
    """Say what sort of value it is."""
    shapes = {
        "x-names": "one of a list, or container",
        "items": "list of containers",
        "properties": "container",
        "enum": "one of a list",
    }
    for word, kind in shapes.items():
        if word in schema:
            return kind
    words = {"uuid": "UUID", "uri": "URL"}
    kinds = {"integer": "whole number", "boolean": "true or false", "string": "text"}
    if any(each.get("format") == "ipv4" for each in schema.get("anyOf", [])):
        return "IPv4 or IPv6 address"
    if any(each.get("type") == "integer" for each in schema.get("anyOf", [])):
        return "whole number or never"
    return words.get(schema.get("format", ""), kinds.get(schema.get("type", ""), ""))


def _allowed(schema: Schema) -> str:
    """Say which values of that sort are accepted."""
    if names := schema.get("x-names") or schema.get("enum"):
        return ", ".join(map(str, names))
    number = next((each for each in [schema, *schema.get("anyOf", [])] if "minimum" in each), None)
    if number is not None:
        return f"{number['minimum']} to {number['maximum']}"
    if "items" in schema:
        return f"{schema.get('minItems', 0)} to {schema['maxItems']} entries"
    longest = f"at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    return str(schema.get("x-allowed", longest))


def _default(path: tuple[str, ...], schema: Schema) -> str:
    """Write the default as an operator would."""
    if "x-names" in schema and "override" not in path[-1]:
        return str(schema["x-names"][0])
    default = schema.get("default", "")
    return ("true" if default else "false") if isinstance(default, bool) else str(default)
