"""Somebody who sees both ends at once and knows what must always hold.

The invariants are those of protocol.md, section 5, numbered as there. No node could check them, because
none sees the other's keys; the observer sees what each end holds, has stored, sends and receives::

    observer = Observer()
    observer.leaves(node, frame, stored)    # for every frame, before it is handed to a path
    observer.on_the_wire(data)              # for every datagram
    observer.arrived(arrival)               # for every frame that a peering has dealt with
    observer.store_lost(node)               # when a test takes a node's memory away
    observer.restored(node)                 # when it gives the node the memory of a backup instead
    observer.see(now, one, other)           # after every step

Each raises :class:`Violation`, which names the invariant and what broke it. The observer never touches
the ends, and what it is shown are values (:class:`Sighting`, :class:`Arrival`), so that machines in
one process and a simulated fleet are watched alike. One observer watches one peering.

What an end *has* is what it has stored: between two steps its memory holds the same keys, which is
checked, and after a crash the stored ones are all there is. A node that starts again seals with its
stored ``next`` or else ``current``, so the peer must be able to open with that at any moment too.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias, assert_never, final

from peerkey.errors import Malformed
from peerkey.moment import Instant
from peerkey.protocol import effects, messages
from peerkey.protocol.constants import Kind
from peerkey.protocol.effects import Effect
from peerkey.protocol.frame import Frame
from peerkey.protocol.keyring import ACCEPTED, KeyRing, PeerKey
from peerkey.protocol.messages import (
    Role,
    decode_body_untrusted,
    decode_inner_untrusted,
    decode_signatures_untrusted,
)
from peerkey.protocol.path import PathState
from peerkey.protocol.phases import Phase
from peerkey.protocol.state import PeeringState, decode_state
from peerkey.secret import Secret

#: "A wait time of 30 seconds is added post key computation", and a replaced key opens for as long again.
#: It is said here once more: whoever watches the machines must not take the number from them.
WAIT_TIME: Final = timedelta(seconds=30)

#: A machine that is due at one instant more often than this is not getting anywhere.
_STEPS_AT_ONE_INSTANT: Final = 10_000

#: Keys that are looked for in datagrams: all that two rings can hold, and some that they held before.
_SOUGHT_KEYS: Final = 16

#: What two frames are told apart by; an encoding as a whole would be remembered for ever.
_FRAME_HASH_BYTES: Final = 16

#: States in which a path is not meant to do anything by itself.
_RESTING: Final = frozenset({PathState.DISABLED, PathState.DOWN})

#: What the peering's refusal of a frame may consist of: a counter, and an answer to whoever asked.
_HARMLESS: Final = (effects.Count, effects.SendOn)


class Violation(AssertionError):
    """An invariant of protocol.md section 5 does not hold."""

    def __init__(self, invariant: int, what: str) -> None:
        """Name the invariant and what broke it."""
        super().__init__(f"invariant {invariant}: {what}")
        self.invariant = invariant
        self.what = what


@dataclass(frozen=True, slots=True)
class Sighting:
    """One end at one instant."""

    name: str
    alive: bool
    #: What it holds in memory; ``None`` where it is not running, or is not settled.
    ring: KeyRing | None
    #: What its store holds; ``None`` where nothing was stored.
    stored: PeeringState | None
    phase: Phase
    #: When its peering, and each of its paths, has something to do.
    deadline: Instant | None
    paths: Mapping[str, tuple[PathState, Instant | None]]
    #: Whether it is configured for keys and has a certificate that it may use.
    wants_key: bool
    #: Whether it has seen a bad certificate, under ``fail-hard``, and no other has been accepted since.
    condemned: bool
    #: Whether all that it decided is stored: no write is under way, and nothing waits behind one.
    settled: bool = True
    #: Whether it had seen a bad certificate, under ``fail-hard``, when it removed the peering.
    removed_for_cause: bool = False
    #: Which of its incarnations this is.
    epoch: int = 0

    @property
    def keys(self) -> KeyRing:
        """The keys that it has for good."""
        return KeyRing() if self.stored is None else self.stored.ring

    @property
    def removed(self) -> bool:
        """Whether the peering is removed here."""
        return self.stored is not None and bool(self.stored.removed)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame that a peering has dealt with."""

    node: str
    frame: Frame
    #: The peering's record, phase and deadline before and after.
    before: tuple[bytes, Phase, Instant | None]
    after: tuple[bytes, Phase, Instant | None]
    wanted: tuple[Effect, ...]
    #: Which incarnation of the node has dealt with it.
    epoch: int = 0


