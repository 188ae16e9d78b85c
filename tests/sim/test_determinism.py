"""One seed, one run: the same datagrams at the same instants, wherever and whenever it is run.

The digest of a run covers every datagram, write, fault, event and death with its instant
(:mod:`peerkey_cli.simulation.trace`), so two digests are equal when nothing differed.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from peerkey_cli.simulation.watch import Finding
from tests.sim.authorities import AUTHORITIES, PAIR, planned
from tests.sim.seeds import brief, short

ROOT = Path(__file__).parents[2]
#: A run in which everything goes wrong, of each authority.
DENSE = {"pair": 1, "hard": 3, "pinned": 8, "probed": 89}
#: A seed that draws an HA pair.
PAIRED_SEED = 17
OTHER_PLACES = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC"},
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"},
    {"PYTHONHASHSEED": "4294967295", "TZ": "America/St_Johns", "LC_ALL": "C"},
)


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_a_seed_does_the_same_twice_in_one_process(authority: str) -> None:
    run = replace(brief(DENSE[authority]), authority=authority)

    once, twice = run.run(), run.run()

    assert once.schedule
    assert seen(once) == seen(twice)


def test_another_seed_does_something_else() -> None:
    run = brief(1)
    other = replace(run, settings=replace(run.settings, seed=run.settings.seed + 1))

    assert run.run().digest != other.run().digest


def test_a_run_with_exactly_the_faults_that_were_drawn_is_the_same_run() -> None:
    run = brief(DENSE["hard"])
    drawn = run.run()

    again = simulate(planned(run.authority), replace(run.settings, schedule=drawn.schedule))

    assert seen(again) == seen(drawn)


def test_a_run_is_the_same_after_another_one_in_the_process() -> None:
    alone = brief(DENSE["pinned"]).run().digest
    for number in (1, 2):
        brief(number).run()

    assert brief(DENSE["pinned"]).run().digest == alone


def test_a_fault_after_the_finding_changes_nothing_before_it() -> None:
    run = brief(DENSE["hard"])
    faults = run.run().schedule
    instant = faults[len(faults) // 2].at + timedelta(milliseconds=1)
    before = tuple(fault for fault in faults if fault.at <= instant)

    whole, half = (
        found_at(instant, run.authority, replace(run.settings, schedule=schedule))
        for schedule in (faults, before)
    )

    assert len(before) < len(faults)
    assert whole == half


def test_being_told_of_progress_changes_nothing() -> None:
    run = brief(DENSE["pair"])
    told: list[timedelta] = []

    watched = simulate(planned(run.authority), replace(run.settings, lasts=timedelta(hours=3)), told.append)
    alone = simulate(planned(run.authority), replace(run.settings, lasts=timedelta(hours=3)))

    assert told == [timedelta(hours=hour) for hour in range(1, len(told) + 1)]
    assert len(told) >= 3
    assert seen(watched) == seen(alone)


@pytest.mark.parametrize("drawn", [f"short({DENSE['pair']})", f"brief({PAIRED_SEED})"])
def test_a_seed_does_the_same_in_other_processes_zones_and_folders(drawn: str, tmp_path: Path) -> None:
    run = short(DENSE["pair"]) if drawn.startswith("short") else brief(PAIRED_SEED)
    assert (run.authority == "ha") == (run.name == f"--brief {PAIRED_SEED}")
    here = seen(run.run())
    script = (
        "import json, sys; from tests.sim.seeds import brief, short;"
        f"from tests.sim.test_determinism import seen; json.dump(seen({drawn}.run()), sys.stdout)"
    )

    for surroundings in OTHER_PLACES:
        assert json.loads(run_python(["-c", script], surroundings, tmp_path)) == here, surroundings


def test_the_command_does_the_same_on_any_day(tmp_path: Path) -> None:
    file = tmp_path / "authority.yaml"
    file.write_text(PAIR, "utf-8")
    words = ["-m", "peerkey_cli.main", "simulate", str(file), "--seed", "7", "--days", "0.05", "--json"]

    documents = [json.loads(run_python(words, each, tmp_path)) for each in OTHER_PLACES]

    for document in documents:
        assert document["violations"] == []
        for measured in ("elapsed_seconds", "virtual_days_per_second"):
            del document[measured]
    assert documents[0] == documents[1] == documents[2]


# --- helpers --------------------------------------------------------------------------------------


def seen(outcome: Outcome) -> list[Any]:
    """Return everything that may not differ, as JSON's types."""
    return [
        outcome.digest,
        outcome.virtual.total_seconds(),
        outcome.steps,
        [[name, number] for name, number in sorted(outcome.event_counts.items())],
        [[name, number] for name, number in sorted(outcome.deaths.items())],
        [[name, number] for name, number in sorted(outcome.datagrams.items())],
        [entry.document() for entry in outcome.events],
        [fault.document() for fault in outcome.schedule],
    ]


def found_at(instant: timedelta, authority: str, settings: Settings) -> list[Any]:
    """Return what is seen of a run in which something is found at an instant."""

    async def finds(fleet: Fleet) -> None:
        await asyncio.sleep(instant.total_seconds())
        fleet.watch.fail(0, "planted", "everybody")

    outcome = simulate(planned(authority), settings, beside=finds)
    assert outcome.finding == Finding(0, "planted", ("everybody",), instant)
    return seen(replace(outcome, schedule=()))


def run_python(words: list[str], surroundings: dict[str, str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **surroundings}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
