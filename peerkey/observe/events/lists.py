"""What happens to revocation lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class CrlUpdated(Event):
    """A revocation list was fetched and is in use, or was found unchanged.

    The detail has the fields of the original and no other. They tell what the last good list says, whatever
    has become of this attempt.
    """

    TYPE: ClassVar = "system.crl_update"
    TITLE: ClassVar = "Updated certificate revocation list files."

    #: Whether an operator ordered it.
    forced: bool
    #: ``thisUpdate`` and ``nextUpdate`` of the list in use, as OpenSSL writes them; ``N/A`` without one.
    last_updated: str
    next_update: str
    crl_url: str
    #: Bytes of what was fetched, unpacked; of a failure and of an unchanged list, of the list in use.
    size: int
    total_entries: int
    #: Beside the list that was in use before.
    added_entries: int
    removed_entries: int
    success: bool
    certificate_authority: str
    #: How far it came, which decides what is counted; of a failure, where it failed.
    stage: Literal["unchanged", "ingested", "fetch", "ingestion"]

    def description(self) -> str:
        """Name the address."""
        return f"Updated CRL for issuer: {self.crl_url}"

    def detail(self) -> dict[str, object]:
        """Tell the fields of the original and no other."""
        return {name: value for name, value in Event.detail(self).items() if name not in {"stage", "reason"}}


@dataclass(frozen=True, slots=True)
class CrlUpdateFailed(CrlUpdated):
    """A revocation list could not be fetched, or was refused; the one before stays in use."""

    TITLE: ClassVar = "Failed to update certificate revocation list files."

    #: One line that says why.
    reason: str

    def description(self) -> str:
        """Name the address and give the reason."""
        return f"Failed to update CRL for issuer: {self.crl_url}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CrlUnsupported(Event):
    """A certificate names a revocation list that cannot be fetched. Told once for each address."""

    TYPE: ClassVar = "crl.unsupported"
    TITLE: ClassVar = "A revocation list cannot be fetched from where a certificate says."

    crl_url: str
    #: Whose certificate it is, as its subject.
    subject: str
    reason: str

    def description(self) -> str:
        """Name the address and give the reason."""
        return f"CRL {self.crl_url} is not fetched: {self.reason}"
