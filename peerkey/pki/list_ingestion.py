"""What a source gave: into a list that counts, or a refusal that changes nothing.

    before = tuple(held.values())                     # what this source gave last, one of each series
    ingested = ingest(content, url, before=before, known=every_list, certificates=seen, trust=trust, at=now)
    held[ingested.facts.series, ingested.facts.base is None] = Held(ingested.facts,
    MasterList(ingested.entries))

and then :func:`peerkey.pki.list_merging.publish` of everything that is held makes the master list.

A list is refused where it could be a lie, and only there. One that is **stale is taken**: it still proves
that its entries are revoked. A list of another *series* (issuer, key or scope) than what the source gave
before is taken beside it and replaces nothing, so that whoever answers for a URL with another genuine list
makes nobody forget what was revoked (``docs/decisions/0081``); the shell keeps at most :data:`MAXIMUM_SERIES`
of a source.

Everything here is pure and takes its time: at a million entries most of a second, in one piece. The shell
runs it in a process of its own (``docs/decisions/0080``), and small lists wherever it likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509

from peerkey.errors import Malformed, PeerkeyError
from peerkey.pki.certificate import warning_nobody
from peerkey.pki.crl_pass import read_entries_untrusted
from peerkey.pki.der import SEQUENCE, dearmoured_untrusted
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES, ListFrame, open_list_untrusted
from peerkey.pki.list_merging import Held, differences
from peerkey.pki.list_signers import ListSigners
from peerkey.pki.master_list import MasterList, Section, write
from peerkey.pki.text import slashed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from peerkey.pki.trust import TrustAnchors

#: How far an authority's clock may be ahead of ours before its list comes from the future.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
#: Lists of one source that stand beside each other; more than a CA that changes its key ever needs.
MAXIMUM_SERIES: Final = 8
#: Places of deltas in one list that are told.
MAXIMUM_FRESHEST: Final = 8

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----(?P<body>[^-]+)-----END X509 CRL-----")
_PEM_BEGIN: Final = b"-----BEGIN "
#: Text in front of a list in PEM.
_PROLOGUE: Final = 64 * 1024
_SHOWN: Final = 256


class Refusal(Enum):
    """Why a list was refused. Closed: an operator's alarm and an event tell one of these."""

    TOO_LARGE = "too-large"
    NOT_A_LIST = "not-a-list"
    #: No known CA of the issuer's name, that may sign lists, has made the signature.
    WRONG_ISSUER = "wrong-issuer"
    #: The signer is known, but leads to no trusted CA.
    NOT_TRUSTED = "not-trusted"
    #: A critical extension, of the list or of an entry, that is not understood.
    UNKNOWN_EXTENSION = "unknown-extension"
    #: It speaks of no certificate of ours, or of others without saying so.
    SCOPE = "scope"
    #: thisUpdate lies in the future, by more than :data:`CLOCK_TOLERANCE`.
    FUTURE = "future"
    #: Older than what the same source gave before.
    WENT_BACK = "went-back"
    #: A delta to a complete list that is not there.
    NO_BASE = "no-base"


