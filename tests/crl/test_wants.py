"""Which lists are wanted and by whom they are judged, as configuration and certificates change."""

from __future__ import annotations

from datetime import timedelta

from actors.crl.discovery import Installed, Named
from actors.crl.ingesting import Judges
from actors.crl.needs import Needs
from actors.crl.source import MAXIMUM_SIGNERS
from actors.crl.wants import MAXIMUM_CERTIFICATES, Wants
from peerkey.testing.ca import NOW

DAY = timedelta(days=1)
A, B = (f"http://{name}.example/crl" for name in ("a", "b"))


def named(number: int, *urls: str, authority: bytes | None = None) -> Named:
    return Named(number.to_bytes(32, "big"), f"CN={number}", NOW + DAY, urls, (), authority)


def trusting(*authorities: bytes, unread: bool = False) -> Installed:
    return Installed(authorities, unread, ())


def test_what_kept_lists_were_named_by_is_wanted_until_it_ends() -> None:
    wants = Wants([(A, NOW + DAY), (B, None)])

    assert list(wants.at(NOW)) == [A]
    assert not wants.at(NOW + DAY)


def test_an_address_that_cannot_be_fetched_is_told_with_whose_it_is_and_why() -> None:
    wants = Wants(())
    odd = Named(bytes(32), "CN=odd", NOW + DAY, (A,), (("ldap://x", "its scheme is ldap"),))

    assert wants.named([odd]) == (("ldap://x", "CN=odd", "its scheme is ldap"),)
    assert list(wants.at(NOW)) == [A]


def test_who_is_trusted_stays_so_while_it_cannot_be_read() -> None:
    wants = Wants(())
    wants.configured(Needs(), trusting(b"root"), {})
    wants.configured(Needs(), trusting(unread=True), {})

    assert wants.trust_read
    assert wants.judges.trusted == (b"root",)


def test_trust_that_could_never_be_read_is_not_taken_for_read() -> None:
    wants = Wants(())
    wants.configured(Needs(), trusting(unread=True), {})

    assert not wants.trust_read


def test_other_trust_gives_up_what_certificates_have_named_where_no_list_came_of_it() -> None:
    wants = Wants(())
    wants.configured(Needs(), trusting(b"root"), {})
    wants.named([named(1, A), named(2, B)])
    wants.configured(Needs(), trusting(b"other"), {A: True, B: False})

    assert list(wants.at(NOW)) == [A]
    assert wants.read == frozenset()
    assert wants.judges.seen == ()


def test_a_list_of_the_old_trust_is_given_up_when_it_does_not_count_any_more_unless_it_is_named_again() -> (
    None
):
    wants = Wants(())
    wants.configured(Needs(), trusting(b"root"), {})
    wants.named([named(1, A), named(2, B)])
    wants.configured(Needs(), trusting(b"other"), {A: True, B: True})
    wants.named([named(3, B)])
    wants.brought(A, ())
    wants.brought(B, ())

    assert list(wants.at(NOW)) == [B]


def test_the_authorities_that_were_seen_are_bounded_and_the_latest_count() -> None:
    wants = Wants(())
    authorities = [bytes([number]) for number in range(MAXIMUM_SIGNERS + 1)]
    wants.named(named(number, authority=der) for number, der in enumerate(authorities))

    assert wants.judges.seen == tuple(authorities[1:])


def test_the_certificates_that_need_not_be_read_again_are_bounded() -> None:
    wants = Wants(())
    wants.named(named(number) for number in range(MAXIMUM_CERTIFICATES + 1))

    assert len(wants.read) == MAXIMUM_CERTIFICATES
    assert bytes(32) not in wants.read
    wants.read_anew()
    assert not wants.read


def test_trust_that_only_grows_takes_nothing_along() -> None:
    wants = Wants(())
    wants.configured(Needs(), trusting(b"root"), {})
    wants.named([named(1, A, authority=b"issuing"), named(2, B)])
    wants.configured(Needs(), trusting(b"other", b"root"), {A: True, B: False})

    assert set(wants.at(NOW)) == {A, B}
    assert wants.judges == Judges((b"other", b"root"), (b"issuing",))
    # One that is trusted itself by now does not stand beside those that are.
    wants.configured(Needs(), trusting(b"issuing", b"other", b"root"), {A: True, B: False})
    assert wants.judges == Judges((b"issuing", b"other", b"root"), ())