#: What a frame may change once and not again: the keys, and whose certificate is in force.
_Held: TypeAlias = "tuple[tuple[object, ...], bytes]"


@dataclass(slots=True)
class _End:
    """What the observer remembers of one end."""

    keys: KeyRing = field(default_factory=KeyRing)
    #: Keys that it lost by fail-hard, removal or with its store: nobody can expect it to open with them.
    excused: set[bytes] = field(default_factory=set)
    #: When it last sealed with each key.
    sealed: dict[bytes, Instant] = field(default_factory=dict)
    #: Whether it was alive when it was last seen, and so has sealed with its current key until now.
    alive: bool = False
    #: Hashes of all frames that left it.
    frames: set[bytes] = field(default_factory=set)
    #: Hashes of frames that changed its keys, or put another certificate of the peer in force.
    used: set[bytes] = field(default_factory=set)
    #: Those of which the write may be under way, with the incarnation and what they led to: where that ends,
    #: or is replaced, before the write, nothing has changed.
    changing: list[tuple[int, bytes, _Held]] = field(default_factory=list)
    was_removed: bool = False
    #: It has said PEERING_REMOVED, which may arrive at any later time.
    said_farewell: bool = False
    #: It has said so since it had the keys, or has to: it erased a key that the peer goes on sealing with.
    took_leave: bool = False
    owes_farewell: bool = False
    epoch: int = 0
    #: The greatest index that it has proposed, answered or held.
    highest_index: int = 0
    #: The number of its latest announcement.
    announced: int = 0
    #: Keys of before it was restored from a backup: none of them may ever be seen there again.
    retired: set[bytes] = field(default_factory=set)
    lost_store: bool = False