class ListRefused(PeerkeyError):
    """A list that must not count. What counted before goes on to count."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal
        #: One line for an operator.
        self.text = text

    def __reduce__(self) -> tuple[type[ListRefused], tuple[Refusal, str]]:
        """Survive the way out of another process."""
        return (type(self), (self.refusal, self.text))


@dataclass(frozen=True, slots=True)
class Ingested:
    """A list that counts."""

    facts: ListFacts
    #: Its entries in the form of a master list of generation 0: for :class:`MasterList`, or a file to be
    #: mapped.
    entries: bytes = field(repr=False)


def ingest(  # what a list is judged by
    content: bytes,
    source: str,
    *,
    before: Iterable[Held] = (),
    known: Iterable[ListFacts] = (),
    certificates: Iterable[x509.Certificate] = (),
    trust: TrustAnchors,
    at: datetime,
    limit: int = MAXIMUM_LIST_BYTES,
) -> Ingested:
    """Judge what a source gave.

    Arguments:
        content: one list, in DER or PEM, with whatever text was pasted around it.
        source: its URL, for the facts.
        before: what this source gave last, of each series one complete list and perhaps one delta.
        known: the facts of every list that is held, of all sources: among them a delta's base is looked for.
        certificates: among them and what is trusted, signers and their paths are looked for.
        trust: where the path of a signer may end.
        at: now, aware.
        limit: bytes that are read.

    Raises:
        ListRefused: nothing has changed; says why.
    """
    if len(content) > limit:
        raise ListRefused(Refusal.TOO_LARGE, f"{len(content)} bytes; at most {limit} are read")
    before = tuple(before)
    frame = _opened(content)
    _check_extensions(frame)
    key = _signer(frame, certificates, trust, at)
    if frame.this_update > at + CLOCK_TOLERANCE:
        message = f"thisUpdate lies in the future: {frame.this_update:%Y-%m-%d %H:%M:%S}Z"
        raise ListRefused(Refusal.FUTURE, message)
    scope = b"" if frame.scope is None else frame.scope.public_bytes()
    series = (frame.issuer, key, scope)
    predecessor = _predecessor(frame, series, before)
    facts = ListFacts(
        source=source,
        issuer=ascii(frame.crl.issuer.rfc4514_string())[1:-1][:_SHOWN],
        authority=ascii(slashed(frame.crl.issuer))[1:-1][:_SHOWN],
        series=series,
        number=frame.number,
        base=frame.base,
        this_update=frame.this_update,
        next_update=frame.next_update,
        size=len(content),
        digest=sha256(content).digest(),
        total=0,
        added=0,
        removed=0,
        freshest=tuple(_freshest(frame)),
    )
    if frame.base is not None:
        complete = (*known, *(each.facts for each in before))
        if not any(facts.complements(each) for each in complete):
            message = f"a delta to list {frame.base}, which is not there"
            raise ListRefused(Refusal.NO_BASE, message)
    entries = b"".join(write(_sections(frame), 0))
    after = MasterList(entries)
    added, removed = differences(None if predecessor is None else predecessor.entries, after)
    return Ingested(replace(facts, total=after.total, added=added, removed=removed), entries)


def _opened(content: bytes) -> ListFrame:
    try:
        return open_list_untrusted(_der(content))
    except Malformed as error:
        raise ListRefused(Refusal.NOT_A_LIST, f"this is no revocation list: {error}") from error


def _der(content: bytes) -> bytes:
    if _PEM_BEGIN not in content[:_PROLOGUE] or content[0] == SEQUENCE:
        return content
    blocks = list(_PEM.finditer(content))
    if len(blocks) != 1:
        message = f"{len(blocks)} revocation lists in PEM where one should be"
        raise Malformed(message)
    return dearmoured_untrusted(blocks[0]["body"])


def _check_extensions(frame: ListFrame) -> None:
    if frame.unknown is not None:
        raise ListRefused(Refusal.UNKNOWN_EXTENSION, f"the list {frame.unknown}")
    if frame.scope is not None and frame.scope.only_contains_attribute_certs:
        raise ListRefused(Refusal.SCOPE, "the list speaks of attribute certificates only")


def _signer(
    frame: ListFrame, certificates: Iterable[x509.Certificate], trust: TrustAnchors, at: datetime
) -> bytes:
    """Return SHA-256 of the key that has signed the list."""
    signers = ListSigners((*certificates, *trust.certificates), trust)
    # A signer that has ended has not taken back what it said while it lasted.
    if not signers.paths(frame, None, at) and not signers.paths(frame, None, frame.this_update):
        refusal = Refusal.NOT_TRUSTED if signers.signed(frame) else Refusal.WRONG_ISSUER
        raise ListRefused(refusal, f"nothing trusted stands behind the list: {signers.refusal(frame)}")
    return sha256(signers.key_of(frame)).digest()


def _predecessor(
    frame: ListFrame, series: tuple[bytes, bytes, bytes], before: tuple[Held, ...]
) -> Held | None:
    """Return the list that this one replaces.

    "The CRL number ... monotonically increasing sequence" (RFC 5280 section 5.2.3). Where one of the two has
    no number, or both have the same, the dates must not go back.
    """
    for each in before:
        old = each.facts
        if old.series != series or (old.base is None) != (frame.base is None):
            continue
        if old.number is not None and frame.number is not None and frame.number < old.number:
            message = f"number {frame.number}, but {old.number} was there before"
            raise ListRefused(Refusal.WENT_BACK, message)
        numbered = old.number is not None and frame.number is not None and frame.number > old.number
        if not numbered and frame.this_update < old.this_update:
            message = f"of {frame.this_update:%Y-%m-%d %H:%M:%S}Z, older than what was there before"
            raise ListRefused(Refusal.WENT_BACK, message)
        return each
    return None


def _sections(frame: ListFrame) -> Iterable[Section]:
    try:
        entries = read_entries_untrusted(frame)
    except Malformed as error:
        raise ListRefused(Refusal.NOT_A_LIST, f"an entry cannot be read: {error}") from error
    if entries.unknown is not None:
        raise ListRefused(Refusal.UNKNOWN_EXTENSION, f"an entry {entries.unknown}")
    if not frame.indirect and any(issuer != frame.issuer for issuer, _ in entries.records):
        raise ListRefused(Refusal.SCOPE, "names certificates of others, without saying that it is indirect")
    for (issuer, _), gathering in entries.records.items():
        yield Section(frame.issuer, issuer, gathering.built())


def _freshest(frame: ListFrame) -> Iterable[str]:
    """Return where deltas are published."""
    with warning_nobody():
        points = [
            point
            for each in frame.crl.extensions
            if isinstance(each.value, x509.FreshestCRL)
            for point in each.value
        ]
    names = (name for point in points for name in point.full_name or ())
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return urls[:MAXIMUM_FRESHEST]
