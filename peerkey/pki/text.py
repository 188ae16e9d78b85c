"""A certificate as ``openssl x509 -text`` prints it: "all OpenSSL details about the certificate".

Operators compare this with what other tools print, so the words, their order and their places are OpenSSL's.
Two things follow newer versions of it: names are written ``CN=x`` without spaces, and ML-DSA has its name. An
extension of an unknown kind is shown as OpenSSL shows it, by its printable bytes. Nothing a certificate holds
reaches a terminal as a control character: whoever prints the lines shows printable text alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
    NameOID,
    SubjectInformationAccessOID,
)

from peerkey.pki import rare_extensions
from peerkey.pki.certificate import public_key_of

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

#: How many bytes OpenSSL writes into a line of a key, and of a signature.
_KEY_LINE: Final = 15
_SIGNATURE_LINE: Final = 18
#: Up to here a serial number is written as a number.
_SHORT_SERIAL: Final = 2**63
#: RFC 4055 section 3.1.
_DEFAULT_SALT: Final = 20
#: The printable characters of ASCII.
_ASCII: Final = range(0x20, 0x7F)
#: What RFC 2253 has in a value between quotation marks.
_QUOTED: Final = frozenset(',+"<>;')

#: Where OpenSSL's word for an object identifier is not that of `cryptography`.
_OIDS: Final = {
    "1.2.840.113549.1.1.1": "rsaEncryption",
    "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.10045.2.1": "id-ecPublicKey",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
    "2.5.29.32.0": "X509v3 Any Policy",
    "1.2.840.10040.4.1": "dsaEncryption",
    "1.2.840.10040.4.3": "dsaWithSHA1",
    "1.3.14.3.2.29": "sha1WithRSA",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_CURVES: Final = {
    "secp256r1": ("prime256v1", "P-256"),
    "secp384r1": ("secp384r1", "P-384"),
    "secp521r1": ("secp521r1", "P-521"),
}
_ATTRIBUTES: Final = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.INITIALS: "initials",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.TITLE: "title",
}
_EXTENSIONS: Final = {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "X509v3 Subject Key Identifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "X509v3 Authority Key Identifier",
    ExtensionOID.BASIC_CONSTRAINTS: "X509v3 Basic Constraints",
    ExtensionOID.KEY_USAGE: "X509v3 Key Usage",
    ExtensionOID.EXTENDED_KEY_USAGE: "X509v3 Extended Key Usage",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "X509v3 Subject Alternative Name",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "X509v3 Issuer Alternative Name",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "X509v3 CRL Distribution Points",
    ExtensionOID.FRESHEST_CRL: "X509v3 Freshest CRL",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "Authority Information Access",
    ExtensionOID.SUBJECT_INFORMATION_ACCESS: "Subject Information Access",
    ExtensionOID.CERTIFICATE_POLICIES: "X509v3 Certificate Policies",
    ExtensionOID.NAME_CONSTRAINTS: "X509v3 Name Constraints",
    ExtensionOID.POLICY_CONSTRAINTS: "X509v3 Policy Constraints",
    ExtensionOID.INHIBIT_ANY_POLICY: "X509v3 Inhibit Any Policy",
    ExtensionOID.OCSP_NO_CHECK: "OCSP No Check",
    ExtensionOID.POLICY_MAPPINGS: "X509v3 Policy Mappings",
    ExtensionOID.PRIVATE_KEY_USAGE_PERIOD: "X509v3 Private Key Usage Period",
    ExtensionOID.PRECERT_POISON: "CT Precertificate Poison",
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS: "CT Precertificate SCTs",
    ExtensionOID.TLS_FEATURE: "TLS Feature",
    ExtensionOID.SUBJECT_DIRECTORY_ATTRIBUTES: "X509v3 Subject Directory Attributes",
}
_USAGES: Final = (
    ("digital_signature", "Digital Signature"),
    ("content_commitment", "Non Repudiation"),
    ("key_encipherment", "Key Encipherment"),
    ("data_encipherment", "Data Encipherment"),
    ("key_agreement", "Key Agreement"),
    ("key_cert_sign", "Certificate Sign"),
    ("crl_sign", "CRL Sign"),
    ("encipher_only", "Encipher Only"),
    ("decipher_only", "Decipher Only"),
)
PURPOSES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS Web Server Authentication",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS Web Client Authentication",
    ExtendedKeyUsageOID.CODE_SIGNING: "Code Signing",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "E-mail Protection",
    ExtendedKeyUsageOID.TIME_STAMPING: "Time Stamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP Signing",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "Any Extended Key Usage",
}
_ACCESS: Final = {
    AuthorityInformationAccessOID.OCSP: "OCSP",
    AuthorityInformationAccessOID.CA_ISSUERS: "CA Issuers",
    SubjectInformationAccessOID.CA_REPOSITORY: "CA Repository",
}
_REASONS: Final = {
    x509.ReasonFlags.key_compromise: "Key Compromise",
    x509.ReasonFlags.ca_compromise: "CA Compromise",
    x509.ReasonFlags.affiliation_changed: "Affiliation Changed",
    x509.ReasonFlags.superseded: "Superseded",
    x509.ReasonFlags.cessation_of_operation: "Cessation Of Operation",
    x509.ReasonFlags.certificate_hold: "Certificate Hold",
    x509.ReasonFlags.privilege_withdrawn: "Privilege Withdrawn",
    x509.ReasonFlags.aa_compromise: "AA Compromise",
}


def lines(certificate: x509.Certificate) -> list[str]:
    """Return the text, line by line."""
    return [
        "Certificate:",
        "    Data:",
        f"        Version: {certificate.version.value + 1} (0x{certificate.version.value:x})",
        *_serial(certificate.serial_number),
        *_within(8, _algorithm(certificate)),
        f"        Issuer: {_name(certificate.issuer)}",
        "        Validity",
        f"            Not Before: {spelled(certificate.not_valid_before_utc)}",
        f"            Not After : {spelled(certificate.not_valid_after_utc)}",
        f"        Subject: {_name(certificate.subject)}",
        "        Subject Public Key Info:",
        f"            Public Key Algorithm: {word(certificate.public_key_algorithm_oid)}",
        *_within(16, _key(public_key_of(certificate))),
        *_within(8, _all_extensions(certificate)),
        f"    Signature Algorithm: {word(certificate.signature_algorithm_oid)}",
        "    Signature Value:",
        # OpenSSL repeats the parameters there, and so does whoever compares line by line.
        *_within(4, _algorithm(certificate)[1:]),
        *_within(8, _hex(certificate.signature, _SIGNATURE_LINE)),
    ]


def word(oid: x509.ObjectIdentifier) -> str:
    """Return OpenSSL's word for an object identifier, or its digits."""
    known = _OIDS.get(oid.dotted_string) or PURPOSES.get(oid)
    if known is not None:
        return known
    name = oid._name  # noqa: SLF001 - the table of signature algorithms, which has no other door
    return oid.dotted_string if name == "Unknown OID" else name


