"""Revocation lists whose entries are written as bytes: of any size in moments, and of any faults.

    large_list(ca.intermediate, usual_entries(1_000_000, Random(1)))

``cryptography`` writes a list of a million entries in half a minute, and none that is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki.der import BIT_STRING, INTEGER, SEQUENCE, UTC_TIME, element, element_untrusted
from peerkey.pki.laboratory import hash_of
from peerkey.pki.list_frame import open_list_untrusted
from peerkey.testing.lists import revocation_list

if TYPE_CHECKING:
    from random import Random

    from cryptography import x509

    from peerkey.pki.laboratory import Authority, SigningKey

#: reasonCode, not critical, in front of the reason.
_REASON: Final = bytes.fromhex("300c300a0603551d1504030a01")
_FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_DAYS: Final = 5 * 365


def large_list(
    issuer: Authority, entries: bytes, *, number: int = 1, scope: x509.IssuingDistributionPoint | None = None
) -> bytes:
    """Return, in DER, the list of ``issuer`` with these entries, elements one behind the other."""
    empty = revocation_list(issuer, number=number, scope=scope).public_bytes(Encoding.DER)
    frame = open_list_untrusted(empty)
    place, (begin, end) = frame.entries[0], frame.signed
    _, inner, _ = element_untrusted(empty, begin, end)
    _, _, signature = element_untrusted(empty, end, len(empty))
    listed = element(SEQUENCE, entries) if entries else b""
    signed = element(SEQUENCE, empty[inner:place] + listed + empty[place:end])
    made = element(BIT_STRING, b"\0" + _signature(issuer.key, signed))
    return element(SEQUENCE, signed + empty[end:signature] + made)


def usual_entries(count: int, random: Random, *, width: int = 16, reasons: float = 0.5) -> bytes:
    """Return entries of the usual form: random serial numbers, dates of five years, some with a reason."""
    days = [f"{_FIRST + timedelta(days=day):%y%m%d}".encode() for day in range(_DAYS)]
    written = []
    for _ in range(count):
        serial = random.randbytes(width)
        day, second = days[int(random.random() * len(days))], int(random.random() * 86400)
        date = b"%b%02d%02d%02dZ" % (day, second // 3600, second // 60 % 60, second % 60)
        reason = _REASON + bytes((random.choice((1, 3, 4, 5)),)) if random.random() < reasons else b""
        written.append(entry(serial, date, reason))
    return b"".join(written)


def entry(serial: bytes, date: bytes, extensions: bytes = b"") -> bytes:
    """Return one entry; leading zeros of ``serial`` are brought into order."""
    number = serial.lstrip(b"\0") or b"\0"
    if number[0] & 0x80:
        number = b"\0" + number
    return element(SEQUENCE, element(INTEGER, number) + element(UTC_TIME, date) + extensions)


def _signature(key: SigningKey, signed: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(signed, ec.ECDSA(hash_of(key.curve), deterministic_signing=True))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(signed)
