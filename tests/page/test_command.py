"""``GET /`` of the admin API, and ``peerkey page`` as a process, at the Unix socket and over TLS."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from peerkey_cli.main import app
from peerkey_cli.page import html
from tests.cli.remote_system import RemoteSystem, remote_system

POLICY = html.headers()["Content-Security-Policy"]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


def test_the_root_of_the_api_is_the_page_for_whoever_may_read(remote: RemoteSystem) -> None:
    with remote.http("read") as http, remote.http(None) as nobody:
        page, head, refused = http.get("/"), http.head("/"), nobody.get("/")

    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["strict-transport-security"]
    assert "east/node0" in page.text
    assert (head.status_code, head.text) == (200, "")
    assert refused.status_code == 401
    assert "`peerkey page` shows this page in one" in refused.json()["error"]
    assert "east" not in refused.text


@pytest.mark.parametrize("door", ["socket", "tls"])
def test_the_command_prints_a_link_and_serves_the_page_until_it_is_interrupted(
    remote: RemoteSystem, door: str
) -> None:
    at_socket = ["--state-dir", str(remote.system.running.state.path)]
    with command(*(at_socket if door == "socket" else remote.options("read"))) as process:
        link = line_of(process)
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=20) as browser:
            page = browser.get(link)
            again = browser.get(link)
            with browser.stream("GET", f"{page.url}v1/events/stream") as stream:
                first = next(stream.iter_lines())
        second = line_of(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/enter/[\w-]{32}", link)
    assert page.status_code == 200
    assert "west/node0" in page.text
    assert page.headers["content-security-policy"] == POLICY
    assert again.status_code == 403
    assert first == "retry: 2000"
    assert second.rpartition("/")[0] == link.rpartition("/")[0]
    assert second != link


def test_the_page_of_a_system_that_does_not_run_is_no_page(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["page", "--state-dir", str(tmp_path)])

    assert refused.exit_code == 3
    assert "no system runs there" in refused.stderr
    assert refused.stdout == ""


def test_an_address_that_others_can_reach_is_wrong_usage(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["page", "--listen", "0.0.0.0:80", "--state-dir", str(tmp_path)])

    assert refused.exit_code == 2
    assert "on this machine alone" in refused.stderr


# --- helpers --------------------------------------------------------------------------------------


@contextmanager
def command(*options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "peerkey_cli.main", "page", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
