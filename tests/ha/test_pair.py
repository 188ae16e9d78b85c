"""Two nodes of a pair: what an operator sees of death, return, a spoiled channel and a wrong mate."""

from __future__ import annotations

from datetime import timedelta

import pytest

from peerkey.ha.link import LinkState
from peerkey.ha.messages import Role, Version
from peerkey.ha.records import Copy, decode_copy, encode_copy
from peerkey.observe import events
from peerkey.observe.events import HaLeaderChanged, HaReleased, HaTakeover
from peerkey.protocol.constants import ACTIVATION_DELAY
from tests.ha.observer import Observer, Violation
from tests.ha.world import WRITE, Host, World, another_router, ring_of

A, B = "peering:a", "peering:b"


# --- the ordinary day ---------------------------------------------------------------------------------


def test_two_nodes_find_each_other_and_hold_each_others_keys() -> None:
    world = keyed()

    assert world.in_step()
    assert all(host.machine.status(world.now).link is LinkState.IN_STEP for host in world.hosts)
    assert all(host.alarms() == () for host in world.hosts)


def test_one_of_two_leads_and_the_other_is_redundant() -> None:
    world = keyed()
    world.run(5)

    assert world.low.machine.leadership.role is Role.LEADER
    assert world.high.machine.leadership.role is Role.REDUNDANT
    assert {each for each in world.high.events if isinstance(each, HaLeaderChanged)} == {
        HaLeaderChanged("low", 3)
    }


def test_a_successor_is_at_the_mate_before_it_is_used_and_waits_for_nothing() -> None:
    world = keyed()
    rekey(world.low)
    world.run(1)
    accepted = world.instant
    successor = world.low.peerings[A].ring.next
    assert successor is not None
    assert ring_of(world.high.disk.copies[A]).find(successor.index) is not None
    world.run(30)

    assert world.low.peerings[A].ring.current == successor
    assert world.instant - accepted < ACTIVATION_DELAY + timedelta(seconds=2)


def test_status_says_how_a_pair_stands() -> None:
    world = keyed()
    world.run(5)
    status = world.low.machine.status(world.now)

    assert (status.mate, status.role, status.term) == ("high", Role.LEADER, 3)
    assert (status.replicated, status.records, status.lag, status.copies) == (2, 2, 0, 1)
    assert (status.taken_over, status.refusal) == (False, "")
    assert status.silent_seconds <= 0.51


# --- a node dies --------------------------------------------------------------------------------------


def test_a_dead_nodes_keys_are_usable_at_its_mate_within_the_lease_and_nobody_rekeys() -> None:
    world = keyed()
    rings = {name: world.low.peerings[name].ring for name in (A, B)}
    world.low.die()
    world.run(2.01)

    assert world.high.taken_over == rings
    assert HaTakeover("low", 2) in world.high.events


def test_a_node_that_returns_gets_its_peerings_back_as_they_were_and_learns_what_it_missed() -> None:
    world = keyed()
    world.low.die()
    world.run(10)
    rekey(world.high)
    world.run(1)
    before = dict(world.low.disk.own)
    world.low.boot()
    world.run(3)

    assert world.low.disk.own == before
    assert world.high.taken_over is None
    assert HaReleased("low") in world.high.events
    assert world.in_step()


@pytest.mark.parametrize("durable", range(4))
def test_no_key_that_was_used_is_lost_wherever_in_its_writes_a_node_dies(durable: int) -> None:
    world = keyed()
    for _ in range(8):
        rekey(world.low)
        world.run(0.004)
        used = world.low.peerings[A].ring.current
        world.low.die(durable)
        world.run(3)
        assert used is not None
        assert world.high.taken_over is not None
        assert world.high.taken_over[A].find(used.index) is not None
        world.low.boot()
        world.run(70)


def test_leadership_goes_over_to_the_survivor_and_stays_there() -> None:
    world = keyed()
    world.run(5)
    world.low.die()
    world.run(4)
    assert world.high.machine.leadership.role is Role.LEADER
    world.low.boot()
    world.run(6)

    assert world.high.machine.leadership.role is Role.LEADER
    assert world.low.machine.leadership.role is Role.REDUNDANT


# --- the channel --------------------------------------------------------------------------------------


