"""What the simulated disk keeps, loses and tears."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from runtime.store.disk import SECTOR, SLOW_DELAY, SYNC_DELAY, Disk
from tests.support.crashing_machine import in_virtual_time

SAFE = b"safe" * 300
LATER = bytes(range(1, 256)) * 8


@pytest.mark.parametrize("seed", range(200))
def test_a_power_cut_keeps_what_was_synced_and_a_beginning_of_the_rest_perhaps_torn(seed: int) -> None:
    async def scenario() -> None:
        disk = Disk(Random(seed))
        disk.append(SAFE)
        await disk.sync()
        for begin in range(0, len(LATER), 700):
            disk.append(LATER[begin : begin + 700])
        disk.crash(power=True)
        left = disk.read()
        assert left.startswith(SAFE)
        rest = left[len(SAFE) :]
        wrong = [n for n, (got, written) in enumerate(zip(rest, LATER, strict=False)) if got != written]
        if wrong:
            sectors = {(len(SAFE) + position) // SECTOR for position in wrong}
            assert len(sectors) == 1
        assert len(rest) <= len(LATER)

    in_virtual_time(scenario)


def test_power_cuts_leave_everything_nothing_and_both_kinds_of_torn_tails() -> None:
    async def scenario() -> set[str]:
        seen = set()
        for seed in range(200):
            disk = Disk(Random(seed))
            disk.append(LATER)
            disk.crash(power=True)
            left = disk.read()
            match len(left), LATER.startswith(left):
                case 0, _:
                    seen.add("nothing")
                case length, True:
                    seen.add("whole" if length == len(LATER) else "cut")
                case _:
                    seen.add("garbled")
        return seen

    assert in_virtual_time(scenario) == {"nothing", "whole", "cut", "garbled"}


@pytest.mark.parametrize("seed", range(50))
def test_the_death_of_a_process_keeps_all_writes_but_a_part_of_the_last(seed: int) -> None:
    async def scenario() -> None:
        disk = Disk(Random(seed))
        disk.append(b"first")
        disk.append(b"second")
        disk.crash(power=False)
        assert disk.read().startswith(b"first")
        assert b"firstsecond".startswith(disk.read())

    in_virtual_time(scenario)


def test_the_death_of_a_process_keeps_a_write_that_was_synced() -> None:
    async def scenario() -> None:
        disk = Disk(Random(0))
        disk.append(SAFE)
        await disk.sync()
        for _ in range(20):
            disk.crash(power=False)
        assert disk.read() == SAFE

    in_virtual_time(scenario)


def test_what_a_failed_sync_has_lost_is_shown_by_the_cache_and_no_later_sync_brings_it_back() -> None:
    async def lost(seed: int) -> bool:
        disk = Disk(Random(seed))
        disk.append(SAFE)
        disk.failing = True
        with pytest.raises(OSError, match="error"):
            await disk.sync()
        disk.failing = False
        disk.append(b"more")
        await disk.sync()
        assert disk.read() == SAFE + b"more"
        disk.crash(power=True)
        assert disk.read()[len(SAFE) :] == b"more"
        return disk.read() != SAFE + b"more"

    async def scenario() -> set[bool]:
        return {await lost(seed) for seed in range(50)}

    assert in_virtual_time(scenario) == {True, False}


def test_what_is_cut_off_and_written_again_after_a_failed_sync_is_safe() -> None:
    async def scenario() -> None:
        for seed in range(50):
            disk = Disk(Random(seed))
            disk.append(b"lost")
            disk.failing = True
            with pytest.raises(OSError, match="error"):
                await disk.sync()
            disk.failing = False
            disk.truncate(0)
            await disk.sync()
            disk.append(b"new")
            await disk.sync()
            disk.crash(power=True)
            assert disk.read() == b"new"

    in_virtual_time(scenario)


def test_a_full_disk_takes_a_part_at_most() -> None:
    async def scenario() -> set[int]:
        lengths = set()
        for seed in range(50):
            disk = Disk(Random(seed))
            disk.full = True
            with pytest.raises(OSError, match="space"):
                disk.append(b"12345")
            assert b"12345".startswith(disk.read())
            lengths.add(len(disk.read()))
        return lengths

    assert in_virtual_time(scenario) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("power", [False, True])
def test_a_crash_while_a_file_is_replaced_leaves_the_one_or_the_other(*, power: bool) -> None:
    async def scenario() -> set[bytes]:
        seen = set()
        for seed in range(50):
            disk = Disk(Random(seed), b"old")
            replacement = disk.replace(b"new")
            disk.crash(power=power)
            await asyncio.sleep(60)
            assert not replacement.done()
            seen.add(disk.read())
        return seen

    assert in_virtual_time(scenario) == {b"old", b"new"}


@pytest.mark.parametrize("fault", ["full", "failing"])
def test_a_replacement_that_fails_leaves_the_old_file(fault: str) -> None:
    async def scenario() -> None:
        disk = Disk(Random(0), b"old")
        setattr(disk, fault, True)
        with pytest.raises(OSError, match=r"space|error"):
            await disk.replace(b"new")
        assert disk.read() == b"old"
        for power in (False, True):
            disk.crash(power=power)
            assert disk.read() == b"old"

    in_virtual_time(scenario)


def test_a_sync_covers_what_was_written_before_it_and_nothing_later() -> None:
    async def scenario() -> set[int]:
        lengths = set()
        for seed in range(50):
            disk = Disk(Random(seed))
            disk.append(b"a")
            first = disk.sync()
            disk.append(b"b")
            await first
            disk.crash(power=True)
            assert disk.read().startswith(b"a")
            lengths.add(len(disk.read()))
        return lengths

    assert in_virtual_time(scenario) == {1, 2}


def test_syncs_under_way_together_each_cover_their_own() -> None:
    async def scenario() -> None:
        for seed in range(20):
            disk = Disk(Random(seed))
            disk.append(b"a")
            first = disk.sync()
            disk.append(b"b")
            await asyncio.gather(first, disk.sync())
            disk.crash(power=True)
            assert disk.read() == b"ab"

    in_virtual_time(scenario)


def test_a_sync_takes_its_time_and_a_slow_disk_takes_longer() -> None:
    async def scenario() -> None:
        disk, loop = Disk(Random(0)), asyncio.get_running_loop()
        for slow, (least, most) in ((False, SYNC_DELAY), (True, SLOW_DELAY)):
            disk.slow = slow
            begin = loop.time()
            await disk.sync()
            assert least.total_seconds() <= loop.time() - begin <= most.total_seconds()

    in_virtual_time(scenario)
