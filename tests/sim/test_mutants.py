"""The test of the tests: each deliberate mistake is found, by what should find it, within its seeds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sim.mutation import MUTANTS, ROOT, Mutant, Stale, controls, mutants
from tests.sim.scenarios import hunt

#: What the issue asks for is twelve.
FEWEST = 14

EXAMPLE = """\
Breaks: nothing
Found by: nobody
Scenario: rekeys
Within: 1 seed

--- a/example.py
+++ b/example.py
@@ -1,3 +1,3 @@
 one
-two
+too
 three
"""


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_the_mutant_is_found_within_its_seeds(mutant: Mutant) -> None:
    found = mutant.hunted(mutant.scenario, mutant.within)

    assert found.finding, f"{mutant.name} survives {found.seeds} seeds of {mutant.scenario}"
    assert mutant.found_by.search(found.finding), (
        f"{mutant.name} was found by something else: {found.finding}"
    )


@pytest.mark.parametrize(("scenario", "seeds"), controls().items())
def test_the_same_seeds_find_nothing_in_the_tree_as_it_is(scenario: str, seeds: int) -> None:
    assert hunt(scenario, seeds).finding == ""


def test_there_are_enough_mutants_and_the_table_names_each() -> None:
    table = (MUTANTS / "README.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `(\d\d-[a-z-]+)` \| .* \| ([\w-]+) \| \d+ of (\d+) \| (?:\d+|none) \|$", table, re.MULTILINE
    )

    assert rows == [(mutant.name, mutant.scenario, str(mutant.within)) for mutant in mutants()]
    assert len(rows) >= FEWEST


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_the_sentence_that_a_mutant_breaks_is_in_the_protocol(mutant: Mutant) -> None:
    texts = (ROOT / "docs" / name for name in ("protocol.md", "ha.md"))
    protocol = without_marks(" ".join(text.read_text("utf-8") for text in texts))
    quoted = re.findall(r'"([^"]+)"', mutant.breaks)

    assert quoted
    assert [sentence for sentence in quoted if without_marks(sentence) not in protocol] == []


def test_every_mutant_is_in_code_that_runs_in_production() -> None:
    files = {mutant.file for mutant in mutants()}

    assert [file for file in files if "testing" in file or "simulation" in file] == []
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_a_mutant_whose_line_has_changed_is_stale(tmp_path: Path) -> None:
    mutant = read(tmp_path, EXAMPLE)

    assert mutant.applied_to("zero\none\ntwo\nthree\n") == "zero\none\ntoo\nthree\n"
    with pytest.raises(Stale, match=r"stale: what it changes in example\.py, line 1, is not there"):
        mutant.applied_to("one\n2\nthree\n")
    with pytest.raises(Stale, match="is there 2 times"):
        mutant.applied_to("one\ntwo\nthree\n" * 2)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("+too\n", "+too\n+more\n"),
        ("-two\n", " two\n"),
        ("Scenario: rekeys\n", ""),
        ("@@ -1,3 +1,3 @@", "@@"),
    ],
)
def test_a_mutant_is_one_replaced_line_under_a_whole_header(tmp_path: Path, line: str, instead: str) -> None:
    with pytest.raises(Stale):
        read(tmp_path, EXAMPLE.replace(line, instead))


# --- helpers ----------------------------------------------------------------------------------------


def without_marks(text: str) -> str:
    return re.sub(r"[\s`*]+", " ", text).strip()


def read(directory: Path, patch: str) -> Mutant:
    path = directory / "00-example.patch"
    path.write_text(patch, "utf-8")
    return Mutant.read(path)
