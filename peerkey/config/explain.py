"""From a validation error to one line that an operator can act upon.

pydantic says which rule a value broke; the line, the path, what is allowed and what was probably meant
come from the tree (:mod:`peerkey.config.text`) and from the schema (:mod:`peerkey.config.schema`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from peerkey.config.findings import MAX_FINDINGS, Finding, nearest, shown, suggestion
from peerkey.config.schema import Setting, settings
from peerkey.config.text import Items, Place, Section, described

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from peerkey.config.text import Branch, Step

#: Keys that have been looked for in the wrong place, and what to tell who looks for them.
_ADVICE: Final = {
    ("private-key", "content"): "the key itself never stands in a configuration; name its file",
}

#: What is wrong with a value, by the name of pydantic's error.
_COMPLAINTS: Final = {
    "int_type": "is not a whole number",
    "bool_type": "is neither true nor false",
    "greater_than_equal": "is out of range",
    "less_than_equal": "is out of range",
    "literal_error": "is not accepted",
    "enum": "is not accepted",
    "model_type": "is not a container",
    "tuple_type": "is not a list",
    "too_short": "is too short",
    "too_long": "is too long",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
}


def explain(errors: list[ErrorDetails], tree: Section, source: str) -> list[Finding]:
    """Return what ``errors`` mean for the file that ``tree`` was read from.

    A setting that is missing because its name is misspelt is one fault.
    """
    unknown = [each["loc"] for each in errors if each["type"] == "extra_forbidden"]
    misspelt = {
        (*above, nearest(str(last), _siblings(_names(above)))) for *above, last in unknown[:MAX_FINDINGS]
    }
    return [
        _explained(each, tree, source)
        for each in errors
        if each["type"] != "missing" or each["loc"] not in misspelt
    ]


def _explained(error: ErrorDetails, tree: Section, source: str) -> Finding:
    """Return what ``error`` means for the file that ``tree`` was read from."""
    *above, last = error["loc"]
    branch, names = _descend(tree, above), _names(above)
    setting = settings().get((*names, last)) if isinstance(last, str) else None
    kind = error["type"]
    if kind == "extra_forbidden":
        line, column = branch.key_places[str(last)] if isinstance(branch, Section) else branch.place
        return Finding(source, line, column, described(branch, last), _unknown(str(last), names))
    if kind == "missing":
        what = f": {setting.description}" if setting else ""
        return Finding(source, *branch.place, described(branch), f"{last!r} is missing{what}")
    place = _place_of(branch, last)
    return Finding(source, *place, described(branch, last), _complaint(kind, error, setting))


def _names(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return ``steps`` without the indices: the path of a setting in the schema."""
    return tuple(step for step in steps if isinstance(step, str))


@cache
def _siblings(above: tuple[str, ...]) -> list[str]:
    """Return the names that the container ``above`` can have."""
    return [path[-1] for path in settings() if path[:-1] == above]


def _descend(tree: Section, steps: Iterable[Step]) -> Branch:
    """Follow ``steps`` as far as the file goes."""
    branch: Branch = tree
    for step in steps:
        below = _entry(branch, step)
        if isinstance(below, Section | Items):
            branch = below
    return branch


def _entry(branch: Branch, step: Step) -> object:
    """Return what ``branch`` has under ``step``, or ``None``."""
    if isinstance(branch, Section):
        return branch.get(step) if isinstance(step, str) else None
    return branch[step] if isinstance(step, int) and step < len(branch) else None


def _place_of(branch: Branch, step: Step) -> Place:
    """Return where the value under ``step`` stands."""
    if isinstance(branch, Section) and isinstance(step, str):
        return branch.value_places.get(step, branch.place)
    if isinstance(branch, Items) and isinstance(step, int) and step < len(branch.value_places):
        return branch.value_places[step]
    return branch.place


def _complaint(kind: str, error: ErrorDetails, setting: Setting | None) -> str:
    """Say what is wrong with a value, and what would be right."""
    value = error["input"]
    if kind == "peerkey":
        return f"{shown(value)} {error['msg']}"
    rule = f"; {setting.rule}" if setting else ""
    if kind == "string_type":
        isolated = "put it in quotes" if isinstance(value, int) else "a text is wanted"
        return f"{shown(value)} is not text; {isolated}"
    hint = ""
    if isinstance(value, str) and setting and kind in {"literal_error", "enum"}:
        hint = suggestion(value, setting.allowed.split(", "))
    return f"{shown(value)} {_COMPLAINTS.get(kind, 'is not accepted')}{rule}{hint}"


def _unknown(name: str, above: tuple[str, ...]) -> str:
    """Say what to do about a key that does not belong where it stands."""
    if advice := _ADVICE.get((above[-1] if above else "", name)):
        return advice
    if elsewhere := next((path for path in settings() if path[-1] == name), None):
        return f"does not belong here, but below {' > '.join(elsewhere[:-1])}"
    siblings = _siblings(above)
    if close := nearest(name, siblings):
        return f"unknown setting; did you mean {close!r}?"
    return f"unknown setting; known here: {', '.join(siblings) or 'nothing'}"
