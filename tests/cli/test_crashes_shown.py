"""A crash loop as an operator meets it: with the commands, in the audit log, and at a scrape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from peerkey_cli import scrape
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api import routes
from peerkey_cli.embedded import Running
from peerkey_cli.main import app
from tests.cli.background import Background, in_background
from tests.cli.two_routers import two_routers
from tests.support.hosts import wait_for

NODE = "authority/east.node0"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Background]:
    with in_background(two_routers(tmp_path).file, tmp_path / "state") as background:
        yield background


def test_a_crash_loop_of_a_node_is_an_event_and_an_alarm_with_its_name(system: Background) -> None:
    crash_again_and_again(system, NODE)

    (alarm,) = [each for each in shown(system, "alarms")["alarms"] if each["category"] == "platform"]
    assert alarm["message"] == f"Actor `{NODE}` crashes again and again: ConnectionError."
    assert (alarm["node"], alarm["source"], alarm["process"]) == ("east/node0", "east/node0", NODE)
    assert alarm["severity"] == "major"

    (event,) = shown(system, "events", "--type", "actor")["events"]
    assert (event["type"], event["node"]) == ("actor.crashed", "east/node0")
    assert event["description"] == f"Actor {NODE} crashed: ConnectionError"

    text = system.call(lambda running: get(scrape.application(running), "/metrics"))
    assert 'peerkey_alarms{node="east/node0",severity="major",type="actor-crashing"} 1.0\n' in text


def test_every_crash_has_reached_the_audit_log_when_the_system_has_stopped(tmp_path: Path) -> None:
    with in_background(two_routers(tmp_path).file, tmp_path / "state") as system:
        crash_again_and_again(system, NODE)
        journal = system.running.state.journal

    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    told = [line for line in lines if line["type"] == "actor.crashed"]
    assert [(line["node"], line["detail"]["times"]) for line in told] == [
        ("east/node0", 1),
        ("east/node0", 2),
    ]


def test_a_crash_loop_of_the_authority_is_shown_although_it_answers_nobody(system: Background) -> None:
    crash_again_and_again(system, "authority")

    async def ask(running: Running) -> tuple[str, str]:
        mute = replace(running, authority=running.system.ref("nobody"))
        return (
            await get(routes.application(mute, AlarmTimes()), "/v1/alarms"),
            await get(scrape.application(mute), "/metrics"),
        )

    alarms, metrics = system.call(ask)
    (alarm,) = json.loads(alarms)["alarms"]
    assert alarm["message"] == "Actor `authority` crashes again and again: ConnectionError."
    assert (alarm["node"], alarm["process"]) == ("authority", "authority")
    assert 'peerkey_alarms{node="authority",severity="major",type="actor-crashing"} 1.0\n' in metrics
    assert "peerkey_up 0.0\n" in metrics


def test_an_authority_that_answers_nobody_for_another_reason_is_no_empty_list_of_alarms(
    system: Background,
) -> None:
    async def ask(running: Running) -> str:
        mute = replace(running, authority=running.system.ref("nobody"))
        return await get(routes.application(mute, AlarmTimes()), "/v1/alarms", status=503)

    assert "nobody cannot answer" in system.call(ask)


# --- helpers --------------------------------------------------------------------------------------


def crash_again_and_again(system: Background, name: str) -> None:
    """Crash an actor three times, each time when it is there."""

    async def crash(running: Running) -> None:
        running.system.crash(running.system.ref(name), ConnectionError())

    def wait_until_there(incarnation: int) -> None:
        async def there(running: Running) -> bool:
            found = [each for each in running.system.actors() if each.name == name]
            return bool(found) and (found[0].incarnation, found[0].state.value) == (incarnation, "running")

        wait_for(lambda: system.call(there), 30)

    for incarnation in (1, 2, 3):
        wait_until_there(incarnation)
        system.call(crash)
    wait_until_there(4)


def shown(system: Background, *words: str) -> Any:  # noqa: ANN401 - JSON
    command = ["show", *words, "--json", "--state-dir", str(system.running.state.path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


async def get(application: FastAPI, path: str, status: int = 200) -> str:
    """Return what an application answers, without a socket."""
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://peerkey") as client:
        answer = await client.get(path)
    assert answer.status_code == status
    return answer.text
