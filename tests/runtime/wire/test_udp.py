"""What concerns the UDP wire alone: sockets, interfaces, the kernel."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.wire import interfaces
from runtime.wire.interfaces import InterfaceMonitor, addresses_up
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address
from runtime.wire.udp import READ_AT_ONCE, UdpWire

HOST = "127.0.0.1"

#: Addresses of the range for tests of networks (RFC 2544), another one for each process that runs tests.
OUR_OWN = f"198.18.{os.getpid() % 251}.{os.getpid() // 251 % 250 + 1}"
A_NEIGHBOUR = f"198.18.{os.getpid() % 251}.{os.getpid() // 251 % 250 + 2}"


async def test_a_thousand_paths_share_one_socket() -> None:
    before = open_descriptors()
    wire = UdpWire()
    local = Address(HOST, free_port())
    for number in range(1000):
        wire.open(local, Address(f"127.0.{1 + number // 250}.{1 + number % 250}", 1280), ignore, ignore)
    assert open_descriptors() - before <= 2  # the socket, and netlink
    await wire.close()
    assert open_descriptors() == before


async def test_the_last_endpoint_takes_the_socket_with_it() -> None:
    wire = UdpWire()
    local = Address(HOST, free_port())
    ends = [wire.open(local, Address("127.0.0.2", port), ignore, ignore) for port in (1, 2)]
    ends[0].close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        with pytest.raises(OSError, match="in use"):
            other.bind(local)
        ends[1].close()
        other.bind(local)
    await wire.close()


async def test_more_datagrams_than_are_read_at_once_all_arrive() -> None:
    wire = UdpWire()
    local, peer = Address(HOST, free_port()), Address(HOST, free_port())
    heard: list[bytes] = []
    wire.open(local, peer, heard.append, ignore)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(peer)
        for number in range(2 * READ_AT_ONCE + 7):
            sender.sendto(b"%d" % number, local)
    await until(lambda: len(heard) == 2 * READ_AT_ONCE + 7)
    await wire.close()


async def test_an_arriving_datagram_that_is_too_large_is_counted_and_not_delivered() -> None:
    wire = UdpWire()
    local, peer = Address(HOST, free_port()), Address(HOST, free_port())
    heard: list[bytes] = []
    end = wire.open(local, peer, heard.append, ignore)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(peer)
        sender.sendto(bytes(MAX_DATAGRAM_BYTES + 1), local)
        sender.sendto(b"small", local)
    await until(lambda: bool(heard))
    assert heard == [b"small"]
    assert end.counters.received_oversize == 1
    await wire.close()


async def test_a_port_that_is_taken_is_bound_as_soon_as_it_is_free() -> None:
    looks: list[int] = []

    def look() -> frozenset[str]:
        looks.append(1)
        return frozenset({HOST})

    wire = UdpWire(look=look)
    states: list[bool] = []
    with capture_logs() as logs, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        local = Address(HOST, other.getsockname()[1])
        wire.open(local, Address("127.0.0.2", 1280), ignore, states.append)
        await until(lambda: states == [False])
        wire.look_again()
        await until(lambda: len(looks) == 2)
    wire.look_again()
    await until(lambda: states == [False, True])
    await wire.close()
    complaints = [entry for entry in logs if entry["event"] == "cannot bind yet"]
    assert len(complaints) == 1
    assert complaints[0]["local"] == str(local)


@pytest.mark.skipif(sys.platform != "linux", reason="platform: not Linux")
async def test_every_loopback_address_is_there_while_the_loopback_interface_is_up() -> None:
    up = {HOST}
    wire = UdpWire(look=lambda: frozenset(up))
    states: list[bool] = []
    wire.open(Address("127.3.2.1", free_port()), Address("127.0.0.2", 1280), ignore, states.append)
    await until(lambda: states == [True])
    up.clear()
    wire.look_again()
    await until(lambda: states == [True, False])
    await wire.close()


async def test_a_full_socket_buffer_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = UdpWire()
    local, peer = Address(HOST, free_port()), Address(HOST, free_port())
    end = wire.open(local, peer, ignore, ignore)

    class Full:
        def sendto(self, *_what: object) -> int:
            raise BlockingIOError(11, "Resource temporarily unavailable")

    port = end._port  # noqa: SLF001 - a full buffer cannot be had on demand
    with monkeypatch.context() as patched:
        patched.setattr(port, "bound", Full())
        end.send(b"datagram")
    assert (end.counters.dropped_full, end.counters.sent) == (1, 0)
    await wire.close()


async def test_what_the_kernel_refuses_is_counted() -> None:
    wire = UdpWire()
    # Broadcasting was not asked for, so the kernel says no at once.
    end = wire.open(Address(HOST, free_port()), Address("255.255.255.255", 1280), ignore, ignore)
    end.send(b"datagram")
    assert end.counters.refused == 1
    assert end.counters.sent == 0
    await wire.close()


@pytest.mark.skipif(sys.platform != "linux", reason="platform: not Linux")
async def test_datagrams_leave_unfragmented_whatever_icmp_says() -> None:
    wire = UdpWire()
    four = wire.open(Address(HOST, free_port()), Address("127.0.0.2", 1280), ignore, ignore)
    bound = four._port.bound  # noqa: SLF001 - what the kernel was asked for shows on the socket alone
    assert bound is not None
    assert bound.getsockopt(socket.IPPROTO_IP, 10) == 3  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
    await wire.close()


def test_the_loopback_address_is_up() -> None:
    assert HOST in addresses_up()
    assert "203.0.113.77" not in addresses_up()


@pytest.mark.root
async def test_the_kernel_tells_of_an_address_that_appears_and_disappears(device: str) -> None:
    wire = UdpWire()
    states: list[bool] = []
    end = wire.open(Address(OUR_OWN, 1280), Address(A_NEIGHBOUR, 1280), ignore, states.append)
    await until(lambda: states == [False])
    ip("address", "add", f"{OUR_OWN}/24", "dev", device)
    await until(lambda: states == [False, True])
    end.send(b"into the void")
    assert end.counters.sent == 1
    ip("link", "set", device, "down")
    await until(lambda: states == [False, True, False])
    ip("link", "set", device, "up")
    await until(lambda: states == [False, True, False, True])
    ip("address", "del", f"{OUR_OWN}/24", "dev", device)
    await until(lambda: states == [False, True, False, True, False])
    ip("address", "add", f"{OUR_OWN}/24", "dev", device)
    await until(lambda: states == [False, True, False, True, False, True])
    end.send(b"into the void")
    assert end.counters.sent == 2
    await wire.close()


@pytest.mark.root
async def test_an_interface_that_takes_less_drops_and_counts(device: str) -> None:
    ip("link", "set", device, "mtu", "1300")
    ip("address", "add", f"{OUR_OWN}/24", "dev", device)
    wire = UdpWire()
    end = wire.open(Address(OUR_OWN, 1280), Address(A_NEIGHBOUR, 1280), ignore, ignore)
    end.send(bytes(1300 - 28))
    end.send(bytes(1300 - 28 + 1))
    assert (end.counters.sent, end.counters.dropped_oversize) == (1, 1)
    await wire.close()


async def test_without_hints_of_the_kernel_the_interfaces_are_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "POLL_WITHOUT_HINTS", 0.001)
    monkeypatch.setattr(interfaces, "_open_netlink", lambda: None)
    found = [frozenset[str](), frozenset({"192.0.2.1"})]
    looks: list[frozenset[str]] = []
    monitor = InterfaceMonitor(
        asyncio.get_running_loop(), lambda: looks.append(monitor.addresses), lambda: found[min(len(looks), 1)]
    )
    assert monitor.addresses == frozenset()
    await until(lambda: bool(looks) and looks[-1] == {"192.0.2.1"})
    monitor.close()


async def test_where_there_is_no_netlink_nothing_is_subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", forbidden)
        monitor = InterfaceMonitor(loop, list, frozenset)
    looks: list[int] = []
    monitor.close()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "darwin")
        monitor = InterfaceMonitor(loop, lambda: looks.append(1), frozenset)
        monitor.hint()
        await until(lambda: looks == [1])
    monitor.close()


async def test_a_link_local_address_of_an_interface_that_is_not_there_waits_for_it() -> None:
    local, peer = Address("fe80::1%nosuch0", 1280), Address("fe80::2%nosuch0", 1280)
    wire = UdpWire(look=lambda: frozenset({local.host}))
    states: list[bool] = []
    end = wire.open(local, peer, ignore, states.append)
    await until(lambda: states == [False])
    end.send(b"dropped")
    assert end.counters.dropped_down == 1
    await wire.close()


@pytest.mark.root
async def test_link_local_addresses_speak_to_each_other(device: str) -> None:
    wire = UdpWire()
    heard: list[bytes] = []
    first, second = (f"fe80::{os.getpid() % 0xFFFF:x}:{number}" for number in (1, 2))
    for host in (first, second):
        ip("address", "add", f"{host}/64", "dev", device, "nodad")
    local, peer = Address(f"{first}%{device}", 1280), Address(f"{second}%{device}", 1280)
    one = wire.open(local, peer, ignore, ignore)
    two = wire.open(peer, local, heard.append, ignore)
    await until(lambda: one.up and two.up)
    one.send(b"datagram")
    await until(lambda: heard == [b"datagram"])
    await wire.close()


async def test_a_burst_of_hints_is_one_look() -> None:
    looks: list[int] = []
    monitor = InterfaceMonitor(asyncio.get_running_loop(), lambda: looks.append(1), frozenset)
    for _ in range(100):
        monitor.hint()
    await until(lambda: bool(looks))
    assert looks == [1]
    monitor.close()
    monitor.close()


@pytest.fixture
def device() -> Iterator[str]:
    """A network interface of our own, with a cable to another one."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("platform: making an interface needs Linux, root and iproute2")
    name = f"pk{os.getpid() % 100_000}"
    made = subprocess.run(
        ["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}b"],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        pytest.skip(f"platform: no virtual interface here: {made.stderr.strip()}")
    ip("link", "set", f"{name}b", "up")
    ip("link", "set", name, "up")
    yield name
    ip("link", "del", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def ignore(_what: object) -> None:
    return


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - only the kernel knows when
            await asyncio.sleep(0.001)
