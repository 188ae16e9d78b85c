"""Holds a board to Grafana's published schema, strictly: by the types of its library, which are made of it.

The library itself reads whatever it is given: a word where a number belongs, a field that there is not, a
state that no panel knows. :func:`faults` says of each value in a board whether the schema has it: names of
fields, types, the words of enumerations, what must be there; for each panel the options and the field
settings of its kind, for each query those of Prometheus', for each override those of what it overrides.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, Final

from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import Runtime
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard

#: "unless datasources have migrated to the target+mapping, they just spread their query into the base object
#: :(" (``kinds/dashboard/dashboard_kind.cue``): what the schema leaves open, by its class.
OPEN: Final[Mapping[type, set[str]]] = {dashboard.AnnotationQuery: {"titleFormat", "textFormat", "tagKeys"}}
#: A data link, of which the library makes a link of a board: it has these of its fields.
_DATA_LINK: Final = {"title", "url", "targetBlank"}


def faults(board: dict[str, Any]) -> list[str]:
    """Return what is not as the schema has it, each with its place."""
    register_default_plugins()
    found = list(_of_class(board, dashboard.Dashboard, ""))
    for number, panel in enumerate(board.get("panels", ())):
        found += _of_panel(panel, f".panels[{number}]")
    return found


def _of_panel(panel: dict[str, Any], where: str) -> Iterator[str]:
    """Compare what depends on the kind of a panel."""
    kind = str(panel.get("type"))
    if kind == "row":
        return
    config = Runtime().panelcfg_config(kind)
    if config is None:
        yield f"{where}.type: {kind!r} is no kind of panel"
        return
    custom = _made_by(config.field_config_from_json_hook)
    if (options := _made_by(config.options_from_json_hook)) is not None:
        yield from _of_class(panel.get("options"), options, f"{where}.options")
    settings = panel.get("fieldConfig", {})
    told = settings.get("defaults", {}).get("custom", {})
    if custom is None:
        yield from (f"{where}.fieldConfig.defaults.custom.{name}: no such field" for name in told)
    else:
        yield from _of_class(told, custom, f"{where}.fieldConfig.defaults.custom", whole=False)
    for number, override in enumerate(settings.get("overrides", ())):
        for each in override["properties"]:
            place = f"{where}.fieldConfig.overrides[{number}].{each['id']}"
            yield from _of_override(each["id"], each["value"], custom, place)


def _of_override(name: str, value: Any, custom: type | None, where: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Compare one property of an override with the field that it overrides."""
    if name == "links":
        yield from (f"{where}: no data link has {key}" for link in value for key in link.keys() - _DATA_LINK)
        return
    kind = custom if name.startswith("custom.") else dashboard.FieldConfig
    hint = None if kind is None else _fields(kind).get(name.removeprefix("custom."))
    if hint is None:
        yield f"{where}: no such field"
    else:
        yield from _of_hint(value, hint, where)


def _of_class(value: Any, kind: type, where: str, *, whole: bool = True) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Compare with a class of the library; ``whole``: what must be there is."""
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {kind.__name__}"
        return
    fields = _fields(kind)
    for name in value.keys() - fields.keys() - OPEN.get(kind, set()):
        yield f"{where}.{name}: {kind.__name__} has no such field"
    for name, hint in fields.items():
        if name in value:
            yield from _of_hint(value[name], hint, f"{where}.{name}")
        elif whole and NoneType not in typing.get_args(hint):
            yield f"{where}.{name}: {kind.__name__} must have it"


def _of_hint(value: Any, hint: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - any JSON, any annotation
    """Compare with the annotation of a field."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in {object, typing.Any}:
        return
    if origin is typing.Union:
        options = [part for part in parts if part is not NoneType]
        told = [list(_of_hint(value, option, where)) for option in options]
        # A threshold of everything has no value, which is null.
        if all(told) and not (value is None and NoneType in parts):
            yield from min(told, key=len)
    elif origin is list:
        yield from _of_items(value, list, parts[0], where)
    elif origin is dict:
        yield from _of_items(value, dict, parts[1], where)
    elif origin is typing.Literal:
        if value not in parts:
            yield f"{where}: {value!r} is none of {parts}"
    elif hint is Dataquery:
        yield from _of_query(value, where)
    else:
        yield from _of_type(value, hint, where)


def _of_items(value: Any, container: type, item: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - as above
    """Compare each item of a list or a map."""
    if not isinstance(value, container):
        yield f"{where}: {value!r} is no {container.__name__}"
        return
    named = value.items() if isinstance(value, dict) else enumerate(typing.cast("list[Any]", value))
    for name, each in named:
        yield from _of_hint(each, item, f"{where}[{name}]")


def _of_query(value: dict[str, Any], where: str) -> Iterator[str]:
    """Compare with the query of its kind of datasource."""
    kind = str(value.get("datasource", {}).get("type"))
    made = Runtime().dataquery_variants.get(kind)
    if made is None:
        yield f"{where}: no query of {kind}"
    else:
        yield from _of_class(value, typing.cast("type", _made_by(made.from_json_hook)), where)


def _of_type(value: Any, kind: type, where: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Compare with a word of an enumeration, a plain value or a class."""
    if issubclass(kind, Enum):
        if value not in {each.value for each in kind}:
            yield f"{where}: {value!r} is none of {kind.__name__}"
    elif kind in {str, bool, int, float}:
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            yield f"{where}: {value!r} is no {kind.__name__}"
    else:
        yield from _of_class(value, kind, where)


def _made_by(hook: Callable[..., Any] | None) -> type | None:
    """Return the class whose ``from_json`` this is."""
    found = getattr(hook, "__self__", None)
    assert hook is None or isinstance(found, type)
    return found


@cache
def _fields(kind: type) -> dict[str, Any]:
    """Return the annotation of each field, by its name in JSON."""
    hints = typing.get_type_hints(kind)
    source = inspect.getsource(kind.to_json)  # type: ignore[attr-defined]
    names = re.findall(r'"(\w+)"(?:\]\s*=|:) self\.(\w+)', source)
    assert {attribute for _, attribute in names} == hints.keys(), kind
    return {name: hints[attribute] for name, attribute in names}
