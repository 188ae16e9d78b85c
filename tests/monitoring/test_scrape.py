"""What a fleet that runs tells Prometheus: all of the catalogue, and nothing beside it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from actors.crl.status import GetRevocation, RevocationStatus
from actors.messages import GetFleet, NodeStatus
from actors.process_counts import life_of
from metrics import catalogue
from metrics.alerts import ALERTS
from metrics.catalogue import CATALOGUE, LIBRARY
from metrics.detail import Chooser, Detail, WantedDetail
from metrics.metric import Per
from metrics.rules import RECORDED
from peerkey.observe.alarms import node_not_running, peer_unreachable
from peerkey.observe.events import EnrollmentFailed, Event, LoginRefused, PeeringFailed, RevocationChecked
from peerkey_cli import embedded, scrape
from peerkey_cli.embedded import Running
from peerkey_cli.fleet import MEASURED_WITHIN, Measured
from peerkey_cli.main import app
from peerkey_cli.samples import samples_of
from peerkey_cli.scrape import Format, Scraper, format_of, page_of, rendered
from peerkey_cli.targets import Target, discovered, reached_at
from runtime.actor import Actor
from runtime.errors import Undeliverable
from runtime.info import SystemInfo
from tests.cli.background import Background, in_background
from tests.cli.two_routers import two_routers
from tests.support.hosts import wait_for
from tests.support.scraped import a_list, mate

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
EAST = "east/node0"
#: What one kind of happening leaves in the counters: one that was never counted is no series.
HAPPENED: tuple[Event, ...] = (
    EnrollmentFailed("base", "https://ca", "simpleenroll", "no answer"),
    PeeringFailed("west/node0", "whatever a peer has written", "", "peer"),
    RevocationChecked("not-revoked", "", "", "fail-soft"),
    LoginRefused("192.0.2.1", "no token", "", 3),
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """Run two routers that have agreed a key."""
    folder = tmp_path_factory.mktemp("scrape")
    with in_background(two_routers(folder).file, folder / "state") as background:
        wait_for(lambda: background.call(keyed), 30)
        yield background


@pytest.fixture(scope="module")
def measured(system: Background) -> Measured:
    """Return what they say, with a mate, a list and an alarm that two routers do not have."""
    for event in HAPPENED:
        system.call(lambda running, event=event: running.record(EAST, event))  # type: ignore[misc]
    # What takes longer than a test, or needs luck: tests/actors/test_key_times.py has machines that do it.
    tally = system.running.journal.tally
    tally.observe(catalogue.REKEY, timedelta(seconds=30), EAST)
    tally.count(catalogue.FRAMES_DROPPED, EAST, "repeated-certificate")
    found = system.call(lambda running: running.measured())
    east, west = found.nodes
    (peer,) = east.peers
    refused = replace(
        peer, security=replace(peer.security, peer_certificate_fault="revoked: since yesterday")
    )
    in_step = replace(mate(), link="in-step", link_error="", records=1, lag=0, silent_seconds=0.5)
    east = replace(east, ha=in_step, peers=(refused,))
    lists = RevocationStatus(1, 7, (a_list(found.now),))
    return replace(found, nodes=(east, west), revocation=lists, noticing=(with_alarm(west),))


def test_everything_in_the_catalogue_is_told_and_nothing_else(measured: Measured) -> None:
    page = page_of(measured, Detail.PEER, timedelta(0), datetime(2031, 1, 1, tzinfo=UTC))

    content = rendered(page, Format.PLAIN, scrape.library())

    families = {each.name: each for each in text_string_to_metric_families(content.decode())}
    told = {name + ("_total" if each.type == "counter" else "") for name, each in families.items()}
    wanted = {metric.name for metric in CATALOGUE}
    assert told - set(LIBRARY) == wanted
    assert set(LIBRARY) >= told - wanted
    for metric in CATALOGUE:
        family = families[metric.name.removesuffix("_total")]
        assert (family.documentation, family.type) == (metric.help, metric.kind.value)


@pytest.mark.parametrize("detail", list(Detail))
def test_no_label_takes_more_values_than_its_bound_says(measured: Measured, detail: Detail) -> None:
    for metric, values in page_of(measured, detail, timedelta(0)).samples.items():
        for number, label in enumerate(metric.labels):
            told = {labels[number] for labels in values}
            if label.words:
                assert told <= {*label.words, "other"}
            elif label.most:
                assert len(told) <= label.most
            elif detail is Detail.FLEET and label.per is Per.NODE:
                assert told == {""}


def test_the_fourteen_counters_are_there_before_anything_has_happened(measured: Measured) -> None:
    samples = samples_of(replace(measured, tally={}))
    fourteen = {
        catalogue.CSRS: 2,
        catalogue.CERTIFICATE_IMPORTS: 2,
        catalogue.CRL_FETCHES: 2,
        catalogue.CRL_INGESTIONS: 2,
        catalogue.CERTIFICATE_FAULTS: 3,
        catalogue.PEER_CERTIFICATE_FAULTS: 3,
    }

    assert sum(fourteen.values()) == 14
    for metric, words in fourteen.items():
        assert set(samples[metric].values()) == {0.0}
        nodes = {labels[0] for labels in samples[metric]}
        assert nodes == ({"authority"} if words == 2 and "crl" in metric.name else {EAST, "west/node0"})
        assert len(samples[metric]) == words * len(nodes)


def test_every_counter_that_an_alert_asks_for_an_increase_of_is_there_from_zero_on(
    measured: Measured,
) -> None:
    samples = samples_of(replace(measured, tally=life_of(SystemInfo(0, 0, 0, 0, 0, 0))))
    asked = {
        name
        for text in (*(alert.expression for alert in ALERTS), *RECORDED.values())
        for name in re.findall(r"(?:increase|rate)\((peerkey_\w+?)(?:_bucket)?[{\[]", text)
    }

    assert len(asked) > 5
    for name in asked - {"peerkey_establishment_duration_seconds", "peerkey_rekey_duration_seconds"}:
        assert set(samples[catalogue.BY_NAME[name]].values()) == {0.0}, name
    # In the words of the rule.
    assert (EAST, "refused", "pinned") in samples[catalogue.PEER_AUTHENTICATIONS]


def test_actors_that_do_not_answer_leave_what_was_counted(measured: Measured) -> None:
    silent = replace(measured, up=False, nodes=(), revocation=RevocationStatus(), noticing=())

    samples = samples_of(silent)

    assert samples[catalogue.UP] == {(): 0.0}
    assert samples[catalogue.KEY_CHANGES] == measured.tally[catalogue.KEY_CHANGES]
    assert not samples[catalogue.PEERINGS]


def test_a_request_that_is_in_no_event_is_counted_all_the_same(measured: Measured) -> None:
    assert measured.tally[catalogue.LOGINS_REFUSED]["no token",] == 4.0


def test_what_a_peer_has_written_becomes_no_label(measured: Measured) -> None:
    assert measured.tally[catalogue.FAILURES] == {(EAST, "other"): 1.0}


def test_no_certificate_is_missed_where_none_is_used_or_nobody_can_tell(measured: Measured) -> None:
    (east, west) = measured.nodes
    of_none = replace(east, enabled=False, certificate=None)
    silent = replace(west, certificate=None, alarms=(node_not_running("west/node0", "it crashed"),))

    assert samples_of(measured)[catalogue.CERTIFICATE_VALID] == {(EAST,): 1.0, ("west/node0",): 1.0}
    samples = samples_of(replace(measured, nodes=(of_none, silent)))
    assert not samples[catalogue.CERTIFICATE_VALID]
    assert not samples[catalogue.CERTIFICATE_NOT_AFTER]
    samples = samples_of(replace(measured, nodes=(replace(east, enabled=False),)))
    assert not samples[catalogue.CERTIFICATE_NOT_AFTER]


def test_a_rekey_is_overdue_after_its_interval_and_the_grace(measured: Measured) -> None:
    (east, *_) = measured.nodes
    interval = timedelta(hours=24)
    for late, overdue in ((timedelta(minutes=-1), 0.0), (timedelta(minutes=1), 1.0)):
        at = datetime.fromisoformat(cast("str", east.peers[0].security.last_rekey))
        now = at + interval + timedelta(minutes=10) + late
        samples = samples_of(replace(measured, nodes=(replace(east, rekey_interval_hours=24.0),), now=now))
        assert samples[catalogue.PEERINGS_OVERDUE] == {(EAST,): overdue}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="install promtool: apt install prometheus")
def test_promtool_finds_nothing_wrong_with_it(measured: Measured) -> None:
    content = rendered(page_of(measured, Detail.PEER, timedelta(0)), Format.PLAIN, scrape.library())

    run = subprocess.run(["promtool", "check", "metrics"], input=content, capture_output=True, check=False)

    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_the_format_is_negotiated_and_the_exemplars_are_keys_that_there_are(system: Background) -> None:
    content = system.call(lambda running: answered(running, OPENMETRICS))
    keys = system.call(ids_of)

    samples = [
        sample
        for family in read_openmetrics(content.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert {sample.name for sample in samples} >= {
        "peerkey_key_changes_total",
        "peerkey_establishment_duration_seconds_bucket",
    }
    assert {sample.exemplar.labels["key_id"] for sample in samples} <= keys


def test_the_count_of_series_is_right(system: Background) -> None:
    content = system.call(lambda running: answered(running, ""))

    samples = [sample for each in text_string_to_metric_families(content.decode()) for sample in each.samples]
    ours = [sample for sample in samples if sample.name.startswith("peerkey_")]
    (told,) = [sample.value for sample in ours if sample.name == "peerkey_metrics_series"]
    assert told == len(ours)
    assert len({(sample.name, *sorted(sample.labels.items())) for sample in samples}) == len(samples)


def test_who_asks_while_an_answer_is_made_gets_that_one(system: Background) -> None:
    async def ask(running: Running) -> tuple[int, set[bytes]]:
        fleet = Counting(running)
        scraper = Scraper(cast("Any", fleet))
        answers = await asyncio.gather(*(scraper.answer() for _ in range(20)))
        # One who goes away takes nothing from the others.
        first, second = asyncio.create_task(scraper.answer()), asyncio.create_task(scraper.answer())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second)[0]
        scraper.end()
        return fleet.asked, {content for content, _ in answers}

    asked, contents = system.call(ask)
    assert asked == 2
    assert len(contents) == 1


def test_prometheus_hears_within_its_patience_that_nobody_answers(
    system: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "MEASURED_WITHIN", timedelta(milliseconds=50))

    async def ask(running: Running) -> bytes:
        silent = running.system.spawn(Silent, "silent")
        try:
            return await answered(replace(running, authority=silent), "")
        finally:
            await running.system.stop_actor(silent, timedelta(0))

    content = system.call(ask)
    assert b"peerkey_up 0.0\n" in content
    assert b"peerkey_key_changes_total{" in content
    assert timedelta(seconds=10) > MEASURED_WITHIN


@pytest.mark.parametrize(
    ("wanted", "named", "left"),
    [
        (WantedDetail.PEER, {"node", "peer", "path"}, set()),
        (WantedDetail.NODE, {"node"}, {"peer", "path"}),
        (WantedDetail.FLEET, set(), {"node", "peer", "path"}),
    ],
)
def test_an_operator_chooses_who_is_named(
    system: Background, wanted: WantedDetail, named: set[str], left: set[str]
) -> None:
    content = system.call(lambda running: answered(running, OPENMETRICS, Chooser(wanted)))

    labels = {
        label
        for family in read_openmetrics(content.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        for label in sample.labels
    }
    assert named <= labels
    assert not left & labels
    assert f'peerkey_metrics_detail{{detail="{wanted.value}"}} 1.0\n'.encode() in content


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text; version=2.0.0\r\nX: y", Format.OPENMETRICS),
        ("application/openmetrics-text; version=no-number", Format.PLAIN),
        ("text/plain; version=1.0.0; escaping=dots", Format.PLAIN),
        ("*/*", Format.PLAIN),
        ("", Format.PLAIN),
        (",;=" * 1000, Format.PLAIN),
    ],
)
def test_whatever_is_asked_for_is_answered_in_one_of_two_formats(accept: str, wanted: Format) -> None:
    assert format_of(accept) is wanted


def test_a_page_is_packed_where_that_is_understood(system: Background) -> None:
    async def ask(running: Running) -> tuple[httpx.Response, httpx.Response]:
        return (
            await get(running, "/metrics", {"Accept-Encoding": "gzip"}),
            await get(running, "/metrics", {"Accept-Encoding": "identity"}),
        )

    packed, plain = system.call(ask)

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) * 4 < int(plain.headers["content-length"])
    assert packed.text.splitlines()[:2] == plain.text.splitlines()[:2]
    assert packed.headers["content-type"] == Format.PLAIN.value


def test_a_scrape_that_fails_is_told_to_whoever_asked_and_the_next_one_begins_anew(
    system: Background,
) -> None:
    async def ask(running: Running) -> bytes:
        fleet = Failing(running)
        scraper = Scraper(cast("Any", fleet))
        for answer in await asyncio.gather(scraper.answer(), scraper.answer(), return_exceptions=True):
            assert isinstance(answer, ZeroDivisionError)
        content, _ = await scraper.answer()
        scraper.end()
        return content

    assert b"peerkey_up 1.0\n" in system.call(ask)


def test_every_machine_is_a_target_and_nobody_is_told_of_none_for_a_fault(system: Background) -> None:
    async def ask(running: Running) -> tuple[Any, Any, int]:
        there = replace(running, scraped="192.0.2.10:9128")
        return (
            (await get(there, "/targets")).json(),
            (await get(running, "/targets")).json(),
            (await get(cast("Any", Away()), "/targets")).status_code,
        )

    ((one,), none, away) = system.call(ask)
    assert one["targets"] == ["192.0.2.10:9128"]
    assert set(one["labels"]) == {"machine"}
    assert none == []
    assert away == 503


@pytest.mark.parametrize(
    ("listens", "machine", "address"),
    [
        (None, "", ""),
        (("192.0.2.10", 9128), "192.0.2.99", "192.0.2.10:9128"),
        (("0.0.0.0", 9128), "192.0.2.99", "192.0.2.99:9128"),  # noqa: S104 - a wildcard is what is judged
        (("::", 9128), "2001:db8::7", "[2001:db8::7]:9128"),
        (("::1", 9128), "", "[::1]:9128"),
    ],
)
def test_a_wildcard_is_reached_at_the_address_of_the_machine(
    listens: tuple[str, int] | None, machine: str, address: str
) -> None:
    assert reached_at(listens, machine) == address


def test_targets_are_in_the_form_of_prometheus() -> None:
    assert discovered([Target("edge8", "b:1"), Target("edge7", "a:1")]) == [
        {"targets": ["a:1"], "labels": {"machine": "edge7"}},
        {"targets": ["b:1"], "labels": {"machine": "edge8"}},
    ]


def test_show_targets_prints_a_file_for_prometheus(system: Background) -> None:
    words = ["show", "targets", "--api", f"unix:{system.running.state.socket}"]

    plain = CliRunner().invoke(app, words)
    file = CliRunner().invoke(app, [*words, "--file-sd"])
    both = CliRunner().invoke(app, [*words, "--file-sd", "--json"])

    assert "No machine answers Prometheus" in plain.stdout
    assert json.loads(file.stdout) == []
    assert both.exit_code == 2


# --- helpers ------------------------------------------------------------------------------------------


class Counting:
    """A fleet that counts how often it is asked."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.asked = 0

    async def measured(self) -> Measured:
        self.asked += 1
        return await self.running.measured()


