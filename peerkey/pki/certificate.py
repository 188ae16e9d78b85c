"""Bytes to certificates, within bounds.

Two kinds of bytes arrive. A peer's chain comes off the wire as DER, leaf first, and nothing in it
may be believed: :func:`parse_chain_untrusted` bounds it, reads every part that later code looks at,
and raises :class:`Malformed` and nothing else. An operator's file is PEM with whatever text was
pasted around it, or DER: :func:`read_bundle` raises :class:`~peerkey.errors.Misconfigured` with a
line that says what to do.

Reading proves nothing. A :class:`Chain` is only well-formed; :mod:`peerkey.pki.chain` judges it.
"""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from peerkey.errors import Malformed, Misconfigured
from peerkey.pki.identity import Names, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

#: Leaf, four intermediates and a root that need not be there.
MAXIMUM_CHAIN: Final = 6
#: ML-DSA-87 takes 7.5 KB, RSA-8192 3 KB; the rest is room for names.
MAXIMUM_CERTIFICATE_BYTES: Final = 16 * 1024
#: Names of one certificate that are looked at. More would only cost memory and log lines.
MAXIMUM_NAMES: Final = 64
#: Bytes of a file with trusted CAs: the usual bundle of public roots is 220 KB.
MAXIMUM_BUNDLE_BYTES: Final = 4 * 1024 * 1024
#: Certificates in one such file; the usual bundle has 150.
MAXIMUM_BUNDLE: Final = 1024

