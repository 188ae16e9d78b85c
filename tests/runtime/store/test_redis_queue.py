"""The queue of the Redis store, in virtual time: order, deadlines, new connections, and what is asked again.

The link below it is a fake: it answers every call with the least that it can mean, and fails when it is told
to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

import pytest

from runtime.backends.virtual import VirtualTimeLoop
from runtime.errors import StoreUnavailable, StoreUnusable
from runtime.store import redis as redis_store
from runtime.store.port import Put
from runtime.store.redis import LONGEST_PAUSE, RedisStore
from runtime.store.redis_calls import Commit, Work

PATIENCE = timedelta(seconds=10)

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


def test_what_gathers_while_a_group_is_under_way_is_the_next(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        calls = [asyncio.ensure_future(read(store, "first"))]
        await asyncio.sleep(0.01)
        calls += [asyncio.ensure_future(read(store, str(number))) for number in range(5)]
        await asyncio.gather(*calls)
        assert [len(group) for group in link.groups] == [1, 5]
        await store.close()

    run(scenario())


def test_a_group_has_a_limit_in_calls_and_one_in_bytes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "GROUP_LIMIT", 4)
    monkeypatch.setattr(redis_store, "GROUP_BYTES", 10_000)

    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        sizes = [1, 1, 1, 1, 1, 6_000, 6_000, 20_000, 1]
        changes = [[Put("ring", bytes(size), 0)] for size in sizes]
        await asyncio.gather(*(store.commit("node", 1, each) for each in changes))
        assert [len(group) for group in link.groups] == [4, 2, 1, 1, 1]
        await store.close()

    run(scenario())


def test_a_call_without_an_answer_fails_at_its_deadline(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink(delay=3600)
        store = opened(link)
        began = now()
        under_way = asyncio.ensure_future(store.activate("node"))
        await asyncio.sleep(4)
        waits = asyncio.ensure_future(store.activate("node"))
        with pytest.raises(StoreUnavailable, match="no answer"):
            await under_way
        assert now() - began == pytest.approx(10)
        with pytest.raises(StoreUnavailable, match="within 10 s"):
            await waits
        assert now() - began == pytest.approx(14)
        await store.close()

    run(scenario())


def test_what_was_not_sent_before_its_deadline_is_never_sent(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 1000)
        store = opened(link)
        with pytest.raises(StoreUnavailable, match="nobody there: no answer within 10 s"):
            await store.activate("node")
        link.refusals.clear()
        assert await read(store, "ring") == "ring"
        assert [[work.arguments[0] for work in group] for group in link.groups] == [[b"read"]]
        await store.close()

    run(scenario())


def test_what_its_caller_has_given_up_before_it_was_sent_is_never_sent(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        first = asyncio.ensure_future(read(store, "first"))
        await asyncio.sleep(0.01)
        second, third = (asyncio.ensure_future(read(store, name)) for name in ("second", "third"))
        await asyncio.sleep(0.01)
        second.cancel()
        assert [await first, await third] == ["first", "third"]
        assert [work.arguments[1] for group in link.groups for work in group] == [b"first", b"third"]
        await store.close()

    run(scenario())


def test_calls_wait_for_a_server_that_comes_back_in_time(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 5)
        store = opened(link)
        calls: list[Awaitable[object]] = [read(store, str(number)) for number in range(3)]
        assert await asyncio.gather(*calls) == ["0", "1", "2"]
        assert len(link.groups) == 1
        await store.close()

    run(scenario())


def test_pauses_grow_are_jittered_and_stay_below_the_longest(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 10_000)
        store = opened(link, patience=timedelta(minutes=2))
        with pytest.raises(StoreUnavailable):
            await read(store, "ring")
        pauses = [later - earlier for earlier, later in zip(link.attempts, link.attempts[1:], strict=False)]
        assert max(pauses) <= LONGEST_PAUSE.total_seconds()
        # All of it, not only the first attempts.
        assert 100 < len(pauses) < 300
        assert max(pauses[:3]) < 0.2
        assert len({round(pause, 6) for pause in pauses}) > 100
        await store.close()

    run(scenario())


def test_nobody_tries_for_a_connection_while_nobody_waits(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 10_000)
        store = opened(link)
        with pytest.raises(StoreUnavailable):
            await read(store, "ring")
        attempts = len(link.attempts)
        await asyncio.sleep(3600)
        assert len(link.attempts) <= attempts + 1
        await store.close()

    run(scenario())


def test_a_commit_whose_answer_is_lost_is_not_sent_again(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        link.losses.append(StoreUnavailable("the connection is lost"))
        outcomes = await asyncio.gather(
            read(store, "ring"),
            store.write("node", 1, "ring", b"", 0),
            read(store, "ring"),
            return_exceptions=True,
        )
        assert [str(outcome) for outcome in outcomes] == ["the connection is lost"] * 3
        assert len(link.groups) == 1
        await store.close()

    run(scenario())


def test_reads_whose_answers_are_lost_are_sent_again_before_what_came_later(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        link.losses.append(StoreUnavailable("the connection is lost"))
        reads = [asyncio.ensure_future(read(store, str(number))) for number in range(3)]
        await asyncio.sleep(0.01)
        write = asyncio.ensure_future(store.write("node", 1, "ring", b"", 0))
        assert await asyncio.gather(*reads, write) == ["0", "1", "2", 1]
        assert [[work.arguments[0] for work in group] for group in link.groups] == [
            [b"read"] * 3,
            [b"read"] * 3 + [b"commit"],
        ]
        await store.close()

    run(scenario())


def test_reads_are_not_asked_again_for_ever(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        link.losses.extend([StoreUnavailable("its memory is full")] * 10_000)
        with pytest.raises(StoreUnavailable, match="its memory is full: no answer within 10 s"):
            await read(store, "ring")
        assert len(link.groups) < 100
        await store.close()

    run(scenario())


def test_a_connection_that_has_ended_in_between_costs_no_call(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        await store.activate("node")
        link.up = False
        assert await store.write("node", 1, "ring", b"", 0) == 1
        assert len(link.attempts) == 2
        await store.close()

    run(scenario())


def test_a_server_that_must_not_be_used_is_told_to_everybody_at_once(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.append(StoreUnusable("name its primary"))
        store = opened(link)
        began = now()
        outcomes = await asyncio.gather(
            *(read(store, str(number)) for number in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StoreUnusable] * 3
        assert now() == began
        # Later calls try again.
        assert await read(store, "ring") == "ring"
        await store.close()

    run(scenario())


def test_what_the_answer_had_no_room_for_goes_first_into_the_next_group(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink(room=2)
        store = opened(link)
        calls = [asyncio.ensure_future(read(store, str(number))) for number in range(5)]
        await asyncio.sleep(0.01)
        calls.append(asyncio.ensure_future(read(store, "later")))
        assert await asyncio.gather(*calls) == ["0", "1", "2", "3", "4", "later"]
        assert [[work.arguments[1] for work in group] for group in link.groups] == [
            [b"0", b"1", b"2", b"3", b"4"],
            [b"2", b"3", b"4", b"later"],
            [b"4", b"later"],
        ]
        await store.close()

    run(scenario())


def test_too_many_waiting_calls_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "QUEUE_LIMIT", 10)

    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        waiting = [asyncio.ensure_future(read(store, "ring")) for _ in range(10)]
        await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable, match="wait already"):
            await read(store, "ring")
        await asyncio.gather(*waiting)
        assert await read(store, "ring") == "ring"
        await store.close()

    run(scenario())


def test_a_commit_that_no_server_takes_is_a_mistake(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "MAX_COMMIT_BYTES", 1000)

    async def scenario() -> None:
        store = opened(FakeLink())
        with pytest.raises(ValueError, match="limit is 1000"):
            await store.write("node", 1, "ring", bytes(1000), 0)
        await store.close()

    run(scenario())


def test_closing_without_a_server_ends(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 10_000)
        store = opened(link)
        call = asyncio.ensure_future(read(store, "ring"))
        await asyncio.sleep(0.01)
        began = now()
        await store.close()
        assert now() - began <= (PATIENCE + LONGEST_PAUSE).total_seconds()
        with pytest.raises(StoreUnavailable):
            await call

    run(scenario())


def test_closing_waits_for_nobody_who_has_given_up(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        link.refusals.extend([StoreUnavailable("nobody there")] * 10_000)
        store = opened(link)
        calls = [asyncio.ensure_future(read(store, "ring")) for _ in range(3)]
        await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        began = now()
        await store.close()
        assert now() - began <= LONGEST_PAUSE.total_seconds()

    run(scenario())


def test_a_mistake_of_the_link_reaches_its_callers_and_the_store_goes_on(run: Run) -> None:
    async def scenario() -> None:
        link = FakeLink()
        store = opened(link)
        link.losses.append(KeyError("a bug"))
        with pytest.raises(StoreUnavailable, match="a bug") as told:
            await store.activate("node")
        assert isinstance(told.value.__cause__, KeyError)
        link.refusals.append(KeyError("another bug"))
        assert await store.activate("node") == 1
        await store.close()

    run(scenario())


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a scenario in virtual time; no task may be left of it."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        yield runner.run


def opened(link: FakeLink, patience: timedelta = PATIENCE) -> RedisStore:
    return RedisStore(link, patience=patience, random=Random(0))


async def read(store: RedisStore, name: str) -> str:
    """Return the name of the record that was read."""
    record = await store.read("node", name)
    assert record is not None
    return record.name


def now() -> float:
    return asyncio.get_running_loop().time()


class FakeLink:
    """Answers after a delay, in seconds."""

    def __init__(self, *, delay: float = 0.1, room: int = 1_000_000) -> None:
        self._delay = delay
        #: So many calls have an answer.
        self._room = room
        self.up = False
        self.attempts: list[float] = []
        self.groups: list[Sequence[Work]] = []
        #: What the next attempts to connect end with, and the next groups.
        self.refusals: deque[Exception] = deque()
        self.losses: deque[Exception] = deque()

    def __str__(self) -> str:
        return "fake"

    async def is_up(self) -> bool:
        return self.up

    async def connect(self) -> None:
        self.attempts.append(now())
        if self.refusals:
            raise self.refusals.popleft()
        self.up = True

    async def exchange(self, group: Sequence[Work]) -> list[Any]:
        assert self.up
        self.groups.append(group)
        await asyncio.sleep(self._delay)
        if self.losses:
            raise self.losses.popleft()
        return [answer(work) for work in group[: self._room]]

    async def drop(self) -> None:
        self.up = False


def answer(work: Work) -> object:
    match work.arguments[0]:
        case b"activate":
            return 1
        case b"read":
            return [b"1 1", b"value"]
        case _:
            assert isinstance(work, Commit)
            return []
