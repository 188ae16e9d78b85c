"""Until when a peer's certificate counts: read once for each certificate, not once for each look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509

#: As many as there are peers of a large hub; each takes a few hundred bytes beside its DER.
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is shown of a certificate."""

    subject: str
    issuer: str
    not_after: datetime


@lru_cache(maxsize=_REMEMBERED)
def leaf_of(der: bytes) -> Leaf | None:
    """Return what is shown of a certificate; ``None`` where it cannot be read, which its own fault tells."""
    try:
        found = x509.load_der_x509_certificate(der)
        return Leaf(found.subject.rfc4514_string(), found.issuer.rfc4514_string(), found.not_valid_after_utc)
    except ValueError:
        return None
