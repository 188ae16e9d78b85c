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
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import Store

from peerkey.pki.certificate import fingerprint, public_key_of
from peerkey.pki.chain import candidates_of, find_path
from peerkey.pki.crl import RevocationList, distribution_points
from peerkey.pki.policy import HASHES, ML_DSA, SIGNATURE_ALGORITHMS, key_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from peerkey.pki.revocation import RevokedEntry
    from peerkey.pki.trust import TrustAnchors

#: All that a list may be restricted to (RFC 5280 section 4.2.1.13).
_ALL_REASONS: Final = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}


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
    _signers: Signers = field(repr=False)
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
        signers = Signers(known, trust)
        authentic, remarks = [], []
        for each in lists:
            # A signer that has ended has not taken back what it said while it lasted.
            if signers.paths(each, None, at) or signers.paths(each, None, each.this_update):
                authentic.append(each)
            else:
                remarks.append(f"the list of {each.name} counts for nothing: {signers.refusal(each)}")
        delegates = {(each.issuer.public_bytes(), each.serial_number): _delegates(each) for each in known}
        counting = tuple(_newest(authentic, signers))
        return cls(tuple(authentic), counting, tuple(remarks), at, signers, delegates)

    def lookup(self, issuer_name_der: bytes, serial: int) -> RevokedEntry | None:
        """Return the entry for this certificate, or ``None`` where no authentic list names it."""
        key = (issuer_name_der, serial)
        for each in self._counting:
            entry = each.entries.get(key)
            if entry is None or _releases(entry) or not self._speaks_for(each, key):
                continue
            deltas = (delta.entries.get(key) for delta in self._counting if delta.complements(each))
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
                if each.base is not None or not _in_scope(each, certificate, point):
                    continue
                fault = self._not_good(each, anchor, asked)
                if fault is None:
                    covered |= _reasons(each, point)
                else:
                    why = f"the list of {each.name} {fault}"
        if covered >= _ALL_REASONS:
            return None
        return why if not covered else "the lists that speak of it leave out some reasons"

    def _speaks_for(self, each: RevocationList, key: tuple[bytes, int]) -> bool:
        """Whether this list may list that certificate: its issuer's own, or named in it (cRLIssuer)."""
        return each.issuer == key[0] or (
            each.indirect and each.issuer in self._delegates.get(key, frozenset())
        )

    def _not_good(
        self, each: RevocationList, anchor: x509.Certificate, asked: frozenset[bytes]
    ) -> str | None:
        """Return what keeps a list that is in scope from proving that anything is good."""
        if each.unknown is not None:
            return each.unknown
        deltas = [delta for delta in self._counting if delta.complements(each) and delta.unknown is None]
        if not each.current(self._at) and not any(delta.current(self._at) for delta in deltas):
            if each.next_update is None:
                return "does not say when the next one comes"
            if self._at < each.this_update:
                return f"begins {each.this_update:%Y-%m-%d %H:%M:%S}Z"
            return f"should have been replaced {each.next_update:%Y-%m-%d %H:%M:%S}Z"
        if not any(self._good(path, asked) for path in self._signers.paths(each, anchor, self._at)):
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


