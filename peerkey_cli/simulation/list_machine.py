"""What one simulated machine has to do with revocation lists: a way to the server, and room on its disk.

The CRL manager is the one of production; only what it asks of the world stands here. Replacing a file takes
two steps, as in life: the draft is written, then it takes the place of what was there. A process may die
after either (:meth:`ListDisk.burn`); what the second has not brought to the medium a loss of power takes
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, assert_never

from actors.crl.port import FetchFailed, FetchFault, KeptLists, ListFetched, ListRequest, ListUnchanged
from peerkey.errors import Unavailable
from peerkey.pki.crl_polling import Validators
from peerkey.pki.master_list import MasterList

if TYPE_CHECKING:
    from random import Random

    from peerkey_cli.simulation.list_authority import ListAuthority, PublishedList
    from runtime.store.disk import Disk

#: A server answers within this, in seconds; one that does not answer is given up after the other.
_ANSWERS_WITHIN: Final = 0.2
_GIVEN_UP_AFTER: Final = 30.0
#: The name of the master list among the files of a disk.
_MASTER: Final = "master"


class ServerTrouble(Enum):
    """What is wrong with the server, as one machine sees it."""

    REFUSED = "refused"
    ERROR = "error"
    SILENT = "silent"
    CUT_SHORT = "cut-short"
    #: It ends too early, and nothing says so.
    TRUNCATED = "truncated"
    FORGED = "forged"
    OTHER_CA = "other-ca"
    OLDER = "older"
    GARBAGE = "garbage"
    #: It says that nothing has changed, whatever has.
    UNCHANGED = "unchanged"


FAILURES: Final = (
    ServerTrouble.REFUSED,
    ServerTrouble.ERROR,
    ServerTrouble.SILENT,
    ServerTrouble.CUT_SHORT,
)
LIES: Final = (
    ServerTrouble.FORGED,
    ServerTrouble.OTHER_CA,
    ServerTrouble.OLDER,
    ServerTrouble.GARBAGE,
    ServerTrouble.TRUNCATED,
    ServerTrouble.UNCHANGED,
)


@dataclass(frozen=True, slots=True)
class _Troubled:
    kind: ServerTrouble
    choice: float


class ListServer:
    """The server of the lists, as one machine reaches it. See :class:`actors.crl.port.ListFetcher`."""

    def __init__(
        self, authority: ListAuthority, random: Random, served: Callable[[PublishedList], object]
    ) -> None:
        """Serve what ``authority`` publishes; ``served`` is told of each list that the machine is given."""
        self._authority = authority
        self._random = random
        self._served = served
        #: What is wrong, the latest last.
        self._troubles: list[_Troubled] = []

    @contextmanager
    def troubled(self, kind: ServerTrouble, choice: float) -> Iterator[None]:
        """Let something be wrong meanwhile; ``choice`` says which older list is served."""
        trouble = _Troubled(kind, choice)
        self._troubles.append(trouble)
        try:
            yield
        finally:
            if trouble in self._troubles:
                self._troubles.remove(trouble)

    def calm(self) -> None:
        """Let nothing be wrong."""
        self._troubles.clear()

    async def fetch(self, request: ListRequest) -> ListFetched | ListUnchanged:
        """See :meth:`actors.crl.port.ListFetcher.fetch`."""
        await asyncio.sleep(self._random.random() * _ANSWERS_WITHIN)
        if not self._troubles:
            return self._honest(request, self._authority.current())
        trouble = self._troubles[-1]
        match trouble.kind:
            case ServerTrouble.REFUSED:
                raise FetchFailed(FetchFault.CONNECTION, request.url, "the connection was refused")
            case ServerTrouble.ERROR:
                raise FetchFailed(FetchFault.STATUS, request.url, "the server answered 500")
            case ServerTrouble.SILENT:
                await asyncio.sleep(_GIVEN_UP_AFTER)
                raise FetchFailed(FetchFault.TIMEOUT, request.url, "no answer in time")
            case ServerTrouble.CUT_SHORT:
                raise FetchFailed(FetchFault.TRUNCATED, request.url, "the answer ends before its end")
            case ServerTrouble.TRUNCATED:
                content = self._authority.current().content
                return ListFetched(content[: int(len(content) * trouble.choice)])
            case ServerTrouble.FORGED:
                return ListFetched(self._authority.forged())
            case ServerTrouble.OTHER_CA:
                return ListFetched(self._authority.of_another())
            case ServerTrouble.OLDER:
                return self._honest(request, self._authority.earlier(trouble.choice))
            case ServerTrouble.GARBAGE:
                return ListFetched(self._random.randbytes(64))
            case ServerTrouble.UNCHANGED:
                if request.validators:
                    return ListUnchanged()
                return self._honest(request, self._authority.current())
            case unreachable:
                assert_never(unreachable)

    def _honest(self, request: ListRequest, published: PublishedList) -> ListFetched | ListUnchanged:
        validators = Validators(etag=f'"{published.number}"')
        self._served(published)
        if request.validators == validators:
            return ListUnchanged()
        return ListFetched(published.content, validators)


class CutOff(Exception):
    """The process dies in the middle of a writing: nobody is told of it, and nobody goes on."""


class ListDisk:
    """The kept lists and the master list of one machine; both ports at once.

    See :class:`actors.crl.port.ListKeeper` and :class:`actors.crl.known.MasterFile`.
    """

    def __init__(self, disk: Callable[[], Disk]) -> None:
        """Be empty; ``disk`` returns the machine's disk, whose faults are these files' too."""
        self._disk = disk
        self._files: dict[str, KeptLists | bytes] = {}
        #: What was there before replacements that have not reached the medium.
        self._before: dict[str, KeptLists | bytes | None] = {}
        #: After how many steps the process dies, and how.
        self._fuse: tuple[int, Callable[[], object]] | None = None

    # --- dying ------------------------------------------------------------------------------------

    def burn(self, steps: int, dies: Callable[[], object]) -> None:
        """Call ``dies`` after so many steps of writings from now: at once for 0 of them."""
        self._fuse = (steps, dies)

    def spare(self) -> None:
        """Let nobody die of a writing."""
        self._fuse = None

    def crashed(self, *, power: bool) -> None:
        """Keep what a process that died, or a loss of power, leaves."""
        self._fuse = None
        before, self._before = self._before, {}
        if power:
            for name, content in before.items():
                if content is None:
                    self._files.pop(name, None)
                else:
                    self._files[name] = content

    def lost(self) -> None:
        """Be empty."""
        self._files.clear()
        self._before.clear()

    # --- the last good lists ------------------------------------------------------------------------

    @property
    def kept(self) -> tuple[KeptLists, ...]:
        """What is kept, of every address."""
        return tuple(each for each in self._files.values() if isinstance(each, KeptLists))

    def addresses(self) -> tuple[tuple[str, datetime | None], ...]:
        """See :meth:`actors.crl.port.ListKeeper.addresses`."""
        return tuple((each.url, each.until) for each in self.kept)

    def load(self, url: str) -> KeptLists | None:
        """See :meth:`actors.crl.port.ListKeeper.load`."""
        found = self._files.get(url)
        return found if isinstance(found, KeptLists) else None

    def save(self, kept: KeptLists) -> None:
        """See :meth:`actors.crl.port.ListKeeper.save`."""
        self._replace(kept.url, kept)

    def drop(self, url: str) -> None:
        """See :meth:`actors.crl.port.ListKeeper.drop`."""
        self._files.pop(url, None)

    def has_kept(self) -> frozenset[bytes]:
        """Return the SHA-256 of every list that is kept."""
        return frozenset(sha256(content).digest() for each in self.kept for content in each.contents)

    # --- the master list ----------------------------------------------------------------------------

    def read(self) -> MasterList | None:
        """See :meth:`actors.crl.known.MasterFile.read`."""
        found = self._files.get(_MASTER)
        return MasterList(found) if isinstance(found, bytes) else None

    def publish(self, pieces: Iterable[bytes]) -> MasterList:
        """See :meth:`actors.crl.known.MasterFile.publish`."""
        content = b"".join(pieces)
        self._replace(_MASTER, content)
        return MasterList(content)

    # --- inside -----------------------------------------------------------------------------------

    def _replace(self, name: str, content: KeptLists | bytes) -> None:
        disk = self._disk()
        if disk.full or disk.failing:
            message = f"{name}: cannot be written: the disk refuses"
            raise Unavailable(message)
        self._step()
        self._before[name] = self._files.get(name)
        self._files[name] = content
        self._step()
        del self._before[name]

    def _step(self) -> None:
        if self._fuse is None:
            return
        steps, dies = self._fuse
        self._fuse = (steps - 1, dies) if steps > 0 else None
        if steps <= 0:
            # The thread that writes is cut off here; the rest of the process ends in its next step.
            asyncio.get_running_loop().call_soon(dies)
            raise CutOff
