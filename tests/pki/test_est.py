"""EST without a wire: what an answer means, and that no bytes do more than be refused."""

from __future__ import annotations

import base64
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from peerkey.errors import Malformed
from peerkey.pki import est
from peerkey.pki.certificate import MAXIMUM_CERTIFICATE_BYTES
from peerkey.pki.csr import Wanted, request, request_again
from peerkey.pki.est import Busy, Issued, Moved, Pending, Refused, Reply
from peerkey.pki.ingest import MAXIMUM_IMPORTED
from peerkey.testing.ca import NOW, TestCA, new_key

URL = "https://ca.example/.well-known/est/simpleenroll"
NODE = UUID(int=7)
CA = TestCA()
CERTIFICATE = CA.issue(NODE).certificate
CONTAINER = pkcs7.serialize_certificates([CERTIFICATE, CA.intermediate.certificate], Encoding.DER)


# --- what is sent ---------------------------------------------------------------------------------


def test_a_request_is_base64_of_pkcs10_in_short_lines() -> None:
    made = request(Wanted("base", str(NODE)), new_key())

    body = est.body_of(made)

    assert base64.b64decode(body) == made.public_bytes(Encoding.DER)
    assert max(map(len, body.splitlines())) <= 76


def test_a_renewal_has_the_very_names_of_the_old_certificate() -> None:
    key = new_key()
    odd = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(x509.NameOID.COMMON_NAME, str(NODE)),
                    x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "17"),
                ]
            ),
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Ex", x509.name._ASN1Type.T61String)]  # noqa: SLF001 - as old CAs write
            ),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.RegisteredID(x509.NameOID.TITLE)])
    old = (
        x509.CertificateBuilder()
        .subject_name(odd)
        .issuer_name(odd)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(names, critical=True)
        .sign(key, SHA256())
    )

    made = request_again(old, key)

    assert made.subject.public_bytes() == old.subject.public_bytes()
    found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert (found.value, found.critical) == (names, True)
    assert made.is_signature_valid


# --- what an answer means -------------------------------------------------------------------------


def test_certificates_come_as_a_container_in_base64() -> None:
    outcome = meaning(200, issued())

    assert isinstance(outcome, Issued)
    assert outcome.container == CONTAINER
    assert set(outcome.certificates) == {CERTIFICATE, CA.intermediate.certificate}


