"""What one node is to do, as its host is told: its plan, and which of its paths are direct.

A hub with thousands of peers, or with long certificates in its configuration, has a plan that is larger than
a message may be. So a share travels in *pieces*: the plan without its lists, then these, a few at a time.
Pieces of one digest make the share again, in whichever order they come. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

from actors.cluster.messages import Piece

if TYPE_CHECKING:
    from actors.cluster.messages import Route
    from peerkey.config.plan import CertificateSource, NodePlan, PeeringPlan

T = TypeVar("T")

#: What the pieces of one message may weigh in bytes, roughly. A message may take four times as much.
MESSAGE_WEIGHT: Final = 256 << 10
#: What certificates weigh that are still allowed in one plan outside of its list of trusted ones.
MAX_HEAD: Final = 768 << 10
#: What a plan without lists, a peering, a path and a route weigh, names of ordinary length included.
_HEAD, _PEERING, _PATH = 4_096, 512, 512
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Share:
    """What one node is to do."""

    plan: NodePlan
    routes: tuple[Route, ...]
    digest: bytes


def share(plan: NodePlan, routes: Iterable[Route]) -> Share:
    """Return the share of one node."""
    ordered = tuple(sorted(routes))
    return Share(plan, ordered, digest_of((repr(plan), repr(ordered))))


def digest_of(texts: Iterable[str]) -> bytes:
    """Return a digest of texts."""
    total = blake2b(digest_size=_DIGEST_BYTES)
    for text in texts:
        data = text.encode()
        total.update(len(data).to_bytes(8))
        total.update(data)
    return total.digest()


def target_digest(nodes: Mapping[str, bytes], reloads: int) -> bytes:
    """Return the digest of what a host is to run."""
    listed = chain.from_iterable((name, digest.hex()) for name, digest in sorted(nodes.items()))
    return digest_of(chain((str(reloads),), listed))


def head_weight(plan: NodePlan) -> int:
    """Return what the plan without its lists weighs, in bytes."""
    enrollment = plan.enrollment
    sources = (plan.certificate, *(enrollment.server_trust if enrollment is not None else ()))
    return _HEAD + sum(map(_source_weight, sources)) + 256 * (len(plan.interfaces) + len(plan.revocation))


def pieces(whole: Share) -> tuple[Piece, ...]:
    """Cut a share."""
    plan = whole.plan
    routes: dict[tuple[str, int, str, int], Route] = {
        (each[0], each[1], each[2], each[3]): each for each in whole.routes
    }
    made = [Piece(plan.name, whole.digest, 0, 0, head=replace(plan, trusted=(), peerings=()))]
    for sources in _grouped(plan.trusted, _source_weight):
        made.append(Piece(plan.name, whole.digest, len(made), 0, trusted=sources))
    for peerings in _grouped(plan.peerings, _peering_weight):
        found = (routes.get((*path.local, *path.peer)) for peering in peerings for path in peering.paths)
        direct = tuple(each for each in found if each is not None)
        made.append(Piece(plan.name, whole.digest, len(made), 0, peerings=peerings, routes=direct))
    return tuple(replace(piece, of=len(made)) for piece in made)


def messages(cut: Iterable[Piece]) -> Iterator[tuple[Piece, ...]]:
    """Yield as many pieces at a time as one message may hold."""
    return _grouped(cut, weight_of)


@dataclass(slots=True)
class Puzzle:
    """Shares that are not complete yet: the pieces of one digest for each node."""

    _found: dict[str, tuple[bytes, dict[int, Piece]]] = field(default_factory=dict)

    def take(self, piece: Piece) -> Share | None:
        """Lay a piece beside the others; return the share when it is the last one."""
        digest, found = self._found.get(piece.node, (b"", {}))
        if digest != piece.digest:
            found = {}
            self._found[piece.node] = (piece.digest, found)
        found[piece.number] = piece
        if len(found) < piece.of:
            return None
        del self._found[piece.node]
        ordered = [found[number] for number in sorted(found)]
        head = ordered[0].head
        if head is None:
            return None
        trusted = tuple(chain.from_iterable(each.trusted for each in ordered))
        peerings = tuple(chain.from_iterable(each.peerings for each in ordered))
        routes = tuple(sorted(chain.from_iterable(each.routes for each in ordered)))
        return Share(replace(head, trusted=trusted, peerings=peerings), routes, piece.digest)

    def keep(self, nodes: Mapping[str, bytes]) -> None:
        """Forget what is wanted no more."""
        for node in [each for each, (digest, _) in self._found.items() if nodes.get(each) != digest]:
            del self._found[node]


def _source_weight(source: CertificateSource) -> int:
    return 512 + len(source.content or "")


def _peering_weight(peering: PeeringPlan) -> int:
    return _PEERING + 2 * _PATH * len(peering.paths)


def weight_of(piece: Piece) -> int:
    """Return what a piece weighs in bytes, roughly."""
    head = 0 if piece.head is None else head_weight(piece.head)
    return 256 + head + sum(map(_source_weight, piece.trusted)) + sum(map(_peering_weight, piece.peerings))


def _grouped(things: Iterable[T], weight: Callable[[T], int]) -> Iterator[tuple[T, ...]]:
    """Yield the things in groups that weigh little more than one message; a heavy one is alone."""
    group: list[T] = []
    total = 0
    for thing in things:
        heavy = weight(thing)
        if group and total + heavy > MESSAGE_WEIGHT:
            yield tuple(group)
            group, total = [], 0
        group.append(thing)
        total += heavy
    if group:
        yield tuple(group)
