"""What a node and its mate know of each other's keys, from the node's side.

:class:`Replication` is told of every record that the node has written, passes it on to the link, and answers
the one question that the machines have: whether a key may be used yet. A node without a mate has one too; it
does nothing, and every key may be used.

What the link has no room for waits here, the latest of each record, and is told again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final
from uuid import UUID

from actors.desk import record_name
from actors.ha.link import LINK_MAILBOX, HaSyncLink
from actors.ha.messages import GetHaStatus, MateNews, RecordChanged, TurnWanted
from peerkey.config.reload_plan import link_of
from peerkey.ha.messages import Version
from peerkey.ha.view import MateView
from peerkey.observe import alarms
from peerkey.secret import Secret
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from actors.ha.messages import HaStatus
    from actors.ha.transport import SyncTransport
    from actors.journal import Journal
    from actors.messages import PeerStatus
    from peerkey.config.plan import HaPlan, NodePlan
    from peerkey.ha.view import RecordView
    from peerkey.protocol.core import Entropy
    from peerkey.protocol.traffic import DataPlane
    from runtime.actor import Context
    from runtime.ref import Ref
    from runtime.store.port import Store

#: When a link whose mailbox was full is told again.
TELL_AGAIN_AFTER: Final = timedelta(milliseconds=50)
#: How long the link may take to say how it stands. It never blocks.
_ANSWER_WITHIN: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class MateDue:
    """The link had no room for what changed; it is due again."""


@final
class Replication:
    """The mate of one node, if it has one."""

    def __init__(
        self,
        ctx: Context,
        *,
        owner: str,
        epoch: int,
        store: Store,
        transport: SyncTransport | None,
        entropy: Entropy,
        journal: Journal,
        data_plane: DataPlane | None = None,
    ) -> None:
        """Begin without a mate. ``owner`` has the node's records in the store, written under ``epoch``."""
        self._ctx = ctx
        self._owner, self._epoch, self._store = owner, epoch, store
        self._transport, self._entropy, self._journal = transport, entropy, journal
        self._data_plane = data_plane
        self._view = MateView()
        self._plan: NodePlan | None = None
        self._ha: HaPlan | None = None
        self._link: Ref | None = None
        self._links = 0
        self._untold: dict[str, RecordChanged] = {}

    def configure(self, plan: NodePlan) -> None:
        """Link the node to the mate of ``plan``: anew where it is another one, and to none without."""
        ha = link_of(plan) if self._transport is not None else None
        self._plan = plan
        if ha == self._ha:
            return
        if self._link is not None:
            self._ctx.stop(self._link)
            self._link = None
        self._ha = ha
        self._view.unlinked()
        self._untold.clear()
        if ha is not None and self._transport is not None:
            self._start(plan, ha, self._transport)

    def _start(self, plan: NodePlan, ha: HaPlan, transport: SyncTransport) -> None:
        self._links = number = self._links + 1
        node, journal, entropy = self._ctx.ref, self._journal, self._entropy
        owner, epoch, store = self._owner, self._epoch, self._store
        data_plane = self._data_plane
        self._link = self._ctx.spawn(
            lambda: HaSyncLink(
                node=node,
                plan=plan,
                ha=ha,
                owner=owner,
                epoch=epoch,
                store=store,
                transport=transport,
                entropy=entropy,
                journal=journal,
                data_plane=data_plane,
                number=number,
            ),
            # One that is stopped keeps its name until it has ended.
            "ha-sync" if number == 1 else f"ha-sync-{number}",
            supervision=PATIENT,
            mailbox=LINK_MAILBOX,
        )

    # --- records ----------------------------------------------------------------------------------

    def of(self, peer: UUID) -> RecordView:
        """Return what the peering with ``peer`` may ask."""
        return self._view.of(record_name(peer))

    def written(self, peer: UUID, number: int, record: bytes | None) -> None:
        """Pass on that a record is durable in its version ``number``, or (without content) gone."""
        if self._link is None:
            return
        name, version = record_name(peer), Version(self._epoch, number)
        self._view.written(name, version, record)
        self._untold[name] = RecordChanged(name, version, None if record is None else Secret(record))
        self.tell_again()

    def tell_again(self) -> None:
        """Tell the link what it has not been told."""
        if self._link is None:
            return
        for name, changed in list(self._untold.items()):
            if not self._link.offer(changed):
                self._ctx.set_timer("mate", TELL_AGAIN_AFTER, MateDue())
                return
            del self._untold[name]

    def heard(self, news: MateNews) -> None:
        """Take up what the link says of the mate."""
        if self._link is None or news.link != self._links:
            return
        if news.begun is not None:
            self._view.begun(news.begun)
        self._view.up, self._view.turn = news.up, news.turn
        for name, version in news.held:
            if version is None:
                self._view.lacks(name)
            else:
                self._view.held(name, version)

    def want_turn(self) -> None:
        """Tell the link that a peering has asked for a turn, if one has. Without room it asks again."""
        if self._view.turn_asked:
            self._view.turn_asked = False
            if self._link is not None:
                self._link.offer(TurnWanted())

    def holds(self, name: str, key_id: bytes) -> bool:
        """Tell whether the mate is known to have this key of that record in its store."""
        return self._view.holds(name, key_id)

    def has_all(self, in_use: Iterable[tuple[UUID, tuple[tuple[str, int, str], ...]]]) -> bool | None:
        """Tell whether the mate has the current key of each of these peers; ``None``: no mate is there."""
        if self._ha is None or not self._view.up:
            return None
        return all(
            self._view.holds(record_name(peer), bytes.fromhex(key_id))
            for peer, keys in in_use
            for role, _, key_id in keys
            if role == "current"
        )

    # --- what an operator is shown ----------------------------------------------------------------

    def status(self) -> Awaitable[HaStatus] | None:
        """Ask the link how it stands, if there is one."""
        return None if self._link is None else self._link.ask(GetHaStatus(), _ANSWER_WITHIN)

    def unanswered(self) -> tuple[alarms.Alarm, ...]:
        """Tell what it means that the link does not answer: there is none. It is being restarted."""
        if self._ha is None or self._plan is None:
            return ()
        return (alarms.ha_link_down(self._plan.name, f"{self._plan.router}/{self._ha.mate}"),)

    def alarms(self, peers: Iterable[PeerStatus]) -> Iterator[alarms.Alarm]:
        """Tell of keys in use that the mate lacks while there is a link; without one, that is the alarm."""
        if self._ha is None or self._plan is None or not self._view.up:
            return
        mate = f"{self._plan.router}/{self._ha.mate}"
        for peer in peers:
            name = record_name(UUID(peer.uuid))
            for role, index, key_id in peer.security.keys:
                if role == "current" and not self._view.holds(name, bytes.fromhex(key_id)):
                    yield alarms.ha_key_not_replicated(self._plan.name, mate, peer.peer, index)
