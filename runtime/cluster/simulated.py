"""A transport in virtual time: hosts that are slow, cut off from each other, frozen or killed, by one seed.

A :class:`Fabric` connects hosts of one event loop. A batch takes a drawn time there, and the word that it
was handled takes a drawn time back. Whatever may become of a call on a real cluster may become of one here:

- the host is not there, or a partition lies between: the call fails after a while, or hangs;
- it arrived and the word of it is lost: the call fails all the same;
- a host is frozen: what it sends and what arrives waits until it thaws, however late;
- the process of the host was replaced: what was on its way reaches the new one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

from runtime.cluster.transport import Inbox
from runtime.errors import HostUnreachable

#: How many batches may be on their way, those to frozen hosts included.
MAX_IN_FLIGHT: Final = 100_000


@dataclass(frozen=True, slots=True)
class FabricWeather:
    """How batches travel."""

    #: The longest way, in seconds. Each is drawn evenly.
    longest_delay: float = 0.005
    #: The share of calls that fail although the batch arrived, and that fail before it did.
    word_lost: float = 0.0
    lost: float = 0.0
    #: A call to where nobody is fails after so long, in seconds.
    unreachable_after: float = 0.1
    #: The share of such calls that hang.
    hangs: float = 0.0


class Fabric:
    """What connects the hosts."""

    def __init__(self, random: Random, weather: FabricWeather | None = None) -> None:
        """Draw everything from ``random``."""
        self.random = random
        self.weather = weather if weather is not None else FabricWeather()
        #: Batches that were handed to an inbox.
        self.delivered = 0
        self._attached: dict[str, SimulatedTransport] = {}
        self._incarnations: dict[str, int] = {}
        self._cut: set[frozenset[str]] = set()
        self._deaf: set[tuple[str, str]] = set()
        self._frozen: dict[str, asyncio.Event] = {}
        self._in_flight: set[asyncio.Future[bool]] = set()

    def attach(self, host: str) -> SimulatedTransport:
        """Start a process of a host; it takes the place of the one that is there."""
        self._incarnations[host] = self._incarnations.get(host, 0) + 1
        transport = self._attached[host] = SimulatedTransport(self, host, self._incarnations[host])
        return transport

    def detach(self, transport: SimulatedTransport) -> None:
        """End a process: it neither hears nor speaks any more."""
        if self._attached.get(transport.host) is transport:
            del self._attached[transport.host]

    def reattach(self, transport: SimulatedTransport) -> None:
        """Let a process that was detached be there again, in the place of the one that is there."""
        self._attached[transport.host] = transport

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two hosts."""
        self._cut.add(frozenset({one, other}))

    def deafen(self, host: str, to: str) -> None:
        """Let ``host`` hear nothing of ``to``, which hears it."""
        self._deaf.add((host, to))

    def mend(self) -> None:
        """Let everything pass, and thaw every host."""
        self._cut.clear()
        self._deaf.clear()
        for host in tuple(self._frozen):
            self.thaw(host)

    def freeze(self, host: str) -> None:
        """Let what arrives at a host wait, and what it sends."""
        self._frozen.setdefault(host, asyncio.Event())

    def thaw(self, host: str) -> None:
        """Let a host handle what has come meanwhile."""
        event = self._frozen.pop(host, None)
        if event is not None:
            event.set()

    async def carry(self, source: SimulatedTransport, host: str, batch: bytes) -> bool:
        """See :meth:`runtime.cluster.transport.Transport.send`."""
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise HostUnreachable(host, "too much is on its way")
        # A call that is given up goes on, as a real one does.
        call = asyncio.ensure_future(self._carry(source, host, batch))
        self._in_flight.add(call)
        call.add_done_callback(self._ended)
        return await asyncio.shield(call)

    async def _carry(self, source: SimulatedTransport, host: str, batch: bytes) -> bool:
        draw, weather = self.random.random, self.weather
        there, back, fate, hang = draw(), draw(), draw(), draw()
        await asyncio.sleep(there * weather.longest_delay)
        while frozen := self._frozen.get(host) or self._frozen.get(source.host):
            await frozen.wait()
        target = self._attached.get(host)
        if fate < weather.lost or target is None or target.inbox is None or self._between(source.host, host):
            if hang < weather.hangs:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(weather.unreachable_after)
            raise HostUnreachable(host, "nobody there")
        self.delivered += 1
        taken = target.inbox(batch)
        await asyncio.sleep(back * weather.longest_delay)
        if fate < weather.lost + weather.word_lost or self._between(host, source.host):
            raise HostUnreachable(host, "no word of it")
        return taken

    def _ended(self, call: asyncio.Future[bool]) -> None:
        self._in_flight.discard(call)
        if not call.cancelled():
            call.exception()  # Whoever sent the batch may have given it up.

    def _between(self, source: str, host: str) -> bool:
        return frozenset({source, host}) in self._cut or (host, source) in self._deaf


class SimulatedTransport:
    """The transport of one process."""

    def __init__(self, fabric: Fabric, host: str, incarnation: int) -> None:
        """Be process number ``incarnation`` of ``host``; made by :meth:`Fabric.attach`."""
        self.host = host
        self.incarnation = incarnation
        #: Where batches go; ``None`` before the process listens, and after its end.
        self.inbox: Inbox | None = None
        self._fabric = fabric

    def listen(self, inbox: Inbox) -> None:
        """See :meth:`runtime.cluster.transport.Transport.listen`."""
        self.inbox = inbox

    async def send(self, host: str, batch: bytes) -> bool:
        """See :meth:`runtime.cluster.transport.Transport.send`."""
        return await self._fabric.carry(self, host, batch)

    async def close(self) -> None:
        """See :meth:`runtime.cluster.transport.Transport.close`."""
        self.abandon()

    def abandon(self) -> None:
        """Close, at once."""
        self.inbox = None
        self._fabric.detach(self)
