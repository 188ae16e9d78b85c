"""The records of a node on their way into a backup, and out of it again.

A node's store has more than a backup may hold. :func:`kept` takes what a restored node needs and leaves the
keys behind; :func:`restored` makes of it the records with which that node starts, all numbers beyond whatever
was used since (:mod:`peerkey.protocol.restoring`):

======================  ===================================================================================
a peering's record      its pin, its numbers; its keys are gone, and peers agree new ones
a node's epoch          leaps: nonces of probes and seal keys are made of it
the term of an HA pair  leaps, twice as far: its last bit says whose it is
that it is drained      not in a backup; what the machine itself says of it stays
everything else         stays behind. Copies of the mate's records must never be older than they were: it
                        sends them anew; a restored store has a new id, as one that was lost has
======================  ===================================================================================

What another version of the software has stored under a name that is not known here stays behind too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.desk import is_peering
from actors.draining import RECORD as DRAINED
from peerkey.errors import Misconfigured
from peerkey.protocol.constants import CHALLENGE_BYTES
from peerkey.protocol.restoring import restored as restored_state
from peerkey.protocol.restoring import without_keys
from peerkey.protocol.state import decode_state, encode_state

if TYPE_CHECKING:
    from uuid import UUID

    from peerkey.protocol.state import PeeringState
    from runtime.store.port import Record

#: How owners begin in the store: a node, by its UUID, and what a node keeps of its mate, by that one's.
OF_NODE: Final = "node:"
OF_MATE: Final = "mate:"
_TERM: Final = "term"
_TERM_BYTES: Final = 8
#: Numbers of a peering have eight bytes; one that could not grow any more would end the peering.
_NUMBERS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner has in a store, opened."""

    owner: str
    epoch: int
    #: Contents by name.
    records: tuple[tuple[str, bytes], ...] = field(repr=False)


def kept(owner: str, epoch: int, records: Iterable[Record]) -> Owned:
    """Return what a backup holds of an owner. No key is in it.

    Raises:
        Misconfigured: a record is of a layout that this software does not know.

    """
    found: list[tuple[str, bytes]] = []
    for record in records:
        if owner.startswith(OF_NODE) and is_peering(record.name):
            found.append((record.name, encode_state(without_keys(decode_state(record.value)))))
        elif owner.startswith(OF_MATE) and record.name == _TERM:
            found.append((record.name, record.value))
    return Owned(owner, epoch, tuple(found))


def restored(backed_up: Owned, there: Owned | None, least: int, entropy: Callable[[int], bytes]) -> Owned:
    """Return what the owner has after the restore. ``there`` is what this machine's store has of it.

    ``least`` is :func:`peerkey.protocol.restoring.floor`.

    Raises:
        Misconfigured: a record is of a layout that this software does not know, or of what no backup holds.

    """
    if not backed_up.owner.startswith((OF_NODE, OF_MATE)):
        message = f"the backup has an owner {ascii(backed_up.owner)[:60]}, which is no node"
        raise Misconfigured(message)
    brought = {name: _checked_untrusted(backed_up.owner, name, value) for name, value in backed_up.records}
    found = {} if there is None else dict(kept_of(there).records)
    records: list[tuple[str, bytes]] = []
    if there is not None:
        # Who was drained before the restore comes back to work at an operator's word alone.
        records += ((name, value) for name, value in there.records if name == DRAINED)
    for name in dict.fromkeys((*brought, *found)):
        then, now = brought.get(name), found.get(name)
        if name == _TERM:
            terms = [int.from_bytes(term, "big") for term in (then, now) if term is not None]
            term = max(terms)
            # Whose it is, is its last bit.
            records.append((name, max(term, 2 * least + (term & 1)).to_bytes(_TERM_BYTES, "big")))
            continue
        content = then if then is not None else now
        if content is None:  # pragma: no cover - a name comes from one of both
            continue
        state = restored_state(
            decode_state(content), None if now is None else decode_state(now), least, entropy(CHALLENGE_BYTES)
        )
        records.append((name, encode_state(state)))
    epoch = max(backed_up.epoch, 0 if there is None else there.epoch, least)
    return Owned(backed_up.owner, epoch, tuple(records))


def _checked_untrusted(owner: str, name: str, value: bytes) -> bytes:
    """Return a record of a backup that is what it should be: whoever made the backup may be anybody.

    Raises:
        Misconfigured: it is not, or is of a layout that this software does not know.

    """
    sound = False
    if owner.startswith(OF_MATE) and name == _TERM:
        sound = len(value) == _TERM_BYTES
    elif owner.startswith(OF_NODE) and is_peering(name):
        try:
            sound = _is_memory(without_keys(decode_state(value)))
        except Misconfigured:
            raise
        except Exception:  # noqa: BLE001 - whatever goes wrong with it, it is none
            sound = False
    if not sound:
        message = f"the backup has a record {ascii(name)[:60]} of {ascii(owner)[:60]} that no node wrote"
        raise Misconfigured(message)
    return value


def _is_memory(state: PeeringState) -> bool:
    """Tell whether every field is of the kind that it should be."""
    numbers: list[object] = [state.announcement_number, state.highest_index, state.key_changes]
    texts: list[object] = [state.removed]
    certificates: list[object] = []
    switches: list[object] = []
    if (peer := state.peer) is not None:
        numbers += [peer.number, *peer.versions]
        texts += peer.algorithms
        certificates += [*peer.chain, peer.fingerprint, peer.digest]
        switches += [peer.in_force, peer.pinned]
    return (
        all(type(each) is int and 0 <= each < _NUMBERS for each in numbers)
        and all(isinstance(each, str) for each in texts)
        and all(isinstance(each, bytes) for each in certificates)
        and all(isinstance(each, bool) for each in switches)
    )


def kept_of(owned: Owned) -> Owned:
    """Return what of an owner's records would go into a backup."""
    chosen = [
        (name, encode_state(without_keys(decode_state(value))) if is_peering(name) else value)
        for name, value in owned.records
        if is_peering(name) or name == _TERM
    ]
    return Owned(owned.owner, owned.epoch, tuple(chosen))


def owners_of(uuid: UUID, mate: UUID | None) -> tuple[str, ...]:
    """Return under which owners a node keeps what a backup may hold."""
    return (f"{OF_NODE}{uuid}", *((f"{OF_MATE}{mate}",) if mate is not None else ()))
