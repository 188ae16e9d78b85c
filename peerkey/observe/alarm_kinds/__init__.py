"""The catalogue of alarms: every kind there is, with what it means and what to do, as data.

``docs/alarms.md`` is made of it, `show alarms id ID` prints of it, and the rules for Prometheus point into
it. A kind that is not in here fails the tests.

>>> kind_of("path-down").category.value
'peer'
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from peerkey.observe.alarm_kinds import certificates, lists, pairs, peers, platform
from peerkey.observe.alarm_kinds.kind import AlarmKind

#: Every kind by its name, in the order of the document.
ALARM_KINDS: Final[Mapping[str, AlarmKind]] = MappingProxyType(
    {
        kind.name: kind
        for kinds in (peers.KINDS, certificates.KINDS, lists.KINDS, pairs.KINDS, platform.KINDS)
        for kind in kinds
    }
)


def kind_of(name: str) -> AlarmKind:
    """Return what is written of a kind of alarm. Raises :class:`KeyError` where there is none."""
    return ALARM_KINDS[name]
