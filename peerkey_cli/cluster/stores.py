"""The store of a host: the Redis that all hosts share, or a file of its own.

Values are sealed before they reach either, with the machine's sealing key. All machines that share a Redis
have the same one; a machine without it cannot run nodes, and never makes another.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from actors.keystores.stores import KeyStores
from peerkey.errors import Misconfigured
from peerkey_cli.state import StateDirectory
from runtime.cluster.tenure import Tenure
from runtime.errors import Unsealable
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from pathlib import Path

    from peerkey_cli.cluster.settings import ClusterSettings, RedisSettings
    from runtime.cluster.host import Host
    from runtime.store.port import Store
    from runtime.system import ActorSystem

#: Under which owner and name a sealed word lies that every machine must be able to open.
_SEAL_OWNER: Final = "seal"
_SEAL_NAME: Final = "check"
_SEAL_WORD: Final = b"peerkey"
#: What a process exits with that is its host no more.
_SUPERSEDED: Final = 71


def host_directory(state: Path, host: str) -> Path:
    """Return where a host keeps what is its own on its machine; it is made where it is missing."""
    path = state / "hosts" / host
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@asynccontextmanager
async def opened(settings: ClusterSettings, host: str) -> AsyncIterator[Store]:
    """Open the store of a host, sealed, while the block lasts.

    :raises Misconfigured: the sealing key is missing, or does not open what is in the store.
    :raises RuntimeFault: the store does not answer, or must not be used.
    """
    state = StateDirectory(settings.state)
    if not state.sealing_key.exists():
        message = (
            f"{state.sealing_key} is missing on this machine: copy it from the one where `peerkey run` "
            "was first run"
        )
        raise Misconfigured(message)
    key = KeyStores(state.sealing_key).sealing_key()
    inner = await _inner(settings, host)
    try:
        store = SealedStore(inner, AesGcmSealer(key.reveal(), os.urandom))
        await _require_same_seal(store, settings, state)
        yield store
    finally:
        await inner.close()


async def incarnation(settings: ClusterSettings, host: str) -> int:
    """Return the number of this process of a host: an epoch of the store."""
    inner = await _inner(settings, host)
    try:
        return await inner.activate(_owner(host))
    finally:
        await inner.close()


def serve_tenure(system: ActorSystem, host: Host, store: Store) -> None:
    """End this process as soon as another one is ``host``: it was given up, and lives all the same."""
    system.spawn(
        lambda: Tenure(store, _owner(host.name), host.incarnation, lambda: os._exit(_SUPERSEDED)),
        "tenure",
        supervision=PATIENT,
    )


def _owner(host: str) -> str:
    """Return the owner in the store whose epochs number the processes of a host."""
    return f"host.{host}"


async def open_redis(redis: RedisSettings, namespace: str) -> Store:
    """Open the shared store, unsealed.

    :raises Misconfigured: the client of Redis is not installed.
    :raises RuntimeFault: nobody answers, or the server must not be used.
    """
    try:
        from runtime.store.redis import RedisStore
        from runtime.store.redis_server import RedisServer
    except ImportError as error:
        message = "a store on Redis needs its client: pip install 'peerkey[cluster]'"
        raise Misconfigured(message) from error
    server = RedisServer.at(redis.address, password_file=redis.password_file, ca_file=redis.ca_file)
    return await RedisStore.open(server, namespace)


async def _inner(settings: ClusterSettings, host: str) -> Store:
    if settings.redis is not None:
        return await open_redis(settings.redis, settings.namespace)
    return await SqliteStore.open(host_directory(settings.state, host) / "store.sqlite")


async def _require_same_seal(store: Store, settings: ClusterSettings, state: StateDirectory) -> None:
    """Open a word that the first machine has sealed, or seal it."""
    try:
        found = await store.read(_SEAL_OWNER, _SEAL_NAME)
    except Unsealable as fault:
        where = settings.redis.address if settings.redis is not None else str(settings.state)
        message = (
            f"{state.sealing_key} does not open what is at {where}: copy the sealing key from a machine "
            "where it does"
        )
        raise Misconfigured(message) from fault
    if found is None:
        epoch = await store.activate(_SEAL_OWNER)
        await store.write(_SEAL_OWNER, epoch, _SEAL_NAME, _SEAL_WORD, 0)
