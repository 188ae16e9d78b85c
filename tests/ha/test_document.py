"""docs/ha.md is true to the code: its diagrams, its table of kinds, its numbers and its refusals."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any, Final

import pytest

from peerkey.ha import constants, effects
from peerkey.ha.leadership import LEADERSHIP_EDGES
from peerkey.ha.link import LINK_EDGES
from peerkey.ha.messages import LAYOUTS, Kind, Reason
from peerkey.ha.pair import PairNode
from peerkey.ha.takeover import TAKEOVER_EDGES

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs" / "ha.md").read_text("utf-8")
SCRIPT: Final[dict[str, Any]] = runpy.run_path(str(ROOT / "docs" / "diagrams.py"))

#: | 1 | HELLO | `authority`, ... |
KIND: Final = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| ([^|]+) \|$", re.MULTILINE)
#: | `LEASE` | 2 s | what |
LIMIT: Final = re.compile(r"^\| `([A-Z_]+)` \| ([\d.,]+(?: s)?) \|", re.MULTILINE)


def test_the_diagrams_are_those_of_the_code() -> None:
    """Run ``python docs/diagrams.py`` if this fails."""
    assert SCRIPT["drawn"](TEXT, SCRIPT["HA_DIAGRAMS"]) == TEXT
    assert set(re.findall(r"<!-- diagram: (\w+) -->", TEXT)) == set(SCRIPT["HA_DIAGRAMS"])


@pytest.mark.parametrize(
    ("name", "edges"),
    [("link", LINK_EDGES), ("leadership", LEADERSHIP_EDGES), ("takeover", TAKEOVER_EDGES)],
)
def test_every_transition_is_drawn_once(name: str, edges: dict[Any, Any]) -> None:
    drawn = [
        (before, step, after)
        for before, after, steps in re.findall(
            r"^    (\w+) --> (\w+): (.+)$", SCRIPT["HA_DIAGRAMS"][name], re.MULTILINE
        )
        for step in steps.split(", ")
    ]
    wanted = [
        (before.name, step.name.lower().replace("_", " "), after.name)
        for (before, step), after in edges.items()
    ]
    assert sorted(drawn) == sorted(wanted)


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    rows = {int(number): (name, said) for number, name, said in KIND.findall(TEXT)}

    assert {number: name for number, (name, _) in rows.items()} == {kind.value: kind.name for kind in Kind}
    for kind, (message, _) in LAYOUTS.items():
        assert tuple(re.findall(r"`(\w+)`", rows[kind][1])) == message._fields  # type: ignore[attr-defined]


def test_every_number_of_the_text_is_that_of_the_code() -> None:
    said = dict(LIMIT.findall(TEXT))

    assert len(said) == 16
    for name, shown in said.items():
        value = getattr(constants, name)
        assert shown == (f"{value.total_seconds():g} s" if hasattr(value, "total_seconds") else f"{value:,}")


def test_the_table_of_refusals_names_every_reason() -> None:
    _, _, section = TEXT.partition("## 6. Refusals")

    assert set(re.findall(r"^\| `([\w-]+)` \|", section.partition("## 7")[0], re.MULTILINE)) == set(Reason)


def test_every_verb_and_effect_of_the_machine_is_described() -> None:
    _, _, section = TEXT.partition("## 7. To drive it")
    verbs = {"connected", "received", "lost", "tick", "changed", "stored", "term_stored", "rekey_wanted"}
    wanted = {each.__name__ for each in effects.Effect.__args__}

    assert all(hasattr(PairNode, verb) for verb in verbs)
    assert [word for word in (*verbs, *wanted) if not re.search(rf"`{word}\b", section)] == []


def test_four_beats_are_lost_before_a_lease_ends_and_claims_are_a_beat_apart() -> None:
    assert constants.LEASE >= 4 * constants.BEAT_INTERVAL
    assert constants.CLAIM_STAGGER > constants.BEAT_INTERVAL
