"""A program whose hosts need a folder, as others need a store: it may be away, and it tells epochs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime import Actor
from runtime.cluster.codec import Registry
from runtime.cluster.host import Host
from runtime.cluster.program import Program
from runtime.errors import StoreUnavailable
from runtime.system import ActorSystem


class Keeper(Actor):
    """Writes down that it has been stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def receive(self, message: object) -> None:
        raise NotImplementedError

    async def stopping(self) -> None:
        note(self.folder, "stopped")


@asynccontextmanager
async def start(system: ActorSystem, _host: Host, argument: str) -> AsyncIterator[None]:
    folder = folder_of(argument)
    note(folder, "opened")
    system.spawn(lambda: Keeper(folder), "keeper")
    yield
    note(folder, "closed")


async def incarnation(host: str, argument: str) -> int:
    """Count in a file of the host."""
    file = folder_of(argument) / f"epoch.{host}"
    epoch = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(epoch))
    return epoch


def folder_of(argument: str) -> Path:
    folder = Path(json.loads(argument)["folder"])
    if not folder.is_dir():
        raise StoreUnavailable("there is no folder")
    return folder


def note(folder: Path, word: str) -> None:
    with (folder / "log").open("a") as log:
        log.write(f"{word}\n")


PROGRAM = Program(Registry(), start, incarnation=incarnation)
