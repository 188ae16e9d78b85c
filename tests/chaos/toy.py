"""The smallest program that chaos can be told from order with: a counter on each host, kept in the store.

A number that was answered is in the store for good. Whoever counts under an older epoch is refused, and
crashes. The argument is ``{"redis": ADDRESS, "namespace": NAME}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime import Actor, Ask, Supervision
from runtime.actor import ReplyToken
from runtime.cluster.codec import Registry
from runtime.cluster.host import Host
from runtime.cluster.program import Program
from runtime.cluster.tenure import Tenure
from runtime.store.port import Store
from runtime.store.redis import RedisStore
from runtime.store.redis_server import RedisServer
from runtime.system import ActorSystem

NAME: Final = "tests.chaos.toy:PROGRAM"
#: What a process exits with that is its host no more.
_SUPERSEDED: Final = 71
_RECORD: Final = "count"
#: It crashes as often as it likes, and is back soon.
_LASTING: Final = Supervision(
    initial=timedelta(milliseconds=50), maximum=timedelta(milliseconds=500), intensity=None
)


@dataclass(frozen=True, slots=True)
class Add(Ask[int]):
    """Count one more; answered with the number when it is in the store."""


@dataclass(frozen=True, slots=True)
class _Written:
    version: int
    token: ReplyToken


class Counter(Actor):
    """Counts. One write at a time: the next number has to wait for its turn."""

    def __init__(self, store: Store, owner: str) -> None:
        self.store = store
        self.owner = owner
        self.epoch = 0
        self.version = 0
        self.waiting: list[ReplyToken] = []

    async def started(self) -> None:
        self.epoch = await self.store.activate(self.owner)
        record = await self.store.read(self.owner, _RECORD)
        self.version = 0 if record is None else record.version

    def receive(self, message: object) -> None:
        if isinstance(message, _Written):
            self.version = message.version
            message.token.reply(self.version)
            self.waiting.pop(0)
        else:
            self.waiting.append(self.ctx.reply_token())
            if len(self.waiting) > 1:
                return
        if self.waiting:
            self.write(self.waiting[0])

    def write(self, token: ReplyToken) -> None:
        value = str(self.version + 1).encode()
        written = self.store.write(self.owner, self.epoch, _RECORD, value, self.version)
        self.ctx.pipe(written, lambda version: _Written(version, token))


def owner_of(host: str) -> str:
    """Return whose record the counter of a host is."""
    return f"counter.{host}"


async def open_store(argument: str) -> RedisStore:
    settings = json.loads(argument)
    return await RedisStore.open(RedisServer.at(settings["redis"]), settings["namespace"])


@asynccontextmanager
async def start(system: ActorSystem, host: Host, argument: str) -> AsyncIterator[None]:
    store = await open_store(argument)
    try:
        system.spawn(
            lambda: Tenure(store, f"host.{host.name}", host.incarnation, lambda: os._exit(_SUPERSEDED)),
            "tenure",
        )
        system.spawn(lambda: Counter(store, owner_of(host.name)), "counter", supervision=_LASTING)
        yield
    finally:
        await store.close()


async def incarnation(host: str, argument: str) -> int:
    store = await open_store(argument)
    try:
        return await store.activate(f"host.{host}")
    finally:
        await store.close()


PROGRAM = Program(Registry(Add), start, incarnation=incarnation)
