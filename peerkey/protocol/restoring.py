"""What of a peering's memory a backup may bring back, and what never comes back.

    "Restoring an old backup can never bring an old key or announcement number back into use."

A backup is old from the moment on at which it was made: the node has gone on agreeing keys and announcing
itself, and the numbers that it used then are not in the backup. So two rules make an old memory safe:

* **Keys do not travel.** :func:`without_keys` leaves of a key ring one number, its highest index. What a
  backup does not hold, no restore can bring into use, and no thief can read.
* **Numbers leap.** :func:`floor` is beyond every number that can have been used up to now, by anybody who
  ever had this identity: none of them grows by more than :data:`NUMBERS_PER_SECOND`, and counting began at
  :data:`ORIGIN`. It depends on the time and on nothing in the backup. A leap by so and so much would not do:
  of two backups the older one, restored later, would land behind what the newer one had leapt to.

Everything here is pure; ``actors/restored.py`` applies it to the records of a node.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from peerkey.errors import Misconfigured
from peerkey.protocol.keyring import KeyRing
from peerkey.protocol.state import PeeringState

#: What a number grows by in a second at the most, bursts evened out: a refused request is made again three
#: times at once and then every retransmit interval, and refusals are taken once a second.
NUMBERS_PER_SECOND: Final = 8
#: No number was counted before this. A peer follows a key index that is 2**32 greater than what it knows
#: (``MAXIMUM_INDEX_JUMP``), so that until 2043 also one follows that has lost its store.
ORIGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


#: An older backup is not restored, for a clock that is years ahead is more likely. Numbers only grow: a node
#: that has leapt by more than ``MAXIMUM_INDEX_JUMP`` is followed by no peer any more, and ten years are less.
OLDEST: Final = timedelta(days=3_650)


class BackupFromLongAgo(Misconfigured):
    """By the clock of this machine the backup is older than any that is restored."""


class BackupFromLater(Misconfigured):
    """The clock of this machine stands before the time at which the backup was made."""


def floor(made: datetime, now: datetime) -> int:
    """Return what every number of a node starts from that is restored at ``now``, from a backup of ``made``.

    Raises:
        BackupFromLater: ``now`` is before ``made``: the clock that all of this rests on is wrong.
        BackupFromLongAgo: ``now`` is so long after ``made`` that it may be wrong, too.

    """
    if now - made > OLDEST:
        message = (
            f"the clock of this machine says {now:%Y-%m-%d %H:%M:%S} UTC, and the backup was made at "
            f"{made:%Y-%m-%d %H:%M:%S} UTC: set the clock; a backup of more than {OLDEST.days} days is not "
            "restored, for no peer would follow numbers that have leapt so far"
        )
        raise BackupFromLongAgo(message)
    if now < made:
        message = (
            f"the clock of this machine says {now:%Y-%m-%d %H:%M:%S} UTC, and the backup was made at "
            f"{made:%Y-%m-%d %H:%M:%S} UTC: set the clock, so that no number of before is used again"
        )
        raise BackupFromLater(message)
    return NUMBERS_PER_SECOND * max(0, int((now - ORIGIN) / timedelta(seconds=1)))


def without_keys(state: PeeringState) -> PeeringState:
    """Return what a backup holds of a peering: no key, and nothing that an exchange under way needs.

    What stays is the peer's certificate with its pin, why the peering was removed, and the numbers.
    """
    return PeeringState(
        announcement_number=state.announcement_number,
        challenge=b"",
        highest_index=max(state.highest_index, state.ring.highest_index()),
        ring=KeyRing(),
        peer=state.peer,
        removed=state.removed,
        key_changes=state.key_changes,
    )


def restored(
    backed_up: PeeringState, there: PeeringState | None, least: int, challenge: bytes
) -> PeeringState:
    """Return the memory with which a restored node starts.

    ``there`` is what this machine remembers of the same peering, if anything: of two pins its own is taken,
    one that it has released stays released, and no number falls below its own. ``least`` is :func:`floor`;
    ``challenge`` is fresh, so that no frame of before is answered.
    """
    kept = without_keys(backed_up)
    if there is not None:
        here = without_keys(there)
        kept = replace(
            kept,
            announcement_number=max(kept.announcement_number, here.announcement_number),
            highest_index=max(kept.highest_index, here.highest_index),
            # Who has had keys has had a certificate: where none is left, an operator has released its pin.
            peer=here.peer if here.peer is not None or here.key_changes else kept.peer,
            removed=here.removed,
            key_changes=max(kept.key_changes, here.key_changes),
        )
    return replace(
        kept,
        announcement_number=max(kept.announcement_number, least),
        highest_index=max(kept.highest_index, least),
        challenge=challenge,
    )
