"""The other reader of revocation lists, ``cryptography``, and what both say of one list."""

from __future__ import annotations

from collections import Counter

from cryptography import x509

from peerkey.errors import Malformed
from peerkey.pki.certificate import warning_nobody
from peerkey.pki.crl_pass import read_entries_untrusted
from peerkey.pki.list_frame import open_list_untrusted
from peerkey.pki.revocation import RevokedEntry
from peerkey.pki.when import FIRST, LAST, WHEN_BYTES

#: Issuer (DER), serial number, date and reason, as text.
Named = tuple[bytes, int, str]
#: What only ours refuses says so in one of these words: a bound of ours, or a form that nobody writes.
OURS_ALONE = ("at most", "more than", "a tag of several bytes")


def ours(der: bytes) -> Counter[Named]:
    """Return what the pass reads. Raises Malformed."""
    entries = read_entries_untrusted(open_list_untrusted(der))
    said: Counter[Named] = Counter()
    for (issuer, width), gathering in entries.records.items():
        records = gathering.records()
        full = width + WHEN_BYTES
        assert len(records) % full == 0
        for at in range(0, len(records), full):
            serial = int.from_bytes(records[at : at + width], "big")
            assert records[at] or width == 1, "a leading zero"
            said[issuer, serial, str(RevokedEntry(serial, bytes(records[at + width : at + full])))] += 1
    return said


def theirs(der: bytes) -> Counter[Named]:
    """Return what ``cryptography`` reads. Raises whatever it raises."""
    said: Counter[Named] = Counter()
    with warning_nobody():
        crl = x509.load_der_x509_crl(der)
        _ = (list(crl.extensions), crl.issuer.public_bytes(), crl.last_update_utc, crl.next_update_utc)
        issuer = crl.issuer.public_bytes()
        for revoked in crl:
            reason = None
            for extension in revoked.extensions:
                if isinstance(extension.value, x509.CRLReason):
                    reason = extension.value.reason
                elif isinstance(extension.value, x509.CertificateIssuer):
                    names = extension.value.get_values_for_type(x509.DirectoryName)
                    issuer = next((name.public_bytes() for name in names), b"")
            # A certificate with a negative serial number is read nowhere, so that no entry names one.
            if revoked.serial_number >= 0:
                since = f"since {min(max(revoked.revocation_date_utc, FIRST), LAST):%Y-%m-%d %H:%M:%S}Z"
                why = f" ({reason.value})" if reason is not None else ""
                said[issuer, revoked.serial_number, since + why] += 1
    return said


def agreed(der: bytes) -> Counter[Named] | None:
    """Return what both read; ``None`` where both refuse, or ours does for a reason of its own.

    Raises:
        AssertionError: they differ.
    """
    try:
        expected = theirs(der)
    except Exception as error:  # what it raises has no common ancestor
        try:
            read = ours(der)
        except Malformed:
            return None
        message = f"{der.hex()} is refused by cryptography ({error!r}), but read as {read}"
        raise AssertionError(message) from error
    try:
        read = ours(der)
    except Malformed as error:
        if any(words in str(error) for words in OURS_ALONE):
            return None
        message = f"{der.hex()} is read by cryptography, but refused: {error}"
        raise AssertionError(message) from error
    assert read == expected, der.hex()
    return read
