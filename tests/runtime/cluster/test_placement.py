"""Where units go, and what makes them stay or move."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from runtime.cluster.directory import Directory, on_host
from runtime.cluster.placement import (
    Site,
    TooManyProcesses,
    Unit,
    check_processes,
    most_processes,
    place,
)

SITES = [Site(f"host{number}", f"machine{number % 3}") for number in range(6)]
UNITS = [
    Unit(f"router{number}.node{half}", apart=f"router{number}") for number in range(200) for half in (0, 1)
]


def test_units_are_spread_evenly_and_in_the_same_way_whatever_the_order() -> None:
    shuffled = UNITS.copy()
    Random(1).shuffle(shuffled)

    placed = place(UNITS, SITES)

    assert placed.unplaced == {}
    assert placed == place(shuffled, reversed(SITES))
    loads = Counter(placed.hosts.values())
    assert len(loads) == len(SITES)
    assert max(loads.values()) < 1.5 * len(UNITS) / len(SITES)


def test_the_nodes_of_an_ha_router_never_share_a_machine() -> None:
    machine_of = {site.host: site.machine for site in SITES}
    former: dict[str, str] = {}
    random = Random(2)
    for _ in range(30):
        living = random.sample(SITES, random.randint(1, len(SITES)))
        placed = place(UNITS, living, former)
        for number in range(200):
            machines = [
                machine_of[placed.hosts[name]]
                for name in (f"router{number}.node0", f"router{number}.node1")
                if name in placed.hosts
            ]
            assert len(set(machines)) == len(machines)
        former = dict(placed.hosts)


def test_only_what_was_on_a_lost_host_moves() -> None:
    before = place(UNITS, SITES).hosts
    lost, living = SITES[0], SITES[1:]

    after = place(UNITS, living, before).hosts

    moved = {name for name in before if before[name] != after[name]}
    assert moved == {name for name, host in before.items() if host == lost.host}


def test_a_host_that_returns_takes_nothing_back_by_itself() -> None:
    without = place(UNITS, SITES[1:]).hosts

    assert place(UNITS, SITES, without).hosts == without


def test_a_unit_with_addresses_is_on_a_machine_that_owns_all_of_them_or_nowhere() -> None:
    both, one = frozenset({"192.0.2.1", "192.0.2.2"}), frozenset({"192.0.2.1"})
    sites = [Site("host0", "machine0", one), Site("host1", "machine1", both), Site("host2", "machine1", both)]
    unit = Unit("hub.node0", addresses=both)

    assert place([unit], sites).hosts["hub.node0"] in {"host1", "host2"}
    assert place([unit], sites, {"hub.node0": "host0"}).hosts["hub.node0"] in {"host1", "host2"}
    assert place([unit], sites[:1]).unplaced == {"hub.node0": "no machine with a host owns 192.0.2.2"}
    assert place([Unit("x", addresses=both | {"192.0.2.3", "192.0.2.4"})], SITES).unplaced == {
        "x": "no machine with a host owns 192.0.2.1 and 192.0.2.2 and 192.0.2.3 and 1 more"
    }


def test_loopback_belongs_to_every_machine() -> None:
    unit = Unit("hub.node0", addresses=frozenset({"127.0.0.7", "::1"}))

    assert set(place([unit], SITES).hosts) == {"hub.node0"}
    assert place([Unit("x", addresses=frozenset({"no address"}))], SITES).unplaced == {
        "x": "no machine with a host owns no address"
    }


def test_mates_on_one_machine_alone_leave_one_of_them_out() -> None:
    placed = place(UNITS[:2], SITES[:1])

    assert placed.hosts == {"router0.node0": "host0"}
    assert placed.unplaced == {"router0.node1": "every machine it could be on has another node of router0"}
    assert place(UNITS[:1], []).unplaced == {"router0.node0": "there is no host"}


def test_a_process_for_each_actor_is_refused_beyond_what_the_machine_bears() -> None:
    assert most_processes(2, 4 << 30) == 34
    assert most_processes(1, 1 << 40) == 32
    check_processes(34, 2, 4 << 30)

    with pytest.raises(TooManyProcesses, match=r"needs 35 processes, and 2 cores with 4096 MiB .* bear 34"):
        check_processes(35, 2, 4 << 30)


def test_the_longest_prefix_of_a_name_decides_and_ends_where_a_name_ends() -> None:
    directory = Directory()
    assert directory.assign({"authority": "a", "authority/hub.node0": "b"}, version=2)

    assert directory.host_of("authority/hub.node0/path") == "b"
    assert directory.host_of("authority/hub.node01") == "a"
    assert directory.host_of("other") is None
    assert directory.route("authority/x") == ("a", "authority/x")
    assert directory.route(on_host("c", "authority/x")) == ("c", "authority/x")
    assert [directory.route(name) for name in ("//", "//c", "//c/", "///x")] == [None] * 4


def test_an_overtaken_assignment_changes_nothing() -> None:
    directory = Directory()
    directory.assign({"x": "new"}, version=2)

    assert not directory.assign({"x": "old"}, version=1)
    assert not directory.assign({"x": "other"}, version=2)
    assert directory.host_of("x") == "new"
    with pytest.raises(ValueError, match="prefixes"):
        directory.assign({str(number): "x" for number in range(100_001)}, version=3)
