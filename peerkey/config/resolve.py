"""Who a peer is, and what the two ends of a peering have to agree about.

A peer is either a router of the same file, and then its nodes, its alias, its override and its
priority are known from there, or a foreign router, and then its entry says it all. The rules that
check a configuration and the plans that come out of it ask the same questions; here they get the
same answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerkey.config.models import DEFAULT_PORT
from peerkey.config.plan import Endpoint

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.config.algorithm import KeyExchange
    from peerkey.config.models import Authority, NetworkInterface, Node, Path, Peer, Router


@dataclass(frozen=True, slots=True)
class Directory:
    """The authority with its routers, nodes, interfaces and peers by name."""

    authority: Authority
    routers: dict[str, Router] = field(init=False)
    _nodes: dict[tuple[str, str], Node] = field(init=False)
    _interfaces: dict[tuple[str, str, str], NetworkInterface] = field(init=False)
    _peers: dict[tuple[str, str], Peer] = field(init=False)

    def __post_init__(self) -> None:
        """Index ``authority``. Of two things with one name the first counts; the rules report the second."""
        routers = self.authority.router[::-1]
        nodes = [(router, node) for router in routers for node in router.node[::-1]]
        object.__setattr__(self, "routers", {router.name: router for router in routers})
        object.__setattr__(self, "_nodes", {(router.name, node.name): node for router, node in nodes})
        object.__setattr__(
            self,
            "_interfaces",
            {(r.name, n.name, each.name): each for r, n in nodes for each in n.network_interface[::-1]},
        )
        object.__setattr__(
            self, "_peers", {(r.name, peer.name): peer for r in routers for peer in r.peer[::-1]}
        )

    def node(self, router: str, node: str) -> Node | None:
        """Return a node by its name."""
        return self._nodes.get((router, node))

    def interface(self, router: str, node: str, interface: str | None) -> NetworkInterface | None:
        """Return a network interface by its name."""
        return self._interfaces.get((router, node, interface or ""))

    def peer(self, router: str, peer: str) -> Peer | None:
        """Return the entry that ``router`` has for ``peer``."""
        return self._peers.get((router, peer))

    def uuid(self, peer: Peer, node: str) -> UUID | None:
        """Return the router identifier of a peer's node."""
        other = self.routers.get(peer.name)
        nodes = other.node if other else peer.node
        return next((each.uuid for each in nodes if each.name == node), None)

    def alias(self, peer: Peer) -> str | None:
        """Return the ``peering-common-name`` of a peer."""
        other = self.routers.get(peer.name)
        return peer.peering_common_name or (other.peering_common_name if other else None)

    def algorithm(self, router: Router, peer: Peer) -> str:
        """Return the algorithm of a peering, as ``router`` sees it.

        "Override precedence: (1) router/peer override; (2) local router override; (3) authority value.
        Router-level override is auto-copied to the peer entries under the routers it peers with" (ssr-facts
        5.2), unless the entry says ``generated: false``.
        """
        policy = self.authority.security_key_management
        other = self.routers.get(peer.name) if peer.generated else None
        copied = other.key_exchange_algorithm_override if other else None
        chosen: KeyExchange = (
            peer.key_exchange_algorithm_override
            or copied
            or router.key_exchange_algorithm_override
            or policy.key_exchange_algorithm
        )
        general = policy.key_exchange_algorithm
        return chosen.name(
            general.diffie_hellman_size or policy.diffie_hellman.diffie_hellman_key_size,
            general.ml_kem_size or policy.ml_kem.ml_kem_key_size,
        )

    def priority(self, peer: Peer) -> int:
        """Return the ``ml-kem-keygen-priority`` of a peer, copied like an override."""
        if peer.ml_kem_keygen_priority is not None:
            return peer.ml_kem_keygen_priority
        other = self.routers.get(peer.name) if peer.generated else None
        return other.ml_kem_keygen_priority if other else 0

    def target(self, peer: Peer, path: Path) -> Endpoint | None:
        """Return where ``path`` sends to; ``None`` if its peer's interface does not exist."""
        interface = self.interface(peer.name, path.peer_node, path.peer_network_interface)
        address = path.peer_address or (interface.address if interface else None)
        port = path.peer_port or (interface.port if interface else DEFAULT_PORT)
        return Endpoint(address, port) if address else None
