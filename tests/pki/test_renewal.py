"""When a certificate is renewed, and when it is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.moment import Moment
from peerkey.pki import renewal
from peerkey.pki.renewal import Lifetime, Renewal, renewal_at, retry_wait
from peerkey.testing.ca import NOW

YEAR = timedelta(days=360)
CERTIFICATE = Lifetime(NOW, NOW + YEAR, b"a" * 32)


def test_certificates_that_were_issued_together_are_renewed_around_two_thirds_and_not_together() -> None:
    fleet = [Lifetime(NOW, NOW + YEAR, number.to_bytes(32, "big")) for number in range(1000)]
    days = sorted((renewal_at(each) - NOW) / timedelta(days=1) for each in fleet)

    assert 228 <= days[0] < 229
    assert 251 < days[-1] <= 252
    assert 239 < days[500] < 241
    # No day sees more than twice its share.
    assert max(sum(day <= each < day + 1 for each in days) for day in range(228, 252)) < 2 * 1000 / 24


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**9))
def test_the_instant_lies_within_the_lifetime_and_is_the_same_each_time(
    fingerprint: bytes, seconds: int
) -> None:
    certificate = Lifetime(NOW, NOW + timedelta(seconds=seconds), fingerprint)

    at = renewal_at(certificate)

    assert NOW + 0.63 * timedelta(seconds=seconds) <= at <= NOW + 0.7001 * timedelta(seconds=seconds)
    assert at == renewal_at(certificate)


def test_nothing_is_renewed_before_its_time_and_from_then_on_it_is() -> None:
    machine = seen(CERTIFICATE)
    due = renewal_at(CERTIFICATE)

    assert not machine.wanted(at(due - timedelta.resolution))
    assert machine.wanted(at(due))
    assert machine.wanted(at(CERTIFICATE.not_after + YEAR))


def test_a_node_without_a_certificate_renews_nothing() -> None:
    machine = seen(None)

    assert not machine.wanted(at(NOW + 10 * YEAR))
    assert machine.next_look(at(NOW)) == renewal.LOOK_AGAIN_AFTER


def test_a_failure_is_followed_by_longer_and_longer_waits_within_bounds() -> None:
    due = renewal_at(CERTIFICATE)
    waits = [retry_wait(CERTIFICATE, failures, due) for failures in range(1, 40)]

    assert timedelta(seconds=60) <= waits[0] <= timedelta(seconds=75)
    assert timedelta(seconds=120) <= waits[1] <= timedelta(seconds=150)
    assert all(timedelta(hours=6) <= wait <= timedelta(hours=7.5) for wait in waits[10:])


def test_the_shorter_the_rest_of_the_certificate_the_shorter_the_waits() -> None:
    near = CERTIFICATE.not_after - timedelta(hours=16)

    assert timedelta(hours=1) <= retry_wait(CERTIFICATE, 30, near) <= timedelta(hours=1.25)
    assert retry_wait(CERTIFICATE, 30, CERTIFICATE.not_after + YEAR) <= timedelta(seconds=75)


def test_after_a_failure_nothing_is_tried_until_the_wait_is_over_and_then_it_is() -> None:
    machine = seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))

    machine.failed(due, "no route")

    wait = retry_wait(CERTIFICATE, 1, due.wall)
    assert machine.fault == "no route"
    assert machine.next_look(due) == wait
    assert not machine.wanted(due.after(wait - timedelta.resolution))
    assert machine.wanted(due.after(wait))


def test_a_clock_that_is_set_back_prolongs_no_wait() -> None:
    machine = seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))
    machine.failed(due, "no route")

    later = Moment(due.instant + timedelta(minutes=2), due.wall)

    assert machine.wanted(later)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (timedelta(seconds=1), timedelta(seconds=60)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(days=7), timedelta(days=1)),
    ],
)
def test_what_the_server_asks_for_counts_within_bounds(asked: timedelta, waits: timedelta) -> None:
    failed, pending = seen(CERTIFICATE), seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))

    failed.failed(due, "busy", asked)
    pending.pending(due, asked)

    assert pending.wanted(due.after(waits))
    assert not pending.wanted(due.after(waits - timedelta.resolution))
    assert failed.wanted(due.after(max(waits, timedelta(seconds=75))))
    assert not failed.wanted(due.after(waits - timedelta.resolution))


def test_a_ca_that_decides_later_is_no_failure() -> None:
    machine = seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))
    machine.failed(due, "no route")

    machine.pending(due, timedelta(hours=1))

    assert machine.fault == ""


def test_with_another_certificate_everything_begins_anew() -> None:
    machine = seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))
    machine.failed(due, "no route")

    machine.seen(CERTIFICATE, due)
    assert machine.fault == "no route"
    machine.seen(Lifetime(due.wall, due.wall + YEAR, b"b" * 32), due)

    assert machine.fault == ""
    assert not machine.wanted(due)


def test_a_ca_that_dates_back_is_not_asked_for_one_certificate_after_the_other() -> None:
    machine = seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))
    old_already = Lifetime(due.wall - YEAR, due.wall + timedelta(days=1), b"b" * 32)

    machine.seen(old_already, due)

    assert not machine.wanted(due.after(timedelta(minutes=59)))
    assert machine.wanted(due.after(timedelta(hours=1)))


def test_what_an_operator_changed_is_tried_at_once_and_what_the_ca_decides_is_waited_for() -> None:
    failed, pending = seen(CERTIFICATE), seen(CERTIFICATE)
    due = at(renewal_at(CERTIFICATE))
    failed.failed(due, "no route", timedelta(hours=3))
    pending.pending(due, timedelta(hours=3))

    failed.try_again()
    pending.try_again()

    assert failed.wanted(due)
    assert failed.fault == ""
    assert not pending.wanted(due)


@given(st.integers(-800, 800), st.integers(0, 50))
def test_the_next_look_is_never_at_once_and_never_far(days: int, failures: int) -> None:
    machine = seen(CERTIFICATE)
    now = at(NOW + timedelta(days=days))
    for _ in range(failures):
        machine.failed(now, "no route", timedelta(days=7))

    assert timedelta(seconds=1) <= machine.next_look(now) <= renewal.LOOK_AGAIN_AFTER


# --- helpers --------------------------------------------------------------------------------------


def seen(certificate: Lifetime | None) -> Renewal:
    machine = Renewal()
    machine.seen(certificate, at(NOW))
    return machine


def at(wall: datetime) -> Moment:
    return Moment(wall - NOW + timedelta(days=1000), wall)
