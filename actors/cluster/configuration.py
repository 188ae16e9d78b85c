"""The configuration as the coordinator needs it: what each node is to do, and what that asks of its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.cluster.shares import MAX_HEAD, Share, head_weight, share
from actors.cluster.units import owners_of, paths_of, routes_of, unit_of

if TYPE_CHECKING:
    from peerkey.config.plan import NodePlan
    from runtime.cluster.placement import Unit

#: Why a node cannot be told what to do.
TOO_LARGE: Final = f"its certificates take more than {MAX_HEAD >> 10} KiB of the configuration: name files"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read. Nodes are called ``router/node``, and paths as in :mod:`actors.cluster.units`."""

    shares: Mapping[str, Share] = field(repr=False)
    units: tuple[Unit, ...] = field(repr=False)
    #: Why some nodes cannot be told what to do.
    refused: Mapping[str, str]


def configured(plans: Iterable[NodePlan], *, paths_apart: bool = False) -> Configuration:
    """Prepare what the agents are told. With ``paths_apart`` each path is placed by itself."""
    plans = tuple(plans)
    owners = owners_of(plans, paths_apart=paths_apart)
    refused = {plan.name: TOO_LARGE for plan in plans if head_weight(plan) > MAX_HEAD}
    told = [plan for plan in plans if plan.name not in refused]
    return Configuration(
        {plan.name: share(plan, routes_of(plan, owners)) for plan in told},
        tuple(
            unit
            for plan in told
            for unit in (
                unit_of(plan, owners, paths_apart=paths_apart),
                *(paths_of(plan, owners) if paths_apart else ()),
            )
        ),
        refused,
    )
