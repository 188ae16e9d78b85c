"""The last good lists of each address, in a directory: a file for each address, replaced as a whole.

A file is three things, one after the other::

    peerkey-lists 1 <SHA-256 of all that follows, hexadecimal>
    {"url": …, "etag": …, "fetched": "2030-06-15T12:00:00+00:00", "lengths": [14162], …}
    <the lists, as they were published, and the certificates of their signers>

It is called by the SHA-256 of its address. What does not agree with its digest, or with its name, is damaged,
and what is damaged is not there: the list is fetched again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, NonNegativeInt, ValidationError

from actors.crl.port import KeptLists
from actors.crl.reading import read_in_pieces
from actors.whole_files import remove_drafts, write_whole
from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import Validators
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from peerkey.pki.list_ingestion import MAXIMUM_SERIES

#: Files that are looked at. There are more only where somebody else has put them there.
MAXIMUM_KEPT: Final = 10_000
#: The most that an address has: a few of the largest lists.
MAXIMUM_FILE_BYTES: Final = MAXIMUM_SERIES * MAXIMUM_LIST_BYTES

_MAGIC: Final = b"peerkey-lists 1 "
_SUFFIX: Final = ".list"
_MODE: Final = 0o600
#: An address, two validators, dates and lengths, as JSON.
_MAXIMUM_HEAD_BYTES: Final = 64 * 1024


def _in_utc(time: datetime) -> datetime:
    """Return a time with the time zone that all others have: that of whoever reads JSON does not travel."""
    return time.astimezone(UTC)


_Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class _Head(BaseModel):
    """What a file says of what is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    etag: str
    last_modified: str
    fetched: _Instant
    until: _Instant | None
    #: Of the lists, and of the certificates behind them, in bytes.
    lengths: tuple[NonNegativeInt, ...]
    signers: tuple[NonNegativeInt, ...]


class KeptFiles:
    """Lists in a directory, which is made where it is missing; see :class:`actors.crl.port.ListKeeper`."""

    def __init__(self, directory: Path) -> None:
        """Keep lists in ``directory``."""
        self._directory = directory

    def addresses(self) -> tuple[tuple[str, datetime | None], ...]:
        """See :meth:`actors.crl.port.ListKeeper.addresses`."""
        found = []
        with _disk(self._directory):
            for path in islice(sorted(self._directory.glob(f"*{_SUFFIX}")), MAXIMUM_KEPT):
                with path.open("rb") as file:
                    file.readline(_MAXIMUM_HEAD_BYTES)
                    head = _read_head(file.readline(_MAXIMUM_HEAD_BYTES))
                if head is not None and self._path(head.url) == path:
                    found.append((head.url, head.until))
        return tuple(found)

    def fetched(self) -> tuple[tuple[str, datetime], ...]:
        """Return the addresses of which there are lists that can be read, and when each was fetched.

        :raises Unavailable: the disk.
        """
        found = (self.load(url) for url, _ in self.addresses())
        return tuple((kept.url, kept.fetched) for kept in found if kept is not None)

    def load(self, url: str) -> KeptLists | None:
        """See :meth:`actors.crl.port.ListKeeper.load`."""
        path = self._path(url)
        with _disk(path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return None
            with file:
                if os.fstat(file.fileno()).st_size > MAXIMUM_FILE_BYTES:
                    return None
                digest = file.readline(_MAXIMUM_HEAD_BYTES)
                head_line = file.readline(_MAXIMUM_HEAD_BYTES)
                head = _read_head(head_line)
                if head is None or head.url != url:
                    return None
                parts = tuple(read_in_pieces(file, length) for length in (*head.lengths, *head.signers))
                more = file.read(1)
        if more or digest != _digest(head_line, *parts):
            return None
        count = len(head.lengths)
        validators = Validators(head.etag, head.last_modified)
        return KeptLists(url, parts[:count], validators, head.fetched, head.until, parts[count:])

    def save(self, kept: KeptLists) -> None:
        """See :meth:`actors.crl.port.ListKeeper.save`."""
        head = _Head(
            url=kept.url,
            etag=kept.validators.etag,
            last_modified=kept.validators.last_modified,
            fetched=kept.fetched,
            until=kept.until,
            lengths=tuple(map(len, kept.contents)),
            signers=tuple(map(len, kept.signers)),
        )
        head_line = head.model_dump_json().encode() + b"\n"
        parts = (*kept.contents, *kept.signers)
        path = self._path(kept.url)
        with _disk(path):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_drafts(path)
            write_whole(path, (_digest(head_line, *parts), head_line, *parts), _MODE)

    def drop(self, url: str) -> None:
        """See :meth:`actors.crl.port.ListKeeper.drop`."""
        path = self._path(url)
        with _disk(path):
            path.unlink(missing_ok=True)

    def _path(self, url: str) -> Path:
        return self._directory / f"{hashlib.sha256(url.encode()).hexdigest()}{_SUFFIX}"


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Say of an error of the disk which file it is about."""
    try:
        yield
    except OSError as fault:
        message = f"{path}: the kept revocation lists cannot be used: {fault.strerror}"
        raise Unavailable(message) from fault


def _digest(*parts: bytes) -> bytes:
    """Return the first line of a file of which these are the rest."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return _MAGIC + digest.hexdigest().encode() + b"\n"


def _read_head(line: bytes) -> _Head | None:
    try:
        return _Head.model_validate_json(line)
    except ValidationError:
        return None
