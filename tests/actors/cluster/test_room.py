"""Dedicated placement is refused where the machines do not bear it, and shown where they do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.cluster.messages import HostPlace, NodePlace, PlacementStatus
from peerkey_cli import documents, layouts
from peerkey_cli.cluster.driver import check_room, units
from runtime.cluster.machines import Machine
from runtime.cluster.placement import PROCESS_BYTES, TooManyProcesses
from tests.support.authority_cluster import fleet

#: A hub and two spokes with a path each, at both ends, and the coordinator.
PLANS = fleet(3)
PROCESSES = 8


def test_every_node_every_path_and_the_coordinator_count() -> None:
    assert units(PLANS) + 1 == PROCESSES
    enough = PROCESSES * PROCESS_BYTES * 5 // 4 + 5
    check_room(PLANS, machines(enough), running=0)

    with pytest.raises(TooManyProcesses) as refused:
        check_room(PLANS, machines(enough - PROCESS_BYTES), running=0)
    assert str(refused.value) == (
        "dedicated placement needs 8 processes, and 4 cores with 864 MiB of free memory bear 7: "
        "choose node or packed"
    )


def test_what_runs_already_is_not_counted_twice() -> None:
    check_room(PLANS, machines(PROCESSES * PROCESS_BYTES // 4 + 5), running=PROCESSES)


def test_paths_with_hosts_of_their_own_are_shown() -> None:
    document = documents.hosts(
        PlacementStatus(
            epoch=1,
            version=1,
            placement="dedicated",
            machines=("m",),
            hosts=(host("m-0", nodes=1), host("m-p0", paths=1)),
            nodes=(NodePlace("r0/node0", "m-0", "m"),),
            total=1,
            alarms=(),
            unplaced_paths=(NodePlace("r0/node0/wan>r2", "", "", "there is no host"),),
        ),
        datetime(2030, 6, 15, tzinfo=UTC),
    )

    assert (document.nodes, document.paths) == (1, 1)
    shown = layouts.hosts(document, colours=False)
    assert "State     Nodes   Paths   Restarts" in shown[3]
    assert "running   0       1       0" in "\n".join(shown)
    assert shown[-1] == " r0/node0/wan>r2 has no place: there is no host"


# --- helpers ----------------------------------------------------------------------------------------


def machines(free_bytes: int) -> list[Machine]:
    """Return two machines with so much free memory together."""
    return [Machine(f"m{each}", frozenset(), 2, free_bytes // 2) for each in range(2)]


def host(name: str, *, nodes: int = 0, paths: int = 0) -> HostPlace:
    return HostPlace(name, "m", 7, 1, 0, True, 3.0, nodes, True, paths=paths)  # noqa: FBT003 - as it is shown
