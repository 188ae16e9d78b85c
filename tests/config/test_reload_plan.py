"""What a reload does, decided from two configurations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from peerkey.config.plan import Endpoint, NodePlan, PathPlan
from peerkey.config.reload_plan import (
    MOST_LISTED,
    Counts,
    Deployment,
    Foretold,
    Keys,
    RestartNeeded,
    Step,
    foretell,
    held_back,
    path_steps,
    steps,
)
from tests.sim.authorities import planned

EAST, WEST = planned("pair")
DEPLOYED = Deployment(EAST.authority, enabled=True)
OTHER = UUID(int=77 << 96)


def test_each_thing_starts_stops_starts_anew_changes_or_is_left_alone() -> None:
    before = {"gone": (1, 1), "same": (1, 1), "told": (1, 1), "another": (1, 1)}
    after = {"same": (1, 1), "told": (1, 2), "another": (2, 1), "new": (1, 1)}

    assert steps(before, after, lambda value: value[0]) == {
        "gone": Step.STOP,
        "same": Step.KEEP,
        "told": Step.CHANGE,
        "another": Step.RESTART,
        "new": Step.START,
    }


def test_the_same_configuration_leaves_everything_alone() -> None:
    assert foretold() == Foretold(
        (), Counts(keep=2), Counts(keep=2), Counts(keep=2), left_out=0, restart_needed=()
    )


def test_a_policy_reaches_every_path_and_restarts_nothing() -> None:
    policy = replace(EAST.policy, timeout=timedelta(hours=2))

    found = foretold(replace(EAST, policy=policy))

    (node,) = found.nodes
    assert (node.node, node.step, node.differences) == (
        EAST.name,
        Step.CHANGE,
        ("policy.timeout: 0:00:30 -> 2:00:00",),
    )
    (peering,) = node.peerings
    assert (peering.step, peering.keys) == (Step.KEEP, Keys.KEPT)
    assert [path.step for path in peering.paths] == [Step.CHANGE]
    assert found.path_counts == Counts(change=1, keep=1)


def test_a_path_of_another_address_is_another_one_and_the_keys_stay() -> None:
    path = replace(path_of(EAST), local=Endpoint("10.9.9.9", 1280))

    (node,) = foretold(with_path(EAST, path)).nodes

    (peering,) = node.peerings
    assert (peering.step, peering.keys) == (Step.CHANGE, Keys.KEPT)
    assert [(each.name, each.step) for each in peering.paths] == [(path.name, Step.RESTART)]
    renamed = with_path(EAST, replace(path, name="elsewhere"))
    assert [each.step for each in foretold(renamed).nodes[0].peerings[0].paths] == [Step.STOP, Step.START]


def test_another_algorithm_replaces_the_keys_and_leaves_the_paths_alone() -> None:
    changed = replace(EAST.peerings[0], algorithm_name="ml-kem-1024")

    (node,) = foretold(replace(EAST, peerings=(changed,))).nodes

    assert [(each.step, each.keys, each.paths) for each in node.peerings] == [
        (Step.CHANGE, Keys.REPLACED, ())
    ]


def test_a_node_of_another_uuid_begins_anew_with_all_of_its_peerings() -> None:
    found = foretold(replace(EAST, uuid=OTHER))

    (node,) = found.nodes
    assert node.step is Step.RESTART
    assert [(each.step, each.keys) for each in node.peerings] == [(Step.RESTART, Keys.STORED)]
    assert found.path_counts == Counts(restart=1, keep=1)


def test_a_peering_that_is_taken_out_loses_its_keys_and_a_node_that_is_does_not() -> None:
    (node,) = foretold(replace(EAST, peerings=())).nodes
    assert [(each.step, each.keys) for each in node.peerings] == [(Step.STOP, Keys.ERASED)]

    (gone,) = foretell((EAST, WEST), (EAST,), DEPLOYED).nodes
    assert (gone.step, [(each.step, each.keys) for each in gone.peerings]) == (
        Step.STOP,
        [(Step.STOP, Keys.KEPT)],
    )

    (new,) = foretell((EAST,), (EAST, WEST), DEPLOYED).nodes
    assert (new.step, [(each.step, each.keys) for each in new.peerings]) == (
        Step.START,
        [(Step.START, Keys.STORED)],
    )


def test_a_peer_of_another_uuid_is_another_peering() -> None:
    (peering,) = EAST.peerings
    (node,) = foretold(replace(EAST, peerings=(replace(peering, peer_uuid=OTHER),))).nodes

    assert [(each.step, each.keys, each.peer_uuid) for each in node.peerings] == [
        (Step.STOP, Keys.ERASED, str(peering.peer_uuid)),
        (Step.START, Keys.NEW, str(OTHER)),
    ]


def test_key_management_that_is_enabled_after_the_deployment_waits_for_a_restart() -> None:
    off = tuple(replace(each, enabled=False) for each in (EAST, WEST))
    deployed = Deployment.of(off)
    wanted = (replace(EAST, priority=9), WEST)

    plans, needed = held_back(deployed, wanted)

    assert plans == (replace(EAST, priority=9, enabled=False), off[1])
    assert needed == (RestartNeeded("authority > enhanced-security-key-management", "false", "true"),)
    # The rest of the change is carried out.
    (node,) = foretell(off, wanted, deployed).nodes
    assert node.differences == (f"priority: {EAST.priority} -> 9",)


def test_key_management_that_was_deployed_is_turned_off_and_on_again_at_once() -> None:
    off = tuple(replace(each, enabled=False) for each in (EAST, WEST))

    assert held_back(DEPLOYED, off) == (off, ())
    assert held_back(DEPLOYED, (EAST, WEST)) == ((EAST, WEST), ())


def test_an_authority_keeps_its_name_until_it_is_restarted() -> None:
    renamed = tuple(replace(each, authority="another") for each in (EAST, WEST))

    plans, needed = held_back(DEPLOYED, renamed)

    assert plans == (EAST, WEST)
    assert [str(each) for each in needed] == [f"authority > name: {EAST.authority} -> another"]


def test_a_link_to_a_mate_is_told_of_where_it_begins_ends_or_begins_anew() -> None:
    hub, mate, *others = planned("ha")
    assert hub.ha is not None
    moved = replace(hub, ha=replace(hub.ha, local=Endpoint("10.9.9.9", 1280)))

    def link(after: NodePlan) -> Step:
        found = foretell((hub, mate, *others), (after, mate, *others), Deployment.of((hub,)))
        return next((node.link for node in found.nodes if node.node == hub.name), Step.KEEP)

    assert link(hub) is Step.KEEP
    assert link(moved) is Step.RESTART
    assert link(replace(hub, ha=None)) is Step.STOP
    assert link(replace(hub, enabled=False)) is Step.STOP
    assert link(replace(hub, priority=hub.priority + 1)) is Step.KEEP
    assert link(replace(hub, uuid=OTHER)) is Step.RESTART


def test_more_than_fits_on_some_screens_is_counted() -> None:
    many = [replace(EAST, router=f"r{number}") for number in range(MOST_LISTED)]
    found = foretell((), many, DEPLOYED)

    assert found.node_counts == found.peering_counts == found.path_counts == Counts(start=MOST_LISTED)
    listed = sum(
        1 + len(node.peerings) + sum(len(each.paths) for each in node.peerings) for node in found.nodes
    )
    assert (listed, found.left_out) == (MOST_LISTED, 2 * MOST_LISTED)


@pytest.mark.parametrize("settings_changed", [False, True])
def test_a_path_is_told_of_the_settings_of_its_node_only_where_it_lives_on(settings_changed: bool) -> None:  # noqa: FBT001
    path = path_of(EAST)
    found = path_steps({path.name: path, "gone": path}, [path], settings_changed=settings_changed)

    assert found == {path.name: Step.CHANGE if settings_changed else Step.KEEP, "gone": Step.STOP}


# --- helpers --------------------------------------------------------------------------------------


def foretold(east: NodePlan = EAST) -> Foretold:
    return foretell((EAST, WEST), (east, WEST), DEPLOYED)


def path_of(plan: NodePlan) -> PathPlan:
    """Return its only path."""
    return plan.peerings[0].paths[0]


def with_path(plan: NodePlan, path: PathPlan) -> NodePlan:
    return replace(plan, peerings=(replace(plan.peerings[0], paths=(path,)),))
