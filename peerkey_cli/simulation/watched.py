"""The machine of a peering, unchanged, with somebody who looks over its shoulder after each of its steps.

What takes both ends to see is :class:`~peerkey_cli.simulation.watch.Watch`'s. Seen here is what one end does
against its own rules (protocol.md, section 3): a key that is used too early or kept too long, an exchange
that goes on under a replaced certificate, a rekey that is not due, a bad certificate that nobody notices.
The numbers are said again rather than taken from the machine: a wrong one would be wrong in both.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from actors.certificate_watch import WATCH_INTERVAL
from peerkey.moment import Instant, Moment
from peerkey.protocol.peering import Peering
from peerkey.protocol.phases import Phase
from peerkey.testing.observer import WAIT_TIME, Arrival

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.protocol.effects import Effect
    from peerkey.protocol.frame import Frame
    from peerkey.protocol.keyring import PeerKey
    from peerkey_cli.simulation.watch import Watch

#: A key that was answered and not confirmed lives so long, or four retransmit intervals where that is longer.
_EXCHANGE_TIMEOUT: Final = timedelta(seconds=120)
_EXCHANGE_TIMEOUT_INTERVALS: Final = 4
#: What is due may wait for its turn, for a write on a slow disk, or for a step on the executor.
_LATEST: Final = timedelta(seconds=30)
#: Whether somebody has noticed a bad certificate is asked so often.
_ASK_EVERY: Final = timedelta(seconds=20)


class WatchedPeering(Peering):
    """The very machine, which tells the watch whenever it has moved, and what each frame did to it."""

    def __init__(self, watch: Watch, node: str, peer: UUID, *args: Any, **named: Any) -> None:  # noqa: ANN401
        """Build the machine as :class:`Peering` says, watched as ``node``'s peering with ``peer``."""
        super().__init__(*args, **named)
        self._watch, self._node, self._peer = watch, node, peer
        self._condemned_chain: tuple[bytes, ...] | None = None
        #: The accepted key that waits for its use, and since when.
        self._waiting: tuple[bytes, Instant] | None = None
        #: Why the peering was removed while there was a bad certificate: what becomes durable may be late.
        self.causes = watch.causes(node, peer)
        self.causes.clear()
        self._started = False
        #: The key that is answered and not confirmed, and since when it could have been given up.
        self._answered: tuple[bytes, Instant] | None = None
        #: When it is asked next whether the peer's certificate is good, and since when it is not.
        self._ask_at = Instant(0)
        self._bad_since: Instant | None = None
        self._in_use, self._unaccepted = self.ring.current, self._not_accepted()
        self._found = b"" if self._unaccepted is None else self._unaccepted.key_id
        self._seen = self._look()

    @property
    def condemned(self) -> bool:
        """Tell whether it has seen a bad certificate, under fail-hard, and has accepted no other since."""
        return (
            self._condemned_chain is not None
            and self._fails_hard()
            and self._condemned_chain == self.peer_chain
        )

    @property
    def wants_key(self) -> bool:
        """Tell whether it is configured for keys and has a certificate that it may use."""
        return self._core.config.enabled and self._core.identity_usable

    def start(self, now: Moment) -> list[Effect]:
        """See :meth:`Peering.start`."""
        wanted = super().start(now)
        self._started = True
        return wanted

    def receive(self, path: str, frame: Frame, now: Moment) -> list[Effect]:
        """See :meth:`Peering.receive`."""
        before = self._seen
        wanted = super().receive(path, frame, now)
        self._watch.arrived(
            self._node,
            self._peer,
            self._core.epoch,
            Arrival(self._node, frame, before, self._seen, tuple(wanted), self._core.epoch),
        )
        return wanted

    def tick(self, now: Moment) -> list[Effect]:
        """See :meth:`Peering.tick`. K3: what the peer says settles a held key, and no time that passes."""
        held = self.ring.held
        wanted = super().tick(now)
        if held is not None and self.ring.held is None and not self._core.state.removed:
            self._broken(f"key {held.index} was held, and time alone has dropped it")
        return wanted

    def leave(self, reason: str, now: Moment) -> list[Effect]:
        """See :meth:`Peering.leave`. That an operator wants it is a cause too."""
        self.causes.add(reason)
        return super().leave(reason, now)

    def _judge(self, now: Moment) -> None:
        super()._judge(now)
        core, chain = self._core, self.peer_chain
        bad = bool(core.identity is not None and core.identity.fault) or (
            bool(chain) and not core.examiner.examine(chain, now.wall).verdict.valid
        )
        self._condemned_chain = chain if bad and self._fails_hard() else None
        if core.config.enabled and core.peer_in_force and core.peer_fault is not None and not bad:
            self._broken("there is an alarm about the peer's certificate, which is good")

    def _settled(self, now: Moment) -> list[Effect]:
        wanted = super()._settled(now)
        self._check_activation(now)
        if self._core.state.removed and self.condemned:
            self.causes.add(self._core.state.removed)
        self._check_exchange(now)
        self._check_rekey(now)
        self._check_certificates(now)
        before, self._seen = self._seen, self._look()
        if wanted or before != self._seen:
            self._watch.touched(self._node, self._peer)
        return wanted

    def _check_activation(self, now: Moment) -> None:
        """K6: "a wait time of 30 seconds", unless there was no key, or the peer lacks it, or at a restart."""
        before, ring = self._in_use, self.ring
        after = self._in_use = ring.current
        if before is not None and after is not None and after.key_id != before.key_id and self._started:
            waited = Instant(0)
            if self._waiting is not None and self._waiting[0] == after.key_id:
                waited = now.instant - self._waiting[1]
            if waited < WAIT_TIME and not self._watch.lacks(self._node, self._peer, before.key_id):
                self._broken(
                    f"key {after.index} is in use {waited.total_seconds():g} s after it was accepted"
                )
            self._watch.succeeded(self._node, self._peer, self._core.epoch, after.key_id, waited)
        if ring.next is None:
            self._waiting = None
        elif self._waiting is None or self._waiting[0] != ring.next.key_id:
            self._waiting = (ring.next.key_id, now.instant)

    def _check_exchange(self, now: Moment) -> None:
        """V: an exchange "that names the old fingerprint" is aborted; K4: a key is not pending for ever."""
        core, ring = self._core, self.ring
        peer, identity = core.state.peer, core.identity
        before, key = self._unaccepted, self._not_accepted()
        self._unaccepted = key
        if key is None or key.key_id == self._found:
            # What a restart finds may have been agreed under the certificate before.
            pass
        elif key is ring.pending or before is None or before.key_id != key.key_id:
            leaves = (
                b"" if identity is None else identity.fingerprint,
                b"" if peer is None else peer.fingerprint,
            )
            if (key.local_leaf, key.peer_leaf) != leaves:
                self._broken(f"key {key.index} is agreed under a certificate that has been replaced")
        if ring.pending is None or not core.config.enabled:
            self._answered = None
        elif self._answered is None or self._answered[0] != ring.pending.key_id:
            self._answered = (ring.pending.key_id, now.instant)
        else:
            interval = core.config.retransmit_interval
            longest = max(_EXCHANGE_TIMEOUT, _EXCHANGE_TIMEOUT_INTERVALS * interval) + _LATEST
            if now.instant - self._answered[1] > longest:
                self._broken(f"key {ring.pending.index} was answered more than {longest} ago")

    def _check_rekey(self, now: Moment) -> None:
        """R: "every ``peer-key-rekey-interval``", or one retransmit interval later, whatever has happened."""
        core, ring = self._core, self.ring
        interval = core.config.rekey_interval
        resting = self._started and self.phase is Phase.IDLE and ring.next is None and ring.previous is None
        if not resting or interval is None or ring.current is None or not core.may_exchange:
            return
        due = self.deadline()
        if due is None or due - now.instant > interval + core.config.retransmit_interval:
            self._broken(
                f"key {ring.current.index} is in use, and its successor is not due within {interval}"
            )

    def _check_certificates(self, now: Moment) -> None:
        """V: a certificate that goes bad "is noticed without traffic", but for what may delay a look."""
        core = self._core
        if now.instant < self._ask_at:
            return
        self._ask_at = now.instant + _ASK_EVERY
        noticed = not core.config.enabled or not core.peer_in_force or core.peer_fault is not None
        if noticed or core.examiner.examine(self.peer_chain, now.wall).verdict.valid:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now.instant
        elif now.instant - self._bad_since > WATCH_INTERVAL + _LATEST:
            self._broken("the peer's certificate is bad, and nobody has noticed")

    def _broken(self, what: str) -> None:
        self._watch.fail(0, what, self._node)

    def _not_accepted(self) -> PeerKey | None:
        return self.ring.pending or self.ring.held

    def _look(self) -> tuple[bytes, Phase, Instant | None]:
        return self.record, self.phase, self.deadline()

    def _fails_hard(self) -> bool:
        return self._core.config.fail_hard and self._core.config.enabled