@final
class Observer:
    """Watches the two ends of one peering."""

    def __init__(self, slack: timedelta = timedelta(0)) -> None:
        """Begin having seen nothing. ``slack`` is by how much the clocks of the ends may differ in 30 s."""
        self._erasure_delay = WAIT_TIME - slack
        self._ends: defaultdict[str, _End] = defaultdict(_End)
        #: Key material by key id, of every key that any end ever had.
        self._material: dict[bytes, tuple[int, tuple[Secret, ...]]] = {}
        #: The id of the key of each index that both ends came to have, since a store was lost last.
        self._ids: dict[int, bytes] = {}
        #: The latest of them: what no datagram may carry.
        self._sought: deque[tuple[int, tuple[Secret, ...]]] = deque(maxlen=_SOUGHT_KEYS)
        self._instant: Instant | None = None
        self._steps = 0
        self._seen: tuple[Sighting, Sighting] | None = None

    # --- what happens -----------------------------------------------------------------------------

    def store_lost(self, node: str) -> None:
        """Take note that a node's memory was taken from it."""
        end = self._end(node)
        end.lost_store = True
        self._seen = None
        end.used.clear()
        end.highest_index = end.announced = 0
        self._ids.clear()

    def restored(self, node: str) -> None:
        """Take note that a node is back from a backup: its keys are gone, and no number is forgotten."""
        end = self._end(node)
        end.lost_store = True
        end.retired |= set(self._material)
        self._seen = None

    def left(self, node: str, frame: Frame) -> None:
        """Take note of a frame of an incarnation that is not the newest: it is the node's, no more."""
        end = self._end(node)
        end.frames.add(_hash(frame))
        if frame.kind == Kind.PEERING_REMOVED:
            end.took_leave = True

    def leaves(self, node: str, frame: Frame, stored: PeeringState | None) -> None:
        """Check that what a frame presupposes was stored before it leaves (protocol.md, section 6)."""
        end, news = self._end(node), _hash(frame) not in self._end(node).frames
        if frame.kind == Kind.PROBE and not news:
            raise Violation(6, f"{node} sends a PROBE as it did before: nobody can tell it from a replay")
        self.left(node, frame)
        message = decode_body_untrusted(frame)
        if news:
            _note_index(node, end, message)
            _note_announcement(node, end, message)
        if isinstance(message, messages.Ack):
            return
        if stored is None:
            raise Violation(7, f"{node} sends {frame} and has stored nothing")
        ring = stored.ring
        match message:
            case messages.Certificate():
                presupposed = stored.announcement_number >= message.number
            case messages.KeyRequest():
                presupposed = (
                    stored.request_digest == frame.digest and stored.highest_index >= message.proposed_index
                )
            case messages.KeyResponse():
                presupposed = any(key.response_digest == frame.digest for _, key in ring)
            case messages.KeyConfirm():
                presupposed = any(
                    role is not Role.PENDING and key.response_digest == message.response_digest
                    for role, key in ring
                )
            case messages.KeyEstablished():
                presupposed = any(True for _ in ring.accepted())
            case messages.Probe():
                found = ring.find(message.key_index)
                sealing = ring.current
                presupposed = (
                    found is not None
                    and found[0] in ACCEPTED
                    and sealing is not None
                    and sealing.index == message.seals_with
                )
            case messages.PeeringRemoved():
                presupposed = not ring and bool(stored.removed)
                end.said_farewell = True
            case messages.Refusal():
                presupposed = stored.challenge == message.challenge
            case unreachable:
                assert_never(unreachable)
        if not presupposed:
            raise Violation(7, f"{node} sends {frame} before it has stored what that presupposes")

    def on_the_wire(self, data: bytes) -> None:
        """Check that a datagram shows no key to anybody."""
        for index, secrets in self._sought:
            if any(secret.reveal() in data for secret in secrets):
                raise Violation(2, f"a datagram carries key material of key {index}")

    def arrived(self, arrival: Arrival) -> None:
        """Check that a frame which the peer never sent, or which has had its effect, has none."""
        end = self._end(arrival.node)
        changed = arrival.before != arrival.after
        frame = _hash(arrival.frame)
        honest = any(frame in sender.frames for name, sender in self._ends.items() if name != arrival.node)
        if not honest:
            harmless = all(isinstance(effect, _HARMLESS) or _is_hint(effect) for effect in arrival.wanted)
            if changed or not harmless:
                detail = f"it asked for {arrival.wanted}" if not harmless else _difference(arrival)
                raise Violation(6, f"{arrival.frame} is not the peer's and changed {arrival.node}: {detail}")
        if arrival.before[0] == arrival.after[0]:
            return
        before, after = _held(decode_state(arrival.before[0])), _held(decode_state(arrival.after[0]))
        # The first certificate, also after a pin was released, takes the place of none.
        replaced = before[1] != after[1] and bool(before[1])
        if before[0] != after[0] or replaced:
            if frame in end.used:
                what = "certificate in force at" if replaced else "keys of"
                raise Violation(6, f"{arrival.frame} changed the {what} {arrival.node} a second time")
            end.changing.append((arrival.epoch, frame, after))

    # --- what is there ----------------------------------------------------------------------------

    def see(self, now: Instant, one: Sighting, other: Sighting) -> None:
        """Check everything that can be seen of both ends between two steps."""
        self._progresses(now)
        for seen in (one, other):
            self._note_sealed_until(now, self._end(seen.name))
            self._note_changes(seen)
        if self._seen == (one, other):
            self._note_sealing(now, one, other)
            return
        self._seen = (one, other)
        for seen, peer in ((one, other), (other, one)):
            self._memory_is_stored(seen)
            self._nothing_comes_back(seen)
            self._key_material_is_one(seen)
            self._changes_are_allowed(now, seen, peer)
        self._both_ends_agree(one, other)
        self._note_sealing(now, one, other)
        for seen, peer in ((one, other), (other, one)):
            self._peer_can_open(seen, peer)
            self._fail_hard_holds(seen)
            self._fail_hard_is_told(seen, peer)
            self._waits_with_a_deadline(seen)
        for seen in (one, other):
            end = self._end(seen.name)
            end.keys, end.was_removed, end.lost_store = seen.keys, seen.removed, False
            end.alive, end.epoch = seen.alive, seen.epoch
            # A pending key is stored before it is answered: of that, its KEY_RESPONSE tells.
            known = (key.index for role, key in seen.keys if role is not Role.PENDING)
            end.highest_index = max(end.highest_index, *known, 0)

    def _end(self, name: str) -> _End:
        return self._ends[name]

    def _progresses(self, now: Instant) -> None:
        self._steps = self._steps + 1 if now == self._instant else 0
        self._instant = now
        if self._steps > _STEPS_AT_ONE_INSTANT:
            raise Violation(4, f"a machine is due at {now} again and again and does nothing about it")

    def _memory_is_stored(self, seen: Sighting) -> None:
        """7: whatever a restart would not find again must not be there between two steps."""
        if seen.ring is not None and seen.ring != seen.keys:
            raise Violation(
                7, f"{seen.name} holds {_roles(seen.ring)} in memory and has stored {_roles(seen.keys)}"
            )

    def _nothing_comes_back(self, seen: Sighting) -> None:
        """8: "A backup that is restored brings no key ... back into use"."""
        retired = self._end(seen.name).retired
        for role, key in seen.keys:
            if key.key_id in retired:
                raise Violation(8, f"{seen.name} was restored and has {key} of before as {role}")

    def _key_material_is_one(self, seen: Sighting) -> None:
        """2, over time: a key id stands for one index and one set of bytes, wherever it is seen."""
        for role, key in seen.keys:
            material = (key.index, (key.peer_key, key.confirm_initiator, key.confirm_responder, key.probe))
            if key.key_id not in self._material:
                self._material[key.key_id] = material
                self._sought.append(material)
            elif self._material[key.key_id] != material:
                raise Violation(2, f"{seen.name} holds {key} with other bytes than were seen before")
            # Where requests cross, both ends may answer with one index, and neither key comes to anything.
            if role is not Role.PENDING and self._ids.setdefault(key.index, key.key_id) != key.key_id:
                raise Violation(2, f"{seen.name} holds {key}, and there was another key of that index")

    def _both_ends_agree(self, one: Sighting, other: Sighting) -> None:
        """2: "Both ends of an accepted key index hold the same bytes"."""
        for key in one.keys.accepted():
            found = other.keys.find(key.index)
            if found is not None and found[0] in ACCEPTED and found[1].peer_key != key.peer_key:
                raise Violation(2, f"{one.name} and {other.name} accepted different keys {key.index}")

    def _changes_are_allowed(self, now: Instant, seen: Sighting, peer: Sighting) -> None:
        """3: "never lost or replaced except by an accepted successor, fail-hard, or removal of the peer"."""
        end, peer_end = self._end(seen.name), self._end(peer.name)
        if (
            seen.removed
            and not end.was_removed
            and not (seen.condemned or seen.removed_for_cause or peer_end.said_farewell)
        ):
            raise Violation(3, f"{seen.name} removed the peering without a cause")
        ids = {key.key_id for _, key in seen.keys}
        gone = [(role, key) for role, key in end.keys if key.key_id not in ids]
        excused = end.lost_store or seen.removed
        if excused:
            end.excused |= {key.key_id for _, key in gone}
            return
        before, current = end.keys.current, seen.keys.current
        if before is not None:
            if current is None:
                raise Violation(3, f"{seen.name} lost its current key {before.index}")
            if current.key_id != before.key_id and current.index <= before.index:
                raise Violation(3, f"{seen.name} went from key {before.index} to key {current.index}")
        for role, key in gone:
            if role not in ACCEPTED:
                continue
            sealed = peer_end.sealed.get(key.key_id)
            if (
                sealed is not None
                and now - sealed < self._erasure_delay
                and key.key_id not in peer_end.excused
            ):
                ago = (now - sealed).total_seconds()
                raise Violation(1, f"{seen.name} erased {key} that {peer.name} sealed with {ago} s ago")

    def _note_changes(self, seen: Sighting) -> None:
        """Remember which frames have had their effect: their keys were stored while that life lasted."""
        end = self._end(seen.name)
        under_way, end.changing = end.changing, []
        held = _held(seen.stored)
        for change in under_way:
            epoch, frame, after = change
            same_life = seen.alive and epoch == seen.epoch
            if same_life and not seen.settled:
                end.changing.append(change)
            elif same_life or held == after:
                end.used.add(frame)

    def _note_sealed_until(self, now: Instant, end: _End) -> None:
        """Take note that an end has gone on sealing with the key it had, up to this moment."""
        if end.alive and end.keys.current is not None:
            end.sealed[end.keys.current.key_id] = now

    def _note_sealing(self, now: Instant, *ends: Sighting) -> None:
        for seen in ends:
            if seen.alive and seen.keys.current is not None:
                self._end(seen.name).sealed[seen.keys.current.key_id] = now

    def _peer_can_open(self, seen: Sighting, peer: Sighting) -> None:
        """1: "The key a node seals with is one its peer can open with"; also after either starts again."""
        peer_end = self._end(peer.name)
        openable = {key.key_id for _, key in peer.keys}
        for key in _sealing(seen.keys):
            if key.key_id not in openable and key.key_id not in peer_end.excused:
                raise Violation(
                    1, f"{seen.name} seals with {key}, and {peer.name} has only {_roles(peer.keys)}"
                )

    def _fail_hard_holds(self, seen: Sighting) -> None:
        """5: "After fail-hard no frame is sealed to a peer concerned"."""
        if seen.alive and seen.settled and seen.condemned and seen.keys:
            raise Violation(5, f"{seen.name} knows of a bad certificate and still has {_roles(seen.keys)}")
        if seen.removed and seen.keys.current is not None:
            raise Violation(5, f"{seen.name} removed the peering and seals with {seen.keys.current}")

    def _fail_hard_is_told(self, seen: Sighting, peer: Sighting) -> None:
        """1: a key may go by fail-hard "until this node has heard of it", so the peer has to be told.

        An incarnation that ends before it has told is excused: a farewell needs the key that is gone.
        """
        end = self._end(seen.name)
        same_life = seen.alive and end.alive and seen.epoch == end.epoch
        for_cause = seen.condemned or seen.removed_for_cause
        if not seen.removed:
            end.took_leave = end.owes_farewell = False
        elif not same_life:
            end.owes_farewell = False
        elif not end.was_removed and end.keys.current is not None and for_cause:
            end.owes_farewell = not self._end(peer.name).said_farewell
        if end.owes_farewell and seen.settled and not end.took_leave:
            raise Violation(1, f"{seen.name} erased its keys by fail-hard and does not tell {peer.name}")

    def _waits_with_a_deadline(self, seen: Sighting) -> None:
        """4: "every waiting machine has a deadline"."""
        if not seen.alive or not seen.wants_key:
            return
        if seen.phase is not Phase.IDLE and seen.deadline is None:
            raise Violation(4, f"{seen.name} is {seen.phase.name} and waits for ever")
        if seen.settled and seen.deadline is None and _is_rotating(seen.stored):
            raise Violation(4, f"{seen.name} has {_roles(seen.keys)}, and nothing is due")
        trying = [(state, due) for state, due in seen.paths.values() if state not in _RESTING]
        if any(state is PathState.INVALID and due is None for state, due in trying):
            raise Violation(4, f"{seen.name} has an invalid path that never tries again")
        lacking = seen.keys.current is None and not seen.condemned
        if lacking and trying and seen.deadline is None and all(due is None for _, due in trying):
            raise Violation(4, f"{seen.name} lacks a key and nothing is due")


