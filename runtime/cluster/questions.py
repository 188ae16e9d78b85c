"""Questions between hosts: those that this host has asked, and those that it owes an answer to.

A question has a number that this process never uses again, so that an answer of another time answers
nothing. Its deadline is kept where it was asked; the other side is told how long that is, so that nobody
works on what nobody waits for. When the hosts part, what was asked fails and what was to be answered is
forgotten.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from runtime.cluster.codec import Codec
from runtime.cluster.failures import decode_failure_untrusted, encode_failure
from runtime.cluster.frames import Answered, Asked, FailedQuestion, Item
from runtime.errors import LimitReached, MalformedFrame, NotPortable, Undeliverable
from runtime.message import Ask
from runtime.parcels import Question

if TYPE_CHECKING:
    from runtime.system import ActorSystem

#: Questions to one host that wait for an answer, and of one host that this one works on.
MAX_OPEN: Final = 10_000

#: Sends what is owed to a host.
Owe: TypeAlias = Callable[[str, Item], object]


class Questions:
    """See the module."""

    def __init__(self, system: ActorSystem, codec: Codec, owe: Owe) -> None:
        """Ask the actors of ``system`` what other hosts want to know, and send the answers by ``owe``."""
        self._system = system
        self._codec = codec
        self._owe = owe
        self._number = 0
        self._asked: defaultdict[str, dict[int, tuple[str, Question]]] = defaultdict(dict)
        self._accepted: defaultdict[str, dict[int, asyncio.Future[Any]]] = defaultdict(dict)

    # --- asked here -----------------------------------------------------------------------------

    def open(self, host: str, name: str, local: str, question: Question, timeout: timedelta) -> Asked:
        """Return the item that carries a question; from now on it is answered, or fails.

        :raises LimitReached: too many wait for an answer of this host.
        :raises NotPortable: it may not leave this host.
        """
        asked = self._asked[host]
        if len(asked) >= MAX_OPEN:
            why = f"questions that {host} has not answered"
            raise LimitReached(why, MAX_OPEN)
        payload = self._codec.encode(question.message)
        self._number += 1
        number = self._number
        asked[number] = (name, question)
        question.alarm = self._system.timers.arm(
            timeout.total_seconds(), partial(self._expire, host, number, question)
        )
        return Asked(number, local, timeout, payload)

    def withdraw(self, host: str, number: int) -> None:
        """Forget a question that was not sent after all."""
        self._asked[host].pop(number, None)

    def answered(self, host: str, item: Answered | FailedQuestion) -> None:
        """Settle a question. One that has been given up is settled already."""
        name, question = self._asked[host].pop(item.number, ("", None))
        if question is None:
            return
        try:
            if isinstance(item, Answered):
                question.reply(self._codec.decode_untrusted(item.payload))
            else:
                question.fail(decode_failure_untrusted(self._codec, item.payload))
        except MalformedFrame:
            question.fail(Undeliverable(name, "its answer cannot be read here"))
            raise

    def _expire(self, host: str, number: int, question: Question) -> None:
        self._asked[host].pop(number, None)
        question.expire()

    # --- asked there ----------------------------------------------------------------------------

    def asked(self, host: str, item: Asked) -> None:
        """Put a question of another host to an actor of this one.

        :raises MalformedFrame: it cannot be read; its sender is told.
        """
        accepted = self._accepted[host]
        if self._system.find(item.name) is None:
            self._system.dead_letters.add_kind(item.name, "question of another host")
            self._fail(host, item, Undeliverable(item.name))
            return
        if len(accepted) >= MAX_OPEN:
            self._system.note_refused()
            self._fail(host, item, LimitReached(f"questions of {host}", MAX_OPEN))
            return
        try:
            message = self._codec.decode_untrusted(item.payload)
            if not isinstance(message, Ask):
                raise MalformedFrame("a question that is none")
        except MalformedFrame:
            self._fail(host, item, Undeliverable(item.name, "its question cannot be read there"))
            raise
        future = cast("asyncio.Future[Any]", self._system.ask(item.name, message, item.timeout))
        accepted[item.number] = future
        future.add_done_callback(partial(self._settled, host, item))

    def _settled(self, host: str, item: Asked, future: asyncio.Future[Any]) -> None:
        if self._accepted[host].get(item.number) is not future:
            return
        del self._accepted[host][item.number]
        error = WasCancelled() if future.cancelled() else future.exception()
        if error is not None:
            self._fail(host, item, error)
            return
        try:
            self._owe(host, Answered(item.number, self._codec.encode(future.result())))
        except NotPortable as refused:
            self._fail(host, item, Undeliverable(item.name, f"its answer does not travel: {refused.what}"))

    def _fail(self, host: str, item: Asked, error: BaseException) -> None:
        self._owe(host, FailedQuestion(item.number, encode_failure(self._codec, item.name, error)))

    # --- both -----------------------------------------------------------------------------------

    def parted(self, host: str, why: str) -> None:
        """Give up what was asked of a host, and what it has asked."""
        for name, question in self._asked.pop(host, {}).values():
            question.fail(Undeliverable(name, f"the link to host {host} is lost: {why}"))
        for future in self._accepted.pop(host, {}).values():
            # One that still waits in a mailbox is not handled any more.
            future.cancel()


class WasCancelled(Exception):
    """An answer that nobody will give."""
