"""A large authority: routers in a ring, each a peer of its nearest neighbours on both sides.

Every node has the same number of paths, and no two need the same address: router number 300 is at
127.20.1.45, which every Linux machine has. So the same file runs in one process over UDP, in virtual time,
and on a cluster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from peerkey.protocol.suites import Algorithm
from peerkey_cli.demo.authority import establish, node_of, peer_of, settings_of

PORT: Final = 1280
_PER_BYTE: Final = 250


def lay_out(folder: Path, *, routers: int, neighbours: int, algorithm: Algorithm) -> Path:
    """Make an authority of ``routers`` routers with ``2 * neighbours`` paths each; return its configuration.

    :raises Misconfigured: ``folder`` holds one, or cannot be written to.
    """
    file = folder / "authority.yaml"
    around = [
        _router(number, [(number + step) % routers for step in _steps(neighbours)])
        for number in range(routers)
    ]
    settings = settings_of(algorithm)
    # The times are those of the seed, as in a fleet that nobody has touched.
    for name_of_time in ("peer-key-retransmit-interval", "peer-key-timeout"):
        del settings["security-key-management"][name_of_time]
    folder.mkdir(parents=True, exist_ok=True)
    establish(file, settings | {"name": f"lattice-{routers}", "router": around})
    return file


def paths_of(routers: int, neighbours: int) -> int:
    """Return how many actors of paths such an authority has: one at either end of each."""
    return routers * 2 * neighbours


def address(number: int) -> str:
    """Return the address of a router."""
    return f"127.20.{number // _PER_BYTE}.{number % _PER_BYTE + 1}"


def name(number: int) -> str:
    """Return the name of a router."""
    return f"r{number}"


def _steps(neighbours: int) -> list[int]:
    return [step for distance in range(1, neighbours + 1) for step in (distance, -distance)]


def _router(number: int, peers: list[int]) -> dict[str, Any]:
    node = node_of(name(number), "node0", [PORT])
    node["network-interface"][0]["address"] = address(number)
    return {
        "name": name(number),
        "peer-validation": True,
        "node": [node],
        "peer": [peer_of(name(peer), [("node0", "node0")], 1) for peer in peers],
    }