def _algorithm(certificate: x509.Certificate) -> list[str]:
    found = [f"Signature Algorithm: {word(certificate.signature_algorithm_oid)}"]
    if certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSASSA_PSS:
        try:
            hashed = certificate.signature_hash_algorithm
            parameters: Any = certificate.signature_algorithm_parameters
        except (ValueError, UnsupportedAlgorithm):
            return [*found, "    (INVALID PSS PARAMETERS)"]
        # What is not written in the certificate is what OpenSSL calls the default.
        default = " (default)" if hashed is not None and hashed.name == "sha1" else ""
        name = f"{hashed.name}{default}" if hashed is not None else "unknown"
        salt = parameters._salt_length  # noqa: SLF001 - it has no other door
        found += [
            f"    Hash Algorithm: {name}",
            f"    Mask Algorithm: mgf1 with {name}",
            f"     Salt Length: 0x{salt:02X}{' (default)' if salt == _DEFAULT_SALT else ''}",
            "    Trailer Field: 0x01 (default)",
        ]
    return found


def _serial(serial: int) -> list[str]:
    if abs(serial) < _SHORT_SERIAL:
        return [f"        Serial Number: {serial} ({'-' if serial < 0 else ''}0x{abs(serial):x})"]
    size = (abs(serial).bit_length() + 7) // 8
    return ["        Serial Number:", f"            {abs(serial).to_bytes(size).hex(':')}"]


def spelled(time: datetime) -> str:
    """Write a time as OpenSSL does, whatever the language of this machine."""
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[
        time.month - 1
    ]
    return f"{month} {time.day:2d} {time:%H:%M:%S} {time.year} GMT"


def _name(name: x509.Name) -> str:
    return ", ".join(
        " + ".join(f"{_ATTRIBUTES.get(each.oid, word(each.oid))}={_value(each.value)}" for each in part)
        for part in name.rdns
    )


