"""The port through which chains ask whether a certificate is revoked.

Who implements it owns the lists: fetching, verifying, merging and ageing are not the chain's
business. A revoked certificate is known by its issuer's name and its serial number (RFC 5280
section 5.3), never by a hash of the certificate: a re-signed copy has another hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from peerkey.pki.when import CODES, NO_REASON, reason_of, since_of, when_of

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509


class RevokedEntry(NamedTuple):
    """One line of a revocation list.

    A named tuple of what a master list keeps: one is made for every question that is answered with yes, and
    of most only the first word counts.
    """

    serial: int
    #: When and why, as :mod:`peerkey.pki.when` writes it.
    when: bytes

    @classmethod
    def of(cls, serial: int, since: datetime, reason: x509.ReasonFlags | None = None) -> RevokedEntry:
        """Return the entry of a certificate that was revoked at an aware instant, to the second."""
        return cls(serial, when_of(since, NO_REASON if reason is None else CODES[reason]))

    @property
    def since(self) -> datetime:
        """When the certificate was revoked, aware."""
        return since_of(self.when)

    @property
    def reason(self) -> x509.ReasonFlags | None:
        """RFC 5280 section 5.3.1; ``None`` where the list gives no reason."""
        return reason_of(self.when)

    def __str__(self) -> str:
        """Show since when and why."""
        why = f" ({self.reason.value})" if self.reason is not None else ""
        return f"since {self.since:%Y-%m-%d %H:%M:%S}Z{why}"


class Revocation(Protocol):
    """What is known to be revoked.

    Nodes ask from their executors: an answer comes at once, from any thread, and opens no file. Whoever
    changes the answers lets them take effect first and the generation grow then: a verdict that was made
    in between is kept under the old generation and never asked for under the new one.

    An implementation is hashable; two that are equal answer alike while their generations are equal.
    (An ordinary object, equal only to itself, is.) Verdicts are cached under it.
    """

    @property
    def generation(self) -> int:
        """Grows whenever an answer may have changed."""

    def __hash__(self) -> int:
        """Be a key of a cache."""

    def lookup(
        self, issuer_name_der: bytes, serial: int, certificate: x509.Certificate | None = None
    ) -> RevokedEntry | None:
        """Return the entry for this certificate, or ``None`` where no list names it.

        Arguments:
            issuer_name_der: the DER encoding of the certificate's issuer name.
            serial: the certificate's serial number.
            certificate: the certificate itself. A list of somebody else (an indirect one) may name it where
                it says so; without it only the lists of its issuer are asked.

        An entry that was on hold and has been released is no longer an entry.
        """


@dataclass(frozen=True, slots=True)
class NoRevocation:
    """A node that follows no revocation list: nothing is known to be revoked.

    This is what an authority without ``certificate-revocation`` and without CRL distribution
    points has, and it says exactly that; it does not claim that anything is good.
    """

    generation: int = 0

    def lookup(
        self,
        issuer_name_der: bytes,  # noqa: ARG002
        serial: int,  # noqa: ARG002
        certificate: x509.Certificate | None = None,  # noqa: ARG002
    ) -> RevokedEntry | None:
        """Know nothing."""
        return None


@dataclass(frozen=True, slots=True)
class AllOf:
    """What several know together: revoked is what any of them says is revoked."""

    parts: tuple[Revocation, ...]

    @property
    def generation(self) -> int:
        """See :attr:`Revocation.generation`."""
        return sum(part.generation for part in self.parts)

    def lookup(
        self, issuer_name_der: bytes, serial: int, certificate: x509.Certificate | None = None
    ) -> RevokedEntry | None:
        """See :meth:`Revocation.lookup`; the first that knows it says why."""
        found = (part.lookup(issuer_name_der, serial, certificate) for part in self.parts)
        return next((entry for entry in found if entry is not None), None)
