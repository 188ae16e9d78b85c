"""Crashes of actors in the audit log and among the alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import crashes
from actors.cluster.units import prefix_of_path
from actors.crashes import LOOP_CRASHES, LOOP_WINDOW, TOLD_EVERY, ActorAlarms, CrashWatch
from actors.journal import MemoryJournal
from actors.names import AUTHORITY, belongs_to, node_actor
from peerkey.config.fields import NAME_PATTERN
from peerkey.observe.alarms import actor_crashing, actor_failed
from peerkey.observe.condensing import condensed
from peerkey.observe.events import ActorCrashed, ActorFailed
from runtime import Actor, Ref, Supervision
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.clock import StoppedClock
from runtime.events import Crashed
from runtime.executor import InlineExecutor
from runtime.system import ActorSystem
from runtime.testing import pass_time, settle

SECOND = timedelta(seconds=1)
NODE = "authority/hub.node0"
PATH = "authority/hub.node0/wan0>east~node0@192.0.2.1:1280"

names = st.from_regex(NAME_PATTERN, fullmatch=True)


def test_a_crash_is_told_once_with_the_node_that_it_belongs_to() -> None:
    async def scenario(rig: Rig) -> None:
        rig.path.tell("crash")
        await pass_time(SECOND)
        (entry,) = rig.journal.recent()
        assert entry.node == "hub/node0"
        assert entry.event == ActorCrashed(PATH, "Fragile", "ValueError", 1, 1)
        assert entry.document() == {
            "time": "2026-01-01T00:00:00.000Z",
            "type": "actor.crashed",
            "node": "hub/node0",
            "title": "An actor crashed.",
            "description": f"Actor {PATH} crashed: ValueError",
            "detail": {
                "actor": PATH,
                "kind": "Fragile",
                "error": "ValueError",
                "times": 1,
                "crashes": 1,
            },
            "permitted": True,
        }
        assert rig.watch.alarms() == ()

    rig_run(scenario)


def test_a_crash_of_the_actor_at_the_top_is_told_under_its_own_name() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(LOOP_CRASHES):
            rig.system.crash(rig.top, ConnectionError())
            await pass_time(SECOND)
        assert {entry.node for entry in rig.journal.recent()} == {AUTHORITY}
        assert rig.watch.alarms() == (
            ActorAlarms(AUTHORITY, (actor_crashing(AUTHORITY, AUTHORITY, "ConnectionError"),)),
        )

    rig_run(scenario)


def test_a_storm_of_crashes_is_one_event_a_minute_and_every_crash_is_in_one_of_them() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(300):
            rig.path.tell("crash")
        await pass_time(timedelta(hours=1))
        told = [(entry.time, entry.event) for entry in rig.journal.recent()]
        assert rig.system.info().crashes == 300
        assert sum(event.times for _, event in told if isinstance(event, ActorCrashed)) == 300
        assert all(later - earlier >= TOLD_EVERY for (earlier, _), (later, _) in pairwise(told))
        assert told[-1][1].detail()["crashes"] == 300
        first, second = told[0][1], told[1][1]
        assert first.description() == f"Actor {PATH} crashed: ValueError"
        assert second.description() == f"Actor {PATH} crashed {second.detail()['times']} times: ValueError"

    rig_run(scenario)


def test_what_is_owed_to_the_journal_is_told_at_the_end() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(3):
            rig.path.tell("crash")
            await pass_time(SECOND)
        assert len(rig.journal.recent()) == 1
        await rig.system.stop(SECOND)
        rig.watch.close()
        assert [entry.event.detail()["times"] for entry in rig.journal.recent()] == [1, 2]

    rig_run(scenario)


def test_a_store_that_fails_is_one_alarm_of_the_node_however_many_of_its_actors_it_crashes() -> None:
    watch = CrashWatch(MemoryJournal(), StoppedClock())
    # Nobody has to be told later: there is no loop.
    watch.close()
    for name in (PATH, f"{PATH}-2", "authority/hub.node0"):
        for _ in range(LOOP_CRASHES):
            watch.observe(Crashed(name, "PeerPath", "StoreUnavailable", 1, None))
    found, _ = condensed(watch.alarms(), "authority")

    assert [alarm.message for each in found for alarm in each.alarms] == [
        "The store of `hub/node0` fails: actors crash again and again without it."
    ]


def test_an_alarm_is_there_during_a_loop_of_crashes_and_gone_when_it_is_over() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(LOOP_CRASHES - 1):
            rig.path.tell("crash")
            await pass_time(SECOND)
        assert rig.watch.alarms() == ()
        rig.path.tell("crash")
        await pass_time(SECOND)
        (noticed,) = rig.watch.alarms()
        assert noticed == ActorAlarms("hub/node0", (actor_crashing("hub/node0", PATH, "ValueError"),))
        assert noticed.alarms[0].category.value == "platform"
        assert noticed.alarms[0].message == f"Actor `{PATH}` crashes again and again: ValueError."
        await pass_time(LOOP_WINDOW)
        assert rig.watch.alarms() == ()

    rig_run(scenario)


def test_crashes_that_are_far_apart_are_no_loop() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(10):
            rig.path.tell("crash")
            await pass_time(LOOP_WINDOW / 2 + SECOND)
            assert rig.watch.alarms() == ()

    rig_run(scenario)


def test_a_failed_actor_has_an_event_and_an_alarm_until_it_is_replaced() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(2):
            rig.node.tell("crash")
            await pass_time(SECOND)
        assert [type(entry.event) for entry in rig.journal.recent()] == [ActorCrashed, ActorFailed]
        assert rig.journal.recent()[-1].event == ActorFailed(NODE, "Node", "ValueError", 1, 2)
        assert rig.journal.recent()[-1].event.description() == (
            f"Actor {NODE} crashed too often and has failed: ValueError"
        )
        failed = (ActorAlarms("hub/node0", (actor_failed("hub/node0", NODE, "ValueError"),)),)
        assert rig.watch.alarms() == failed
        await pass_time(timedelta(days=1))
        assert rig.watch.alarms() == failed
        rig.top.tell("again")
        await pass_time(SECOND)
        assert rig.watch.alarms() == ()

    rig_run(scenario)


def test_an_actor_that_is_gone_has_no_alarm() -> None:
    async def scenario(rig: Rig) -> None:
        for _ in range(LOOP_CRASHES):
            rig.path.tell("crash")
            await pass_time(SECOND)
        assert rig.watch.alarms()
        await rig.system.stop_actor(rig.path)
        assert rig.watch.alarms() == ()

    rig_run(scenario)


def test_what_is_remembered_is_bounded_and_the_quiet_are_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crashes, "MAX_REMEMBERED", 3)
    journal, clock = MemoryJournal(), StoppedClock()
    watch = CrashWatch(journal, clock)

    def crash(name: str) -> None:
        watch.observe(Crashed(name, "Fragile", "ValueError", 1, SECOND))

    for name in ("quiet", "loud"):
        crash(name)
    clock.advance(LOOP_WINDOW)
    for name in ("loud", "loud", "loud", "third", "fourth"):
        # No loop runs here, and so nothing can be told later: all of these come a minute after the last.
        clock.advance(TOLD_EVERY)
        crash(name)
    assert [alarms.node for alarms in watch.alarms()] == ["loud"]
    for number in range(3):
        clock.advance(TOLD_EVERY)
        crash(f"flood {number}")
    assert watch.alarms() == ()


@given(router=names, node=names, other_router=names, other_node=names)
def test_the_node_is_found_from_the_name_of_any_of_its_actors(
    router: str, node: str, other_router: str, other_node: str
) -> None:
    name, other = f"{router}/{node}", f"{other_router}/{other_node}"
    assert belongs_to(f"{AUTHORITY}/{node_actor(name)}") == name
    assert belongs_to(f"{AUTHORITY}/{node_actor(name)}/wan0>x~y@10.0.0.1:1280") == name
    assert belongs_to(f"{prefix_of_path(name, 'wan0>x/y@10.0.0.1:1280')}~7.1") == name
    assert (node_actor(name) == node_actor(other)) == (name == other)


def test_dots_in_names_do_not_make_two_nodes_one() -> None:
    assert node_actor("east/node0") == "east.node0"
    assert node_actor("a.b/c") != node_actor("a/b.c")
    assert belongs_to(AUTHORITY) == AUTHORITY


# --- helpers --------------------------------------------------------------------------------------


class Fragile(Actor):
    def receive(self, message: object) -> None:
        raise ValueError(message)


class Node(Fragile):
    async def started(self) -> None:
        patient = Supervision(intensity=None, maximum=10 * SECOND)
        self.ctx.spawn(Fragile, PATH.rpartition("/")[2], supervision=patient)


class Top(Actor):
    async def started(self) -> None:
        self.run_a_node()

    def receive(self, _message: object) -> None:
        self.run_a_node()

    def run_a_node(self) -> None:
        strict = Supervision(intensity=1, escalate=False)
        self.ctx.spawn(Node, node_actor("hub/node0"), supervision=strict)


class Rig:
    """An authority, a node and a path that crash on demand, and the watch over them."""

    def __init__(self, system: ActorSystem, watch: CrashWatch, journal: MemoryJournal) -> None:
        self.system = system
        self.watch = watch
        self.journal = journal
        self.top = system.spawn(Top, AUTHORITY, supervision=Supervision(intensity=None))
        self.node: Ref = system.ref(NODE)
        self.path: Ref = system.ref(PATH)


def rig_run(scenario: Callable[[Rig], Awaitable[None]]) -> None:
    async def whole() -> None:
        journal, clock = MemoryJournal(), VirtualClock(asyncio.get_running_loop())
        watch = CrashWatch(journal, clock)
        system = ActorSystem(clock=clock, executor=InlineExecutor(), random=Random(1), observer=watch.observe)
        async with system:
            rig = Rig(system, watch, journal)
            await settle()
            await scenario(rig)
        watch.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())
