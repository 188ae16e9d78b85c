"""Errands about keys and certificates on a cluster: sent to the host that runs the node, and done there.

The files and the devices of a node are those of the machine that it runs on, and a private key stays there.
So whoever answers for a machine asks the coordinator where the node is, and has the :class:`Custodian` of
that host do it, with a thread and bounds of its own (:mod:`peerkey_cli.desk`). What travels is sealed with
the key that all machines have: a private key that somebody brings, or a password, is in no message of Ray's
that could be read. Nothing that comes back is secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from peerkey.errors import PeerkeyError, Unavailable
from peerkey_cli import errands
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import status_of
from peerkey_cli.desk import DONE_WITHIN
from peerkey_cli.errors import NotFound
from peerkey_cli.schemas import Document
from runtime.actor import Actor, ReplyToken
from runtime.cluster.directory import on_host
from runtime.errors import RuntimeFault
from runtime.message import Ask, LocalOnly

if TYPE_CHECKING:
    from actors.cluster.messages import PlacementStatus
    from peerkey_cli.desk import Desk
    from runtime.ref import Ref
    from runtime.store.sealed import Sealer

D = TypeVar("D", bound=Document)

#: What the actor is called on every host that runs nodes.
CUSTODIAN: Final = "custodian"
#: Beyond what the desk of the host takes: it says itself what it has not done.
_ANSWERED_WITHIN: Final = DONE_WITHIN + timedelta(seconds=5)
_DONE: Final = 200


@dataclass(frozen=True, slots=True)
class ErrandAnswer:
    """What became of it: a document, or why not."""

    #: As HTTP counts them.
    status: int
    #: The document as JSON, or the reason in words.
    text: str


@dataclass(frozen=True, slots=True)
class SealedErrand(Ask[ErrandAnswer]):
    """An errand, sealed for one host."""

    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Answered(LocalOnly):
    """The desk has come to an end with one."""

    token: ReplyToken
    answer: ErrandAnswer


class Custodian(Actor):
    """Has done what it is sent."""

    def __init__(self, desk: Desk, sealer: Sealer, host: str) -> None:
        """Open with ``sealer`` what was sealed for ``host``, and have ``desk`` do it."""
        self._desk = desk
        self._sealer = sealer
        self._host = host

    def receive(self, message: object) -> None:
        """Begin with an errand, or answer one."""
        match message:
            case SealedErrand(sealed):
                token = self.ctx.reply_token()
                done = self._answer(sealed)
                # The desk has a bound for how long it takes, and stopping does not wait for a device.
                self.ctx.pipe(done, lambda answer: _Answered(token, answer), drain=False)
            case _Answered(token, answer):
                token.reply(answer)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    async def _answer(self, sealed: bytes) -> ErrandAnswer:
        try:
            errand = errands.read(self._sealer.open(sealed, _bound(self._host)))
            document = await self._desk.done(errand, Document)
        except (PeerkeyError, RuntimeFault) as fault:
            return ErrandAnswer(status_of(fault) or 503, str(fault))
        return ErrandAnswer(_DONE, document.model_dump_json())


class ClusterDesk:
    """See :class:`peerkey_cli.desk.Desk`: with the files and devices of whichever machine the node is on."""

    def __init__(
        self,
        placement: Callable[[], Awaitable[PlacementStatus]],
        ref: Callable[[str], Ref],
        sealer: Sealer,
    ) -> None:
        """Ask ``placement()`` where a node is, and the actors there by ``ref``."""
        self._placement = placement
        self._ref = ref
        self._sealer = sealer

    async def done(self, errand: errands.Errand, kind: type[D]) -> D:
        """See :class:`peerkey_cli.desk.Desk`.

        :raises Denied: what became of it where it was to be done.
        """
        node, host = place_of(await self._placement(), errand.node)
        written = errands.Errand(
            errand.what, node, errand.name, force=errand.force, body=errand.body
        ).written()
        sealed = SealedErrand(self._sealer.seal(written, _bound(host)))
        answer = await self._ref(on_host(host, CUSTODIAN)).ask(sealed, _ANSWERED_WITHIN)
        if answer.status != _DONE:
            raise Denied(answer.status, answer.text, {"Retry-After": "10"} if answer.status == 503 else None)  # noqa: PLR2004
        return kind.model_validate_json(answer.text)


def place_of(placed: PlacementStatus, node: str | None) -> tuple[str, str]:
    """Return the name of a node, or of the only one, and the host that runs it. Pure.

    :raises NotFound: there is no such node, or there are several.
    :raises Unavailable: it has no place now.
    """
    places = {each.node: each for each in placed.nodes}
    if node is None:
        if len(places) != 1:
            message = f"{len(places)} nodes run here; write router/ROUTER/node/NODE/ before the resource"
            raise NotFound(message)
        node = next(iter(places))
    place = places.get(node)
    if place is None:
        shown = ", ".join(sorted(places)[:8])
        message = f"there is no node {ascii(node)[1:-1][:64]!r} here, but {shown}"
        raise NotFound(message)
    if not place.host:
        message = f"{node} runs nowhere now: {place.why}"
        raise Unavailable(message)
    return node, place.host


def _bound(host: str) -> bytes:
    """Return what an errand is sealed with: it opens on no other host."""
    return f"errand for {host}".encode()
