"""The words of OpenSSL for extensions and names that few certificates have.

``cryptography`` leaves some of them as bytes, so a little DER is read here. What does not read is no reason
for anything but to be shown by its printable bytes, like an extension that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.certificate_transparency import SignatureAlgorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

POLICY_MAPPINGS: Final = "2.5.29.33"
NETSCAPE_CERT_TYPE: Final = "2.16.840.1.113730.1.1"
#: The extensions of which each holds one text.
NETSCAPE_TEXTS: Final = {
    "2.16.840.1.113730.1.2": "Netscape Base Url",
    "2.16.840.1.113730.1.3": "Netscape Revocation Url",
    "2.16.840.1.113730.1.4": "Netscape CA Revocation Url",
    "2.16.840.1.113730.1.7": "Netscape Renewal Url",
    "2.16.840.1.113730.1.8": "Netscape CA Policy Url",
    "2.16.840.1.113730.1.12": "Netscape SSL Server Name",
    "2.16.840.1.113730.1.13": "Netscape Comment",
}
#: What an extension is called that is shown here.
TITLES: Final = {NETSCAPE_CERT_TYPE: "Netscape Cert Type", **NETSCAPE_TEXTS}

#: From the first bit of the bit string.
_CERT_TYPES: Final = (
    "SSL Client",
    "SSL Server",
    "S/MIME",
    "Object Signing",
    "Unused",
    "SSL CA",
    "S/MIME CA",
    "Object Signing CA",
)
#: Forms of otherName that OpenSSL knows, each with the kind of string that it must be.
_OTHER_NAMES: Final = {
    "1.3.6.1.4.1.311.20.2.3": ("UPN", 0x0C),
    "1.3.6.1.5.5.7.8.5": ("XmppAddr", 0x0C),
    "1.3.6.1.5.5.7.8.7": ("SRVName", 0x16),
    "1.3.6.1.5.5.7.8.8": ("NAIRealm", 0x0C),
    "1.3.6.1.5.5.7.8.9": ("SmtpUTF8Mailbox", 0x0C),
}
_SEQUENCE, _OBJECT_IDENTIFIER, _BIT_STRING = 0x30, 0x06, 0x03
_UTF8_STRING, _IA5_STRING = 0x0C, 0x16
#: Bytes in a line of a log's id and of its signature.
_LINE: Final = 16


def shown(oid: str, der: bytes, word: Callable[[x509.ObjectIdentifier], str]) -> list[str] | None:
    """Return the lines for an extension that was left as bytes; ``None`` where it is not known or not so."""
    try:
        if oid == POLICY_MAPPINGS:
            return [", ".join(_mappings(der, word))]
        if oid == NETSCAPE_CERT_TYPE:
            return [", ".join(_cert_types(der))]
        if oid in NETSCAPE_TEXTS:
            return [_text(der, _IA5_STRING)]
    except ValueError:
        pass
    return None


def other_name(name: x509.OtherName) -> str:
    """Return an otherName: its form and its text, where it holds one."""
    kind, wanted = _OTHER_NAMES.get(name.type_id.dotted_string, (name.type_id.dotted_string, name.value[:1]))
    tag = name.value[0] if name.value else 0
    try:
        if tag not in {_UTF8_STRING, _IA5_STRING} or (isinstance(wanted, int) and tag != wanted):
            raise ValueError
        return f"othername: {kind}::{_text(name.value, tag)}"
    except ValueError:
        return "othername:<unsupported>" if isinstance(wanted, int) else f"othername: {kind}::<unsupported>"


def usage_period(value: x509.PrivateKeyUsagePeriod, time: Callable[[datetime], str]) -> list[str]:
    """Return from when until when the private key may be used (RFC 5280 appendix A.2)."""
    ends = (("Not Before", value.not_before), ("Not After", value.not_after))
    return [", ".join(f"{title}: {time(end)}" for title, end in ends if end is not None)]


def timestamps(value: Iterable[SignedCertificateTimestamp], time: Callable[[datetime], str]) -> Iterator[str]:
    """Return what logs have signed (RFC 6962), as far as their times and signatures go."""
    for each in value:
        yield "Signed Certificate Timestamp:"
        yield "    Version   : v1 (0x0)"
        yield from _labelled("Log ID    ", each.log_id)
        date, clock, year, zone = time(each.timestamp).rsplit(" ", 3)
        milliseconds = each.timestamp.microsecond // 1000
        yield f"    Timestamp : {date} {clock}.{milliseconds:03d} {year} {zone}"
        if each.extension_bytes:
            yield from _labelled("Extensions", each.extension_bytes)
        else:
            yield "    Extensions: none"
        hashed = each.signature_hash_algorithm.name.upper()
        family = "ecdsa-with-" if each.signature_algorithm is SignatureAlgorithm.ECDSA else ""
        yield f"    Signature : {family}{hashed}{'' if family else 'WithRSAEncryption'}"
        yield from (f"                {line}" for line in _lines(each.signature))


def _labelled(label: str, content: bytes) -> Iterator[str]:
    first, *others = _lines(content)
    yield f"    {label}: {first}"
    yield from (f"                {line}" for line in others)


def _lines(content: bytes) -> list[str]:
    lines = [content[place : place + _LINE].hex(":").upper() for place in range(0, len(content), _LINE)]
    return [f"{line}:" for line in lines[:-1]] + lines[-1:]


def _mappings(der: bytes, word: Callable[[x509.ObjectIdentifier], str]) -> Iterator[str]:
    """Yield each pair of policies (RFC 5280 section 4.2.1.5)."""
    for pair in _elements(_content(der, _SEQUENCE)):
        policies = [_oid(each) for each in _elements(_content(pair, _SEQUENCE))]
        if len(policies) != 2:  # noqa: PLR2004 - a pair
            raise ValueError
        yield ":".join(map(word, policies))


def _cert_types(der: bytes) -> Iterator[str]:
    bits = _content(der, _BIT_STRING)
    if len(bits) < 2 or bits[0] > 7:  # noqa: PLR2004 - a count of unused bits, and a byte of them
        raise ValueError
    for place, title in enumerate(_CERT_TYPES):
        if bits[1] & (0x80 >> place):
            yield title


def _text(der: bytes, tag: int) -> str:
    return _content(der, tag).decode("utf-8" if tag == _UTF8_STRING else "ascii")


def _oid(der: bytes) -> x509.ObjectIdentifier:
    """Read an object identifier (X.690 section 8.19)."""
    content = _content(der, _OBJECT_IDENTIFIER)
    if not content or content[-1] & 0x80:
        raise ValueError
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return x509.ObjectIdentifier(".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:]))))


def _content(der: bytes, tag: int) -> bytes:
    """Return the contents of the one element that ``der`` is."""
    (element,) = _elements(der)
    if element[0] != tag:
        raise ValueError
    return element[_begin(element) :]


def _elements(der: bytes) -> list[bytes]:
    """Split what stands one behind the other."""
    found = []
    while der:
        begin = _begin(der)
        length = der[1] if der[1] < 0x80 else int.from_bytes(der[2:begin])  # noqa: PLR2004 - the long form
        if len(der) < begin + length:
            raise ValueError
        found.append(der[: begin + length])
        der = der[begin + length :]
    return found


def _begin(der: bytes) -> int:
    """Return how long tag and length are."""
    if len(der) < 2:  # noqa: PLR2004 - a tag and a length
        raise ValueError
    return 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
