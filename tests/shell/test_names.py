"""Names come from the system within a bound, from files, and from nowhere where nobody answers."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from peerkey_cli.shell import names
from peerkey_cli.shell.grammar import Kind, Place, walked
from peerkey_cli.shell.names import Addressed, Asked, LiveNames, nodes_of, paths
from peerkey_cli.shell.prompt import State, state_of
from tests.shell.a_tree import TREE

PEERS = {
    "peers": [
        {
            "peer": "west/node0",
            "node": "east/node0",
            "status": "up",
            "paths": [{"name": "wan0", "interface": "wan0", "status": "up"}],
        },
        {"peer": "bad\x1b[2J/x", "node": "east/node0", "status": "up", "paths": []},
    ]
}
DOCUMENTS = {
    "peers": PEERS,
    "security/key-status": {"nodes": [{"node": "east/node0"}, {"node": "east/node1"}]},
    "alarms": {"alarms": [{"id": "path-down:west:1", "severity": "major", "message": "Down."}]},
}
ROOT = Place(TREE)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a system answer; return what it was asked."""
    asked: list[str] = []

    def ask(self: Addressed, document: str) -> Any:  # noqa: ANN401
        asked.append(document)
        return DOCUMENTS[document]

    monkeypatch.setattr(Addressed, "ask", ask)
    return asked


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.PEER, ["west", "west/node0"]),
        (Kind.NODE, ["east/node0", "east/node1"]),
        (Kind.PATH, ["wan0"]),
        (Kind.ALARM, ["path-down:west:1"]),
    ],
)
def test_a_running_system_says_what_there_is(kind: Kind, expected: list[str], system: list[str]) -> None:
    # What a terminal would obey is no name that anybody is offered.
    assert offered(kind) == [*expected] if kind is not Kind.PEER else set(expected) <= set(offered(kind))
    assert not any("\x1b" in each for each in offered(kind))


def test_it_is_not_asked_at_each_key(system: list[str]) -> None:
    known = LiveNames(Asked())
    for begun in ("", "w", "we", "wes"):
        list(known.known(Kind.PEER, ROOT, begun))

    assert system == ["peers"]


def test_nobody_waits_for_a_system_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(Addressed, "ask", lambda *_: let_go.wait(30))
    asked, began = Asked(patience=0.01), monotonic()

    assert list(LiveNames(asked).known(Kind.PEER, ROOT, "")) == []
    assert asked.document(Addressed(), "peers") is None
    assert monotonic() - began < 5
    let_go.set()


@pytest.mark.parametrize("answer", [None, [], {"peers": 3}, {"peers": [{}]}, {"peers": [None]}, "text"])
def test_what_answers_with_something_else_has_no_names(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Addressed, "ask", lambda *_: answer)

    assert offered(Kind.PEER) == []


def test_where_no_system_runs_there_are_no_names(tmp_path: Path) -> None:
    nobody = LiveNames(Asked(patience=5), Addressed(state_dir=str(tmp_path)))

    assert list(nobody.known(Kind.PEER, ROOT, "")) == []


def test_a_line_says_which_system_is_meant() -> None:
    told = Addressed(state_dir="/a", api="unix:/s", token_file="t")  # noqa: S106 - the name of a file
    line = walked(TREE, ["show"])

    assert told.of(line) == told
    assert told.of(Place(TREE, values={"--state-dir": "/b"})) == Addressed("/b", None, "t")
    assert told.of(Place(TREE, values={"--api": "unix:/x"})) == Addressed("/a", "unix:/x", "t")


def test_events_and_counters_are_known_without_a_system() -> None:
    events = offered(Kind.EVENT)
    counters = Place(TREE, arguments=("peer", "certificate"))

    assert {"key", "key.activated", "path.down"} <= set(events)
    assert [each.text for each in LiveNames(Asked()).known(Kind.COUNTER, counters, "")] == [
        "expired",
        "invalid",
        "revoked",
    ]


def test_nodes_are_those_of_the_configuration_that_the_line_names(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("authority: {router: [{name: east, node: [{name: n0}, {name: n1}]}, {name: west}]}")
    place = Place(TREE, values={"--config": str(file)})

    assert [each.text for each in LiveNames(Asked()).known(Kind.NODE, place, "")] == ["east/n0", "east/n1"]


@pytest.mark.parametrize(
    "text", ["", "authority: 3", "a: [", "- x", "authority: {router: [{name: x, node: 3}]}", "\x00"]
)
def test_a_configuration_that_is_none_names_no_nodes(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)

    assert nodes_of(tmp_path / "a") == []
    assert nodes_of(tmp_path / "absent") == []


def test_files_are_completed_hidden_ones_if_they_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for name in ("file", ".hidden", "other"):
        (tmp_path / name).touch()

    assert [each.text for each in paths("f")] == ["file", "folder/"]
    assert [each.text for each in paths("./f", directories=True)] == ["./folder/"]
    assert [each.text for each in paths("folder/")] == ["folder/file"]
    assert [each.text for each in paths(f"{tmp_path}/.h")] == [f"{tmp_path}/.hidden"]
    assert [each.text for each in paths("~/fo")] == ["~/folder/"]
    assert paths("absent/") == paths("\x00/") == paths("~nobody/") == []


def test_a_directory_of_many_files_is_looked_at_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_MOST_ENTRIES", 3)
    for number in range(9):
        (tmp_path / str(number)).touch()

    assert len(paths(f"{tmp_path}/")) == 3


@pytest.mark.parametrize(
    ("nodes", "alarms", "state"),
    [
        ({"nodes": [{"node": "east/node0"}]}, {"alarms": [1, 2]}, State("east/node0", 2)),
        ({"nodes": [{"node": "a"}, {"node": "b"}]}, None, State("2 nodes", 0)),
        ({"nodes": []}, {"alarms": []}, State("0 nodes", 0)),
        (None, {"alarms": [1]}, State()),
        ({"nodes": 3}, None, State()),
        ([], [], State()),
    ],
)
def test_the_prompt_tells_of_the_node_and_its_alarms(nodes: object, alarms: object, state: State) -> None:
    assert state_of(nodes, alarms) == state


# --- helpers --------------------------------------------------------------------------------------


def offered(kind: Kind) -> list[str]:
    return [each.text for each in LiveNames(Asked(patience=5)).known(kind, ROOT, "")]
