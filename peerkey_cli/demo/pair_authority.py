"""A throw-away authority with an HA router: a hub of two nodes, whose peers are the branches.

It lies in one directory, as that of :mod:`peerkey_cli.demo.authority` does. Three processes run it, as three
machines would, each with a state of its own: one for each node of the hub, and one for the branches.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actors.ha.ssh_keys import create_ssh_key, public_line_of
from peerkey_cli.demo.authority import (
    ADDRESS,
    establish,
    free_ports,
    node_of,
    peer_of,
    settings_of,
)
from peerkey_cli.state import StateDirectory

if TYPE_CHECKING:
    from peerkey.protocol.suites import Algorithm

#: The router of two nodes.
HUB: Final = "hub"
NODES: Final = ("node0", "node1")
#: How the admin API and events name them.
PAIR: Final = tuple(f"{HUB}/{node}" for node in NODES)


@dataclass(frozen=True, slots=True)
class PairAuthority:
    """What was laid out."""

    folder: Path
    branches: int
    #: From each node of the hub to each branch.
    paths: int

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "authority.yaml"

    @property
    def peers(self) -> tuple[str, ...]:
        """The nodes of the branches."""
        return tuple(f"{name}/node0" for name in _names(self.branches))

    @property
    def peerings(self) -> int:
        """How many peerings there are: every branch has one with each node of the hub."""
        return self.branches * len(PAIR)

    def state(self, name: str) -> StateDirectory:
        """Return where the process ``name`` keeps its state. A Unix socket is in there: short names."""
        return StateDirectory(self.folder / "state" / name)


def lay_out_pair(folder: Path, *, branches: int, paths: int, algorithm: Algorithm) -> PairAuthority:
    """Make an authority of a hub and ``branches`` branches in ``folder``, which must not hold one yet.

    :raises Misconfigured: ``folder`` holds an authority.
    :raises Unavailable: it cannot be written to.
    """
    authority = PairAuthority(folder, branches, paths)
    names = _names(branches)
    # The nodes of the hub first, then the branches.
    ports = iter(free_ports((len(NODES) + branches) * paths))
    sync_ports = free_ports(len(NODES), socket.SOCK_STREAM)
    hub = {
        "name": HUB,
        "peer-validation": True,
        "node": [
            node_of(HUB, node, [next(ports) for _ in range(paths)]) | {"ha-sync": _sync(folder, node, port)}
            for node, port in zip(NODES, sync_ports, strict=True)
        ],
        "peer": [peer_of(name, [(node, "node0") for node in NODES], paths) for name in names],
    }
    others = [
        {
            "name": name,
            "peer-validation": True,
            "node": [node_of(name, "node0", [next(ports) for _ in range(paths)])],
            "peer": [peer_of(HUB, [("node0", node) for node in NODES], paths)],
        }
        for name in names
    ]
    establish(authority.file, settings_of(algorithm) | {"router": [hub, *others]})
    return authority


def _names(branches: int) -> list[str]:
    return [f"branch{number}" for number in range(1, branches + 1)]


def _sync(folder: Path, node: str, port: int) -> dict[str, Any]:
    """Make the SSH key of a node of the hub, and return its end of the link."""
    name = f"{HUB}-{node}.ha.key"
    folder.mkdir(parents=True, exist_ok=True)
    key = create_ssh_key(folder / name, replace=False)
    return {"address": ADDRESS, "port": port, "public-key": public_line_of(key)}
