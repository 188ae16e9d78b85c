"""``pki crl``: what the revocation lists in a file say.

As with ``pki verify`` a file that cannot be opened is wrong usage, and one whose contents are no list is an
answer: no. Nothing is judged but the dates and, where a CA is given, the signature.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cryptography import x509

from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, read_bundle
from peerkey.pki.crl import read_crls
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from peerkey.pki.list_signature import signature_of
from peerkey.pki.text import word
from peerkey_cli import schemas
from peerkey_cli.files import given_content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from peerkey.pki.crl import RevocationList
    from peerkey.pki.revocation import RevokedEntry


def described(file: str, issuers: Sequence[str], now: datetime, most: int | None = None) -> schemas.Crls:
    """Describe every list in ``file``; ``issuers`` are files of CAs to check signatures with.

    Of each list the first ``most`` entries are described, for whoever shows no more, or all.

    :raises WrongUsage: a file cannot be opened.
    :raises Misconfigured: it holds no list, or no certificate.
    """
    lists = read_crls(given_content(file, MAXIMUM_LIST_BYTES), file)
    authorities = [
        each for name in issuers for each in read_bundle(given_content(name, MAXIMUM_BUNDLE_BYTES), name)
    ]
    return schemas.Crls(
        time=now, file=file, lists=tuple(_described(each, authorities, now, most) for each in lists)
    )


def _described(
    each: RevocationList, issuers: Sequence[x509.Certificate], now: datetime, most: int | None
) -> schemas.CrlInfo:
    frame = each.frame
    entries = tuple(
        _entry(entry, None if issuer == frame.issuer else issuer)
        for issuer, entry in islice(each.entries(), most)
    )
    return schemas.CrlInfo(
        issuer=frame.crl.issuer.rfc4514_string(),
        number=frame.number,
        delta_base=frame.base,
        this_update=frame.this_update,
        next_update=frame.next_update,
        state=_state(each, now),
        signature_algorithm=word(frame.crl.signature_algorithm_oid),
        signature=signature_of(frame, issuers).value,
        unknown_extension=each.unknown,
        indirect=frame.indirect,
        total_entries=sum(table.shape.count for table in each.tables.values()),
        entries=entries,
    )


def _state(each: RevocationList, now: datetime) -> schemas.ListState:
    """Return whether the list is current; one that does not say until when is stale from the start."""
    if now < each.frame.this_update:
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
