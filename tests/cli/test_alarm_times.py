"""What is kept of alarms over restarts, what a process notices of itself, and what a fleet tells of both."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from actors.journal import FileJournal
from peerkey.errors import Unavailable
from peerkey.observe.alarms import Alarm, peer_unreachable
from peerkey.observe.condensing import Noticed
from peerkey.observe.events import AlarmCleared, AlarmRaised, AlarmUnshelved, CsrFailed, Event
from peerkey.observe.shelving import Shelving
from peerkey_cli.alarm_file import AlarmFile
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api.remote import Remote, RemoteSettings
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import add_token
from peerkey_cli.own_watch import OwnWatch, last_written
from runtime.clock import SystemClock
from tests.cli.remote_system import certify_api
from tests.cli.two_routers import two_routers

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NODE = "east/node0"
DOWN = peer_unreachable("west/node0")
SHELVED = Shelving("", "path-down", NODE, NOW, NOW + HOUR, "ann", "known")


async def test_what_is_known_and_shelved_is_taken_up_from_the_file(tmp_path: Path) -> None:
    file = AlarmFile(tmp_path / "alarms.json")
    times = AlarmTimes(file=file, now=NOW)
    look(times, NOW, DOWN)
    times.shelf.put(SHELVED)
    await times.keep()

    again = AlarmTimes(file=file, now=NOW + HOUR / 2)

    assert again.shelf.every() == (SHELVED,)
    assert look(again, NOW + HOUR / 2, DOWN) == []
    assert [each.since for each in again.standing] == [NOW]


async def test_the_file_is_written_only_when_there_is_news(tmp_path: Path) -> None:
    times = AlarmTimes(file=AlarmFile(tmp_path / "alarms.json"), now=NOW)
    await times.keep()
    assert not (tmp_path / "alarms.json").exists()

    look(times, NOW, DOWN)
    await times.keep()
    written = (tmp_path / "alarms.json").stat().st_ino
    look(times, NOW + HOUR, replace(DOWN, message="the same, in other words"))
    await times.keep()

    assert (tmp_path / "alarms.json").stat().st_ino == written


def test_a_disk_that_is_full_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = AlarmTimes(file=AlarmFile(tmp_path / "alarms.json"), now=NOW)
    look(times, NOW, DOWN)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", full_disk)
        with pytest.raises(Unavailable, match=r"alarms.json: cannot be written"):
            asyncio.run(times.keep())
    assert list(tmp_path.iterdir()) == []

    asyncio.run(times.keep())
    assert (tmp_path / "alarms.json").exists()


def test_what_cannot_be_kept_is_not_shelved_and_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = AlarmTimes(file=AlarmFile(tmp_path / "alarms.json"), now=NOW)
    asyncio.run(times.shelve(SHELVED))
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", full_disk)
        with pytest.raises(Unavailable):
            asyncio.run(times.shelve(replace(SHELVED, node="west/node0")))
        with pytest.raises(Unavailable):
            asyncio.run(times.unshelve(SHELVED.what, NOW, "bob"))

    assert times.shelf.every() == (SHELVED,)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"format":2}',
        b'{"format":1,"alarms":{"standing":[{}],"cleared":[]},"shelf":[]}',
        b'{"format":1,"alarms":[3],"shelf":[]}',
        b'{"format":1,"shelf":{"a":1}}',
        b"\xff\xfe",
    ],
)
def test_a_file_that_cannot_be_read_costs_no_more_than_the_times(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alarms.json").write_bytes(content)

    times = AlarmTimes(file=AlarmFile(tmp_path / "alarms.json"), now=NOW)

    assert [type(event) for event in look(times, NOW, DOWN)] == [AlarmRaised]


def test_a_shelving_that_ends_is_told_once_at_the_node_that_it_was_of() -> None:
    times = AlarmTimes()
    times.shelf.put(SHELVED)
    times.shelf.put(replace(SHELVED, alarm=f"{NODE}:0cd7e3a1", kind="", node=""))
    times.shelf.put(replace(SHELVED, node=""))
    told: list[tuple[str, Event]] = []

    for _ in range(2):
        times.seen([], NOW + HOUR, lambda node, event: told.append((node, event)))

    assert {type(event) for _, event in told} == {AlarmUnshelved}
    assert [node for node, _ in told] == [NODE, NODE, "authority"]


def test_a_thousand_peers_are_one_alarm_and_two_events() -> None:
    times = AlarmTimes()
    peers = [peer_unreachable(f"b{number:04}/node0", "wan0") for number in range(1_000)]

    raised = look(times, NOW, *peers)
    half = [event for second in range(500) for event in look(times, NOW, *peers[second:])]
    cleared = look(times, NOW + HOUR)

    assert [type(event) for event in (*raised, *half, *cleared)] == [AlarmRaised, AlarmCleared]


# --- what a process notices of itself ---------------------------------------------------------------


def test_an_audit_log_that_cannot_be_written_is_an_alarm_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path / "events.jsonl")
    watch = OwnWatch(SystemClock(), journal, None)
    with monkeypatch.context() as full:
        full.setattr(os, "write", full_disk)
        for _ in range(3):
            journal.record(NOW, NODE, CsrFailed("base", "none"))
        ((alarm,),) = (each.alarms for each in watch.noticed())
    journal.record(NOW, NODE, CsrFailed("base", "none"))
    journal.close()

    assert (
        alarm.message == "The audit log cannot be written: No space left on device; 3 events are not in it."
    )
    assert watch.noticed() == ()


def test_a_log_that_was_written_to_in_the_future_is_evidence_against_the_clock(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "events.jsonl")
    journal.close()
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    os.utime(tmp_path / "events.jsonl", (ahead.timestamp(), ahead.timestamp()))

    watch = OwnWatch(SystemClock(), journal, last_written(tmp_path / "events.jsonl"))

    ((alarm,),) = (each.alarms for each in watch.noticed())
    assert alarm.kind == "clock"
    assert f"{ahead:%Y-%m-%dT%H:%M:%SZ}" in alarm.message
    assert last_written(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=30), None),
        (timedelta(days=29), ("minor", "expiring in less than 30 days")),
        (timedelta(days=6), ("major", "expiring in less than 7 days")),
        (-HOUR, ("critical", "expired")),
        (timedelta(days=10_000), ("critical", "not valid yet")),
    ],
)
def test_the_certificate_of_the_admin_api_has_an_alarm_of_its_own(
    door: Remote, left: timedelta, said: tuple[str, str] | None
) -> None:
    ends = ENDS[door.settings.certificate]

    found = list(door.alarms(ends - left))

    assert [(each.severity.value, each.message) for each in found] == (
        []
        if said is None
        else [(said[0], f"The certificate of the admin API is {said[1]}: `{door.settings.certificate}`.")]
    )
    assert {each.kind for each in found} <= {"api-certificate"}


def test_who_has_shelved_that_a_certificate_ends_soon_is_told_when_it_has_ended(door: Remote) -> None:
    ends, times = ENDS[door.settings.certificate], AlarmTimes()
    look(times, ends - timedelta(days=29), *door.alarms(ends - timedelta(days=29)))
    (soon,) = times.standing
    times.shelf.put(replace(SHELVED, alarm=soon.id, kind="", node="", at=soon.since, until=ends + HOUR))

    after = ends + timedelta(seconds=1)
    told = look(times, after, *door.alarms(after))

    (ended,) = times.standing
    assert times.shelving(ended, after) is None
    assert [each.severity for each in told if isinstance(each, AlarmRaised)] == ["critical"]


# --- helpers --------------------------------------------------------------------------------------

ENDS: dict[Path, datetime] = {}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    folder = tmp_path_factory.mktemp("door")
    certify_api(folder, two_routers(folder).ca)
    add_token(folder / "tokens", "reader", Role.READ, NOW)
    settings = RemoteSettings(("127.0.0.1", 1), folder / "api.pem", folder / "api.key", folder / "tokens")
    leaf = x509.load_pem_x509_certificates(settings.certificate.read_bytes())[0]
    ENDS[settings.certificate] = leaf.not_valid_after_utc
    return Remote(settings)


def look(times: AlarmTimes, now: datetime, *there: Alarm) -> list[Event]:
    told: list[Event] = []
    times.seen([Noticed(NODE, there)], now, lambda _, event: told.append(event))
    return told


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
