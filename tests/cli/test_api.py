"""The commands against a system that runs: two routers on loopback, within the test's own process."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from peerkey_cli import probe
from peerkey_cli.main import app
from tests.cli.background import Background, in_background
from tests.cli.remote_system import PROBLEM_KEYS
from tests.cli.stored import files_of, found, stored_secrets
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.hosts import wait_for


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> TwoRouters:
    return two_routers(tmp_path_factory.mktemp("routers"))


@pytest.fixture(scope="module")
def system(routers: TwoRouters) -> Iterator[Background]:
    with in_background(routers.file, routers.folder / "state") as background:
        yield background


@pytest.fixture
def keyed(system: Background) -> Background:
    wait_for(lambda: all(peer["status"] == "up" for peer in document(system, "show", "peers")["peers"]), 30)
    return system


def test_show_peers_tells_of_every_path_of_every_node(keyed: Background) -> None:
    peers = document(keyed, "show", "peers")["peers"]

    assert {(peer["node"], peer["peer"]) for peer in peers} == {
        ("east/node0", "west/node0"),
        ("west/node0", "east/node0"),
    }
    for peer in peers:
        (path,) = peer["paths"]
        assert peer["status"] == path["status"] == "up"
        assert path["state"] == "in-service"
        assert path["interface"] == "wan0"


def test_show_peers_security_says_that_both_ends_have_the_same_key(keyed: Background) -> None:
    east, west = document(keyed, "show", "peers", "security")["peers"]

    assert east["keys"] == west["keys"]
    assert east["keys"][0]["role"] == "current"
    assert east["security_status"] == "MKEY_EXCH_COMP"
    assert east["peer_uuid"] == str(UUIDS["west"])
    for fact in ("certificate_received", "certificate_acknowledged", "key_received", "key_acknowledged"):
        assert east[fact] is True


def test_show_certificate_tells_what_each_node_shows_and_in_detail_what_openssl_would_say(
    keyed: Background, routers: TwoRouters
) -> None:
    brief = document(keyed, "show", "certificate")["nodes"]
    east, _ = document(keyed, "show", "certificate", "detail")["nodes"]
    (leaf, issuer) = east["certificates"]

    assert [(node["node"], node["state"], node["detail"]) for node in brief] == [
        ("east/node0", "valid", ""),
        ("west/node0", "valid", ""),
    ]
    assert leaf["pem"] + issuer["pem"] == (routers.folder / "east.pem").read_text()
    assert brief[0]["certificates"][0]["text"] == []
    assert leaf["text"][0] == "Certificate:"
    assert f"        Subject: CN={UUIDS['east']}" in leaf["text"]


def test_show_peers_certificate_has_the_certificates_of_both_ends(keyed: Background) -> None:
    east, west = document(keyed, "show", "peers", "certificate")["peers"]

    assert east["local_certificate"] == west["peer_certificate"]
    assert east["peer_certificate"]["subject"] == f"CN={UUIDS['west']}"
    assert east["certificate_fault"] == ""


def test_key_status_says_when_the_next_rekey_is_in_utc(keyed: Background) -> None:
    answer = document(keyed, "show", "security", "key-status")

    for node in answer["nodes"]:
        assert node["key_manager_state"] == "active"
        assert node["key_change_count"] >= 1
        assert node["next_rekey"].endswith("Z")
        assert instant(node["last_rekey"]) <= instant(answer["time"]) < instant(node["next_rekey"])


def test_rekey_says_how_many_peerings_it_reached(keyed: Background) -> None:
    assert document(keyed, "rekey")["peerings"] == 2
    assert document(keyed, "rekey", "--peer", "west")["peerings"] == 1
    assert document(keyed, "rekey", "--peer", str(UUIDS["east"]))["peerings"] == 1


def test_rekeying_a_peer_that_is_not_there_is_refused_in_one_line(keyed: Background) -> None:
    refused = peerkey(keyed, "rekey", "--peer", "nobody")

    assert refused.exit_code == 1
    assert refused.stderr == "peerkey: there is no peer 'nobody'; `peerkey show peers` lists them\n"
    assert refused.stdout == ""


def test_releasing_a_pin_says_in_how_many_peerings(keyed: Background) -> None:
    assert document(keyed, "release-pin", "--peer", "west")["peerings"] == 1

    refused = peerkey(keyed, "release-pin", "--peer", "nobody")
    assert refused.exit_code == 1
    assert refused.stderr == "peerkey: there is no peer 'nobody'; `peerkey show peers` lists them\n"


def test_a_reload_with_faults_lists_them_all_and_changes_nothing(
    keyed: Background, routers: TwoRouters
) -> None:
    settings = {"peer-key-retransmit-interval": 1, "peer-key-rekey-interval": 5000}
    routers.write("both", **settings)
    try:
        refused = peerkey(keyed, "reload")
    finally:
        routers.write("both")

    assert refused.exit_code == 1
    first, *faults = refused.stderr.splitlines()
    assert first == "peerkey: the configuration has 2 faults; nothing was changed"
    assert [fault.partition(": ")[2].partition(":")[0] for fault in faults] == [
        str(routers.folder / "both.yaml")
    ] * 2
    assert all(peer["status"] == "up" for peer in document(keyed, "show", "peers")["peers"])


def test_a_reload_of_a_file_that_is_gone_is_refused_in_one_line(
    keyed: Background, routers: TwoRouters
) -> None:
    (routers.folder / "both.yaml").unlink()
    try:
        refused = peerkey(keyed, "reload")
    finally:
        routers.write("both")

    assert refused.exit_code == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "No such file" in refused.stderr


def test_a_good_reload_names_the_nodes(keyed: Background) -> None:
    assert document(keyed, "reload")["nodes"] == ["east/node0", "west/node0"]


def test_events_can_be_chosen_by_type_and_time(keyed: Background) -> None:
    every = document(keyed, "show", "events")["events"]
    paths = document(keyed, "show", "events", "--type", "path")["events"]
    later = document(keyed, "show", "events", "--since", "2100-01-01T00:00:00Z")["events"]
    recent = document(keyed, "show", "events", "--since", "1d")["events"]

    assert {event["type"] for event in paths} == {"path.up"}
    assert len(paths) < len(every) <= len(recent)
    assert later == []


def test_show_actors_lists_the_authority_its_nodes_and_their_paths(keyed: Background) -> None:
    actors = document(keyed, "show", "actors")["actors"]

    assert [actor["kind"] for actor in actors] == [
        "Authority",
        "RouterNode",
        "PeerPath",
        "RevocationIndex",
        "RouterNode",
        "PeerPath",
    ]
    assert {actor["state"] for actor in actors} == {"running"}
    assert {actor["restarts"] for actor in actors} == {0}


def test_an_alarm_has_an_id_by_which_it_is_shown(tmp_path: Path) -> None:
    lonely = two_routers(tmp_path)
    with in_background(lonely.write("east", "east"), tmp_path / "state") as alone:
        wait_for(lambda: bool(document(alone, "show", "alarms")["alarms"]), 30)
        (alarm,) = document(alone, "show", "alarms")["alarms"]
        assert alarm["message"] == "Peer `west/node0` is not reachable."
        assert alarm["severity"] == "critical"

        (shown,) = document(alone, "show", "alarms", "id", alarm["id"])["alarms"]
        assert shown["time"] == alarm["time"]
        assert peerkey(alone, "show", "alarms", "id", "other").exit_code == 1


def test_every_command_for_a_person_ends_with_how_long_it_took(keyed: Background) -> None:
    for words in (
        ["peers"],
        ["peers", "security"],
        ["peers", "certificate"],
        ["certificate"],
        ["certificate", "detail"],
        ["security", "key-status"],
        ["certificate", "crl"],
        ["alarms"],
        ["events"],
        ["actors"],
    ):
        shown = peerkey(keyed, "show", *words)
        assert shown.exit_code == 0
        first, *_, last = shown.stdout.splitlines()
        assert first.startswith("✔ Retrieving ")
        assert last.startswith("Completed in ")
        assert "\x1b" not in shown.stdout


def test_the_api_describes_itself_and_says_that_it_is_well(keyed: Background) -> None:
    with api(keyed) as http:
        described = http.get("/v1/openapi.json").json()
        health = http.get("/v1/health").json()

    assert set(described["paths"]) >= {
        "/v1/peers",
        "/v1/peers/security",
        "/v1/security/key-status",
        "/v1/alarms",
        "/v1/events",
        "/v1/actors",
        "/v1/hosts",
        "/v1/stats/security",
        "/v1/stats/clear",
        "/v1/health",
        "/v1/rekey",
        "/v1/release-pin",
        "/v1/reload",
        "/v1/audit",
        "/v1/ha",
        "/v1/certificates",
        "/v1/certificates/crl",
        "/v1/peers/certificate",
    }
    assert health["status"] == "ok"
    assert health["nodes"] == 2


@pytest.mark.parametrize("question", ["health", "ready"])
def test_a_probe_says_yes_where_a_system_runs_and_no_where_none_does(
    keyed: Background, tmp_path: Path, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    assert probe.main([question, "--state-dir", str(keyed.running.state.path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert probe.main([question, "--state-dir", str(tmp_path), "--wait", "0.01"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_where_nobody_enters_over_tcp_there_are_no_tokens(keyed: Background) -> None:
    with api(keyed) as http:
        answers = [http.get("/v1/tokens"), http.delete("/v1/tokens/alice")]

    assert {answer.status_code for answer in answers} == {404}
    assert "no admin API over TCP" in answers[0].json()["detail"]


def test_a_problem_is_one_of_rfc_9457(keyed: Background) -> None:
    with api(keyed) as http:
        answer = http.post("/v1/release-pin", json={"peer": "nobody"})

    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Not Found", 404)
    assert problem["detail"] == problem["error"]
    assert "there is no peer 'nobody'" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status"), [({"peer": 7}, 422), ({"pier": "west"}, 422), ({"peer": "x" * 10_000}, 422)]
)
def test_a_malformed_request_is_answered_with_a_problem(
    keyed: Background, body: dict[str, object], status: int
) -> None:
    with api(keyed) as http:
        answer = http.post("/v1/rekey", json=body)

    assert answer.status_code == status
    assert set(answer.json()) == PROBLEM_KEYS
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("node", "status"), [("east/node0", 200), (str(UUIDS["west"]), 200), ("north/node0", 404), ("", 404)]
)
def test_an_event_is_recorded_of_a_node_that_runs_here_and_of_no_other(
    keyed: Background, node: str, status: int
) -> None:
    before = len(keyed.running.journal.recent())
    event = {
        "node": node,
        "type": "certificate.refused",
        "fields": {"name": "base", "check": "validity", "reason": "none"},
    }

    with api(keyed) as http:
        answer = http.post("/v1/audit", json=event)

    assert answer.status_code == status
    assert len(keyed.running.journal.recent()) - before == (status == 200)
    assert status == 200 or answer.json()["error"].startswith(
        f"the system that runs here has no node {node!r}, but east/node0, west/node0;"
    )


def test_only_its_owner_can_use_the_socket(keyed: Background) -> None:
    assert stat.S_IMODE(keyed.running.state.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(keyed.running.state.path.stat().st_mode) == 0o700


def test_no_secret_is_in_anything_that_is_shown(keyed: Background) -> None:
    state = keyed.running.state
    secrets = stored_secrets(state, UUIDS.values())
    shown = [
        peerkey(keyed, *words, "--json").stdout_bytes
        for words in (
            ("show", "peers", "security"),
            ("show", "security", "key-status"),
            ("show", "events"),
            ("show", "alarms"),
        )
    ]

    assert len(secrets) > 4
    assert found(secrets, [*shown, *files_of(state)]) == []


# --- helpers --------------------------------------------------------------------------------------


def peerkey(system: Background, *words: str) -> Result:
    """Run a command in this thread."""
    return CliRunner().invoke(app, [*words, "--state-dir", str(system.running.state.path)])


def document(system: Background, *words: str) -> Any:  # noqa: ANN401 - JSON
    """Return what a command prints with ``--json``."""
    done = peerkey(system, *words, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def api(system: Background) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(system.running.state.socket))
    return httpx.Client(transport=transport, base_url="http://peerkey")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
