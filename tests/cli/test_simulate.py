"""``peerkey simulate``: what it prints, how it ends, and that it does the same again when it is told to."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Site
from peerkey_cli.simulation.report import Simulation, Violation
from peerkey_cli.simulation.watch import Watch
from tests.cli.commands import document, peerkey
from tests.sim.authorities import PAIR

#: A fault as a document has it.
FAULT = {"at": 1, "kind": "crash", "node": "east/node0", "peer": "", "lasts": 0, "choice": 0}
MEASURED = {"elapsed_seconds", "virtual_days_per_second"}


def faulty(**changes: object) -> str:
    """Return a document with one fault that is wrong in one respect."""
    return json.dumps({"violations": [{"faults": [{**FAULT, **changes}]}]})


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    file = tmp_path / "authority.yaml"
    file.write_text(PAIR, "utf-8")
    return file


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that is not told when a disk is lost: keys are just gone, which breaks invariant 3."""

    def unnoticed(self: Watch, site: Site) -> None:
        self.touched_all(site)

    monkeypatch.setattr(Watch, "store_lost", unnoticed)


def test_a_run_without_a_violation_ends_with_0_and_says_what_happened(authority: Path) -> None:
    done = peerkey("simulate", authority, "--seed", 7, "--days", 0.1, "--loss", 0.1, "--intensity", 50)

    assert done.exit_code == 0
    assert done.stderr == ""
    for said in (
        "west/node0   east/node0   wan0",
        "There are no alarms.",
        "Seed:                  7",
        "Violations:            0",
        "virtual days per second",
    ):
        assert said in done.stdout
    assert "crash   " in done.stdout, "the faults are counted by their kinds"
    assert done.stdout.replace("✔", "").isascii()


def test_a_document_has_every_key_and_what_was_asked_for(authority: Path) -> None:
    words = ("--seed", 7, "--days", 0.05, "--loss", 0.25, "--faults", "crash,replay", "--intensity", 100)

    made = document("simulate", authority, *words)

    assert set(made) == set(Simulation.model_fields)
    assert (made["file"], made["seed"], made["days"], made["loss"], made["intensity"]) == (
        str(authority),
        7,
        0.05,
        0.25,
        100.0,
    )
    assert made["kinds"] == ["crash", "replay"]
    assert set(made["faults"]) == {"crash", "replay"}
    assert made["virtual_seconds"] == pytest.approx(0.05 * 86_400 + made["settled_seconds"], abs=1)
    assert made["time"].startswith("2026-01-01T01:")
    assert made["violations"] == []
    assert made["alarms"] == []
    assert [peer["status"] for peer in made["peers"]] == ["up", "up"]
    assert made["steps"] > 100
    assert sum(made["event_counts"].values()) >= len(made["events"]) > 0


def test_a_seed_says_the_same_again_and_another_something_else(authority: Path) -> None:
    one, again, other = (
        unmeasured(document("simulate", authority, "--days", 0.03, "--intensity", 100, "--seed", seed))
        for seed in (1, 1, 2)
    )

    assert one == again
    assert one["digest"] != other["digest"]


def test_without_a_seed_one_is_drawn_and_shown(authority: Path) -> None:
    one, other = (document("simulate", authority, "--days", 0.01) for _ in range(2))

    again = document("simulate", authority, "--days", 0.01, "--seed", one["seed"])

    assert one["seed"] != other["seed"]
    assert again["digest"] == one["digest"]


def test_no_faults_is_a_quiet_run(authority: Path) -> None:
    made = document("simulate", authority, "--seed", 1, "--days", 0.05, "--faults", "none")

    assert (made["kinds"], made["faults"], made["deaths"]) == ([], {}, {})
    assert made["datagrams"]["lost"] == 0


@pytest.mark.usefixtures("careless")
def test_a_violation_ends_with_1_and_is_shown_with_the_one_fault_that_it_needs(
    authority: Path, tmp_path: Path
) -> None:
    words = ("--days", 0.2, "--faults", "store-lost,crash,rekey", "--intensity", 300, "--seed", 3)

    done = peerkey("simulate", authority, *words)

    assert done.exit_code == 1
    assert done.stderr == ""
    assert "Violations:            1" in done.stdout
    assert "VIOLATION of invariant 3 at " in done.stdout
    assert "lost its current key" in done.stdout
    assert "  faults that it needs (1):" in done.stdout
    assert " store-lost " in done.stdout
    (again,) = [line for line in done.stdout.splitlines() if line.startswith("  again: ")]
    command = shlex.split(again.removeprefix("  again: "))
    assert command[0] == "peerkey"
    assert peerkey(*command[1:]).stdout.partition("VIOLATION")[2] == done.stdout.partition("VIOLATION")[2]


