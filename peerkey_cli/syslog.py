"""The audit log as syslog messages of RFC 5424, for a collector beside this system or elsewhere.

    <110>1 2030-06-15T12:00:00.000Z hub peerkey 4711 key.activated
     [peerkey@32473 node="hub/node0" sequence="7" hash="…" permitted="true"] Activated a peer key. …

(one line). A message is handed to the operating system at once and never waited for: what it does not take
at that moment is dropped, counted, and told of in the log once a minute. So the audit log itself remains the
record. What the collector has is a copy; the hashes in it show whether the log is still what was written.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from peerkey.errors import Misconfigured
from peerkey_cli.errors import WrongUsage
from peerkey_cli.schemas import iso
from runtime.clock import SystemClock

if TYPE_CHECKING:
    from actors.journal import Entry
    from peerkey.observe.audit_chain import Head
    from runtime.clock import Clock

_log = structlog.get_logger("syslog")

#: "Log audit" of RFC 5424 section 6.2.1, and the severities that are used.
_FACILITY: Final = 13
_WARNING: Final = 4
_NOTICE: Final = 5
#: Types, or words at their end, of what an operator should look at.
_BAD: Final = (
    "failed",
    "refused",
    "invalid",
    "crashed",
    "down",
    "lost",
    "raised",
    "damaged",
    "gap",
    "deleted",
)

#: "Receivers SHOULD be able to accept messages up to 2048 octets" (RFC 5424, section 6.1).
MAXIMUM_MESSAGE_BYTES: Final = 2_048
#: As in RFC 5424: the number is the one that is reserved for documentation (RFC 5612).
_SD_ID: Final = "peerkey@32473"
_MAXIMUM_NAME: Final = 255
_MAXIMUM_MSGID: Final = 32
_MAXIMUM_VALUE: Final = 256
#: A syslog server that was started again listens at a new socket: it is looked for no more often than this.
_CONNECT_EVERY: Final = timedelta(seconds=1)
_TOLD_EVERY: Final = timedelta(minutes=1)
_DEFAULT_PORT: Final = 514
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """Where messages go: the path of a Unix socket, or an address and a UDP port."""

    text: str
    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def of_text(cls, text: str) -> SyslogAddress:
        """Read ``unix:/dev/log`` or ``udp:192.0.2.7:514``.

        :raises WrongUsage: it is neither. Names are not looked up: that may take as long as it likes.
        """
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest.startswith("/"):
            return cls(text, path=rest)
        host, _, port = rest.rpartition(":")
        if not host or "]" in port:
            host, port = rest, str(_DEFAULT_PORT)
        try:
            address = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
            number = int(port)
        except ValueError:
            address, number = "", 0
        if kind != "udp" or not 0 < number <= _LAST_PORT:
            message = f"--syslog {text}: give unix:PATH or udp:ADDRESS:PORT, the address as a number"
            raise WrongUsage(message)
        return cls(text, host=address, port=number)


class Syslog:
    """Sends each line of an audit log on. See the module."""

    def __init__(self, address: SyslogAddress, clock: Clock | None = None) -> None:
        """Send to ``address``; a Unix socket may be missing now and come later.

        :raises Misconfigured: this machine has no such family of addresses.
        """
        self.dropped = 0
        self._address = address
        self._clock = clock or SystemClock()
        self._host = _field(socket.gethostname(), _MAXIMUM_NAME)
        self._socket: socket.socket | None = None
        self._connect_at = self._told_at = timedelta(0)
        try:
            self._connect()
        except OSError as fault:
            message = f"--syslog {address.text}: {fault.strerror}"
            raise Misconfigured(message) from fault

    def tell(self, entry: Entry, head: Head) -> None:
        """Send the message of one line, or drop it. Never waits and never raises."""
        message = self.message(entry, head)
        try:
            if self._socket is None:
                self._connect()
            if self._socket is None:
                self._drop("nobody listens there")
                return
            self._socket.send(message)
        except BlockingIOError:
            self._drop("it is not taken fast enough")
        except OSError as fault:
            self.close()
            self._drop(fault.strerror or type(fault).__name__)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def message(self, entry: Entry, head: Head) -> bytes:
        """Return the message of one line, cut at its end where it has more than it may have."""
        event = entry.event
        bad = event.TYPE.rpartition(".")[2].endswith(_BAD)
        priority = _FACILITY * 8 + (_WARNING if bad else _NOTICE)
        values = {
            "node": entry.node,
            "sequence": str(head.sequence),
            "hash": head.digest.hex(),
            "permitted": str(event.PERMITTED).lower(),
        }
        data = " ".join(f'{name}="{_escaped(value)}"' for name, value in values.items())
        detail = json.dumps(event.detail(), separators=(",", ":"), ensure_ascii=False)
        kind = _field(event.TYPE, _MAXIMUM_MSGID)
        start = (
            f"<{priority}>1 {iso(entry.time)} {self._host} peerkey {os.getpid()} {kind} [{_SD_ID} {data}] "
        )
        text = f"{event.TITLE} {event.description()} {detail}".replace("\n", " ")
        # The mark says that the text is UTF-8.
        whole = start.encode() + b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
        return whole[:MAXIMUM_MESSAGE_BYTES].decode("utf-8", "ignore").encode()

    def _connect(self) -> None:
        now = self._clock.monotonic()
        if now < self._connect_at:
            return
        self._connect_at = now + _CONNECT_EVERY
        address = self._address
        family = (
            socket.AF_UNIX if address.path else socket.AF_INET6 if ":" in address.host else socket.AF_INET
        )
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setblocking(False)
        try:
            made.connect(address.path or (address.host, address.port))
        except OSError:
            made.close()
            if not address.path:
                raise
            return
        self._socket = made

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        now = self._clock.monotonic()
        if self.dropped == 1 or now >= self._told_at:
            self._told_at = now + _TOLD_EVERY
            _log.warning(
                "syslog messages were dropped", to=self._address.text, dropped=self.dropped, reason=reason
            )


def _field(text: str, longest: int) -> str:
    """Return text as a field of the header: printable ASCII without spaces."""
    return "".join(each if "!" <= each <= "~" else "-" for each in text[:longest]) or "-"


def _escaped(value: str) -> str:
    """Return the value of a parameter (RFC 5424, section 6.3.3)."""
    short = value[:_MAXIMUM_VALUE].encode("utf-8", "replace").decode()
    return "".join(f"\\{each}" if each in '"\\]' else each for each in short if each.isprintable())
