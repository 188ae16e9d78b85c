"""Several revocation lists: whose they are, which of them count, and of which certificates they speak.

A list counts once a trusted authority has signed it: the signer bears the name of the list's issuer, may
sign lists (cRLSign) and leads to a trusted CA itself. From then on it does two different things:

- It proves **revoked** whatever else is the matter with it, also when it is stale, comes from the future or
  carries a critical extension that is not understood: an entry is not taken back by age.
  (:meth:`RevocationLists.lookup`)
- It proves **good** only while it is current and complete for the certificate in question: right issuer,
  right distribution point, right kind of certificate, all reasons, and a signer whose own path is good
  (RFC 5280 section 6.3.3). (:meth:`RevocationLists.gap`)

Of several complete lists of the same issuer and scope the newest counts, so that a hold can be released; a
delta adds to, and releases from, the complete list that it builds on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509

from peerkey.pki.certificate import fingerprint
from peerkey.pki.list_scope import ALL_REASONS, delegates_of, distribution_points, in_scope, reasons_of
from peerkey.pki.list_signers import ListSigners

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from peerkey.pki.crl import RevocationList
    from peerkey.pki.revocation import RevokedEntry
    from peerkey.pki.trust import TrustAnchors


@dataclass(frozen=True, slots=True, eq=False)
class RevocationLists:
    """Lists that were checked against what is trusted, at one instant. Make it with :meth:`of`."""

    #: In the order in which they were given.
    authentic: tuple[RevocationList, ...]
    #: Those of them that no other has replaced.
    _counting: tuple[RevocationList, ...] = field(repr=False)
    #: What was set aside, and why, in words.
    remarks: tuple[str, ...]
    _at: datetime = field(repr=False)
    _signers: ListSigners = field(repr=False)
    #: By issuer's name and serial number, those who may list a certificate in its issuer's place.
    _delegates: dict[tuple[bytes, int], frozenset[bytes]] = field(repr=False)
    generation: int = 0

    @classmethod
    def of(
        cls,
        lists: Iterable[RevocationList],
        certificates: Iterable[x509.Certificate],
        trust: TrustAnchors,
        at: datetime,
    ) -> RevocationLists:
        """Check ``lists``; their signers are looked for among ``certificates`` and what is trusted."""
        known = (*certificates, *trust.certificates)
        signers = ListSigners(known, trust)
        authentic, remarks = [], []
        for each in lists:
            # A signer that has ended has not taken back what it said while it lasted.
            if signers.paths(each.frame, None, at) or signers.paths(each.frame, None, each.frame.this_update):
                authentic.append(each)
            else:
                remarks.append(f"the list of {each.name} counts for nothing: {signers.refusal(each.frame)}")
        delegates = {(each.issuer.public_bytes(), each.serial_number): delegates_of(each) for each in known}
        counting = tuple(_newest(authentic, signers))
        return cls(tuple(authentic), counting, tuple(remarks), at, signers, delegates)

    def lookup(
        self,
        issuer_name_der: bytes,
        serial: int,
        certificate: x509.Certificate | None = None,  # noqa: ARG002
    ) -> RevokedEntry | None:
        """Return the entry for this certificate, or ``None`` where no authentic list names it."""
        key = (issuer_name_der, serial)
        for each in self._counting:
            entry = each.entry(*key)
            if entry is None or _releases(entry) or not self._speaks_for(each, key):
                continue
            deltas = (delta.entry(*key) for delta in self._counting if delta.complements(each))
            if not any(later is not None and _releases(later) for later in deltas):
                return entry
        return None

    def gap(self, certificate: x509.Certificate, anchor: x509.Certificate) -> str | None:
        """Return why no current list says that ``certificate`` is not revoked; ``None`` where one does."""
        return self._gap(certificate, anchor, frozenset())

    def _gap(
        self, certificate: x509.Certificate, anchor: x509.Certificate, asked: frozenset[bytes]
    ) -> str | None:
        """Do so; ``asked`` are signers whose own status is being asked for."""
        covered: set[x509.ReasonFlags] = set()
        why = f"there is no list of {ascii(certificate.issuer.rfc4514_string())[1:-1][:128]}"
        for point in distribution_points(certificate):
            for each in self._counting:
                if each.frame.base is not None or not in_scope(each.frame, certificate, point):
                    continue
                fault = self._not_good(each, anchor, asked)
                if fault is None:
                    covered |= reasons_of(each.frame, point)
                else:
                    why = f"the list of {each.name} {fault}"
        if covered >= ALL_REASONS:
            return None
        return why if not covered else "the lists that speak of it leave out some reasons"

    def _speaks_for(self, each: RevocationList, key: tuple[bytes, int]) -> bool:
        """Whether this list may list that certificate: its issuer's own, or named in it (cRLIssuer)."""
        return each.frame.issuer == key[0] or (
            each.frame.indirect and each.frame.issuer in self._delegates.get(key, frozenset())
        )

    def _not_good(
        self, each: RevocationList, anchor: x509.Certificate, asked: frozenset[bytes]
    ) -> str | None:
        """Return what keeps a list that is in scope from proving that anything is good."""
        if each.unknown is not None:
            return each.unknown
        deltas = [delta for delta in self._counting if delta.complements(each) and delta.unknown is None]
        if not each.current(self._at) and not any(delta.current(self._at) for delta in deltas):
            if each.frame.next_update is None:
                return "does not say when the next one comes"
            if self._at < each.frame.this_update:
                return f"begins {each.frame.this_update:%Y-%m-%d %H:%M:%S}Z"
            return f"should have been replaced {each.frame.next_update:%Y-%m-%d %H:%M:%S}Z"
        if not any(self._good(path, asked) for path in self._signers.paths(each.frame, anchor, self._at)):
            return "was signed by an authority that is not good itself"
        return None

    def _good(self, path: tuple[x509.Certificate, ...], asked: frozenset[bytes]) -> bool:
        """Whether nothing on the path of a signer is revoked, and a list says so of each.

        A signer whose status is told by the very list that it signed is taken at its word.
        """
        for certificate in path[:-1]:
            if self.lookup(certificate.issuer.public_bytes(), certificate.serial_number) is not None:
                return False
            own = fingerprint(certificate)
            if own not in asked and self._gap(certificate, path[-1], asked | {own}) is not None:
                return False
        return True


def _newest(lists: Iterable[RevocationList], signers: ListSigners) -> Iterator[RevocationList]:
    """Yield what is not replaced: of each series the newest, and of deltas those behind the complete list.

    A series has one issuer, one key and one scope; two CAs of one name, an old and a new one, number
    their lists each for itself. Deltas to the same base repeat each other, so that the last says it all.
    """
    complete: dict[object, RevocationList] = {}
    deltas: dict[object, RevocationList] = {}
    for each in lists:
        series = (each.frame.issuer, signers.key_of(each.frame), each.frame.scope)
        newest, key = (complete, series) if each.frame.base is None else (deltas, (series, each.frame.base))
        other = newest.get(key)
        if other is None or _age(each) > _age(other):
            newest[key] = each
    yield from complete.values()
    for delta in deltas.values():
        whole = complete.get((delta.frame.issuer, signers.key_of(delta.frame), delta.frame.scope))
        if whole is None or _age(delta) > _age(whole):
            yield delta


def _releases(entry: RevokedEntry) -> bool:
    return entry.reason is x509.ReasonFlags.remove_from_crl


def _age(each: RevocationList) -> tuple[int, datetime]:
    return (-1 if each.frame.number is None else each.frame.number, each.frame.this_update)
