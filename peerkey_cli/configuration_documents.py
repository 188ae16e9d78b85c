"""The documents about configurations: what would change, which one is there, and what took its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actors.cluster.foretelling import MAX_TEXT_BYTES
from peerkey_cli.schemas import Document, Reloaded, RestartNeeded, Time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from peerkey.config import reload_plan

Step = Literal["start", "stop", "restart", "change", "keep"]


class ConfigurationText(Document):
    """A configuration that somebody brings."""

    configuration: Annotated[str, Field(max_length=MAX_TEXT_BYTES, description="YAML, as in the file.")]


class PathChange(Document):
    """What becomes of one path."""

    name: str
    step: Step


class PeeringChange(Document):
    """What becomes of one peering. Paths that are left alone are not listed."""

    peer: str
    peer_uuid: str
    step: Step
    keys: Literal["kept", "replaced", "erased", "new", "stored"]
    paths: tuple[PathChange, ...]


class NodeChange(Document):
    """What becomes of one node. Peerings that are left alone are not listed."""

    node: str
    step: Step
    link: Step
    differences: tuple[str, ...]
    differences_left_out: int
    peerings: tuple[PeeringChange, ...]


class StepCounts(Document):
    """How many things each step would befall."""

    start: int
    stop: int
    restart: int
    change: int
    keep: int


class ConfigDiff(Document):
    """``config diff``."""

    time: Time
    nodes: tuple[NodeChange, ...]
    node_counts: StepCounts
    peering_counts: StepCounts
    path_counts: StepCounts
    #: Nodes, peerings and paths that change and are not listed.
    left_out: int
    restart_needed: tuple[RestartNeeded, ...]


class ConfigurationInfo(Document):
    """Which configuration a system reads. The text itself is not told: a comment may hold anything."""

    time: Time
    file: str
    #: Of the bytes that are there now.
    etag: str
    bytes: int
    restart_needed: tuple[RestartNeeded, ...]


class ConfigurationReplaced(Reloaded):
    """A configuration that was put in the place of the one before, and taken up."""

    file: str
    etag: str
    #: Where the one before is.
    before: str


def needed(settings: Iterable[reload_plan.RestartNeeded]) -> tuple[RestartNeeded, ...]:
    """Return settings that wait for a restart."""
    return tuple(
        RestartNeeded(setting=each.setting, running=each.running, configured=each.configured)
        for each in settings
    )


def config_diff(foretold: reload_plan.Foretold, now: datetime) -> ConfigDiff:
    """Return what a reload would do."""
    return ConfigDiff(
        time=now,
        nodes=tuple(map(_node, foretold.nodes)),
        node_counts=_counts(foretold.node_counts),
        peering_counts=_counts(foretold.peering_counts),
        path_counts=_counts(foretold.path_counts),
        left_out=foretold.left_out,
        restart_needed=needed(foretold.restart_needed),
    )


def _counts(counts: reload_plan.Counts) -> StepCounts:
    return StepCounts(
        start=counts.start,
        stop=counts.stop,
        restart=counts.restart,
        change=counts.change,
        keep=counts.keep,
    )


def _node(node: reload_plan.NodeChange) -> NodeChange:
    return NodeChange(
        node=node.node,
        step=node.step.value,
        link=node.link.value,
        differences=node.differences,
        differences_left_out=node.differences_left_out,
        peerings=tuple(map(_peering, node.peerings)),
    )


def _peering(peering: reload_plan.PeeringChange) -> PeeringChange:
    return PeeringChange(
        peer=peering.peer,
        peer_uuid=peering.peer_uuid,
        step=peering.step.value,
        keys=peering.keys.value,
        paths=tuple(PathChange(name=path.name, step=path.step.value) for path in peering.paths),
    )
