"""One revocation list in DER, apart from its entries: where they lie, and everything around them.

A list may have a million entries and its frame some hundred bytes. :func:`open_list_untrusted` finds the
frame in a dozen steps and writes it anew without the entries, a list that names nobody, which
``cryptography`` then reads. So whatever is to be known of a list's header, extensions and algorithm is what
``cryptography`` says of it, and costs the same for a list of any length. The entries are
:mod:`peerkey.pki.crl_pass`'s business.

Who signed the list is found out over its bytes as they came (:meth:`ListFrame.verify`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.x509.oid import ExtensionOID

from peerkey.errors import Malformed
from peerkey.pki.certificate import brief, warning_nobody
from peerkey.pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, element, element_untrusted

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from peerkey.pki.revocation_table import Buffer

#: "size limit (default 128 MiB)": some three million entries. It holds for what was fetched and for what an
#: operator hands over alike.
MAXIMUM_LIST_BYTES: Final = 128 * 1024 * 1024
_TIMES: Final = frozenset({UTC_TIME, GENERALIZED_TIME})
#: Bytes of a list apart from its entries. A scope may name many places, and ML-DSA-87 signs with 4,627 bytes.
MAXIMUM_FRAME_BYTES: Final = 256 * 1024

_EXTENSIONS: Final = 0xA0
_Value = TypeVar("_Value", bound=x509.ExtensionType)

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    }
)


@dataclass(frozen=True, slots=True)
class ListFrame:
    """A list apart from its entries. Well-formed, and nothing more."""

    #: All of it, as it came.
    content: Buffer = field(repr=False)
    #: The same list without its entries, as ``cryptography`` reads it. Its signature fits nothing.
    crl: x509.CertificateRevocationList = field(repr=False)
    #: Where the signed bytes lie.
    signed: tuple[int, int]
    #: Where the entries lie, one behind the other.
    entries: tuple[int, int]
    #: The issuer's name, DER.
    issuer: bytes = field(repr=False)
    #: When it was issued.
    this_update: datetime
    #: ``None`` where the list does not say, although it must (RFC 5280 section 5.1.2.5).
    next_update: datetime | None
    #: cRLNumber.
    number: int | None
    #: Of a delta: the number of the complete list that it builds on.
    base: int | None
    #: issuingDistributionPoint.
    scope: x509.IssuingDistributionPoint | None = field(repr=False)
    #: A critical extension of the list that is not understood, in words.
    unknown: str | None

    @property
    def indirect(self) -> bool:
        """Whether it speaks of certificates that others have issued."""
        return self.scope is not None and self.scope.indirect_crl

    def verify(self, key: CertificatePublicKeyTypes) -> None:
        """Check that ``key``, which the policy has accepted, has made the list's signature.

        Raises:
            InvalidSignature: it has not, or the algorithm is not one for this key.
        """
        crl = self.crl
        begin, end = self.signed
        signed = self.content[begin:end]
        try:
            if isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
                if crl.signature_algorithm_oid != _ML_DSA[type(key).__name__[:7]]:
                    raise InvalidSignature
                key.verify(crl.signature, signed)
                return
            how, hashed = crl.signature_algorithm_parameters, crl.signature_hash_algorithm
            if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
                key.verify(crl.signature, signed, how)
            elif (
                isinstance(key, rsa.RSAPublicKey)
                and isinstance(how, padding.PKCS1v15 | padding.PSS)
                and hashed is not None
            ):
                key.verify(crl.signature, signed, how, hashed)
            else:
                raise InvalidSignature
        except (UnsupportedAlgorithm, ValueError, TypeError) as error:
            raise InvalidSignature from error


_ML_DSA: Final = {
    f"MLDSA{size}": x509.ObjectIdentifier(f"2.16.840.1.101.3.4.3.{arc}")
    for size, arc in ((44, 17), (65, 18), (87, 19))
}


def open_list_untrusted(content: Buffer) -> ListFrame:
    """Find the frame of a list and read it; its entries are only known to lie between two places.

    Raises:
        Malformed: ``content`` is not one list of version 2 in DER, or one whose extensions cannot be read.
    """
    size = len(content)
    begin, end = _inside(content, 0, size, SEQUENCE)
    if end != size:
        message = "something follows the list"
        raise Malformed(message)
    inner, signed_end = _inside(content, begin, end, SEQUENCE)
    entries, places = _entries(content, inner, signed_end)
    if size - (entries[1] - entries[0]) > MAXIMUM_FRAME_BYTES:
        message = f"more than {MAXIMUM_FRAME_BYTES} bytes around the entries"
        raise Malformed(message)
    front, behind = content[inner : places[0]], content[places[1] : signed_end]
    outer = content[signed_end:end]
    crl = load_untrusted(front + behind, outer)
    algorithm = _part(content, *_algorithm(content, inner, signed_end))
    if not outer.startswith(algorithm):
        message = "two signature algorithms"
        raise Malformed(message)
    try:
        with warning_nobody():
            extensions = list(crl.extensions)
            number, delta = _value(extensions, x509.CRLNumber), _value(extensions, x509.DeltaCRLIndicator)
            return ListFrame(
                content=content,
                crl=crl,
                signed=(begin, signed_end),
                entries=entries,
                issuer=crl.issuer.public_bytes(),
                this_update=crl.last_update_utc,
                next_update=crl.next_update_utc,
                number=None if number is None else number.crl_number,
                base=None if delta is None else delta.crl_number,
                scope=_value(extensions, x509.IssuingDistributionPoint),
                unknown=next((unknown(each.oid) for each in extensions if _foreign(each)), None),
            )
    except Exception as error:  # as with certificates: what is raised has no common ancestor
        raise Malformed(brief(error)) from error


def unknown(oid: x509.ObjectIdentifier) -> str:
    """Say that a critical extension is not understood."""
    return f"has the critical extension {oid.dotted_string}, which is not understood"


def _inside(content: Buffer, at: int, end: int, wanted: int) -> tuple[int, int]:
    tag, inner, behind = element_untrusted(content, at, end)
    if tag != wanted:
        message = f"the tag {tag:#04x} where {wanted:#04x} should be, at byte {at}"
        raise Malformed(message)
    return inner, behind


def _algorithm(content: Buffer, at: int, end: int) -> tuple[int, int]:
    """Return where the signed algorithm lies."""
    tag, _, behind = element_untrusted(content, at, end)
    return (behind, element_untrusted(content, behind, end)[2]) if tag == INTEGER else (at, behind)


def _part(content: Buffer, begin: int, end: int) -> bytes:
    return content[begin : min(end, begin + MAXIMUM_FRAME_BYTES)]


def _entries(content: Buffer, at: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where the entries lie, and where the sequence does that holds them.

    TBSCertList ::= SEQUENCE { version, signature, issuer, thisUpdate, nextUpdate OPTIONAL,
    revokedCertificates SEQUENCE OF OPTIONAL, crlExtensions [0] OPTIONAL } (RFC 5280 section 5.1)
    """
    _, at = _algorithm(content, at, end)
    _, at = _inside(content, at, end, SEQUENCE)
    tag, _, at = element_untrusted(content, at, end)
    if tag not in _TIMES:
        message = "no date where thisUpdate should be"
        raise Malformed(message)
    if at < end and content[at : at + 1][0] in _TIMES:
        at = element_untrusted(content, at, end)[2]
    if at == end or content[at : at + 1][0] != SEQUENCE:
        return (at, at), (at, at)
    _, inner, behind = element_untrusted(content, at, end)
    if behind < end and content[behind : behind + 1][0] != _EXTENSIONS:
        message = "something between the entries and the extensions"
        raise Malformed(message)
    return (inner, behind), (at, behind)


def load_untrusted(signed: bytes, outer: bytes) -> x509.CertificateRevocationList:
    """Let ``cryptography`` read a list of these parts: what is signed, and the algorithm with the signature.

    Raises:
        Malformed: it refuses them.
    """
    try:
        with warning_nobody():
            return x509.load_der_x509_crl(element(SEQUENCE, element(SEQUENCE, signed) + outer))
    except Exception as error:  # as with certificates: what is raised has no common ancestor
        raise Malformed(brief(error)) from error


def _value(extensions: list[x509.Extension[x509.ExtensionType]], kind: type[_Value]) -> _Value | None:
    return next((each.value for each in extensions if isinstance(each.value, kind)), None)


def _foreign(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return extension.critical and extension.oid not in _UNDERSTOOD
