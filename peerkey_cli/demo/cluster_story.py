"""The steps of a demonstration on a cluster, each with what must have happened before the next.

Routers on two hosts of a cluster, which are processes, key themselves. One host is killed with SIGKILL; Ray
starts it again, its routers read their keys back, and no peering rekeys. Every key is rotated once. Then
the CA revokes the certificate of one router: its list arrives over HTTP, and the alarm stands on both
sides.

Whatever is told was read from the admin API; what does not hold is a :exc:`DemoFailed`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from peerkey.protocol.constants import ACTIVATION_DELAY
from peerkey_cli.demo.failed import DemoFailed
from peerkey_cli.demo.pair_facts import (
    Pair,
    accepted_keys,
    keys_in_use,
    paths_in_service,
    rekeyed,
    settled,
)
from peerkey_cli.errors import Refused, Unreachable
from peerkey_cli.schemas import (
    Alarms,
    Certificates,
    Events,
    Hosts,
    PeersSecurity,
    Rekeyed,
    RekeyRequest,
    Reloaded,
)

if TYPE_CHECKING:
    from peerkey_cli.demo.authority import DemoAuthority
    from peerkey_cli.demo.display import Display
    from peerkey_cli.demo.lists import ListServer
    from peerkey_cli.demo.processes import NodeProcess
    from peerkey_cli.schemas import Host, PeerSecurity

T = TypeVar("T")

#: Processes that share the routers.
HOSTS: Final = 2
_LOOK_EVERY_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Look:
    """What the fleet says of itself: every end of a peering, and every host."""

    ends: tuple[PeerSecurity, ...]
    hosts: Hosts


class ClusterDemonstration:
    """One demonstration on an authority that has been laid out."""

    def __init__(
        self,
        authority: DemoAuthority,
        process: NodeProcess,
        server: ListServer,
        display: Display,
        timeout: timedelta,
    ) -> None:
        """Show ``authority`` at work, run by ``process``; ``server`` serves its CA's list.

        Everything must have happened ``timeout`` from now.
        """
        self._authority = authority
        self._process = process
        self._server = server
        self._display = display
        self._end = time.monotonic() + timeout.total_seconds()

    def run(self) -> PeersSecurity:
        """Let it all happen; return the state of every peering at the end.

        :raises DemoFailed: something has not happened in time, or is not so.
        """
        with self._process as process:
            process.start()
            before = self._key()
            self._kill(before)
            self._rotate()
            self._revoke()
            return process.client.get("peers/security", PeersSecurity)

    # --- the steps --------------------------------------------------------------------------------

    def _key(self) -> Look:
        """Wait until every host runs what it should, and every peering has a key."""
        peerings = self._authority.peerings
        paths = peerings * self._authority.paths

        def keyed(look: Look) -> Look | None:
            keys, served = len(keys_in_use(look.ends)), len(paths_in_service(look.ends))
            self._display.count("keyed", keys, peerings)
            self._display.count("paths in service", served, paths)
            done = (keys, served) == (peerings, paths) and settled(look.ends) and look.hosts.complete
            return look if done else None

        look = self._until(keyed, "not every peering is keyed, with every path in service")
        for host in look.hosts.hosts:
            self._display.tell(
                f"  host {host.host} on machine {host.machine}: {host.nodes} nodes, {_pid(host)}"
            )
        return look

    def _kill(self, before: Look) -> None:
        """Kill the host with most routers; wait until it is back with the keys that it had."""
        host = max(before.hosts.hosts, key=lambda each: each.nodes)
        keys, paths = keys_in_use(before.ends), paths_in_service(before.ends)
        alive, began = datetime.now(UTC), time.monotonic()
        self._display.tell(f"Killing host {host.host} with its {host.nodes} nodes: SIGKILL to {_pid(host)}.")
        os.kill(_number(host), signal.SIGKILL)

        def back(look: Look) -> Look | None:
            again = next((each for each in look.hosts.hosts if each.host == host.host), None)
            replaced = again is not None and again.process not in {None, host.process}
            self._see_no_other(keys, keys_in_use(look.ends))
            self._display.count("paths in service", len(paths_in_service(look.ends)), len(paths))
            whole = look.hosts.complete and keys_in_use(look.ends) == keys
            return look if replaced and whole and paths_in_service(look.ends) == paths else None

        look = self._until(back, f"host {host.host} has not come back with the keys of before")
        took = time.monotonic() - began
        again = next(each for each in look.hosts.hosts if each.host == host.host)
        self._display.tell(
            f"Ray started it again, {_pid(again)}: everything was as before after {took:.1f} s."
        )
        changed = rekeyed(self._process.client.get("events", Events, since=alive.isoformat()).events)
        if changed:
            self._fail(f"peerings have rekeyed after the death of {host.host}: {_listed(changed)}")
        self._display.tell(f"  rekeys since the death: none; keys lost: none of {len(keys)}")

    def _rotate(self) -> None:
        """Agree upon a new key for every peering, and wait until all are in use."""
        client, peerings = self._process.client, self._authority.peerings
        seconds = ACTIVATION_DELAY.total_seconds()
        before = keys_in_use(client.get("peers/security", PeersSecurity).peers)
        self._display.tell(
            f"Rotating every key. The old ones seal for {seconds:.0f} s more, so that no packet finds no key."
        )
        client.post("rekey", Rekeyed, RekeyRequest())
        agreed: list[float] = []

        def rotated(look: Look) -> Look | None:
            accepted, in_use = accepted_keys(look.ends), keys_in_use(look.ends)
            new = sum(bool(accepted.get(pair, frozenset()) - {key}) for pair, key in before.items())
            self._display.count("new keys agreed", new, peerings)
            if new < peerings:
                return None
            agreed.append(time.monotonic())
            self._display.wait("until they are in use", agreed[-1] - agreed[0], seconds)
            replaced = sum(in_use.get(pair, key) != key for pair, key in before.items())
            self._display.count("rotated", replaced, peerings)
            return look if replaced == peerings else None

        self._until(rotated, "not every key has been rotated")

    def _revoke(self) -> None:
        """Revoke the certificate of one router at its CA; wait until every node raises the alarm."""
        authority, client = self._authority, self._process.client
        node = f"router{authority.routers}/node0"
        self._server.publish(authority.revocation_list(2, node))
        self._display.tell(f"The CA revokes the certificate of {node}. Every list is fetched again.")
        client.post("reload", Reloaded)
        found: list[str] = []

        def alarmed(look: Look) -> bool | None:
            # One alarm stands for those of many nodes; each peering says for itself what it knows.
            own = client.get("certificates", Certificates).nodes
            who = {each.node for each in own if each.node == node and each.state == "revoked"}
            who |= {
                each.node for each in look.ends if each.peer == node and "revoked" in each.certificate_fault
            }
            self._display.count("nodes that know it is revoked", len(who), authority.routers)
            alarms = client.get("alarms", Alarms).alarms
            found[:] = [each.message for each in alarms if node in each.message and "revoked" in each.message]
            return True if len(who) == authority.routers and found else None

        self._until(alarmed, f"not every node has acted on the revocation of {node}")
        self._display.tell(f"  {found[0]}")

    # --- inside -----------------------------------------------------------------------------------

    def _see_no_other(self, before: dict[Pair, str], now: dict[Pair, str]) -> None:
        """See that no peering has another key than before.

        :raises DemoFailed: one has.
        """
        others = [pair for pair, key in now.items() if before.get(pair, key) != key]
        if others:
            self._fail(f"peerings have other keys than before: {_listed(others)}")

    def _until(self, look: Callable[[Look], T | None], missing: str) -> T:
        """Look at the fleet again and again until ``look`` returns something.

        :raises DemoFailed: the time is up, or the process has ended.
        """
        last = ""
        while True:
            self._process.check()
            try:
                client = self._process.client
                found = look(
                    Look(client.get("peers/security", PeersSecurity).peers, client.get("hosts", Hosts))
                )
                if found is not None:
                    return found
            except (Unreachable, Refused) as fault:
                last = f"; {fault}"
            if time.monotonic() >= self._end:
                self._fail(missing + last)
            time.sleep(_LOOK_EVERY_SECONDS)

    def _fail(self, message: str) -> NoReturn:
        raise DemoFailed(message)


def _pid(host: Host) -> str:
    return f"process {_number(host)}"


def _number(host: Host) -> int:
    """Return the process id of a host, which is after the name of its machine."""
    return int((host.process or "").rpartition(":")[2])


def _listed(pairs: Iterable[Pair]) -> str:
    return ", ".join(sorted(" and ".join(sorted(pair)) for pair in pairs))
