"""The last good list of each address, in a directory: a file for each, replaced as a whole.

A file is three things, one after the other::

    peerkey-list 1 <SHA-256 of all that follows, hexadecimal>
    {"url": …, "etag": …, "last_modified": …, "fetched": "2030-06-15T12:00:00+00:00"}
    <the list, as it was published>

It is called by the SHA-256 of its address. What does not agree with its digest, or with its name, is damaged,
and what is damaged is not there: the list is fetched again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from actors.crl.port import MAXIMUM_LIST_BYTES, KeptList
from actors.keystores.private_files import sync_directory
from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import Validators

#: Files that are looked at. There are more only where somebody else has put them there.
MAXIMUM_KEPT: Final = 10_000

_MAGIC: Final = b"peerkey-list 1 "
_SUFFIX: Final = ".list"
_MODE: Final = 0o600
#: An address, two validators and a date, as JSON.
_MAXIMUM_HEAD_BYTES: Final = 64 * 1024


class KeptFiles:
    """Lists in a directory, which is made where it is missing; see :class:`actors.crl.port.ListKeeper`."""

    def __init__(self, directory: Path) -> None:
        """Keep lists in ``directory``."""
        self._directory = directory

    def addresses(self) -> tuple[str, ...]:
        """See :meth:`actors.crl.port.ListKeeper.addresses`."""
        found = []
        with _disk(self._directory):
            for path in islice(sorted(self._directory.glob(f"*{_SUFFIX}")), MAXIMUM_KEPT):
                with path.open("rb") as file:
                    head = _head(file)
                if head is not None and self._path(head["url"]) == path:
                    found.append(head["url"])
        return tuple(found)

    def load(self, url: str) -> KeptList | None:
        """See :meth:`actors.crl.port.ListKeeper.load`."""
        path = self._path(url)
        with _disk(path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return None
            with file:
                size = os.fstat(file.fileno()).st_size
                if size > MAXIMUM_LIST_BYTES + 2 * _MAXIMUM_HEAD_BYTES:
                    return None
                digest = _digest(file.readline(_MAXIMUM_HEAD_BYTES))
                head_line = file.readline(_MAXIMUM_HEAD_BYTES)
                content = file.read()
        found = hashlib.sha256(head_line)
        found.update(content)
        if found.hexdigest() != digest:
            return None
        head = _read_head(head_line)
        if head is None or head["url"] != url:
            return None
        try:
            fetched = datetime.fromisoformat(head["fetched"])
        except ValueError:
            return None
        return KeptList(url, content, Validators(head["etag"], head["last_modified"]), fetched)

    def save(self, kept: KeptList) -> None:
        """See :meth:`actors.crl.port.ListKeeper.save`."""
        head = {
            "url": kept.url,
            "etag": kept.validators.etag,
            "last_modified": kept.validators.last_modified,
            "fetched": kept.fetched.isoformat(),
        }
        head_line = json.dumps(head).encode() + b"\n"
        digest = hashlib.sha256(head_line)
        digest.update(kept.content)
        path = self._path(kept.url)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with _disk(path):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_MAGIC + digest.hexdigest().encode() + b"\n")
                    file.write(head_line)
                    file.write(kept.content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            sync_directory(self._directory)

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


def _digest(line: bytes) -> str:
    return line.removeprefix(_MAGIC).strip().decode("ascii", "replace") if line.startswith(_MAGIC) else ""


def _head(file: BinaryIO) -> dict[str, str] | None:
    """Read what a file says of itself, without the list."""
    if not file.readline(_MAXIMUM_HEAD_BYTES).startswith(_MAGIC):
        return None
    return _read_head(file.readline(_MAXIMUM_HEAD_BYTES))


def _read_head(line: bytes) -> dict[str, str] | None:
    try:
        head = json.loads(line)
    except ValueError:
        return None
    if not isinstance(head, dict):
        return None
    named = {name: head.get(name) for name in ("url", "etag", "last_modified", "fetched")}
    texts = {name: value for name, value in named.items() if isinstance(value, str)}
    return texts if len(texts) == len(named) else None
