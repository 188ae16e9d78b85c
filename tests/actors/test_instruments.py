"""What a host of a cluster has counted, on its way to whoever adds it up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.cluster.instruments import (
    INSTRUMENTS,
    ClearStatistics,
    GetReadings,
    HostProcess,
    Instruments,
    Readings,
)
from actors.crashes import CrashWatch
from actors.journal import MemoryJournal
from peerkey.observe.events import AlarmRaised, CsrFailed, StatisticsCleared
from peerkey.observe.security_stats import Count, Counter
from peerkey_cli.cluster.fleet import ClusterFleet
from peerkey_cli.cluster.program import PROGRAM
from runtime.backends.local import LocalSystem
from runtime.clock import SystemClock

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
EAST = "east/node0"


async def test_a_host_tells_and_clears_what_it_has_counted() -> None:
    journal = MemoryJournal()
    journal.record(NOW, EAST, CsrFailed("base", "there is no key"))
    async with LocalSystem() as system:
        host = system.spawn(lambda: instruments(journal), INSTRUMENTS)
        before = await host.ask(GetReadings(), timedelta(seconds=30))
        assert before.statistics.counts == (Count(EAST, "CSR failure", 1),)

        assert await host.ask(ClearStatistics(), timedelta(seconds=30))

        after = await host.ask(GetReadings(), timedelta(seconds=30))
        assert after.statistics.counts == ()
        # For Prometheus nothing is set back.
        assert set(before.counted) < set(after.counted)
    assert journal.recent()[-1].event == StatisticsCleared(((Counter.CSR_FAILURE.value, 1),))


def test_what_was_counted_travels_between_hosts() -> None:
    kinds = {
        ClearStatistics,
        Readings,
        Count,
        type(MemoryJournal().counted()),
        AlarmRaised,
        StatisticsCleared,
    }

    assert {kind for kind in kinds if kind not in PROGRAM.registry} == set()


@pytest.mark.parametrize(
    ("machine", "node", "recorded"),
    [
        ("edge1", EAST, 1),
        ("edge2", EAST, 0),
        ("edge1", "authority/coordinator", 1),
        ("edge2", "authority/coordinator", 0),
        ("edge2", "west/node0", 1),
    ],
)
def test_an_alarm_that_every_machine_sees_is_recorded_by_one(machine: str, node: str, recorded: int) -> None:
    journal = MemoryJournal()
    system = SimpleNamespace(clock=SystemClock())
    host = SimpleNamespace(name=f"{machine}-0")
    fleet = ClusterFleet(cast("Any", system), cast("Any", host), cast("Any", journal), machine)
    fleet._placement = cast(  # noqa: SLF001 - what the coordinator has said last
        "Any",
        SimpleNamespace(
            machines=("edge1", "edge2"),
            nodes=(
                SimpleNamespace(node=EAST, host="edge1-0"),
                SimpleNamespace(node="west/node0", host="edge2-1"),
            ),
        ),
    )

    fleet.alarm_changed(node, AlarmRaised("id", "critical", "west", "peer", "text"))

    assert len(journal.recent()) == recorded


def instruments(journal: MemoryJournal) -> Instruments:
    return Instruments(
        process=HostProcess("edge1:/state", "edge1:1"),
        journal=journal,
        crashes=CrashWatch(journal, SystemClock()),
        retry_keys=lambda: None,
    )
