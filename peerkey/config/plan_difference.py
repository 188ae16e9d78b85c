"""What is different between two plans of a node, in words, for the audit log.

    policy.rekey_interval: 1 day, 0:00:00 -> 12:00:00
    peerings.branch/node0.paths.wan0>branch/node0@192.0.2.7:1280.mtu: 1500 -> 1400
    peerings.branch2/node0: added

What has a name is found by it, wherever it stands in the file. Plans hold no secret; all the same, what could
be a password in an address is left out, and of a certificate only its SHA-256 is told.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from peerkey.config.plan import PeeringPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peerkey.config.plan import NodePlan

#: The most that one event tells, and the longest value.
MOST_TOLD: Final = 50
_MOST_CHARACTERS: Final = 120

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")


def differences(before: NodePlan, after: NodePlan) -> tuple[tuple[str, ...], int]:
    """Return what is different, and how many differences more there are than are told."""
    found = list(_between("", before, after))
    return tuple(found[:MOST_TOLD]), max(0, len(found) - MOST_TOLD)


def _between(path: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    if type(before) is type(after) and is_dataclass(before):
        for field in fields(before):
            name = f"{path}.{field.name}" if path else field.name
            yield from _between(name, getattr(before, field.name), getattr(after, field.name))
    elif _named(before) and _named(after):
        olds, news = _by_name(before), _by_name(after)
        for name in {**olds, **news}:
            place = f"{path}.{name}"
            if name not in news:
                yield f"{place}: removed"
            elif name not in olds:
                yield f"{place}: added"
            else:
                yield from _between(place, olds[name], news[name])
    else:
        yield f"{path}: {_shown(before)} -> {_shown(after)}"


def _named(value: object) -> bool:
    return isinstance(value, tuple) and all(is_dataclass(each) for each in value)


def _by_name(several: Any) -> dict[str, object]:  # noqa: ANN401 - a tuple of dataclasses
    return {_name(each): each for each in several}


def _name(each: Any) -> str:  # noqa: ANN401 - a dataclass of some kind
    if isinstance(each, PeeringPlan):
        return f"{each.peer_router}/{each.peer_node}"
    return _without_credentials(str(getattr(each, "name", None) or getattr(each, "url", "")))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = _without_credentials(str(value.value) if isinstance(value, Enum) else str(value))
    if "-----BEGIN" in text:
        return f"PEM with the SHA-256 {sha256(text.encode()).hexdigest()}"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub("…", text)
