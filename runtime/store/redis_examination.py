"""What a Redis server must be to be trusted with records: examined by each connection, before it writes.

- It must be the primary, have all keys by itself, keep every command on its disk before it answers, and evict
  nothing.
- It must have rewritten its log since it was started. A server that has died may have a torn transaction at
  the end of its log. It drops that when it starts, but leaves the beginning of it in the file, where what is
  written next would complete it (``docs/decisions/0113-a-torn-transaction.md``). A log that was rewritten has
  no such thing in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from runtime.errors import StoreUnavailable, StoreUnusable
from runtime.store.redis_server import Wire, ask

#: The first release whose scripts are logged as one transaction and whose settings can be asked for together.
OLDEST: Final = (7, 0)

#: Without these, what has been acknowledged can be lost or go away.
SETTINGS: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}

#: How often to look whether a log has been rewritten: the server itself looks ten times a second.
_POLL_SECONDS: Final = 0.02


async def examine(wire: Wire, address: str) -> str:
    """Examine a server; return the name of its process, which no other has.

    :raises StoreUnusable: it could lose a record; the message begins with ``address`` and says what to do.
    :raises StoreUnavailable: it is not ready.
    """
    info = _fields(await ask(wire, "INFO"))
    if info.get("loading", "0") != "0":
        message = f"{address}: still reads its data"
        raise StoreUnavailable(message)
    answer = [text.decode() for text in await ask(wire, "CONFIG", "GET", *SETTINGS)]
    if found := list(faults(info, dict(zip(answer[::2], answer[1::2], strict=True)))):
        message = f"{address}: {'; '.join(found)}"
        raise StoreUnusable(message)
    await _rewritten(wire, address, info)
    return info["run_id"]


async def _rewritten(wire: Wire, address: str, info: Mapping[str, str]) -> None:
    """Wait until the server has rewritten its log at least once since it was started."""
    asked = False
    while not is_rewritten(info):
        if not is_rewriting(info):
            if asked:
                message = f"{address}: cannot rewrite its log: its messages say why"
                raise StoreUnavailable(message)
            await ask(wire, "BGREWRITEAOF")
            asked = True
        await asyncio.sleep(_POLL_SECONDS)
        info = _fields(await ask(wire, "INFO", "persistence"))


def is_rewriting(info: Mapping[str, str]) -> bool:
    """Tell whether a server is about to have rewritten its log."""
    return "1" in (info.get("aof_rewrite_in_progress"), info.get("aof_rewrite_scheduled"))


def is_rewritten(info: Mapping[str, str]) -> bool:
    """Tell whether a server has rewritten its log since it was started, the last time with success."""
    rewritten = info.get("aof_rewrites", "0") != "0" and info.get("aof_last_bgrewrite_status") == "ok"
    return rewritten and not is_rewriting(info)


def faults(info: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[str]:
    """Yield what of a server, by its INFO and its settings, could lose a record, and what to do about it."""
    version = info.get("redis_version", "0.0")
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        yield f"version {version} is too old: install {OLDEST[0]}.{OLDEST[1]} or newer"
    if info.get("redis_mode") != "standalone":
        yield f"runs as {info.get('redis_mode')}: name a server that has all keys by itself"
    if info.get("role") != "master":
        yield f"is a replica: name its primary, {info.get('master_host')}:{info.get('master_port')}"
    wrong = [
        f"{name} {wanted} (it is {settings.get(name, 'unknown')})"
        for name, wanted in SETTINGS.items()
        if settings.get(name) != wanted
    ]
    if wrong:
        yield f"could lose acknowledged records: put into its configuration {', '.join(wrong)}"


def _fields(info: bytes) -> dict[str, str]:
    """Read what INFO answers."""
    lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in lines if colon}
