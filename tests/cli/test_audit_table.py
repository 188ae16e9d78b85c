"""Each kind of audit event that an operator is promised, out of a system that runs, with exactly its fields.

Two routers with their API at a TCP port live through what tells of each: they meet, one goes away, a stranger
speaks another version, an operator makes and deletes a key, somebody without a token knocks. What is read is
the file, line by line. Three kinds need another world: a key is erased half a minute after its successor came
into use (``tests/sim/test_month.py``), a leader needs a pair (``tests/ha/test_leadership.py``), and an actor
fails for good after many crashes (``tests/actors/test_crashes.py``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peerkey_cli.embedded import Running
from tests.cli.commands import document, peerkey
from tests.cli.remote_system import RemoteSystem, remote_system
from tests.support.hosts import wait_for

ALARM = {"alarm", "severity", "source", "category", "message"}
#: The fields of each, as they are in the JSON detail.
FIELDS = {
    "system.peer_certificate_validation": {"peer", "fingerprint", "validated", "pinned"},
    "peering.failed": {"peer", "reason", "detail_text", "told_by", "peer_version", "own_version"},
    "key.accepted": {"peer", "index", "key_id", "algorithm"},
    "key.activated": {"peer", "index", "key_id"},
    "path.up": {"peer", "path"},
    "path.down": {"peer", "path", "reason"},
    "system.create_private_key": {"name", "algorithm", "fingerprint"},
    "system.delete_private_key": {"name", "fingerprint", "replaced"},
    "configuration.changed": {"change", "differences", "left_out"},
    "alarm.raised": ALARM,
    "alarm.cleared": ALARM | {"lasted_seconds", "times"},
    "api.login_refused": {"source", "reason", "token", "unrecorded"},
    "actor.crashed": {"actor", "kind", "error", "times", "crashes"},
}
LINE = {"sequence", "previous", "time", "type", "node", "title", "description", "detail", "permitted", "hash"}
#: A segment of a version that is not spoken here, to be answered by nobody.
FOREIGN = b"PK" + bytes([9, 1]) + bytes(8) + bytes([0, 1]) + bytes(64)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Live through all of it; return the lines of the audit log."""
    folder = tmp_path_factory.mktemp("audit")
    with remote_system(folder) as site:
        at = ("--state-dir", site.system.running.state.path)
        wait_for(lambda: up(*at), 60)
        assert peerkey("create", "private-key", "spare", *at).exit_code == 0
        assert peerkey("delete", "private-key", "spare", "--yes", *at).exit_code == 0
        assert site.http(role=None).get("/v1/peers").status_code == 401
        site.system.call(crash)
        wait_for(lambda: up(*at), 60)
        only_east(site)
        assert peerkey("reload", *at).exit_code == 0
        assert peerkey("rekey", *at).exit_code == 0
        wait_for(lambda: speaks_another_version(site), 60)
        wait_for(lambda: "alarm.raised" in told(site), 60)
        site.routers.write("both", "east", "west")
        assert peerkey("reload", *at).exit_code == 0
        wait_for(lambda: "alarm.cleared" in told(site), 60)
        yield read(site)
        assert peerkey("events", "verify", *at).exit_code == 0


@pytest.mark.parametrize("kind", FIELDS)
def test_an_event_is_in_the_log_with_exactly_its_fields(kind: str, lines: list[dict[str, Any]]) -> None:
    found = [line for line in lines if line["type"] == kind and set(line["detail"]) == FIELDS[kind]]

    assert found, [line["detail"] for line in lines if line["type"] == kind]
    assert all(set(line) - {"counted"} == LINE for line in found)


def test_a_peering_that_fails_for_its_version_names_both(lines: list[dict[str, Any]]) -> None:
    (detail,) = [line["detail"] for line in lines if line["detail"].get("reason") == "unsupported-version"]

    assert (detail["peer"], detail["told_by"]) == ("west/node0", "local")
    assert (detail["peer_version"], detail["own_version"]) == (9, 1)


def test_a_change_of_the_configuration_is_told_node_by_node(lines: list[dict[str, Any]]) -> None:
    changes = [
        (line["node"], line["detail"]["change"]) for line in lines if line["type"] == "configuration.changed"
    ]

    assert [change for node, change in changes if node == "west/node0"] == ["removed", "added"]


def test_no_line_holds_what_somebody_presented_or_a_key(lines: list[dict[str, Any]]) -> None:
    text = json.dumps(lines)

    assert "peerkey_" not in text
    assert "PRIVATE KEY" not in text


# --- helpers --------------------------------------------------------------------------------------


def up(*at: object) -> bool:
    peers = document("show", "peers", *at)["peers"]
    return all(each["status"] == "up" for each in peers)


async def crash(running: Running) -> None:
    """Crash the node: it is started again with its keys."""
    running.system.crash(running.system.ref("authority/east.node0"), ConnectionError())


def only_east(site: RemoteSystem) -> None:
    """Take west out of what this process runs; east goes on having it as a peer."""
    text = site.routers.write("alone", "east").read_text()
    (site.routers.folder / "both.yaml").write_text(text)


def speaks_another_version(site: RemoteSystem) -> bool:
    """Send from west's address what a later version might; tell whether that has been told of."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as west:
        west.bind(("127.0.0.1", site.routers.ports["west"]))
        west.sendto(FOREIGN, ("127.0.0.1", site.routers.ports["east"]))
    return any(line["detail"].get("reason") == "unsupported-version" for line in read(site))


def read(site: RemoteSystem) -> list[dict[str, Any]]:
    path: Path = site.system.running.state.journal
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def told(site: RemoteSystem) -> set[str]:
    return {line["type"] for line in read(site)}
