"""The guide to the simulator says what is true."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Site
from peerkey_cli.simulation.report import document, lines
from peerkey_cli.simulation.watch import Watch
from tests.support.story import EAST, SECOND, fault, play

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guides" / "simulator.md").read_text("utf-8")


def test_every_block_of_the_guide_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {"__name__": "guide"}

    exec(compile("\n".join(blocks), "simulator.md", "exec", dont_inherit=True), names)  # noqa: S102 - our own page

    assert names["epochs"] == [1, 2, 3]


def test_every_file_that_the_guide_names_is_there() -> None:
    named = re.findall(r"[\s`]((?:peerkey|peerkey_cli|runtime|tests)/[\w./-]+\w)", TEXT)

    assert len(named) > 10
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_every_name_of_the_code_in_the_guide_is_there() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "peerkey_cli/simulation").glob("*.py"))
    code += (ROOT / "peerkey/testing/observer.py").read_text("utf-8")
    named = re.findall(r"`([A-Z][A-Za-z_.]+)`", TEXT)

    assert len(named) > 5
    assert [name for name in named if name.rpartition(".")[2] not in code] == []


def test_the_finding_in_the_guide_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unnoticed(self: Watch, site: Site) -> None:
        """A lost store that the watch is not told of."""
        self.touched_all(site)

    monkeypatch.setattr(Watch, "store_lost", unnoticed)
    lost = fault(timedelta(seconds=2990), FaultKind.STORE_LOST, EAST, SECOND, choice=0.25)

    made = document("authority.yaml", play("pair", timedelta(hours=1), lost, seed=3), SECOND)

    printed = "\n".join(f"    {line}" for line in lines(made, "…", colours=False))
    head, middle, _ = printed.partition("the last of what happened there:\n")
    assert f"    VIOLATION{(head + middle).partition('VIOLATION')[2]}" in TEXT
