"""Somebody who sees both nodes of a pair, their stores and the channel, and knows what must always hold.

The invariants are those of docs/ha.md, section 4, numbered as there. The observer writes down every state
that a record ever had in its owner's store, and every key, and compares; it takes nothing from the
machines' own books.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from peerkey.ha.messages import Role
from peerkey.ha.records import decode_copy
from peerkey.ha.takeover import TakeoverState, seal_key, sealing
from peerkey.ha.turns import RECORD, Decision, decode_said_untrusted
from peerkey.protocol import schedule
from peerkey.protocol.state import decode_state

if TYPE_CHECKING:
    from tests.ha.world import Host, World

#: "within the lease", said once more: the number is not taken from the machines.
LEASE = timedelta(seconds=2)


class Violation(AssertionError):
    """An invariant of docs/ha.md, section 4, does not hold."""

    def __init__(self, invariant: int, what: str) -> None:
        super().__init__(f"invariant {invariant}: {what}")


class Observer:
    """Watches a pair."""

    def __init__(self) -> None:
        #: Of each owner's record: its states in order; ``None`` where it was deleted.
        self.history: dict[tuple[str, str], list[bytes | None]] = {}
        #: Of each copy: how far in that history it has come.
        self.reached: dict[tuple[str, str], int] = {}
        self.secrets: set[bytes] = set()
        #: Keys whose copies went with a store: their owner cannot say so before it has heard of that.
        self.excused: set[tuple[str, bytes]] = set()
        self.terms: dict[str, int] = {}
        self.leaders: dict[int, str] = {}
        self.sealers: dict[bytes, tuple[bytes, bytes, int]] = {}
        #: Of each decision about the router's turn, by term and number: what was decided, and who by.
        self.decisions: dict[tuple[int, int], tuple[bytes, str]] = {}
        #: The newest decision that each disk has known: own or copied.
        self.newest: dict[str, Decision] = {}
        #: Who may yet drop the copy of a store that was lost, with the decision in it.
        self.may_forget: set[str] = set()

    # --- what happens ---------------------------------------------------------------------------------

    def wrote(self, host: Host, name: str, content: bytes | None) -> None:
        """Take note of a state that has become durable at its owner."""
        self.history.setdefault((host.name, name), []).append(content)
        if content is not None:
            self.secrets.update(each.peer_key.reveal() for _, each in decode_state(content).ring)

    def store_lost(self, host: Host, mate: Host) -> None:
        """Take note that a node lost all that it had: its records, its copies and its term."""
        for (owner, _), states in self.history.items():
            if owner == host.name:
                states.append(None)
        for owner, name in list(self.reached):
            if owner != host.name:
                del self.reached[owner, name]
        self.terms.pop(host.name, None)
        self.newest.pop(host.name, None)
        self.may_forget.add(mate.name)
        # What nobody remembers any more may be decided again.
        self.leaders = {term: name for term, name in self.leaders.items() if term <= mate.disk.term}
        self.decisions = {at: made for at, made in self.decisions.items() if at[0] <= mate.disk.term}
        for name, peering in mate.peerings.items():
            self.excused.update((name, each.key_id) for _, each in peering.ring)

    def decided(self, host: Host, content: bytes) -> None:
        """Take note of what has become durable of the router's turn, at whoever decided it."""
        self.history.setdefault((host.name, RECORD), []).append(content)
        decision = decode_said_untrusted(content).decision
        if decision is None:
            return
        made = (decision.holder, host.name)
        if self.decisions.setdefault(decision[:2], made) != made:
            raise Violation(7, f"decision {decision[:2]} was made twice")
        if host.alive and decision.term > host.disk.term:
            raise Violation(7, f"{host.name} has decided under a term that it has not stored")

    def on_the_wire(self, data: bytes) -> None:
        """Check what leaves by the channel."""
        if any(secret in data for secret in self.secrets):
            raise Violation(3, "a key crosses the link in the clear")

    def see(self, world: World) -> None:
        """Check everything that can be seen now."""
        self._turns(world)
        for host in world.hosts:
            mate = world.other(host)
            self._copies(host, mate)
            self._term(host)
            if host.alive:
                self._used_keys(host, mate)
                self._takeover(world, host)

    # --- what must hold -------------------------------------------------------------------------------

    def _copies(self, owner: Host, holder: Host) -> None:
        for name in {name for who, name in self.history if who == owner.name} | holder.disk.copies.keys():
            states = self.history.get((owner.name, name), [])
            before = self.reached.get((owner.name, name), -1)
            stored = holder.disk.copies.get(name)
            content = None if stored is None else _content(stored)
            if content is None and before == -1:
                continue
            if before >= 0 and states[before] == content:
                continue
            at = next((at for at in range(before + 1, len(states)) if states[at] == content), None)
            if at is None:
                went = "was lost" if content is None else "went back" if content in states else "was made up"
                raise Violation(1, f"the copy of {owner.name}'s {name} at {holder.name} {went}")
            self.reached[owner.name, name] = at

    def _used_keys(self, owner: Host, holder: Host) -> None:
        for name, peering in owner.peerings.items():
            current = peering.ring.current
            if current is None:
                continue
            stored = holder.disk.copies.get(name)
            if (stored is not None and current.key_id in _keys(stored)) or _told(owner, name):
                self.excused.discard((name, current.key_id))
            elif (name, current.key_id) not in self.excused:
                raise Violation(
                    2, f"{owner.name} seals to {name} with a key that {holder.name} does not hold"
                )
            who = (current.key_id, owner.config.local, owner.disk.epoch)
            if who not in self.sealers.values():
                self._seals(schedule.seal_key(current.peer_key, *who[1:]).reveal(), who)

    def _takeover(self, world: World, host: Host) -> None:
        machine = host.machine
        taken = machine.takeover.state is TakeoverState.TAKEN_OVER
        if taken != (host.taken_over is not None):
            raise Violation(6, f"{host.name} was not told whose keys are whose")
        silent = world.instant - machine.link.heard_at
        if silent > LEASE and machine.rings and not taken:
            raise Violation(6, f"{host.name} has not taken over after {silent}")
        for ring in (host.taken_over or {}).values():
            chosen = sealing(ring)
            if chosen is not None:
                who = (chosen.key_id, host.config.local, host.disk.epoch)
                if who not in self.sealers.values():
                    self._seals(seal_key(chosen, *who[1:]).reveal(), who)

    def _turns(self, world: World) -> None:
        """The router's record never goes back, and no two nodes have the turn."""
        for host in world.hosts:
            own = host.disk.own.get(RECORD)
            copy = host.disk.copies.get(RECORD)
            contents = [each for each in (own and own[1], copy and _content(copy)) if each]
            made = [said.decision for said in map(decode_said_untrusted, contents) if said.decision]
            newest, before = max(made, default=None), self.newest.get(host.name)
            if before is not None and (newest is None or newest < before):
                if host.name not in self.may_forget:
                    raise Violation(7, f"the turn of the router went back at {host.name}")
                self.may_forget.discard(host.name)
            if newest is None:
                self.newest.pop(host.name, None)
            else:
                self.newest[host.name] = newest
        if all(host.alive and host.machine.turns.ours for host in world.hosts):
            raise Violation(7, "it is the turn of both nodes")

    def _seals(self, key: bytes, who: tuple[bytes, bytes, int]) -> None:
        if self.sealers.setdefault(key, who) != who:
            raise Violation(6, "two that seal have one key")

    def _term(self, host: Host) -> None:
        if host.disk.term < self.terms.get(host.name, 0):
            raise Violation(5, f"the term of {host.name} went back")
        self.terms[host.name] = host.disk.term
        if host.alive and host.machine.leadership.role is Role.LEADER:
            term = host.machine.leadership.term
            if term > host.disk.term:
                raise Violation(5, f"{host.name} leads under a term that it has not stored")
            if self.leaders.setdefault(term, host.name) != host.name:
                raise Violation(5, f"two nodes lead under term {term}")


@lru_cache(maxsize=4096)
def _content(stored: bytes) -> bytes:
    return decode_copy(stored).content


@lru_cache(maxsize=4096)
def _keys(stored: bytes) -> frozenset[bytes]:
    return frozenset(each.key_id for _, each in decode_state(_content(stored)).ring)


def _told(owner: Host, name: str) -> bool:
    """Tell whether an operator is shown that a key in use is not at the mate."""
    return any(
        alarm.identity.startswith("ha-link:")
        or alarm.identity == f"ha-key-not-replicated:{owner.name}:{name}"
        for alarm in owner.alarms()
    )
