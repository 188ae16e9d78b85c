"""Revocation lists in a simulated fleet: one CA that publishes them, and what each node has to follow them.

:class:`FleetLists` is what the fleet shares, :class:`SiteLists` what belongs to one node: its way to the
server, its disk's files, and, while a process runs, the ports of the CRL manager, which is production's.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from actors.crl.index import RevocationPorts
from actors.crl.ingesting import InlineIngester
from actors.crl.known import KnownRevocations
from actors.crl.messages import SourcePorts
from actors.crl.status import GetRevocation, RevocationStatus
from peerkey.config.plan import NodePlan, RevocationSource
from peerkey.pki.list_ingestion import CLOCK_TOLERANCE
from peerkey.testing.reproducible import numbered_key
from peerkey_cli.simulation.list_authority import ADDRESS, ListAuthority
from peerkey_cli.simulation.list_machine import ListDisk, ListServer
from peerkey_cli.simulation.list_watch import ListWatch
from runtime.backends.sim.machine import BEGINNING

if TYPE_CHECKING:
    from peerkey.protocol.core import Entropy
    from peerkey.testing.ca import TestCA
    from peerkey_cli.simulation.fleet import Site
    from peerkey_cli.simulation.list_authority import PublishedList
    from peerkey_cli.simulation.trace import Trace
    from peerkey_cli.simulation.watch import Watch

#: Where the configuration names no list: the shortest that it may say, so that hours are enough.
_POLLING: Final = timedelta(hours=1)
_BACKOFF: Final = timedelta(minutes=1)
#: The key of whoever forges lists; those of the CAs come before it.
_STRANGER: Final = 5


class FleetLists:
    """The CA as far as it publishes lists, and who watches what becomes of them."""

    def __init__(self, ca: TestCA, other: TestCA, trace: Trace, watch: Watch) -> None:
        """Publish for the CA that issues the nodes' certificates."""
        self.authority = ListAuthority(ca.intermediate, other.intermediate, numbered_key(_STRANGER))
        self.watch = ListWatch(self.authority, lambda node, what: watch.fail(0, what, node))
        self.trace = trace
        watch.follow(self.watch)

    def calm(self) -> None:
        """Let the CA publish again, and hold nothing."""
        self.authority.wake()
        self.authority.release_all()


class SiteLists:
    """What one node has to do with lists."""

    def __init__(self, lists: FleetLists, site: Site) -> None:
        """Have an empty disk, and a server that does what it should."""
        self._lists, self._site = lists, site
        self.disk = ListDisk(lambda: site.machine.disk)
        random = Random(site.machine.random.getrandbits(64))  # noqa: S311 - a simulation is to be repeated
        self.server = ListServer(lists.authority, random, self._given)
        lists.watch.over(site.name, self.disk, _polling(site.base), self.clock_right)

    def clock_right(self) -> bool:
        """Tell whether the machine's clock is not so wrong that a new list comes from its future."""
        now = BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())
        return abs(self._site.machine.oscillator.wall() - now) < CLOCK_TOLERANCE

    def begun(self, entropy: Entropy) -> RevocationPorts:
        """Return the ports of a process that begins."""
        known = KnownRevocations(self.disk)
        self._lists.watch.begun(self._site.name, known)
        return RevocationPorts(
            source=SourcePorts(self.server, self.disk, InlineIngester(), self._site.journal, entropy),
            known=known,
            read_file=self._site.read,
        )

    def ended(self, *, power: bool) -> None:
        """See the process end."""
        self.disk.crashed(power=power)
        self._lists.watch.ended(self._site.name)

    def lost(self) -> None:
        """See the disk being replaced by an empty one."""
        self.disk.lost()
        self._lists.watch.lost(self._site.name)

    def calm(self) -> None:
        """Let the server do what it should, and the machine's clock be right, as a time server keeps it."""
        self.server.calm()
        self.disk.spare()
        oscillator = self._site.machine.oscillator
        oscillator.offset += (
            BEGINNING + timedelta(seconds=asyncio.get_running_loop().time()) - oscillator.wall()
        )

    async def status(self) -> RevocationStatus | None:
        """Return what the node says of its lists; ``None`` where it does not answer."""
        answer = await self._site.ask(GetRevocation())
        return answer if isinstance(answer, RevocationStatus) else None

    def _given(self, published: PublishedList) -> None:
        self._lists.trace.note("list", self._site.name, f"is given list {published.number}")
        self._lists.watch.given(self._site.name, published)


def following(plan: NodePlan) -> NodePlan:
    """Return a plan that follows the simulated CA's list in the place of those that it names."""
    first = next(iter(plan.revocation), RevocationSource(ADDRESS, _POLLING, _BACKOFF))
    return replace(plan, revocation=(replace(first, url=ADDRESS),))


def _polling(plan: NodePlan) -> timedelta:
    return max((each.polling_interval for each in plan.revocation), default=_POLLING)
