"""The audit log as syslog messages: their form, and that nobody ever waits for a collector."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.journal import Entry, FileJournal
from peerkey.observe.audit_chain import Head
from peerkey.observe.events import AlarmRaised, CsrFailed, Event, KeyActivated
from peerkey_cli.errors import WrongUsage
from peerkey_cli.syslog import MAXIMUM_MESSAGE_BYTES, Syslog, SyslogAddress

NOW = datetime(2030, 6, 15, 12, 0, 0, 123456, tzinfo=UTC)
HEAD = Head(7, bytes(range(32)))
FAILED = CsrFailed("base", "there is no key")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.passed = timedelta(seconds=10)

    def wall(self) -> datetime:
        return NOW

    def monotonic(self) -> timedelta:
        return self.passed


@pytest.fixture
def collector() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(30)
        yield made


def test_each_line_of_the_log_is_one_message_with_its_hash(tmp_path: Path, collector: socket.socket) -> None:
    syslog = Syslog(SyslogAddress.of_text(f"udp:127.0.0.1:{collector.getsockname()[1]}"))
    journal = FileJournal(tmp_path / "events.jsonl", syslog.tell)
    journal.record(NOW, "east/node0", FAILED)
    journal.close()
    syslog.close()

    (line,) = (json.loads(each) for each in (tmp_path / "events.jsonl").read_text().splitlines())
    found = re.fullmatch(
        r"<108>1 2030-06-15T12:00:00\.123Z (\S+) peerkey (\d+) certificate\.request_failed "
        r'\[peerkey@32473 node="east/node0" sequence="1" hash="([0-9a-f]{64})" permitted="true"\] '
        "\ufeffFailed to generate a certificate signing request. No CSR for base: there is no key "
        r"(\{.*\})",
        collector.recv(65_536).decode(),
    )
    assert found is not None
    assert found[3] == line["hash"]
    assert json.loads(found[4]) == line["detail"]


@pytest.mark.parametrize(
    ("event", "priority"),
    [
        (KeyActivated("p", 1, "00"), 109),
        (FAILED, 108),
        (AlarmRaised("id", "critical", "p", "peer", "text"), 108),
    ],
)
def test_what_an_operator_should_look_at_is_a_warning(event: Event, priority: int) -> None:
    assert message(event).startswith(f"<{priority}>1 ".encode())


def test_what_a_name_holds_cannot_leave_its_place() -> None:
    text = message(FAILED, node='a"]b\\c\nd')

    assert rb'node="a\"\]b\\cd"' in text
    assert b"\n" not in text


def test_a_long_message_is_cut_between_two_characters() -> None:
    text = message(CsrFailed("base", "é" * 4_000))

    assert MAXIMUM_MESSAGE_BYTES - 2 < len(text) <= MAXIMUM_MESSAGE_BYTES
    assert text.decode().endswith("é")


def test_a_collector_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(str(path))
        syslog = Syslog(SyslogAddress.of_text(f"unix:{path}"))
        for _ in range(5_000):
            syslog.tell(Entry(NOW, "east/node0", FAILED), HEAD)
        syslog.close()

    assert syslog.dropped > 0


def test_a_collector_that_comes_back_is_found_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "log", Clock()
    syslog = Syslog(SyslogAddress.of_text(f"unix:{path}"), clock)
    entry = Entry(NOW, "east/node0", FAILED)
    syslog.tell(entry, HEAD)
    assert syslog.dropped == 1
    for life in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as collector:
            collector.bind(str(path))
            collector.settimeout(30)
            clock.passed += timedelta(seconds=2)
            syslog.tell(entry, HEAD)
            assert collector.recv(65_536).startswith(b"<108>1 ")
        path.unlink()
        syslog.tell(entry, HEAD)
        assert syslog.dropped == 2 + life
    syslog.close()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("udp:192.0.2.7:1514", "192.0.2.7", 1514),
        ("udp:192.0.2.7", "192.0.2.7", 514),
        ("udp:[2001:db8::7]:1514", "2001:db8::7", 1514),
        ("udp:[2001:db8::7]", "2001:db8::7", 514),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    address = SyslogAddress.of_text(text)

    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "udp:", "udp:collector:514", "tcp:192.0.2.7:514", "unix:log", "udp:192.0.2.7:0", "udp:1.2.3.4:x"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="give unix:PATH or udp:ADDRESS:PORT"):
        SyslogAddress.of_text(text)


def message(event: Event, node: str = "east/node0") -> bytes:
    syslog = Syslog(SyslogAddress.of_text("udp:127.0.0.1:9"))
    try:
        return syslog.message(Entry(NOW, node, event), HEAD)
    finally:
        syslog.close()
