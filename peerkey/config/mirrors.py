"""What the two ends of a peering owe each other.

A peering works only if both routers name each other, describe the same paths from their two chairs,
and compute the same algorithm. Where this file has both, that is checked here; where the peer is
foreign, its entry must be complete instead.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from peerkey.config.resolve import Directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from peerkey.config.models import Authority, Path, Peer, Router
    from peerkey.config.plan import Endpoint
    from peerkey.config.report import Report


def check(authority: Authority, report: Report) -> None:
    """Report every fault between the routers of ``authority`` and their peers."""
    mirrors = _Mirrors(Directory(authority), report)
    for router in authority.router:
        targets: dict[tuple[str, str, Endpoint], Path] = {}
        for peer in router.peer:
            mirrors.peer(router, peer)
            for path in peer.path:
                mirrors.path(router, peer, path, targets)


class _Mirrors:
    """The rules, with what they all look at."""

    def __init__(self, directory: Directory, report: Report) -> None:
        """Check what ``directory`` has."""
        self.directory = directory
        self.report = report

    def peer(self, router: Router, peer: Peer) -> None:
        """Check an entry of ``router`` for a peer."""
        other = self.directory.routers.get(peer.name)
        if peer.name == router.name:
            self.report.at(peer, "name", "a router is no peer of itself")
        elif other is not None:
            self._inner(router, peer, other)
        elif not peer.node:
            known = [name for name in self.directory.routers if name != router.name]
            if self.report.read("node"):
                message = f"no router {peer.name!r} is in this file, and a foreign peer needs its nodes"
                self.report.absent(peer, "name", message + self.report.hint(peer.name, known))

    def _inner(self, router: Router, peer: Peer, other: Router) -> None:
        """Check an entry for a router of the same file against that router."""
        report = self.report
        if peer.node:
            report.at(
                peer, "node", f"the nodes of {other.name} are in this file already; leave them out here"
            )
        if peer.peering_common_name not in (None, other.peering_common_name) and report.whole(other.name):
            actual = other.peering_common_name or "none"
            report.at(
                peer, "peering_common_name", f"the peering-common-name of the router {other.name} is {actual}"
            )
        if not report.whole(router.name, other.name):
            return
        back = self.directory.peer(other.name, router.name)
        if back is None:
            report.at(
                peer,
                "name",
                f"the router {other.name} has no peer {router.name}; a peering needs both entries",
            )
            return
        if (priority := self.directory.priority(peer)) != other.ml_kem_keygen_priority:
            there = other.ml_kem_keygen_priority
            message = f"the priority of {other.name} is {priority} here and {there} at the router itself"
            report.at(peer, "ml_kem_keygen_priority", f"{message}; they must be the same")
        mine, theirs = self.directory.algorithm(router, peer), self.directory.algorithm(other, back)
        if mine != theirs and self._is_first(router, other):
            message = f"{router.name} would use {mine} and {other.name} {theirs}, and no key can be agreed"
            advice = "give both peer entries the same key-exchange-algorithm-override"
            report.at(peer, "key_exchange_algorithm_override", f"{message}; {advice}")

    def _is_first(self, router: Router, other: Router) -> bool:
        """Whether ``router`` stands before ``other``: what concerns both is reported once."""
        return router.section.place < other.section.place

    def path(
        self, router: Router, peer: Peer, path: Path, targets: dict[tuple[str, str, Endpoint], Path]
    ) -> None:
        """Check one path of a peer; ``targets`` are those of the router's earlier paths."""
        report, directory = self.report, self.directory
        other = directory.routers.get(peer.name)
        self._known(path, "node", (node.name for node in router.node), f"a node of {router.name}")
        node = directory.node(router.name, path.node)
        if node is not None:
            names = [each.name for each in node.network_interface]
            self._known(path, "network_interface", names, f"a network-interface of {router.name}/{path.node}")
        peer_nodes = [each.name for each in (other.node if other else peer.node)]
        if peer_nodes:
            self._known(path, "peer_node", peer_nodes, f"a node of {peer.name}")
        if other is not None:
            self._inner_path(router, path, other)
        elif peer.node:
            if path.peer_network_interface is not None:
                report.at(
                    path, "peer_network_interface", f"{peer.name} is not in this file; give its peer-address"
                )
            if path.peer_address is None and report.read("peer-address"):
                report.at(path, None, "'peer-address' is missing: where the foreign peer is to be reached")
        self._target(router, peer, path, targets)

    def _inner_path(self, router: Router, path: Path, other: Router) -> None:
        """Check a path to a router of the same file: its far end exists, and leads back."""
        report, directory = self.report, self.directory
        if path.peer_network_interface is None:
            if report.read("peer-network-interface"):
                report.at(
                    path, None, f"'peer-network-interface' is missing: where the path ends at {other.name}"
                )
            return
        far = directory.node(other.name, path.peer_node)
        if far is None:
            return
        names = [each.name for each in far.network_interface]
        self._known(
            path, "peer_network_interface", names, f"a network-interface of {other.name}/{path.peer_node}"
        )
        back = directory.peer(other.name, router.name)
        if back is None or not report.whole(router.name, other.name):
            return
        if self._dangles(router, path, other) or any(
            self._dangles(other, each, router) for each in back.path
        ):
            return
        wanted = (path.peer_node, path.peer_network_interface, path.node, path.network_interface)
        if not any(
            (each.node, each.network_interface, each.peer_node, each.peer_network_interface) == wanted
            for each in back.path
        ):
            ends = "node: {}, network-interface: {}, peer-node: {}, peer-network-interface: {}".format(
                *wanted
            )
            message = f"the peer {router.name} of the router {other.name} has no path back"
            report.at(path, None, f"{message}; it would be {{{ends}}}")

    def _dangles(self, router: Router, path: Path, other: Router) -> bool:
        """Whether either end of ``path`` does not exist, which is said already."""
        near = self.directory.interface(router.name, path.node, path.network_interface)
        far = self.directory.interface(other.name, path.peer_node, path.peer_network_interface)
        return near is None or far is None

    def _target(
        self, router: Router, peer: Peer, path: Path, targets: dict[tuple[str, str, Endpoint], Path]
    ) -> None:
        """Check where a path sends to: one host, of the local address's family, once."""
        local = self.directory.interface(router.name, path.node, path.network_interface)
        target = self.directory.target(peer, path)
        if target is None or local is None:
            return
        address = ip_address(target.address)
        where = "peer_address" if path.peer_address else "peer_network_interface"
        if address.is_unspecified:
            message = f"{target.address} is no address to send to; give the path a peer-address"
            self.report.at(path, where, message)
        elif address.version != ip_address(local.address).version:
            message = f"{target.address} cannot be reached from {local.address}: one is IPv4, the other IPv6"
            self.report.at(path, where, message)
        first = targets.setdefault((path.node, path.network_interface, target), path)
        if first is not path:
            line = first.section.place.line
            message = f"the path in line {line} leads from {path.node}/{local.name} to {target} too"
            self.report.at(path, None, f"{message}; one of them must differ")

    def _known(self, path: Path, setting: str, names: Iterable[str], what: str) -> None:
        """Check that the name in ``setting`` is one of ``names``."""
        names = list(names)
        name: str = getattr(path, setting)
        if name not in names:
            known = f"; there is {', '.join(names[:8])}" if names else "; there is none"
            hint = self.report.hint(name, names)
            self.report.absent(path, setting, f"{name!r} is not {what}{hint or known}")
