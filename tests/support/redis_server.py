"""A redis-server on a Unix socket, as a child with a folder of its own: a real one, to be frozen and killed.

    with redis_server() as server:
        store = await server.store()

It is set up as a store wants it, with little memory; further settings come after these and win. Within the
block it may be stopped, killed, frozen and started again. Nothing of it is left behind the block.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from runtime.store.redis import PATIENCE, RedisStore
from runtime.store.redis_server import RedisServer

INSTALL: Final = "redis-server is missing: apt-get install redis-server"

_SETTINGS: Final = {
    "port": "0",
    "bind": "127.0.0.1",
    "unixsocketperm": "600",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory": "200mb",
    "maxmemory-policy": "noeviction",
    "save": '""',
    "daemonize": "no",
    "logfile": '""',
}


@dataclass
class Redis:
    """A server that runs, most of the time."""

    #: Short: the path of a socket has room for a hundred letters.
    root: Path
    program: str
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    #: What it has said, all lives together.
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.root / "log"

    @property
    def socket(self) -> Path:
        return self.root / "socket"

    @property
    def append_only_files(self) -> list[Path]:
        """The files of its log that grow, the newest last."""
        files = (self.root / "appendonlydir").glob("*.incr.aof")
        return sorted(files, key=lambda file: int(file.name.split(".")[2]))

    def address(self, *, user: str = "", password_file: Path | None = None) -> RedisServer:
        return RedisServer(socket=str(self.socket), user=user, password_file=password_file)

    async def store(self, namespace: str = "fleet", *, patience: timedelta = PATIENCE) -> RedisStore:
        return await RedisStore.open(self.address(), namespace, patience=patience)

    def start(self, *, file_limit: int = 0, full: bool = False, **settings: str) -> None:
        """Start it and wait until it answers.

        With a limit it dies in the write that would exceed it, or, where the disk is to be ``full``, is told
        that there is no more room.
        """
        self.settings |= settings
        lines = [f"{name.replace('_', '-')} {value}" for name, value in self.settings.items()]
        file = self.root / "redis.conf"
        file.write_text("\n".join([*lines, f"dir {self.root}", f"unixsocket {self.socket}", ""]))
        command = [self.program, str(file)]
        if file_limit:
            command = ["prlimit", f"--fsize={file_limit}", "--core=0", *command]
        if full:
            command = ["env", "--ignore-signal=XFSZ", *command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not self.ask("PING").startswith((b"PONG", b"NOAUTH")):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.01)

    def ask(self, *command: str) -> bytes:
        """Have the server's own client ask something; return what it prints."""
        client = ["redis-cli", "-s", str(self.socket), *command]
        return subprocess.run(client, capture_output=True, check=False, timeout=20).stdout

    def fields(self, key: str) -> dict[str, str]:
        """Return what is in a hash."""
        lines = self.ask("HGETALL", key).decode().splitlines()
        return dict(zip(lines[::2], lines[1::2], strict=True))

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        return self._end(signal.SIGKILL)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait for its death; return how it has ended. The second time, that is known."""
        assert self.process is not None
        return self.process.wait(20)

    def _end(self, by: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(by)
        self.process.send_signal(signal.SIGCONT)
        return self.wait()


def program() -> str | None:
    """Return where the server is, if it is installed."""
    return shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def redis_server(settings: Mapping[str, str] | None = None) -> Iterator[Redis]:
    """Run a server while the block lasts; skip the test where there is none."""
    installed = program()
    if installed is None:
        pytest.skip(INSTALL)
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Redis(Path(folder), installed, {**_SETTINGS, **(settings or {})})
        try:
            server.start()
            yield server
        finally:
            server.kill()
