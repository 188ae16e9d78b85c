"""The pass over a list's entries reads what ``cryptography`` reads and refuses what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import example, given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.pki.crl_pass import read_entries_untrusted
from peerkey.pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, dearmoured_untrusted, element
from peerkey.pki.list_frame import open_list_untrusted
from peerkey.pki.usual_entries import USUAL_ENTRY
from peerkey.testing.ca import TestCA
from peerkey.testing.large_lists import entry, large_list, usual_entries
from tests.support.list_reader import agreed, ours

CA = TestCA()
DATE = b"241017163311Z"
SERIAL = bytes(range(1, 17))
VECTORS = Path(cryptography_vectors.__file__).parent / "x509"
LISTS = sorted(path for path in VECTORS.rglob("*[cC][rR][lL]*") if path.suffix in {".crl", ".der", ".pem"})


def extension(oid: str, value: bytes, *, critical: bytes = b"") -> bytes:
    return element(SEQUENCE, bytes.fromhex(oid) + critical + element(0x04, value))


def extensions(*each: bytes) -> bytes:
    return element(SEQUENCE, b"".join(each))


REASON = "0603551d15"
INVALIDITY = "0603551d18"
ISSUER = "0603551d1d"
FOREIGN = "06032a0304"
CRITICAL = bytes.fromhex("0101ff")
SOMEBODY = element(SEQUENCE, element(0xA4, CA.root.certificate.subject.public_bytes()))

serials = st.one_of(
    st.integers(0, 2**168 - 1).map(lambda number: number.to_bytes(number.bit_length() // 8 + 1, "big")),
    st.binary(max_size=24),
    st.binary(min_size=16, max_size=17),
)
dates = st.one_of(
    st.datetimes().map(lambda at: element(UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())),
    st.datetimes().map(lambda at: element(GENERALIZED_TIME, f"{at:%Y%m%d%H%M%S}Z".encode())),
    st.from_regex(rb"[0-9]{2}[01][0-9][0-3][0-9][0-2][0-9][0-6][0-9][0-6][0-9]Z", fullmatch=True).map(
        lambda text: element(UTC_TIME, text)
    ),
    st.from_regex(rb"(?:00|01|96|50|49)02(?:28|29|30)000000Z", fullmatch=True).map(
        lambda text: element(UTC_TIME, text)
    ),
    st.binary(max_size=16).map(lambda text: element(UTC_TIME, text)),
)
reasons = st.integers(0, 12).map(lambda code: extension(REASON, bytes((10, 1, code))))
details = st.one_of(
    st.just(b""),
    reasons.map(extensions),
    st.lists(
        st.one_of(
            reasons,
            st.just(extension(REASON, b"\x0a\x01\x06", critical=CRITICAL)),
            st.just(extension(INVALIDITY, element(GENERALIZED_TIME, b"20240102030405Z"))),
            st.just(extension(ISSUER, SOMEBODY, critical=CRITICAL)),
            st.just(extension(FOREIGN, b"\x05\x00", critical=CRITICAL)),
            st.builds(
                extension, st.sampled_from([REASON, INVALIDITY, ISSUER, FOREIGN]), st.binary(max_size=8)
            ),
        ),
        max_size=3,
    ).map(lambda each: extensions(*each)),
)
rare = st.builds(
    lambda serial, date, more: element(SEQUENCE, element(INTEGER, serial) + date + more),
    serials,
    dates,
    details,
)
usual = st.builds(
    lambda serial, at, code: entry(serial, at.strftime("%y%m%d%H%M%SZ").encode(), code),
    st.binary(min_size=1, max_size=20),
    st.datetimes(),
    st.sampled_from([b"", extensions(extension(REASON, b"\x0a\x01\x01"))]),
)
entries = st.lists(st.one_of(usual, usual, usual, rare), max_size=12)


@given(entries, st.integers(1, 40))
def test_every_entry_is_read_as_cryptography_reads_it_or_refused_where_it_refuses(
    listed: list[bytes], times: int
) -> None:
    agreed(large_list(CA.intermediate, b"".join(listed) * times))


@given(st.lists(usual, min_size=1, max_size=6), st.data())
def test_no_changed_byte_makes_the_two_readers_differ(listed: list[bytes], data: st.DataObject) -> None:
    der = bytearray(large_list(CA.intermediate, b"".join(listed)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(der) - 1))
        match data.draw(st.sampled_from(["change", "remove", "insert", "cut"])):
            case "change":
                der[place] = data.draw(st.integers(0, 255))
            case "remove":
                del der[place : min(place + 1, len(der) - 1)]
            case "insert":
                der.insert(place, data.draw(st.integers(0, 255)))
            case _:
                del der[place + 1 :]

    agreed(bytes(der))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x30\x80\x00\x00")
@example(b"\x30\x84\xff\xff\xff\xff")
def test_bytes_that_are_no_list_are_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        open_list_untrusted(content)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_the_lists_of_the_vectors_are_read_alike(path: Path) -> None:
    content = path.read_bytes()
    if b"-----BEGIN" in content:
        if b"BEGIN X509 CRL" not in content:
            return
        content = dearmoured_untrusted(content.split(b"-----")[2])

    agreed(content)


def test_the_vectors_hold_many_lists_that_are_read() -> None:
    assert len([path for path in LISTS if path.suffix == ".crl"]) > 100


@pytest.mark.parametrize(
    ("width", "reasons"),
    [(1, 0.0), (7, 1.0), (16, 0.5), (20, 0.0)],
    ids=["short", "reasons", "mixed", "long"],
)
def test_usual_entries_by_the_thousand_are_read_alike(width: int, reasons: float) -> None:
    listed = usual_entries(40_000, Random(width), width=width, reasons=reasons)

    said = agreed(large_list(CA.intermediate, listed))

    assert said is not None
    assert said.total() == 40_000


@pytest.mark.parametrize("every", [1, 7, 500], ids=lambda every: f"one in {every}")
def test_unusual_entries_among_usual_ones_are_all_there(every: int) -> None:
    dated = extension(INVALIDITY, element(GENERALIZED_TIME, b"20240102030405Z"))
    odd = entry(SERIAL, DATE, extensions(dated))
    listed = b"".join(
        odd if number % every == 0 else entry(number.to_bytes(3, "big"), DATE) for number in range(9000)
    )

    said = agreed(large_list(CA.intermediate, listed))

    assert said is not None
    assert said.total() == 9000


def test_a_certificate_issuer_holds_for_the_usual_entries_behind_it() -> None:
    named = entry(b"\x02", DATE, extensions(extension(ISSUER, SOMEBODY, critical=CRITICAL)))
    behind = b"".join(entry(bytes((number,)), DATE) for number in range(3, 100))

    said = agreed(large_list(CA.intermediate, entry(b"\x01", DATE) + named + behind))

    assert said is not None
    mine, root = (each.certificate.subject.public_bytes() for each in (CA.intermediate, CA.root))
    assert {(issuer, serial) for issuer, serial, _ in said} == {
        (mine, 1),
        *((root, number) for number in range(2, 100)),
    }


def test_a_critical_extension_of_one_entry_is_told() -> None:
    foreign = extensions(extension(FOREIGN, b"\x05\x00", critical=CRITICAL))
    frame = open_list_untrusted(large_list(CA.intermediate, entry(b"\x01", DATE, foreign)))

    told = read_entries_untrusted(frame).unknown

    assert told == "has the critical extension 1.2.3.4, which is not understood"


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good.replace(b"\x02\x10", b"\x02\x11"),
        lambda good: good.replace(DATE, b"240230163311Z"),
        lambda good: good.replace(DATE, b"230229163311Z"),
        lambda good: good.replace(DATE, b"241017243311Z"),
        lambda good: good.replace(DATE, b"241017163360Z"),
        lambda good: good.replace(b"\x02\x10\x01", b"\x02\x10\x00"),
        lambda good: good[:-1],
        lambda good: good + b"\x00",
    ],
    ids=["length", "30 February", "29 February", "hour 24", "second 60", "zero", "short", "long"],
)
def test_what_is_nearly_a_usual_entry_is_refused(change: Callable[[bytes], bytes]) -> None:
    good = entry(SERIAL, DATE)
    assert USUAL_ENTRY.fullmatch(good)
    spoiled = change(good)

    with pytest.raises(Malformed):
        ours(large_list(CA.intermediate, entry(b"\x05", DATE) + spoiled + entry(b"\x06", DATE)))


def test_a_serial_number_beyond_the_bound_is_refused() -> None:
    with pytest.raises(Malformed, match="at most 64"):
        ours(large_list(CA.intermediate, entry(b"\x01" * 65, DATE)))


def test_the_signature_is_checked_over_the_bytes_as_they_came() -> None:
    der = large_list(CA.intermediate, entry(SERIAL, DATE))
    key = CA.intermediate.certificate.public_key()
    open_list_untrusted(der).verify(key)

    with pytest.raises(InvalidSignature):
        open_list_untrusted(der.replace(SERIAL, SERIAL[::-1])).verify(key)
