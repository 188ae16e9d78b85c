"""``peerkey drain`` as an operator meets it: one of two routers leaves, and comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from peerkey_cli import schemas
from peerkey_cli.draining import lines, waited
from peerkey_cli.state import StateDirectory
from tests.cli.background import in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import two_routers
from tests.support.hosts import wait_for

SINCE = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Story:
    """East was drained, restarted, and put back to work; what was to be seen on the way."""

    ordered: Any
    again: Any
    alarms: list[dict[str, Any]]
    ready: httpx.Response
    east: Any
    west: Any
    restarted: Any
    undone: Any
    ready_again: httpx.Response
    events: list[dict[str, Any]]
    west_events: list[dict[str, Any]]
    before: set[str]
    after: set[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Live it once."""
    folder = tmp_path_factory.mktemp("drain")
    routers = two_routers(folder)
    east, west = routers.write("east", "east"), routers.write("west", "west")
    state, other = folder / "east-state", folder / "west-state"
    with in_background(west, other):
        with in_background(east, state):
            wait_for(lambda: bool(keys(state)) and keys(state) == keys(other), 30)
            before = keys(state)
            ordered = document("drain", "--node", "east/node0", "--state-dir", state)
            again = document("drain", "--state-dir", state)
            alarms = document("show", "alarms", "--state-dir", state)["alarms"]
            ready = asked(state, "ready")
            shown = [
                document("show", "peers", "security", "--state-dir", each)["peers"][0]
                for each in (state, other)
            ]
        with in_background(east, state):
            restarted = asked(state, "drain").json()
            undone = document("drain", "--undo", "--state-dir", state)
            wait_for(lambda: bool(keys(state)) and keys(state) == keys(other), 40)
            after, ready_again = keys(state), asked(state, "ready")
    return Story(
        ordered,
        again,
        alarms,
        ready,
        shown[0],
        shown[1],
        restarted,
        undone,
        ready_again,
        events(state),
        events(other),
        before,
        after,
    )


def test_the_command_waits_until_the_node_is_out_of_work(story: Story) -> None:
    (node,) = story.ordered["nodes"]

    assert (node["node"], node["state"]) == ("east/node0", "drained")
    assert node["how"] == "said farewell to its peers"


def test_to_drain_it_twice_is_to_drain_it_once(story: Story) -> None:
    assert story.again["nodes"] == story.ordered["nodes"]
    assert [each["type"] for each in story.events].count("node.drained") == 1


def test_one_minor_alarm_says_since_when(story: Story) -> None:
    (alarm,) = story.alarms

    assert alarm["severity"] == "minor"
    assert f"drained since {story.ordered['nodes'][0]['since']}" in alarm["message"]


def test_a_balancer_is_told_that_it_is_not_ready(story: Story) -> None:
    assert story.ready.status_code == 503
    assert story.ready.json()["error"] == "draining: east/node0"
    assert story.ready_again.status_code == 200


def test_its_peer_has_heard_the_farewell_and_uses_the_key_no_more(story: Story) -> None:
    (told,) = [each for each in story.west_events if each["type"] == "peering.removed"]

    assert told["detail"] == {"peer": "east/node0", "reason": "the node is drained", "by_peer": True}
    assert story.west["key_index"] is None
    assert story.east["security_status"] == "ESKM_DISABLED"


def test_a_restart_leaves_it_drained(story: Story) -> None:
    (node,) = story.restarted["nodes"]

    assert (node["state"], node["since"]) == ("drained", story.ordered["nodes"][0]["since"])


def test_undone_it_agrees_new_keys_with_its_peers(story: Story) -> None:
    assert story.undone["nodes"][0]["state"] == "in-service"
    assert story.after
    assert not story.after & story.before
    assert [each["type"] for each in story.events].count("node.undrained") == 1


def test_a_node_that_is_not_there_cannot_be_drained(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with in_background(two_routers(tmp_path).file, state):
        done = peerkey("drain", "--node", "north/node0", "--state-dir", state)

    assert done.exit_code == 1
    assert "no node 'north/node0'" in done.stderr


# --- waiting ----------------------------------------------------------------------------------------


def test_waiting_tells_of_progress_once_and_ends_when_all_have_left() -> None:
    told: list[str] = []
    answers = iter([drains("draining"), drains("draining"), drains("drained")])

    found = waited(lambda: next(answers), drains("draining"), 60, say_of=told.append, sleep=lambda _: None)

    assert found.nodes[0].state == "drained"
    assert told == ["waiting for east/node0"]


def test_waiting_ends_when_time_is_up() -> None:
    clock = iter(range(100))

    found = waited(
        lambda: drains("draining"),
        drains("draining"),
        5,
        sleep=lambda _: None,
        clock=lambda: next(clock),
    )

    assert found.nodes[0].state == "draining"
    assert list(lines(found)) == [
        "east/node0 is still leaving, since 2026-06-01T12:00:00.000Z; `peerkey drain` waits on"
    ]


# --- helpers ----------------------------------------------------------------------------------------


def drains(state: str) -> schemas.Drains:
    return schemas.Drains.model_validate(
        {"time": SINCE, "nodes": ({"node": "east/node0", "state": state, "since": SINCE, "how": ""},)}
    )


def keys(state: Path) -> set[str]:
    shown = document("show", "peers", "security", "--state-dir", state)
    return {key["key_id"] for peer in shown["peers"] for key in peer["keys"]}


def events(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in StateDirectory(state).journal.read_text("ascii").splitlines()]


def asked(state: Path, what: str) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(StateDirectory(state).socket))
    with httpx.Client(transport=transport, base_url="http://peerkey") as client:
        return client.get(f"/v1/{what}")
