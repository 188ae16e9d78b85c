"""The steps of a demonstration of an HA pair, each with what must have happened before the next.

Two node processes of one router, linked by SSH, and their peers key themselves; each node comes to hold the
other's keys. The one that leads is killed with SIGKILL. Its mate takes its keys over: it holds the very keys
that the peers seal with, no peer rekeys, and no path of the mate's own changes. Then an operator orders a new
key between the mate and one peer. The dead node is started again, learns what it missed and takes its
peerings back, with the keys that they had.

Whatever is told was read from the admin APIs of the processes; what does not hold is a :exc:`DemoFailed`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from peerkey_cli.demo.failed import DemoFailed
from peerkey_cli.demo.pair_authority import PAIR
from peerkey_cli.demo.pair_facts import (
    Pair,
    accepted_keys,
    in_step,
    keys_in_use,
    not_held,
    path_changes,
    paths_in_service,
    rekeyed,
    sealed_to,
    settled,
    standing,
)
from peerkey_cli.demo.processes import NodeProcess
from peerkey_cli.errors import Unreachable
from peerkey_cli.schemas import Event, Events, Ha, HaNodes, KeyStatus, PeersSecurity, Rekeyed, RekeyRequest

if TYPE_CHECKING:
    from datetime import datetime

    from peerkey_cli.demo.display import Display
    from peerkey_cli.demo.pair_authority import PairAuthority
    from peerkey_cli.schemas import PeerSecurity

T = TypeVar("T")

LEADER: Final = "Active Leader"
FOLLOWER: Final = "Redundant Peer"
#: "peerkey run exposes the takeover to data planes within 3 s of the death"
TAKEOVER_WITHIN: Final = timedelta(seconds=3)
_LOOK_EVERY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What the processes that answer say: every end of a peering, and how each node stands with its mate."""

    ends: tuple[PeerSecurity, ...]
    ha: dict[str, Ha]


@dataclass(frozen=True, slots=True)
class Death:
    """A node that was killed, and how everything was when it lived."""

    node: str
    survivor: str
    alive: datetime
    before: Look


def processes_of(authority: PairAuthority) -> dict[str, NodeProcess]:
    """Return the processes of a demonstration, none of them started: each node of the pair, and the peers."""
    nodes = {node: [node] for node in PAIR} | {"peers": list(authority.peers)}
    return {
        name: NodeProcess(name, authority.file, run, authority.state(name.rpartition("/")[2]))
        for name, run in nodes.items()
    }


