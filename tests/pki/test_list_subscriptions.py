"""Which revocation lists are wanted, and for how long."""

from __future__ import annotations

from datetime import timedelta

from peerkey.pki.crl_polling import DEFAULT_INTERVALS, Intervals
from peerkey.pki.list_subscriptions import MAXIMUM_SOURCES, Origin, Subscription, Subscriptions
from peerkey.testing.ca import NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
A, B, DELTA = (f"http://{name}.example/" for name in ("a", "b", "delta"))
SLOW, QUICK = Intervals(100 * HOUR, 9 * HOUR), Intervals(2 * HOUR, timedelta(seconds=5))


def test_what_the_operator_wants_is_wanted_until_the_configuration_changes() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, SLOW), (B, QUICK)])
    assert wishes.wanted(NOW) == {
        A: Subscription(SLOW, Origin.CONFIGURED),
        B: Subscription(QUICK, Origin.CONFIGURED),
    }

    wishes.configure([(B, QUICK)])
    assert list(wishes.wanted(NOW)) == [B]


def test_of_two_wishes_for_one_list_the_shorter_intervals_count() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, SLOW), (A, QUICK), (A, SLOW)])

    assert wishes.wanted(NOW)[A].intervals == QUICK


def test_a_list_that_a_certificate_names_is_wanted_until_the_last_of_them_ends() -> None:
    wishes = Subscriptions()
    wishes.name(A, NOW + 2 * DAY)
    wishes.name(A, NOW + DAY)

    assert wishes.wanted(NOW) == {A: Subscription(DEFAULT_INTERVALS, Origin.CERTIFICATE, NOW + 2 * DAY)}
    assert list(wishes.wanted(NOW + 2 * DAY - HOUR)) == [A]
    assert wishes.wanted(NOW + 2 * DAY) == {}


def test_the_operators_intervals_count_where_a_certificate_names_the_list_too() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, SLOW)])
    wishes.name(A, NOW + DAY)

    assert wishes.wanted(NOW) == {A: Subscription(SLOW, Origin.CONFIGURED, NOW + DAY)}


def test_a_list_that_both_name_stays_for_the_certificate_when_the_operator_drops_it() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, SLOW)])
    wishes.name(A, NOW + DAY)
    wishes.configure([])

    assert wishes.wanted(NOW)[A].origin is Origin.CERTIFICATE


def test_deltas_are_wanted_while_the_list_is_that_names_them() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, QUICK)])
    wishes.lists_name(A, (DELTA,))
    assert wishes.wanted(NOW)[DELTA] == Subscription(QUICK, Origin.LIST)

    wishes.configure([])
    assert wishes.wanted(NOW) == {}
    wishes.configure([(A, QUICK)])
    assert list(wishes.wanted(NOW)) == [A]


def test_a_list_that_names_no_deltas_any_more_ends_them() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, QUICK)])
    wishes.lists_name(A, (DELTA,))
    wishes.lists_name(A, ())

    assert list(wishes.wanted(NOW)) == [A]


def test_deltas_of_deltas_lead_nowhere() -> None:
    wishes = Subscriptions()
    wishes.configure([(A, QUICK)])
    wishes.lists_name(A, (DELTA,))
    wishes.lists_name(DELTA, (B,))

    assert list(wishes.wanted(NOW)) == [A, DELTA]


def test_what_certificates_name_never_crowds_out_what_the_operator_wants() -> None:
    wishes = Subscriptions()
    for number in range(MAXIMUM_SOURCES):
        wishes.name(f"http://{number}.example/", NOW + DAY)
    wishes.configure([(A, QUICK)])

    wanted = wishes.wanted(NOW)

    assert len(wanted) == MAXIMUM_SOURCES
    assert next(iter(wanted)) == A
    assert wishes.left_out == (f"http://{MAXIMUM_SOURCES - 1}.example/",)


def test_what_there_is_no_room_for_is_remembered_as_left_out_and_takes_no_room() -> None:
    wishes = Subscriptions()
    for number in range(3 * MAXIMUM_SOURCES):
        wishes.name(f"http://{number}.example/", NOW + DAY)

    assert len(wishes.wanted(NOW)) == MAXIMUM_SOURCES
    assert len(wishes.left_out) == MAXIMUM_SOURCES
    assert wishes.wanted(NOW + DAY) == {}
    assert wishes.left_out == ()


def test_an_address_that_no_certificate_names_any_more_is_forgotten() -> None:
    wishes = Subscriptions()
    wishes.name(A, NOW + DAY)
    wishes.forget(A)
    wishes.forget(B)

    assert wishes.wanted(NOW) == {}