class Signers:
    """Who may have signed a list, and the paths from there to what is trusted."""

    def __init__(self, certificates: Iterable[x509.Certificate], trust: TrustAnchors) -> None:
        """Look among ``certificates``; each key that is not accepted is passed over."""
        self._by_name: dict[bytes, list[x509.Certificate]] = {}
        distinct = {fingerprint(each): each for each in certificates}
        for each in distinct.values():
            self._by_name.setdefault(each.subject.public_bytes(), []).append(each)
        self._trust = trust
        self._candidates = candidates_of(distinct.values(), trust)
        self._authors: dict[int, list[x509.Certificate]] = {}

    def paths(
        self, each: RevocationList, anchor: x509.Certificate | None, at: datetime
    ) -> list[tuple[x509.Certificate, ...]]:
        """Return a path for every signer that leads to ``anchor``, or to anything trusted."""
        anchors = self._trust.anchors if anchor is None else (anchor,)
        store = self._trust.store if anchor is None else Store([anchor])
        if store is None:
            return []
        found = []
        for signer in self._signers(each):
            path = (signer,) if signer in anchors else find_path(signer, self._candidates, store, at)
            if not isinstance(path, str):
                found.append(path)
        return found

    def refusal(self, each: RevocationList) -> str:
        """Say why a list without any path is set aside."""
        if each.issuer not in self._by_name:
            return "its issuer is not known"
        if not _algorithm_accepted(each.crl):
            return "it is signed with an algorithm that is not accepted"
        if not self._signers(each):
            return "no CA of that name that may sign lists has signed it"
        return "its signer leads to no trusted CA"

    def key_of(self, each: RevocationList) -> bytes:
        """Return what tells the key that signed an authentic list from others of the same name."""
        return (
            self._signers(each)[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def _signers(self, each: RevocationList) -> list[x509.Certificate]:
        authors = self._authors.get(id(each))
        if authors is None:
            authors = [ca for ca in self._by_name.get(each.issuer, ()) if _has_signed(ca, each.crl)]
            self._authors[id(each)] = authors
        return authors


def _newest(lists: Iterable[RevocationList], signers: Signers) -> Iterator[RevocationList]:
    """Yield what is not replaced: of each series the newest, and of deltas those behind the complete list.

    A series has one issuer, one key and one scope; two CAs of one name, an old and a new one, number
    their lists each for itself. Deltas to the same base repeat each other, so that the last says it all.
    """
    complete: dict[object, RevocationList] = {}
    deltas: dict[object, RevocationList] = {}
    for each in lists:
        series = (each.issuer, signers.key_of(each), each.scope)
        newest, key = (complete, series) if each.base is None else (deltas, (series, each.base))
        other = newest.get(key)
        if other is None or _age(each) > _age(other):
            newest[key] = each
    yield from complete.values()
    for delta in deltas.values():
        whole = complete.get((delta.issuer, signers.key_of(delta), delta.scope))
        if whole is None or _age(delta) > _age(whole):
            yield delta


def _has_signed(signer: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    """Whether ``signer`` may sign lists and its key made this list's signature."""
    if not _may_sign_lists(signer) or not _algorithm_accepted(crl):
        return False
    key = public_key_of(signer)
    if key is None or key_findings(key):
        return False
    try:
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # key_findings let no other kind pass
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False


def _may_sign_lists(certificate: x509.Certificate) -> bool:
    """Whether keyUsage, where it is there, has cRLSign (RFC 5280 section 6.3.3 f); only a CA may lack it."""
    usages = [each.value for each in certificate.extensions if isinstance(each.value, x509.KeyUsage)]
    return usages[0].crl_sign if usages else _is_ca(certificate)


def _algorithm_accepted(crl: x509.CertificateRevocationList) -> bool:
    algorithm = crl.signature_algorithm_oid
    if algorithm not in SIGNATURE_ALGORITHMS:
        return False
    try:
        hashed = crl.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return algorithm in ML_DSA or (hashed is not None and hashed.name in HASHES)


def _releases(entry: RevokedEntry) -> bool:
    return entry.reason is x509.ReasonFlags.remove_from_crl


def _age(each: RevocationList) -> tuple[int, datetime]:
    return (-1 if each.number is None else each.number, each.this_update)


def _is_ca(certificate: x509.Certificate) -> bool:
    return any(
        isinstance(each.value, x509.BasicConstraints) and each.value.ca for each in certificate.extensions
    )


def _delegates(certificate: x509.Certificate) -> frozenset[bytes]:
    return frozenset(
        name.value.public_bytes()
        for point in distribution_points(certificate)
        for name in point.crl_issuer or ()
        if isinstance(name, x509.DirectoryName)
    )


def _in_scope(each: RevocationList, certificate: x509.Certificate, point: x509.DistributionPoint) -> bool:
    """Whether the list speaks of this certificate for this point (RFC 5280 section 6.3.3 b)."""
    issuers = {
        name.value.public_bytes() for name in point.crl_issuer or () if isinstance(name, x509.DirectoryName)
    }
    if issuers:
        if each.issuer not in issuers or not each.indirect:
            return False
    elif each.issuer != certificate.issuer.public_bytes():
        return False
    scope = each.scope
    if scope is None:
        return True
    if scope.only_contains_attribute_certs:
        return False
    if _is_ca(certificate) and scope.only_contains_user_certs:
        return False
    if not _is_ca(certificate) and scope.only_contains_ca_certs:
        return False
    named = _names(scope, each.crl.issuer)
    return not named or not named.isdisjoint(_point_names(point, each, certificate))


def _names(
    holder: x509.IssuingDistributionPoint | x509.DistributionPoint, base: x509.Name
) -> set[x509.GeneralName]:
    """Return the names of a distribution point; a relative one completed by ``base``."""
    if holder.relative_name is not None:
        return {x509.DirectoryName(x509.Name([*base.rdns, holder.relative_name]))}
    return set(holder.full_name or ())


def _point_names(
    point: x509.DistributionPoint, each: RevocationList, certificate: x509.Certificate
) -> set[x509.GeneralName]:
    base = each.crl.issuer if point.crl_issuer else certificate.issuer
    return _names(point, base) or set(point.crl_issuer or ())


def _reasons(each: RevocationList, point: x509.DistributionPoint) -> frozenset[x509.ReasonFlags]:
    """Return for which reasons the list would name a certificate of this point."""
    listed = each.scope.only_some_reasons if each.scope is not None else None
    return (listed or _ALL_REASONS) & (point.reasons or _ALL_REASONS)
