"""docs/protocol.md is true to the code: its diagrams, its table of kinds, its numbers and its reasons."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any, Final

import pytest

from peerkey.protocol import constants
from peerkey.protocol.constants import ACKNOWLEDGED, NEVER_REFUSED, Kind
from peerkey.protocol.messages import LAYOUTS, Reason
from peerkey.protocol.path import PATH_EDGES
from peerkey.protocol.phases import EDGES
from peerkey.protocol.schedule import DERIVATIONS

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs" / "protocol.md").read_text("utf-8")
SCRIPT: Final[dict[str, Any]] = runpy.run_path(str(ROOT / "docs" / "diagrams.py"))

#: | R1 | what | `tests/...::test_...` |
REASON: Final = re.compile(
    r"^\| (R\d+) \| [^|]+ \| `(tests/[\w/]+\.py)::(test_reason_\w+)` \|$", re.MULTILINE
)
#: | 1 | CERTIFICATE | number, chain, ... | signatures |
KIND: Final = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_diagrams_are_those_of_the_code() -> None:
    """Run ``python docs/diagrams.py`` if this fails."""
    assert SCRIPT["drawn"](TEXT) == TEXT
    assert set(re.findall(r"<!-- diagram: (\w+) -->", TEXT)) == set(SCRIPT["DIAGRAMS"])


@pytest.mark.parametrize(("name", "edges"), [("exchange", EDGES), ("path", PATH_EDGES)])
def test_every_transition_is_drawn_once(name: str, edges: dict[Any, Any]) -> None:
    drawn = [
        (before, step, after)
        for before, after, steps in re.findall(
            r"^    (\w+) --> (\w+): (.+)$", SCRIPT["DIAGRAMS"][name], re.MULTILINE
        )
        for step in steps.split(", ")
    ]
    wanted = [
        (before.name, step.name.lower().replace("_", " "), after.name)
        for (before, step), after in edges.items()
    ]
    assert sorted(drawn) == sorted(wanted)


def test_every_reason_of_the_text_has_a_named_test_and_every_such_test_a_reason() -> None:
    table = REASON.findall(TEXT)
    before_the_table = TEXT[: TEXT.index("| Reason |")]
    marked = re.findall(r"\((R\d+):", before_the_table)

    assert marked == [f"R{number}" for number in range(1, len(marked) + 1)]
    assert [name for name, _, _ in table] == marked
    assert sorted((path, function) for _, path, function in table) == sorted(reason_tests())


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    rows = {int(number): (name, fields) for number, name, fields, _ in KIND.findall(TEXT)}

    assert {number: name for number, (name, _) in rows.items()} == {kind.value: kind.name for kind in Kind}
    for number, (_, fields) in rows.items():
        named = tuple(re.findall(r"`(\w+)`", fields))
        assert named == LAYOUTS[number][0]._fields


def test_the_text_names_every_reason_of_a_refusal() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in TEXT] == []


def test_the_text_says_which_kinds_are_acknowledged_and_which_are_never_refused() -> None:
    acknowledged = ", ".join(str(kind.value) for kind in sorted(ACKNOWLEDGED))
    never = ", ".join(str(kind.value) for kind in sorted(NEVER_REFUSED))

    assert f"Acknowledged: {acknowledged}. Never refused: {never}." in TEXT


@pytest.mark.parametrize(
    "number",
    [
        "ACTIVATION_DELAY",
        "ERASURE_DELAY",
        "MAXIMUM_FRAME_BYTES",
        "MAXIMUM_SEGMENTS",
        "REASSEMBLY_SLOTS",
        "REASSEMBLY_TIMEOUT",
        "MAXIMUM_CHAIN",
        "DEFAULT_SEGMENT_BYTES",
        "IMMEDIATE_RETRIES",
        "PROBE_MISSES",
    ],
)
def test_a_number_of_the_text_is_that_of_the_code(number: str) -> None:
    value = getattr(constants, number)
    shown = f"{value.total_seconds():g} s" if hasattr(value, "total_seconds") else f"{value:,}"

    assert re.search(rf"^\| `{number}` \| {re.escape(shown)} \|", TEXT, re.MULTILINE)


def test_the_text_names_every_label_and_length_of_the_key_schedule() -> None:
    for _, label, length in DERIVATIONS:
        assert f'"{label}", {length}' in TEXT


def reason_tests() -> list[tuple[str, str]]:
    """Return the path and name of every test that is named for a reason."""
    return [
        (str(path.relative_to(ROOT)), node.name)
        for path in sorted((ROOT / "tests" / "protocol").glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_reason_")
    ]
