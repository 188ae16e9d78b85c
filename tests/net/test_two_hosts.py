"""Two processes, one router each, on two hosts: real sockets, real loss, real files, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from peerkey.protocol.suites import ALL
from peerkey.testing.ca import TestCA
from tests.support.hosts import Host, Router, cable, cabled_hosts, named_hosts, require_namespaces, wait_for
from tests.support.single_routers import Settings, two_routers, write_certificate

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

V4 = ("10.77.0.1", "10.77.0.2")
V6 = ("fd77::1", "fd77::2")
#: The relay's two addresses, each with the router behind it.
RELAYED = ("10.77.1.2:1280=10.77.1.1:1280", "10.77.2.1:1280=10.77.2.2:1280")
#: Loss, a busy machine and three retransmit intervals of five seconds.
KEYED_WITHIN = 90.0
BATCHES = [ALL[start : start + 5] for start in range(0, len(ALL), 5)]


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    require_namespaces()


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with cabled_hosts() as pair:
        yield pair


@pytest.mark.parametrize("algorithms", BATCHES, ids=lambda batch: f"{batch[0].name}-and-more")
def test_every_algorithm_is_keyed_through_twenty_percent_loss_both_ways(
    algorithms: tuple[object, ...], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        pairs = []
        for number, algorithm in enumerate(algorithms):
            left, right = stack.enter_context(cabled_hosts(mtu=1280))
            left.lose(20)
            right.lose(20)
            folder = tmp_path / str(number)
            addresses = V6 if number % 2 else V4
            _, east, west = two_routers(folder, *addresses, now=now(), algorithm=algorithm.name)  # type: ignore[attr-defined]
            pairs.append((started(left, east, folder), started(right, west, folder)))
        for east_router, west_router in pairs:
            wait_until_keyed(east_router, west_router)
            assert "Malformed" not in east_router.log.read_text()


def test_a_network_that_doubles_and_reorders_changes_nothing(tmp_path: Path) -> None:
    with named_hosts(3) as (left, middle, right):
        cable(left, middle, "10.77.1", "fd77:1:", mtu=1280, names=("wan", "west"))
        cable(middle, right, "10.77.2", "fd77:2:", mtu=1280, names=("east", "wan"))
        relay = Path(__file__).parents[1] / "support" / "relay.py"
        process = subprocess.Popen(
            ["ip", "netns", "exec", middle.name, sys.executable, str(relay), "1", *RELAYED],
            stdout=subprocess.PIPE,
        )
        middle.started.append(process)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"ready\n"
        # RSA and the largest hybrid: frames of several segments.
        _, east, west = two_routers(
            tmp_path, "10.77.1.1", "10.77.2.2", now=now(), algorithm="diffie-hellman-4096-ml-kem-1024"
        )
        east_router = started(left, east.but(peer_address="10.77.1.2"), tmp_path)
        west_router = started(right, west.but(peer_address="10.77.2.1"), tmp_path)
        wait_until_keyed(east_router, west_router)


def test_after_sigkill_the_same_key_is_current_and_the_peer_has_not_rekeyed(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    _, east, west = two_routers(tmp_path, *V4, now=now())
    east_router, west_router = started(hosts[0], east, tmp_path), started(hosts[1], west, tmp_path)
    wait_until_keyed(east_router, west_router)
    key = west_router.current_keys()
    east_router.end(signal.SIGKILL)
    before = len(east_router.events())
    east_router.start()
    wait_for(lambda: any(event["type"] == "path.up" for event in east_router.events()[before:]), KEYED_WITHIN)
    document = east_router.ask("show", "security", "key-status")
    assert key[-1] in str(document)
    assert east_router.current_keys() == key
    assert west_router.current_keys() == key


def test_an_interface_that_goes_down_and_comes_back_is_used_at_once(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    # With an hour between tries after a time-out, only the interface itself can bring the path back.
    _, east, west = two_routers(tmp_path, *V4, now=now(), timeout_seconds=3600)
    east_router, west_router = started(hosts[0], east, tmp_path), started(hosts[1], west, tmp_path)
    wait_until_keyed(east_router, west_router)
    hosts[0].link(up=False)
    wait_for(lambda: not east_router.path_in_service(), 30)
    hosts[0].link(up=True)
    wait_for(east_router.path_in_service, 30)
    assert len(east_router.current_keys()) == 1


def test_a_silent_peer_takes_the_path_out_of_service_and_its_return_brings_it_back(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    _, east, west = two_routers(tmp_path, *V4, now=now())
    east_router, west_router = started(hosts[0], east, tmp_path), started(hosts[1], west, tmp_path)
    wait_until_keyed(east_router, west_router)
    hosts[1].lose(100)
    east_router.tell("rekey")
    wait_for(lambda: not east_router.path_in_service(), 40)
    hosts[1].lose(0)
    wait_for(east_router.path_in_service, 40)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("identity", "identity-mismatch"),
        ("expired", "expired"),
        ("untrusted", "untrusted"),
    ],
)
def test_a_bad_certificate_is_told_on_both_sides_and_heals_without_a_restart(
    hosts: tuple[Host, Host], tmp_path: Path, fault: str, reason: str
) -> None:
    authority, east, west = two_routers(tmp_path, *V4, now=now())
    bad = {
        "identity": lambda: authority.issue(UUID(int=3 << 96)),
        "expired": lambda: authority.issue(east.uuid, not_after=now() - timedelta(hours=1)),
        "untrusted": lambda: TestCA("other", now=now()).issue(east.uuid),
    }[fault]()
    write_certificate(tmp_path, east.name, bad)
    east_router, west_router = started(hosts[0], east, tmp_path), started(hosts[1], west, tmp_path)
    both = (east_router, west_router)
    wait_for(lambda: all(reason in router.failures() for router in both), 60, told=lambda: failures(*both))
    assert not any(router.current_keys() for router in both)
    assert all(router.failures().count(reason) == 1 for router in both), failures(*both)

    write_certificate(tmp_path, east.name, authority.issue(east.uuid))
    east_router.tell("reload")
    wait_until_keyed(*both)


def test_an_algorithm_mismatch_is_told_on_both_sides_and_heals_without_a_restart(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    _, east, west = two_routers(tmp_path, *V4, now=now())
    east_router = started(hosts[0], east.but(algorithm="diffie-hellman-2048"), tmp_path)
    west_router = started(hosts[1], west, tmp_path)
    both = (east_router, west_router)
    wait_for(lambda: all("algorithm-mismatch" in router.failures() for router in both), 60)
    assert not any(router.current_keys() for router in both)

    east.write(tmp_path)
    east_router.tell("reload")
    wait_until_keyed(*both)


def test_an_unknown_peer_is_told_on_both_sides_and_heals_without_a_restart(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    _, east, west = two_routers(tmp_path, *V4, now=now())
    east_router = started(hosts[0], east.but(peer_uuid=UUID(int=9 << 96)), tmp_path)
    west_router = started(hosts[1], west, tmp_path)
    both = (east_router, west_router)
    wait_for(lambda: "wrong-sender" in east_router.failures() and bool(west_router.failures()), 60)
    assert not any(router.current_keys() for router in both)

    east.write(tmp_path)
    east_router.tell("reload")
    wait_until_keyed(*both)


# --- helpers --------------------------------------------------------------------------------------


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def started(host: Host, settings: Settings, folder: Path) -> Router:
    router = Router(host, settings.write(folder), folder / f"{settings.name}-state")
    router.start()
    return router


def wait_until_keyed(east: Router, west: Router) -> None:
    def keyed() -> bool:
        keys = east.current_keys(), west.current_keys()
        in_service = east.path_in_service() and west.path_in_service()
        return in_service and bool(keys[0]) and keys[0][-1] == keys[1][-1]

    wait_for(keyed, KEYED_WITHIN, told=lambda: (east.log.read_text()[-2000:], west.log.read_text()[-2000:]))


def failures(*routers: Router) -> list[list[str]]:
    return [router.failures() for router in routers]