class Failing(Counting):
    """A fleet with a defect that shows once."""

    async def measured(self) -> Measured:
        if not self.asked:
            self.asked += 1
            raise ZeroDivisionError
        return await super().measured()


class Silent(Actor):
    """Takes every question and answers none."""

    def receive(self, message: object) -> None:
        if isinstance(message, GetFleet | GetRevocation):
            self.ctx.reply_token()


class Away:
    """A fleet that does not answer."""

    async def targets(self) -> tuple[Target, ...]:
        raise Undeliverable("coordinator", "it is away")


async def keyed(running: Running) -> bool:
    nodes = await running.nodes()
    return all(peer.security.key_index is not None for node in nodes for peer in node.peers)


async def ids_of(running: Running) -> set[str]:
    nodes = await running.nodes()
    return {key_id for node in nodes for peer in node.peers for _, _, key_id in peer.security.keys}


async def answered(running: Running, accept: str, chooser: Chooser | None = None) -> bytes:
    scraper = Scraper(running, chooser)
    try:
        content, _ = await scraper.answer(accept)
    finally:
        scraper.end()
    return content


async def get(fleet: Running, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app=scrape.application(fleet))
    async with httpx.AsyncClient(transport=transport, base_url="http://peerkey") as client:
        return await client.get(path, headers=headers)


def with_alarm(node: NodeStatus) -> NodeStatus:
    return replace(node, alarms=(peer_unreachable(EAST),))
