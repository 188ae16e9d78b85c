"""The fleet of a cluster, as the host sees it that speaks for its machine."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from actors.cluster.foretelling import Foretell, unpacked_untrusted
from actors.cluster.instruments import INSTRUMENTS, Readings
from actors.cluster.messages import GetPlacement, HostPlace, PlacementStatus
from actors.cluster.totals import Totals
from actors.crl.status import RevocationStatus
from actors.journal import Entry, MemoryJournal
from actors.names import AUTHORITY, CONTROL, COORDINATOR
from actors.process_counts import Counted
from metrics.catalogue import CSRS
from peerkey.config.reload_plan import Deployment, RestartNeeded, foretell
from peerkey.errors import Unavailable
from peerkey.observe.alarm_history import alarm_id
from peerkey.observe.alarms import Severity, machine_lost
from peerkey.observe.events import AlarmRaised, HostLost
from peerkey.observe.own_alarms import api_certificate_bad
from peerkey.observe.shelving import Shelving
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api.routes import application
from peerkey_cli.cluster import kept_totals
from peerkey_cli.cluster.door import DOOR
from peerkey_cli.cluster.fleet import ClusterFleet
from peerkey_cli.cluster.kept_totals import KeptTotals
from peerkey_cli.targets import Target
from runtime.clock import SystemClock
from runtime.cluster.directory import on_host
from runtime.errors import RuntimeFault, Undeliverable
from runtime.threads import Threads


class FakeActors:
    """Actors of a system by their names, each with what it answers; any other is away."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self.clock = SystemClock()
        self.answers = answers

    def ref(self, name: str) -> FakeActors:
        return FakeActors({"": self.answers.get(name, Undeliverable(name, "it is away"))})

    async def ask(self, question: object, _within: timedelta) -> object:
        await asyncio.sleep(0)
        answer = self.answers[""]
        if isinstance(answer, Exception):
            raise answer
        return answer(question) if callable(answer) else answer


def fleet_of(answers: Mapping[str, object]) -> ClusterFleet:
    return ClusterFleet(cast("Any", FakeActors(answers)), cast("Any", None), MEMORY, "here")


MEMORY = cast("Any", MemoryJournal())
PLACED = PlacementStatus(1, 1, "packed", ("two",), (), (), 0, (machine_lost("one"),))


