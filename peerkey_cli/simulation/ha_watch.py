"""Sees both nodes of every HA pair, their stores and what their links send: ha.md, section 4, from outside.

What is checked, with the number that the sentence has there:

- **1. No copy goes back, none is lost, none is made up** (:mod:`peerkey_cli.simulation.ha_copies`). An
  ACK or an INVENTORY leaves when what it names is durable, and not before.
- **2. What a node seals with its mate holds**, or an alarm says that it does not. A key that succeeds another
  while there is a link is held by the mate at that moment, unless it has been waited for to the end.
- **3. No key crosses the link** in the clear.
- **5. Terms** never go back, are stored before they are used, and nobody's are another's.
- **6. Takeover** within the lease, given back with the greeting, and never one key for two who seal.
- **7. The turn to rekey** is decided once under each term and number, and is never both nodes'.

That everything is in step again in the end (4) is compared with the model
(:func:`peerkey_cli.simulation.model.pair_differences`) and by :meth:`HaWatch.differences`. Nothing here is
taken from the machines' own books but what they show: the role, the state of the link, the alarms.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.desk import is_peering, record_name
from actors.ha.link import HaSyncLink
from actors.ha.records import mate_owner
from actors.ha.transport import ChannelData
from actors.router_node import RouterNode, store_owner
from peerkey.errors import Malformed
from peerkey.ha.messages import (
    Ack,
    Beat,
    Frames,
    Inventory,
    Message,
    Record,
    Role,
    UnsupportedVersion,
    read_untrusted,
)
from peerkey.ha.takeover import TakeoverState, seal_key, sealing
from peerkey.ha.turns import RECORD, decode_said_untrusted
from peerkey.protocol.state import decode_state
from peerkey.testing.observer import WAIT_TIME
from peerkey_cli.simulation.ha_copies import RecordCopies

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.config.plan import Endpoint
    from peerkey.protocol.keyring import PeerKey
    from peerkey.secret import Secret
    from peerkey_cli.simulation.fleet import Site
    from runtime.store.port import Record as StoredRecord

#: "within the lease", said once more, and what acting on it may take: the number is not the machines'.
_SILENCE: Final = timedelta(seconds=2) + timedelta(seconds=1)
#: What a node is told by its link, and shows, may be so much behind: it lies in a mailbox.
_TOLD_WITHIN: Final = timedelta(milliseconds=200)
#: A key that is due waits for the mate as long as it has waited for the peer, by clocks that differ.
_WAITED_FOR_BOTH: Final = timedelta(seconds=60) - timedelta(milliseconds=50)
#: Keys that are looked for in frames: all that the rings hold, and some that they held before.
_SOUGHT_KEYS: Final = 24

_COPY: Final = "copy:"
_TERM: Final = "term"


@dataclass(slots=True)
class Half:
    """One node of a pair: its records, and the copies of them that its mate holds."""

    site: Site
    mate: Site
    records: RecordCopies
    #: The key in use in each record, as it is stored.
    current: dict[str, PeerKey | None] = field(default_factory=dict)
    #: The last term that is stored.
    term: int = 0
    #: The link that is alive, its name, when it was last given anything, and since when it is up.
    link: HaSyncLink | None = None
    link_name: str = ""
    given_at: timedelta = timedelta(0)
    up_since: timedelta | None = None

    @property
    def name(self) -> str:
        """Return the name of the node."""
        return self.site.name

    @property
    def turn_is_its_own(self) -> bool:
        """Whether the node's link, if it is alive, says that the node may rekey."""
        system, link = self.site.system, self.link
        alive = link is not None and system is not None and system.instance(self.link_name) is link
        return alive and link is not None and link.machine.turns.ours


