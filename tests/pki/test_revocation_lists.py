"""Revocation lists: whose word counts, what a list revokes, and of what it proves that it is good."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Misconfigured
from peerkey.pki.crl import MAXIMUM_CRLS, RevocationList, read_crls
from peerkey.pki.faults import Fault
from peerkey.pki.laboratory import SigningKey
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import Verification, verify
from peerkey.testing.ca import NOW, Issued, TestCA, new_key
from peerkey.testing.lists import revocation_list

NODE = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
CA = TestCA()
GOOD = CA.issue(NODE)
LEAF = GOOD.certificate
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
HOLD = {LEAF.serial_number: x509.ReasonFlags.certificate_hold}
RELEASE = {LEAF.serial_number: x509.ReasonFlags.remove_from_crl}
#: Speaks for the intermediate, so that a test can be about the leaf alone.
ROOT_LIST = revocation_list(CA.root)
URL = x509.UniformResourceIdentifier("http://crl.example.org/1.crl")
OTHER_URL = x509.UniformResourceIdentifier("http://crl.example.org/2.crl")


def test_a_certificate_on_its_issuers_list_is_revoked() -> None:
    assert found(revocation_list(CA.intermediate, LEAF)) == [Fault.REVOKED]


def test_one_that_is_on_no_list_is_good() -> None:
    assert found(revocation_list(CA.intermediate), require=True) == []


def test_the_reason_and_the_time_of_an_entry_are_told() -> None:
    listed = revocation_list(CA.intermediate, LEAF, reasons=HOLD)

    (finding,) = asked(listed).verdict.faults

    assert "since 2030-06-14 12:00:00Z (certificateHold)" in finding.detail


@pytest.mark.parametrize("offset", [-SECOND, timedelta(), DAY, DAY + SECOND])
def test_a_list_is_current_from_its_update_to_the_next_both_inclusive(offset: timedelta) -> None:
    listed = revocation_list(CA.intermediate, this_update=NOW - offset, next_update=NOW - offset + DAY)

    assert (found(listed, require=True) == []) is (timedelta() <= offset <= DAY)


@pytest.mark.parametrize("begin", [NOW - 9 * DAY, NOW + DAY])
def test_a_list_that_is_not_current_still_revokes(begin: object) -> None:
    assert isinstance(begin, type(NOW))
    listed = revocation_list(CA.intermediate, LEAF, this_update=begin, next_update=begin + DAY)

    assert found(listed) == [Fault.REVOKED]
    assert found(listed, require=True) == [Fault.REVOKED]


def test_a_list_with_an_unknown_critical_extension_revokes_and_proves_nothing_good() -> None:
    odd = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]

    assert found(revocation_list(CA.intermediate, LEAF, more=odd)) == [Fault.REVOKED]
    assert found(revocation_list(CA.intermediate, more=odd), require=True) == [Fault.REVOCATION_UNKNOWN]
    assert found(revocation_list(CA.intermediate, more=[(odd[0][0], False)]), require=True) == []


MAKERS = {
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_hash_of_a_list_is_taken_from_the_list(kind: str) -> None:
    """Field failure I95-63299: SHA-256 was assumed whatever was signed."""
    key = MAKERS[kind]()
    assert isinstance(key, SigningKey)
    ca = CA.authority("issuing", issuer=CA.root, key=key)
    issued = CA.issue(NODE, issuer=ca)

    assert found(revocation_list(ca, issued.certificate), issued=issued) == [Fault.REVOKED]
    assert found(revocation_list(ca), issued=issued, require=True) == []


# --- whose word counts ----------------------------------------------------------------------------


def test_a_list_with_a_forged_signature_counts_for_nothing() -> None:
    answer = asked(revocation_list(CA.intermediate, LEAF, key=new_key()))

    assert answer.verdict.valid
    (remark,) = answer.remarks
    assert remark == (
        "the list of CN=test issuing counts for nothing: no CA of that name that may sign lists has signed it"
    )


def test_a_list_of_an_unknown_issuer_counts_for_nothing() -> None:
    stranger = TestCA("stranger")

    assert asked(revocation_list(stranger.root, LEAF)).remarks[0].endswith("its issuer is not known")


def test_a_ca_of_the_same_name_that_nobody_trusts_revokes_nothing() -> None:
    """Its certificate may be in the chain, as anything may."""
    impostor = TestCA().intermediate
    issued = Issued(LEAF, (CA.intermediate.certificate, impostor.certificate), GOOD.key)

    answer = asked(revocation_list(impostor, LEAF), issued=issued)

    assert answer.verdict.valid
    assert answer.remarks[0].endswith("its signer leads to no trusted CA")


def test_another_trusted_ca_does_not_prove_good_under_its_name() -> None:
    """Field failures I95-65129 and I95-65603: anchors were mixed."""
    other = TestCA()
    trust = TrustAnchors.of([CA.root.certificate, other.root.certificate])
    issued = Issued(LEAF, (CA.intermediate.certificate, other.intermediate.certificate), GOOD.key)

    answer = asked(revocation_list(other.intermediate), issued=issued, trust=trust, require=True)

    assert [finding.fault for finding in answer.verdict.faults] == [Fault.REVOCATION_UNKNOWN]


def test_a_ca_without_crl_sign_signs_no_list() -> None:
    bits = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    bits |= dict.fromkeys(("encipher_only", "decipher_only", "digital_signature", "crl_sign"), False)
    ca = CA.authority("issuing", issuer=CA.root, usage=x509.KeyUsage(key_cert_sign=True, **bits))
    issued = CA.issue(NODE, issuer=ca)

    assert found(revocation_list(ca, issued.certificate), issued=issued) == []
    assert found(revocation_list(ca), issued=issued, require=True) == [Fault.REVOCATION_UNKNOWN]


def test_an_expired_ca_has_not_taken_back_what_it_listed() -> None:
    ca = CA.authority("issuing", issuer=CA.root, not_after=NOW - SECOND)
    issued = CA.issue(NODE, issuer=ca, not_after=NOW - SECOND)
    listed = revocation_list(ca, issued.certificate, next_update=NOW)

    assert set(found(listed, issued=issued)) == {Fault.REVOKED, Fault.EXPIRED}


def test_a_list_of_a_revoked_ca_proves_nothing_good() -> None:
    lists = [revocation_list(CA.root, CA.intermediate.certificate), revocation_list(CA.intermediate)]

    answer = verify(chain(GOOD), CA.trust, NOW, lists=read(*lists), require_revocation=True)

    assert [finding.fault for finding in answer.verdict.faults] == [Fault.REVOKED]


def test_a_certificate_for_lists_alone_speaks_in_the_name_of_its_ca() -> None:
    """As where the key that signs certificates is kept off line."""
    bits = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    bits |= dict.fromkeys(("encipher_only", "decipher_only", "digital_signature", "key_cert_sign"), False)
    key = new_key()
    signer = CA.authority(
        "test issuing", issuer=CA.root, key=key, basic=None, usage=x509.KeyUsage(crl_sign=True, **bits)
    )
    issued = Issued(LEAF, (CA.intermediate.certificate, signer.certificate), GOOD.key)

    assert found(revocation_list(signer, LEAF), issued=issued) == [Fault.REVOKED]
    assert found(revocation_list(signer), issued=issued, require=True) == []


# --- of what a list speaks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "good"),
    [
        ({"only_contains_user_certs": True}, True),
        ({"only_contains_ca_certs": True}, False),
        ({"only_contains_attribute_certs": True}, False),
        ({"only_some_reasons": frozenset({x509.ReasonFlags.key_compromise})}, False),
        ({"full_name": [URL]}, True),
        ({"full_name": [OTHER_URL, URL]}, True),
        ({"full_name": [OTHER_URL]}, False),
    ],
)
def test_a_list_proves_good_only_what_lies_in_its_scope(scope: dict[str, object], *, good: bool) -> None:
    issued = CA.issue(NODE, more=[(points([URL]), False)])
    listed = revocation_list(CA.intermediate, scope=scope_of(**scope))

    assert found(listed, issued=issued, require=True) == ([] if good else [Fault.REVOCATION_UNKNOWN])


def test_lists_that_share_the_reasons_cover_them_together() -> None:
    every = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    some = frozenset({x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise})
    first, second = (
        revocation_list(CA.intermediate, scope=scope_of(only_some_reasons=reasons))
        for reasons in (some, every - some)
    )

    assert found(first, second, require=True) == []
    (finding,) = asked(first, require=True).verdict.faults
    assert finding.detail.endswith("the lists that speak of it leave out some reasons")


def test_a_list_at_a_place_speaks_of_no_certificate_without_a_place() -> None:
    listed = revocation_list(CA.intermediate, scope=scope_of(full_name=[URL]))

    assert found(listed, require=True) == [Fault.REVOCATION_UNKNOWN]


def test_an_indirect_list_speaks_for_those_who_name_its_issuer_only() -> None:
    lister = CA.authority("lister", issuer=CA.root)
    named = points([URL], [x509.DirectoryName(lister.certificate.subject)])
    with_, without = CA.issue(NODE, more=[(named, False)]), CA.issue(NODE)
    scope = scope_of(indirect_crl=True, full_name=[URL])
    listed = revocation_list(lister, with_.certificate, without.certificate, scope=scope)
    empty = revocation_list(lister, scope=scope)

    for issued, revoked, unknown in ((with_, [Fault.REVOKED], []), (without, [], [Fault.REVOCATION_UNKNOWN])):
        known = Issued(issued.certificate, (*issued.intermediates, lister.certificate), issued.key)
        assert found(listed, issued=known) == revoked
        assert found(empty, issued=known, require=True) == unknown


# --- deltas and holds -----------------------------------------------------------------------------


def test_a_delta_revokes_what_its_base_did_not_know() -> None:
    base, delta = revocation_list(CA.intermediate), revocation_list(CA.intermediate, LEAF, number=2, base=1)

    assert found(base, delta, require=True) == [Fault.REVOKED]


def test_a_delta_releases_a_hold() -> None:
    base = revocation_list(CA.intermediate, LEAF, reasons=HOLD)
    delta = revocation_list(CA.intermediate, LEAF, number=2, base=1, reasons=RELEASE)

    assert found(base) == [Fault.REVOKED]
    assert found(base, delta, require=True) == []


@pytest.mark.parametrize(("number", "base"), [(2, 3), (0, 0)])
def test_a_delta_to_another_list_releases_nothing(number: int, base: int) -> None:
    complete = revocation_list(CA.intermediate, LEAF, reasons=HOLD)
    delta = revocation_list(CA.intermediate, LEAF, number=number, base=base, reasons=RELEASE)

    assert found(complete, delta) == [Fault.REVOKED]


def test_a_current_delta_keeps_its_base_current() -> None:
    base = revocation_list(CA.intermediate, this_update=NOW - 3 * DAY, next_update=NOW - DAY)
    delta = revocation_list(CA.intermediate, number=2, base=1)

    assert found(base, require=True) == [Fault.REVOCATION_UNKNOWN]
    assert found(base, delta, require=True) == []


def test_a_delta_alone_proves_nothing_good() -> None:
    assert found(revocation_list(CA.intermediate, number=2, base=1), require=True) == [
        Fault.REVOCATION_UNKNOWN
    ]


def test_the_newest_complete_list_releases_a_hold_in_whatever_order_they_are_given() -> None:
    old = revocation_list(CA.intermediate, LEAF, reasons=HOLD)
    new = revocation_list(CA.intermediate, number=2)

    assert found(old, new, require=True) == found(new, old, require=True) == []


def test_a_delta_that_a_complete_list_has_overtaken_is_history() -> None:
    base, delta = revocation_list(CA.intermediate), revocation_list(CA.intermediate, LEAF, number=2, base=1)
    released = revocation_list(CA.intermediate, number=3)

    assert found(base, delta, released, require=True) == []


def test_the_last_of_several_deltas_says_it_all() -> None:
    base = revocation_list(CA.intermediate)
    held = revocation_list(CA.intermediate, LEAF, number=2, base=1, reasons=HOLD)
    released = revocation_list(CA.intermediate, LEAF, number=3, base=1, reasons=RELEASE)

    assert found(base, held, released, require=True) == found(base, released, held, require=True) == []


def test_an_old_and_a_new_ca_of_one_name_number_their_lists_each_for_itself() -> None:
    old, new = TestCA("corporate"), TestCA("corporate")
    trust = TrustAnchors.of([old.root.certificate, new.root.certificate])
    kept, gone = (new.issue(NODE, intermediates=(new.intermediate, old.intermediate)) for _ in range(2))
    lists = [revocation_list(new.intermediate, gone.certificate), revocation_list(new.root)]
    lists += [revocation_list(ca, number=50) for ca in (old.root, old.intermediate)]

    for issued, expected in ((kept, []), (gone, [Fault.REVOKED])):
        answer = verify(chain(issued), trust, NOW, lists=read(*lists), require_revocation=True)
        assert [finding.fault for finding in answer.verdict.faults] == expected


# --- reading --------------------------------------------------------------------------------------


def test_lists_are_read_from_pem_with_text_around_and_from_der() -> None:
    pem = b"one\r\n" + ROOT_LIST.public_bytes(Encoding.PEM).replace(b"\n", b"\r\n") + b"and text"

    for content in (pem, ROOT_LIST.public_bytes(Encoding.DER)):
        (each,) = read_crls(content, "root.crl")
        said = (each.name, each.frame.number, each.frame.base, each.unknown)
        assert said == ("CN=test root", 1, None, None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no revocation list, neither in PEM nor in DER"),
        (b"\x30\x03\x02\x01\x00", "revocation list 1 cannot be read"),
        (GOOD.pem, "holds no revocation list, but a CERTIFICATE"),
        (GOOD.chain[0], "revocation list 1 cannot be read"),
        (ROOT_LIST.public_bytes(Encoding.PEM)[:-20], "1 revocation lists begin but 0 end; was the text cut?"),
        (ROOT_LIST.public_bytes(Encoding.DER) + b"\x00", "revocation list 1 cannot be read"),
        (
            ROOT_LIST.public_bytes(Encoding.PEM) * (MAXIMUM_CRLS + 1),
            "65 revocation lists; at most 64 are read",
        ),
        (bytes(MAXIMUM_LIST_BYTES + 1), "at most 134217728 are read"),
    ],
)
def test_what_is_no_list_is_refused_with_one_line(content: bytes, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_crls(content, "odd.crl")

    assert str(caught.value).startswith("odd.crl: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


# --- helpers --------------------------------------------------------------------------------------


def asked(
    *lists: x509.CertificateRevocationList,
    issued: Issued = GOOD,
    trust: TrustAnchors | None = None,
    require: bool = False,
) -> Verification:
    """Judge with these lists, and with the root's where something has to be known of the intermediate."""
    every = (*lists, ROOT_LIST) if require else lists
    return verify(chain(issued), trust or CA.trust, NOW, lists=read(*every), require_revocation=require)


def found(
    *lists: x509.CertificateRevocationList, issued: Issued = GOOD, require: bool = False
) -> list[Fault]:
    return [finding.fault for finding in asked(*lists, issued=issued, require=require).verdict.faults]


def read(*lists: x509.CertificateRevocationList) -> tuple[RevocationList, ...]:
    return tuple(each for crl in lists for each in read_crls(crl.public_bytes(Encoding.DER), "list"))


def chain(issued: Issued) -> tuple[x509.Certificate, ...]:
    return (issued.certificate, *issued.intermediates)


def points(
    where: list[x509.GeneralName], issuer: list[x509.GeneralName] | None = None
) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint(full_name=where, relative_name=None, reasons=None, crl_issuer=issuer)
    return x509.CRLDistributionPoints([point])


def scope_of(**departures: object) -> x509.IssuingDistributionPoint:
    whole: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**whole | departures)  # type: ignore[arg-type]  # as the tests say