class PairDemonstration:
    """One demonstration on an authority that has been laid out."""

    def __init__(
        self,
        authority: PairAuthority,
        processes: Mapping[str, NodeProcess],
        display: Display,
        timeout: timedelta,
    ) -> None:
        """Show ``authority`` at work, in its :func:`processes_of`.

        Everything must have happened ``timeout`` from now.
        """
        self._authority = authority
        self._processes = processes
        self._display = display
        self._end = time.monotonic() + timeout.total_seconds()
        #: Those that run at the moment.
        self._alive: set[str] = set()

    def run(self) -> KeyStatus:
        """Let it all happen; return the key status of the pair at the end.

        :raises DemoFailed: something has not happened in time, or is not so.
        """
        with ExitStack() as stack:
            for process in self._processes.values():
                stack.enter_context(process)
            stack.callback(self._stop_soon)
            for name in self._processes:
                self._start(name)
            death = self._kill(self._key())
            self._take_over(death)
            ordered = self._miss(death)
            self._return(death, ordered)
            status = [self._processes[node].client.get("security/key-status", KeyStatus) for node in PAIR]
        return KeyStatus(time=status[-1].time, nodes=tuple(node for each in status for node in each.nodes))

    # --- the steps --------------------------------------------------------------------------------

    def _key(self) -> Look:
        """Wait until every peering has a key, and each node holds all keys of the other."""
        peerings, records = self._authority.peerings, self._authority.branches
        paths = peerings * self._authority.paths

        def keyed(look: Look) -> Look | None:
            keys, served = len(keys_in_use(look.ends)), len(paths_in_service(look.ends))
            replicated = sum(each.replicated for each in look.ha.values() if each.link != "down")
            self._display.count("keyed", keys, peerings)
            self._display.count("paths in service", served, paths)
            self._display.count("key records at the other node", replicated, peerings)
            well = [in_step(each, records) for each in look.ha.values()] == [True, True]
            roles = {each.role for each in look.ha.values()}
            done = (keys, served, roles) == (peerings, paths, {LEADER, FOLLOWER})
            return look if done and well and settled(look.ends) else None

        look = self._until(keyed, "not every peering is keyed, with its keys at both nodes of the hub")
        self._tell_standing(look)
        return look

    def _kill(self, before: Look) -> Death:
        """Kill the node that leads."""
        dead = next(name for name, ha in before.ha.items() if ha.role == LEADER)
        (survivor,) = set(PAIR) - {dead}
        process = self._processes[dead]
        self._display.tell(f"Killing {dead}, which leads: SIGKILL to its process {process.pid}.")
        self._alive.discard(dead)
        return Death(dead, survivor, process.kill(), before)

    def _take_over(self, death: Death) -> None:
        """Wait for the takeover, and see that nobody else has noticed anything."""
        dead, survivor = death.node, death.survivor

        def taken(look: Look) -> Look | None:
            ha = look.ha.get(survivor)
            return look if ha is not None and ha.taken_over and ha.role == LEADER else None

        look = self._until(taken, f"{survivor} has not taken over the keys of {dead}")
        took = self._event(survivor, "ha.takeover", death.alive).time - death.alive
        if took > TAKEOVER_WITHIN:
            message = f"{survivor} took over {took.total_seconds():.2f} s after the death of {dead}"
            self._fail(f"{message}; {TAKEOVER_WITHIN.total_seconds():.0f} s are allowed")
        term = look.ha[survivor].term
        self._display.tell(
            f"{survivor} took over {took.total_seconds():.2f} s after the death, and leads under term {term}."
        )
        sealed = sealed_to(look.ends, dead)
        lacking = not_held(sealed, look.ha[survivor])
        if lacking or len(sealed) != self._authority.branches:
            what = _listed(lacking) or f"only {len(sealed)} peers seal with any"
            self._fail(f"keys of {dead} that peers seal with and {survivor} does not hold: {what}")
        for peer, key_id in sealed.items():
            self._display.tell(f"  {peer} seals to {dead} with key {key_id}, which {survivor} holds")
        self._see_nothing_changed(death, look, frozenset())

    def _miss(self, death: Death) -> Pair:
        """Agree upon a new key between the survivor and one peer, which the dead node misses."""
        peer = self._authority.peers[0]
        pair = frozenset((death.survivor, peer))
        before = accepted_keys(death.before.ends)[pair]
        self._display.tell(f"An operator orders a new key of {death.survivor} with {peer}.")
        client = self._processes[death.survivor].client
        client.post("rekey", Rekeyed, RekeyRequest(peer=peer))
        records = self._authority.branches

        def agreed(look: Look) -> Look | None:
            ha = look.ha.get(death.survivor)
            new = accepted_keys(look.ends).get(pair, before) - before
            return look if new and ha is not None and ha.replicated == records - 1 else None

        look = self._until(agreed, f"{death.survivor} and {peer} have not agreed upon a new key")
        self._tell_standing(look)
        return pair

    def _return(self, death: Death, ordered: Pair) -> None:
        """Start the dead node again, and see what it has and what it took."""
        dead, survivor, records = death.node, death.survivor, self._authority.branches
        self._display.tell(f"Starting {dead} again.")
        began = time.monotonic()
        self._start(dead)
        was = sealed_to(death.before.ends, dead)

        def back(look: Look) -> Look | None:
            well = [in_step(each, records) for each in look.ha.values()] == [True, True]
            agreed = keys_in_use(look.ends)
            same = {peer: agreed.get(frozenset((peer, dead))) for peer in was}
            others = {peer: key_id for peer, key_id in same.items() if key_id not in {None, was[peer]}}
            if others:
                self._fail(
                    f"the peerings of {dead} have other keys than before its death: {', '.join(others)}"
                )
            done = well and same == was and {each.role for each in look.ha.values()} == {LEADER, FOLLOWER}
            served = paths_in_service(death.before.ends) <= paths_in_service(look.ends)
            return look if done and served else None

        look = self._until(back, f"{dead} has not come back with its keys and its mate's")
        self._event(survivor, "ha.released", death.alive)
        took = time.monotonic() - began
        self._display.tell(f"{dead} was in step {took:.1f} s after its start: it has stored what it missed.")
        self._tell_standing(look)
        self._display.tell(f"{survivor} gave the keys back: every peering of {dead} has the key of before.")
        self._see_nothing_changed(death, look, frozenset({ordered}))

    # --- inside -----------------------------------------------------------------------------------

    def _see_nothing_changed(self, death: Death, look: Look, ordered: frozenset[Pair]) -> None:
        """See that since the death only what is ``ordered`` has rekeyed, and no path of the survivor changed.

        :raises DemoFailed: one has.
        """
        events = [event for name in self._alive for event in self._events(name, death.alive)]
        others = rekeyed(events) - ordered
        if others:
            pairs = ", ".join(" and ".join(sorted(pair)) for pair in others)
            self._fail(f"peerings have rekeyed after the death of {death.node}: {pairs}")
        changes = path_changes(events, death.survivor)
        paths = paths_in_service(death.before.ends, death.survivor)
        if changes or paths_in_service(look.ends, death.survivor) != paths:
            self._fail(
                f"paths of {death.survivor} have changed: {'; '.join(changes) or 'one is out of service'}"
            )
        but = "the one that was ordered" if ordered else "none"
        self._display.tell(f"  rekeys since the death: {but}")
        self._display.tell(f"  paths of {death.survivor} that changed: none of {len(paths)}")

    def _start(self, name: str) -> None:
        self._processes[name].start()
        self._alive.add(name)

    def _stop_soon(self) -> None:
        """Ask all to stop, before anybody waits for one of them."""
        for process in self._processes.values():
            process.stop_soon()

    def _tell_standing(self, look: Look) -> None:
        for ha in look.ha.values():
            self._display.tell(f"  {standing(ha)}")

    def _events(self, name: str, since: datetime) -> tuple[Event, ...]:
        client = self._processes[name].client
        return client.get("events", Events, since=since.isoformat()).events

    def _event(self, node: str, kind: str, since: datetime) -> Event:
        """Return the one event of this kind.

        :raises DemoFailed: there is none, or more than one.
        """
        found = [event for event in self._events(node, since) if event.type == kind]
        if len(found) != 1:
            self._fail(f"{node} has {len(found)} events {kind} since the death of its mate, not one")
        return found[0]

    def _look(self) -> Look:
        """Ask every process that should answer."""
        ends: list[PeerSecurity] = []
        ha: dict[str, Ha] = {}
        for name in self._processes:
            if name in self._alive:
                client = self._processes[name].client
                ends += client.get("peers/security", PeersSecurity).peers
                ha |= {each.node: each for each in client.get("ha", HaNodes).nodes}
        return Look(tuple(ends), ha)

    def _until(self, look: Callable[[Look], T | None], missing: str) -> T:
        """Look again and again until ``look`` returns something.

        :raises DemoFailed: the time is up, or a process has ended.
        """
        reason = ""
        while True:
            for name in self._alive:
                self._processes[name].check()
            try:
                seen = self._look()
            except Unreachable as fault:
                # A process that has just been started does not answer yet.
                reason = str(fault)
            else:
                found = look(seen)
                if found is not None:
                    return found
                reason = "; ".join(standing(ha) for ha in seen.ha.values())
            if time.monotonic() >= self._end:
                self._fail(f"{missing}; {reason}")
            time.sleep(_LOOK_EVERY_SECONDS)

    def _fail(self, missing: str) -> NoReturn:
        raise DemoFailed(missing)


def _listed(keys: Mapping[str, str]) -> str:
    return ", ".join(f"{peer} with {key_id}" for peer, key_id in keys.items())
