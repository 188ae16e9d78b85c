"""What is done once at a time: who comes meanwhile shares the next time, which begins afterwards."""

from __future__ import annotations

import asyncio

import pytest

from peerkey_cli.one_at_a_time import OneAtATime


class Acts:
    """Something that takes until the gate is open; says which time it was."""

    def __init__(self) -> None:
        self.begun = 0
        self.at_once = 0
        self.gate = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        self.at_once += 1
        number, fault = self.begun, self.fault
        await self.gate.wait()
        self.at_once -= 1
        if fault is not None:
            raise fault
        assert not self.at_once
        return number


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_meanwhile_shares_the_next_time_and_never_the_one_under_way() -> None:
    acts = Acts()
    act = OneAtATime(acts)
    first = asyncio.create_task(act())
    await turns()
    others = [asyncio.create_task(act()) for _ in range(50)]
    await turns()
    assert acts.begun == 1
    acts.gate.set()

    assert await first == 1
    assert set(await asyncio.gather(*others)) == {2}
    assert await act() == 3


async def test_a_fault_is_told_to_those_whose_time_it_was_and_ends_nothing() -> None:
    acts = Acts()
    act = OneAtATime(acts)
    acts.fault = ValueError("once")
    first = asyncio.create_task(act())
    await turns()
    acts.fault = None
    second = asyncio.create_task(act())
    acts.gate.set()

    with pytest.raises(ValueError, match="once"):
        await first
    assert await second == 2


async def test_who_gives_up_ends_nothing_for_the_others() -> None:
    acts = Acts()
    act = OneAtATime(acts)
    first, second = asyncio.create_task(act()), asyncio.create_task(act())
    await turns()
    first.cancel()
    await turns()
    acts.gate.set()

    assert await second == 1
    assert first.cancelled()
