"""A certificate signing request: what a node asks its certificate authority for (PKCS#10, RFC 2986).

    "The public key is used to create an X.509 certificate signing request (CSR) with the common name field
    set to the router's UUID."

:class:`Wanted` is what stands in it; a value that no certificate could hold is told with the field that it
was meant for (:class:`BadField`), before anything is signed. :func:`request` signs with whatever stands for
the private key. The authority decides about dates, so ``validity_period_days`` is a wish that the audit event
keeps and PKCS#10 has no place for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from peerkey.errors import Misconfigured
from peerkey.observe.events import CsrGenerated
from peerkey.pki.certificate import MAXIMUM_NAMES
from peerkey.pki.identity import as_uuid
from peerkey.pki.laboratory import LEAF_PURPOSES, LEAF_USAGE, SigningKey, hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A hundred years: more is a slip of the keyboard.
MAXIMUM_VALIDITY_DAYS: Final = 36_500
#: An ML-DSA-87 key and its signature have 7.2 KB, in PEM 10; the rest is room for names.
MAXIMUM_REQUEST_BYTES: Final = 64 * 1024
#: ub-emailaddress-length, and the length of anything else that is written as IA5String here.
_LONGEST_IA5: Final = 255
#: RFC 1035 section 2.3.4.
_LONGEST_DNS_NAME: Final = 253
_DNS_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_EMAIL: Final = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


class BadField(Misconfigured):
    """A value that no certificate could hold; :attr:`field` is the one that it was meant for."""

    def __init__(self, field: str, why: str) -> None:
        """Say of ``field`` why its value cannot be taken."""
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class _Part:
    """One attribute of the subject, with its upper bound (RFC 5280 appendix A.1)."""

    oid: x509.ObjectIdentifier
    longest: int


#: In the order in which they stand in the subject. The names are those of the audit event.
PARTS: Final = {
    "country_name": _Part(NameOID.COUNTRY_NAME, 2),
    "state_province_name": _Part(NameOID.STATE_OR_PROVINCE_NAME, 128),
    "locality_name": _Part(NameOID.LOCALITY_NAME, 128),
    "organization_name": _Part(NameOID.ORGANIZATION_NAME, 64),
    "organizational_unit_name": _Part(NameOID.ORGANIZATIONAL_UNIT_NAME, 64),
    "common_name": _Part(NameOID.COMMON_NAME, 64),
    "email_address": _Part(NameOID.EMAIL_ADDRESS, _LONGEST_IA5),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Make sure of it with :func:`checked`; what is empty is left out."""

    #: What the certificate is called here; it is in no request.
    name: str
    common_name: str
    country_name: str = ""
    state_province_name: str = ""
    locality_name: str = ""
    organization_name: str = ""
    organizational_unit_name: str = ""
    email_address: str = ""
    validity_period_days: int = 365
    #: As ``TYPE:VALUE``, where the type is one of :data:`ALTERNATIVE_NAMES`.
    sans: tuple[str, ...] = ()


def checked_part(field: str, value: str) -> str:
    """Return the value of one part of the subject, if a certificate can hold it.

    Raises:
        BadField: it is too long, holds control characters, or is not of the part's form.
    """
    longest = PARTS[field].longest
    if not value.isprintable():
        raise BadField(field, "holds a control character or a line end; only printable text is taken")
    if field == "country_name" and value and not _COUNTRY.fullmatch(value):
        raise BadField(
            field, f"{value[:20]!a} is no country; write the two capital letters of ISO 3166, as in US"
        )
    if len(value) > longest:
        raise BadField(field, f"{len(value)} characters; at most {longest} are allowed (RFC 5280)")
    if field == "common_name" and not value:
        raise BadField(field, "is empty; it names the node")
    if field == "email_address" and value and not _EMAIL.fullmatch(value):
        raise BadField(field, f"{value[:64]!a} is no address; write one as in admin@example.com")
    return value


def checked(wanted: Wanted) -> Wanted:
    """Return ``wanted``, if all of it can stand in a certificate.

    Raises:
        BadField: the first field of which that is not so.
    """
    for field in PARTS:
        checked_part(field, getattr(wanted, field))
    if not wanted.name or not wanted.name.isprintable() or len(wanted.name) > _LONGEST_IA5:
        raise BadField("name", f"has 1 to {_LONGEST_IA5} printable characters")
    if not 1 <= wanted.validity_period_days <= MAXIMUM_VALIDITY_DAYS:
        raise BadField("validity_period_days", f"is a number from 1 to {MAXIMUM_VALIDITY_DAYS}")
    if len(wanted.sans) > MAXIMUM_NAMES:
        raise BadField("san", f"{len(wanted.sans)} alternative names; peers read at most {MAXIMUM_NAMES}")
    for san in wanted.sans:
        alternative_name(san)
    return wanted


def alternative_name(written: str) -> x509.GeneralName:
    """Return the alternative name that ``TYPE:VALUE`` stands for.

    Raises:
        BadField: the type is not known, or the value is not of its form.
    """
    kind, colon, value = written.partition(":")
    make = ALTERNATIVE_NAMES.get(kind.lower()) if colon else None
    if make is None:
        raise BadField(
            "san", f"{written[:64]!a}: write TYPE:VALUE, where TYPE is {', '.join(ALTERNATIVE_NAMES)}"
        )
    if not value or len(value) > _LONGEST_IA5 or not (value.isascii() and value.isprintable()):
        raise BadField("san", f"{kind}: a value has 1 to {_LONGEST_IA5} printable characters of ASCII")
    return make(value)


