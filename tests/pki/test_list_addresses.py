"""Where certificates say that revocation is told."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography import x509

from peerkey.pki.list_addresses import MAXIMUM_ADDRESSES, Addresses, addresses_in, normal
from peerkey.testing.ca import TestCA

CA = TestCA()


def test_distribution_points_and_freshest_lists_are_found_in_order_and_once() -> None:
    found = addresses(
        points(["http://a.example/1.crl", "https://b.example/1.crl"], ["http://a.example/1.crl"]),
        x509.FreshestCRL(points(["http://a.example/delta.crl"])),
    )

    assert found == Addresses(
        ("http://a.example/1.crl", "https://b.example/1.crl", "http://a.example/delta.crl")
    )


def test_a_certificate_without_points_names_nothing() -> None:
    assert addresses_in(CA.issue(UUID(int=1)).certificate.extensions) == Addresses()


def test_what_cannot_be_fetched_is_told_with_its_reason() -> None:
    found = addresses(points(["ldap://l.example/cn=ca?certificateRevocationList"], ["file:///etc/shadow"]))

    assert found == Addresses(
        others=(
            ("ldap://l.example/cn=ca?certificateRevocationList", "LDAP is not supported"),
            ("file:///etc/shadow", "a certificate may name http and https addresses only"),
        )
    )


def test_a_certificate_names_no_more_than_a_few() -> None:
    found = addresses(points([f"http://{number}.example/" for number in range(1000)]))

    assert len(found.fetchable) == MAXIMUM_ADDRESSES


def test_points_that_are_names_of_a_directory_or_of_issuers_are_no_addresses() -> None:
    name = x509.DirectoryName(CA.root.certificate.subject)
    relative = x509.DistributionPoint(None, CA.root.certificate.subject.rdns[0], None, None)
    delegated = x509.DistributionPoint(None, None, None, [name])

    assert addresses([x509.DistributionPoint([name], None, None, None), relative, delegated]) == Addresses()


@pytest.mark.parametrize(
    ("written", "fetched"),
    [
        ("HTTP://CRL.Example/List.crl", "http://crl.example/List.crl"),
        ("http://crl.example:80/a", "http://crl.example/a"),
        ("https://crl.example:443", "https://crl.example/"),
        ("http://crl.example:8080/a?b=c#d", "http://crl.example:8080/a?b=c"),
        ("http://[2001:DB8::7]/a", "http://[2001:db8::7]/a"),
    ],
)
def test_one_address_has_one_spelling(written: str, fetched: str) -> None:
    assert normal(written) == fetched
    assert normal(fetched) == fetched


@pytest.mark.parametrize(
    "written",
    [
        *("", "crl", "http:///a", "http://u:p@crl.example/", "http://crl.example:port/", "http://[crl/"),
        *("http://crl.example/a b", "http://crl.example/\n", "http://crl.exämple/", "gopher://a.example/"),
        "http://crl.example/" + "a" * 2048,
    ],
    ids=range(11),
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|a) "):
        normal(written)


# --- helpers --------------------------------------------------------------------------------------


def points(*names: list[str]) -> list[x509.DistributionPoint]:
    return [
        x509.DistributionPoint([x509.UniformResourceIdentifier(each) for each in uris], None, None, None)
        for uris in names
    ]


def addresses(
    distribution: list[x509.DistributionPoint], freshest: x509.FreshestCRL | None = None
) -> Addresses:
    more: list[tuple[x509.ExtensionType, bool]] = [(x509.CRLDistributionPoints(distribution), False)]
    if freshest is not None:
        more.append((freshest, False))
    return addresses_in(CA.issue(UUID(int=1), more=more).certificate.extensions)
