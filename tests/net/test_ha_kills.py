"""Two node processes of one HA router and two peers, on hosts of their own: nodes die while keys change.

"This is done to avoid rekeying on flow migration due to node failures." So a death must cause no rekey, no
key may be lost, and each key that a peer seals with must be held by a node that lives.

``PEERKEY_HA_KILLS`` says how often (4 unless given; ``make ha-kills``: 100).
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.support.ha_pair import EAST, ONE, PAIR, PEERS, TWO, HaPair, ha_pair
from tests.support.hosts import require_namespaces, wait_for

KILLS = int(os.environ.get("PEERKEY_HA_KILLS", "4"))
SEED = int(os.environ.get("PEERKEY_HA_SEED", "6"))
WITHIN = 120.0
#: Between two deaths: what a rekey takes, from the order to the key in use, is five of them.
PAUSE = (0.0, 8.0)

pytestmark = [pytest.mark.root, pytest.mark.timeout(120 + 60 * KILLS)]


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    require_namespaces()


def test_nodes_that_are_killed_at_random_moments_of_rekeying_cost_no_rekey_and_no_key(
    tmp_path: Path,
) -> None:
    random, story = Random(SEED), Story()
    with ha_pair(tmp_path) as pair:
        told = lambda: logs(pair)  # noqa: E731 - read when it fails
        wait_for(lambda: pair.in_step() and all_keyed(pair), WITHIN, told=told)
        for turn in range(KILLS):
            order_where_settled(pair, story)
            time.sleep(random.uniform(*PAUSE))
            victim = random.choice(PAIR)
            kill(pair, victim, story)
            pair.routers[victim].start()
            wait_for(pair.in_step, WITHIN, told=told)
            wait_for(lambda: released(pair), WITHIN, told=told)
            show(f"kill {turn + 1} of {KILLS}: {victim} with {story.moments[-1]}, {story.delays[-1]:.2f} s")
        wait_for(lambda: all_keyed(pair), WITHIN, told=told)
        for peer in PEERS:
            for node in PAIR:
                accepted = accepted_keys(pair, peer, node)
                story.unordered += max(0, len(accepted) - 1 - story.orders[peer, node])
                if pair.ring(peer, node).get("current") != pair.ring(node, peer).get("current"):
                    story.lost += 1
        crashes = [
            event
            for router in pair.routers.values()
            for event in router.events()
            if "actor." in event["type"]
        ]
    show(story.figures())
    assert (story.unordered, story.lost, story.unheld) == (0, 0, 0)
    assert crashes == []
    assert story.seals > 0
    assert sum(story.orders.values()) > 0


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class Story:
    """What happened."""

    #: Rekeys that were ordered, by peer and node.
    orders: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Rekeys that nobody ordered, keys that the ends do not share any more, and looks at a peer that sealed
    #: with a key that no living node held.
    unordered: int = 0
    lost: int = 0
    unheld: int = 0
    #: Looks at what a peer seals with, while a node was dead.
    seals: int = 0
    #: Seconds from the death to the event of the takeover.
    delays: list[float] = field(default_factory=list)
    #: Which keys there were at each death.
    moments: list[str] = field(default_factory=list)

    def figures(self) -> str:
        during = sum(1 for moment in self.moments if moment != "current")
        return (
            f"\n{len(self.delays)} kills with seed {SEED}, {during} of them while a key was being replaced; "
            f"{sum(self.orders.values())} rekeys ordered, {self.unordered} caused by failover; "
            f"{self.lost} keys lost; {self.seals} looks at what peers seal with while a node was dead, "
            f"{self.unheld} with a key that no living node held; takeover after "
            f"{sum(self.delays) / len(self.delays):.2f} s on average, {max(self.delays):.2f} s at most"
        )


def show(line: str) -> None:
    """Print a figure: it is what the test is for."""
    print(line)  # noqa: T201


def kill(pair: HaPair, victim: str, story: Story) -> None:
    """Kill a node, and look at what its peers seal with until its mate has had its keys for a while."""
    survivor = TWO if victim == ONE else ONE
    story.moments.append("+".join(sorted({role for peer in PEERS for role in pair.ring(peer, victim)})))
    router = pair.routers[survivor]
    before = len(takeovers(router.events()))
    died = datetime.now(UTC)
    pair.routers[victim].end(signal.SIGKILL)
    # What peers seal with between the death and the takeover is looked for in what was taken over: the copies
    # do not change meanwhile, for nobody is there to change them.
    sealed = {(peer, key) for peer in PEERS if (key := pair.ring(peer, victim).get("current"))}
    wait_for(lambda: bool((pair.mate(survivor) or {}).get("taken_over")), WITHIN, told=lambda: logs(pair))
    for _ in range(3):
        sealed |= {(peer, key) for peer in PEERS if (key := pair.ring(peer, victim).get("current"))}
        time.sleep(0.2)
    mate = pair.mate(survivor)
    assert mate is not None
    held = {(key["peer"], key["key_id"]) for key in mate["keys"]}
    story.seals += len(sealed)
    story.unheld += len(sealed - held)
    told = takeovers(router.events())[before:]
    assert len(told) == 1
    story.delays.append((datetime.fromisoformat(told[0]) - died).total_seconds())


def takeovers(events: list[dict[str, str]]) -> list[str]:
    return [event["time"] for event in events if event["type"] == "ha.takeover"]


def order_where_settled(pair: HaPair, story: Story) -> None:
    """Order a rekey of each peering that has one key and no other on its way."""
    for peer in PEERS:
        for node in PAIR:
            if settled(pair, peer, node):
                pair.rekey(peer, node)
                story.orders[peer, node] += 1


def settled(pair: HaPair, peer: str, node: str) -> bool:
    return set(pair.ring(peer, node)) == set(pair.ring(node, peer)) == {"current"}


def all_keyed(pair: HaPair) -> bool:
    return all(
        (key := pair.ring(peer, node).get("current")) and key == pair.ring(node, peer).get("current")
        for peer in PEERS
        for node in PAIR
    )


def released(pair: HaPair) -> bool:
    return not any((pair.mate(node) or {"taken_over": True})["taken_over"] for node in PAIR)


def accepted_keys(pair: HaPair, peer: str, node: str) -> set[str]:
    return {
        event["detail"]["key_id"]
        for event in pair.routers[peer].events()
        if event["type"] == "key.accepted" and event["detail"]["peer"] == node
    }


def logs(pair: HaPair) -> dict[str, object]:
    return {name: (pair.mate(name), router.log.read_text()[-1500:]) for name, router in pair.routers.items()}


def test_a_peer_asks_for_nothing_while_a_node_is_dead_and_the_surviving_paths_do_not_change(
    tmp_path: Path,
) -> None:
    with ha_pair(tmp_path) as pair:
        wait_for(lambda: pair.in_step() and all_keyed(pair), WITHIN, told=lambda: logs(pair))
        before = {name: len(router.events()) for name, router in pair.routers.items()}
        kill(pair, ONE, Story())
        pair.routers[ONE].start()
        wait_for(lambda: pair.in_step() and released(pair), WITHIN, told=lambda: logs(pair))
        after = {name: router.events()[before[name] :] for name, router in pair.routers.items()}
    assert [event for event in after[EAST] if event["type"].startswith("key.")] == []
    assert [event["type"] for event in after[TWO] if not event["type"].startswith(("ha.", "alarm."))] == []
    assert [event["type"] for event in after[TWO] if event["type"] in {"ha.takeover", "ha.released"}] == [
        "ha.takeover",
        "ha.released",
    ]
