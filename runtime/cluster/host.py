"""One host of a cluster: what its system of actors knows of the others.

::

    async with LocalSystem() as system:
        host = Host(system, transport, registry)
        host.join(["east", "west"])
        host.directory.assign({"authority/hub.node0": "east"}, version=1)
        system.ref("authority/hub.node0").tell(…)

An actor of this host is spoken to as ever; everything here begins where a system finds no actor of a name
(:mod:`runtime.elsewhere`). What came from another host is for actors of this one and never sent on, so that
two directories that differ cannot send a message in circles. The host leaves with its system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from runtime.actor import Ending
from runtime.cluster.codec import Codec, Registry
from runtime.cluster.directory import Directory, names_its_host, on_host
from runtime.cluster.frames import (
    MAX_NAME_LENGTH,
    Answered,
    Asked,
    EndedElsewhere,
    FailedQuestion,
    Item,
    Told,
    Unwatched,
    Watched,
    decode_untrusted,
)
from runtime.cluster.link import MAX_WAITING_ITEMS
from runtime.cluster.linkage import LinkState, LinkTimes
from runtime.cluster.links import HostInfo, Links
from runtime.cluster.questions import Questions
from runtime.cluster.transport import Transport
from runtime.cluster.watches import Watches
from runtime.crash import say
from runtime.errors import LimitReached, MailboxFull, MalformedFrame, NotPortable, Undeliverable
from runtime.message import Ask
from runtime.parcels import Question, Watch
from runtime.ref import Ref

if TYPE_CHECKING:
    from runtime.system import ActorSystem

R = TypeVar("R")

#: How long a host that leaves tries to tell the others of the end of its actors.
FAREWELL: Final = timedelta(seconds=1)

#: Told when another host is there (``JOINED``), has begun anew (``CALLING``), or is gone (``GONE``).
OnHost: TypeAlias = Callable[[str, LinkState], object]


class Host:
    """See the module. Implements :class:`~runtime.elsewhere.Elsewhere`."""

    def __init__(
        self,
        system: ActorSystem,
        transport: Transport,
        registry: Registry,
        *,
        times: LinkTimes | None = None,
        creation: str = "",
    ) -> None:
        """Connect ``system``, which has been entered, to the others by ``transport``."""
        self.name = transport.host
        #: Which process of the host this is.
        self.incarnation = transport.incarnation
        #: The same for all processes of the host, until somebody ends the host and makes another of its name.
        self.creation = creation
        #: The address by which other machines know the one that this is on; empty where there are none.
        self.address = ""
        self.directory = Directory()
        #: Told of hosts that come and go, if it is set; what it raises is logged.
        self.on_host: OnHost | None = None
        #: Frames and items that could not be read. Read only.
        self.malformed = 0
        self._system = system
        self._transport = transport
        self._codec = Codec(registry, self._name_abroad, self._ref_here)
        self._links = Links(system, transport, times if times is not None else LinkTimes(), self)
        self._questions = Questions(system, self._codec, self._owe)
        self._watches = Watches(system, self._owe)

    # --- for whoever runs the host --------------------------------------------------------------

    def join(self, hosts: Iterable[str] = ()) -> None:
        """Be there for the other hosts, and call those named. Hosts that call are answered in any case."""
        self._system.elsewhere = self
        self._transport.listen(self._arrived)
        for host in hosts:
            if host != self.name:
                self._links.call(host)

    def hosts(self) -> tuple[HostInfo, ...]:
        """Describe every host that this one has spoken to, in order of their names."""
        return tuple(self._links.infos())

    def forget(self, host: str) -> None:
        """Call a host no more, and give up what is between the two."""
        self._links.forget(host)

    def reaches(self, host: str) -> bool:
        """Return whether something can be sent to another host, for all that is known."""
        return self._links.reachable(host)

    def post(self, host: str, name: str, message: object) -> bool:
        """Send what nobody misses, such as a datagram, to the actor ``name`` of another host.

        Return whether it is on its way. Wherever it is lost it is no dead letter, and it gives way to all
        messages that are.

        :raises NotPortable: it is of a class that does not travel.
        """
        if not self._links.reachable(host):
            return False
        return self._links.put(host, Told(name, self._codec.encode(message), missed=False))

    async def leave(self) -> None:
        """See :meth:`runtime.elsewhere.Elsewhere.leave`."""
        await self._links.drain(FAREWELL)
        await self._links.say_farewell(FAREWELL)
        self.abandon()
        await self._transport.close()

    def abandon(self) -> None:
        """Be here no more, at once."""
        self._links.close()
        if self._system.elsewhere is self:
            self._system.elsewhere = None

    # --- for references -------------------------------------------------------------------------

    def tell(self, name: str, message: object) -> None:
        """See :meth:`runtime.elsewhere.Elsewhere.tell`."""
        host, local = self._route(name)
        if host == self.name:
            self._system.tell(local, message)
            return
        item = self._told(host, name, local, message)
        if item is not None and not self._links.put(host, item):
            self._system.note_refused()
            raise MailboxFull(name, MAX_WAITING_ITEMS)

    def offer(self, name: str, message: object) -> bool:
        """See :meth:`runtime.elsewhere.Elsewhere.offer`."""
        host, local = self._route(name)
        if host == self.name:
            return self._system.offer(local, message)
        item = self._told(host, name, local, message)
        if item is None:
            return False
        if not self._links.put(host, item):
            self._system.note_refused()
            return False
        return True

    def ask(self, name: str, message: Ask[R], timeout: timedelta) -> Awaitable[R]:
        """See :meth:`runtime.elsewhere.Elsewhere.ask`."""
        host, local = self._route(name)
        if host == self.name:
            return self._system.ask(local, message, timeout)
        future: asyncio.Future[R] = self._system.loop.create_future()
        question = Question(name, message, timeout, future)
        if not host or not self._links.reachable(host):
            self._system.dead_letters.add(name, message)
            question.fail(Undeliverable(name, f"host {host} is gone" if host else "it is on no host"))
            return future
        try:
            self._check_name(local)
            item = self._questions.open(host, name, local, question, timeout)
        except LimitReached as refused:
            self._system.note_refused()
            question.fail(refused)
        except NotPortable as refused:
            self._not_portable(name, message, refused)
            question.fail(Undeliverable(name, f"its question does not travel: {refused.what}"))
        else:
            if not self._links.put(host, item):
                self._questions.withdraw(host, item.number)
                self._system.note_refused()
                question.fail(MailboxFull(name, MAX_WAITING_ITEMS))
        return future

    def is_watched_by(self, watcher: Hashable, name: str) -> bool:
        """See :meth:`runtime.elsewhere.Elsewhere.is_watched_by`."""
        host, local = self._route(name)
        if host == self.name:
            cell = self._system.find(local)
            return cell is not None and cell.is_watched_by(watcher, local)
        return self._watches.is_kept(watcher, name)

    def watched_by(self, watch: Watch) -> None:
        """See :meth:`runtime.elsewhere.Elsewhere.watched_by`."""
        host, local = self._route(watch.name)
        cell = self._system.find(local) if host == self.name else None
        if cell is not None:
            cell.watched_by(watch)
        elif host and self._links.reachable(host) and len(local) <= MAX_NAME_LENGTH:
            self._watches.keep(host, local, watch)
        else:
            watch.tell(Ending.UNKNOWN)

    def unwatched_by(self, watch: Watch) -> None:
        """See :meth:`runtime.elsewhere.Elsewhere.unwatched_by`."""
        host, local = self._route(watch.name)
        cell = self._system.find(local) if host == self.name else None
        if cell is not None:
            cell.unwatched_by(watch.owner)
        self._watches.give_up(watch)

    def _told(self, host: str, name: str, local: str, message: object) -> Told | None:
        """Return a message as it travels; ``None`` if it became a dead letter."""
        if not host or not self._links.reachable(host):
            self._system.dead_letters.add(name, message)
            return None
        try:
            self._check_name(local)
            return Told(local, self._codec.encode(message), type(message).__name__)
        except NotPortable as refused:
            self._not_portable(name, message, refused)
            return None

    def _owe(self, host: str, item: Item) -> None:
        self._links.put(host, item, owed=True)

    def _check_name(self, name: str) -> None:
        if len(name) > MAX_NAME_LENGTH:
            why = f"a name of {len(name)} characters"
            raise NotPortable(why)

    def _not_portable(self, name: str, message: object, refused: NotPortable) -> None:
        self._system.dead_letters.add(name, message)
        say(self._system.log.error, "message does not travel", receiver=name, what=refused.what)

    # --- names ----------------------------------------------------------------------------------

    def _route(self, name: str) -> tuple[str, str]:
        """Return the host of an actor, empty if it is on none, and its name there."""
        host, local = self.directory.route(name) or ("", name)
        # A system has looked for the name as it is; by the name of its host the actor may be here after all.
        if host == self.name and self._system.find(local) is None:
            return "", name
        return host, local

    def _name_abroad(self, name: str) -> str:
        """Return what other hosts call an actor that is called ``name`` here."""
        if names_its_host(name):
            return name
        host = self.directory.host_of(name)
        known = host == self.name or (host is not None and self._system.find(name) is None)
        return name if known else on_host(self.name, name)

    def _ref_here(self, name: object) -> Ref:
        if not isinstance(name, str):
            raise MalformedFrame("a reference to no name")
        return self._system.ref(name.removeprefix(on_host(self.name, "")))

    # --- for the links --------------------------------------------------------------------------

    def handle(self, host: str, item: Item) -> None:
        """See :meth:`runtime.cluster.links.Receiver.handle`."""
        try:
            match item:
                case Told(name, payload):
                    self._deliver(name, payload)
                case Asked():
                    self._questions.asked(host, item)
                case Answered() | FailedQuestion():
                    self._questions.answered(host, item)
                case Watched():
                    self._watches.watched(host, item)
                case Unwatched():
                    self._watches.unwatched(host, item)
                case EndedElsewhere():
                    self._watches.ended(host, item)
        except MalformedFrame as error:
            self._note_malformed(host, error)

    def parted(self, host: str, why: str, lost: tuple[Item, ...]) -> None:
        """See :meth:`runtime.cluster.links.Receiver.parted`."""
        for item in lost:
            if isinstance(item, Told) and item.missed:
                self._system.dead_letters.add_kind(item.name, item.kind)
        self._questions.parted(host, why)
        self._watches.parted(host)

    def changed(self, host: str, state: LinkState) -> None:
        """See :meth:`runtime.cluster.links.Receiver.changed`."""
        if self.on_host is None:
            return
        try:
            self.on_host(host, state)
        except Exception as error:  # noqa: BLE001 - the links have to go on
            self._system.log_error("observer of hosts failed", host, error)

    def _arrived(self, batch: bytes) -> bool:
        try:
            frame = decode_untrusted(batch)
        except MalformedFrame as error:
            self._note_malformed("", error)
            return False
        return frame.header.source != self.name and self._links.receive(frame)

    def _deliver(self, name: str, payload: bytes) -> None:
        if self._system.find(name) is None:
            self._system.dead_letters.add_kind(name, "message of another host")
            return
        message = self._codec.decode_untrusted(payload)
        # A full mailbox refuses it and counts it; its sender is past being told.
        self._system.offer(name, message)

    def _note_malformed(self, host: str, error: MalformedFrame) -> None:
        self.malformed += 1
        # The first, the second, the fourth and so on: a host that sends nothing else fills no disk.
        if self.malformed & (self.malformed - 1) == 0:
            say(self._system.log.error, "malformed", host=host, why=str(error), so_far=self.malformed)
