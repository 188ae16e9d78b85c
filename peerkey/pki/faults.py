"""Everything that can be wrong with a certificate, and the verdict made of it.

A verdict lists *all* that was found, each with a detail for a person, because "a certificate is
invalid" without its reason sends an operator searching (alarm text: ``certificate is invalid:
`{state}` - `{detail}```). The values of the enums are the names on the wire, in events, in metrics
and on the console; they never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Fault(StrEnum):
    """One thing that is wrong with a certificate or with the chain above it."""

    #: notAfter has passed (RFC 5280 section 4.1.2.5), of the leaf or of a CA above it.
    EXPIRED = "expired"
    #: notBefore lies ahead.
    NOT_YET_VALID = "not-yet-valid"
    #: A revocation list names the leaf or a CA above it.
    REVOKED = "revoked"
    #: Revocation was asked for, and no current list speaks of the leaf or of a CA above it.
    REVOCATION_UNKNOWN = "revocation-unknown"
    #: The leaf names another node than the one configured, or none.
    IDENTITY_MISMATCH = "identity-mismatch"
    #: The leaf could be read as two different nodes.
    NAMES_TWO_IDENTITIES = "names-two-identities"
    #: No path leads from the leaf to a trusted CA.
    UNTRUSTED = "untrusted"
    #: A key that is too short, too long or has an unsafe exponent.
    WEAK_KEY = "weak-key"
    #: A kind of key, a curve or a signature algorithm outside the allow list.
    FORBIDDEN_ALGORITHM = "forbidden-algorithm"
    #: The certificate of a node says CA:TRUE.
    CA_LEAF = "ca-leaf"
    #: A CA without critical basicConstraints and CA:TRUE, or one that its issuer's pathlen forbids.
    BAD_BASIC_CONSTRAINTS = "bad-basic-constraints"
    #: keyUsage is there and forbids what the key is used for.
    BAD_KEY_USAGE = "bad-key-usage"
    #: extendedKeyUsage is there and names neither TLS client nor TLS server authentication.
    BAD_EXTENDED_KEY_USAGE = "bad-extended-key-usage"
    #: A critical extension that is not understood here (RFC 5280 section 4.2: reject).
    UNKNOWN_CRITICAL_EXTENSION = "unknown-critical-extension"
    #: Bytes that are no certificate, or a certificate whose parts cannot be read.
    MALFORMED = "malformed"


class CertificateState(StrEnum):
    """The one word for a certificate that alarms, counters and tables show."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    INVALID = "invalid"


class Finding(NamedTuple):
    """A fault and, in a few words, what exactly was found."""

    fault: Fault
    detail: str

    def __str__(self) -> str:
        """Show both, as a log line or an alarm wants them."""
        return f"{self.fault}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an examination concluded. No faults means valid.

    >>> Verdict((Finding(Fault.WEAK_KEY, "RSA with 1024 bits"),), None).state
    <CertificateState.INVALID: 'invalid'>
    """

    faults: tuple[Finding, ...]
    #: The earliest notAfter of the leaf and of the path above it, as far as the path is known.
    #: ``None`` where the verdict is not about a certificate that could be read.
    not_after: datetime | None

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def reason(self) -> str:
        """The name of the fault that outweighs the others; empty when valid.

        Revoked outweighs expired, and both outweigh everything else, of which the first stands.
        """
        found = [finding.fault for finding in self.faults]
        for fault in (Fault.REVOKED, Fault.EXPIRED):
            if fault in found:
                return fault.value
        return found[0].value if found else ""

    @property
    def state(self) -> CertificateState:
        """The one word, by the same order as :attr:`reason`."""
        if self.valid:
            return CertificateState.VALID
        if self.reason == Fault.REVOKED:
            return CertificateState.REVOKED
        return CertificateState.EXPIRED if self.reason == Fault.EXPIRED else CertificateState.INVALID

    def explain(self) -> str:
        """Return every finding in one printable line; empty when valid. It may be long."""
        return "; ".join(str(finding) for finding in self.faults)

    def has(self, fault: Fault) -> bool:
        """Whether ``fault`` is among the findings."""
        return any(finding.fault is fault for finding in self.faults)
