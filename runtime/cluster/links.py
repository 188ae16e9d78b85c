"""The links of one host, and where their effects happen: batches to the transport, deadlines to the timers.

What arrives, and what a parting ends, goes to whoever made this (:class:`runtime.cluster.host.Host`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from runtime.cluster.frames import Frame, Item
from runtime.cluster.link import Link
from runtime.cluster.linkage import (
    Deliver,
    Effect,
    Joined,
    LinkCounters,
    LinkState,
    LinkTimes,
    Parted,
    Transmit,
)
from runtime.cluster.transport import Transport
from runtime.crash import say
from runtime.errors import HostUnreachable

if TYPE_CHECKING:
    from runtime.system import ActorSystem
    from runtime.timers import Alarm

#: Hosts that one host speaks to. Each pair exchanges a sign of life a second.
MAX_HOSTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What one host knows of another."""

    name: str
    state: LinkState
    #: Which process of it; ``None`` unless it is there.
    incarnation: int | None
    #: Items that wait for it.
    waiting: int
    counters: LinkCounters


class Receiver(Protocol):
    """Who is told of what the links bring."""

    def handle(self, host: str, item: Item) -> None:
        """Take an item of another host. The items of one host come in order."""
        ...

    def parted(self, host: str, why: str, lost: tuple[Item, ...]) -> None:
        """Give up what was between the two hosts."""
        ...

    def changed(self, host: str, state: LinkState) -> None:
        """Learn that a host is there, has begun anew, or is gone."""
        ...