def _sealing(keys: KeyRing) -> tuple[PeerKey, ...]:
    """Return what a node seals with: now, and should it start again now."""
    return tuple(key for key in (keys.current, keys.next) if key is not None)


def _note_index(node: str, end: _End, message: messages.Message) -> None:
    """2: an index is one key, so each that is proposed or answered is above all that its sender knows of."""
    match message:
        case messages.KeyRequest():
            index = message.proposed_index
        case messages.KeyResponse():
            index = decode_inner_untrusted(message.inner).key_index
        case _:
            return
    if index <= end.highest_index:
        raise Violation(2, f"{node} wants a key of index {index}, and knows of index {end.highest_index}")
    end.highest_index = index


def _note_announcement(node: str, end: _End, message: messages.Message) -> None:
    """8: the number of an announcement only grows, whatever is restored; an introduction repeats the last."""
    if not isinstance(message, messages.Certificate):
        return
    if message.number < end.announced:
        raise Violation(8, f"{node} announces itself as number {message.number}, after {end.announced}")
    end.announced = message.number


def _is_rotating(stored: PeeringState | None) -> bool:
    """Tell whether a key waits for its use, or one that nobody seals with any more for its end."""
    if stored is None:
        return False
    ring = stored.ring
    return ring.next is not None or (ring.previous is not None and not stored.peer_may_seal_with_previous)


