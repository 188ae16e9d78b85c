"""docs/traceability.md tells the truth: every module and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "traceability.md"

#: What stands in the place of a module and a test where a sentence is not obeyed yet.
PLANNED = "planned"
#: A line of a table that is content: not its head, not the rule below the head.
ROW = re.compile(r"^\| (?!Sentence )(?P<sentence>[^|]+) \| (?P<modules>[^|]+) \| (?P<tests>[^|]+) \|$")


class Row(NamedTuple):
    """One sentence of the specification, and where it is obeyed and proved."""

    sentence: str
    modules: str
    tests: str


def rows_of(text: str) -> list[Row]:
    """Read the tables of ``text``."""
    matches = (ROW.match(line) for line in text.splitlines())
    return [Row(*(cell.strip() for cell in match.groups())) for match in matches if match]


ROWS = rows_of(TABLE.read_text("utf-8"))
KEPT = [row for row in ROWS if row.tests != PLANNED]


def test_every_line_of_a_table_is_read() -> None:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith(("| Sentence |", "|---|"))]

    assert len(ROWS) == len(lines) - len(heads) > 0


@pytest.mark.parametrize("row", KEPT, ids=lambda row: row.sentence[:60])
def test_a_kept_sentence_names_modules_and_tests_that_exist(row: Row) -> None:
    modules, tests = quoted(row.modules), quoted(row.tests)

    assert modules, "no module is named"
    assert tests, "no test is named"
    assert [name for name in modules if not (ROOT / name).exists()] == []
    assert [name for name in tests if not is_a_test(name)] == []


def test_a_planned_sentence_claims_no_module() -> None:
    assert [
        row.sentence for row in ROWS if PLANNED in (row.modules, row.tests) and row.modules != row.tests
    ] == []


def test_no_sentence_stands_twice() -> None:
    sentences = [row.sentence for row in ROWS]

    assert sorted(set(sentences)) == sorted(sentences)


def test_a_test_that_nobody_wrote_is_noticed() -> None:
    assert is_a_test("tests/test_traceability.py::test_no_sentence_stands_twice")
    assert not is_a_test("tests/test_traceability.py::test_that_nobody_wrote")
    assert not is_a_test("tests/test_that_nobody_wrote.py::test_anything")


def quoted(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def is_a_test(name: str) -> bool:
    """Tell whether ``path::function`` is a test."""
    path, _, function = name.partition("::")
    return function in functions_of(ROOT / path)


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Return the names of the test functions, methods and state machines in a file."""
    if not path.is_file():
        return frozenset()
    definitions = ast.walk(ast.parse(path.read_text("utf-8")))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in definitions if isinstance(node, kinds))
