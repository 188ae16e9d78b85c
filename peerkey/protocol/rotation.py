"""Steps K6, K7 and R: when a key is used, when the old one goes, when a new one is due.

    "During the rekeying period the old key is used. A wait time of 30 seconds is added post key
    computation to prevent any retransmitted packets, delayed packets, or long latency packets not
    having a key ready for use."

Activation early is always safe, because both ends can open a key before either accepts it; so a side
without a key, or whose peer lacks the key in use, does not wait. Erasure early is never safe: the old
key goes on opening until thirty seconds after *both* hold: this side seals with the new key, and the
peer has said, under that key, that it does too. PROBE asks it, on every path, until it has been said.

A probe's nonce is the sender's epoch and a counter: it grows, so a replayed probe shows.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final, final

from peerkey.moment import Instant, Moment
from peerkey.observe.events import HaKeyNotReplicated, KeyAccepted, KeyActivated, KeyErased
from peerkey.protocol import schedule
from peerkey.protocol.constants import (
    ACTIVATION_DELAY,
    ERASURE_DELAY,
    MATE_POLL,
    PATH_ID_BYTES,
    REKEY_JITTER,
    TURN_WAIT,
    Kind,
)
from peerkey.protocol.core import Core, Ignored, earliest
from peerkey.protocol.effects import Heard, ProbeAnswered, SendOn, SendProbe, Usable
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import KeyRing, PeerKey
from peerkey.protocol.messages import Probe, Role
from peerkey.protocol.replay import ReplayWindow

_JITTER_BYTES: Final = 4
#: Paths of the peer whose probes are told apart: more than a peering has.
_REMEMBERED_PATHS: Final = 256


@final
class Rotation:
    """The life of accepted keys: next, current, previous, gone."""

    __slots__ = (
        "_activate_at",
        "_brought_by",
        "_core",
        "_erase_at",
        "_mate_until",
        "_probes",
        "_turn_until",
        "_window",
        "rekey_at",
        "turn_at",
    )

    def __init__(self, core: Core) -> None:
        """Start with no deadline; :meth:`start` sets those that a stored ring needs."""
        self._core = core
        self._activate_at: Instant | None = None
        #: Until when the key that is due waits for the mate; set when it is due.
        self._mate_until: Instant | None = None
        self._erase_at: Instant | None = None
        self._probes = 0
        self._window = ReplayWindow()
        #: By which of our paths each of the peer's, by its id, brings its probes, and when it did last.
        self._brought_by: dict[bytes, tuple[str, Instant]] = {}
        #: When the next regular rekey is due on the preferred side.
        self.rekey_at: Instant | None = None
        #: When a rekey that is due asks again whether it is its node's turn, and until when it does.
        self.turn_at: Instant | None = None
        self._turn_until: Instant | None = None

    def start(self, now: Moment) -> None:
        """Take up a stored ring: "after a restart an accepted ``next`` becomes current at once"."""
        core, state = self._core, self._core.state
        if state.ring.next is not None:
            self._activate(now)
            core.store()
            self._tell_activated()
        elif state.ring.current is not None:
            core.out.append(self.usable())
        if state.ring.previous is not None and not state.peer_may_seal_with_previous:
            self._erase_at = now.instant + ERASURE_DELAY
        self.schedule_rekey(now)

    # --- facts ----------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Tell whether a rekey is still being completed, so that another one must wait.

        Until the replaced key is erased there is no room for a further one: a restart would activate it
        at once, and what was sealed under the replaced key in the last thirty seconds could not be opened.
        """
        ring = self._core.state.ring
        return ring.next is not None or ring.previous is not None

    def usable(self) -> Usable:
        """Return what the paths need to know of the key in use."""
        state = self._core.state
        current = state.ring.current
        if current is None or not self._core.config.enabled:
            return Usable(None)
        return Usable(current.index, probing=state.peer_seals_with < current.index)

    def schedule_rekey(self, now: Moment) -> None:
        """Set when the key in use is due: an interval after it was computed, or up to a tenth earlier.

        The side that is not preferred gives the other the whole interval: an early draw of its own would
        put it first.
        Only the distance since then is asked of the wall clock, and it is clamped to the interval: a
        stepped clock can make a rekey early or at most one interval late, and nothing else.
        """
        self.turn_at = self._turn_until = None
        interval = self._core.config.rekey_interval
        current = self._core.state.ring.next or self._core.state.ring.current
        if interval is None or current is None:
            self.rekey_at = None
            return
        draw = 0.0
        if self._core.config.preferred:
            draw = int.from_bytes(self._core.entropy(_JITTER_BYTES), "big") / 2 ** (8 * _JITTER_BYTES)
        age = min(max(now.wall - current.computed_at, timedelta(0)), interval)
        self.rekey_at = now.instant + max(interval * (1 - REKEY_JITTER * draw) - age, timedelta(0))

    def turn_has_come(self, now: Moment) -> bool:
        """Ask whether it is this node's turn in an HA pair to rekey, and again in a second.

        "Two leaders never both change one record": whose turn it is, the pair decides. Here it is waited for
        as long as a turn of the other may last, and no longer.
        """
        mate = self._core.mate
        if mate is None or mate.may_rekey():
            return True
        if self._turn_until is None:
            self._turn_until = now.instant + TURN_WAIT
        if now.instant >= self._turn_until:
            return True
        self.turn_at = min(now.instant + MATE_POLL, self._turn_until)
        return False

    # --- time -----------------------------------------------------------------------------------

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do. A due rekey is the exchange's business."""
        return earliest(self._activate_at, self._erase_at)

    def tick(self, now: Moment) -> None:
        """Activate and erase what is due."""
        core, state = self._core, self._core.state
        if self._activate_at is not None and self._activate_at <= now.instant and self._mate_is_ready(now):
            self._activate(now)
            core.store()
            self._tell_activated()
        if self._erase_at is not None and self._erase_at <= now.instant:
            self._erase_at = None
            replaced = state.ring.previous
            state.ring = state.ring.without_previous()
            core.store()
            if replaced is not None:
                self._tell_erased(replaced, "both sides seal with its successor")

    # --- accept, activate, erase --------------------------------------------------------------------

    def accept(self, now: Moment) -> None:
        """Accept the pending or held key; use it in 30 seconds, or at once where waiting protects nothing.

        Stores. What is to leave on the strength of it goes out next, and then :meth:`tell_accepted`.
        """
        core, state = self._core, self._core.state
        before = state.ring
        at_once = before.current is None or before.next is not None or state.activate_at_once
        state.ring = before.accept()
        lost_by_peer, state.activate_at_once = state.activate_at_once, False
        state.removed = ""
        core.succeeded()
        if at_once:
            self._activate(now)
        else:
            self._activate_at = now.instant + ACTIVATION_DELAY
        if lost_by_peer and state.ring.previous is not None:
            # Nobody seals with it any more, and what the peer said under it before it lost it is not to
            # be repeated to us: a PEERING_REMOVED of then would take the new key along.
            self._tell_erased(state.ring.previous, "the peer has lost it")
            core.lost_by_peer.append(state.ring.previous.key_id)
            state.ring = state.ring.without_previous()
        self.schedule_rekey(now)
        core.store()

    def tell_accepted(self) -> None:
        """Tell of the key that was just accepted, and of its use where that begins at once."""
        core, ring = self._core, self._core.state.ring
        key = ring.next or ring.current
        if key is None:
            return
        core.emit(KeyAccepted(core.config.peer_name, key.index, key.key_id.hex(), key.algorithm))
        if ring.next is None:
            self._tell_activated()

    def erase_all(self, reason: str) -> None:
        """Erase every key. The caller stores and sends."""
        core, state = self._core, self._core.state
        erased = [key for _, key in state.ring]
        state.ring = KeyRing()
        state.response = state.confirm = b""
        self._activate_at = self._erase_at = self.rekey_at = self.turn_at = None
        self._mate_until = None
        core.state.peer_holds = b""
        core.store()
        for key in erased:
            self._tell_erased(key, reason)
        core.out.append(self.usable())

    def _mate_is_ready(self, now: Moment) -> bool:
        """Ask the other node of an HA pair whether it holds the key that is due, and again in a second.

        Once it has been waited for as long as the peer was, waiting does more harm than the mate can prevent.
        """
        core, successor = self._core, self._core.state.ring.next
        if core.mate is None or successor is None or core.mate.may_use(successor.key_id):
            return True
        if self._mate_until is None:
            self._mate_until = now.instant + ACTIVATION_DELAY
        if now.instant < self._mate_until:
            self._activate_at = min(now.instant + MATE_POLL, self._mate_until)
            return False
        core.emit(HaKeyNotReplicated(core.config.peer_name, successor.index, successor.key_id.hex()))
        return True

    def _activate(self, now: Moment) -> None:
        state = self._core.state
        dropped = state.ring.previous
        state.ring = state.ring.activate()
        state.key_changes += 1
        self._mate_until = None
        self._activate_at = self._erase_at = None
        if dropped is not None:
            self._tell_erased(dropped, "its successor was replaced too")
        if state.ring.previous is not None and not state.peer_may_seal_with_previous:
            self._erase_at = now.instant + ERASURE_DELAY

    def _tell_activated(self) -> None:
        core, current = self._core, self._core.state.ring.current
        if current is not None:
            core.emit(KeyActivated(core.config.peer_name, current.index, current.key_id.hex()))
        core.out.append(self.usable())

    def _tell_erased(self, key: PeerKey, reason: str) -> None:
        core = self._core
        core.emit(KeyErased(core.config.peer_name, key.index, key.key_id.hex(), reason))

    # --- probes -----------------------------------------------------------------------------------

    def probe(self, path: str) -> None:
        """Send a PROBE on one path, under the key in use. Without one there is nothing to ask."""
        core, current = self._core, self._core.state.ring.current
        if current is None or not core.config.enabled:
            return
        self._probes += 1
        nonce = core.epoch.to_bytes(8, "big") + self._probes.to_bytes(8, "big")
        message = Probe(path_id(path), current.index, current.index, nonce)
        core.out.append(SendProbe(path, core.maced(Kind.PROBE, message, current.probe), nonce))

    def probe_received(self, path: str, frame: Frame, message: Probe, now: Moment) -> bool:
        """Answer an authentic probe; return whether it shows that the peer accepted the key held here.

        In that case nothing was answered yet: accept the key, then call again.

        Raises:
            Ignored, BadMac: where it is not authentic, not new, or under a key that cannot answer.

        """
        core, current = self._core, self._core.state.ring.current
        role, key = self._authentic(frame, message)
        if role is Role.HELD:
            return True
        if role is Role.PENDING or current is None:
            raise Ignored("unaccepted-key")
        self._require_own_path(path, message.path, now)
        epoch, number = message.nonce[:8], int.from_bytes(message.nonce[8:], "big")
        if not self._window.take((key.index, epoch), number):
            raise Ignored("replayed-probe")
        core.out.append(Heard(path))
        self._peer_seals(message, now)
        answer = Probe(message.path, key.index, current.index, message.nonce)
        core.out.append(SendOn(path, core.maced(Kind.PROBE_REPLY, answer, key.probe)))
        return False

    def _require_own_path(self, path: str, claimed: bytes, now: Moment) -> None:
        """Check that the peer's path, by its id, is the one that brought its probes so far.

        Else a probe of a living path that is delivered on a dead one would make that look alive. A path
        that has brought none for a whole ``peer-key-timeout`` may have been renamed or moved.

        Raises:
            Ignored: where another path did.

        """
        known, last = self._brought_by.get(claimed, (path, now.instant))
        if known != path and now.instant - last < self._core.config.timeout:
            raise Ignored("rerouted-probe")
        if claimed not in self._brought_by and len(self._brought_by) >= _REMEMBERED_PATHS:
            del self._brought_by[next(iter(self._brought_by))]
        self._brought_by[claimed] = (path, now.instant)

    def reply_received(self, path: str, frame: Frame, message: Probe, now: Moment) -> None:
        """Pass an authentic reply on to its path, which knows whether it waits for that nonce.

        Raises:
            Ignored, BadMac: where it is not authentic or came by another path than its probe went.

        """
        self._authentic(frame, message)
        if message.path != path_id(path):
            raise Ignored("rerouted-reply")
        self._core.out.append(ProbeAnswered(path, message.nonce, message.key_index))
        self._peer_seals(message, now)

    def _authentic(self, frame: Frame, message: Probe) -> tuple[Role, PeerKey]:
        core = self._core
        found = core.state.ring.find(message.key_index)
        if found is None:
            raise Ignored("unknown-key")
        schedule.verify_mac(found[1].probe, frame.signed, frame.auth)
        return found

    def _peer_seals(self, message: Probe, now: Moment) -> None:
        """Note with which key the peer seals. Only what it says under that very key counts."""
        state = self._core.state
        if message.seals_with != message.key_index or message.seals_with <= state.peer_seals_with:
            return
        state.peer_seals_with = message.seals_with
        current = state.ring.current
        if current is None or state.peer_seals_with < current.index:
            return
        self._core.out.append(self.usable())
        if state.ring.previous is not None and self._erase_at is None:
            self._erase_at = now.instant + ERASURE_DELAY


def path_id(path: str) -> bytes:
    """Return the 8 bytes that name a path in its probes: they bind a reply to the path it was asked on."""
    return hashlib.sha256(path.encode()).digest()[:PATH_ID_BYTES]
