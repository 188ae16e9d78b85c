"""Alarms of a system that runs: all about one, the shelf, those gone, and all of it over a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from peerkey.observe.alarm_kinds import kind_of
from peerkey_cli import scrape
from peerkey_cli.client import Client
from peerkey_cli.event_log import EventQuery
from peerkey_cli.following import followed
from peerkey_cli.schemas import Event, Events
from tests.cli.background import Background, in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import UUIDS, two_routers
from tests.support.hosts import wait_for

UNREACHABLE = "Peer `west/node0` is not reachable."


@dataclass
class Lonely:
    """A router whose peer is not there, and the id of the alarm that says so."""

    file: Path
    state: Path
    system: Background
    alarm: str

    def alarms(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        return document("show", "alarms", *words, "--state-dir", self.state)

    def run(self, *words: str) -> Any:  # noqa: ANN401 - a result
        return peerkey(*words, "--state-dir", self.state)

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [
            event["detail"]
            for event in document("show", "events", "--type", kind, "--state-dir", self.state)["events"]
        ]


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lonely]:
    folder = tmp_path_factory.mktemp("lonely")
    file, state = two_routers(folder).write("east", "east"), folder / "state"
    with in_background(file, state) as system:
        wait_for(lambda: bool(document("show", "alarms", "--state-dir", state)["alarms"]), 30)
        (alarm,) = document("show", "alarms", "--state-dir", state)["alarms"]
        yield Lonely(file, state, system, alarm["id"])


def test_one_alarm_is_shown_with_what_it_means_and_what_to_do(lonely: Lonely) -> None:
    one = lonely.alarms("id", lonely.alarm)
    kind = kind_of("peer-unreachable")

    assert one["alarms"][0]["message"] == UNREACHABLE
    assert (one["means"], one["todo"], one["page"]) == (
        kind.means,
        list(kind.todo),
        "docs/alarms.md#peer-unreachable",
    )
    assert [event["type"] for event in one["events"]][-1] == "alarm.raised"
    assert len(one["raised"]) == 1
    assert one["shelving"] is None


def test_a_person_reads_the_commands_to_run(lonely: Lonely) -> None:
    text = lonely.run("show", "alarms", "id", lonely.alarm).stdout

    for words in (
        UNREACHABLE,
        "What to do:",
        "1. `peerkey show peers`",
        "docs/alarms.md#peer-unreachable",
        "What happened:",
    ):
        assert words in text
    assert all(len(line) <= 130 for line in text.splitlines() if "Message" not in line)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["--severity", "critical"], 1),
        (["--severity", "minor"], 0),
        (["--category", "peer", "--type", "peer-unreachable"], 1),
        (["--type", "path-down"], 0),
        (["--node", "east/node0", "--source", "west/node0"], 1),
        (["--source", "east/node0"], 0),
    ],
)
def test_alarms_are_chosen(lonely: Lonely, words: list[str], number: int) -> None:
    assert len(lonely.alarms(*words)["alarms"]) == number


def test_what_is_shelved_is_not_listed_is_counted_and_says_by_whom_and_why(lonely: Lonely) -> None:
    done = lonely.run("shelve", "alarm", lonely.alarm, "--for", "2h", "--reason", "provider works on it")
    assert done.exit_code == 0, done.stderr
    assert re.fullmatch(r"Shelved until \S+Z: 1 alarm now\.\n", done.stdout)

    listed, shelf = lonely.alarms(), lonely.alarms("--shelved")["shelvings"]
    assert (listed["alarms"], listed["shelved"]) == ([], 1)
    assert "Shelved and not shown: 1." in lonely.run("show", "alarms").stdout
    assert "provider works on it" in lonely.run("show", "alarms", "--shelved").stdout
    (shelving,) = shelf
    assert (shelving["alarm"], shelving["by"], shelving["reason"]) == (
        lonely.alarm,
        "local",
        "provider works on it",
    )
    assert [alarm["id"] for alarm in shelving["alarms"]] == [lonely.alarm]
    assert lonely.alarms("id", lonely.alarm)["alarms"][0]["shelved_until"] == shelving["until"]

    page = lonely.system.call(metrics)
    assert 'peerkey_alarms{node="east/node0",severity="critical",type="peer-unreachable"} 1.0\n' in page
    assert "peerkey_alarms_shelved 1.0\n" in page
    measured = lonely.system.call(lambda running: running.measured())
    assert measured.shelved == {lonely.alarm}

    assert lonely.run("unshelve", "alarm", lonely.alarm).exit_code == 0
    assert [alarm["id"] for alarm in lonely.alarms()["alarms"]] == [lonely.alarm]
    assert lonely.run("unshelve", "alarm", lonely.alarm).exit_code == 1
    assert [detail["by"] for detail in (*lonely.told("alarm.shelved"), *lonely.told("alarm.unshelved"))] == [
        "local"
    ] * 2


def test_a_type_is_shelved_at_one_node(lonely: Lonely) -> None:
    words = ["--type", "peer-unreachable", "--node"]
    other = lonely.run("shelve", "alarm", *words, "west/node0", "--for", "1d", "--reason", "x")
    assert "0 alarms now" in other.stdout
    assert len(lonely.alarms()["alarms"]) == 1

    assert (
        "1 alarm now"
        in lonely.run("shelve", "alarm", *words, "east/node0", "--for", "1d", "--reason", "x").stdout
    )
    assert lonely.alarms()["alarms"] == []
    for node in ("west/node0", "east/node0"):
        assert lonely.run("unshelve", "alarm", *words, node).exit_code == 0


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["shelve", "alarm", "nobody:1", "--for", "1h", "--reason", "x"], 1),
        (["shelve", "alarm", "--type", "nothing", "--for", "1h", "--reason", "x"], 1),
        (["shelve", "alarm", "--for", "1h", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--type", "clock", "--for", "1h", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--node", "b", "--for", "1h", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--for", "31d", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--for", "0s", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--for", "ever", "--reason", "x"], 2),
        (["shelve", "alarm", "a:1", "--for", "1h", "--reason", ""], 2),
        (["shelve", "alarm", "a:1", "--for", "1h", "--reason", "x" * 257], 2),
        (["unshelve", "alarm"], 2),
        (["show", "alarms", "--severity", "urgent"], 2),
        (["show", "alarms", "id", "a:1", "--cleared"], 2),
        (["show", "alarms", "--shelved", "--type", "clock"], 2),
        (["show", "alarms", "id", "a:1"], 1),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(lonely: Lonely, words: list[str], status: int) -> None:
    done = lonely.run(*words)

    assert (done.exit_code, len(done.stderr.splitlines()), done.stdout) == (status, 1, "")


def test_a_parameter_that_is_given_twice_is_refused(lonely: Lonely) -> None:
    transport = httpx.HTTPTransport(uds=str(lonely.system.running.state.socket))
    with httpx.Client(transport=transport, base_url="http://peerkey", timeout=30) as http:
        answer = http.get("/v1/alarms?type=clock&type=node")

    assert (answer.status_code, answer.json()["error"]) == (422, "a parameter is given twice")


def test_events_are_followed_from_before_on_and_none_is_told_twice(lonely: Lonely) -> None:
    client = Client(lonely.system.running.state.socket)
    query = EventQuery(kind="alarm")

    def before() -> Iterator[Any]:
        # What happens between the opening of the stream and this is in both.
        lonely.run("shelve", "alarm", "--type", "clock", "--for", "1h", "--reason", "first")
        yield from client.get("events", Events, type="alarm").events

    seen = []
    for each in followed(client, query, before):
        assert isinstance(each, Event)
        seen.append(each)
        if each.detail.get("kind") == "clock":
            if each.type == "alarm.unshelved":
                break
            lonely.run("unshelve", "alarm", "--type", "clock")

    assert len(seen) == len({each.model_dump_json() for each in seen})
    assert seen[0].type == "alarm.raised"


def test_times_and_the_shelf_outlast_a_restart_and_nothing_is_raised_twice(tmp_path: Path) -> None:
    file, state = two_routers(tmp_path).write("east", "east"), tmp_path / "state"
    with in_background(file, state):
        wait_for(lambda: bool(document("show", "alarms", "--state-dir", state)["alarms"]), 30)
        (alarm,) = document("show", "alarms", "--state-dir", state)["alarms"]
        shelve = ["shelve", "alarm", alarm["id"], "--for", "1h", "--reason", "known", "--state-dir", state]
        assert peerkey(*shelve).exit_code == 0

    kept = json.loads((state / "alarms.json").read_text())
    assert (state / "alarms.json").stat().st_mode & 0o777 == 0o600
    assert [each["identity"] for each in kept["alarms"]["standing"]] == ["peer-unreachable:west/node0"]
    with in_background(file, state):
        wait_for(lambda: document("show", "alarms", "--state-dir", state)["shelved"] == 1, 30)
        (shelving,) = document("show", "alarms", "--shelved", "--state-dir", state)["shelvings"]
        (again,) = shelving["alarms"]
        raised = document("show", "events", "--type", "alarm.raised", "--state-dir", state)["events"]
        one = document("show", "alarms", "id", alarm["id"], "--state-dir", state)

    assert (again["id"], again["time"], again["times"]) == (alarm["id"], alarm["time"], 1)
    assert shelving["reason"] == "known"
    assert len(raised) == 1
    # Of the process before, from the log.
    assert [event["type"] for event in one["events"]][:2] == ["alarm.raised", "alarm.shelved"]


def test_a_node_with_a_wrong_clock_has_one_alarm_that_says_so_and_what_to_do(tmp_path: Path) -> None:
    """By a clock that is a month behind, a certificate of yesterday begins in a month: so it looks here."""
    routers, state = two_routers(tmp_path), tmp_path / "state"
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    for name, uuid in UUIDS.items():
        routers.certify(name, routers.ca.issue(uuid, not_before=ahead, not_after=ahead + timedelta(days=90)))
    with in_background(routers.file, state):
        wait_for(lambda: "clock" in types_of(state), 30)
        (alarm,) = [each for each in listed(state) if each["type"] == "clock"]
        text = peerkey("show", "alarms", "id", alarm["id"], "--state-dir", state).stdout

        assert "certificate-bad" not in types_of(state)
    assert alarm["message"].startswith("The clocks of 2 nodes may be wrong: `east/node0, west/node0`.")
    assert "not valid yet by it: its own certificate" in alarm["message"]
    assert "1. `date -u`" in text


# --- helpers --------------------------------------------------------------------------------------


def listed(state: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document("show", "alarms", "--state-dir", state)["alarms"]
    return found


def types_of(state: Path) -> set[str]:
    return {each["type"] for each in listed(state)}


async def metrics(running: Any) -> str:  # noqa: ANN401 - a fleet
    transport = httpx.ASGITransport(scrape.application(running))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        return (await http.get("/metrics")).text
