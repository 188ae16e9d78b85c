"""An HA router in virtual time: whole nodes, each on its own machine, and the link between two of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from actors.ha.direct import fingerprint
from actors.ha.messages import HaStatus
from actors.ha.transport import ChannelData, Word
from actors.messages import Rekey
from peerkey.config.load import load
from peerkey.config.plan import HaPlan, NodePlan
from peerkey.config.planning import plans
from peerkey.ha.messages import Kind
from peerkey.observe.events import (
    HaInStep,
    HaKeyNotReplicated,
    HaLinkDown,
    HaRefused,
    HaReleased,
    HaTakeover,
    KeyActivated,
)
from peerkey.testing.data_plane import CannotSeal
from peerkey_cli.simulation.fleet import Fleet, Site
from peerkey_cli.simulation.run import Beside, Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import HA as AUTHORITY
from tests.sim.authorities import HA_KEYS as KEYS
from tests.support.story import MINUTE, SECOND, alarms, at, events, key_ids, told

ONE, TWO, BRANCH = "hub/node0", "hub/node1", "branch/node0"
HOUR = 60 * MINUTE
#: Deaths in virtual time; ``tests/net/test_ha_kills.py`` has them between processes.
KILLS = 100
#: Where a frame of the link has its version and its kind: behind the length and the head of the array.
VERSION, KIND = 5, 6


def test_the_nodes_of_a_pair_hold_each_others_keys_and_one_of_them_leads() -> None:
    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        first, second = await mate(fleet, ONE), await mate(fleet, TWO)
        assert [each.link for each in (first, second)] == ["in-step"] * 2
        assert [each.role for each in (first, second)] == ["Active Leader", "Redundant Peer"]
        assert [(each.records, each.replicated, each.lag, each.copies) for each in (first, second)] == [
            (1, 1, 0, 1)
        ] * 2
        assert not first.taken_over
        assert first.keys == ()
        assert alarms(await told(fleet, ONE)) == alarms(await told(fleet, TWO)) == []

    assert_well(play(look))


def test_a_node_that_dies_is_taken_over_within_three_seconds_and_its_peer_does_not_rekey() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        (key,) = key_ids(await told(fleet, ONE))
        changes = len(activations(fleet, BRANCH))
        async with fleet.sites[ONE].held_off():
            await at(2 * MINUTE + 3 * SECOND)
            status = await mate(fleet, TWO)
            assert status.taken_over
            assert [(taken.key_id, taken.role, taken.seals) for taken in status.keys] == [
                (key, "current", True)
            ]
            assert status.link == "down"
            assert any("no HA link" in text for text in alarms(await told(fleet, TWO)))
            assert status.role == "Active Leader" if status.term > 1 else status.role
            await at(10 * MINUTE)
        await at(11 * MINUTE)
        back = await mate(fleet, TWO)
        assert (back.link, back.taken_over) == ("in-step", False)
        assert key_ids(await told(fleet, ONE)) == [key]
        assert len(activations(fleet, BRANCH)) == changes
        kinds = [type(event) for _, event in events(fleet, TWO)]
        assert kinds.count(HaTakeover) == kinds.count(HaReleased) == 1
        assert alarms(await told(fleet, TWO)) == []

    assert_well(play(look), deaths=frozenset({"Process"}))


def test_a_successor_is_used_once_the_mate_holds_it() -> None:
    async def look(fleet: Fleet) -> None:
        await at(HOUR + 10 * MINUTE)
        assert len(activations(fleet, ONE)) == 2
        assert not of_kind(fleet, ONE, HaKeyNotReplicated)
        status = await mate(fleet, TWO)
        assert status.lag == 0

    assert_well(play(look, HOUR + 11 * MINUTE))


def test_two_nodes_whose_keys_are_due_at_once_rekey_one_after_the_other_as_the_leader_says() -> None:
    async def look(fleet: Fleet) -> None:
        await at(50 * MINUTE)
        assert (await mate(fleet, ONE)).rekey_turn == "", "nobody has wanted one"
        await shorten(fleet, timedelta(minutes=30))
        await at(54 * MINUTE)
        first, second = sorted(when(fleet, node, KeyActivated)[-1] for node in (ONE, TWO))
        assert 55 * SECOND < second - first < 65 * SECOND
        statuses = [await mate(fleet, node) for node in (ONE, TWO)]
        assert statuses[0].rekey_turn == statuses[1].rekey_turn != ""
        assert [(status.replicated, status.records, status.lag) for status in statuses] == [(2, 2, 0)] * 2

    assert_well(play(look, 55 * MINUTE))


def test_a_leader_that_dies_in_its_turn_keeps_its_mate_from_nothing() -> None:
    async def look(fleet: Fleet) -> None:
        await at(50 * MINUTE)
        begun = await shorten(fleet, timedelta(minutes=30))
        leader, other = (ONE, TWO) if (await mate(fleet, ONE)).role == "Active Leader" else (TWO, ONE)
        await at(50 * MINUTE + 10 * SECOND)
        async with fleet.sites[leader].held_off():
            await at(52 * MINUTE)
            assert when(fleet, other, KeyActivated)[-1] - begun < 45 * SECOND
            assert (await mate(fleet, other)).link == "down"

    assert_well(play(look, 55 * MINUTE), deaths=frozenset({"Process"}))


def test_with_the_link_cut_a_node_goes_on_alone_says_so_and_catches_up() -> None:
    async def look(fleet: Fleet) -> None:
        await at(50 * MINUTE)
        fleet.sync.cut()
        await at(HOUR + 10 * MINUTE)
        assert len(activations(fleet, ONE)) == 2, "nobody waits for a mate that cannot be reached"
        assert any("no HA link" in text for text in alarms(await told(fleet, ONE)))
        assert any("is out of date" in text for text in alarms(await told(fleet, ONE)))
        assert (await mate(fleet, ONE)).replicated == 0
        fleet.sync.mend()
        await at(HOUR + 10 * MINUTE + 10 * SECOND)
        status = await mate(fleet, ONE)
        assert (status.link, status.replicated, status.lag) == ("in-step", 2, 0)
        assert alarms(await told(fleet, ONE)) == []
        assert len(of_kind(fleet, ONE, HaLinkDown)) == 1
        assert len(of_kind(fleet, ONE, HaInStep)) == 2

    assert_well(play(look, HOUR + 11 * MINUTE))


def test_a_mate_that_holds_nothing_is_waited_for_as_long_as_the_peer_and_no_longer() -> None:
    async def look(fleet: Fleet) -> None:
        await at(50 * MINUTE)
        # Both hear each other, and neither is told any more what the other has stored.
        fleet.sync.lets_through = lambda _, frame: frame[KIND] != Kind.ACK
        await at(HOUR + 10 * MINUTE)
        assert len(activations(fleet, ONE)) == 2
        (event,) = of_kind(fleet, ONE, HaKeyNotReplicated)
        assert isinstance(event, HaKeyNotReplicated)
        status = await told(fleet, ONE)
        assert [event.key_id] == key_ids(status)
        assert any(f"Key {event.index} with peer `branch/node0`" in text for text in alarms(status))
        fleet.sync.lets_through = everything
        fleet.sync.cut()
        fleet.sync.mend()
        await at(HOUR + 11 * MINUTE)
        assert alarms(await told(fleet, ONE)) == []

    assert_well(play(look, HOUR + 12 * MINUTE))


def test_a_link_that_carries_one_way_only_counts_as_down_at_both_ends_until_it_carries_both() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        fleet.sync.lets_through = lambda sender, _: sender.listens
        await at(HOUR + 10 * MINUTE)
        counts = [fleet.sites[node].journal.counts["key.activated"] for node in (ONE, TWO)]
        assert counts == [2, 2]
        assert (await mate(fleet, TWO)).taken_over
        assert any("no HA link" in text for text in alarms(await told(fleet, TWO)))
        fleet.sync.lets_through = everything
        await at(HOUR + 11 * MINUTE)
        for node in (ONE, TWO):
            status = await mate(fleet, node)
            assert (status.link, status.replicated, status.taken_over) == ("in-step", 2, False)
            assert alarms(await told(fleet, node)) == []

    assert_well(play(look, HOUR + 12 * MINUTE))


def test_a_link_that_carries_one_way_only_is_one_alarm_and_no_journal_full_of_events() -> None:
    shown: list[bool] = []

    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        before = {node: Counter(fleet.sites[node].journal.counts) for node in (ONE, TWO)}
        fleet.sync.lets_through = lambda sender, _: sender.listens
        for second in range(60 * 60):
            await at(3 * MINUTE + second * SECOND)
            shown.append(any("no HA link" in text for text in alarms(await told(fleet, ONE))))
        for node in (ONE, TWO):
            told_of = fleet.sites[node].journal.counts - before[node]
            assert (told_of["ha.link_up"], told_of["ha.link_down"]) in {(0, 1), (1, 2)}
            assert told_of["ha.in_step"] == 0
            # The mate's keys are given back to it at each of its greetings: twice a minute at the most.
            assert told_of["ha.takeover"] < 180
        fleet.sync.lets_through = everything
        await at(HOUR + 4 * MINUTE)
        for node in (ONE, TWO):
            assert (await mate(fleet, node)).link == "in-step"
            assert alarms(await told(fleet, node)) == []

    assert_well(play(look, HOUR + 5 * MINUTE))
    assert all(shown)


def test_a_flapping_link_loses_nothing_and_nothing_goes_back() -> None:
    async def look(fleet: Fleet) -> None:
        for second in range(20 * 60, 80 * 60, 7):
            await at(second * SECOND)
            fleet.sync.cut()
            await at((second + 3) * SECOND)
            fleet.sync.mend()
        await at(HOUR + 25 * MINUTE)
        for node in (ONE, TWO):
            status = await mate(fleet, node)
            assert (status.link, status.replicated, status.lag) == ("in-step", 2, 0)
            # Told of so many links that its journal has forgotten the first key.
            assert fleet.sites[node].journal.counts["key.activated"] == 2

    assert_well(play(look, HOUR + 26 * MINUTE))


def test_both_nodes_that_are_killed_again_and_again_never_cause_a_rekey() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        for turn in range(20):
            node = (ONE, TWO)[turn % 2]
            async with fleet.sites[node].held_off():
                await at((3 + turn) * MINUTE - 30 * SECOND)
            await at((3 + turn) * MINUTE)
        await at(30 * MINUTE)
        assert [len(activations(fleet, node)) for node in (ONE, TWO, BRANCH)] == [1, 1, 2]
        assert [(await mate(fleet, node)).link for node in (ONE, TWO)] == ["in-step"] * 2

    assert_well(play(look, 31 * MINUTE), deaths=frozenset({"Process"}))


def test_a_link_that_crashes_reads_the_store_again_and_nobody_rekeys() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        keys = key_ids(await told(fleet, ONE))
        system = fleet.sites[ONE].system
        assert system is not None
        system.crash(system.ref("authority/hub.node0/ha-sync"), RuntimeError("a test"))
        await at(3 * MINUTE)
        for node in (ONE, TWO):
            status = await mate(fleet, node)
            assert (status.link, status.replicated, status.copies) == ("in-step", 1, 1)
        assert key_ids(await told(fleet, ONE)) == keys

    assert set(play(look).deaths) == {"Crashed", "Restarted"}


def test_a_pair_is_made_and_parted_by_reloads_and_no_key_changes() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        keys = [key_ids(await told(fleet, node)) for node in (ONE, TWO)]
        joined = {node: fleet.sites[node].plan for node in (ONE, TWO)}
        for node, plan in joined.items():
            fleet.sites[node].plan = replace(plan, ha=None)
            await fleet.sites[node].reload()
        await at(3 * MINUTE)
        assert [(await told(fleet, node)).ha for node in (ONE, TWO)] == [None, None]
        assert [alarms(await told(fleet, node)) for node in (ONE, TWO)] == [[], []]
        assert [owners(fleet, node) for node in (ONE, TWO)] == [{ONE}, {TWO}], "no key of the other stays"
        for node, plan in joined.items():
            fleet.sites[node].plan = plan
            await fleet.sites[node].reload()
        await at(4 * MINUTE)
        assert [(await mate(fleet, node)).link for node in (ONE, TWO)] == ["in-step", "in-step"]
        assert [owners(fleet, node) for node in (ONE, TWO)] == [{ONE, TWO}] * 2
        assert [key_ids(await told(fleet, node)) for node in (ONE, TWO)] == keys

    assert_well(play(look))


def test_neither_what_is_stored_of_a_mate_nor_what_is_shown_or_sent_holds_a_key() -> None:
    sent: list[bytes] = []

    def seen(_sender: HaPlan, frame: bytes) -> bool:
        sent.append(frame)
        return True

    async def look(fleet: Fleet) -> None:
        fleet.sync.lets_through = seen
        await at(2 * MINUTE)
        async with fleet.sites[ONE].held_off():
            await at(3 * MINUTE)
            state = fleet.sites[ONE].stored(fleet.sites[BRANCH].uuid)
            shown = repr(await told(fleet, TWO)) + repr(events(fleet, TWO))
            (owner, name) = f"mate:{fleet.sites[ONE].uuid}", f"copy:peering:{fleet.sites[BRANCH].uuid}"
            copy = fleet.sites[TWO].machine.disk.acknowledged.read(owner, name)
        assert state is not None
        assert state.ring.current is not None
        assert copy is not None
        assert state.ring.current.key_id.hex() in shown
        for kept in (state.ring.current.peer_key, state.ring.current.probe):
            assert kept.reveal() not in copy.value
            assert not any(kept.reveal() in frame for frame in sent)
            assert kept.reveal().hex() not in shown
            assert repr(kept.reveal()) not in shown

    assert_well(play(look), deaths=frozenset({"Process"}))
    assert sent


def test_traffic_goes_on_over_the_mate_of_a_dead_node_with_the_keys_that_there_were() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        one, two, branch = (fleet.sites[node] for node in (ONE, TWO, BRANCH))
        there = branch.data_plane
        before = there.seal(branch.uuid, one.uuid, b"to node0")
        assert one.data_plane.open(one.uuid, before) == b"to node0"
        assert there.open(branch.uuid, one.data_plane.seal(one.uuid, branch.uuid, b"of node0")) == b"of node0"
        assert two.data_plane.open(two.uuid, before) == b"to node0", "a copy opens at any time"
        with pytest.raises(CannotSeal):
            two.data_plane.seal(two.uuid, branch.uuid, b"", owner=one.uuid)
        async with one.held_off():
            await at(2 * MINUTE + 3 * SECOND)
            for turn in range(3):
                inward = there.seal(branch.uuid, one.uuid, b"in %d" % turn)
                assert two.data_plane.open(two.uuid, inward) == b"in %d" % turn
                outward = two.data_plane.seal(two.uuid, branch.uuid, b"out %d" % turn, owner=one.uuid)
                assert there.open(branch.uuid, outward) == b"out %d" % turn
            await at(4 * MINUTE)
        await at(5 * MINUTE)
        with pytest.raises(CannotSeal):
            two.data_plane.seal(two.uuid, branch.uuid, b"", owner=one.uuid)
        back = one.data_plane.seal(one.uuid, branch.uuid, b"again")
        assert there.open(branch.uuid, back) == b"again"
        assert len(activations(fleet, BRANCH)) == 2, "nobody has rekeyed"

    assert_well(play(look), deaths=frozenset({"Process"}))


def test_a_node_that_dies_while_a_key_is_replaced_leaves_every_key_that_its_peer_may_seal_with() -> None:
    opened = []

    async def look(fleet: Fleet) -> None:
        one, two, branch = (fleet.sites[node] for node in (ONE, TWO, BRANCH))
        await at(2 * MINUTE)
        await branch.ask(Rekey(ONE))
        for half_second in range(150):
            await at(2 * MINUTE + half_second * SECOND / 2)
            if half_second == 57:
                one.kill()
            packet = branch.data_plane.seal(branch.uuid, one.uuid, b"%d" % half_second)
            assert two.data_plane.open(two.uuid, packet) == b"%d" % half_second
            opened.append(packet[:16])
            if one.uuid in {mate for _, mate in two.data_plane.taken_over}:
                outward = two.data_plane.seal(two.uuid, branch.uuid, b"out", owner=one.uuid)
                assert branch.data_plane.open(branch.uuid, outward) == b"out"

    assert_well(play(look), deaths=frozenset({"Process"}))
    assert len(set(opened)) == 2, "the key was replaced on the way"


def test_at_every_moment_a_living_node_of_a_pair_opens_what_a_peer_seals_to_either() -> None:
    random, moments = Random(6), Counter[str]()

    async def kills(fleet: Fleet) -> None:
        branch = fleet.sites[BRANCH]
        now = 2 * MINUTE
        await at(now)
        for _ in range(KILLS):
            victim, survivor = (fleet.sites[name] for name in random.sample((ONE, TWO), 2))
            await branch.ask(Rekey(victim.name))
            now += random.choice((0.1, 70)) * random.random() * SECOND
            await at(now)
            stored = victim.stored(branch.uuid)
            assert stored is not None
            moments["+".join(sorted(role.value for role, _ in stored.ring))] += 1
            async with victim.held_off():
                for tenth in range(45):
                    await at(now + tenth * SECOND / 10)
                    packet = branch.data_plane.seal(branch.uuid, victim.uuid, b"in")
                    assert survivor.data_plane.open(survivor.uuid, packet) == b"in"
                    assert survives(branch, survivor)
                    if tenth >= 30:
                        packet = survivor.data_plane.seal(
                            survivor.uuid, branch.uuid, b"out", owner=victim.uuid
                        )
                        assert branch.data_plane.open(branch.uuid, packet) == b"out"
            now += 90 * SECOND
            await at(now)
            assert survives(branch, victim)
            assert (victim.uuid, survivor.uuid) not in victim.data_plane.taken_over
        rekeyed = branch.journal.counts["key.activated"]
        assert rekeyed <= 2 + KILLS, "only what was ordered"

    lasts = timedelta(minutes=3) + KILLS * timedelta(seconds=161)
    outcome = simulate(planned(AUTHORITY), Settings(1, lasts, schedule=()), beside=kills)
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert sum(moments.values()) == KILLS
    assert len(moments) > 3, moments


def test_a_mate_of_another_router_is_refused_with_the_alarm_that_names_it() -> None:
    first, second, branch = planned(AUTHORITY)
    other = replace(second, authority="another")

    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        (refused,) = of_kind(fleet, ONE, HaRefused)
        assert isinstance(refused, HaRefused)
        assert refused.reason == "another-router"
        assert any(
            "a node of router hub of authority another" in text for text in alarms(await told(fleet, ONE))
        )
        assert (await mate(fleet, ONE)).copies == 0

    assert_the_link_alone_is_wrong((first, other, branch), look)


def test_a_mate_of_another_version_is_refused_with_the_alarm_that_names_both() -> None:
    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        async with fleet.sites[TWO].held_off():
            other = fleet.sites[TWO].plan.ha
            assert other is not None

            def echo(word: Word) -> bool:
                if isinstance(word, ChannelData):
                    end.send(word.channel, word.data[:VERSION] + b"\x07" + word.data[KIND:])
                return True

            end = fleet.sync.open(other, echo)
            end.attempt()
            await at(2 * MINUTE)
            (refused,) = of_kind(fleet, ONE, HaRefused)
            assert isinstance(refused, HaRefused)
            assert refused.reason == "unsupported-version"
            assert any("unsupported-version" in text for text in alarms(await told(fleet, ONE)))
            end.close()
        await at(3 * MINUTE)
        assert alarms(await told(fleet, ONE)) == []

    assert_well(play(look), deaths=frozenset({"Process"}))


def test_a_wrong_key_is_refused_with_the_alarm_that_names_it_at_both_ends() -> None:
    first, second, branch = planned(AUTHORITY)
    assert first.ha is not None
    stranger = replace(first, ha=replace(first.ha, public_key=KEYS[2]))

    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        (refused,) = of_kind(fleet, TWO, HaRefused)
        assert isinstance(refused, HaRefused)
        assert (refused.reason, refused.by_mate) == ("wrong-client-key", False)
        (there,) = of_kind(fleet, ONE, HaRefused)
        assert isinstance(there, HaRefused)
        assert there.by_mate
        assert any("is not the configured one" in text for text in alarms(await told(fleet, TWO)))
        assert any("wrong-client-key" in text for text in alarms(await told(fleet, ONE)))

    assert_the_link_alone_is_wrong((stranger, second, branch), look)


def test_a_stranger_that_shows_a_new_key_each_time_does_not_fill_the_audit_log() -> None:
    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        # The higher UUID listens.
        dialer, listener = ONE, TWO
        plan = fleet.sites[dialer].plan.ha
        assert plan is not None
        async with fleet.sites[dialer].held_off():
            for number in range(200):
                await at(MINUTE + (10 + number / 10) * SECOND)
                end = fleet.sync.open(replace(plan, public_key=f"ssh-ed25519 {number}"), lambda _: True)
                end.attempt()
                end.close()
            assert len(of_kind(fleet, listener, HaRefused)) == 2
            (last,) = [text for text in alarms(await told(fleet, listener)) if "configured" in text]
            assert fingerprint("ssh-ed25519 199") in last
        await at(2 * MINUTE)
        assert alarms(await told(fleet, listener)) == []

    assert_well(play(look), deaths=frozenset({"Process"}))


# --- helpers --------------------------------------------------------------------------------------


def planned(text: str) -> tuple[NodePlan, ...]:
    return plans(load(text, "ha.yaml").authority, "/etc/peerkey")


def play(look: Beside, lasts: timedelta = 12 * MINUTE) -> Outcome:
    return simulate(planned(AUTHORITY), Settings(1, lasts, 0.0, schedule=()), beside=look)


def everything(_sender: HaPlan, _frame: bytes) -> bool:
    return True


async def mate(fleet: Fleet, node: str) -> HaStatus:
    status = (await told(fleet, node)).ha
    assert status is not None
    return status


async def shorten(fleet: Fleet, interval: timedelta) -> timedelta:
    """Let both nodes of the pair rekey in a shorter interval, which has passed; return when that was."""
    for node in (ONE, TWO):
        plan = fleet.sites[node].plan
        fleet.sites[node].plan = replace(plan, policy=replace(plan.policy, rekey_interval=interval))
        await fleet.sites[node].reload()
    return timedelta(seconds=asyncio.get_running_loop().time())


def when(fleet: Fleet, node: str, kind: type) -> list[timedelta]:
    """Return when events of a kind were recorded."""
    return [instant for instant, event in events(fleet, node) if isinstance(event, kind)]


def survives(branch: Site, node: Site) -> bool:
    """Tell whether a node and its peer open what each seals to the other, over the node's own peering."""
    there = branch.data_plane.seal(branch.uuid, node.uuid, b"there")
    back = node.data_plane.seal(node.uuid, branch.uuid, b"back")
    return (
        node.data_plane.open(node.uuid, there) == b"there"
        and branch.data_plane.open(branch.uuid, back) == b"back"
    )


def owners(fleet: Fleet, node: str) -> set[str]:
    """Return whose key rings the data plane of a node has."""
    names = {site.uuid: name for name, site in fleet.sites.items()}
    return {names[owner] for _, owner, _ in fleet.sites[node].data_plane.keys}


def of_kind(fleet: Fleet, node: str, kind: type) -> list[object]:
    return [event for _, event in events(fleet, node) if isinstance(event, kind)]


def activations(fleet: Fleet, node: str) -> list[object]:
    return of_kind(fleet, node, KeyActivated)


def assert_well(outcome: Outcome, deaths: frozenset[str] = frozenset()) -> None:
    assert outcome.finding is None, "\n".join(outcome.trace)
    assert set(outcome.deaths) == deaths


def assert_the_link_alone_is_wrong(fleet: tuple[NodePlan, ...], look: Beside) -> None:
    outcome = simulate(fleet, Settings(1, 2 * MINUTE, 0.0, schedule=()), beside=look)
    assert not outcome.deaths
    assert outcome.finding is not None
    assert "has no HA link" in outcome.finding.what