def _roles(keys: KeyRing) -> str:
    return ", ".join(f"{role} {key.index}" for role, key in keys) or "no key"


def _held(state: PeeringState | None) -> _Held:
    if state is None:
        return (), b""
    return tuple(state.ring), b"" if state.peer is None else state.peer.fingerprint


def _hash(frame: Frame) -> bytes:
    """Return what tells a frame from every other.

    The second signature of a CERTIFICATE counts where a pin is replaced and nowhere else: with another one it
    is the same announcement, of which the first proves who made it.
    """
    if frame.kind == Kind.CERTIFICATE:
        # One whose signatures cannot be read is nobody's announcement.
        with suppress(Malformed):
            frame = frame.with_auth(decode_signatures_untrusted(frame.auth)[0])
    return hashlib.blake2b(frame.encode(), digest_size=_FRAME_HASH_BYTES).digest()


def _is_hint(effect: Effect) -> bool:
    """Tell whether an effect only tells an operator of something that nobody proved."""
    return isinstance(effect, effects.Emit) and effect.event.detail().get("told_by") == "hint"


def _difference(arrival: Arrival) -> str:
    names = ("record", "phase", "deadline")
    return ", ".join(
        name
        for name, before, after in zip(names, arrival.before, arrival.after, strict=True)
        if before != after
    )