class Links:
    """See the module."""

    def __init__(
        self, system: ActorSystem, transport: Transport, times: LinkTimes, receiver: Receiver
    ) -> None:
        """Have no links yet."""
        self._system = system
        self._transport = transport
        self._times = times
        self._receiver = receiver
        self._links: dict[str, Link] = {}
        self._alarms: dict[str, tuple[timedelta, Alarm]] = {}
        self._sending: dict[str, set[asyncio.Task[None]]] = {}
        #: Links that have something to send; a dictionary for its order.
        self._eager: dict[str, None] = {}
        self._closed = False
        self._drained: asyncio.Future[None] | None = None

    def call(self, host: str) -> Link | None:
        """Return the link to a host; begin to call it if there is none yet and none too many."""
        link = self._links.get(host)
        if link is None and len(self._links) < MAX_HOSTS and not self._closed:
            link = Link(self._transport.host, self._transport.incarnation, host, self._now(), self._times)
            self._links[host] = link
            self._perform(link, link.tick(self._now()))
        return link

    def reachable(self, host: str) -> bool:
        """Return whether something can be sent to that host, for all that is known."""
        link = self.call(host)
        return link is not None and link.state is not LinkState.GONE

    def put(self, host: str, item: Item, *, owed: bool = False) -> bool:
        """Send an item with whatever else this turn of the loop brings; return whether there was room.

        What is owed to a host that is gone is owed no more.
        """
        link = self._links.get(host)
        if link is None or link.state is LinkState.GONE:
            return False
        if not link.put(item, owed=owed):
            return False
        if not self._eager:
            self._system.loop.call_soon(self._flush)
        self._eager[host] = None
        return True

    def receive(self, frame: Frame) -> bool:
        """Take a frame of another host, be it known or not; return whether it is taken care of."""
        link = self.call(frame.header.source)
        if link is None:
            return False
        taken, effects = link.receive(frame, self._now())
        self._perform(link, effects)
        return taken

    def infos(self) -> Iterator[HostInfo]:
        """Describe every host that was spoken to, in order of their names."""
        for name, link in sorted(self._links.items()):
            incarnation = None if link.joined_with is None else link.joined_with.incarnation
            yield HostInfo(name, link.state, incarnation, link.waiting, replace(link.counters))

    def forget(self, host: str) -> None:
        """Call a host no more, and give up what is between the two."""
        link = self._links.pop(host, None)
        if link is not None:
            self._perform(link, [link.close()])
            self._disarm(host)

    async def drain(self, within: timedelta) -> None:
        """Wait until all that could be sent is, or for so long."""
        self._flush()
        if not self._busy():
            return
        self._drained = self._system.loop.create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                await self._drained

    async def say_farewell(self, within: timedelta) -> None:
        """Tell every host that is there that this one leaves; it may take so long."""
        words = [
            self._system.run_task(self._transport.send(host, data), f"to {host}")
            for host, link in self._links.items()
            if (data := link.farewell()) is not None
        ]
        if words:
            said, _ = await asyncio.wait(words, timeout=within.total_seconds())
            for word in said:
                if not word.cancelled():
                    word.exception()  # A host that does not hear it will notice the silence.

    def close(self) -> None:
        """Give up every host, for good."""
        for host in tuple(self._links):
            self.forget(host)
        self._closed = True

    # --- effects --------------------------------------------------------------------------------

    def _now(self) -> timedelta:
        return self._system.clock.monotonic()

    def _flush(self) -> None:
        eager, self._eager = self._eager, {}
        for host in eager:
            link = self._links.get(host)
            if link is not None:
                self._perform(link, link.flush(self._now()))

    def _perform(self, link: Link, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit():
                    self._transmit(link, effect)
                case Deliver(items):
                    for item in items:
                        self._receiver.handle(link.peer, item)
                case Joined(label):
                    say(self._system.log.info, "host joined", host=link.peer, incarnation=label.incarnation)
                    self._receiver.changed(link.peer, LinkState.JOINED)
                case Parted(why, lost, state):
                    say(self._system.log.warning, "host parted", host=link.peer, why=why, lost=len(lost))
                    self._cancel_sending(link.peer)
                    self._receiver.parted(link.peer, why, lost)
                    self._receiver.changed(link.peer, state)
        self._arm(link)
        if self._drained is not None and not self._drained.done() and not self._busy():
            self._drained.set_result(None)

    def _busy(self) -> bool:
        return any(link.waiting and link.state is LinkState.JOINED for link in self._links.values())

    def _transmit(self, link: Link, transmit: Transmit) -> None:
        task = self._system.run_task(self._carry(link, transmit), f"to {link.peer}")
        sending = self._sending.setdefault(link.peer, set())
        sending.add(task)
        task.add_done_callback(sending.discard)

    async def _carry(self, link: Link, transmit: Transmit) -> None:
        arrived = False
        try:
            async with asyncio.timeout(self._times.silence.total_seconds()):
                arrived = await self._transport.send(link.peer, transmit.data)
        except (HostUnreachable, TimeoutError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever a transport raises, the batch has to be sent again
            self._system.log_error("transport failed", link.peer, error)
        if self._links.get(link.peer) is link:
            self._perform(link, link.transmitted(transmit.token, self._now(), arrived=arrived))

    def _cancel_sending(self, host: str) -> None:
        for task in self._sending.pop(host, set()):
            # The one that found out ends by itself.
            if task is not asyncio.current_task(self._system.loop):
                task.cancel()

    # --- timers ---------------------------------------------------------------------------------

    def _arm(self, link: Link) -> None:
        """See to it that the link is asked at its deadline; an alarm that comes too early does no harm."""
        due = link.deadline()
        if due is None or self._closed or self._links.get(link.peer) is not link:
            return
        armed = self._alarms.get(link.peer)
        if armed is not None and armed[0] <= due:
            return
        self._disarm(link.peer)
        delay = (due - self._now()).total_seconds()
        self._alarms[link.peer] = (due, self._system.timers.arm(delay, partial(self._ring, link)))

    def _disarm(self, host: str) -> None:
        armed = self._alarms.pop(host, None)
        if armed is not None:
            armed[1].cancel()

    def _ring(self, link: Link) -> None:
        self._alarms.pop(link.peer, None)
        self._perform(link, link.tick(self._now()))
