"""Ten thousand idle actors are small, and stop quickly."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc

import pytest

from runtime import Actor
from runtime.mailbox import Mailbox
from runtime.system import ActorSystem
from runtime.testing import run, settle

ACTORS = 2_000
#: Cell, incarnation, mailbox, reference, name, and the actor itself; 700 bytes when this was written.
BYTES_PER_IDLE_ACTOR = 1_200


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="platform: sizes are those of CPython")
def test_an_idle_actor_is_small() -> None:
    async def scenario(system: ActorSystem) -> float:
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(ACTORS):
            system.spawn(Idle, f"idle-{number}").tell("a message that is forgotten")
        await settle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert {info.state.value for info in system.actors()} == {"running"}
        return (after - before) / ACTORS

    assert run(scenario) < BYTES_PER_IDLE_ACTOR


def test_idle_actors_need_no_tasks() -> None:
    async def scenario(system: ActorSystem) -> None:
        for number in range(ACTORS):
            system.spawn(Idle, f"idle-{number}")
        await settle()
        assert len(asyncio.all_tasks()) == 1

    run(scenario)


def test_an_empty_mailbox_holds_no_queue() -> None:
    mailbox = Mailbox(2, [])
    assert (len(mailbox), mailbox.drain(), mailbox.queue) == (0, (), None)
    assert mailbox.put("one")
    mailbox.put_own("the runtime's own")
    assert not mailbox.put("refused")
    mailbox.put_own("always taken")
    assert mailbox.drain() == ("one", "the runtime's own", "always taken")
    assert mailbox.queue is None
    with pytest.raises(ValueError, match="at least one"):
        Mailbox(0, [])


class Idle(Actor):
    def receive(self, _message: object) -> None:
        return
