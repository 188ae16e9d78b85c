"""When a certificate ends and how urgent that is, exact at every boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.pki.expiry import NEVER, Severity, end_of, is_expired, next_step, severity

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

_instants = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_seconds = _instants.map(lambda instant: instant.replace(microsecond=0))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEGIN - TICK, Severity.CRITICAL),
        (BEGIN, None),
        (END - 30 * DAY, None),
        (END - 30 * DAY + TICK, Severity.MINOR),
        (END - 7 * DAY, Severity.MINOR),
        (END - 7 * DAY + TICK, Severity.MAJOR),
        (END, Severity.MAJOR),
        (END + timedelta(seconds=1) - TICK, Severity.MAJOR),
        (END + timedelta(seconds=1), Severity.CRITICAL),
        (END + 1000 * DAY, Severity.CRITICAL),
    ],
)
def test_severity_is_exact_at_the_boundary(now: datetime, expected: Severity | None) -> None:
    assert severity(now, BEGIN, END) is expected


def test_a_thousand_seconds_are_not_a_second() -> None:
    """Field failure I95-64929: a conversion to milliseconds expired certificates early."""
    for days_left, expected in ((31, None), (29, Severity.MINOR), (8, Severity.MINOR), (6, Severity.MAJOR)):
        assert severity(END - days_left * DAY, BEGIN, END) is expected
    assert not is_expired(END - timedelta(milliseconds=1), END)


def test_a_certificate_without_an_end_never_expires() -> None:
    """99991231235959Z, "no well-defined expiration date": one second more cannot be written."""
    forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    assert end_of(forever) == NEVER
    assert not is_expired(forever, forever)
    assert severity(END, BEGIN, forever) is None


def test_the_time_zone_of_the_clock_does_not_matter() -> None:
    east = timezone(timedelta(hours=13))

    assert severity(END.astimezone(east), BEGIN, END) is severity(END, BEGIN, END)


@given(now=_instants, not_before=_seconds, not_after=_seconds)
def test_severity_says_the_same_until_the_next_step(
    now: datetime, not_before: datetime, not_after: datetime
) -> None:
    step = next_step(now, not_before, not_after)

    if step is None:
        assert severity(now, not_before, not_after) is Severity.CRITICAL
        assert is_expired(now, not_after)
    else:
        assert step > now
        said = severity(now, not_before, not_after)
        assert severity(step - TICK, not_before, not_after) is said
        assert severity(now + (step - now) / 2, not_before, not_after) in {
            said,
            severity(step, not_before, not_after),
        }


@given(start=_instants, lifetime=st.timedeltas(timedelta(seconds=1), timedelta(days=4000)))
def test_walking_from_step_to_step_raises_the_severity_and_ends(start: datetime, lifetime: timedelta) -> None:
    not_before = start.replace(microsecond=0)
    not_after = (not_before + lifetime).replace(microsecond=0)
    now: datetime | None = not_before - DAY
    seen = []
    while now is not None:
        seen.append(severity(now, not_before, not_after))
        now = next_step(now, not_before, not_after)

    assert seen[0] is Severity.CRITICAL
    assert seen[-1] is Severity.CRITICAL
    ranks = [[None, Severity.MINOR, Severity.MAJOR, Severity.CRITICAL].index(said) for said in seen]
    valid = ranks[next(place for place, said in enumerate(seen) if said is not Severity.CRITICAL) :]
    assert valid == sorted(valid)
    assert len(seen) <= 5
