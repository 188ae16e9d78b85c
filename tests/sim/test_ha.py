"""An HA router in virtual time: whole nodes, each on its own machine, and the link between two of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from actors.ha.messages import HaStatus
from actors.ha.transport import ChannelData, Word
from peerkey.config import load, plans
from peerkey.config.plan import HaPlan, NodePlan
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
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import Beside, Outcome, simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import HA as AUTHORITY
from tests.sim.authorities import HA_KEYS as KEYS
from tests.support.story import MINUTE, SECOND, alarms, at, events, key_ids, told

ONE, TWO, BRANCH = "hub/node0", "hub/node1", "branch/node0"
HOUR = 60 * MINUTE
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
        assert (status.link, status.replicated, status.lag) == ("in-step", 1, 0)
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
            assert (status.link, status.replicated, status.taken_over) == ("in-step", 1, False)
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
            assert (status.link, status.replicated, status.lag) == ("in-step", 1, 0)
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
        for node, plan in joined.items():
            fleet.sites[node].plan = plan
            await fleet.sites[node].reload()
        await at(4 * MINUTE)
        assert [(await mate(fleet, node)).link for node in (ONE, TWO)] == ["in-step", "in-step"]
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