def test_with_the_link_down_a_node_goes_on_alone_says_so_and_catches_up() -> None:
    world = keyed()
    world.cut_off()
    world.run(3)
    rekey(world.low)
    world.run(32)
    alarms = {alarm.identity for alarm in world.low.alarms()}
    assert alarms == {
        "ha-link:low",
        "ha-out-of-date:low",
        f"ha-key-not-replicated:low:{A}",
    }
    assert world.low.peerings[A].activate_at is None

    world.heal()
    world.run(world.bound().total_seconds())
    assert world.in_step()
    assert world.low.alarms() == ()


def test_a_mate_whose_store_is_slow_is_waited_for_thirty_seconds_and_no_longer() -> None:
    world = keyed()
    world.high.disk.latency = timedelta(seconds=300)
    rekey(world.low)
    world.run(1)
    successor = world.low.peerings[A].ring.next
    world.run(58.9)
    assert world.low.peerings[A].ring.next == successor
    assert {alarm.identity for alarm in world.low.alarms()} == {"ha-out-of-date:low"}
    world.run(1.2)

    assert world.low.peerings[A].ring.current == successor
    assert f"ha-key-not-replicated:low:{A}" in {alarm.identity for alarm in world.low.alarms()}


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_link_that_carries_one_way_only_is_down_at_both_ends(end: str) -> None:
    world = keyed()
    world.ways[end].blocked = True
    world.run(4.5)

    assert all(not host.machine.link.up for host in world.hosts)
    assert all("ha-link:" + host.name in {alarm.identity for alarm in host.alarms()} for host in world.hosts)


def test_a_slow_link_is_a_link() -> None:
    world = World()
    for way in world.ways.values():
        way.latency = timedelta(seconds=0.7)
    world.low.agree(A)
    world.run(10)

    assert world.in_step()
    assert all(host.machine.link.up for host in world.hosts)
    assert not any(isinstance(each, events.HaLinkDown) for host in world.hosts for each in host.events)


def test_both_may_lead_while_they_cannot_hear_each_other_and_one_does_afterwards() -> None:
    world = keyed()
    world.run(5)
    world.cut_off()
    world.run(10)
    assert [host.machine.leadership.role for host in world.hosts] == [Role.LEADER, Role.LEADER]
    assert world.low.machine.leadership.term != world.high.machine.leadership.term

    world.heal()
    world.run(10)
    assert sorted(host.machine.leadership.role for host in world.hosts) == [Role.LEADER, Role.REDUNDANT]


def test_ten_thousand_records_are_in_step_within_the_bound_of_the_document() -> None:
    world = World(boot=False)
    for at in range(10_000):
        world.low.disk.own[f"peering:{at}"] = (Version(1, 1), b"one record of %d" % at)
        world.observer.history["low", f"peering:{at}"] = [b"one record of %d" % at]
    world.low.disk.epoch = 1
    world.observer = Blind()
    machine_only(world)
    bound = world.bound()
    world.run(bound.total_seconds())

    assert len(world.high.disk.copies) == 10_000
    assert world.low.machine.link.state is LinkState.IN_STEP


# --- a wrong mate -------------------------------------------------------------------------------------


def test_a_node_of_another_router_is_refused_with_an_alarm_at_both_ends_and_learns_nothing() -> None:
    world = World(boot=False)
    world.high.config = another_router(world.high.config)
    for host in world.hosts:
        host.boot()
    world.low.agree(A)
    world.run(5)

    for host in world.hosts:
        (refused,) = (alarm for alarm in host.alarms() if alarm.identity.startswith("ha-refused"))
        assert "another-router - a node of router" in refused.message
        assert host.disk.copies == {}
    assert any(
        "refuses `low`" in alarm.message or "refuses `high`" in alarm.message for alarm in world.low.alarms()
    )


def test_a_node_that_lost_its_store_is_taken_up_again_and_its_old_copies_are_dropped() -> None:
    world = keyed()
    for _ in range(3):
        world.low.die()
        world.low.boot()
        world.run(2)
    world.low.die()
    world.low.disk.wipe()
    world.observer.store_lost(world.low, world.high)
    world.low.boot()
    world.run(5)
    world.low.agree(A)
    world.run(1)

    assert world.in_step()
    assert set(world.high.disk.copies) == {A}
    assert decode_copy(world.high.disk.copies[A]).version == Version(1, 1)


