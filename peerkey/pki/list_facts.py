"""What is to be said of a list that was ingested, apart from its entries: small, and fit for an operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerkey.pki.text import spelled

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ListFacts:
    """One list of one source. Plain values: it can be pickled, compared and kept."""

    #: The URL that gave it.
    source: str
    #: Its issuer as RFC 4514 writes it, at most 256 characters.
    issuer: str
    #: Its issuer as OpenSSL writes it on one line, the event's ``certificate_authority``:
    #: ``/C=US/O=Google Trust Services/CN=WR2``.
    authority: str
    #: Issuer (name in DER), key (SHA-256 of its SubjectPublicKeyInfo) and scope (issuingDistributionPoint in
    #: DER, empty where there is none). Lists of one series replace each other; others stand beside each
    #: other.
    series: tuple[bytes, bytes, bytes] = field(repr=False)
    #: cRLNumber (RFC 5280 section 5.2.3); ``None`` where the list has none.
    number: int | None
    #: Of a delta: the number of the complete list that it builds on (RFC 5280 section 5.2.4).
    base: int | None
    #: thisUpdate, aware.
    this_update: datetime
    #: nextUpdate, aware; ``None`` where the list does not say when the next one comes.
    next_update: datetime | None
    #: Bytes of the list as it was given (before PEM was taken off).
    size: int
    #: SHA-256 of these bytes.
    digest: bytes = field(repr=False)
    #: Certificates that it names. Of a delta: changes that it tells.
    total: int
    #: Of these, how many its predecessor did not name: the list of the same series that this source gave
    #: before.
    added: int
    #: How many of its predecessor's it does not name.
    removed: int
    #: Where deltas to it are published (freshestCRL, RFC 5280 section 5.2.6).
    freshest: tuple[str, ...] = ()

    @property
    def age(self) -> tuple[int, datetime]:
        """Grows from list to list of one series."""
        return (-1 if self.number is None else self.number, self.this_update)

    @property
    def last_updated(self) -> str:
        """Return thisUpdate as the event ``system.crl_update`` writes it: ``Oct 17 16:33:11 2024 GMT``."""
        return spelled(self.this_update)

    @property
    def next_updated(self) -> str:
        """Return nextUpdate as the event writes it; empty where the list has none."""
        return "" if self.next_update is None else spelled(self.next_update)

    def stale(self, at: datetime) -> bool:
        """Whether a newer list should be there. A stale list still proves that its entries are revoked."""
        return self.next_update is None or at > self.next_update

    def complements(self, complete: ListFacts) -> bool:
        """Whether this is a delta that brings ``complete`` up to date (RFC 5280 section 5.2.4)."""
        return (
            self.base is not None
            and self.number is not None
            and complete.base is None
            and complete.number is not None
            and self.series == complete.series
            and self.base <= complete.number <= self.number
        )
