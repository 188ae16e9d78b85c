"""Which lists are wanted, and by whom they are judged: what configuration, certificates and lists say of it.

No clock, no file, no message: :class:`~actors.crl.index.RevocationIndex` reads, and acts on what is said
here. Whoever is not trusted any more takes along what its certificates have said; what cannot be read takes
nothing along.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from actors.crl.ingesting import Judges
from actors.crl.source import MAXIMUM_SIGNERS
from actors.crl.spelling import spelled, spelled_or_none
from peerkey.pki.crl_polling import Intervals
from peerkey.pki.list_subscriptions import Subscription, Subscriptions

if TYPE_CHECKING:
    from datetime import datetime

    from actors.crl.discovery import Installed, Named
    from actors.crl.ingesting import GoodList
    from actors.crl.needs import Needs

#: Certificates whose addresses are known, so that they are not read again. Of more the oldest are forgotten.
MAXIMUM_CERTIFICATES: Final = 20_000


class Wants:
    """Of all nodes of one process, or of one machine."""

    def __init__(self, kept: Iterable[tuple[str, datetime | None]]) -> None:
        """Want what certificates have named of which lists are ``kept``, until those end."""
        self._subscriptions = Subscriptions()
        for url, until in kept:
            if until is not None:
                self._subscriptions.name(url, until)
        self._certificates: OrderedDict[bytes, None] = OrderedDict()
        #: Addresses whose certificates were seen before whom we trust has changed.
        self._doubtful: set[str] = set()
        self.judges = Judges()
        #: Whether it could be read at all whom we trust.
        self.trust_read = False

    # --- what is said -----------------------------------------------------------------------------

    def configured(
        self, needs: Needs, found: Installed, known: Mapping[str, bool]
    ) -> tuple[tuple[str, str, str], ...]:
        """Take up what the configuration says; ``known`` are the addresses, and whether each has a list.

        Returns what :meth:`named` does.
        """
        self._subscriptions.configure(
            (spelled(each.url), Intervals(each.polling_interval, each.backoff_interval))
            for each in needs.revocation
        )
        # Whom we trusted is trusted until it can be read.
        if found.trusted != self.judges.trusted and not (found.unread and self.trust_read):
            # Where nobody has lost our trust, whatever was said is still said by somebody whom we trust.
            grown = set(self.judges.trusted) <= set(found.trusted)
            if self.trust_read and not grown:
                self._doubt(known)
            seen = self.judges.seen if self.trust_read and grown else ()
            self.judges = Judges(found.trusted, tuple(each for each in seen if each not in found.trusted))
        self.trust_read = self.trust_read or not found.unread
        return self.named(found.named)

    def named(self, found: Iterable[Named]) -> tuple[tuple[str, str, str], ...]:
        """Take note of what certificates say.

        Returns the addresses that cannot be fetched: each with the certificate's subject, and the reason.
        """
        unsupported: list[tuple[str, str, str]] = []
        authorities = list(self.judges.seen)
        for each in found:
            self._certificates[each.fingerprint] = None
            self._certificates.move_to_end(each.fingerprint)
            for url in each.fetchable:
                self._subscriptions.name(url, each.until)
                self._doubtful.discard(url)
            unsupported += ((url, each.subject, reason) for url, reason in each.others)
            if each.authority is not None and each.authority not in (*self.judges.trusted, *authorities):
                authorities.append(each.authority)
        while len(self._certificates) > MAXIMUM_CERTIFICATES:
            self._certificates.popitem(last=False)
        # The latest count, because they are in use.
        self.judges = Judges(self.judges.trusted, tuple(authorities[-MAXIMUM_SIGNERS:]))
        return tuple(unsupported)

    def brought(self, url: str, lists: tuple[GoodList, ...]) -> None:
        """Take note of an address's lists, which name deltas; a doubtful one without any is given up."""
        if url in self._doubtful and not lists:
            self._subscriptions.forget(url)
        self._doubtful.discard(url)
        freshest = (each for good in lists for each in good.facts.freshest)
        self._subscriptions.lists_name(url, tuple(each for each in map(spelled_or_none, freshest) if each))

    def read_anew(self) -> None:
        """Take it that no certificate has been read, so that they name again whatever they name."""
        self._certificates.clear()

    # --- what follows -----------------------------------------------------------------------------

    @property
    def read(self) -> frozenset[bytes]:
        """The certificates that need not be read again: SHA-256 of each."""
        return frozenset(self._certificates)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Addresses that there is no room for."""
        return self._subscriptions.left_out

    def at(self, time: datetime) -> Mapping[str, Subscription]:
        """Return what is wanted at a time."""
        return self._subscriptions.wanted(time)

    def _doubt(self, known: Mapping[str, bool]) -> None:
        """Take nothing of what certificates have said for granted: their authorities may be strangers now."""
        self._certificates.clear()
        self._doubtful = set(known)
        for url, has_list in known.items():
            if not has_list:
                self._subscriptions.forget(url)
