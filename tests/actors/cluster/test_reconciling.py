"""Which node is on which host, for any machines, any nodes and any history."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.cluster.reconciling import (
    Decision,
    Settings,
    host_name,
    is_path_host,
    machine_of,
    reconcile,
)
from runtime.cluster.machines import Machine
from runtime.cluster.placement import Placement, Unit

GIB = 1 << 30
UNITS = [Unit(f"r{each}/node0") for each in range(20)]
#: Pairs, single nodes, and nodes that need an address.
MIXED = [
    *(Unit(f"p{each}/node{half}", apart=f"router p{each}") for each in range(4) for half in (0, 1)),
    *(Unit(f"s{each}/node0") for each in range(4)),
    *(Unit(f"a{each}/node0", addresses=frozenset({f"192.0.2.{each}"})) for each in range(4)),
]

settings_of_all_kinds = st.builds(
    Settings,
    placement=st.sampled_from(Placement),
    hosts_per_machine=st.integers(1, 3),
    machine_is_host=st.booleans(),
)


def machine(number: int, *, free_bytes: int = 8 * GIB, cores: int = 8) -> Machine:
    return Machine(f"m-{number}", frozenset({f"192.0.2.{number}"}), cores, free_bytes)


histories = st.lists(
    st.tuples(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 17))), min_size=1, max_size=6
)


@given(settings=settings_of_all_kinds, history=histories)
def test_whatever_happens_every_node_is_where_it_may_be_or_it_is_told_why_not(
    settings: Settings, history: list[tuple[set[int], set[int]]]
) -> None:
    former: dict[str, str] = {}
    for living, silent in history:
        machines = {each.name: each for each in map(machine, living)}
        gone = {host_name(f"m-{each % 6}", each // 6) for each in silent}

        decision = reconcile(MIXED, machines.values(), gone, former, settings)

        assert decision.hosts.keys() | decision.unplaced.keys() == {unit.name for unit in MIXED}
        assert not decision.hosts.keys() & decision.unplaced.keys()
        assert all(decision.unplaced.values())
        for unit in MIXED:
            host = decision.hosts.get(unit.name)
            if host is None:
                continue
            assert host not in gone
            assert decision.wanted[host] == machine_of(host)
            assert unit.addresses <= machines[machine_of(host)].addresses
        assert_apart(decision, settings)
        for node, host in former.items():
            if machine_of(host) in machines and host not in gone:
                assert decision.hosts[node] == host
        former = dict(decision.hosts)


@given(history=histories)
def test_nodes_that_may_not_move_never_do(history: list[tuple[set[int], set[int]]]) -> None:
    settings = Settings(moving=False)
    former: dict[str, str] = {}
    for living, silent in history:
        gone = {host_name(f"m-{each % 6}", each // 6) for each in silent}

        decision = reconcile(UNITS, map(machine, living), gone, former, settings)

        assert {node: decision.hosts[node] for node in former} == former
        former = dict(decision.hosts)


def test_packed_nodes_are_spread_over_every_host_of_every_machine() -> None:
    decision = decided(Settings(hosts_per_machine=3), machines=4)

    assert len(decision.wanted) == 12
    assert decision.unplaced == {}
    assert len(Counter(decision.hosts.values())) >= 8


def test_a_node_of_its_own_host_gets_the_first_number_that_is_free() -> None:
    settings = Settings(placement=Placement.NODE)
    former = {"r0/node0": "m-0-1", "r1/node0": "m-0-0"}

    decision = reconcile(UNITS[:4], [machine(0)], {"m-0-3"}, former, settings)

    assert decision.hosts == {**former, "r2/node0": "m-0-2", "r3/node0": "m-0-4"}
    assert decision.wanted == dict.fromkeys(decision.hosts.values(), "m-0")


def test_dedicated_hosts_are_as_many_as_the_machine_bears() -> None:
    settings = Settings(placement=Placement.DEDICATED)
    small = machine(0, free_bytes=600 << 20)

    decision = reconcile(UNITS, [small], (), {}, settings)

    assert len(decision.hosts) == 5
    assert "bear 5: choose node or packed" in next(iter(decision.unplaced.values()))
    # What runs has taken its memory, and stays.
    later = machine(0, free_bytes=120 << 20)
    assert reconcile(UNITS, [later], (), decision.hosts, settings).hosts == decision.hosts


def test_nodes_come_before_paths_and_hosts_of_paths_are_known_by_their_names() -> None:
    settings = Settings(placement=Placement.DEDICATED)
    units = [Unit(f"r{each}/node0{path}") for each in range(3) for path in ("", "/wan")]

    whole = reconcile(units, [machine(0)], (), {}, settings)
    assert {unit: is_path_host(host) for unit, host in whole.hosts.items()} == {
        unit.name: unit.name.endswith("/wan") for unit in units
    }
    assert sorted(whole.hosts.values()) == ["m-0-0", "m-0-1", "m-0-2", "m-0-p0", "m-0-p1", "m-0-p2"]
    assert {*map(machine_of, whole.hosts.values())} == {"m-0"}

    scarce = reconcile(units, [machine(0, free_bytes=480 << 20)], (), {}, settings)
    assert sorted(scarce.hosts) == ["r0/node0", "r0/node0/wan", "r1/node0", "r2/node0"]


def test_nodes_that_were_packed_part_when_each_is_to_have_a_host() -> None:
    former = {"r0/node0": "m-0-0", "r1/node0": "m-0-0", "r2/node0": "m-0-1"}

    for placement in (Placement.NODE, Placement.DEDICATED):
        decision = reconcile(UNITS[:3], [machine(0)], (), former, Settings(placement=placement))
        assert decision.hosts == {"r0/node0": "m-0-0", "r1/node0": "m-0-2", "r2/node0": "m-0-1"}


def test_the_hosts_of_one_machine_may_stand_for_machines() -> None:
    mates = MIXED[:2]

    assert len(reconcile(mates, [machine(0)], (), {}, Settings()).hosts) == 1
    for placement in (Placement.PACKED, Placement.NODE):
        settings = Settings(placement=placement, machine_is_host=True)
        decision = reconcile(mates, [machine(0)], (), {}, settings)
        assert len(set(decision.hosts.values())) == 2


def test_more_nodes_than_hosts_can_be_are_told_to_be_packed() -> None:
    many = [Unit(f"r{each}/node0") for each in range(1_000)]

    decision = reconcile(many, [machine(0), machine(1)], (), {}, Settings(placement=Placement.NODE))

    assert len(decision.hosts) == 900
    assert set(decision.unplaced.values()) == {"a cluster has at most 900 hosts: choose packed placement"}


def test_without_a_machine_nobody_has_a_place() -> None:
    assert set(decided(Settings(), machines=0).unplaced.values()) == {"there is no host"}


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 64 hosts, not 65"):
        Settings(hosts_per_machine=65)
    with pytest.raises(ValueError, match="before it is gone"):
        Settings(grace=timedelta(minutes=3))


# --- helpers ----------------------------------------------------------------------------------------


def decided(settings: Settings, *, machines: int) -> Decision:
    return reconcile(UNITS, map(machine, range(machines)), (), {}, settings)


def assert_apart(decision: Decision, settings: Settings) -> None:
    """See that no two nodes of a pair share what they must not share."""
    for number in range(4):
        hosts = [
            decision.hosts[name]
            for name in (f"p{number}/node0", f"p{number}/node1")
            if name in decision.hosts
        ]
        shared = hosts if settings.machine_is_host else [machine_of(host) for host in hosts]
        assert len(set(shared)) == len(shared)
