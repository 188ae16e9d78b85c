"""A real Prometheus beside a fleet that runs: found by discovery, counted without a step back, alerted on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.messages import Rekey
from boards.__main__ import FOLDER
from peerkey_cli.daemon import measured
from peerkey_cli.embedded import Running
from peerkey_cli.fleet import ANSWER_WITHIN
from peerkey_cli.targets import Target, discovered
from tests.cli.background import Background, in_background
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.grafana_eyes import Eyes
from tests.support.hosts import wait_for
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus

pytestmark = needs_prometheus

NODES = ("east/node0", "west/node0")
WITHIN = 30.0


class Site:
    """Two routers, their endpoint, and who scrapes it."""

    def __init__(self, routers: TwoRouters, background: Background, prometheus: Prometheus) -> None:
        self.routers, self.background, self.prometheus = routers, background, prometheus

    def until(self, expression: str, within: float = WITHIN) -> None:
        """Wait until a query returns something."""
        wait_for(lambda: bool(self.prometheus.query(expression)), within, told=lambda: expression)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("prometheus")
    routers = two_routers(folder)
    address = ("127.0.0.1", free_port())
    url = f"http://127.0.0.1:{address[1]}"
    by_file = folder / "targets.json"
    by_file.write_text(json.dumps(discovered([Target("by-file", f"127.0.0.1:{address[1]}")])), "utf-8")
    scrape_configs = (
        {
            "job_name": "peerkey",
            "http_sd_configs": [{"url": f"{url}/targets", "refresh_interval": "1s"}],
        },
        {"job_name": "of-a-file", "file_sd_configs": [{"files": [str(by_file)]}]},
    )
    with (
        in_background(routers.file, folder / "state") as background,
        endpoint(background, address),
        prometheus(folder, scrape_configs) as running,
    ):
        found = Site(routers, background, running)
        found.until('sum(peerkey_peerings_keyed{job="peerkey"}) == 2')
        yield found


def test_it_finds_the_machine_by_http_and_by_a_file(site: Site) -> None:
    site.until('up{job="of-a-file",machine="by-file"} == 1')

    (labels,) = site.prometheus.query('peerkey_up{job="peerkey"} == 1')
    assert dict(labels)["machine"] == site.background.call(machine)


def test_every_rule_can_be_computed_and_the_dead_man_speaks(site: Site) -> None:
    site.until('ALERTS{alertname="PeerkeyDeadMan",alertstate="firing"}')

    found = [rule for group in site.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in found} == {"ok"}
    assert {rule.get("lastError") for rule in found} <= {None, ""}
    # The first rules may have been computed before the first scrape.
    wait_for(lambda: firing(site) == {"PeerkeyDeadMan"}, WITHIN)


def test_the_service_levels_are_recorded(site: Site) -> None:
    site.until('peerkey:peerings_keyed:ratio{job="peerkey"} == 1')
    site.until('peerkey:peerings_unkeyed:ratio_avg1h{job="peerkey"} == 0')


def test_no_counter_goes_back_over_a_rekey_and_the_restart_of_actors(site: Site) -> None:
    before = wait_for_changes(site, 1.0)
    created = site.prometheus.query('peerkey_counters_created_timestamp_seconds{job="peerkey"}')

    site.background.call(rekeyed)
    # "After a restart an accepted next becomes current at once": nobody waits for half a minute.
    wait_for(lambda: site.background.call(successors), WITHIN)
    for node in NODES:
        site.background.call(lambda running, node=node: crashed(running, node))  # type: ignore[misc]

    after = wait_for_changes(site, 2.0)
    site.until('peerkey_actor_restarts_total{job="peerkey"} >= 2')
    site.until("sum(peerkey_peerings_keyed) == 4")
    assert after == {node: number + 1 for node, number in before.items()}
    assert site.prometheus.steps_back("peerkey") == {}
    assert site.prometheus.query("count(peerkey_key_changes_created)") != {}
    assert site.prometheus.query('peerkey_counters_created_timestamp_seconds{job="peerkey"}') == created


def test_the_exemplars_are_the_keys_in_use(site: Site) -> None:
    told = site.prometheus.exemplars('peerkey_key_changes_total{job="peerkey"}')

    assert site.background.call(ids_in_use) <= told


def test_the_board_finds_the_keys_beside_how_long_it_took_to_agree_them(site: Site) -> None:
    eyes = Eyes(FOLDER / "peerkey-fleet.json", site.prometheus.query)
    (target,) = eyes.panel("How long a peering takes until it has a key")["targets"]

    assert target["exemplar"] is True
    told = site.prometheus.exemplars(eyes.written(target["expr"]))
    assert told
    assert told <= site.prometheus.exemplars('peerkey_key_changes_total{job="peerkey"}')


def test_no_series_is_there_twice(site: Site) -> None:
    found = site.prometheus.query('{__name__=~"peerkey_.+",job="peerkey"}')

    # Whoever tells it: the labels that Prometheus adds do not count.
    told = [tuple(label for label in labels if label[0] not in {"instance", "machine"}) for labels in found]
    assert len(told) > 100
    assert len(set(told)) == len(told)


def test_a_certificate_that_ends_soon_alerts_until_it_is_replaced(site: Site) -> None:
    soon = site.routers.ca.issue(UUIDS["east"], not_after=datetime.now(UTC) + timedelta(days=5))
    site.routers.certify("east", soon)
    site.background.call(lambda running: running.reload())

    alert = "PeerkeyCertificateExpiresVerySoon"
    of_the_job = f'ALERTS{{alertname="{alert}",alertstate="firing",job="peerkey"}}'
    site.until(of_the_job)
    (labels,) = [each for each in site.prometheus.firing(alert) if each["job"] == "peerkey"]
    assert (labels["node"], labels["severity"]) == ("east/node0", "major")
    (told,) = [
        each
        for each in site.prometheus.ask("alerts")["alerts"]
        if each["labels"]["alertname"] == alert and each["labels"]["job"] == "peerkey"
    ]
    assert told["annotations"]["summary"] == "A certificate that east/node0 needs expires within 7 days."

    site.routers.certify("east", site.routers.ca.issue(UUIDS["east"]))
    site.background.call(lambda running: running.reload())

    wait_for(lambda: not site.prometheus.firing(alert), WITHIN)


# --- helpers ------------------------------------------------------------------------------------------


@contextmanager
def endpoint(background: Background, address: tuple[str, int]) -> Iterator[None]:
    """Let the system be scraped while the block lasts."""
    up, stop = asyncio.Event(), asyncio.Event()

    async def serve(running: Running) -> None:
        fleet = replace(running, scraped=f"{address[0]}:{address[1]}")
        async with measured(fleet, address):
            up.set()
            await stop.wait()

    async def begin(running: Running) -> asyncio.Task[None]:
        task = asyncio.create_task(serve(running))
        await up.wait()
        return task

    async def end(_running: Running) -> None:
        stop.set()
        await task

    task = background.call(begin)
    try:
        yield
    finally:
        background.call(end)


def firing(site: Site) -> set[str]:
    """Return which alerts there are."""
    rules = [rule for group in site.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    return {rule["name"] for rule in rules if rule.get("state") == "firing"}


def wait_for_changes(site: Site, at_least: float) -> dict[str, float]:
    site.until(f'min(peerkey_key_changes_total{{job="peerkey"}}) >= {at_least}')
    found = site.prometheus.query('peerkey_key_changes_total{job="peerkey"}')
    return {dict(labels)["node"]: value for labels, value in found.items()}


async def machine(running: Running) -> str:
    (host,) = await running.hosts()
    return host.machine


async def rekeyed(running: Running) -> int:
    return await running.authority.ask(Rekey(), ANSWER_WITHIN)


async def successors(running: Running) -> bool:
    """Tell whether every peering has agreed another key and does not use it yet."""
    nodes = await running.nodes()
    return all("next" in {role for role, _, _ in peer.security.keys} for node in nodes for peer in node.peers)


async def crashed(running: Running, node: str) -> None:
    running.system.crash(running.system.ref(f"authority/{node.replace('/', '.')}"), OSError())


async def ids_in_use(running: Running) -> set[str]:
    nodes = await running.nodes()
    return {
        key_id
        for node in nodes
        for peer in node.peers
        for role, _, key_id in peer.security.keys
        if role == "current"
    }