class HaWatch:
    """See the module."""

    def __init__(self, fail: Callable[[str, str], object], note: Callable[[str, str], object]) -> None:
        """Tell ``fail`` of what must not be, and ``note`` of what is sent, each with the node concerned."""
        self._fail, self._note = fail, note
        self._halves: dict[str, Half] = {}
        self._by_end: dict[Endpoint, Half] = {}
        self._loop = asyncio.get_running_loop()
        #: Who leads, or led, under each term of a pair, by the name of its first node.
        self._leaders: dict[tuple[str, int], str] = {}
        #: Who has decided what about the turn to rekey of a pair, under each term and number.
        self._decisions: dict[tuple[str, int, int], tuple[str, bytes]] = {}
        #: Who seals with each key: the peer key, the node, and its epoch.
        self._sealers: dict[bytes, tuple[bytes, UUID, int]] = {}
        self._known: set[tuple[bytes, UUID, int]] = set()
        self._secrets: deque[Secret] = deque(maxlen=_SOUGHT_KEYS)

    def over(self, one: Site, other: Site) -> None:
        """Watch a pair."""
        for site, mate in ((one, other), (other, one)):
            records = RecordCopies(site.name, partial(self._fail, mate.name))
            half = self._halves[site.name] = Half(site, mate, records)
            if site.base.ha is not None:
                self._by_end[site.base.ha.local] = half

    # --- what is told -----------------------------------------------------------------------------

    def durable(self, site: Site, owner: str, names: tuple[str, ...]) -> None:
        """See records become durable at a node: its own, or copies and the term."""
        half = self._halves.get(site.name)
        if half is None:
            return
        if owner == store_owner(site.uuid):
            for name in names:
                if is_peering(name):
                    self._written(half, name, site.durable(owner, name))
                elif name == RECORD:
                    self._decided(half, site.durable(owner, name))
        elif owner == mate_owner(half.mate.uuid):
            there = self._mate(half)
            for name in names:
                found = site.durable(owner, name)
                if name == _TERM:
                    self._term_stored(half, 0 if found is None else int.from_bytes(found[1], "big"))
                elif name.startswith(_COPY):
                    there.records.copied(name.removeprefix(_COPY), None if found is None else found[1])
        self._used(half)
        self._used(self._mate(half))

    def store_lost(self, site: Site) -> None:
        """See a node lose all that it had: its records, its copies and its term."""
        half = self._halves.get(site.name)
        if half is None:
            return
        half.records.lost()
        half.term = 0
        mate = self._mate(half)
        mate.records.copies_lost()
        # What nobody remembers any more may be decided again.
        pair, term = min(half.name, mate.name), mate.term
        for made in [made for made in self._decisions if made[0] == pair and made[1] > term]:
            del self._decisions[made]

    def sent(self, sender: Endpoint, channel: int, data: bytes) -> None:
        """See a frame that a node sends to its mate."""
        half = self._by_end.get(sender)
        if half is None:
            return
        if any(secret.reveal() in data for secret in self._secrets):
            self._fail(half.site.name, "3: a key crosses the HA link in the clear")
        for message in _read(data):
            if not isinstance(message, Beat):
                self._note(half.name, f"{_in_words(message)} to {half.mate.name} ({channel})")
            if isinstance(message, Record):
                half.records.sent(channel, message)
            elif isinstance(message, Ack):
                self._mate(half).records.acknowledged(channel, message.number)
            elif isinstance(message, Inventory):
                self._mate(half).records.listed(message)

    def handed(self, site: Site, receiver: str, message: object) -> None:
        """See a link being given what its mate has sent."""
        half = self._halves.get(site.name)
        if half is not None and isinstance(message, ChannelData) and site.is_newest(receiver):
            half.given_at = self._now()

    def turn(self, site: Site, name: str) -> None:
        """See that an actor of a node has had its turn."""
        half = self._halves.get(site.name)
        if half is None:
            return
        actor = None if site.system is None else site.system.instance(name)
        if isinstance(actor, HaSyncLink) and actor.begun and site.is_newest(name):
            self._look_at_link(half, actor, name)
        if isinstance(actor, HaSyncLink | RouterNode):
            self._used(half)
        for each in (half, self._mate(half)):
            self._silent(each)

    def succeeded(self, node: str, peer: UUID, key_id: bytes, waited: timedelta) -> None:
        """See a key take the place of another, so long after it was accepted: "once its mate has it".

        What is used at once does not wait for the mate, nor does what has been waited for to the end.
        """
        half = self._halves.get(node)
        if half is None or half.up_since is None or not WAIT_TIME <= waited < _WAITED_FOR_BOTH:
            return
        if self._now() - half.up_since >= _TOLD_WITHIN and not half.records.has(record_name(peer), key_id):
            self._fail(
                node, f"2: a key is in use before {half.mate.name}, to which there is a link, holds it"
            )

    # --- in the end -------------------------------------------------------------------------------

    def differences(self) -> Iterator[tuple[str, str]]:
        """Compare what each node holds of the other with what the other has. Yields node and difference."""
        for half in self._halves.values():
            for name in half.records.differences():
                yield half.mate.name, f"the copy of {half.name}'s {name} is not the record"

    # --- 1 and 2: records, and keys in use --------------------------------------------------------

    def _written(self, half: Half, name: str, found: tuple[StoredRecord, bytes] | None) -> None:
        """Take note of a state of a record that has become durable at its owner."""
        half.records.written(name, found)
        half.current[name] = None
        if found is not None:
            ring = decode_state(found[1]).ring
            half.current[name] = ring.current
            self._secrets.extend(key.peer_key for _, key in ring if key.peer_key not in self._secrets)

    def _used(self, half: Half) -> None:
        """See which keys a node seals with: its mate holds them, or there is an alarm."""
        actor = half.site.actor
        if actor is None:
            return
        told = half.up_since is not None and self._now() - half.up_since >= _TOLD_WITHIN
        for name, key in half.current.items():
            if key is None:
                continue
            self._seals(half, key)
            if not half.records.has(name, key.key_id) and told and actor.mate_holds(name, key.key_id):
                self._fail(
                    half.name, f"2: {half.mate.name} does not hold key {key.index}, and no alarm says so"
                )

    def _decided(self, half: Half, found: tuple[StoredRecord, bytes] | None) -> None:
        """Take note of a node's half of the router's record that has become durable."""
        half.records.written(RECORD, found)
        decision = None if found is None else decode_said_untrusted(found[1]).decision
        if decision is None:
            return
        made = (half.name, decision.holder)
        at = (min(half.name, half.mate.name), decision.term, decision.number)
        if self._decisions.setdefault(at, made) != made:
            self._fail(half.name, f"7: decision {decision[:2]} about the turn to rekey was made twice")

    # --- 5 and 6: who leads, and whose keys are whose ---------------------------------------------

    def _term_stored(self, half: Half, term: int) -> None:
        if term < half.term:
            self._fail(half.name, f"5: the term went back from {half.term} to {term}")
        half.term = term

    def _look_at_link(self, half: Half, link: HaSyncLink, name: str) -> None:
        now, machine = self._now(), link.machine
        if half.link is not link:
            half.link, half.link_name, half.given_at = link, name, now
            half.up_since = None
        half.up_since = (half.up_since or now) if machine.link.up else None
        other = self._mate(half)
        if machine.turns.ours and other.turn_is_its_own:
            self._fail(half.name, f"7: the turn to rekey is this node's and that of {other.name}")
        taken = machine.takeover.state is TakeoverState.TAKEN_OVER
        if machine.link.up and taken:
            self._fail(half.name, f"6: {half.mate.name} has greeted, and its keys are not given back")
        for ring in machine.rings.values() if taken else ():
            key = sealing(ring)
            if key is not None:
                self._seals(half, key)
        leadership = machine.leadership
        if leadership.role is Role.LEADER:
            if leadership.term > half.term:
                self._fail(half.name, f"5: it leads under term {leadership.term}, which is not stored")
            pair = min(half.name, half.mate.name)
            if self._leaders.setdefault((pair, leadership.term), half.name) != half.name:
                self._fail(half.name, f"5: two nodes lead under term {leadership.term}")

    def _silent(self, half: Half) -> None:
        """See that nobody waits for a silent mate longer than the lease."""
        system, link = half.site.system, half.link
        if link is None:
            return
        if system is None or system.instance(half.link_name) is not link:
            half.link = half.up_since = None
            return
        machine = link.machine
        silent = self._now() - half.given_at
        if silent > _SILENCE and machine.rings and machine.takeover.state is not TakeoverState.TAKEN_OVER:
            self._fail(half.name, f"6: {half.mate.name} has been silent for {silent}, and is not taken over")

    def _seals(self, half: Half, key: PeerKey) -> None:
        """See a node seal with a key: under its own UUID and epoch, which are nobody else's."""
        who = (key.key_id, half.site.uuid, half.site.epoch)
        if who in self._known:
            return
        self._known.add(who)
        sealed_with = seal_key(key, half.site.uuid.bytes, half.site.epoch).reveal()
        if self._sealers.setdefault(sealed_with, who) != who:
            self._fail(half.name, "6: two that seal have one key")

    # --- inside -----------------------------------------------------------------------------------

    def _mate(self, half: Half) -> Half:
        return self._halves[half.mate.name]

    def _now(self) -> timedelta:
        return timedelta(seconds=self._loop.time())


def _read(data: bytes) -> Iterator[Message]:
    """Yield the frames in what was sent; a test may send what is none."""
    with suppress(Malformed, UnsupportedVersion):
        for frame in Frames().feed(data):
            yield read_untrusted(frame)


def _in_words(message: Message) -> str:
    """Return what a frame is, for a trace: names and numbers, and no keys."""
    match message:
        case Record(number, name, version, deleted):
            what = "deleted" if deleted else f"version {version.number}, epoch {version.epoch}"
            return f"RECORD {number}: {name}: {what}"
        case Ack(number):
            return f"ACK {number}"
        case Inventory(entries):
            return f"INVENTORY of {len(entries)}"
        case _:
            return type(message).__name__.upper()
