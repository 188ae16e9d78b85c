"""Judging what a source gave, where it disturbs nobody.

A list of a million entries takes most of a second, in one piece and with the interpreter's lock. So a large
list is judged in a process of its own, which is started for it and ends with it; a small one on a thread.
Both come to the same. Between the processes go files, not messages: a message of some megabytes is copied
several times under the same lock, and entries that lie in a mapped file take no memory of this process.
"""

from __future__ import annotations

import asyncio
import errno
import mmap
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from cryptography import x509

from peerkey.errors import Unavailable
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_ingestion import Ingested, ListRefused, ingest
from peerkey.pki.list_merging import Held
from peerkey.pki.master_list import MasterList
from peerkey.pki.trust import TrustAnchors
from runtime.threads import Threads

#: Lists up to this size are judged on a thread: some 7,000 entries, a few milliseconds.
SMALL_LIST_BYTES: Final = 256 * 1024
#: Processes at one time. Each needs several times the size of its list.
MAXIMUM_PROCESSES: Final = 1
#: Lists that are judged on threads at one time: they take the interpreter from each other.
MAXIMUM_THREADS: Final = 2
#: How long one may take, its start included. The largest list takes a few seconds.
JUDGED_WITHIN: Final = timedelta(minutes=2)

#: Of the directory of one judgement, and of the files in it: the list, its entries, what it is judged by, and
#: what came of it. What the address gave before has numbers.
_PREFIX: Final = "judging."
CONTENT: Final = "list"
ENTRIES: Final = "entries"
WORK: Final = "work"
OUTCOME: Final = "outcome"
#: The exit status of a process that could not write its files.
DISK_FAILED: Final = 3
_JUDGE: Final = ("-m", "actors.crl.judging")


@dataclass(frozen=True, slots=True)
class Judges:
    """By whom lists are judged, in DER."""

    #: The authorities that are trusted.
    trusted: tuple[bytes, ...] = field(default=(), repr=False)
    #: Other authorities that were seen, which may have signed a list and must lead to one that is trusted.
    seen: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class GoodList:
    """A list that counts, with its entries as bytes or in a mapped file, and not as anything more."""

    facts: ListFacts
    entries: bytes | mmap.mmap = field(repr=False)

    def held(self) -> Held:
        """Return it as it is merged."""
        return Held(self.facts, MasterList(self.entries))


@dataclass(frozen=True, slots=True)
class IngestWork:
    """A list, and what it is judged by."""

    url: str
    content: bytes = field(repr=False)
    #: What the address gave before.
    before: tuple[GoodList, ...]
    #: The facts of every list that is held, of whichever address.
    known: tuple[ListFacts, ...] = field(repr=False)
    judges: Judges
    at: datetime


class ListIngester(Protocol):
    """Judges lists; it never blocks the event loop."""

    async def ingest(self, work: IngestWork) -> GoodList:
        """Judge a list.

        Raises:
            ListRefused: it must not count; says why.
            Unavailable: it could not be judged now.

        """
        ...


def judged(work: IngestWork) -> GoodList:
    """Judge a list, here and now.

    Raises:
        ListRefused: it must not count; says why.

    """
    trust, seen = _read(work.judges)
    done: Ingested = ingest(
        work.content,
        work.url,
        before=[each.held() for each in work.before],
        known=work.known,
        certificates=seen,
        trust=trust,
        at=work.at,
    )
    return GoodList(done.facts, done.entries)


@lru_cache(maxsize=2)
def _read(judges: Judges) -> tuple[TrustAnchors, tuple[x509.Certificate, ...]]:
    trusted, seen = (
        tuple(x509.load_der_x509_certificate(der) for der in each) for each in (judges.trusted, judges.seen)
    )
    return TrustAnchors.of(trusted), seen


class InlineIngester:
    """Judges in place, at once: for simulations and tests, where threads would decide the order."""

    async def ingest(self, work: IngestWork) -> GoodList:
        """See :meth:`ListIngester.ingest`."""
        return judged(work)


class ProcessIngester:
    """Judges small lists on a thread and large ones in a process; see :class:`ListIngester`."""

    def __init__(self, directory: Path, small: int = SMALL_LIST_BYTES) -> None:
        """Judge lists of more than ``small`` bytes in a process, by files in ``directory``, which is ours."""
        self._directory = directory
        self._small = small
        self._processes = asyncio.Semaphore(MAXIMUM_PROCESSES)
        # Of its own: where names are waited for, on the loop's, no revocation must wait.
        self._threads = Threads("judging", MAXIMUM_PROCESSES + MAXIMUM_THREADS)

    async def ingest(self, work: IngestWork) -> GoodList:
        """See :meth:`ListIngester.ingest`."""
        # What the address gave before is compared with, and may be the larger of the two.
        size = max(len(work.content), *(each.facts.size for each in work.before), 0)
        if size <= self._small:
            return await self._away(judged, work)
        async with self._processes:
            return await self._away(self._elsewhere, work)

    async def _away(self, judge: Callable[[IngestWork], GoodList], work: IngestWork) -> GoodList:
        return await asyncio.get_running_loop().run_in_executor(self._threads, judge, work)

    def _elsewhere(self, work: IngestWork) -> GoodList:
        """Judge a list in a process of its own, and wait for it.

        Raises:
            ListRefused: it must not count; says why.
            Unavailable: the process has ended without an answer, or has not answered in time.

        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._directory.glob(f"{_PREFIX}*"):
                rmtree(left, ignore_errors=True)
            with TemporaryDirectory(dir=self._directory, prefix=_PREFIX) as place:
                return _by_files(work, Path(place))
        except OSError:
            # A full disk must not keep a revocation from taking effect, although it holds others up.
            return judged(work)


def _by_files(work: IngestWork, place: Path) -> GoodList:
    """Judge a list in a process that reads and writes files in ``place``."""
    (place / CONTENT).write_bytes(work.content)
    for number, each in enumerate(work.before):
        (place / str(number)).write_bytes(each.entries)
    bare = replace(work, content=b"", before=tuple(replace(each, entries=b"") for each in work.before))
    facts = _called(bare, place)
    with (place / ENTRIES).open("rb") as file:
        # It stays mapped when the file has no name any more, for as long as anybody holds it.
        return GoodList(facts, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _called(work: IngestWork, place: Path) -> ListFacts:
    """Have :mod:`actors.crl.judging` judge what is in ``place``."""
    (place / WORK).write_bytes(pickle.dumps(work))
    command = (sys.executable, "-P", *_JUDGE, str(place))
    nothing = subprocess.DEVNULL
    within = JUDGED_WITHIN.total_seconds()
    try:
        done = subprocess.run(  # noqa: S603 - our own module, with a directory of ours
            command, stdin=nothing, stdout=nothing, stderr=nothing, timeout=within, check=False
        )
    except subprocess.TimeoutExpired as fault:
        message = f"the list could not be judged within {within:g} s"
        raise Unavailable(message) from fault
    if done.returncode == DISK_FAILED:
        raise OSError(errno.EIO, "the files of a judgement cannot be written", str(place))
    if done.returncode:
        message = "the process that judged the list has ended without an answer"
        raise Unavailable(message)
    # The directory is this process's own, and so is what it has started.
    outcome: ListFacts | ListRefused = pickle.loads((place / OUTCOME).read_bytes())  # noqa: S301
    if isinstance(outcome, ListRefused):
        raise outcome
    return outcome
