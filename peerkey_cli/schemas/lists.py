"""``show certificate crl`` and ``pki crl``: revocation lists."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.document import Document, Time


class RevocationListInfo(Document):
    """One address of revocation lists, and the newest list of it that counts."""

    url: str
    origin: Literal["configured", "certificate", "list"]
    state: Literal["waiting", "current", "stale", "unreachable", "refused"]
    issuer: str
    number: int | None
    #: Of a delta: the number of the list that it builds on.
    base: int | None
    this_update: Time | None
    next_update: Time | None
    entries: int
    size: int
    #: When it was fetched, and when it was last fetched or found unchanged.
    fetched: Time | None
    confirmed: Time | None
    age_seconds: float | None
    polling: Literal["waiting", "fetching", "retrying"]
    next_poll: Time | None
    last_error: str
    #: What to do next; empty where nothing is to be done.
    advice: str = ""


class RevocationLists(Document):
    """``show certificate crl``."""

    time: Time
    #: Of the master list: it grows with each change.
    generation: int
    #: Certificates that any list says are revoked.
    revoked: int
    sources: tuple[RevocationListInfo, ...]


ListState = Literal["current", "stale", "not-yet"]


class RevokedInfo(Document):
    """One entry of a revocation list; ``issuer`` where it is another than that of the list."""

    serial: str
    since: Time
    reason: str | None
    issuer: str | None


class CrlInfo(Document):
    """What one revocation list says."""

    issuer: str
    number: int | None
    delta_base: int | None
    this_update: Time
    next_update: Time | None
    state: ListState
    signature_algorithm: str
    signature: str
    unknown_extension: str | None
    indirect: bool
    total_entries: int
    entries: tuple[RevokedInfo, ...]


class Crls(Document):
    """``pki crl``."""

    time: Time
    file: str
    lists: tuple[CrlInfo, ...]
