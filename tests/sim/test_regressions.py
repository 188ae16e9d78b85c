"""What a simulation has found once, it does not find again. ``regressions/README.md`` has the format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sim.seeds import Short, short

FILES = sorted((Path(__file__).parent / "regressions").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_run_that_failed_once_finds_nothing(file: Path) -> None:
    run = kept(file)

    outcome = run.run()

    assert outcome.finding is None, run.explain(outcome)
    assert outcome.settled_in is not None
    assert outcome.schedule, "nothing went wrong in it"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_kept_run_says_in_a_sentence_why_it_is_kept(file: Path) -> None:
    document = json.loads(file.read_text("utf-8"))

    assert document["why"].endswith(".")
    assert kept(file).document(why=document["why"]) == document


def test_a_run_is_the_same_after_it_has_been_kept() -> None:
    run = short(4)
    explicit = replace(run, settings=replace(run.settings, schedule=run.run().schedule))

    assert explicit.settings.schedule
    for each in (run, explicit):
        assert Short.of(json.loads(json.dumps(each.document(why="It is."))), each.name) == each


# --- helpers --------------------------------------------------------------------------------------


def kept(file: Path) -> Short:
    return Short.of(json.loads(file.read_text("utf-8")), str(file))
