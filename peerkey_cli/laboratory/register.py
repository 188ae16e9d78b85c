"""What a laboratory's authority has revoked, and which lists it has published: ``revoked.json``.

The register decides what stands in the next list, and is pure; :func:`changed` reads it, lets a caller change
it and writes it back, while nobody else does. It is written before the list that it makes, so that no number
is ever used twice: a crash in between leaves a number out, which is allowed.

A complete list has every entry. A delta has what changed since the last complete one, also that a hold was
lifted (``removeFromCRL``).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

from cryptography import x509
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from peerkey.errors import Misconfigured
from peerkey.pki.laboratory import Revoked
from peerkey_cli.files import read_bounded
from peerkey_cli.laboratory.writing import PUBLIC, write

#: More than a laboratory ever issues.
MOST_ENTRIES: Final = 100_000
#: What so many entries need in the file, and some room.
_MOST_BYTES: Final = 32 * 1024 * 1024
#: RFC 5280: a serial number has at most 20 octets, and so has the number of a list.
LARGEST_NUMBER: Final = 2**159 - 1
_NAME: Final = "revoked.json"

_LIFTED: Final = x509.ReasonFlags.remove_from_crl
_HELD: Final = x509.ReasonFlags.certificate_hold

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate that was revoked, or whose hold was lifted."""

    revoked: Revoked
    #: The number of the last complete list when this was said: a delta to that list tells of it.
    after: int


@dataclass(frozen=True, slots=True)
class Register:
    """See the module."""

    #: The number of the last list, and of the last complete one; 0 before the first.
    number: int = 0
    complete: int = 0
    entries: tuple[Entry, ...] = ()

    def revoke(self, serial: int, since: datetime, reason: x509.ReasonFlags) -> Register:
        """Return the register with one certificate more; one on hold may be revoked for good, or let go.

        :raises Misconfigured: it is revoked already, is not on hold, or the register is full.
        """
        former = self._former(serial)
        if reason is _LIFTED:
            if former is None or former.revoked.reason is not _HELD:
                message = f"serial {serial:x} is not on hold; removeFromCRL lifts a certificateHold"
                raise Misconfigured(message)
        elif former is not None and former.revoked.reason not in {_HELD, _LIFTED}:
            why = former.revoked.reason.value
            message = f"serial {serial:x} was revoked at {former.revoked.since:%Y-%m-%dT%H:%M:%SZ} ({why})"
            raise Misconfigured(message)
        kept = tuple(each for each in self.entries if each is not former)
        if len(kept) >= MOST_ENTRIES:
            message = f"a laboratory revokes at most {MOST_ENTRIES} certificates"
            raise Misconfigured(message)
        return replace(self, entries=(*kept, Entry(Revoked(serial, since, reason), self.complete)))

    def published(self, number: int | None, *, delta: bool) -> tuple[Register, tuple[Revoked, ...]]:
        """Return the register after the next list, and what stands in that list.

        :raises Misconfigured: the number is not greater than the last one, or there is no complete list yet
            that a delta could build on.
        """
        if delta and not self.complete:
            message = "a delta builds on a complete list, and none was published yet; leave --delta out"
            raise Misconfigured(message)
        following = self.number + 1 if number is None else number
        if not self.number < following <= LARGEST_NUMBER:
            message = f"--number {following}: the last list has number {self.number}, and numbers grow"
            raise Misconfigured(message)
        if delta:
            since = [each.revoked for each in self.entries if each.after == self.complete]
            return replace(self, number=following), tuple(since)
        kept = tuple(each for each in self.entries if each.revoked.reason is not _LIFTED)
        after = Register(following, following, kept)
        return after, tuple(each.revoked for each in kept)

    def _former(self, serial: int) -> Entry | None:
        return next((each for each in self.entries if each.revoked.serial == serial), None)


@contextmanager
def changed(directory: Path) -> Iterator[tuple[Register, Callable[[Register], None]]]:
    """Yield the register of an authority, and what writes it back, while nobody else changes it.

    :raises Misconfigured: it cannot be read or written, or is no register.
    """
    path = directory / _NAME
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        message = f"{directory}: cannot be opened: {fault.strerror}; name the directory of `pki init-ca`"
        raise Misconfigured(message) from fault
    try:
        # Let go of by the kernel when this process ends, however it does.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _read(path), lambda register: _write(path, register)
    finally:
        os.close(descriptor)


class _Entry(BaseModel):
    """An entry in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    serial: Annotated[str, Field(pattern="^[0-9a-f]{1,40}$")]
    since: AwareDatetime
    reason: x509.ReasonFlags
    after: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]


class _File(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
    complete: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
    revoked: Annotated[tuple[_Entry, ...], Field(max_length=MOST_ENTRIES)]


def _read(path: Path) -> Register:
    try:
        file = _File.model_validate_json(read_bounded(path, _MOST_BYTES))
    except FileNotFoundError:
        return Register()
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{path}: is no register of what was revoked: {where or 'the file'}: {first['msg']}"
        raise Misconfigured(message) from None
    entries = tuple(
        Entry(Revoked(int(each.serial, 16), each.since, each.reason), each.after) for each in file.revoked
    )
    return Register(file.number, file.complete, entries)


def _write(path: Path, register: Register) -> None:
    file = _File(
        number=register.number,
        complete=register.complete,
        revoked=tuple(
            _Entry(
                serial=f"{each.revoked.serial:x}",
                since=each.revoked.since,
                reason=each.revoked.reason,
                after=each.after,
            )
            for each in register.entries
        ),
    )
    write(path, f"{file.model_dump_json(indent=2)}\n".encode(), PUBLIC, force=True)
