"""A host whose machine has another that follows the revocation lists.

Its nodes know what that one has published: the file is loaded, which maps it, before the first of them
starts, and again when the leader says that there is a newer one. What they have seen and would like goes to
the leader, and so do an operator's orders and questions.

Nothing here waits for a word that may be lost. The leader is told all the time what the nodes' plans want; by
its answers this host learns which master list is in force, and whether the one that leads is still the one
that has heard of the nodes' certificates: if not, they are asked to show them again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.crl.lists import ANSWER_WITHIN, ListStep
from actors.crl.needs import Needs, needs_of, portable
from actors.crl.roles import Leadership, NeedsOf
from actors.crl.status import GetRevocation, RevocationStatus
from actors.messages import CertificatesSeen, FetchLists
from actors.names import AUTHORITY, REVOCATION
from actors.work import computed
from peerkey.errors import Unavailable
from runtime.cluster.directory import on_host

if TYPE_CHECKING:
    from actors.crl.index import RevocationPorts
    from actors.crl.lists import ReadNow
    from actors.messages import ListsWanted
    from runtime.actor import Context
    from runtime.ref import Ref

#: How often the leader is told what the plans want,
TELL_AFTER: Final = timedelta(seconds=15)
#: and when, after it has not answered.
TELL_AGAIN_AFTER: Final = timedelta(seconds=5)
#: Bytes of certificates in one message to the leader.
MAXIMUM_CHAINS_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class TellDue(ListStep):
    """It is time to tell the leader what the plans want."""


@dataclass(frozen=True, slots=True)
class Answered(ListStep):
    """The leader has answered."""

    leadership: Leadership


@dataclass(frozen=True, slots=True)
class Silent(ListStep):
    """The leader has not answered, or does not lead."""


@dataclass(frozen=True, slots=True)
class Reloaded(ListStep):
    """What was published has been loaded."""


class FollowingLists:
    """See the module, and :class:`~actors.crl.lists.Lists`."""

    def __init__(
        self,
        ctx: Context,
        plans: ReadNow,
        ports: RevocationPorts,
        tell_nodes: Callable[[], None],
        *,
        leader: str | None,
        find: Callable[[str], Ref],
        show: Callable[[], None],
    ) -> None:
        """Follow the host ``leader``, or nobody yet.

        ``find`` returns the reference of a name; ``show`` asks the nodes to show their certificates again.
        """
        self.leader = leader
        self._ctx = ctx
        self._plans = plans
        self._known = ports.known
        self._tell_nodes = tell_nodes
        self._show = show
        self._authority = None if leader is None else find(on_host(leader, AUTHORITY))
        self._index = None if leader is None else find(on_host(leader, f"{AUTHORITY}/{REVOCATION}"))
        self._needs = Needs()
        self._life = b""
        self._asking = self._ask_again = False
        self._loading = self._load_again = False

    # --- life ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.begin`."""
        self._read_plans()
        self._tell()

    def end(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.end`."""
        self._ctx.cancel_timer("follow")

    def planned(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.planned`."""
        before = self._needs
        self._read_plans()
        if self._needs != before:
            self._tell()

    def step(self, step: ListStep) -> None:
        """See :meth:`~actors.crl.lists.Lists.step`."""
        match step:
            case TellDue():
                self._tell()
            case Answered(_, leadership):
                self._answered(leadership)
            case Silent():
                # What was told last may have been lost with it, and nothing else is until it answers.
                self._life = b""
                self._told(TELL_AGAIN_AFTER)
            case Reloaded():
                self._loading = False
                self._tell_nodes()
                if self._load_again:
                    self.changed()

    # --- what the nodes have seen and would like ----------------------------------------------------

    def seen(self, certificates: CertificatesSeen) -> bool:
        """See :meth:`~actors.crl.lists.Lists.seen`."""
        index = self._index
        # Before the leader has answered it may not lead, and nobody would be there to hear.
        if index is None or not self._life:
            return False
        return all(index.offer(CertificatesSeen(part)) for part in _parts(certificates.chains))

    def wanted(self, wanted: ListsWanted) -> None:
        """See :meth:`~actors.crl.lists.Lists.wanted`."""
        if self._index is not None and self._life:
            self._index.offer(wanted)

    def fetch(self) -> bool:
        """See :meth:`~actors.crl.lists.Lists.fetch`."""
        return self._index is not None and bool(self._life) and self._index.offer(FetchLists())

    def status(self) -> Awaitable[RevocationStatus]:
        """See :meth:`~actors.crl.lists.Lists.status`: the leader knows."""
        if self._index is None:
            return _nobody()
        return self._index.ask(GetRevocation(), ANSWER_WITHIN)

    # --- what the leader says -----------------------------------------------------------------------

    def changed(self) -> None:
        """See :meth:`~actors.crl.lists.Lists.changed`: load what was published, and tell the nodes."""
        if self._loading:
            self._load_again = True
            return
        self._loading, self._load_again = True, False
        self._ctx.pipe(computed(self._ctx, self._known.load), lambda _: Reloaded(self))

    def heard(self, needs: NeedsOf) -> Leadership | None:  # noqa: ARG002 - whoever it is, this host does not lead
        """See :meth:`~actors.crl.lists.Lists.heard`."""
        return None

    def _answered(self, leadership: Leadership) -> None:
        known, self._life = self._life, leadership.life
        if self._life and self._life != known:
            self._show()
        if leadership.generation > self._known.generation:
            self.changed()
        self._told(TELL_AFTER if self._life else TELL_AGAIN_AFTER)

    def _tell(self) -> None:
        """Tell the leader what the plans want: one word at a time, the latest last."""
        if self._authority is None:
            return
        if self._asking:
            self._ask_again = True
            return
        self._asking, self._ask_again = True, False
        self._ctx.pipe(
            self._authority.ask(NeedsOf(self._ctx.ref, self._needs), ANSWER_WITHIN),
            lambda answer: Answered(self, answer),
            lambda _: Silent(self),
        )

    def _told(self, again_after: timedelta) -> None:
        self._asking = False
        if self._ask_again:
            self._tell()
        else:
            self._ctx.set_timer("follow", again_after, TellDue(self))

    def _read_plans(self) -> None:
        self._needs, cut = portable(needs_of(self._plans()))
        if cut:
            self._ctx.log.warning("the leader cannot be told of all that the plans want of revocation lists")


def _parts(chains: frozenset[tuple[bytes, ...]]) -> Iterator[frozenset[tuple[bytes, ...]]]:
    """Divide chains into parts that fit into a message each."""
    part: set[tuple[bytes, ...]] = set()
    size = 0
    for chain in sorted(chains):
        more = sum(map(len, chain))
        if part and size + more > MAXIMUM_CHAINS_BYTES:
            yield frozenset(part)
            part, size = set(), 0
        part.add(chain)
        size += more
    yield frozenset(part)


async def _nobody() -> RevocationStatus:
    message = "it is not known yet which host of this machine follows the revocation lists"
    raise Unavailable(message)
