"""Who may have signed a revocation list, and whether a trusted CA stands behind them.

The signer of a list bears the name of its issuer, may sign lists, and has a key and an algorithm that the
policy accepts. It need not be the CA that signed the certificates: an authority may keep another key, or name
another CA, for its lists. Each such signer needs a path of its own to what is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import Store

from peerkey.pki.certificate import fingerprint, public_key_of
from peerkey.pki.chain import candidates_of, find_path
from peerkey.pki.list_scope import is_ca
from peerkey.pki.policy import HASHES, ML_DSA, SIGNATURE_ALGORITHMS, key_findings, signature_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from peerkey.pki.list_frame import ListFrame
    from peerkey.pki.trust import TrustAnchors

#: Keys of one name that are tried with one list. Each costs a pass over the list, and whoever makes a peer
#: show a certificate could otherwise make us try many.
MAXIMUM_KEYS: Final = 8


class ListSigners:
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
        self._paths: dict[tuple[bytes, bytes, datetime], tuple[x509.Certificate, ...] | str] = {}

    def paths(
        self, each: ListFrame, anchor: x509.Certificate | None, at: datetime
    ) -> list[tuple[x509.Certificate, ...]]:
        """Return a path for every signer that leads to ``anchor``, or to anything trusted."""
        anchors = self._trust.anchors if anchor is None else (anchor,)
        store = self._trust.store if anchor is None else Store([anchor])
        if store is None:
            return []
        found = []
        for signer in self._signers(each):
            key = (fingerprint(signer), b"" if anchor is None else fingerprint(anchor), at)
            path = self._paths.get(key)
            if path is None:
                path = (signer,) if signer in anchors else find_path(signer, self._candidates, store, at)
                self._paths[key] = path
            if not isinstance(path, str):
                found.append(path)
        return found

    def signed(self, each: ListFrame) -> bool:
        """Whether anybody who may has signed the list, trusted or not."""
        return bool(self._signers(each))

    def refusal(self, each: ListFrame) -> str:
        """Say why a list without any path is set aside."""
        if each.issuer not in self._by_name:
            return "its issuer is not known"
        if not algorithm_accepted(each.crl):
            return "it is signed with an algorithm that is not accepted"
        if not self._signers(each):
            return "no CA of that name that may sign lists has signed it"
        return "its signer leads to no trusted CA"

    def key_of(self, each: ListFrame) -> bytes:
        """Return what tells the key that signed an authentic list from others of the same name."""
        return (
            self._signers(each)[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def _signers(self, each: ListFrame) -> list[x509.Certificate]:
        authors = self._authors.get(id(each))
        if authors is None:
            authors = list(signers_of(each, self._by_name.get(each.issuer, ())))
            self._authors[id(each)] = authors
        return authors


def signers_of(each: ListFrame, named: Iterable[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Yield those of ``named`` that may sign lists and whose key made this list's signature.

    The key that the list names (authorityKeyIdentifier) is tried first. One that it does not name and that
    fits all the same is taken: a signature proves more than an identifier.
    """
    if not algorithm_accepted(each.crl):
        return
    wanted = _identifier(each.crl.extensions, x509.AuthorityKeyIdentifier)
    able = [signer for signer in named if may_sign_lists(signer)]
    able.sort(key=lambda signer: _identifier(signer.extensions, x509.SubjectKeyIdentifier) != wanted)
    fits: dict[bytes, bool] = {}
    for signer in able:
        key = public_key_of(signer)
        if key is None or key_findings(key):
            continue
        spelled = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if spelled not in fits and len(fits) < MAXIMUM_KEYS:
            fits[spelled] = _fits(each, key)
        if fits.get(spelled, False):
            yield signer


def _fits(each: ListFrame, key: CertificatePublicKeyTypes) -> bool:
    try:
        each.verify(key)
    except InvalidSignature:
        return False
    return True


def _identifier(
    extensions: x509.Extensions, kind: type[x509.AuthorityKeyIdentifier | x509.SubjectKeyIdentifier]
) -> bytes | None:
    return next((one.value.key_identifier for one in extensions if isinstance(one.value, kind)), None)


def may_sign_lists(certificate: x509.Certificate) -> bool:
    """Whether keyUsage, where it is there, has cRLSign (RFC 5280 section 6.3.3 f); only a CA may lack it."""
    usages = [each.value for each in certificate.extensions if isinstance(each.value, x509.KeyUsage)]
    return usages[0].crl_sign if usages else is_ca(certificate)


def algorithm_accepted(crl: x509.CertificateRevocationList) -> bool:
    """Whether lists that are signed so are accepted, whoever signed."""
    algorithm = crl.signature_algorithm_oid
    return algorithm in ML_DSA or (algorithm in SIGNATURE_ALGORITHMS and signature_hash(crl) in HASHES)
