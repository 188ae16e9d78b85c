"""The audit events of a configuration that was read again: what is different for each node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.config.plan_difference import differences
from peerkey.observe.events import ConfigurationChanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peerkey.config.plan import NodePlan


def changes(
    before: Mapping[str, NodePlan], after: Mapping[str, NodePlan]
) -> Iterator[tuple[str, ConfigurationChanged]]:
    """Yield each node that is concerned, with its event."""
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old is None:
            yield name, ConfigurationChanged("added", (), 0)
        elif new is None:
            yield name, ConfigurationChanged("removed", (), 0)
        elif old != new:
            told, left_out = differences(old, new)
            yield name, ConfigurationChanged("changed", told, left_out)
