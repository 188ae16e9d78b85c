"""Backups that grow old while their node goes on, and are restored: in virtual time, seen from both ends."""

from __future__ import annotations

import pytest

from peerkey.observe.events import KeyActivated
from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.run import simulate
from tests.sim.authorities import planned
from tests.sim.scenarios import SCENARIOS
from tests.support.story import EAST, MINUTE, WEST, at, events, fault, key_ids, play, told

#: How often the node rekeys between its backup and the restore.
REKEYS = 4


def test_a_node_restored_from_a_backup_of_four_rekeys_ago_uses_none_of_its_keys_again() -> None:
    async def look(fleet: Fleet) -> None:
        await at(2 * MINUTE)
        (backed_up,) = key_ids(await told(fleet, EAST))
        await at(19 * MINUTE)
        before = activated(fleet, EAST)
        assert len(before) == REKEYS + 1
        indices = {index for index, _ in before}
        await at(22 * MINUTE)
        after = activated(fleet, EAST)[len(before) :]
        assert after
        assert min(index for index, _ in after) > max(indices)
        assert not {key_id for _, key_id in after} & {key_id for _, key_id in before}
        assert key_ids(await told(fleet, WEST)) == key_ids(await told(fleet, EAST)) != [backed_up]

    rekeys = [fault((3 + 4 * number) * MINUTE, FaultKind.REKEY, EAST) for number in range(REKEYS)]
    restore = fault(2 * MINUTE, FaultKind.RESTORE, EAST, 18 * MINUTE)

    outcome = play("pair", 25 * MINUTE, restore, *rekeys, beside=look)

    assert outcome.finding is None, "\n".join(outcome.trace)
    assert outcome.deaths["Power"] >= 1


def test_an_older_backup_restored_after_a_younger_one_brings_nothing_back_either() -> None:
    older = fault(2 * MINUTE, FaultKind.RESTORE, EAST, 18 * MINUTE)
    younger = fault(8 * MINUTE, FaultKind.RESTORE, EAST, 4 * MINUTE)

    outcome = play("pair", 25 * MINUTE, older, younger)

    assert outcome.finding is None, "\n".join(outcome.trace)


def test_both_ends_restored_at_once_agree_a_key_that_neither_has_had() -> None:
    both = [fault(2 * MINUTE, FaultKind.RESTORE, node, 8 * MINUTE) for node in (EAST, WEST)]
    rekeys = [fault(4 * MINUTE, FaultKind.REKEY, EAST)]

    outcome = play("pair", 15 * MINUTE, *both, *rekeys)

    assert outcome.finding is None, "\n".join(outcome.trace)


@pytest.mark.parametrize("seed", range(2))
def test_one_node_of_a_pair_that_is_restored_takes_nothing_of_its_mate_back(seed: int) -> None:
    run = SCENARIOS["restored-pairs"]

    outcome = simulate(planned(run.authority), run.settings(seed))

    assert outcome.finding is None, "\n".join(outcome.trace)
    assert any(each.kind is FaultKind.RESTORE for each in outcome.schedule)
    assert outcome.deaths["Power"] >= 1


# --- helpers ----------------------------------------------------------------------------------------


def activated(fleet: Fleet, node: str) -> list[tuple[int, str]]:
    return [
        (event.index, event.key_id) for _, event in events(fleet, node) if isinstance(event, KeyActivated)
    ]
