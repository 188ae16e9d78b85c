"""Threads that are not waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from runtime.threads import Threads


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_what_hangs_does_not_hold_up_the_end_of_a_loop(hung: threading.Event) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(Threads("asyncio", 1))
        task = asyncio.create_task(asyncio.to_thread(hung.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())

    assert [each.daemon for each in threading.enumerate() if each.name == "asyncio-0"] == [True]


def test_what_hangs_holds_up_nobody_else(hung: threading.Event) -> None:
    threads = Threads("test", 2)
    waiting = threads.submit(hung.wait)

    assert [threads.submit(sum, (number, 1)).result(10) for number in range(5)] == [1, 2, 3, 4, 5]
    assert not waiting.done()


def test_what_is_more_than_there_are_threads_waits_for_its_turn(hung: threading.Event) -> None:
    threads = Threads("test", 1)
    first, second = threads.submit(hung.wait), threads.submit(threading.current_thread)
    given_up: Future[int] = threads.submit(sum, (1, 2))
    assert given_up.cancel()

    hung.set()

    assert first.result(10)
    assert second.result(10).name == "test-0"


def test_an_error_is_raised_where_the_result_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        Threads("test", 1).submit(divmod, 1, 0).result(10)


def test_after_the_end_what_was_given_before_is_done_and_nothing_more_is_taken(hung: threading.Event) -> None:
    threads = Threads("test", 1)
    threads.submit(hung.wait)
    last = threads.submit(sum, (1, 2))
    threads.shutdown()
    threads.shutdown()
    hung.set()

    assert last.result(10) == 3
    with pytest.raises(RuntimeError, match="test have been told to end"):
        threads.submit(sum, ())
