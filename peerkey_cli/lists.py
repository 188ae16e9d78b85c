"""``pki crl``: what the revocation lists in a file say.

As with ``pki verify`` a file that cannot be opened is wrong usage, and one whose contents are no list is an
answer: no. Nothing is judged but the dates and, where a CA is given, the signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, read_bundle
from peerkey.pki.crl import MAXIMUM_CRL_BYTES, read_crls
from peerkey.pki.list_signature import signature_of
from peerkey.pki.text import word
from peerkey_cli import schemas
from peerkey_cli.files import given_content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from peerkey.pki.crl import RevocationList
    from peerkey.pki.revocation import RevokedEntry


def described(file: str, issuers: Sequence[str], now: datetime) -> schemas.RevocationLists:
    """Describe every list in ``file``; ``issuers`` are files of CAs to check signatures with.

    :raises WrongUsage: a file cannot be opened.
    :raises Misconfigured: it holds no list, or no certificate.
    """
    lists = read_crls(given_content(file, MAXIMUM_CRL_BYTES), file)
    authorities = [
        each for name in issuers for each in read_bundle(given_content(name, MAXIMUM_BUNDLE_BYTES), name)
    ]
    return schemas.RevocationLists(
        time=now, file=file, lists=tuple(_described(each, authorities, now) for each in lists)
    )


def _described(
    each: RevocationList, issuers: Sequence[x509.Certificate], now: datetime
) -> schemas.RevocationListInfo:
    return schemas.RevocationListInfo(
        issuer=each.crl.issuer.rfc4514_string(),
        number=each.number,
        delta_base=each.base,
        this_update=each.this_update,
        next_update=each.next_update,
        state=_state(each, now),
        signature_algorithm=word(each.crl.signature_algorithm_oid),
        signature=signature_of(each, issuers).value,
        unknown_extension=each.unknown,
        indirect=each.indirect,
        total_entries=len(each.entries),
        entries=tuple(
            _entry(entry, None if issuer == each.issuer else issuer)
            for (issuer, _), entry in each.entries.items()
        ),
    )


def _state(each: RevocationList, now: datetime) -> schemas.ListState:
    """Return whether the list is current; one that does not say until when is stale from the start."""
    if now < each.this_update:
        return "not-yet"
    return "current" if each.current(now) else "stale"


def _entry(entry: RevokedEntry, issuer: bytes | None) -> schemas.RevokedInfo:
    return schemas.RevokedInfo(
        serial=f"{entry.serial:x}",
        since=entry.since,
        reason=None if entry.reason is None else entry.reason.value,
        issuer=None if issuer is None else _name(issuer),
    )


def _name(der: bytes) -> str:
    """Return the name of another issuer; empty where the entry names none that could have issued."""
    return x509.Name.from_bytes(der).rfc4514_string() if der else ""
