"""What the CRL manager needs of the world: somebody who fetches a list, and somebody who keeps it.

Production fetches over the network (:mod:`actors.crl.fetching`) and keeps files
(:mod:`actors.crl.kept_lists`); a simulation gives both as it likes. What can go wrong with a fetch is one
closed list, :class:`FetchFault`: an operator is told which of them it was, of which address, and why, in one
line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Protocol

from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import NO_VALIDATORS, Validators

#: What is shown of an address: a line that an operator can still read.
_SHOWN_CHARACTERS: Final = 300


class FetchFault(Enum):
    """Why a list could not be fetched."""

    #: The scheme is none that is spoken here.
    UNSUPPORTED = "unsupported"
    #: The name of the server is not known.
    NAME = "name"
    #: Nobody takes the connection.
    CONNECTION = "connection"
    #: The server could not prove who it is.
    TLS = "tls"
    #: No connection, or no answer, in time.
    TIMEOUT = "timeout"
    #: The answer comes too slowly to be waited for.
    SLOW = "slow"
    #: An answer, but not the list: 404, 500.
    STATUS = "status"
    #: The answers lead in a circle, or too far.
    REDIRECTS = "redirects"
    #: An answer leads to where it must not.
    FORBIDDEN = "forbidden"
    #: The list is larger than what is accepted.
    SIZE = "size"
    #: The answer ends before its end.
    TRUNCATED = "truncated"
    #: The answer is packed in a way that was not asked for, or cannot be unpacked.
    ENCODING = "encoding"
    #: What answers does not speak HTTP.
    PROTOCOL = "protocol"
    #: The file cannot be read.
    FILE = "file"
    #: Too much is being fetched at this moment.
    BUSY = "busy"


class FetchFailed(Unavailable):
    """A list could not be fetched. Its text is one line that names the address and says why."""

    def __init__(self, fault: FetchFault, url: str, why: str) -> None:
        """Say of ``url`` what is wrong; ``why`` is in our words, with nothing of what a server sent."""
        self.fault = fault
        self.url = url
        self.why = why
        super().__init__(f"{shown(url)}: {why}")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What is asked for."""

    url: str
    #: Where there are some, "unchanged" is an answer.
    validators: Validators = NO_VALIDATORS
    #: DER of certificates that may vouch for a server, beside those that the machine trusts.
    roots: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ListFetched:
    """The list, as it was published; what it is worth is not known yet."""

    content: bytes = field(repr=False)
    validators: Validators = NO_VALIDATORS


@dataclass(frozen=True, slots=True)
class ListUnchanged:
    """The list is the one to which the validators belong."""


class ListFetcher(Protocol):
    """Fetches lists. Bounded in size, in time and in number; it never blocks the event loop."""

    async def fetch(self, request: ListRequest) -> ListFetched | ListUnchanged:
        """Fetch a list, or learn that it is unchanged.

        Raises:
            FetchFailed: neither.

        """
        ...


@dataclass(frozen=True, slots=True)
class KeptLists:
    """What an address gave last that was good: the latest list of each series, the newest last."""

    url: str
    contents: tuple[bytes, ...] = field(repr=False)
    #: Of the newest.
    validators: Validators
    #: When the newest was fetched.
    fetched: datetime
    #: When the last of the certificates ends that name the address; ``None`` where none does.
    until: datetime | None = None
    #: DER of the authorities that were known when they were judged: a router may have shown one of them.
    signers: tuple[bytes, ...] = field(default=(), repr=False)


class ListKeeper(Protocol):
    """Keeps the last good lists of each address over restarts.

    Every method may block; actors call it on the executor. What is damaged is not there.
    """

    def addresses(self) -> tuple[tuple[str, datetime | None], ...]:
        """Return of which addresses lists are kept, each with its :attr:`KeptLists.until`.

        Raises:
            Unavailable: it cannot be told.

        """
        ...

    def load(self, url: str) -> KeptLists | None:
        """Return the lists of an address; ``None`` where there are none, or they are damaged.

        Raises:
            Unavailable: they cannot be read.

        """
        ...

    def save(self, kept: KeptLists) -> None:
        """Keep lists in the place of those before. A crash in between leaves the ones or the others, whole.

        Raises:
            Unavailable: they cannot be written; those before are still kept.

        """
        ...

    def drop(self, url: str) -> None:
        """Forget the lists of an address. There need not be any.

        Raises:
            Unavailable: they cannot be removed.

        """
        ...


def shown(url: str) -> str:
    """Return an address fit for one line: ASCII, printable, and without a user name or password."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    bare = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else url
    return ascii(bare)[1:-1][:_SHOWN_CHARACTERS]
