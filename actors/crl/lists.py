"""What an authority asks of whoever follows the revocation lists, and the case that this process does.

There are three: the only process of a machine (:class:`ListsHere`), the host that leads among several
(:mod:`actors.crl.leading`), and one that follows it (:mod:`actors.crl.following`). None of them is an actor:
they act in the name of the authority, and end with its incarnation or its role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from actors.crl.index import RevocationIndex
from actors.crl.index_steps import LookDue
from actors.crl.status import GetRevocation, RevocationStatus
from actors.messages import FetchLists
from actors.names import REVOCATION
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from actors.crl.index import RevocationPorts
    from actors.crl.roles import Leadership, NeedsOf
    from actors.messages import CertificatesSeen, ListsWanted
    from peerkey.config.plan import NodePlan
    from runtime.actor import Context
    from runtime.ref import Ref

#: How long whoever is asked may take to answer.
ANSWER_WITHIN: Final = timedelta(seconds=5)

ReadNow = Callable[[], "tuple[NodePlan, ...]"]


@dataclass(frozen=True, slots=True)
class ListStep:
    """What somebody who follows lists tells itself through the authority. Of another than now, it is late."""

    of: object


class Lists(Protocol):
    """What an authority asks."""

    def begin(self) -> None:
        """Take the role up. What is known to be revoked has been loaded once."""
        ...

    def end(self) -> None:
        """Lay the role down."""
        ...

    def planned(self) -> None:
        """Learn that the plans may have changed."""
        ...

    def seen(self, certificates: CertificatesSeen) -> bool:
        """Take note of chains in use; return whether that is done."""
        ...

    def wanted(self, wanted: ListsWanted) -> None:
        """Have lists fetched again, if it can be."""
        ...

    def fetch(self) -> bool:
        """Have every list fetched; return whether the order is on its way."""
        ...

    def status(self) -> Awaitable[RevocationStatus]:
        """Ask how it stands with the lists."""
        ...

    def changed(self) -> None:
        """Learn that other certificates are known to be revoked, and see to it that the nodes are told."""
        ...

    def heard(self, needs: NeedsOf) -> Leadership | None:
        """Learn what another host wants; ``None`` where this one does not lead."""
        ...

    def step(self, step: ListStep) -> None:
        """Go on."""
        ...


class ListsHere:
    """Lists are followed by an index below this authority, for its own nodes."""

    def __init__(
        self, ctx: Context, plans: ReadNow, ports: RevocationPorts, tell_nodes: Callable[[], None]
    ) -> None:
        """Act for the authority of ``ctx``; ``tell_nodes`` tells them that something else is revoked."""
        self._ctx = ctx
        self._plans = plans
        self._ports = ports
        self._tell_nodes = tell_nodes
        self._index: Ref | None = None

    def begin(self) -> None:
        """See :meth:`Lists.begin`."""
        plans, itself, ports = self._plans, self._ctx.ref, self._ports
        self._index = self._ctx.spawn(
            lambda: RevocationIndex(plans, itself, ports), REVOCATION, supervision=PATIENT
        )

    def end(self) -> None:
        """See :meth:`Lists.end`."""
        if self._index is not None:
            self._ctx.stop(self._index)
            self._index = None

    def planned(self) -> None:
        """See :meth:`Lists.planned`. What finds no room is found at the index's next look."""
        if self._index is not None:
            self._index.offer(LookDue())

    def seen(self, certificates: CertificatesSeen) -> bool:
        """See :meth:`Lists.seen`."""
        return self._index is not None and self._index.offer(certificates)

    def wanted(self, wanted: ListsWanted) -> None:
        """See :meth:`Lists.wanted`. What finds no room is left to the next that asks, and to the polling."""
        if self._index is not None:
            self._index.offer(wanted)

    def fetch(self) -> bool:
        """See :meth:`Lists.fetch`."""
        return self._index is not None and self._index.offer(FetchLists())

    def status(self) -> Awaitable[RevocationStatus]:
        """See :meth:`Lists.status`."""
        if self._index is None:
            return _at_once(RevocationStatus(self._ports.known.generation, self._ports.known.total))
        return self._index.ask(GetRevocation(), ANSWER_WITHIN)

    def changed(self) -> None:
        """See :meth:`Lists.changed`."""
        self._tell_nodes()

    def heard(self, needs: NeedsOf) -> Leadership | None:  # noqa: ARG002 - the only process leads nobody
        """See :meth:`Lists.heard`."""
        return None

    def step(self, step: ListStep) -> None:
        """See :meth:`Lists.step`."""


async def _at_once(status: RevocationStatus) -> RevocationStatus:
    return status
