"""What every node of this process asks whether a certificate is revoked: the master list, as it is now.

One object serves all nodes (``docs/decisions/0073-revocations-as-a-port.md``). The list behind it lies in a
mapped file, one copy for the whole machine; it is replaced as a whole. Answers change first, the generation
grows then.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Protocol, final

from peerkey.errors import Unavailable
from peerkey.pki.list_merging import Held, publish
from peerkey.pki.master_list import MasterList

if TYPE_CHECKING:
    from cryptography import x509

    from peerkey.pki.revocation import RevokedEntry


class MasterFile(Protocol):
    """Where the master list is; see :class:`actors.master_list_file.MasterListFile`."""

    def read(self) -> MasterList | None:
        """Return what is there; ``None`` where nothing is.

        Raises:
            Unavailable: it cannot be read, or is damaged.

        """
        ...

    def publish(self, pieces: Iterable[bytes]) -> MasterList:
        """Put another list in its place, and return it.

        Raises:
            Unavailable: it cannot be written. The old list is still there.

        """
        ...


@final
class KnownRevocations:
    """See :class:`peerkey.pki.revocation.Revocation`. Equal only to itself."""

    def __init__(self, file: MasterFile) -> None:
        """Know nothing yet: :meth:`load` what was published last."""
        self._file = file
        self._list: MasterList | None = None
        self._generation = 0
        # An index that has crashed may have left a merging under way.
        self._turn = Lock()
        #: Why the master list is not on the disk as it should be; empty where it is.
        self.fault = ""

    @property
    def generation(self) -> int:
        """See :attr:`peerkey.pki.revocation.Revocation.generation`."""
        return self._generation

    @property
    def total(self) -> int:
        """How many entries there are."""
        return 0 if self._list is None else self._list.total

    @property
    def current(self) -> MasterList | None:
        """The list itself; ``None`` before there is one."""
        return self._list

    def lookup(
        self, issuer_name_der: bytes, serial: int, certificate: x509.Certificate | None = None
    ) -> RevokedEntry | None:
        """See :meth:`peerkey.pki.revocation.Revocation.lookup`."""
        found = self._list
        return None if found is None else found.lookup(issuer_name_der, serial, certificate)

    def load(self) -> None:
        """Take what was published last, unless something newer is known. It waits for the disk."""
        with self._turn:
            try:
                found = self._file.read()
            except Unavailable as fault:
                self.fault = str(fault)
            else:
                if found is not None and found.generation >= self._generation:
                    # Whatever could not be written or read of it is there now.
                    self.fault = ""
                if found is not None and found.generation > self._generation:
                    self._take(found)

    def publish(self, lists: Iterable[Held], *, durable: bool = True) -> None:
        """Merge lists and put them in the place of what is known. It takes its time, and waits for the disk.

        Where it cannot be written it is known all the same, in the memory of this process: what is revoked
        must not depend on a full disk. Where it is not to be ``durable`` it is known there alone.
        """
        held = tuple(lists)
        with self._turn:
            generation = max(self._generation, self._published()) + 1
            found = self._written(held, generation) if durable else None
            if found is None:
                found = MasterList(b"".join(publish(held, generation)))
            self._take(found)

    def _published(self) -> int:
        """Return the generation of what is on the disk: another process may have led meanwhile."""
        try:
            found = self._file.read()
        except Unavailable:
            return 0
        return 0 if found is None else found.generation

    def _written(self, held: tuple[Held, ...], generation: int) -> MasterList | None:
        """Put the master list on the disk and return it; ``None`` where the disk refuses, which says why."""
        try:
            found = self._file.publish(publish(held, generation))
        except Unavailable as fault:
            self.fault = str(fault)
            return None
        self.fault = ""
        return found

    def _take(self, found: MasterList) -> None:
        self._list = found
        self._generation = found.generation