def request(wanted: Wanted, key: SigningKey) -> x509.CertificateSigningRequest:
    """Sign a request for the certificate of ``key`` with that key.

    Raises:
        BadField: as :func:`checked` does.
    """
    checked(wanted)
    names = dict.fromkeys(alternative_name(san) for san in wanted.sans)
    alternative = x509.SubjectAlternativeName(names) if names else None
    return _signed(x509.Name(_subject(wanted)), alternative, key, critical=False)


def request_again(certificate: x509.Certificate, key: SigningKey) -> x509.CertificateSigningRequest:
    """Sign a request for a certificate in the place of ``certificate``, for the same names.

    "The request Subject field and SubjectAltName extension MUST be identical to the corresponding fields in
    the certificate being renewed/rekeyed" (RFC 7030 section 4.2.2).
    """
    try:
        known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return _signed(certificate.subject, None, key, critical=False)
    return _signed(certificate.subject, known.value, key, critical=known.critical)


def generated_again(name: str, certificate: x509.Certificate) -> CsrGenerated:
    """Return the event of :func:`request_again`; ``name`` is what the certificate is called."""
    values = {
        field: ", ".join(str(each.value) for each in certificate.subject.get_attributes_for_oid(part.oid))
        for field, part in PARTS.items()
    }
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return CsrGenerated(name=name, **values, validity_period_days=max(1, round(lifetime / timedelta(days=1))))


def _signed(
    subject: x509.Name, alternative: x509.SubjectAlternativeName | None, key: SigningKey, *, critical: bool
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(LEAF_USAGE, critical=True).add_extension(LEAF_PURPOSES, critical=False)
    if alternative is not None:
        builder = builder.add_extension(alternative, critical=critical)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, hash_of(key.curve))
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)


def read_request(content: bytes, source: str) -> x509.CertificateSigningRequest:
    """Return the request in a file: PEM or DER, signed by its own key.

    Raises:
        Misconfigured: it cannot be read, or its signature is not that of its key.
    """
    load = x509.load_pem_x509_csr if b"-----BEGIN" in content else x509.load_der_x509_csr
    message = (
        f"{source}: not a certificate signing request; make one with `peerkey create certificate-request`"
    )
    if len(content) > MAXIMUM_REQUEST_BYTES:
        raise Misconfigured(message)
    try:
        found = load(content)
        genuine = found.is_signature_valid
    except Exception:  # noqa: BLE001 - a parser of bytes from outside: whatever it raises, they are no request
        raise Misconfigured(message) from None
    if not genuine:
        raise Misconfigured(message)
    return found


def generated(wanted: Wanted) -> CsrGenerated:
    """Return the event of a request."""
    return CsrGenerated(
        name=wanted.name,
        common_name=wanted.common_name,
        country_name=wanted.country_name,
        state_province_name=wanted.state_province_name,
        locality_name=wanted.locality_name,
        organization_name=wanted.organization_name,
        organizational_unit_name=wanted.organizational_unit_name,
        email_address=wanted.email_address,
        validity_period_days=wanted.validity_period_days,
    )


def _subject(wanted: Wanted) -> Iterator[x509.NameAttribute[str]]:
    for field, part in PARTS.items():
        value = getattr(wanted, field)
        if value:
            yield x509.NameAttribute(part.oid, value)


def _uuid(value: str) -> x509.GeneralName:
    uuid = as_uuid(value)
    if uuid is None:
        raise BadField("san", f"uuid: {value!a} is no UUID; write it as 8-4-4-4-12 digits")
    return x509.UniformResourceIdentifier(f"urn:uuid:{uuid}")


def _ip(value: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(value))
    except ValueError:
        raise BadField("san", f"ip: {value!a} is no IP address") from None


def _dns(value: str) -> x509.GeneralName:
    if len(value) > _LONGEST_DNS_NAME or not _DNS_NAME.fullmatch(value):
        raise BadField("san", f"dns: {value!a} is no host name")
    return x509.DNSName(value)


def _uri(value: str) -> x509.GeneralName:
    if not _URI.fullmatch(value):
        raise BadField("san", f"uri: {value!a} is no URI; it begins with a scheme, as in https:")
    return x509.UniformResourceIdentifier(value)


def _email(value: str) -> x509.GeneralName:
    if not _EMAIL.fullmatch(value):
        raise BadField("san", f"email: {value!a} is no address; write one as in admin@example.com")
    return x509.RFC822Name(value)


#: How each type of alternative name is made. ``urn_ssr_peering`` is the original's word for it.
ALTERNATIVE_NAMES: Final[dict[str, Callable[[str], x509.GeneralName]]] = {
    "uuid": _uuid,
    "urn_ssr_peering": lambda value: _uri(f"urn:ssr:peering:{value}"),
    "dns": _dns,
    "ip": _ip,
    "uri": _uri,
    "email": _email,
}
