"""What a host takes of what it is told, in whichever order and from whomever it comes."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cluster.assigned import ASKED_AT_ONCE, Assigned, Places
from actors.cluster.configuration import configured
from actors.cluster.messages import Assignment, PlansOf, Target
from actors.cluster.shares import pieces
from actors.cluster.telling import Telling
from peerkey.config.plan import NodePlan
from runtime.wire.port import Address
from tests.support.authority_cluster import fleet


def test_a_host_asks_for_what_it_lacks_until_it_has_everything() -> None:
    telling, assigned = told(fleet(900)), Assigned()
    for part in telling.target("m-0"):
        assigned.take_target(part)
    rounds = 0

    while lacks := assigned.lacks():
        assert len(lacks) <= ASKED_AT_ONCE
        rounds += 1
        for plans in telling.plans("m-0", lacks):
            assigned.take_plans(plans)

    assert {plan.name for plan in assigned.plans()} == {plan.name for plan in fleet(900)}
    assert set(assigned.plans()) == set(fleet(900))
    assert rounds < 20
    route = (Address("10.0.1.1", 1280), Address("10.0.0.1", 1281))
    assert assigned.routes()[route] == "authority/r0.node0"
    assert len(assigned.routes()) == 2 * 899


def test_what_an_older_coordinator_says_is_refused() -> None:
    assigned = Assigned()
    take(assigned, told(fleet(3), epoch=5))
    before = (assigned.plans(), assigned.version, assigned.target)

    old = told(fleet(2), epoch=4, version=99)

    assert [assigned.take_assignment(part) for part in old.assignment] == [None]
    assert not any(assigned.take_target(part) for part in old.target("m-0"))
    assert not assigned.take_plans(
        PlansOf(4, pieces(next(iter(configured(fleet(2)).shares.values()))), last=True)
    )
    assert (assigned.plans(), assigned.version, assigned.target) == before
    assert assigned.epoch == 5


def test_a_later_coordinator_that_says_the_same_changes_nothing_but_the_epoch() -> None:
    assigned = Assigned()
    take(assigned, told(fleet(3), epoch=5))
    changes = assigned.changes

    take(assigned, told(fleet(3), epoch=6))

    assert (assigned.epoch, assigned.version, assigned.changes) == (6, 1, changes)


def test_a_node_that_is_not_named_any_more_is_dropped_before_anything_else_has_come() -> None:
    assigned = Assigned()
    take(assigned, told(fleet(3)))

    for part in told(fleet(4)[1:3], epoch=2).target("m-0"):
        assigned.take_target(part)

    assert {plan.name for plan in assigned.plans()} == {"r1/node0", "r2/node0"}
    # Their plans have changed, as their paths are not direct any more: until the new ones come the old count.
    assert assigned.lacks() == ("r1/node0", "r2/node0")


def test_a_part_that_is_missing_leaves_the_former_list_in_force() -> None:
    telling, assigned = told(fleet(900)), Assigned()
    first, *others = telling.assignment

    assert assigned.take_assignment(first) is None
    assert assigned.version == 0
    found = [assigned.take_assignment(part) for part in others]
    assert found[:-1] == [None] * (len(others) - 1)
    assert isinstance(found[-1], Places)
    assert len(found[-1].hosts) == 900


def test_everything_is_read_again_once_for_each_order_and_not_by_a_host_that_has_just_begun() -> None:
    assigned = Assigned()
    take(assigned, told(fleet(3), reloads=4))
    assert assigned.reloads_done == assigned.reloads == 4

    take(assigned, told(fleet(3), reloads=5))

    assert (assigned.reloads_done, assigned.reloads) == (4, 5)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_messages_in_any_order_and_repeated_lead_to_what_the_latest_coordinator_wants(seed: int) -> None:
    random = Random(seed)
    tellings = [told(fleet(4 + epoch), epoch=epoch, version=epoch) for epoch in (1, 2, 3)]
    sent: list[Assignment | Target | PlansOf] = []
    for telling in tellings:
        names = [f"r{each}/node0" for each in range(8)]
        sent += [*telling.assignment, *telling.target("m-0"), *telling.plans("m-0", names)]
    sent = [random.choice(sent) for _ in range(40)]
    assigned = Assigned()
    epochs = []
    for message in sent:
        give(assigned, message)
        epochs.append(assigned.epoch)

    take(assigned, tellings[-1])

    assert epochs == sorted(epochs)
    assert set(assigned.plans()) == set(fleet(7))
    assert assigned.version == 3
    assert assigned.lacks() == ()


# --- helpers ----------------------------------------------------------------------------------------


def told(plans: list[NodePlan], *, epoch: int = 1, version: int = 1, reloads: int = 0) -> Telling:
    """Return what a coordinator tells that wants everything on one host."""
    found = configured(plans)
    hosts = dict.fromkeys(found.shares, "m-0")
    telling = Telling(epoch)
    telling.place(hosts, version)
    telling.want(hosts, found.shares, reloads)
    return telling


def take(assigned: Assigned, telling: Telling) -> None:
    """Take everything that a coordinator tells."""
    for part in telling.assignment:
        give(assigned, part)
    for target in telling.target("m-0"):
        give(assigned, target)
    while lacks := assigned.lacks():
        for plans in telling.plans("m-0", lacks):
            give(assigned, plans)


def give(assigned: Assigned, message: Assignment | Target | PlansOf) -> None:
    match message:
        case Assignment():
            assigned.take_assignment(message)
        case Target():
            assigned.take_target(message)
        case PlansOf():
            assigned.take_plans(message)
