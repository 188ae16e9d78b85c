"""The keys of a state directory, taken from its sealed store with its sealing key."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from peerkey.protocol.state import decode_state
from peerkey_cli.state import StateDirectory
from runtime.store.sealed import AesGcmSealer, SealedStore
from runtime.store.sqlite import SqliteStore


def stored_secrets(state: StateDirectory, nodes: Iterable[UUID]) -> set[bytes]:
    """Return every key that the nodes' records hold, each as the bytes that nobody may see."""
    return asyncio.run(_stored(state, nodes)) | {state.sealing_key.read_bytes()}


def found(secrets: Iterable[bytes], places: Iterable[bytes]) -> list[str]:
    """Return what is found of the secrets: as bytes, in hexadecimal of either case, in base64."""
    return [
        f"{place[:40]!r}"
        for place in places
        for secret in secrets
        for form in (secret, secret.hex().encode(), secret.hex().upper().encode(), b64encode(secret)[:-4])
        if form in place
    ]


def files_of(state: StateDirectory) -> list[bytes]:
    """Return the contents of every file of a state directory but the sealing key's."""
    files = [each for each in state.path.iterdir() if each.is_file() and each != state.sealing_key]
    return [each.read_bytes() for each in files]


async def _stored(state: StateDirectory, nodes: Iterable[UUID]) -> set[bytes]:
    inner = await SqliteStore.open(Path(state.store))
    store = SealedStore(inner, AesGcmSealer(state.sealing_key.read_bytes(), os.urandom))
    try:
        records = [record for uuid in nodes for record in await store.scan(f"node:{uuid}")]
    finally:
        await store.close()
    rings = [decode_state(record.value).ring for record in records]
    return {
        secret.reveal()
        for ring in rings
        for _, key in ring
        for secret in (key.peer_key, key.confirm_initiator, key.confirm_responder, key.probe)
    }