@pytest.mark.parametrize(
    "kind",
    [
        "application/pkcs7-mime",
        "application/pkcs7-mime; smime-type=certs-only",
        'Application/PKCS7-MIME;charset=utf-8 ; SMIME-TYPE="certs-only"',
    ],
)
def test_the_type_is_read_as_http_says(kind: str) -> None:
    assert isinstance(meaning(200, issued(), kind), Issued)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (base64.encodebytes(CONTAINER), "text/plain", "text/plain where application/pkcs7-mime"),
        (base64.encodebytes(CONTAINER), "application/pkcs7-mime; smime-type=CMC-Response", "is expected"),
        (CONTAINER, "application/pkcs7-mime", "not base64"),
        (base64.encodebytes(CONTAINER[:-9]), "application/pkcs7-mime", "not a PKCS#7 container"),
        (base64.encodebytes(CERTIFICATE.public_bytes(Encoding.DER)), "application/pkcs7-mime", "PKCS#7"),
        (b"A" * (est.MAXIMUM_REPLY_BYTES + 1), "application/pkcs7-mime", "longer than"),
    ],
    ids=["type", "smime-type", "der", "cut", "certificate", "long"],
)
def test_anything_else_is_malformed(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        meaning(200, body, kind)


def test_a_container_has_a_largest_number_of_certificates_and_counts_each_once() -> None:
    many = [CA.issue(UUID(int=number)).certificate for number in range(1, MAXIMUM_IMPORTED + 2)]
    again = pkcs7.serialize_certificates([CERTIFICATE] * 3, Encoding.DER)

    assert est.certificates_untrusted(again) == (CERTIFICATE,)
    assert len(est.certificates_untrusted(pkcs7.serialize_certificates(many[:-1], Encoding.DER))) == 16
    with pytest.raises(Malformed, match="holds 17 certificates"):
        est.certificates_untrusted(pkcs7.serialize_certificates(many, Encoding.DER))


def test_a_certificate_has_a_largest_size() -> None:
    huge = CA.issue(
        NODE, more=[(x509.UnrecognizedExtension(x509.NameOID.TITLE, b"x" * MAXIMUM_CERTIFICATE_BYTES), False)]
    )

    with pytest.raises(Malformed, match="more than 16384 bytes"):
        est.certificates_untrusted(pkcs7.serialize_certificates([huge.certificate], Encoding.DER))


@pytest.mark.parametrize(
    ("field", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("0", est.SHORTEST_RETRY),
        ("99999999999999999", est.LONGEST_RETRY),
        ("Sat, 15 Jun 2030 12:05:00 GMT", timedelta(minutes=5)),
        ("Sat, 15 Jun 2030 11:00:00 GMT", est.SHORTEST_RETRY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", est.LONGEST_RETRY),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
        ("Sat, 15 Jun 99999 12:05:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_bounds(field: str, wait: timedelta | None) -> None:
    assert est.retry_after_untrusted(field, NOW) == wait


def test_a_decision_that_comes_later_is_waited_for_also_where_nobody_says_how_long() -> None:
    assert meaning(202, retry_after="90") == Pending(timedelta(seconds=90))
    assert meaning(202) == Pending(est.ORDINARY_RETRY)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://ca.example/other", "https://ca.example/other"),
        ("https://CA.example:443/other", "https://CA.example:443/other"),
        ("/other", "https://ca.example/other"),
        ("simplereenroll", "https://ca.example/.well-known/est/simplereenroll"),
        ("//ca.example/other", "https://ca.example/other"),
    ],
)
def test_a_redirection_on_the_same_server_is_followed(location: str, target: str) -> None:
    assert meaning(307, location=location) == Moved(target)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://ca.example/other",
        "https://ca.example:444/other",
        "https://ca.example.evil.example/",
        "https://evil.example/",
        "//evil.example/",
        "https://u@ca.example/",
        "https://[ca.example/",
        "https://ca.example:x/",
        "file:///etc/passwd",
        "/\x1b[31m",
        "/\N{SNOWMAN}",
    ],
)  # fmt: skip
def test_a_redirection_to_anywhere_else_is_not(location: str) -> None:
    with pytest.raises(Malformed, match="not the same server"):
        meaning(302, location=location)


@pytest.mark.parametrize("status", [100, 201, 203, 204, 205, 206, 300, 303, 304, 305, 600, 999, 0, -1])
def test_other_statuses_mean_nothing(status: int) -> None:
    with pytest.raises(Malformed, match=f"answered {status}, which EST has no meaning for"):
        meaning(status, b"x")


def test_a_refusal_repeats_the_servers_words_in_one_short_line() -> None:
    page = b"<!DOCTYPE html><head><style>p { x: y }</style></head><body><p>Not\n <b>you</b></p><script>x"

    assert str(meaning(403, page, "text/html; charset=utf-8")) == "403: Not you"
    assert meaning(400, b"n\xc3\xb6 \x07", "text/plain") == Refused(400, "n\\xf6 \\x07")
    assert meaning(400, b"\x00\x01", "application/octet-stream") == Refused(400, "")
    assert str(meaning(400, b"w" * 999, "text/plain")) == f"400: {'w' * est.MAXIMUM_WORDS}..."


def test_a_server_that_cannot_now_may_say_when() -> None:
    assert meaning(503, b"busy", "text/plain", "30") == Busy(503, "busy", timedelta(seconds=30))
    assert meaning(429) == Busy(429, "", None)


# --- whatever comes -------------------------------------------------------------------------------

TEXTS = st.text(max_size=200) | st.sampled_from(
    ["application/pkcs7-mime", "text/html", "https://ca.example/x", "Sat, 15 Jun 2030 12:05:00 GMT", "5"]
)
BODIES = st.binary(max_size=400) | st.binary(max_size=400).map(base64.b64encode)


@given(
    st.integers(-1, 700) | st.sampled_from([200, 202, 302, 404, 503]),
    TEXTS,
    TEXTS,
    TEXTS,
    BODIES,
)
def test_no_answer_does_more_than_be_refused(
    status: int, kind: str, retry_after: str, location: str, body: bytes
) -> None:
    outcome: est.Outcome | str
    try:
        outcome = est.outcome_untrusted(Reply(status, kind, retry_after, location, body), URL, NOW)
    except Malformed as fault:
        outcome = str(fault)
    match outcome:
        case str(refusal):
            assert len(refusal) < 500
            assert refusal.isascii()
        case Pending(wait):
            assert est.SHORTEST_RETRY <= wait <= est.LONGEST_RETRY
        case Moved(url):
            assert est.origin_of(url) == est.origin_of(URL)
        case Refused() | Busy():
            assert str(outcome).isascii()
            assert len(str(outcome)) <= est.MAXIMUM_WORDS + 10
        case Issued(_, certificates):
            assert certificates


@given(st.data())
def test_no_spoiled_container_does_more_than_be_refused(data: st.DataObject) -> None:
    spoiled = bytearray(CONTAINER)
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(spoiled)))
    try:
        found = est.certificates_untrusted(bytes(spoiled[:cut] if data.draw(st.booleans()) else spoiled))
    except Malformed:
        return
    assert 1 <= len(found) <= MAXIMUM_IMPORTED


# --- helpers --------------------------------------------------------------------------------------


def issued() -> bytes:
    return base64.encodebytes(CONTAINER)


def meaning(
    status: int,
    body: bytes = b"",
    kind: str = "application/pkcs7-mime",
    retry_after: str = "",
    location: str = "",
) -> est.Outcome:
    return est.outcome_untrusted(Reply(status, kind, retry_after, location, body), URL, NOW)
