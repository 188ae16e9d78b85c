"""A real Alertmanager for a test, with the configuration that is shipped, and whom it tells."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from tests.support.hosts import wait_for
from tests.support.ports import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "monitoring" / "alertmanager" / "alertmanager.yml"
needs_alertmanager = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None or shutil.which("amtool") is None,
    reason="install prometheus-alertmanager: apt install prometheus-alertmanager",
)
#: How long a group waits here, where the shipped one waits for minutes.
SOON = "200ms"
_STARTS_WITHIN = 30.0
_TIMES = ("group_wait", "group_interval")


@dataclass
class Told:
    """What each receiver was told, in the order in which it came."""

    url: str
    messages: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def of(self, receiver: str, alert: str, status: str, **labels: str) -> list[Mapping[str, Any]]:
        """Return each time that a receiver was told of an alert with these labels."""
        return [
            each
            for name, message in self.messages
            if name == receiver
            for each in message["alerts"]
            if each["status"] == status
            and each["labels"]["alertname"] == alert
            and labels.items() <= each["labels"].items()
        ]


@contextmanager
def receivers() -> Iterator[Told]:
    """Listen on loopback for what Alertmanager sends to any receiver."""
    told = Told("")

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.messages.append((self.path.removeprefix("/"), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        told.url = f"http://127.0.0.1:{server.server_port}"
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def alertmanager(folder: Path, told: Told) -> Iterator[str]:
    """Run one, in a hurry, whose receivers are ``told``, while the block lasts; yield its ``HOST:PORT``."""
    config = hurried(yaml.safe_load(SHIPPED.read_text("utf-8")))
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{told.url}/{receiver['name']}", "send_resolved": True}]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), "utf-8")
    address, log = f"127.0.0.1:{free_port()}", folder / "alertmanager.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={address}",
                # It is alone: with an address here it would listen for others.
                "--cluster.listen-address=",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: _ready(address), _STARTS_WITHIN, told=lambda: log.read_text()[-2000:])
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def hurried(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with groups that wait for a moment only."""
    for route in (config["route"], *config["route"]["routes"]):
        route.update(dict.fromkeys(_TIMES, SOON))
    return config


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
