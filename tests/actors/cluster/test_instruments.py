"""What a host tells of itself fits into a message also when everything on it goes wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from actors.cluster.instruments import INSTRUMENTS, MAX_CRASHES, GetReadings, HostProcess, Instruments
from actors.crashes import LOOP_CRASHES, ActorAlarms, CrashWatch
from actors.journal import MemoryJournal
from peerkey.observe.own_alarms import audit_log_unwritable
from peerkey.observe.shelving import Shelf, Shelving
from peerkey_cli.cluster.program import PROGRAM
from runtime.backends.local import LocalSystem
from runtime.cluster.codec import Codec
from runtime.events import Crashed

ACTORS = 8_000
NAME = "authority/branch{0}-of-a-long-name.node0/peer.headquarters.node{1}/path.broadband-{1}"


def crash(name: str) -> Crashed:
    return Crashed(name, "PeerPath", "StoreUnavailable", 1, None)


def test_a_host_tells_what_is_shelved_and_what_is_wrong_with_itself() -> None:
    now = datetime(2030, 6, 15, tzinfo=UTC)
    shelving = Shelving("", "clock", "", now, now + timedelta(hours=1), "ann", "being set")
    own = ActorAlarms("authority", (audit_log_unwritable("edge7-0", "No space left on device", 3),))

    async def scenario() -> None:
        async with LocalSystem() as system:
            journal = MemoryJournal()
            crashes = CrashWatch(journal, system.clock)
            system.spawn(
                lambda: Instruments(
                    process=HostProcess("here", "one:1"),
                    journal=journal,
                    crashes=crashes,
                    own=lambda: (own,),
                    shelf=Shelf([shelving]),
                ),
                INSTRUMENTS,
            )
            readings = await system.ref(INSTRUMENTS).ask(GetReadings(), timedelta(seconds=30))
        codec = Codec(PROGRAM.registry, str, cast("Any", None))
        told = codec.decode_untrusted(codec.encode(readings))

        assert (told.crashes, told.shelved) == ((own,), (shelving,))

    asyncio.run(scenario())


def test_a_host_where_everything_crashes_still_tells_of_it() -> None:
    async def scenario() -> None:
        async with LocalSystem() as system:
            crashes = CrashWatch(MemoryJournal(), system.clock)
            for number in range(ACTORS):
                for _ in range(LOOP_CRASHES):
                    crashes.observe(crash(NAME.format(number // 10, number % 10)))
            system.spawn(
                lambda: Instruments(
                    process=HostProcess("here", "one:1"),
                    journal=MemoryJournal(),
                    crashes=crashes,
                ),
                INSTRUMENTS,
            )
            readings = await system.ref(INSTRUMENTS).ask(GetReadings(), timedelta(seconds=30))
            crashes.close()

        Codec(PROGRAM.registry, str, cast("Any", None)).encode(readings)
        told = [alarm for each in readings.crashes for alarm in each.alarms]
        assert len(told) == MAX_CRASHES + 1
        assert f"{ACTORS - MAX_CRASHES} more actors" in told[-1].message

    asyncio.run(scenario())