@pytest.mark.usefixtures("careless")
def test_the_faults_of_a_document_can_be_replayed_exactly(authority: Path, tmp_path: Path) -> None:
    words = ("--days", 0.2, "--faults", "store-lost,crash", "--intensity", 300, "--seed", 3)
    found = peerkey("simulate", authority, *words, "--json")
    assert found.exit_code == 1
    (violation,) = json.loads(found.stdout)["violations"]
    assert set(violation) == set(Violation.model_fields)
    assert (violation["invariant"], len(violation["faults"])) == (3, 1)
    earlier = tmp_path / "earlier.json"
    earlier.write_text(found.stdout, "utf-8")

    replayed = peerkey("simulate", authority, "--schedule", earlier, *words, "--json")

    assert replayed.exit_code == 1
    assert unmeasured(json.loads(replayed.stdout)) == unmeasured(json.loads(found.stdout))


@pytest.mark.usefixtures("careless")
def test_the_whole_schedule_is_kept_where_nothing_is_to_be_shortened(authority: Path) -> None:
    words = ("--days", 0.2, "--faults", "store-lost,crash", "--intensity", 300, "--seed", 3, "--no-shrink")

    (violation,) = document("simulate", authority, *words)["violations"]

    assert len(violation["faults"]) > 1


def test_the_kinds_of_faults_are_listed_with_how_often_they_happen(authority: Path) -> None:
    done = peerkey("simulate", authority, "--faults", "list")

    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [kind.value for kind in FaultKind]
    assert all(line.endswith(" a day and node") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--faults", "cras"], "--faults 'cras': no such kind; did you mean 'crash'?"),
        (["--faults", "crash,partiton"], "--faults 'partiton': no such kind; did you mean 'partition'?"),
        (["--faults", "zzz"], "--faults 'zzz': no such kind; there are actor-crash, "),
        (["--faults", ""], "--faults '': no such kind; there are actor-crash, "),
        (["--days", "0"], "--days 0: more than 0 and at most 3650"),
        (["--days", "-1"], "--days -1: more than 0 and at most 3650"),
        (["--days", "nan"], "--days nan: more than 0 and at most 3650"),
        (["--days", "1e9"], "--days 1e+09: more than 0 and at most 3650"),
        (["--days", "soon"], "invalid value for '--days': "),
        (["--loss", "1"], "--loss 1: a share from 0 to less than 1; "),
        (["--loss", "-0.1"], "--loss -0.1: a share from 0 to less than 1; "),
        (["--loss", "nan"], "--loss nan: a share from 0 to less than 1; "),
        (["--intensity", "inf"], "--intensity inf: from 0 to 10000"),
        (["--intensity", "-1"], "--intensity -1: from 0 to 10000"),
        (["--seed", "-1"], "--seed -1: from 0 to 18446744073709551615"),
        (["--seed", "x"], "invalid value for '--seed': "),
    ],
)
def test_what_cannot_be_is_said_in_one_line_with_status_2(
    words: list[str], line: str, authority: Path
) -> None:
    done = peerkey("simulate", authority, *words)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"peerkey: {line}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"violations": []}',
        '{"violations": [{"faults": [{"at": 1}]}]}',
        faulty(kind="zzz"),
        faulty(node=1),
        faulty(at="soon"),
        faulty(at=None),
        faulty(at=-1),
        faulty(at=1e300),
        faulty(lasts=-0.5),
        faulty(choice=1),
        faulty(choice=float("nan")),
        "\x00\xff",
        "[" * 100_000,
    ],
    ids=[
        "nothing",
        "list",
        "object",
        "no violation",
        "no kind",
        "other kind",
        "node",
        "text",
        "null",
        "before",
        "late",
        "length",
        "choice",
        "no number",
        "bytes",
        "deep",
    ],
)
def test_a_schedule_that_is_none_is_refused_in_one_line(
    content: str, authority: Path, tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(content, "utf-8")

    done = peerkey("simulate", authority, "--schedule", earlier, "--days", 0.01)

    assert done.exit_code == 1
    assert done.stderr == (
        f"peerkey: {earlier}: no document of `peerkey simulate --json` with a violation in it\n"
    )
    assert done.stdout == ""


def test_a_file_that_is_not_there_or_wrong_is_no_simulation(authority: Path, tmp_path: Path) -> None:
    for words in (
        [tmp_path / "absent.yaml"],
        [authority, "--schedule", tmp_path / "absent.json"],
        [authority, "--schedule", tmp_path],
    ):
        done = peerkey("simulate", *words)
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
    authority.write_text(PAIR.replace("peer-key-timeout: 30", "peer-key-timeout: soon"), "utf-8")
    done = peerkey("simulate", authority)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"peerkey: {authority}:")


def test_a_simulation_leaves_no_file_and_needs_none_but_the_configuration(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(authority.parent)

    assert peerkey("simulate", authority, "--seed", 1, "--days", 0.05, "--intensity", 100).exit_code == 0

    assert list(authority.parent.iterdir()) == [authority]
    assert authority.read_text("utf-8") == PAIR


# --- helpers --------------------------------------------------------------------------------------


def unmeasured(made: dict[str, Any]) -> dict[str, Any]:
    """Leave out how long the real machine took for it."""
    return {key: value for key, value in made.items() if key not in MEASURED}
