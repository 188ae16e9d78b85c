"""The reference model: what it expects of a configuration, and each way a fleet may differ from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.crl.status import RevocationStatus
from actors.ha.messages import HaStatus
from actors.messages import NodeStatus, PathStatus, PeerStatus
from peerkey.config.plan import NodePlan
from peerkey.ha.messages import Role
from peerkey.observe.alarms import (
    Alarm,
    crl_stale,
    ha_key_not_replicated,
    ha_link_down,
    node_not_running,
    peer_unreachable,
)
from peerkey.protocol.peering import PeeringStatus
from peerkey_cli.simulation.model import (
    KeyFacts,
    bound,
    differences,
    expected,
    fails_hard,
    list_differences,
    pair_differences,
)
from tests.sim.authorities import planned

EAST, WEST = "east/node0", "west/node0"
HOUR = timedelta(hours=1)
KEY = "k1"
YOUNG = {KEY: KeyFacts(timedelta(minutes=10), of_certificates_in_use=True)}

Change = Callable[[PeerStatus], PeerStatus]
#: The nodes of a pair, and what each says of the other where all is well.
PAIR = ("hub/node0", "hub/node1")
LINK_DOWN = ha_link_down(*PAIR)
WELL = HaStatus("", "", Role.LEADER, 5, "in-step", "", 1, 1, 0, 1, taken_over=False, silent_seconds=0.1)


def change_of(**changes: object) -> Callable[[HaStatus], HaStatus]:
    return lambda status: replace(status, **changes)  # type: ignore[arg-type]


def test_two_nodes_that_mirror_each_other_are_to_be_keyed_on_their_path() -> None:
    east, west = planned("pair")
    here, there = expected((east, west))

    assert (here.node, here.peer, here.keyed, here.why) == (EAST, WEST, True, "")
    assert here.paths == frozenset(path.name for path in east.peerings[0].paths)
    assert here.algorithm == "ml-kem-768"
    assert here.oldest_key == HOUR + bound((east, west))
    assert (there.node, there.peer, there.keyed) == (WEST, EAST, True)


def test_a_peer_that_is_not_simulated_is_not_expected_anything_of() -> None:
    assert expected(planned("pair")[:1]) == ()


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("key management is disabled there", lambda plan: replace(plan, enabled=False)),
        ("the peer is not configured for this node", lambda plan: replace(plan, peerings=())),
        ("peers are validated and no authority is trusted there", lambda plan: replace(plan, trusted=())),
        (
            "the algorithms differ",
            lambda plan: replace(
                plan,
                peerings=(replace(plan.peerings[0], algorithm_name="diffie-hellman-2048"),),
            ),
        ),
        (
            "no path leads there and back",
            lambda plan: replace(plan, peerings=(replace(plan.peerings[0], paths=()),)),
        ),
    ],
)
def test_a_configuration_that_cannot_be_keyed_says_why(
    why: str, change: Callable[[NodePlan], NodePlan]
) -> None:
    east, west = planned("pair")

    here, *_ = expected((east, change(west)))

    assert not here.keyed
    assert why in here.why
    assert here.paths == frozenset()


def test_whoever_fails_hard_has_no_key_with_a_revoked_certificate() -> None:
    r1, r2, r3 = planned("hard")

    wanted = expected((r1, r2, r3), revoked={r2.name})

    assert {(each.node, each.peer): each.why for each in wanted if not each.keyed} == {
        (r1.name, r2.name): "the certificate there is revoked",
        (r2.name, r1.name): "the certificate here is revoked",
        (r2.name, r3.name): "the certificate here is revoked",
        (r3.name, r2.name): "the certificate there is revoked",
    }
    assert [fails_hard(planned(name)[0]) for name in ("hard", "pair", "pinned")] == [True, False, False]


def test_each_difference_between_the_list_and_what_a_node_knows_is_named() -> None:
    alarm = crl_stale("authority", ["http://crl"])
    well = RevocationStatus()

    found = [
        list(list_differences(frozenset({1, 2}), {EAST: known}, {EAST: status}))
        for known, status in (
            (frozenset({1, 2}), well),
            (frozenset({1}), well),
            (frozenset({1, 2, 3}), well),
            (frozenset({1, 2}), None),
            (frozenset({1, 2}), replace(well, alarms=(alarm,))),
        )
    ]

    assert found == [
        [],
        [(EAST, "revoked, and not known to be: [2]")],
        [(EAST, "not revoked, or released, and known to be: [3]")],
        [(EAST, "the node does not tell of revocations")],
        [(EAST, f"lists are as they should be, and there is the alarm: {alarm.message}")],
    ]


def test_a_pair_that_is_in_step_does_not_differ() -> None:
    assert list(pair_differences([PAIR], paired())) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("does not tell of its HA link", lambda _: None),
        (
            "the HA link is down, 1 of 1 records, 0 under way: silent",
            change_of(link="down", link_error="silent"),
        ),
        ("the HA link is in-step, 0 of 1 records", change_of(replicated=0)),
        ("1 under way: no error", change_of(lag=1)),
        ("the keys of hub/node1 are still taken over", change_of(taken_over=True)),
        ("there is the alarm: Node `hub/node0` has no HA link", change_of(alarms=(LINK_DOWN,))),
        ("['Redundant Peer'] under [5]", change_of(role=Role.REDUNDANT)),
        ("under [4, 5]", change_of(term=4)),
    ],
)
def test_each_difference_of_a_pair_is_named(what: str, change: Callable[[HaStatus], HaStatus | None]) -> None:
    found = list(pair_differences([PAIR], paired(change)))

    assert any(what in text and nodes == PAIR for nodes, text in found), found


def test_an_alarm_about_a_key_that_the_mate_lacks_differs_and_one_about_a_peer_does_not() -> None:
    lacking = ha_key_not_replicated(*PAIR, "branch/node0", 3)
    said = paired()
    said[PAIR[0]] = replace(said[PAIR[0]], alarms=(lacking, peer_unreachable("branch/node0")))

    ((nodes, text),) = pair_differences([PAIR], said)

    assert nodes == PAIR
    assert lacking.message in text


def test_of_two_rekey_intervals_the_shorter_counts_and_none_means_for_ever() -> None:
    east, west = planned("pair")
    shorter, never = (
        replace(west, policy=replace(west.policy, rekey_interval=interval)) for interval in (HOUR / 2, None)
    )
    both_never = replace(east, policy=never.policy)

    assert expected((east, shorter))[0].oldest_key == HOUR / 2 + bound((east, shorter))
    assert expected((east, never))[0].oldest_key == HOUR + bound((east, never))
    assert expected((both_never, never))[0].oldest_key is None


def test_the_bound_follows_the_slowest_configuration() -> None:
    east, west = planned("pair")
    patient = replace(west, policy=replace(west.policy, timeout=west.policy.timeout + HOUR))
    lazy = replace(
        west, policy=replace(west.policy, retransmit_interval=20 * east.policy.retransmit_interval)
    )

    assert bound((east, patient)) == bound((east, west)) + 3 * HOUR
    assert bound((east, lazy)) > bound((east, west)) + 8 * 19 * east.policy.retransmit_interval
    assert timedelta(minutes=2) < bound((east, west)) < timedelta(minutes=30)


def test_a_fleet_that_is_as_it_should_be_does_not_differ() -> None:
    assert wrong() == []


def test_a_node_that_does_not_answer_differs() -> None:
    assert wrong(silent=EAST) == ["the node does not answer, or does not know of the peering"]


@pytest.mark.parametrize(
    ("what", "change"),
    [
        (
            "there is no key: KEY_EXCH_INIT, timeout",
            lambda peer: secured(peer, security_status="KEY_EXCH_INIT", last_error="timeout"),
        ),
        ("there is no key: MKEY_EXCH_COMP, no error", lambda peer: secured(peer, keys=(("next", 1, KEY),))),
        (
            "the key was agreed by diffie-hellman-2048, and ml-kem-768 is configured",
            lambda peer: secured(peer, algorithm="diffie-hellman-2048"),
        ),
        (
            "the peer's certificate is not accepted: expired",
            lambda peer: secured(peer, certificate_received=False, peer_certificate_fault="expired"),
        ),
        (
            "out of service: wan0>west/node0@10.0.0.2:1280",
            lambda peer: replace(peer, paths=(replace(peer.paths[0], state="waiting"),)),
        ),
        pytest.param(
            "out of service: wan0>west/node0@10.0.0.2:1280",
            lambda peer: replace(peer, paths=()),
            id="no path is told of",
        ),
    ],
)
def test_each_difference_of_one_end_is_named(what: str, change: Change) -> None:
    assert wrong(east=change, told_of=(EAST,)) == [what]


def test_two_different_keys_are_seen_from_both_ends() -> None:
    found = wrong(
        east=lambda peer: secured(peer, keys=(("current", 2, "k2"),)), keys={**YOUNG, "k2": YOUNG[KEY]}
    )

    assert [each.partition(":")[0] for each in found] == ["the two ends use different keys"] * 2


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({}, "nobody has seen the key k1 being stored"),
        (
            {KEY: KeyFacts(timedelta(0), of_certificates_in_use=False)},
            "the key was agreed under a certificate that has been replaced",
        ),
        ({KEY: KeyFacts(timedelta(days=2), of_certificates_in_use=True)}, "the key is 2 days, 0:00:00 old"),
    ],
)
def test_a_key_that_nobody_knows_or_that_should_be_gone_differs(
    facts: dict[str, KeyFacts], what: str
) -> None:
    found = wrong(keys=facts)

    assert len(found) == 2
    assert all(each.startswith(what) for each in found)


def test_a_key_where_there_should_be_none_differs() -> None:
    east, west = planned("pair")
    wanted = expected((east, replace(west, enabled=False)))

    found = [what for _, what in differences(wanted, statuses(), YOUNG)]

    assert found == [
        "there is a key although key management is disabled there",
        "there is a key although key management is disabled here",
    ]


def test_a_key_may_stay_where_the_revoked_certificate_was_never_shown_and_another_is_good() -> None:
    wanted = expected(planned("pair"), revoked=(WEST,))

    found = [what for _, what in differences(wanted, statuses(), YOUNG, {(EAST, WEST)})]

    assert found == ["there is a key although the certificate here is revoked"]
    assert len(list(differences(wanted, statuses(), YOUNG))) == 2


@pytest.mark.parametrize("alarm", [node_not_running(EAST, "it crashed"), peer_unreachable(WEST)])
def test_an_alarm_while_everything_is_well_differs(alarm: Alarm) -> None:
    assert wrong(alarms=(alarm,)) == [
        f"everything is as it should be, and there is the alarm: {alarm.message}"
    ]


def test_an_alarm_about_somebody_who_is_not_simulated_is_no_difference() -> None:
    assert wrong(alarms=(peer_unreachable("elsewhere/node0"),)) == []


# --- helpers --------------------------------------------------------------------------------------


def wrong(
    *,
    east: Change = lambda peer: peer,
    silent: str = "",
    keys: dict[str, KeyFacts] = YOUNG,
    alarms: tuple[Alarm, ...] = (),
    told_of: tuple[str, ...] = (EAST, WEST),
) -> list[str]:
    """Return in what a fleet differs from the model that is well but for what is said."""
    found: dict[str, NodeStatus | None] = dict(statuses(east, alarms))
    if silent:
        found[silent] = None
    return [
        what for want, what in differences(expected(planned("pair")), found, keys) if want.node in told_of
    ]


def paired(change: Callable[[HaStatus], HaStatus | None] = lambda status: status) -> dict[str, NodeStatus]:
    """Return what the nodes of a pair say; ``change`` is made to the first of them."""
    first, second, _ = planned("ha")
    halves = (change(WELL), replace(WELL, role=Role.REDUNDANT))
    return {
        plan.name: replace(status(plan, peer_status(plan), ()), ha=half)
        for plan, half in zip((first, second), halves, strict=True)
    }


def statuses(east: Change = lambda peer: peer, alarms: tuple[Alarm, ...] = ()) -> dict[str, NodeStatus]:
    here, there = planned("pair")
    return {
        EAST: status(here, east(peer_status(here)), alarms),
        WEST: status(there, peer_status(there), ()),
    }


def secured(peer: PeerStatus, **changes: object) -> PeerStatus:
    return replace(peer, security=replace(peer.security, **changes))  # type: ignore[arg-type]


def status(plan: NodePlan, peer: PeerStatus, alarms: tuple[Alarm, ...]) -> NodeStatus:
    return NodeStatus(
        node=plan.name,
        uuid=str(plan.uuid),
        enabled=True,
        certificate=None,
        peers=(peer,),
        alarms=alarms,
        rekey_interval_hours=1.0,
    )


def peer_status(plan: NodePlan) -> PeerStatus:
    (peering,) = plan.peerings
    name = f"{peering.peer_router}/{peering.peer_node}"
    return PeerStatus(
        peer=name,
        uuid=str(peering.peer_uuid),
        security=PeeringStatus(
            peer=name,
            security_status="MKEY_EXCH_COMP",
            algorithm=peering.algorithm_name,
            keys=(("current", 1, KEY),),
            key_index=1,
            peer_seals_with=1,
            certificate_received=True,
            certificate_acknowledged=True,
            key_received=True,
            key_acknowledged=True,
            key_changes=1,
            last_rekey=None,
            next_rekey_seconds=None,
            last_error="",
            peer_certificate_fault="",
        ),
        paths=tuple(
            PathStatus(path.name, "in-service", "", str(path.local), str(path.peer), path.mtu)
            for path in peering.paths
        ),
        dropped=(),
    )