class FakeSystem:
    """Has one actor that answers, or does not."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.answer: PlacementStatus | None = None

    def ref(self, name: str) -> FakeSystem:
        assert name == on_host(CONTROL, COORDINATOR)
        return self

    async def ask(self, _question: object, _within: timedelta) -> PlacementStatus:
        if self.answer is None:
            raise Undeliverable(on_host(CONTROL, COORDINATOR), "it is away")
        return self.answer


def test_a_coordinator_that_is_away_is_told_of_beside_its_last_word() -> None:
    system = FakeSystem()
    fleet = ClusterFleet(cast("Any", system), cast("Any", None), cast("Any", None), "here")
    with pytest.raises(RuntimeFault):
        asyncio.run(fleet.placement())

    lost = machine_lost("one")
    system.answer = said = PlacementStatus(1, 1, "packed", ("two",), (), (), 0, (lost,))
    assert asyncio.run(fleet.placement()) == said

    system.answer = None
    for _ in range(2):
        last = asyncio.run(fleet.placement())
        assert [alarm.identity for alarm in last.alarms] == ["machine:one", "cluster:coordinator"]

    system.answer = said
    assert asyncio.run(fleet.placement()) == said


def test_lists_that_nobody_can_tell_of_hide_nothing_else() -> None:
    fleet = fleet_of({on_host(CONTROL, COORDINATOR): PLACED, AUTHORITY: Unavailable("who follows them?")})

    told = [alarm.identity for each in asyncio.run(fleet.noticing()) for alarm in each.alarms]
    assert told == ["cluster:revocation", "machine:one"]
    measured = asyncio.run(fleet.measured())
    assert measured.up
    assert [each.node for each in measured.noticing] == ["revocation", "coordinator"]


@pytest.mark.parametrize(
    ("place", "told"), [("here", ["machine:one"]), ("elsewhere", []), (None, ["machine:one"])]
)
def test_one_machine_tells_prometheus_what_is_wrong_with_the_cluster(
    place: str | None, told: list[str]
) -> None:
    answers: dict[str, object] = {on_host(CONTROL, COORDINATOR): PLACED, AUTHORITY: RevocationStatus()}
    if place is not None:
        answers[on_host(CONTROL, INSTRUMENTS)] = Readings(place, "one:1", (), ())

    measured = asyncio.run(fleet_of(answers).measured())

    assert [alarm.identity for each in measured.noticing for alarm in each.alarms] == told


def test_what_is_shelved_on_another_machine_is_shelved_here_and_counted_all_the_same() -> None:
    now = datetime.now(UTC)
    shelving = Shelving("", "machine", "", now, now + timedelta(hours=1), "ann", "it is being replaced")
    host = HostPlace("two-0", "two", 1, 1, 0, answers=True, since_seconds=1.0, nodes=0, complete=True)
    fleet = fleet_of(
        {
            on_host(CONTROL, COORDINATOR): replace(PLACED, hosts=(host,)),
            on_host("two-0", INSTRUMENTS): Readings("elsewhere", "two:1", (), (), shelved=(shelving,)),
            AUTHORITY: RevocationStatus(),
        }
    )

    asyncio.run(fleet.noticing())
    measured = asyncio.run(fleet.measured())

    assert fleet.shelf.every() == (shelving,)
    ((node, alarm),) = ((each.node, alarm) for each in measured.noticing for alarm in each.alarms)
    assert measured.shelved == {alarm_id(node, alarm)}


def test_the_certificate_of_a_door_is_told_of_by_its_own_machine_also_where_that_is_not_the_first() -> None:
    journal = MemoryJournal()
    host, actors = (
        SimpleNamespace(name="two-0"),
        FakeActors(
            {
                on_host(CONTROL, COORDINATOR): replace(PLACED, machines=("one", "two"), alarms=()),
                AUTHORITY: RevocationStatus(),
            }
        ),
    )
    fleet = ClusterFleet(cast("Any", actors), cast("Any", host), cast("Any", journal), "here")
    fleet.door_alarms = lambda _: [api_certificate_bad(DOOR, Severity.CRITICAL, "api.pem", "expired")]

    AlarmTimes().seen(asyncio.run(fleet.noticing()), fleet.now(), fleet.alarm_changed)

    assert [type(each.event) for each in journal.recent()] == [AlarmRaised]


def test_who_takes_over_for_a_machine_goes_on_with_its_counters(tmp_path: Path) -> None:
    def tell(process: str, value: float) -> dict[str, object]:
        host = HostPlace("edge-0", "edge", 1, 1, 0, answers=True, since_seconds=1, nodes=0, complete=True)
        counted = (Counted(CSRS.name, ("hub/node0", "success"), value),)
        return {
            on_host(CONTROL, COORDINATOR): replace(PLACED, hosts=(host,)),
            on_host("edge-0", INSTRUMENTS): Readings("here", process, (), counted),
            AUTHORITY: RevocationStatus(),
        }

    def told(answers: dict[str, object]) -> tuple[float, datetime | None]:
        kept = KeptTotals(tmp_path / "totals.json")
        fleet = ClusterFleet(cast("Any", FakeActors(answers)), cast("Any", None), MEMORY, "here", kept)
        measured = asyncio.run(fleet.measured())
        return measured.tally.get(CSRS, {}).get(("hub/node0", "success"), 0), measured.since

    first, since = told(tell("edge:1", 5))
    later = [told(tell("edge:2", 0)), told({}), told(tell("edge:2", 1)), told(tell("edge:2", 1))]
    assert first == 5
    assert later == [(5, since), (5, since), (6, since), (6, since)], "also where nobody answers"
    (tmp_path / "totals.json").write_bytes(b"torn")
    anew, begun = told(tell("edge:2", 1))
    assert anew == 1
    assert begun is not None
    assert since is not None
    assert begun > since


def test_counters_that_a_full_disk_does_not_keep_begin_anew_instead_of_going_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, began = tmp_path / "totals.json", datetime(2030, 1, 1, tzinfo=UTC)
    totals, kept = Totals(began), KeptTotals(file)
    totals.take("edge-0", Readings("here", "edge:1", (), (Counted(CSRS.name, ("hub/node0", "success"), 5),)))
    kept.keep(totals)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(kept_totals, "write_whole", full)
        totals.take(
            "edge-0", Readings("here", "edge:1", (), (Counted(CSRS.name, ("hub/node0", "success"), 9),))
        )
        kept.keep(totals)

    # Prometheus has been told of nine.
    later = began + timedelta(hours=1)
    anew = KeptTotals(file).load(later)
    assert (anew.since, anew.samples()) == (later, {})
    kept.keep(totals)
    assert KeptTotals(file).load(later).samples() == {CSRS: {("hub/node0", "success"): 9.0}}


def test_two_who_ask_for_events_at_once_are_told_of_each_once() -> None:
    lost = Entry(datetime(2026, 1, 1, tzinfo=UTC), AUTHORITY, HostLost("one-0", "one", "it does not answer"))

    happened: list[Entry] = []

    def decided(question: GetPlacement) -> PlacementStatus:
        known = question.events_after[1]
        return replace(PLACED, events=tuple(happened[known:]), mark=(7, len(happened)))

    async def scenario() -> None:
        fleet = fleet_of({on_host(CONTROL, COORDINATOR): decided})
        assert await fleet.events() == ()
        happened.append(lost)
        assert all(told == (lost,) for told in await asyncio.gather(fleet.events(), fleet.events()))
        assert await fleet.events() == (lost,)

    asyncio.run(scenario())


def test_what_a_reload_would_do_is_asked_of_the_coordinator_and_what_waits_comes_with_the_places() -> None:
    deployment = Deployment("test", enabled=True)
    foretold = foretell((), (), deployment)
    needed = (RestartNeeded("authority > name", "test", "another"),)
    asked: list[str] = []

    def answer(question: object) -> object:
        if isinstance(question, Foretell):
            asked.append(unpacked_untrusted(question.packed))
            return foretold
        return replace(PLACED, restart_needed=needed)

    fleet = fleet_of({on_host(CONTROL, COORDINATOR): answer})

    async def scenario() -> None:
        assert await fleet.foretell("authority: {}", Threads("test", 1)) == foretold
        assert await fleet.restart_needed() == needed

    asyncio.run(scenario())
    assert asked == ["authority: {}"]


def test_on_a_cluster_no_file_is_replaced_by_the_api() -> None:
    app = application(fleet_of({}), AlarmTimes())

    async def scenario() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://peerkey") as http:
            put = http.put("/v1/config", json={"configuration": "a"}, headers={"If-Match": "*"})
            return [await http.get("/v1/config"), await put]

    for refused in asyncio.run(scenario()):
        assert refused.status_code == 409
        assert "a file of each machine" in refused.json()["error"]


def test_each_machine_is_one_target_for_prometheus_whichever_of_its_hosts_answer() -> None:
    hosts = tuple(place_of(name) for name in ("one-0", "one-1", "two-0", "three-0"))
    fleet = fleet_of(answers := {on_host(CONTROL, COORDINATOR): replace(PLACED, hosts=hosts), **SCRAPED})
    one, three = Target("one", "192.0.2.1:9128"), Target("three", "192.0.2.3:9128")

    assert asyncio.run(fleet.targets()) == (one, three)

    # One that is silent stays, so that Prometheus sees it silent, until nobody counts on it any more.
    del answers[on_host("three-0", INSTRUMENTS)]
    assert asyncio.run(fleet.targets()) == (one, three)
    answers[on_host(CONTROL, COORDINATOR)] = replace(PLACED, hosts=hosts[:-1])
    assert asyncio.run(fleet.targets()) == (one,)


def test_a_machine_keeps_the_name_under_which_prometheus_knows_it() -> None:
    hosts = tuple(place_of(name) for name in ("edge-0", "one-0", "one-1"))
    edge = Readings("one:/s", "one:3", (), (), scraped="192.0.2.1:9128")
    fleet = fleet_of(
        answers := {
            on_host(CONTROL, COORDINATOR): replace(PLACED, hosts=hosts),
            **SCRAPED,
            on_host("edge-0", INSTRUMENTS): edge,
        }
    )
    told = (Target("edge", "192.0.2.1:9128"),)

    # Ray takes it for two machines; whichever of them answers, or is gone, its series are the same.
    assert asyncio.run(fleet.targets()) == told
    del answers[on_host("edge-0", INSTRUMENTS)]
    assert asyncio.run(fleet.targets()) == told
    answers[on_host(CONTROL, COORDINATOR)] = replace(PLACED, hosts=hosts[1:])
    assert asyncio.run(fleet.targets()) == told


SCRAPED: Mapping[str, object] = {
    on_host("one-0", INSTRUMENTS): Readings("one:/s", "one:1", (), (), scraped="192.0.2.1:9128"),
    on_host("one-1", INSTRUMENTS): Readings("one:/s", "one:2", (), (), scraped="192.0.2.1:9128"),
    on_host("three-0", INSTRUMENTS): Readings("three:/s", "three:1", (), (), scraped="192.0.2.3:9128"),
}


def place_of(host: str) -> HostPlace:
    return HostPlace(
        host=host,
        machine=host.partition("-")[0],
        pid=1,
        incarnation=1,
        restarts=0,
        answers=True,
        since_seconds=1.0,
        nodes=0,
        complete=True,
    )
