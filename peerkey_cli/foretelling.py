"""``config diff``: what a reload would do, of two files, or of one and a running system; and it in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.cluster.foretelling import MAX_TEXT_BYTES
from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey.config.reload_plan import Deployment, foretell
from peerkey.errors import Misconfigured
from peerkey_cli.configuration_documents import ConfigDiff, ConfigurationText, config_diff
from peerkey_cli.files import read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peerkey_cli.client import Client
    from peerkey_cli.configuration_documents import NodeChange, StepCounts

_DONE = {
    "start": "starts",
    "stop": "stops",
    "restart": "starts anew",
    "change": "changes",
    "keep": "goes on",
}
_KEYS = {
    "kept": "keeps its keys",
    "replaced": "keeps its keys until one of the other algorithm is agreed",
    "erased": "its keys are erased",
    "new": "begins without keys",
    "stored": "begins with the keys that there are from before, if any",
}


def between(first: Path, second: Path) -> ConfigDiff:
    """Return what a reload does where ``first`` runs and ``second`` takes its place.

    :raises Misconfigured: one of them cannot be read, or has faults.
    """
    directory = str(first.parent)
    before, after = (
        plans(load(read_configuration(file), str(file)).authority, directory) for file in (first, second)
    )
    return config_diff(foretell(before, after, Deployment.of(before)), datetime.now(UTC))


def to_running(ask: Client, file: Path) -> ConfigDiff:
    """Return what a reload would do to a running system if ``file`` took the place of its configuration.

    :raises Misconfigured: it cannot be read, has faults, or is too large to be sent.
    """
    text = read_configuration(file)
    # Its faults are told by its own name.
    load(text, str(file))
    return ask.post("config/diff", ConfigDiff, ConfigurationText(configuration=sendable(text, file)))


def sendable(text: str, file: Path) -> str:
    """Return a text that a system takes.

    :raises Misconfigured: it is too large.
    """
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        message = (
            f"{file}: has {size} bytes, and a running system takes {MAX_TEXT_BYTES}; compare it with the "
            "file that runs by `peerkey config diff A B`, put it in its place, then run `peerkey reload`"
        )
        raise Misconfigured(message)
    return text


def lines(diff: ConfigDiff) -> Iterator[str]:
    """Yield it in words."""
    for node in diff.nodes:
        yield from _of_node(node)
    if diff.left_out:
        yield f"and {diff.left_out} more nodes, peerings and paths"
    for each in diff.restart_needed:
        yield f"restart of the authority needed: {each.setting}: {each.running} -> {each.configured}"
    counted = (("nodes", diff.node_counts), ("peerings", diff.peering_counts), ("paths", diff.path_counts))
    for things, counts in counted:
        yield f"{things}: {_counted(counts)}"


def _of_node(node: NodeChange) -> Iterator[str]:
    yield f"{node.node}: {_DONE[node.step]}"
    for difference in node.differences:
        yield f"  {difference}"
    if node.differences_left_out:
        yield f"  and {node.differences_left_out} more differences"
    if node.link != "keep":
        yield f"  link to its mate: {_DONE[node.link]}"
    for peering in node.peerings:
        yield f"  peering with {peering.peer}: {_DONE[peering.step]}, {_KEYS[peering.keys]}"
        for path in peering.paths:
            yield f"    path {path.name}: {_DONE[path.step]}"


def _counted(counts: StepCounts) -> str:
    return (
        f"{counts.start} started, {counts.stop} stopped, {counts.restart} started anew, "
        f"{counts.change} changed, {counts.keep} left alone"
    )