def _value(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return value.hex().upper()
    return f'"{value}"' if _QUOTED & set(value) or value != value.strip(" ") else value


def _key(key: CertificatePublicKeyTypes | None) -> Iterator[str]:
    match key:
        case rsa.RSAPublicKey():
            numbers = key.public_numbers()
            yield f"Public-Key: ({key.key_size} bit)"
            yield "Modulus:"
            yield from _within(4, _hex(numbers.n.to_bytes(key.key_size // 8 + 1), _KEY_LINE))
            yield f"Exponent: {numbers.e} (0x{numbers.e:x})"
        case ec.EllipticCurvePublicKey():
            yield f"Public-Key: ({key.curve.key_size} bit)"
            yield "pub:"
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            yield from _within(4, _hex(point, _KEY_LINE))
            name, nist = _CURVES.get(key.curve.name, (key.curve.name, ""))
            yield f"ASN1 OID: {name}"
            if nist:
                yield f"NIST CURVE: {nist}"
        case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey():
            yield f"{type(key).__name__.removesuffix('PublicKey').replace('MLDSA', 'ML-DSA-')} Public-Key:"
            yield "pub:"
            yield from _within(4, _hex(key.public_bytes_raw(), _KEY_LINE))
        case _:
            yield "Unable to load Public Key"


def _all_extensions(certificate: x509.Certificate) -> Iterator[str]:
    if not len(certificate.extensions):
        return
    yield "X509v3 extensions:"
    for extension in certificate.extensions:
        digits = extension.oid.dotted_string
        name = _EXTENSIONS.get(extension.oid) or rare_extensions.TITLES.get(digits, digits)
        yield f"    {name}: {'critical' if extension.critical else ''}"
        yield from _within(8, _extension(extension))


def _extension(extension: x509.Extension[x509.ExtensionType]) -> Iterable[str]:
    show = _SHOWN.get(type(extension.value))
    if show is not None:
        return show(extension.value)
    der = extension.value.public_bytes()
    return rare_extensions.shown(extension.oid.dotted_string, der, word) or [_printable(der)]


def _basic_constraints(value: x509.BasicConstraints) -> list[str]:
    length = "" if value.path_length is None else f", pathlen:{value.path_length}"
    return [f"CA:{'TRUE' if value.ca else 'FALSE'}{length}"]


def _key_usage(value: x509.KeyUsage) -> list[str]:
    # The last two mean nothing, and may not be asked for, without key agreement.
    usages = _USAGES if value.key_agreement else _USAGES[:-2]
    return [", ".join(text for name, text in usages if getattr(value, name))]


def _authority_key(value: x509.AuthorityKeyIdentifier) -> Iterator[str]:
    several = bool(value.authority_cert_issuer or value.authority_cert_serial_number is not None)
    if value.key_identifier is not None:
        yield f"{'keyid:' if several else ''}{value.key_identifier.hex(':').upper()}"
    for name in value.authority_cert_issuer or ():
        yield general(name)
    serial = value.authority_cert_serial_number
    if serial is not None:
        yield f"serial:{serial.to_bytes((serial.bit_length() + 7) // 8 or 1).hex(':').upper()}"


def _points(value: Iterable[x509.DistributionPoint]) -> Iterator[str]:
    for point in value:
        if point.full_name:
            yield "Full Name:"
            yield from _within(2, map(_spaced, point.full_name))
        if point.relative_name:
            yield "Relative Name:"
            yield f"  {_name(x509.Name([point.relative_name]))}"
        if point.reasons:
            yield "Reasons:"
            yield "  " + ", ".join(text for reason, text in _REASONS.items() if reason in point.reasons)
        if point.crl_issuer:
            yield "CRL Issuer:"
            yield from _within(2, map(_spaced, point.crl_issuer))


def _policies(value: Iterable[x509.PolicyInformation]) -> Iterator[str]:
    for policy in value:
        yield f"Policy: {word(policy.policy_identifier)}"
        for qualifier in policy.policy_qualifiers or ():
            if isinstance(qualifier, str):
                yield f"  CPS: {qualifier}"
                continue
            yield "  User Notice:"
            if qualifier.notice_reference is not None:
                numbers = qualifier.notice_reference.notice_numbers
                yield f"    Organization: {qualifier.notice_reference.organization}"
                yield f"    Number{'s' if len(numbers) > 1 else ''}: {', '.join(map(str, numbers))}"
            if qualifier.explicit_text is not None:
                yield f"    Explicit Text: {qualifier.explicit_text}"


def _name_constraints(value: x509.NameConstraints) -> Iterator[str]:
    for title, names in (("Permitted", value.permitted_subtrees), ("Excluded", value.excluded_subtrees)):
        if names:
            yield f"{title}:"
            yield from _within(2, map(_constraint, names))


def _constraint(name: x509.GeneralName) -> str:
    if isinstance(name, x509.IPAddress):
        network: Any = name.value
        return f"IP:{_address(network.network_address)}/{_address(network.netmask)}"
    return _spaced(name)


def _spaced(name: x509.GeneralName) -> str:
    """Return a name where OpenSSL writes those of directories as it writes a subject."""
    return f"DirName:{_name(name.value)}" if isinstance(name, x509.DirectoryName) else general(name)


def _policy_constraints(value: x509.PolicyConstraints) -> list[str]:
    parts = (
        ("Require Explicit Policy", value.require_explicit_policy),
        ("Inhibit Policy Mapping", value.inhibit_policy_mapping),
    )
    return [", ".join(f"{title}:{number}" for title, number in parts if number is not None)]


def general(name: x509.GeneralName) -> str:
    """Return a name with its kind, as OpenSSL writes both."""
    match name:
        case x509.DNSName(value=value):
            return f"DNS:{value}"
        case x509.UniformResourceIdentifier(value=value):
            return f"URI:{value}"
        case x509.RFC822Name(value=value):
            return f"email:{value}"
        case x509.DirectoryName(value=inner):
            return f"DirName:{slashed(inner)}"
        case x509.RegisteredID(value=oid):
            return f"Registered ID:{oid.dotted_string}"
        case x509.IPAddress(value=address):
            return f"IP Address:{_address(address)}"
        case x509.OtherName():
            return rare_extensions.other_name(name)
        case _:
            return "<unsupported>"


def _address(address: Any) -> str:  # noqa: ANN401 - one of four types of the standard library
    whole: str = address.exploded
    return ":".join(f"{int(part, 16):X}" for part in whole.split(":")) if ":" in whole else whole


def slashed(name: x509.Name) -> str:
    """Return a name as audit events and OpenSSL's older places write it: ``/C=US/O=Example/CN=WR2``."""
    return "".join(f"/{_ATTRIBUTES.get(each.oid, word(each.oid))}={each.value!s}" for each in name)


def _access(value: Iterable[x509.AccessDescription]) -> list[str]:
    return [
        f"{_ACCESS.get(each.access_method, word(each.access_method))} - {general(each.access_location)}"
        for each in value
    ]


def _names(value: Iterable[x509.GeneralName]) -> list[str]:
    return [", ".join(map(general, value))]


_SHOWN: Final[dict[type, Callable[[Any], Iterable[str]]]] = {
    x509.BasicConstraints: _basic_constraints,
    x509.KeyUsage: _key_usage,
    x509.ExtendedKeyUsage: lambda value: [", ".join(map(word, value))],
    x509.SubjectKeyIdentifier: lambda value: [value.digest.hex(":").upper()],
    x509.AuthorityKeyIdentifier: _authority_key,
    x509.SubjectAlternativeName: _names,
    x509.IssuerAlternativeName: _names,
    x509.CRLDistributionPoints: _points,
    x509.FreshestCRL: _points,
    x509.AuthorityInformationAccess: _access,
    x509.SubjectInformationAccess: _access,
    x509.CertificatePolicies: _policies,
    x509.NameConstraints: _name_constraints,
    x509.PolicyConstraints: _policy_constraints,
    x509.InhibitAnyPolicy: lambda value: [str(value.skip_certs)],
    x509.OCSPNoCheck: lambda _: [],
    x509.PrecertPoison: lambda _: ["NULL"],
    x509.PrivateKeyUsagePeriod: lambda value: rare_extensions.usage_period(value, spelled),
    x509.PrecertificateSignedCertificateTimestamps: lambda value: rare_extensions.timestamps(value, spelled),
    x509.TLSFeature: lambda value: [", ".join(each.name for each in value)],
}


def _printable(content: bytes) -> str:
    return "".join(chr(byte) if byte in _ASCII else "." for byte in content)


def _hex(content: bytes, width: int) -> Iterator[str]:
    for place in range(0, len(content), width):
        end = ":" if place + width < len(content) else ""
        yield content[place : place + width].hex(":") + end


def _within(indent: int, inner: Iterable[str]) -> Iterator[str]:
    return (f"{' ' * indent}{line}" for line in inner)
