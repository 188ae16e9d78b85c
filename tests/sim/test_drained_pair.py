"""A node of an HA router that is drained hands its keys over: no peer rekeys, and nobody is told farewell."""

from __future__ import annotations

import asyncio
from typing import cast

from actors.messages import Drain, DrainedNode
from peerkey.observe.events import HaReleased, HaTakeover, KeyActivated, NodeDrained, PeeringRemoved
from peerkey_cli.simulation.fleet import Fleet
from tests.support.story import MINUTE, SECOND, alarms, at, events, key_ids, play, told

ONE, TWO, BRANCH = "hub/node0", "hub/node1", "branch/node0"


def test_a_drained_node_of_a_pair_hands_its_keys_over_and_gets_them_back() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        (key,) = key_ids(await told(fleet, ONE))
        activations = kinds(fleet, BRANCH).count(KeyActivated)

        await fleet.sites[ONE].ask(Drain())
        await at(2 * MINUTE + 5 * SECOND)
        (drained,) = [event for _, event in events(fleet, ONE) if isinstance(event, NodeDrained)]
        assert drained.how == "handed over to its mate"
        mate = (await told(fleet, TWO)).ha
        assert mate is not None
        assert [(taken.key_id, taken.seals) for taken in mate.keys] == [(key, True)]
        assert [text for text in alarms(await told(fleet, ONE)) if "is drained since" in text]

        await fleet.sites[ONE].restart()
        await at(4 * MINUTE)
        assert not (await told(fleet, ONE)).enabled
        assert PeeringRemoved not in kinds(fleet, ONE)

        await fleet.sites[ONE].ask(Drain(undo=True))
        await at(6 * MINUTE)
        assert key_ids(await told(fleet, ONE)) == [key]
        assert kinds(fleet, TWO).count(HaTakeover) == kinds(fleet, TWO).count(HaReleased) == 1
        assert kinds(fleet, BRANCH).count(KeyActivated) == activations

    outcome = play("ha", 7 * MINUTE, beside=look)

    assert outcome.finding is None, "\n".join(outcome.trace)


def test_a_node_whose_mate_is_dead_waits_for_nobody_and_says_farewell() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        async with fleet.sites[TWO].held_off():
            await at(2 * MINUTE + 10 * SECOND)
            await fleet.sites[ONE].ask(Drain())
            await at(2 * MINUTE + 17 * SECOND)
            (drained,) = [event for _, event in events(fleet, ONE) if isinstance(event, NodeDrained)]
            assert drained.how == "said farewell to its peers"
        await fleet.sites[ONE].ask(Drain(undo=True))
        await at(6 * MINUTE)
        assert key_ids(await told(fleet, ONE))

    outcome = play("ha", 7 * MINUTE, beside=look)

    assert outcome.finding is None, "\n".join(outcome.trace)


def test_whoever_changes_their_mind_at_once_has_the_last_word() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        orders = [fleet.sites[ONE].ask(Drain(undo=undo)) for undo in (False, True, False, True)]
        answers = await asyncio.gather(*orders)
        assert [[each.state for each in cast("tuple[DrainedNode, ...]", nodes)] for nodes in answers] == [
            ["draining"],
            ["in-service"],
            ["draining"],
            ["in-service"],
        ]
        await at(4 * MINUTE)
        assert NodeDrained not in kinds(fleet, ONE)
        assert (await told(fleet, ONE)).enabled
        assert (await told(fleet, ONE)).drained is None

    outcome = play("ha", 5 * MINUTE, beside=look)

    assert outcome.finding is None, "\n".join(outcome.trace)


# --- helpers ----------------------------------------------------------------------------------------


def kinds(fleet: Fleet, node: str) -> list[type]:
    return [type(event) for _, event in events(fleet, node)]
