"""A configuration of a running system: checked, compared, replaced; and a bad one changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from actors.cluster.foretelling import MAX_TEXT_BYTES
from actors.messages import GetPlans
from peerkey.config.plan import NodePlan
from peerkey.errors import Misconfigured
from peerkey_cli.api.configuration_routes import MAXIMUM_WAITING, Turns
from peerkey_cli.api.denied import Denied
from peerkey_cli.configuration_file import ConfigurationFile
from peerkey_cli.files import MAXIMUM_CONFIGURATION_BYTES
from peerkey_cli.plans import PlansReader
from tests.cli.commands import document, peerkey
from tests.cli.remote_system import RemoteSystem, remote_system
from tests.support.fleet import SECOND
from tests.support.hosts import wait_for

NAME = "authority > name"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        wait_for(lambda: all(peer["status"] == "up" for peer in peers(system)), 30)
        yield system


@pytest.fixture
def good(remote: RemoteSystem) -> Iterator[RemoteSystem]:
    """The system with the configuration that it was started with, before and after."""
    yield remote
    remote.routers.write("both")
    assert command(remote, "reload").exit_code == 0


# --- what a reload would do -------------------------------------------------------------------------


def test_a_diff_says_what_a_reload_to_a_file_would_do_to_what_runs_and_does_none_of_it(
    good: RemoteSystem,
) -> None:
    wanted = changed(good, **{"peer-key-rekey-interval": 12})
    before = plans(good)

    found = json.loads(command(good, "config", "diff", wanted, "--json").stdout)

    assert [(node["node"], node["step"], node["differences"]) for node in found["nodes"]] == [
        (f"{name}/node0", "change", ["policy.rekey_interval: 1 day, 0:00:00 -> 12:00:00"])
        for name in ("east", "west")
    ]
    assert found["node_counts"] == {"start": 0, "stop": 0, "restart": 0, "change": 2, "keep": 0}
    assert plans(good) == before


def test_a_diff_of_two_files_reads_as_sentences(good: RemoteSystem) -> None:
    alone = good.routers.write("alone", "east")

    done = peerkey("config", "diff", configured(good), alone)

    assert done.exit_code == 0
    path = f"wan0>east/node0@127.0.0.1:{good.routers.ports['east']}"
    assert done.stdout.splitlines() == [
        "west/node0: stops",
        "  peering with east/node0: stops, keeps its keys",
        f"    path {path}: stops",
        "nodes: 0 started, 1 stopped, 0 started anew, 0 changed, 1 left alone",
        "peerings: 0 started, 1 stopped, 0 started anew, 0 changed, 1 left alone",
        "paths: 0 started, 1 stopped, 0 started anew, 0 changed, 1 left alone",
    ]


def test_names_of_files_in_the_second_configuration_count_from_the_place_of_the_first(
    good: RemoteSystem, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "new.yaml"
    elsewhere.write_text(configured(good).read_text())

    found = document("config", "diff", configured(good), elsewhere)
    assert found["nodes"] == []
    assert json.loads(command(good, "config", "diff", elsewhere, "--json").stdout)["nodes"] == []


def test_a_file_with_a_fault_is_not_compared_and_the_fault_is_told_by_its_own_name(
    good: RemoteSystem, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("authority:\n  name: x\n  rooter: []\n")

    for words in (["config", "diff", bad], ["config", "diff", configured(good), bad], ["reload", bad]):
        refused = command(good, *words) if "diff" not in words or len(words) == 3 else peerkey(*words)
        assert refused.exit_code == 1
        assert f"{bad}:3:3: authority > rooter: " in refused.stderr


# --- another configuration in its place -------------------------------------------------------------


def test_a_file_takes_the_place_of_the_configuration_which_is_kept(
    good: RemoteSystem, tmp_path: Path
) -> None:
    file = configured(good)
    file.chmod(0o640)
    former = file.read_text()
    wanted = tmp_path / "wanted.yaml"
    wanted.write_text(changed(good, **{"peer-key-rekey-interval": 7}).read_text())

    done = json.loads(command(good, "reload", wanted, "--json").stdout)

    assert done["nodes"] == ["east/node0", "west/node0"]
    assert done["restart_needed"] == []
    assert file.read_text() == wanted.read_text()
    assert done["etag"] == sha256(file.read_bytes()).hexdigest()
    assert Path(done["before"]).read_text() == former
    assert file.stat().st_mode & 0o777 == Path(done["before"]).stat().st_mode & 0o777 == 0o640
    assert plans(good)[0].policy.rekey_interval.total_seconds() == 7 * 3600  # type: ignore[union-attr]
    told = events(good, "configuration.changed")[-1]["detail"]
    assert told["differences"] == ["policy.rekey_interval: 1 day, 0:00:00 -> 7:00:00"]


def test_whoever_has_looked_at_another_version_replaces_nothing(good: RemoteSystem) -> None:
    text = changed(good, **{"peer-key-rekey-interval": 8}).read_text()
    before = configured(good).read_text()
    with good.http() as http:
        shown = http.get("/v1/config")
        configured(good).write_text(before + "\n")
        refused = http.put(
            "/v1/config", json={"configuration": text}, headers={"If-Match": shown.headers["ETag"]}
        )
        without = http.put("/v1/config", json={"configuration": text})

    assert refused.status_code == 412
    assert "another one by now" in refused.json()["error"]
    assert without.status_code == 422
    assert configured(good).read_text() == before + "\n"


def test_of_two_who_have_looked_at_the_same_version_one_replaces_it(good: RemoteSystem) -> None:
    texts = [changed(good, **{"peer-key-rekey-interval": hours}).read_text() for hours in (3, 4)]
    with good.http() as http:
        tag = http.get("/v1/config").headers["ETag"]

        def put(text: str) -> int:
            return http.put("/v1/config", json={"configuration": text}, headers={"If-Match": tag}).status_code

        with ThreadPoolExecutor() as pool:
            outcomes = list(pool.map(put, texts))

    assert sorted(outcomes) == [200, 412]
    assert configured(good).read_text() == texts[outcomes.index(200)]


async def test_who_comes_while_too_many_wait_is_told_to_come_again() -> None:
    turns, gate = Turns(), asyncio.Event()
    waiting = [asyncio.create_task(turns.have(gate.wait)) for _ in range(MAXIMUM_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(Denied) as denied:
        await turns.have(gate.wait)

    assert (denied.value.status, denied.value.headers["Retry-After"]) == (503, "10")
    gate.set()
    assert all(await asyncio.gather(*waiting))
    assert await turns.have(gate.wait)


def test_a_configuration_with_faults_is_not_put_in_the_place_of_a_good_one(good: RemoteSystem) -> None:
    before = configured(good).read_text()
    with good.http() as http:
        refused = http.put(
            "/v1/config", json={"configuration": "authority: {name: x}"}, headers={"If-Match": "*"}
        )

    assert refused.status_code == 422
    assert {fault["source"] for fault in refused.json()["faults"]} == {"configuration"}
    assert configured(good).read_text() == before


def test_a_configuration_that_the_system_cannot_take_up_is_taken_back(good: RemoteSystem) -> None:
    """Its own tokens are read first at a reload, and cannot be."""
    before, tokens = configured(good).read_text(), good.settings.tokens.read_bytes()
    text = changed(good, **{"peer-key-rekey-interval": 9}).read_text()
    good.settings.tokens.write_bytes(b"no such thing\n")
    try:
        with good.http() as http:
            refused = http.put("/v1/config", json={"configuration": text}, headers={"If-Match": "*"})
    finally:
        good.settings.tokens.write_bytes(tokens)

    assert refused.status_code == 409
    assert configured(good).read_text() == before
    assert plans(good)[0].policy.rekey_interval.total_seconds() == 24 * 3600  # type: ignore[union-attr]


def test_who_may_read_may_check_and_compare_and_replaces_nothing(good: RemoteSystem) -> None:
    text = configured(good).read_text()
    with good.http("read") as http:
        checked = http.post("/v1/config/check", json={"configuration": text})
        compared = http.post("/v1/config/diff", json={"configuration": text})
        shown = http.get("/v1/config")
        refused = http.put("/v1/config", json={"configuration": text}, headers={"If-Match": "*"})
        reloaded = http.post("/v1/reload")

    assert [each.status_code for each in (checked, compared, shown)] == [200, 200, 200]
    assert [each.status_code for each in (refused, reloaded)] == [403, 403]
    assert checked.json()["valid"]
    assert compared.json()["nodes"] == []
    assert set(shown.json()) == {"time", "file", "etag", "bytes", "restart_needed"}


def test_every_fault_of_a_text_is_told_without_looking_at_any_file(good: RemoteSystem) -> None:
    text = configured(good).read_text().replace('"ca.pem"', '"/etc/shadow"')
    with good.http("read") as http:
        assert http.post("/v1/config/check", json={"configuration": text}).json()["missing"] == []
        found = http.post("/v1/config/check", json={"configuration": "authority:\n  rooter: []\n"}).json()

    assert not found["valid"]
    assert ("configuration", 2, 3, "authority > rooter") in {
        (each["source"], each["line"], each["column"], each["path"]) for each in found["faults"]
    }


def test_a_text_that_is_too_large_is_refused_before_it_is_read(good: RemoteSystem, tmp_path: Path) -> None:
    huge = "#" * (2 * MAX_TEXT_BYTES)
    with good.http("read") as http:
        for path in ("/v1/config/check", "/v1/config/diff"):
            assert http.post(path, json={"configuration": huge}).status_code == 413
            assert http.post(path, json={"configuration": huge[: MAX_TEXT_BYTES + 1]}).status_code == 422
    large = tmp_path / "large.yaml"
    large.write_text(configured(good).read_text() + huge)
    refused = command(good, "config", "diff", large)
    assert refused.exit_code == 1
    assert "compare it with the file that runs by `peerkey config diff A B`" in refused.stderr


def test_what_leads_to_the_file_is_left_alone_and_a_byte_order_mark_is_none_of_the_text(
    tmp_path: Path, remote: RemoteSystem
) -> None:
    target, link = tmp_path / "v1" / "fleet.yaml", tmp_path / "fleet.yaml"
    target.parent.mkdir()
    target.write_text(configured(remote).read_text())
    link.symlink_to(target)
    file = ConfigurationFile(PlansReader(link))

    file.replace("\ufeff" + target.read_text() + "\n", None)

    assert link.is_symlink()
    assert [plan.name for plan in PlansReader(link)()] == ["east/node0", "west/node0"]
    assert (tmp_path / "v1" / "fleet.yaml.before").read_text() == configured(remote).read_text()


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, remote: RemoteSystem) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(configured(remote).read_text())
    before = path.read_text()
    # Nobody, root neither, writes a file where a directory is.
    (tmp_path / "fleet.yaml.before").mkdir()
    file = ConfigurationFile(PlansReader(path))

    with pytest.raises(Misconfigured, match="cannot be written: Is a directory; nothing was changed"):
        file.replace(before + "\n", None)

    assert path.read_text() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fleet.yaml", "fleet.yaml.before"]


def test_what_somebody_has_replaced_meanwhile_is_not_taken_back(tmp_path: Path, remote: RemoteSystem) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(configured(remote).read_text())
    file = ConfigurationFile(PlansReader(path))
    text = path.read_text() + "\n"
    former = file.replace(text, None)
    path.write_text("of somebody else")

    file.put_back(text, former)
    assert path.read_text() == "of somebody else"

    path.write_text(text)
    file.put_back(text, former)
    assert file.version() == former


# --- what needs a restart ---------------------------------------------------------------------------


def test_what_needs_a_restart_is_told_and_stays_visible_until_it_is_taken_back(good: RemoteSystem) -> None:
    renamed = json.loads(configured(good).read_text())
    renamed["authority"]["name"] = "another"
    renamed["authority"]["security-key-management"]["peer-key-rekey-interval"] = 5
    configured(good).write_text(json.dumps(renamed))
    foretold = json.loads(command(good, "config", "diff", configured(good), "--json").stdout)

    done = command(good, "reload")

    setting = {"setting": NAME, "running": "test", "configured": "another"}
    assert foretold["restart_needed"] == [setting]
    assert done.exit_code == 0
    assert "Restart of the authority needed: authority > name: test -> another\n" in done.stdout
    running = plans(good)
    assert running[0].authority == "test"
    # The rest is carried out, and what is left is foretold no more.
    assert running[0].policy.rekey_interval.total_seconds() == 5 * 3600  # type: ignore[union-attr]
    assert json.loads(command(good, "config", "diff", configured(good), "--json").stdout)["nodes"] == []
    assert json.loads(command(good, "reload", "--json").stdout)["restart_needed"] == [setting]
    (alarm,) = alarms(good)
    assert alarm["severity"] == "major"
    assert "`authority > name: test -> another`" in alarm["message"]
    assert events(good, "configuration.restart_needed")[-1]["detail"] == {
        "settings": ["authority > name: test -> another"]
    }

    good.routers.write("both")
    assert "Restart" not in command(good, "reload").stdout
    assert alarms(good) == []
    assert events(good, "configuration.restart_needed")[-1]["detail"] == {"settings": []}


# --- a bad one changes nothing ----------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "syntax": (lambda file: file.write_text("authority:\n  name: [x\n"), ":3:1: "),
    "an unknown key": (
        lambda file: file.write_text(file.read_text().replace('"router"', '"rooter"')),
        "authority > rooter: ",
    ),
    "a value out of range": (
        lambda file: file.write_text(
            file.read_text().replace('"peer-key-timeout": 10', '"peer-key-timeout": 1')
        ),
        "peer-key-timeout: ",
    ),
    "half of the file": (lambda file: file.write_text(file.read_text()[: file.stat().st_size // 2]), ": "),
    "nothing at all": (lambda file: file.write_text(""), ": "),
    "no UTF-8": (lambda file: file.write_bytes(b"authority:\n  name: \xff\n"), ":2:9: byte 19 is not UTF-8"),
    "no file": (lambda file: file.unlink(), ": cannot be read: No such file or directory"),
    "a directory": (lambda file: directory(file), ": cannot be read: Is a directory"),  # noqa: PLW0108 - defined below
    "too much": (
        lambda file: truncate(file, MAXIMUM_CONFIGURATION_BYTES + 1),
        ": cannot be read: larger than",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_configuration_changes_nothing_and_the_answer_says_what_is_wrong_where(
    remote: RemoteSystem, fault: str
) -> None:
    file = configured(remote)
    before = plans(remote)
    spoil, told = FAULTS[fault]
    spoil(file)
    try:
        refused = command(remote, "reload")
    finally:
        if file.is_dir():
            file.rmdir()
        remote.routers.write("both")

    assert refused.exit_code == 1
    assert f"{file}{told}" in refused.stderr or (f"{file}:" in refused.stderr and told in refused.stderr)
    assert plans(remote) == before


def test_a_certificate_that_is_not_there_takes_no_identity_away(good: RemoteSystem) -> None:
    wanted = json.loads(configured(good).read_text())
    wanted["authority"]["router"][0]["node"][0]["client-certificate"] = {"file": "gone.pem"}
    keys = [peer["keys"] for peer in security(good)]
    configured(good).write_text(json.dumps(wanted))

    assert command(good, "reload").exit_code == 0

    wait_for(lambda: any("gone.pem" in each["message"] for each in alarms(good)), 10)
    assert [peer["keys"] for peer in security(good)] == keys
    assert all(peer["status"] == "up" for peer in peers(good))
    good.routers.write("both")
    command(good, "reload")
    wait_for(lambda: alarms(good) == [], 10)


# --- helpers ----------------------------------------------------------------------------------------


def command(remote: RemoteSystem, *words: object) -> Any:  # noqa: ANN401 - of typer's own kind
    return peerkey(*words, "--state-dir", remote.routers.folder / "state")


def configured(remote: RemoteSystem) -> Path:
    """Return the configuration of the system."""
    return remote.routers.folder / "both.yaml"


def changed(remote: RemoteSystem, **settings: object) -> Path:
    """Write a configuration with other settings beside the one that runs."""
    return remote.routers.write("changed", **settings)


def plans(remote: RemoteSystem) -> tuple[NodePlan, ...]:
    return remote.system.call(lambda running: running.authority.ask(GetPlans(), 5 * SECOND))


def shown(remote: RemoteSystem, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command(remote, "show", *words, "--json").stdout)
    return found


def peers(remote: RemoteSystem) -> list[dict[str, Any]]:
    return list(shown(remote, "peers")["peers"])


def security(remote: RemoteSystem) -> list[dict[str, Any]]:
    return list(shown(remote, "peers", "security")["peers"])


def alarms(remote: RemoteSystem) -> list[dict[str, Any]]:
    return list(shown(remote, "alarms")["alarms"])


def events(remote: RemoteSystem, kind: str) -> list[dict[str, Any]]:
    return list(shown(remote, "events", "--type", kind)["events"])


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def truncate(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)
