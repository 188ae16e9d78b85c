"""Whom a certificate names, and which spellings count."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.faults import Fault
from peerkey.pki.identity import Names, PeerIdentity, as_uuid, names_of
from peerkey.testing.ca import TestCA

UUID_A = UUID("6f0c1c1e-9f4b-4d5f-8a57-0c6b2f6a1d01")
UUID_B = UUID("0d6dc2f7-4bb7-4d4e-9b7e-3f5ab8d0c902")
NODE = PeerIdentity(UUID_A)
ALIASED = PeerIdentity(UUID_A, "hub-1")


@pytest.fixture(scope="module")
def ca() -> TestCA:
    return TestCA()


@pytest.mark.parametrize(
    ("common_names", "uris"),
    [
        ([str(UUID_A)], []),
        ([str(UUID_A).upper()], []),
        ([], [f"urn:uuid:{UUID_A}"]),
        (["router.example.com"], [f"urn:uuid:{UUID_A}"]),
        (["router.example.com"], [f"URN:UUID:{str(UUID_A).upper()}"]),
        ([str(UUID_A)], [f"urn:uuid:{UUID_A}", "https://example.com/"]),
        ([str(UUID_A)], ["urn:ssr:peering:hub-1"]),
    ],
)
def test_the_uuid_counts_in_the_common_name_and_as_urn(
    ca: TestCA, common_names: list[str], uris: list[str]
) -> None:
    assert named(ca, common_names, uris).match(NODE) is None


@pytest.mark.parametrize(
    ("common_names", "uris"),
    [
        (["hub-1"], []),
        ([], ["urn:ssr:peering:hub-1"]),
        (["unique-per-node"], ["urn:ssr:peering:hub-1"]),
        (["unique-per-node"], ["URN:SSR:Peering:hub-1"]),
    ],
)
def test_the_alias_counts_where_there_is_no_uuid(
    ca: TestCA, common_names: list[str], uris: list[str]
) -> None:
    assert named(ca, common_names, uris).match(ALIASED) is None


@pytest.mark.parametrize(
    ("common_names", "uris"),
    [
        ([str(UUID_B)], []),
        (["hub-2"], []),
        (["HUB-1"], []),
        ([], ["urn:ssr:peering:hub-10"]),
        ([], ["urn:ssr:peering:HUB-1"]),
        ([], ["urn:ssr:peering:"]),
        ([], ["hub-1"]),
        ([], []),
        (["urn:ssr:peering:hub-1"], []),
        ([f"urn:uuid:{UUID_A}"], []),
        ([UUID_A.hex], []),
        ([f"{{{UUID_A}}}"], []),
        ([f" {UUID_A}"], []),
        ([f"{UUID_A}\n"], []),
        ([], [f"urn:uuid:{UUID_A.hex}"]),
    ],
)
def test_anything_else_is_a_mismatch(ca: TestCA, common_names: list[str], uris: list[str]) -> None:
    finding = named(ca, common_names, uris).match(ALIASED)

    assert finding is not None
    assert finding.fault is Fault.IDENTITY_MISMATCH


def test_a_uuid_that_is_there_decides_whatever_the_alias_says(ca: TestCA) -> None:
    """The mate in an HA pair shares the alias and must not pass for the node."""
    finding = named(ca, [str(UUID_B)], ["urn:ssr:peering:hub-1"]).match(ALIASED)

    assert finding is not None
    assert finding.fault is Fault.IDENTITY_MISMATCH


def test_an_alias_counts_for_nothing_where_none_is_configured(ca: TestCA) -> None:
    for identity in (NODE, PeerIdentity(UUID_A, "")):
        assert named(ca, ["hub-1"], ["urn:ssr:peering:hub-1"]).match(identity) is not None


def test_an_empty_alias_is_nobodys_name() -> None:
    """A common name may be empty in a certificate that somebody crafted."""
    assert Names(("",), (), ("",)).match(PeerIdentity(UUID_A, "")) is not None


@pytest.mark.parametrize(
    ("common_names", "uris"),
    [
        ([str(UUID_A), str(UUID_B)], []),
        ([str(UUID_A), "hub-1"], []),
        ([str(UUID_A)], [f"urn:uuid:{UUID_B}"]),
        ([], [f"urn:uuid:{UUID_A}", f"urn:uuid:{UUID_B}"]),
        (["hub-1"], ["urn:ssr:peering:hub-1", "urn:ssr:peering:hub-2"]),
    ],
)
def test_two_identities_are_refused_also_when_one_of_them_is_right(
    ca: TestCA, common_names: list[str], uris: list[str]
) -> None:
    finding = named(ca, common_names, uris).match(ALIASED)

    assert finding is not None
    assert finding.fault is Fault.NAMES_TWO_IDENTITIES


def test_the_same_identity_said_twice_is_one(ca: TestCA) -> None:
    names = named(ca, [str(UUID_A), str(UUID_A)], [f"urn:uuid:{UUID_A}", f"urn:uuid:{str(UUID_A).upper()}"])

    assert names.match(NODE) is None


def test_a_mismatch_tells_both_sides(ca: TestCA) -> None:
    finding = named(ca, ["hub-2"], []).match(ALIASED)

    assert finding is not None
    assert finding.detail == f"the certificate names hub-2, not {UUID_A} (hub-1)"


def test_names_that_would_steer_a_terminal_are_shown_escaped(ca: TestCA) -> None:
    finding = named(ca, ["\x1b[2Jhub\nnobody"], []).match(NODE)

    assert finding is not None
    assert finding.detail.isprintable()


def test_a_certificate_without_names_names_nobody(ca: TestCA) -> None:
    assert str(named(ca, [], [])) == "nobody"


@given(st.uuids())
def test_every_uuid_is_recognised_in_its_canonical_form(uuid: UUID) -> None:
    assert as_uuid(str(uuid)) == as_uuid(str(uuid).upper()) == uuid


@given(st.text())
def test_no_other_text_is_taken_for_a_uuid(text: str) -> None:
    found = as_uuid(text)

    assert found is None or str(found) == text.lower()


def named(ca: TestCA, common_names: list[str], uris: list[str]) -> Names:
    """Return the names of a certificate with these, read back from the certificate."""
    return names_of(ca.issue(UUID_A, common_names=common_names, uris=uris).certificate)
