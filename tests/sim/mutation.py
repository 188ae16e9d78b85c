"""Deliberate mistakes, one line each, and whether the simulator finds them.

A *mutant* is a file under ``tests/sim/mutants/``: a unified diff with exactly one changed line, below a
header that says which sentence the change breaks, what has to find it, where, and how soon::

    Breaks: K6: "`ACTIVATION_DELAY` = 30 s after acceptance a side seals with the new key"
    Found by: broken rule, .* is in use 0 s after it was accepted
    Scenario: rekeys
    Within: 2 seeds

``Found by`` is a regular expression for the finding, so that a mutant that is found by accident, through a
consequence of a consequence, is not taken for found. The mutant runs in a process of its own on a copy of
the tree; nothing here ever changes the tree itself. A patch that does not fit it any more is *stale*, and
that is an error: whoever changes the line decides anew what a mistake in it would look like.

``python -m tests.sim.mutation`` prints how many seeds each mutant takes; with ``short``, how many of those
that are drawn at random (:func:`tests.sim.seeds.short`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.sim.scenarios import SCENARIOS, SHORT, Hunt

ROOT: Final = Path(__file__).parents[2]
MUTANTS: Final = ROOT / "tests" / "sim" / "mutants"

#: What a mutant needs of the tree.
_COPIED: Final = ("peerkey", "runtime", "actors", "metrics", "peerkey_cli", "tests/sim")
#: A mutant that is not found within so many drawn seeds is reported as such.
MOST_SHORT_SEEDS: Final = 60
#: A mutant may make a run go on for ever.
_LONGEST_HUNT_SECONDS: Final = 600

_FIELDS: Final = ("Breaks", "Found by", "Scenario", "Within")
_HUNK: Final = re.compile(r"@@ -(\d+),\d+ \+\1,\d+ @@")


class Stale(AssertionError):
    """A mutant does not fit the tree, or is not what a mutant has to be."""

    def __init__(self, name: str, what: str) -> None:
        """Say which and why."""
        super().__init__(f"{name}: {what}")


class NotRun(AssertionError):
    """A hunt came to nothing, or hunted something else."""

    def __init__(self, name: str, what: str) -> None:
        """Say which and why."""
        super().__init__(f"{name}: {what}")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate mistake."""

    name: str
    #: The sentence of protocol.md, or of ha.md, that it breaks.
    breaks: str
    #: What has to find it.
    found_by: re.Pattern[str]
    scenario: str
    within: int
    #: The file, the number of the first line of the hunk, and its lines before and after.
    file: str
    first: int
    before: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Mutant:
        """Read a patch.

        Raises:
            Stale: where it is not one changed line under a whole header.

        """
        header, _, diff = path.read_text("utf-8").partition("\n--- a/")
        said = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line)
        lines = diff.splitlines()
        hunk = _HUNK.fullmatch(lines[2]) if len(lines) > 2 else None
        if tuple(said) != _FIELDS or hunk is None or lines[1] != f"+++ b/{lines[0]}":
            raise Stale(path.name, f"not a header with {', '.join(_FIELDS)} and a diff of one hunk")
        body = lines[3:]
        signs = "".join(line[0] for line in body).strip()
        if signs != "-+":
            raise Stale(path.name, "one line is to be replaced by one other")
        return cls(
            name=path.stem,
            breaks=said["Breaks"],
            found_by=re.compile(said["Found by"]),
            scenario=said["Scenario"],
            within=int(said["Within"].removesuffix(" seeds").removesuffix(" seed")),
            file=lines[0],
            first=int(hunk[1]),
            before=tuple(line[1:] for line in body if line[0] != "+"),
            after=tuple(line[1:] for line in body if line[0] != "-"),
        )

    def applied_to(self, text: str) -> str:
        """Return ``text`` with the mistake in it.

        The hunk may have moved within the file; but its lines have to be there, and only once.

        Raises:
            Stale: where they are not.

        """
        lines = text.splitlines()
        size = len(self.before)
        places = [at for at in range(len(lines)) if tuple(lines[at : at + size]) == self.before]
        if len(places) != 1:
            there = "is not there" if not places else f"is there {len(places)} times"
            raise Stale(self.name, f"stale: what it changes in {self.file}, line {self.first}, {there}")
        (at,) = places
        return "\n".join((*lines[:at], *self.after, *lines[at + size :])) + "\n"

    def hunted(self, scenario: str, most: int) -> Hunt:
        """Run seeds against a copy of the tree that has the mistake in it, until one finds something."""
        with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
            copy = Path(directory)
            for part in _COPIED:
                shutil.copytree(ROOT / part, copy / part)
            shutil.copy(ROOT / "tests" / "__init__.py", copy / "tests")
            target = copy / self.file
            # What was compiled of the original may be as old, and as long, as the copy with the mistake.
            for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
                compiled.unlink()
            target.write_text(self.applied_to(target.read_text("utf-8")), "utf-8")
            ran = subprocess.run(
                [sys.executable, "-m", "tests.sim.scenarios", scenario, str(most)],
                cwd=copy,
                check=False,
                capture_output=True,
                text=True,
                timeout=_LONGEST_HUNT_SECONDS,
            )
            if ran.returncode:
                raise NotRun(self.name, f"the hunt itself failed\n{ran.stderr}")
            found = Hunt(**json.loads(ran.stdout))
            if Path(found.tree).resolve() != copy.resolve():
                raise NotRun(self.name, f"{found.tree} was run, and not the copy")
            return found


def mutants() -> tuple[Mutant, ...]:
    """Return all mutants, by name."""
    return tuple(Mutant.read(path) for path in sorted(MUTANTS.glob("*.patch")))


def controls() -> dict[str, int]:
    """Return how many seeds of each scenario the mutants need: so many find nothing in the tree as it is."""
    most = dict.fromkeys(SCENARIOS, 0)
    for mutant in mutants():
        most[mutant.scenario] = max(most[mutant.scenario], mutant.within)
    return most


def main(arguments: list[str]) -> int:
    """Print how many seeds each mutant takes, of its scenario or of the drawn ones."""
    drawn = SHORT in arguments
    chosen = [each for each in arguments if each != SHORT]
    for mutant in mutants():
        if chosen and mutant.name not in chosen:
            continue
        if drawn:
            found = mutant.hunted(SHORT, MOST_SHORT_SEEDS)
        else:
            found = mutant.hunted(mutant.scenario, mutant.within)
        took = f"{found.seeds:3} seeds {found.cpu_seconds:6.1f} s"
        sys.stdout.write(f"{mutant.name:40} {took}  {found.finding or 'survives'}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
