"""The steps of a demonstration, each with what must have happened before the next.

A fleet authenticates and keys itself; every key is rotated once. Then the CA revokes the certificate of one
router: its list arrives over HTTP, the alarm stands on both sides, and under fail-hard the router's peerings
are gone. It gets another certificate, which ends within seconds; its peers take that up without a restart,
and when it has ended the alarm stands on both sides again.
What does not happen in time is a :exc:`DemoFailed`, which says what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from peerkey.observe.events import CrlUpdated, PeerCertificateAccepted
from peerkey.protocol.constants import ACTIVATION_DELAY
from peerkey_cli.compose import composed
from peerkey_cli.daemon import measured
from peerkey_cli.demo.facts import Facts, alarmed, facts_of, without_peerings
from peerkey_cli.demo.failed import DemoFailed
from peerkey_cli.plans import PlansReader
from peerkey_cli.targets import reached_at
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from actors.journal import Entry
    from actors.messages import NodeStatus
    from peerkey_cli.demo.authority import DemoAuthority
    from peerkey_cli.demo.display import Display
    from peerkey_cli.demo.lists import ListServer
    from peerkey_cli.fleet import Fleet

T = TypeVar("T")
Nodes: TypeAlias = "tuple[NodeStatus, ...]"
Events: TypeAlias = "tuple[Entry, ...]"

#: How often the fleet is asked how far it is.
LOOK_EVERY: Final = timedelta(seconds=0.2)

#: A certificate that is about to end lives long enough for its peers to accept it first: a few times as
#: long as the fleet took from nothing to keys, and at least so long.
SHORTEST_LIFE: Final = timedelta(seconds=6)
_LIVES: Final = 3


class Demonstration:
    """One demonstration on an authority that has been laid out."""

    def __init__(
        self,
        authority: DemoAuthority,
        server: ListServer,
        display: Display,
        timeout: timedelta,
        *,
        fail_hard: bool,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        """Show ``authority`` at work; everything must have happened ``timeout`` from now.

        ``server`` serves its CA's list; ``fail_hard`` says what it is configured to do. Prometheus may ask at
        ``metrics``.
        """
        self._authority = authority
        self._server = server
        self._display = display
        self._fail_hard = fail_hard
        self._metrics = metrics
        self._end = monotonic() + timeout.total_seconds()

    async def run(self) -> tuple[NodeStatus, ...]:
        """Let it all happen; return the status of the fleet at the end.

        :raises DemoFailed: something has not happened in time.
        :raises Misconfigured: the system could not be started.
        """
        async with (
            composed(PlansReader(self._authority.file), self._authority.state) as composition,
            measured(replace(composition, scraped=reached_at(self._metrics)), self._metrics),
        ):
            running = composition
            began = monotonic()
            keyed = await self._key(running)
            took = timedelta(seconds=monotonic() - began)
            self._display.tell(f"Every peering was keyed {took.total_seconds():.1f} s after the start.")
            await self._rotate(running, keyed)
            await self._revoke(running)
            return await self._expire(running, took)

    async def _key(self, running: Fleet) -> Facts:
        """Wait until every peering has a key and every path is in service."""
        peerings = self._authority.peerings
        paths = peerings * self._authority.paths

        def keyed(fleet: Nodes, _: Events) -> Facts | None:
            facts = facts_of(fleet)
            self._display.count("authenticated", len(facts.authenticated), peerings)
            self._display.count("keyed", len(facts.current), peerings)
            self._display.count("paths in service", len(facts.in_service), paths)
            done = (len(facts.authenticated), len(facts.current), len(facts.in_service))
            return facts if done == (peerings, peerings, paths) else None

        return await self._until(running, keyed, "not every peering is authenticated, keyed and in service")

    async def _rotate(self, running: Fleet, before: Facts) -> None:
        """Agree upon a new key for every peering, and wait until all are in use."""
        seconds = ACTIVATION_DELAY.total_seconds()
        self._display.tell(
            f"Rotating every key. The old ones seal for {seconds:.0f} s more, so that no packet finds no key."
        )
        await running.rekey()
        peerings = self._authority.peerings
        agreed: list[float] = []

        def rotated(fleet: Nodes, _: Events) -> bool | None:
            facts = facts_of(fleet)
            renewed, in_use = facts.renewed(before.current), facts.rotated(before.current)
            self._display.count("new keys agreed", renewed, peerings)
            if renewed < peerings:
                return None
            agreed.append(monotonic())
            self._display.wait("until they are in use", agreed[-1] - agreed[0], seconds)
            self._display.count("rotated", in_use, peerings)
            return True if in_use == peerings else None

        await self._until(running, rotated, "not every key has been rotated")

    async def _revoke(self, running: Fleet) -> None:
        """Revoke the certificate of one router at its CA; wait for the list and for what follows from it."""
        authority, display = self._authority, self._display
        node = f"router{authority.routers}/node0"
        since = running.now()
        self._server.publish(await asyncio.to_thread(authority.revocation_list, 2, node))
        display.tell(f"The CA revokes the certificate of {node}. Every list is fetched again.")
        await running.fetch_lists()

        def arrived(_: Nodes, events: Events) -> CrlUpdated | None:
            return next(
                (
                    entry.event
                    for entry in events
                    if entry.time >= since
                    and isinstance(entry.event, CrlUpdated)
                    and entry.event.success
                    and entry.event.added_entries
                ),
                None,
            )

        update = await self._until(running, arrived, f"the list that names {node} has not arrived")
        display.tell(
            f"  {update.crl_url}: {update.size} bytes, {update.total_entries} revoked, "
            f"{update.added_entries} of them new"
        )

        def acted(fleet: Nodes, _: Events) -> str | None:
            who = alarmed(fleet, node, "revoked")
            gone = without_peerings(fleet, node) if self._fail_hard else frozenset[str]()
            display.count("nodes that know it is revoked", len(who), authority.routers)
            if self._fail_hard:
                display.count("peerings gone", len(gone), authority.routers - 1)
            done = len(who) == authority.routers
            if not done or (self._fail_hard and len(gone) < authority.routers - 1):
                return None
            return next(
                alarm.message for each in fleet for alarm in each.alarms if "revoked" in alarm.message
            )

        alarm = await self._until(running, acted, f"not every node has acted on the revocation of {node}")
        display.tell(f"  {alarm}")

    async def _expire(self, running: Fleet, took: timedelta) -> tuple[NodeStatus, ...]:
        """Give one router a certificate that ends at once, and wait for the alarms on both sides."""
        authority, display = self._authority, self._display
        node = f"router{authority.routers}/node0"
        life = max(SHORTEST_LIFE, took * _LIVES)
        since = running.now()
        ends = await asyncio.to_thread(authority.replace_certificate, node, life)
        display.tell(f"{node} gets another certificate, without a restart. It ends at {ends:%H:%M:%S} UTC.")
        await running.reload()
        others = authority.routers - 1

        def accepted(_: Nodes, events: Events) -> bool | None:
            peers = {
                entry.node
                for entry in events
                if entry.time >= since
                and isinstance(entry.event, PeerCertificateAccepted)
                and entry.event.peer == node
            }
            display.count("accepted by its peers", len(peers), others)
            return True if len(peers) == others else None

        await self._until(running, accepted, f"the new certificate of {node} was not accepted by every peer")

        def told(fleet: Nodes, _: Events) -> tuple[NodeStatus, ...] | None:
            now = running.now()
            display.wait(
                "until it expires", (now - since).total_seconds(), (ends - since).total_seconds() + 1
            )
            who = alarmed(fleet, node)
            display.count("nodes with the alarm", len(who), authority.routers)
            return fleet if len(who) == authority.routers else None

        return await self._until(running, told, f"not every node raised the alarm about {node}")

    async def _until(self, running: Fleet, look: Callable[[Nodes, Events], T | None], missing: str) -> T:
        """Look at the fleet and its latest events again and again until ``look`` returns something.

        :raises DemoFailed: the time is up.
        """
        fleet: tuple[NodeStatus, ...] = ()
        while True:
            # A node that is being restarted does not answer; it will.
            with suppress(RuntimeFault):
                fleet = await running.nodes()
                found = look(fleet, await running.events())
                if found is not None:
                    return found
            if monotonic() >= self._end:
                message = f"{missing}{_reasons(fleet)}"
                raise DemoFailed(message)
            await asyncio.sleep(LOOK_EVERY.total_seconds())


def _reasons(fleet: tuple[NodeStatus, ...]) -> str:
    """Return what the fleet itself says of its trouble."""
    facts = facts_of(fleet)
    reasons = [f"without a key: {', '.join(facts.without_key)}"] if facts.without_key else []
    return "".join(f"; {reason}" for reason in (*reasons, *facts.errors))
