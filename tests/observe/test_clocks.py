"""A clock that is wrong: one alarm that says so, in the place of those about certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from peerkey.moment import Moment
from peerkey.observe.alarms import Alarm, certificate_bad, path_down, peer_certificate_invalid
from peerkey.observe.clocks import TOLD_FOR, ClockWatch, with_clocks
from peerkey.observe.condensing import condensed

NOW = Moment(timedelta(hours=5), datetime(2030, 6, 15, 12, tzinfo=UTC))
EARLY = "not-yet-valid: valid from 2030-06-15"


@dataclass(frozen=True)
class Node:
    """As much of a node as is looked at."""

    alarms: tuple[Alarm, ...]
    peers: tuple[str, ...]
    node: str = "hub/node0"


def test_many_peers_whose_certificates_are_not_valid_yet_are_one_alarm_about_the_clock() -> None:
    (alarm,) = seen(tuple(early(n) for n in range(1_000)), peers=1_001)

    assert alarm.kind == "clock"
    assert alarm.message.startswith(
        "The clock of `hub/node0` may be wrong: not valid yet by it: "
        "those of 1000 of 1001 peers (p0/a, p1/a, "
    )
    assert alarm.message.endswith(", and 992 more).")


def test_a_node_whose_own_certificate_begins_in_the_future_suspects_its_clock() -> None:
    own = certificate_bad("hub/node0", "invalid", EARLY)

    (alarm,) = seen((own, early(1)), peers=1)

    assert alarm.message == (
        "The clock of `hub/node0` may be wrong: not valid yet by it: "
        "its own certificate and those of 1 of 1 peers (p1/a)."
    )


@pytest.mark.parametrize(("bad", "peers"), [(1, 1), (1, 10), (3, 10)])
def test_few_of_many_are_themselves_to_blame(bad: int, peers: int) -> None:
    alarms = tuple(early(n) for n in range(bad))

    assert seen(alarms, peers) == list(alarms)


def test_that_many_certificates_have_ended_is_no_evidence() -> None:
    ended = tuple(peer_certificate_invalid(f"p{n}/a", "expired", "expired: yesterday") for n in range(5))

    assert seen(ended, peers=5) == list(ended)


def test_other_alarms_stay() -> None:
    down = path_down("p1/a", "wan0>x")

    assert down in seen((*(early(n) for n in range(5)), down), peers=5)


def test_a_process_of_many_nodes_with_a_wrong_clock_has_one_alarm() -> None:
    nodes = [Node((early(1), early(2)), ("p1/a", "p2/a"), f"r{n}/a") for n in range(200)]

    found, _ = condensed(with_clocks(nodes), "authority")

    ((alarm,),) = (each.alarms for each in found)
    assert alarm.message.startswith("The clocks of 200 nodes may be wrong: ")


def test_two_nodes_of_a_process_have_one_clock_and_one_alarm() -> None:
    nodes = [Node((early(1), early(2)), ("p1/a", "p2/a"), f"r{n}/a") for n in range(2)]

    found, _ = condensed(with_clocks(nodes), "authority")

    ((alarm,),) = (each.alarms for each in found)
    assert alarm.message.startswith(
        "The clocks of 2 nodes may be wrong: `r0/a, r1/a`. One of them: The clock of"
    )


@pytest.mark.parametrize(("by", "said"), [(3 * 3600, "set ahead by 3:00:00"), (-90, "set back by 0:01:30")])
def test_a_clock_that_is_set_while_the_node_runs_is_told_for_an_hour(by: int, said: str) -> None:
    before = ClockWatch().looked(NOW)
    set_at = jumped(NOW, by)

    watch = before.looked(set_at)
    (alarm,) = watch.alarms("authority")

    assert said in alarm.message
    assert list(watch.looked(set_at.after(TOLD_FOR)).alarms("authority")) == []


def test_a_clock_that_is_set_back_to_where_it_was_is_no_alarm() -> None:
    watch = ClockWatch().looked(NOW)
    for moment in (jumped(NOW, 3600).after(timedelta(seconds=5)), NOW.after(timedelta(seconds=10))):
        watch = watch.looked(moment)

    assert list(watch.alarms("authority")) == []


def test_what_time_servers_correct_is_no_alarm() -> None:
    watch, moment = ClockWatch(), NOW
    for _ in range(1_000):
        watch = watch.looked(moment)
        moment = jumped(moment.after(timedelta(seconds=5)), 1)

    assert list(watch.alarms("authority")) == []


def test_an_audit_log_from_the_future_says_that_the_clock_went_back_until_that_time_has_come() -> None:
    watch = ClockWatch(written=NOW.wall + timedelta(days=2)).looked(NOW)

    (alarm,) = watch.alarms("authority")

    assert "its audit log was written to at 2030-06-17T12:00:00Z, which is to come" in alarm.message
    assert list(watch.looked(NOW.after(timedelta(days=2))).alarms("authority")) == []


# --- helpers --------------------------------------------------------------------------------------


def early(number: int) -> Alarm:
    return peer_certificate_invalid(f"p{number}/a", "invalid", EARLY)


def seen(alarms: tuple[Alarm, ...], peers: int) -> list[Alarm]:
    (found,) = with_clocks([Node(alarms, tuple(f"p{n}/a" for n in range(peers)))])
    return list(found.alarms)


def jumped(moment: Moment, seconds: int) -> Moment:
    return Moment(moment.instant, moment.wall + timedelta(seconds=seconds))
