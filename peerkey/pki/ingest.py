r"""Importing a certificate: what an operator hands over becomes a chain to show, or a refusal.

    "The following three validity checks take place upon importing a certificate"

1. :attr:`Check.PRIVATE_KEY`: no private key accompanies it (:func:`handed_over`);
2. :attr:`Check.VALIDITY`: it parses and is valid: it was issued for our private key, names this node, and
   leads to a trusted authority by the rules that peers apply (:func:`accepted`);
3. :attr:`Check.REVOCATION`: nothing on the way is revoked (:func:`accepted`).

They are made in this order, the first that fails is told, and nothing is done after it. What authorities send
is taken as it comes: PEM with text around, with lost line ends or with the two characters ``\n`` in their
place, DER, PKCS#7, and chains in any order. What is installed has one order: the leaf, then its issuers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from cryptography.x509.oid import NameOID

from peerkey.errors import Malformed, Misconfigured
from peerkey.observe.events import CertificateIngested
from peerkey.pki.certificate import MAXIMUM_CHAIN, fingerprint, public_key_of, read_bundle, warning_nobody
from peerkey.pki.examination import Examination, Examiner
from peerkey.pki.private_material import private_key_in
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.text import slashed, word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.pki.identity import PeerIdentity
    from peerkey.pki.revocation import Revocation
    from peerkey.pki.trust import TrustAnchors

#: A chain of six with the text that `openssl x509 -text` prints beside each takes 200 KB.
MAXIMUM_IMPORT_BYTES: Final = 1024 * 1024
#: A chain, the root, and what authorities add to it. More is a bundle of authorities.
MAXIMUM_IMPORTED: Final = 16
#: What is said of a refusal: a line that an operator can still read.
_SHOWN_CHARACTERS: Final = 600

_PKCS7: Final = re.compile(rb"-----BEGIN (?P<label>PKCS7|CMS)-----(?P<body>[^-]*)-----END (?P=label)-----")
#: SEQUENCE, a length, then the OBJECT IDENTIFIER of signedData (RFC 5652 section 5.1).
_DER_PKCS7: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x80|[\x81-\x84].{1,4}?)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", re.DOTALL
)
#: What a paste made of line ends, where it went through JSON or a shell.
_WRITTEN_LINE_END: Final = re.compile(rb"\\r\\n|\\n|\\r")

_NOTHING: Final = "N/A"

_Value = TypeVar("_Value", bound=x509.ExtensionType)


class Check(StrEnum):
    """The three checks, in their order, by the names that events have for them."""

    PRIVATE_KEY = "private-key"
    VALIDITY = "validity"
    REVOCATION = "revocation"


class ImportRefused(Misconfigured):
    """What was handed over is not imported; :attr:`check` says which check it failed."""

    def __init__(self, check: Check, source: str, reason: str) -> None:
        """Refuse ``source`` for a reason that may quote what somebody else has written."""
        self.check = check
        text = " ".join(reason.split())
        shown = text if text.isprintable() and text.isascii() else ascii(text)[1:-1]
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[:_SHOWN_CHARACTERS]}…"
        #: Without the name of the file.
        self.reason = shown
        super().__init__(f"{source}: {shown}; nothing was changed")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose certificate it must be: the node, and the private key that it has."""

    identity: PeerIdentity
    public_key: PublicKeyTypes
    #: What the private key is called, for messages.
    key_name: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A certificate that passed all three checks."""

    #: The leaf, then its issuers without the root.
    chain: tuple[x509.Certificate, ...]
    examination: Examination
    #: Certificates that were handed over and do not belong to the chain.
    left_out: int

    @property
    def pem(self) -> bytes:
        """What is installed."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)


def handed_over(content: bytes, source: str) -> tuple[x509.Certificate, ...]:
    """Return every certificate of ``content``, in its order, after the first check.

    Raises:
        ImportRefused: a private key accompanies it, or it cannot be read.
    """
    if len(content) > MAXIMUM_IMPORT_BYTES:
        reason = f"larger than {MAXIMUM_IMPORT_BYTES} bytes, so it is no certificate of a node"
        raise ImportRefused(Check.VALIDITY, source, reason)
    key = private_key_in(content)
    if key is not None:
        reason = (
            f"holds {key}, and a private key must not accompany a certificate: hand over the certificate "
            "alone, and replace that key unless it is known where it has been"
        )
        raise ImportRefused(Check.PRIVATE_KEY, source, reason)
    try:
        found = read_bundle(_in_pem(content, source), source)
    except Misconfigured as fault:
        raise ImportRefused(Check.VALIDITY, source, str(fault).removeprefix(f"{source}: ")) from None
    distinct = tuple({fingerprint(certificate): certificate for certificate in found}.values())
    if len(distinct) > MAXIMUM_IMPORTED:
        reason = f"holds {len(distinct)} certificates; at most {MAXIMUM_IMPORTED} are taken"
        raise ImportRefused(Check.VALIDITY, source, reason)
    return distinct