def test_copies_of_another_layout_are_an_alarm_and_not_the_end() -> None:
    world = keyed()
    world.high.die()
    copy = decode_copy(world.high.disk.copies[A])
    stored = encode_copy(Copy(copy.store_id, copy.version, b"\x92\x63\x00"))
    world.high.disk.copies[A] = stored
    world.observer.reached.clear()
    world.observer.history["low", A].insert(0, b"\x92\x63\x00")
    world.cut_off()
    world.high.boot()

    assert "ha-copies-unreadable:high" in {alarm.identity for alarm in world.high.alarms()}


# --- the observer sees --------------------------------------------------------------------------------


def test_the_observer_sees_a_copy_that_goes_back() -> None:
    world = keyed()
    old = world.high.disk.copies[A]
    rekey(world.low)
    world.run(1)
    world.high.disk.copies[A] = old
    with pytest.raises(Violation, match="invariant 1: the copy of low's peering:a at high went back"):
        world.run(0.1)


@pytest.mark.parametrize(("stored", "said"), [(None, "was lost"), (b"forged", "was made up")])
def test_the_observer_sees_a_copy_that_is_lost_or_made_up(stored: bytes | None, said: str) -> None:
    world = keyed()
    copy = decode_copy(world.high.disk.copies.pop(A))
    if stored is not None:
        world.high.disk.copies[A] = encode_copy(Copy(copy.store_id, copy.version, stored))
    with pytest.raises(Violation, match=f"invariant 1: .* {said}"):
        world.run(0.1)


def test_the_observer_sees_a_key_in_use_that_the_mate_lacks() -> None:
    world = keyed()
    peering = world.low.peerings[A]
    world.low.view.written(A, Version(9, 9), world.low.disk.own[A][1])
    world.low.view.held(A, Version(9, 9))
    world.high.disk.copies[A] = world.high.disk.copies[B]
    world.observer.reached.clear()
    world.observer.history["low", A].append(decode_copy(world.high.disk.copies[B]).content)
    assert peering.ring.current is not None
    with pytest.raises(Violation, match="invariant 2: low seals to peering:a"):
        world.run(0.1)


def test_the_observer_sees_a_key_on_the_wire() -> None:
    world = keyed()
    current = world.low.peerings[A].ring.current
    assert current is not None
    with pytest.raises(Violation, match="invariant 3"):
        world.observer.on_the_wire(b"..." + current.peer_key.reveal())


def test_the_observer_sees_a_term_that_goes_back_and_one_of_both() -> None:
    world = keyed()
    world.run(5)
    world.high.machine.leadership.role = Role.LEADER
    with pytest.raises(Violation, match="invariant 5: two nodes lead under term 3"):
        world.run(0)
    world.high.machine.leadership.role = Role.REDUNDANT
    world.low.disk.term = 1
    with pytest.raises(Violation, match="invariant 5: the term of low went back"):
        world.run(0)


def test_the_observer_sees_a_takeover_that_does_not_come_and_two_that_seal_alike() -> None:
    world = keyed()
    world.observer.sealers = dict.fromkeys(world.observer.sealers, (b"", b"", 0))
    with pytest.raises(Violation, match="invariant 6: two that seal have one key"):
        world.run(0)
    world = keyed()
    world.high.machine.link.heard_at -= timedelta(seconds=9)
    with pytest.raises(Violation, match="invariant 6: high has not taken over"):
        world.observer.see(world)


# --- helpers ------------------------------------------------------------------------------------------


def keyed() -> World:
    """Return two nodes in step: two peerings of the lower, one of the higher."""
    world = World()
    for host, names in ((world.low, (A, B)), (world.high, (A,))):
        for name in names:
            host.agree(name)
    world.run(1)
    for host in world.hosts:
        for name in host.peerings:
            host.accept(name)
    world.run(0.5)
    return world


def rekey(host: Host, name: str = A) -> None:
    host.agree(name)
    host.accept(name)


class Blind(Observer):
    """Looks at nothing: what it would see of ten thousand records takes too long."""

    def see(self, world: World) -> None:
        """Look away."""


def machine_only(world: World) -> None:
    """Boot without the owners' own lives: the records are only bytes."""
    records, world.low.disk.own = world.low.disk.own, {}
    world.low.boot()
    world.high.boot()
    for name, (_, content) in records.items():
        world.low.machine.changed(name, Version(2, 1), content, world.now)
        world.low.disk.own[name] = (Version(2, 1), content)
    assert WRITE
