"""The guide to actors says what is true."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from runtime.backends.local import LocalSystem
from runtime.incarnation import Incarnation
from runtime.store.memory import MemoryStore
from runtime.system import ActorSystem
from runtime.testing import run, settle

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "actors.md"


def test_every_block_of_the_guide_runs() -> None:
    names = run_the_guide()
    assert asyncio.run(names["main"]()) == 2


def test_the_notebook_of_the_guide_keeps_its_pages() -> None:
    names = run_the_guide()
    store = MemoryStore()

    async def scenario(system: ActorSystem) -> None:
        notebook = system.spawn(lambda: names["Notebook"](store), "notebook")
        for number in range(5):
            notebook.tell(names["Save"](f"page {number}"))
        await settle()
        record = await store.read("notebook", "page")
        assert record is not None
        assert (record.version, record.value) == (5, b"page 4")

    run(scenario)


def test_the_guide_names_what_there_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for name in re.findall(r"`ctx\.(\w+)", text):
        assert hasattr(Incarnation, name), name
    for name in re.findall(r"`system\.(\w+)", text):
        assert hasattr(LocalSystem, name), name


def run_the_guide() -> dict[str, Any]:
    """Run all blocks as one module, as a reader would who types them in."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile("\n".join(blocks), str(GUIDE), "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    return names
