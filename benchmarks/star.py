"""A hub and its branches in this process: real actors, a store on disk, a direct wire.

It is the small fleet of the tests with another shape and other keys: every branch is a peer of the hub and of
nobody else, and certificates, of nodes and CAs, have keys of one chosen kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.config.plan import NodePlan
from peerkey.pki.certificate import fingerprint
from peerkey.pki.laboratory import SigningKey
from peerkey.testing.ca import TestCA, new_key
from tests.support.fleet import Fleet, uuid

#: The kinds of key that certificates have, and how one is made.
KEYS: Final[dict[str, Callable[[], SigningKey]]] = {
    "P-256": new_key,
    "RSA-4096": lambda: rsa.generate_private_key(65537, 4096),
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
HUB: Final = 0


@dataclass
class Star(Fleet):
    """A hub, which is router 0, and its branches."""

    #: Of :data:`KEYS`.
    key: str = "P-256"

    def __post_init__(self) -> None:
        """Make one key for all nodes: their certificates differ, and making keys is not what is measured."""
        super().__post_init__()
        make = KEYS[self.key]
        self.ca = TestCA(now=self.now, root_key=make(), intermediate_key=make())
        (self.folder / "ca.pem").write_bytes(self.ca.root.certificate.public_bytes(Encoding.PEM))
        self.node_key = make()
        for number in range(self.routers):
            self.certify_again(number)

    def certify_again(self, number: int) -> str:
        """Issue another certificate for a router; return its fingerprint as events show it."""
        issued = self.ca.issue(uuid(number), key=self.node_key)
        self.certify(number, issued)
        return fingerprint(issued.certificate).hex(":")

    def plan(self, number: int) -> NodePlan:
        """Return the plan of the hub, or of a branch that knows the hub alone."""
        plan = super().plan(number)
        if number == HUB:
            return plan
        hub = uuid(HUB)
        return replace(plan, peerings=tuple(peer for peer in plan.peerings if peer.peer_uuid == hub))
