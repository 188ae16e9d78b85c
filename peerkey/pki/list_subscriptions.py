"""Which revocation lists are wanted, by whom and how often: every address once, whoever names it.

Three name addresses, and each address is wanted while one of them does:

- **The operator** (``certificate-revocation``), with intervals. Where two want the same list, the shorter
  intervals count; where a certificate names it too, the operator's do.
- **Certificates**, our own and those of peers that lead to a trusted authority, from when they are seen until
  they end. That a certificate is no longer shown ends nothing: that of a peer which was revoked is not shown
  either, and were its list given up with it, it would be forgotten that it is revoked.
- **Lists**, which name the deltas to themselves (freshest CRL), while they are wanted themselves.

Nothing here is fetched or timed; :meth:`Subscriptions.wanted` is what should be so now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, final

from peerkey.pki.crl_polling import DEFAULT_INTERVALS, Intervals

#: Addresses of one authority. A configuration may have 256; certificates may name as many again.
MAXIMUM_SOURCES: Final = 512


class Origin(Enum):
    """Who named an address, the most telling where there are several."""

    CONFIGURED = "configured"
    CERTIFICATE = "certificate"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One address that is wanted."""

    intervals: Intervals
    origin: Origin
    #: When the last of the certificates ends that name it; ``None`` where none does.
    until: datetime | None = None


@final
class Subscriptions:
    """Who wants what."""

    def __init__(self) -> None:
        """Want nothing."""
        self._configured: dict[str, Intervals] = {}
        self._certificates: dict[str, datetime] = {}
        self._lists: dict[str, tuple[str, ...]] = {}
        #: Addresses that there is no room for, as of the last look.
        self.left_out: tuple[str, ...] = ()

    def configure(self, sources: Iterable[tuple[str, Intervals]]) -> None:
        """Take up what the operator wants now, and nothing of what was wanted before."""
        wanted: dict[str, list[Intervals]] = {}
        for url, intervals in sources:
            wanted.setdefault(url, []).append(intervals)
        self._configured = {url: Intervals.shortest(each) for url, each in wanted.items()}

    def name(self, url: str, until: datetime) -> None:
        """Take note that a certificate names an address, which ends at ``until``."""
        known = self._certificates.get(url)
        # The first come are the last to be left out, so that what is in use is not crowded out.
        if known is not None or len(self._certificates) < MAXIMUM_SOURCES:
            self._certificates[url] = until if known is None else max(known, until)
        elif url not in self.left_out:
            self.left_out = (*self.left_out, url)[:MAXIMUM_SOURCES]

    def lists_name(self, url: str, deltas: tuple[str, ...]) -> None:
        """Take note of where the lists of an address say that deltas to them are."""
        if deltas:
            self._lists[url] = deltas
        else:
            self._lists.pop(url, None)

    def forget(self, url: str) -> None:
        """Take it that no certificate names this address any more: whom we trust has changed."""
        self._certificates.pop(url, None)

    def wanted(self, at: datetime) -> Mapping[str, Subscription]:
        """Return what is wanted at ``at``, the operator's first."""
        self._certificates = {url: until for url, until in self._certificates.items() if at < until}
        found: dict[str, Subscription] = {}
        for url, intervals in self._configured.items():
            found[url] = Subscription(intervals, Origin.CONFIGURED, self._certificates.get(url))
        for url, until in self._certificates.items():
            found.setdefault(url, Subscription(DEFAULT_INTERVALS, Origin.CERTIFICATE, until))
        for url in list(found):
            # Of a list's lists none are taken: a delta has no deltas.
            for delta in self._lists.get(url, ()):
                found.setdefault(delta, Subscription(found[url].intervals, Origin.LIST))
        self._lists = {url: deltas for url, deltas in self._lists.items() if url in found}
        urls = list(found)
        crowded = len(self._certificates) >= MAXIMUM_SOURCES
        left_out = (*urls[MAXIMUM_SOURCES:], *(url for url in self.left_out if crowded and url not in found))
        self.left_out = left_out[:MAXIMUM_SOURCES]
        return {url: found[url] for url in urls[:MAXIMUM_SOURCES]}
