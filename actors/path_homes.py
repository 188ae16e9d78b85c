"""Where the actor of a path runs: beside its node, or wherever else its node is given a *home* for it.

A :class:`~actors.router_node.RouterNode` knows which paths there should be, and not where they run. It hands
what a path needs to its home and gets back a reference to a child of its own, with which it speaks. That is
the path itself (:func:`beside_node`), or what stands for it here (:mod:`actors.cluster.distant_path`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from actors.peer_path import PeerPath
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from uuid import UUID

    from actors.intake import Intake
    from actors.journal import Journal
    from peerkey.config.plan import PathPlan, PeeringPlan, Policy
    from peerkey.protocol.core import Entropy
    from runtime.actor import Context
    from runtime.ref import Ref
    from runtime.wire.port import Wire


@dataclass(frozen=True, slots=True)
class PathSeed:
    """What a path is made of."""

    node: Ref
    node_name: str
    local: UUID
    #: That of the node's incarnation.
    epoch: int
    peering: PeeringPlan
    plan: PathPlan
    policy: Policy
    enabled: bool
    intake: Intake
    wire: Wire
    entropy: Entropy
    journal: Journal


#: Makes a path for a node, as a child of that name of whoever's context it is; returns the child.
PathHome: TypeAlias = "Callable[[Context, PathSeed, str], Ref]"


def beside_node(ctx: Context, seed: PathSeed, name: str) -> Ref:
    """Make the path in the process of its node."""
    return ctx.spawn(
        lambda: PeerPath(
            node=seed.node,
            node_name=seed.node_name,
            local=seed.local,
            peering=seed.peering,
            plan=seed.plan,
            policy=seed.policy,
            enabled=seed.enabled,
            intake=seed.intake,
            wire=seed.wire,
            entropy=seed.entropy,
            journal=seed.journal,
        ),
        name,
        supervision=PATIENT,
    )