def accepted(  # each of them decides
    certificates: Sequence[x509.Certificate],
    source: str,
    holder: Holder,
    *,
    trust: TrustAnchors,
    revocation: Revocation,
    at: datetime,
) -> Accepted:
    """Make the second and the third check of what :func:`handed_over` returned.

    It is strict whatever ``validation-mode`` says: that is about the check of a configuration.

    Raises:
        ImportRefused: the certificate is not ours, not valid, or revoked.
    """
    leaf = _leaf(certificates, source, holder)
    issuers = _issuers(leaf, certificates)
    if len(issuers) >= MAXIMUM_CHAIN:
        reason = (
            f"{len(issuers)} authorities stand above the certificate; at most {MAXIMUM_CHAIN - 1} are taken"
        )
        raise ImportRefused(Check.VALIDITY, source, reason)
    chain = (leaf, *issuers)
    der = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    examiner = Examiner(holder.identity, peer_validation=True, trust=trust, revocation=NoRevocation())
    try:
        examination = examiner.examine(der, at)
        if not examination.verdict.valid:
            raise ImportRefused(
                Check.VALIDITY, source, f"the certificate is not valid: {examination.verdict.explain()}"
            )
        strict = Examiner(holder.identity, peer_validation=True, trust=trust, revocation=revocation)
        examination = strict.examine(der, at)
    except Malformed as fault:
        raise ImportRefused(Check.VALIDITY, source, str(fault)) from None
    if not examination.verdict.valid:
        # Nothing else has changed between the two examinations.
        raise ImportRefused(Check.REVOCATION, source, examination.verdict.explain())
    roots = sum(certificate.subject == certificate.issuer for certificate in certificates)
    return Accepted(chain, examination, max(0, len(certificates) - len(chain) - roots))


def ingested(name: str, leaf: x509.Certificate) -> CertificateIngested:
    """Return the event of an import."""
    common_names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    points = _extension(leaf, x509.CRLDistributionPoints)
    return CertificateIngested(
        name=name,
        purpose=", ".join(word(oid) for oid in purposes or ()) or _NOTHING,
        common_name=str(common_names[0].value) if common_names else _NOTHING,
        crl_urls=tuple(
            name.value
            for point in points or ()
            for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)
        ),
        certificate_authority=slashed(leaf.issuer) or _NOTHING,
        # An operator compares it with what other tools show; nothing is decided by it.
        fingerprint=sha1(leaf.public_bytes(Encoding.DER), usedforsecurity=False).digest().hex(":").upper(),
    )


def _in_pem(content: bytes, source: str) -> bytes:
    """Return the content with line ends where they were written out, and certificates in place of PKCS#7."""
    if _DER_PKCS7.match(content):
        return _unwrapped(content, source)
    if content[:1] == b"\x30":
        return content
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", "replace").encode("utf-8")
    text = _WRITTEN_LINE_END.sub(b"\n", content)
    return _PKCS7.sub(lambda block: _unwrapped(_rearmoured(block["body"]), source), text)


def _unwrapped(container: bytes, source: str) -> bytes:
    """Return the certificates of a PKCS#7 container in PEM.

    Raises:
        Misconfigured: it cannot be read, or holds no certificate.
    """
    load = (
        pkcs7.load_pem_pkcs7_certificates if container.startswith(b"-") else pkcs7.load_der_pkcs7_certificates
    )
    try:
        with warning_nobody():
            found = load(container)
    except Exception:  # noqa: BLE001 - a parser of bytes from outside: whatever it raises, they are no PKCS#7
        message = f"{source}: the PKCS#7 container cannot be read"
        raise Misconfigured(message) from None
    if not found:
        message = f"{source}: the PKCS#7 container holds no certificate"
        raise Misconfigured(message)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


def _rearmoured(body: bytes) -> bytes:
    return b"-----BEGIN PKCS7-----\n" + b"".join(body.split()) + b"\n-----END PKCS7-----\n"


def _leaf(certificates: Sequence[x509.Certificate], source: str, holder: Holder) -> x509.Certificate:
    """Return the one certificate that was issued for our key."""
    ours = _spki(holder.public_key)
    found = [
        certificate
        for certificate in certificates
        if (key := public_key_of(certificate)) is not None and _spki(key) == ours
    ]
    if not found:
        number = len(certificates)
        what = "the certificate is not" if number == 1 else f"none of the {number} certificates is"
        reason = (
            f"{what} for the private key {holder.key_name}; import the one that was issued for a request "
            "made with that key"
        )
        raise ImportRefused(Check.VALIDITY, source, reason)
    if len(found) > 1:
        reason = (
            f"holds {len(found)} certificates for the private key {holder.key_name}; hand over one of them"
        )
        raise ImportRefused(Check.VALIDITY, source, reason)
    return found[0]


def _issuers(
    leaf: x509.Certificate, certificates: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return whoever stands above ``leaf`` by name, nearest first, without roots.

    Names are enough here: signatures are judged with the chain. A cross-signed authority is there twice.
    """
    above: list[x509.Certificate] = []
    rest = [each for each in certificates if each != leaf and each.subject != each.issuer]
    wanted = {leaf.issuer.public_bytes()}
    while True:
        found = [each for each in rest if each.subject.public_bytes() in wanted]
        if not found:
            return tuple(above)
        above += found
        rest = [each for each in rest if each not in found]
        wanted = {each.issuer.public_bytes() for each in found}


def _extension(certificate: x509.Certificate, kind: type[_Value]) -> _Value | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