#: RFC 7468 section 5.1, and the older labels that its section 5.2 tells of.
_PEM_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?:X509 |X\.509 )?CERTIFICATE-----(?P<body>[^-]{1,65536})"
    rb"-----END (?:X509 |X\.509 )?CERTIFICATE-----",
)
#: The filters of warnings are the process's: two threads that change them at once leave the wrong ones.
_FILTERS: Final = Lock()
#: What every certificate in DER begins with.
_DER_SEQUENCE: Final = b"\x30"
_PEM_BEGIN: Final = re.compile(rb"-----BEGIN [A-Z0-9. ]{0,32}-----")
_PEM_BEGIN_CERTIFICATE: Final = re.compile(rb"-----BEGIN (?:X509 |X\.509 )?CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and whatever else came with it. Well-formed, and nothing more."""

    leaf: x509.Certificate
    #: In the order in which they came; not necessarily that of the chain, and not all needed.
    others: tuple[x509.Certificate, ...]
    public_key: CertificatePublicKeyTypes
    names: Names
    #: SHA-256 of the leaf's DER.
    fingerprint: bytes

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All of them, leaf first."""
        return (self.leaf, *self.others)


def fingerprint(certificate: x509.Certificate) -> bytes:
    """Return SHA-256 of the certificate's DER, 32 bytes, whatever hash it is signed with."""
    return sha256(certificate.public_bytes(Encoding.DER)).digest()


def public_key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the certificate's public key; ``None`` where it is broken or of a kind that is not known."""
    try:
        return certificate.public_key()
    except Exception:  # noqa: BLE001  # see _read
        return None


def parse_chain_untrusted(chain: Sequence[bytes]) -> Chain:
    """Read a chain that a peer sent: DER, leaf first.

    Raises:
        Malformed: more than :data:`MAXIMUM_CHAIN` certificates or none, one that is longer than
            :data:`MAXIMUM_CERTIFICATE_BYTES`, one that is not exactly one DER certificate of version 3
            with readable names, dates and extensions, or a leaf whose key is of a kind that is not known.
    """
    if not 1 <= len(chain) <= MAXIMUM_CHAIN:
        message = f"a chain of {len(chain)} certificates; 1 to {MAXIMUM_CHAIN} are accepted"
        raise Malformed(message)
    leaf, *others = (_certificate_untrusted(der, place) for place, der in enumerate(chain))
    public_key = public_key_of(leaf)
    if public_key is None:
        message = f"the key of the leaf cannot be read: {leaf.public_key_algorithm_oid.dotted_string}"
        raise Malformed(message)
    return Chain(leaf, tuple(others), public_key, names_of(leaf), sha256(chain[0]).digest())


def chain_of(certificates: Sequence[x509.Certificate]) -> Chain:
    """Make a chain of certificates that were read before, leaf first.

    Raises:
        Malformed: as :func:`parse_chain_untrusted` does.
    """
    return parse_chain_untrusted([certificate.public_bytes(Encoding.DER) for certificate in certificates])


def read_bundle(content: bytes, source: str) -> tuple[x509.Certificate, ...]:
    """Read an operator's certificates: PEM blocks anywhere in a text, or one DER certificate.

    Text around the blocks, Windows line ends and a missing final line end are all accepted, and so
    are several files that were appended without a line end between them. The order is kept.

    Arguments:
        content: what the file holds.
        source: the file's name, for the message.

    Raises:
        Misconfigured: no certificate, one that cannot be read, or too many.
    """
    if len(content) > MAXIMUM_BUNDLE_BYTES:
        message = f"{source}: {len(content)} bytes; at most {MAXIMUM_BUNDLE_BYTES} are read"
        raise Misconfigured(message)
    if _PEM_BEGIN.search(content) is None:
        if content[:1] != _DER_SEQUENCE:
            message = f"{source}: holds no certificate, neither in PEM nor in DER"
            raise Misconfigured(message)
        return (_operators_certificate(content, source, 1, pem=False),)
    blocks = list(_PEM_CERTIFICATE.finditer(content))
    begun = len(_PEM_BEGIN_CERTIFICATE.findall(content))
    if not begun:
        label = _PEM_BEGIN.findall(content)[0].decode().removeprefix("-----BEGIN ").removesuffix("-----")
        message = f"{source}: holds no certificate, but a {label}"
        raise Misconfigured(message)
    if begun != len(blocks):
        message = f"{source}: {begun} certificates begin but {len(blocks)} end; was the text cut?"
        raise Misconfigured(message)
    if begun > MAXIMUM_BUNDLE:
        message = f"{source}: {begun} certificates; at most {MAXIMUM_BUNDLE} are read"
        raise Misconfigured(message)
    return tuple(
        _operators_certificate(_rearmoured(block["body"]), source, number, pem=True)
        for number, block in enumerate(blocks, 1)
    )


def _certificate_untrusted(der: bytes, place: int) -> x509.Certificate:
    if len(der) > MAXIMUM_CERTIFICATE_BYTES:
        message = (
            f"certificate {place} has {len(der)} bytes; at most {MAXIMUM_CERTIFICATE_BYTES} are accepted"
        )
        raise Malformed(message)
    try:
        return _read(der, x509.load_der_x509_certificate)
    except _UnreadableError as error:
        message = f"certificate {place} cannot be read: {error}"
        raise Malformed(message) from error


class _UnreadableError(Exception):
    """These bytes are no certificate. Becomes the fault of whoever they came from."""


def _read(content: bytes, load: Callable[[bytes], x509.Certificate]) -> x509.Certificate:
    """Load a certificate and parse everything in it that later code looks at.

    ``cryptography`` parses names, dates and extensions only when asked, and what it then raises is
    not only ``ValueError``: fuzzing met exceptions of five unrelated classes, ``KeyError`` among them.
    Bytes from outside must not crash an actor, so where they are first read all of them are caught.
    """
    try:
        with warning_nobody():
            certificate = load(content)
            _check_every_part(certificate)
    except Exception as error:
        raise _UnreadableError(_brief(error)) from error
    return certificate


@contextmanager
def warning_nobody() -> Iterator[None]:
    """Keep what others wrote from making warnings appear in our log.

    `cryptography` warns of what it reads today and will not tomorrow: a serial number that is not
    positive (RFC 5280 section 4.1.2.2), say. That is refused already. It also warns of names that are
    longer than they should be ("C=Switzerland"), which trouble nobody.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        yield


def _check_every_part(certificate: x509.Certificate) -> None:
    """Parse what later code relies on; `cryptography` reads names and extensions only when asked."""
    if certificate.version is not x509.Version.v3:
        message = f"an X.509 certificate of version {certificate.version.name}, not v3"
        raise ValueError(message)
    if len(certificate.subject) > MAXIMUM_NAMES or len(certificate.issuer) > MAXIMUM_NAMES:
        message = f"a name of more than {MAXIMUM_NAMES} parts"
        raise ValueError(message)
    if certificate.not_valid_before_utc > certificate.not_valid_after_utc:
        message = "notBefore lies after notAfter"
        raise ValueError(message)
    if certificate.public_bytes(Encoding.DER)[-len(certificate.signature) - 1] != 0:
        # The count of unused bits before the signature is signed by nobody; were it free, anyone
        # could give a certificate another fingerprint.
        message = "a signature that is not whole bytes"
        raise ValueError(message)
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName) and len(list(value)) > MAXIMUM_NAMES:
            message = f"more than {MAXIMUM_NAMES} alternative names"
            raise ValueError(message)


def _operators_certificate(content: bytes, source: str, number: int, *, pem: bool) -> x509.Certificate:
    load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    try:
        certificate = _read(content, load)
    except _UnreadableError as error:
        message = f"{source}: certificate {number} cannot be read: {error}"
        raise Misconfigured(message) from error
    if public_key_of(certificate) is None:
        kind = certificate.public_key_algorithm_oid.dotted_string
        message = f"{source}: the key of certificate {number} cannot be read: {kind}"
        raise Misconfigured(message)
    return certificate


def _rearmoured(body: bytes) -> bytes:
    """Write a block anew: whatever became of its line breaks, the base64 between is what counts."""
    return b"-----BEGIN CERTIFICATE-----\n" + b"".join(body.split()) + b"\n-----END CERTIFICATE-----\n"


def _brief(error: Exception) -> str:
    """Return the first line of an error, short enough for a log line or a refusal."""
    known = isinstance(error, ValueError) and str(error)
    return (str(error) if known else f"{type(error).__name__} {error}").splitlines()[0][:160]
