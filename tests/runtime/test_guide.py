"""The guide to actors says what is true."""

from __future__ import annotations

import ast
import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime import DEFAULT_SUPERVISION, Supervision, incarnation
from runtime.backends.local import LocalSystem
from runtime.cluster.link import MAX_WAITING_BYTES, MAX_WAITING_ITEMS
from runtime.cluster.questions import MAX_OPEN
from runtime.cluster.watches import MAX_KEPT
from runtime.deadletters import LOGGED_PER_INTERVAL
from runtime.events import Crashed, Restarted, RuntimeEvent
from runtime.executor import QUEUE_LIMIT
from runtime.incarnation import Incarnation
from runtime.mailbox import MAILBOX_CAPACITY
from runtime.store.memory import MemoryStore
from runtime.system import MAX_ACTORS, MAX_DEPTH, ActorSystem
from runtime.testing import pass_time, run, settle

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
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


def test_a_write_that_is_refused_for_its_epoch_ends_the_stale_incarnation_of_the_notebook() -> None:
    names = run_the_guide()
    store = MemoryStore()
    events: list[RuntimeEvent] = []

    async def scenario(system: ActorSystem) -> None:
        notebook = system.spawn(lambda: names["Notebook"](store), "notebook")
        notebook.tell(names["Save"]("of the first"))
        await settle()
        epoch = await store.activate("notebook")
        notebook.tell(names["Save"]("refused"))
        await pass_time(timedelta(seconds=1))
        notebook.tell(names["Save"]("of the second"))
        await settle()
        record = await store.read("notebook", "page")
        assert record is not None
        assert (record.version, record.value) == (2, b"of the second")
        assert await store.activate("notebook") == epoch + 2

    run(scenario, observer=events.append)
    assert [type(event) for event in events[:2]] == [Crashed, Restarted]
    assert isinstance(events[0], Crashed)
    assert events[0].error == "runtime.errors.StaleEpoch"


def test_the_guide_names_what_there_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for name in re.findall(r"`ctx\.(\w+)", text):
        assert hasattr(Incarnation, name), name
    for name in re.findall(r"`system\.(\w+)", text):
        assert hasattr(LocalSystem, name), name


def test_every_function_of_the_guide_is_typed() -> None:
    functions = [node for node in ast.walk(ast.parse("\n".join(blocks()))) if isinstance(node, FUNCTIONS)]
    untyped = [
        f"{function.name}({argument.arg})"
        for function in functions
        for argument in function.args.args
        if argument.annotation is None and argument.arg != "self"
    ]
    assert untyped == []
    assert [function.name for function in functions if function.returns is None] == []
    assert len(functions) > 10


@pytest.mark.parametrize(
    ("row", "bounds"),
    [
        ("messages that wait for an actor", {MAILBOX_CAPACITY}),
        ("questions that an actor has taken", {incarnation.MAX_OWED}),
        (
            "timers, pipes, watches and deferred",
            {
                incarnation.MAX_TIMERS,
                incarnation.MAX_PIPES,
                incarnation.MAX_WATCHES,
                incarnation.MAX_DEFERRED,
            },
        ),
        ("work on the executor", {QUEUE_LIMIT}),
        ("generations of actors", {MAX_DEPTH, MAX_ACTORS}),
        ("messages handled in one turn", {ActorSystem.turn_messages}),
        ("lines in the log about dead letters", {LOGGED_PER_INTERVAL}),
        ("what waits for another host", {MAX_WAITING_ITEMS, MAX_WAITING_BYTES >> 20}),
        ("questions to one other host, and of it", {MAX_OPEN}),
        ("watches over actors of one other host", {MAX_KEPT}),
    ],
)
def test_the_guide_gives_the_bounds_that_there_are(row: str, bounds: set[int]) -> None:
    (line,) = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row}")]
    assert {int(number.replace(",", "")) for number in re.findall(r"\b[0-9][0-9,]*\b", line)} == bounds


def test_the_guide_tells_when_supervision_gives_up() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert (
        Supervision(
            initial=timedelta(milliseconds=100),
            maximum=timedelta(seconds=30),
            intensity=10,
            window=timedelta(minutes=5),
        )
        == DEFAULT_SUPERVISION
    )
    assert "up to 100 ms" in text
    assert "… 30 s" in text
    assert "eleventh crash in five minutes" in text


def run_the_guide() -> dict[str, Any]:
    """Run all blocks as one module, as a reader would who types them in."""
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile("\n".join(blocks()), str(GUIDE), "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    return names


def blocks() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(found) == 5
    return found
