"""One connection to Redis at a time, and the records of one namespace behind it.

:meth:`RedisLink.connect` has a server examined (:mod:`runtime.store.redis_examination`), loads the script,
and looks at the namespace: its layout must be known, and it must be the one, and no older one, that this link
has seen before. So a server that comes back empty, restored, or as a replica that missed something, is not
taken for the old one.

Each new connection first ends the former one *on the server*. A group of which nobody knows what became,
because the server was frozen with it in its buffers, can then not be carried out after later ones.

There are no deadlines and no retries here: the store has them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from random import Random
from ssl import SSLCertVerificationError
from typing import Any, Final

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from runtime.errors import StoreUnavailable, StoreUnusable
from runtime.store.redis_calls import ANSWER_BYTES, GROUP, LAYOUT, PREPARE, Work
from runtime.store.redis_examination import examine
from runtime.store.redis_server import RedisServer, Wire, ask

#: Every key begins with this.
PREFIX: Final = "peerkey"

_FOREIGN: Final = "belongs to another program: choose another name, or another database"
_NAMESPACE: Final = re.compile(r"[\w.-]{1,64}")


class RedisLink:
    """See the module. It may be connected again as often as it is lost."""

    def __init__(self, server: RedisServer, namespace: str, random: Random) -> None:
        """Speak to ``server`` about the records of ``namespace``; a new one gets an identity from ``random``.

        :raises StoreUnusable: that is no name for a namespace.
        """
        if not _NAMESPACE.fullmatch(namespace):
            message = f"{namespace!r} cannot name records in Redis: 1 to 64 letters, digits, '.', '_' and '-'"
            raise StoreUnusable(message)
        self._server = server
        self._key = f"{PREFIX}:{namespace}"
        self._random = random
        self._wire: Wire | None = None
        self._digest = b""
        #: The server's process, and the number it gave to the connection.
        self._client: tuple[str, int] | None = None
        #: Of the namespace, once it has been seen.
        self._identity = ""
        self._count = 0

    def __str__(self) -> str:
        """Return the server's address."""
        return str(self._server)

    async def is_up(self) -> bool:
        """Tell whether a group can be sent, as far as that can be known."""
        # One turn of the loop, in which it notices an end that has come.
        await asyncio.sleep(0)
        wire = self._wire
        # Between two groups there is nothing to be read but the end.
        return wire is not None and wire.is_connected and not await wire.can_read()

    async def connect(self) -> None:
        """Connect, and examine who answers.

        :raises StoreUnusable: an operator must act; the message says how.
        :raises StoreUnavailable: nobody answers.
        """
        await self.drop()
        self._wire = wire = self._server.wire()
        try:
            await wire.connect()
            await self._examined(wire)
            self._digest = await ask(wire, "SCRIPT", "LOAD", GROUP)
            identity = "" if self._identity else self._random.randbytes(16).hex()
            known = await ask(wire, "EVAL", PREPARE, 1, self._key, LAYOUT, identity)
            self._recognize(known)
        except (RedisError, OSError) as error:
            await self.drop()
            raise self._fault(error) from error
        except BaseException:
            await self.drop()
            raise

    async def exchange(self, group: Sequence[Work]) -> list[Any]:
        """Carry out a group; return an answer to each of its calls, in order.

        The last calls may have none: the answer was full, and they have not been carried out.

        :raises StoreUnusable: the namespace is not what it was. Nothing was carried out.
        :raises StoreUnavailable: what happened is unknown.
        """
        wire = self._wire
        if wire is None or not wire.is_connected:
            message = f"{self}: not connected"
            raise StoreUnavailable(message)
        keys = (self._key, *(f"{self._key}:{work.owner}" for work in group))
        head = (LAYOUT, self._identity, self._count, ANSWER_BYTES)
        arguments = [argument for work in group for argument in work.arguments]
        try:
            try:
                answer = await ask(wire, "EVALSHA", self._digest, len(keys), *keys, *head, *arguments)
            except NoScriptError:
                # Somebody has flushed the scripts. Nothing was carried out.
                self._digest = await ask(wire, "SCRIPT", "LOAD", GROUP)
                answer = await ask(wire, "EVALSHA", self._digest, len(keys), *keys, *head, *arguments)
        except (RedisError, OSError) as error:
            raise self._fault(error) from error
        self._recognize(answer[0])
        answers: list[Any] = answer[1:]
        return answers

    async def drop(self) -> None:
        """Let go of the connection, if there is one, at once."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.disconnect(nowait=True)

    async def _examined(self, wire: Wire) -> None:
        """Refuse a server that could lose a record; end the former connection to this one."""
        client = (await examine(wire, str(self)), await ask(wire, "CLIENT", "ID"))
        if self._client is not None and self._client[0] == client[0]:
            await ask(wire, "CLIENT", "KILL", "ID", self._client[1])
        self._client = client

    def _recognize(self, known: Sequence[Any]) -> None:
        """Compare the namespace with what is known of it.

        :raises StoreUnusable: it is another one.
        """
        layout, identity, count = known
        if layout is not None and layout != b"%d" % LAYOUT:
            message = (
                f"{self}: {self._key} was made by a newer version (layout {layout.decode(errors='replace')}, "
                f"known {LAYOUT}): install that version here too"
            )
        elif self._identity and (identity != self._identity.encode() or int(count) < self._count):
            message = (
                f"{self}: {self._key} has lost acknowledged records (emptied, restored, or failed over to a "
                "replica): stop every process that uses it before one starts again"
            )
        elif None in known:
            message = f"{self}: {self._key} {_FOREIGN}"
        else:
            self._identity, self._count = identity.decode(), int(count)
            return
        raise StoreUnusable(message)

    def _fault(self, error: BaseException) -> StoreUnavailable:
        """Say whose matter an error of the library is, and what to do."""
        chain = [error]
        while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None:
            chain.append(deeper)
        for each in chain:
            match each:
                case StoreUnavailable():
                    return each
                case AuthenticationError():
                    return StoreUnusable(f"{self}: refuses user and password: {each}")
                case NoPermissionError():
                    return StoreUnusable(f"{self}: the user lacks a right of docs/formats/redis.md: {each}")
                case OutOfMemoryError():
                    return StoreUnavailable(f"{self}: its memory is full: raise maxmemory")
                case SSLCertVerificationError():
                    why = each.verify_message
                    return StoreUnusable(f"{self}: its certificate is not trusted: {why}: name who issued it")
                case ResponseError() if str(each).startswith("unknown command"):
                    return StoreUnusable(f"{self}: lacks a command of docs/formats/redis.md: {each}")
                case ResponseError() if "WRONGTYPE" in str(each):
                    return StoreUnusable(f"{self}: a key below {self._key} {_FOREIGN}")
                case _:
                    continue
        kind = "answers" if isinstance(error, ResponseError) else "cannot be reached"
        return StoreUnavailable(f"{self}: {kind}: {error}")
