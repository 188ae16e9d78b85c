"""One alarm for one cause: however much is hit by it, what an operator sees is bounded and says how much."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.crl.status import SourceStatus, Trouble, alarms_of
from peerkey.observe.alarm_kinds.kind import TOGETHER_FROM
from peerkey.observe.alarms import (
    NAMED_IN_ONE,
    Alarm,
    Severity,
    actor_crashing,
    certificates_expiring,
    ha_link_down,
    node_not_running,
    path_down,
    peer_certificate_invalid,
    peer_unreachable,
)
from peerkey.observe.condensing import MOST_OF_A_KIND, Noticed, condensed
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_subscriptions import Origin

TOP = "authority"


def test_a_thousand_peers_that_lose_one_ca_are_one_alarm_that_counts_and_names_the_first() -> None:
    (alarm,) = shown(Noticed("hub/node0", tuple(untrusted(f"branch{n:04}/node0") for n in range(1_000))))

    assert alarm.message.startswith(
        "The certificates of 1,000 peers are invalid (`untrusted`): `branch0000/node0, branch0001/node0, "
    )
    assert ", and 992 more`. One of them: Peer `branch0000/node0` certificate is invalid" in alarm.message
    assert (alarm.kind, alarm.severity) == ("peer-certificate", Severity.CRITICAL)


def test_the_other_side_of_a_lost_ca_is_one_alarm_too() -> None:
    """Each branch does not trust the hub any more: so many nodes, one peer."""
    nodes = [Noticed(f"branch{n:04}/node0", (untrusted("hub/node0"),)) for n in range(1_000)]

    (alarm,) = shown(*nodes)

    assert alarm.message.startswith(
        "Peer `hub/node0` certificate is invalid: `invalid` - `untrusted: no path`."
    )
    assert "1000 nodes say so: `branch0000/node0, " in alarm.message
    assert alarm.source == "hub/node0"


def test_a_dead_interface_is_one_alarm_for_the_peers_behind_it_and_one_for_those_with_another_path() -> None:
    alone = [peer_unreachable(f"a{n}/node0", "wan0") for n in range(600)]
    others = [path_down(f"b{n}/node0", f"wan0>192.0.2.{n}:1280") for n in range(400)]
    apart = peer_unreachable("c/node0", "lte0")

    found = shown(Noticed("hub/node0", (*alone, *others, apart)))

    assert [alarm.message.partition(":")[0] for alarm in found] == [
        "600 peers are not reachable (`wan0`)",
        "400 paths to peers are down (`wan0`)",
        "Peer `c/node0` is not reachable.",
    ]


def test_two_hundred_nodes_whose_mates_are_lost_are_one_alarm() -> None:
    (alarm,) = shown(
        *(Noticed(f"r{n:03}/a", (ha_link_down(f"r{n:03}/a", f"r{n:03}/b"),)) for n in range(200))
    )

    assert alarm.message.startswith("200 nodes have no HA link to their mates: `r000/a, r001/a, ")


def test_a_lost_process_with_all_its_nodes_is_one_alarm() -> None:
    (alarm,) = shown(*(Noticed(f"r{n}/a", (node_not_running(f"r{n}/a", "gone"),)) for n in range(200)))

    assert alarm.message.startswith("200 nodes are not running: ")


def test_fifty_lists_that_cannot_be_fetched_are_one_alarm_that_names_the_first_of_them() -> None:
    sources = [
        SourceStatus(
            f"http://crl{number:02}.example/list.crl",
            Origin.CONFIGURED,
            PollState.RETRYING,
            trouble=Trouble.UNREACHABLE,
            last_error="connection refused",
        )
        for number in range(50)
    ]

    (alarm,) = shown(Noticed(TOP, tuple(alarms_of(sources, (), datetime(2030, 6, 15, tzinfo=UTC)))))

    assert alarm.message.count("connection refused") == NAMED_IN_ONE
    assert alarm.message.endswith(", and 42 more`.")


def test_few_are_shown_each_by_itself() -> None:
    few = tuple(untrusted(f"b{n}/node0") for n in range(TOGETHER_FROM - 1))

    assert shown(Noticed("hub/node0", few)) == list(few)


def test_other_causes_and_other_severities_are_other_alarms() -> None:
    untrusting = tuple(untrusted(f"b{n}/node0") for n in range(20))
    revoked = peer_certificate_invalid("x/node0", "revoked", "revoked: serial 3")
    days = [
        certificates_expiring(
            f"r{n}", 7 if n % 2 else 30, Severity.MAJOR if n % 2 else Severity.MINOR, ["CN=ca"]
        )
        for n in range(30)
    ]

    found = shown(
        Noticed("hub/node0", (*untrusting, revoked)), *(Noticed(f"r{n}", (a,)) for n, a in enumerate(days))
    )

    assert sorted((alarm.kind, alarm.severity.value) for alarm in found) == [
        ("certificate-expiring", "major"),
        ("certificate-expiring", "minor"),
        ("peer-certificate", "critical"),
        ("peer-certificate", "critical"),
    ]


@pytest.mark.parametrize("peers", [1, 5, 8, 9, 1_000])
@pytest.mark.parametrize("nodes", [1, 5, 8, 9, 200])
def test_there_are_never_many_alarms_of_one_cause(nodes: int, peers: int) -> None:
    there = [Noticed(f"r{n}/a", tuple(untrusted(f"p{m}/a") for m in range(peers))) for n in range(nodes)]

    assert len(shown(*there)) <= (TOGETHER_FROM - 1) ** 2


def test_causes_that_are_all_different_are_put_together_where_they_are_too_many() -> None:
    crashing = [
        Noticed(f"r{n}/a", (actor_crashing(f"r{n}/a", f"authority/r{n}.a", f"Error{n}"),))
        for n in range(MOST_OF_A_KIND + 1)
    ]

    (alarm,) = shown(*crashing)

    assert alarm.message.startswith("65 actors crash again and again: ")


def test_what_is_together_comes_apart_only_when_few_are_left() -> None:
    peers = tuple(untrusted(f"b{n}/node0") for n in range(TOGETHER_FROM))
    _, together = condensed([Noticed("hub/node0", peers)], TOP)
    sizes = []
    for left in (8, 5, 4, 8, 9):
        found, together = condensed([Noticed("hub/node0", peers[:left])], TOP, together)
        sizes.append(len(found[0].alarms))

    assert sizes == [1, 1, 4, 8, 1]


def test_the_identity_stays_whoever_comes_and_goes() -> None:
    (few,) = shown(Noticed("hub/node0", tuple(untrusted(f"b{n}/node0") for n in range(20))))
    (many,) = shown(Noticed("hub/node0", tuple(untrusted(f"b{n}/node0") for n in range(5, 500))))

    assert few.identity == many.identity


def test_what_is_noticed_twice_is_shown_once() -> None:
    twice = peer_unreachable("b/node0")

    assert shown(Noticed("hub/node0", (twice, twice)), Noticed("hub/node0", (twice,))) == [twice]


def test_a_long_detail_does_not_make_a_long_alarm() -> None:
    long = [peer_certificate_invalid(f"b{n}/a", "invalid", "untrusted: " + "x" * 60_000) for n in range(20)]

    (alarm,) = shown(Noticed("hub/node0", tuple(long)))

    assert len(alarm.message) < 1_000


# --- helpers --------------------------------------------------------------------------------------


def untrusted(peer: str) -> Alarm:
    return peer_certificate_invalid(peer, "invalid", "untrusted: no path")


def expiring(number: int) -> Alarm:
    days, severity = (7, Severity.MAJOR) if number % 2 else (30, Severity.MINOR)
    return certificates_expiring(f"r{number}", days, severity, ["CN=ca"])


def shown(*noticing: Noticed) -> list[Alarm]:
    found, _ = condensed(noticing, TOP)
    return [alarm for each in found for alarm in each.alarms]
