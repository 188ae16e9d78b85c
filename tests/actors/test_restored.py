"""The records of a node on their way into a backup and out of it: what stays behind, and what leaps."""

from __future__ import annotations

from uuid import UUID

from actors.ha.records import mate_owner
from actors.restored import Owned, kept, owners_of, restored
from actors.router_node import store_owner
from peerkey.protocol.state import PeeringState, decode_state, encode_state
from runtime.store.port import Record

NODE, MATE, PEER = UUID(int=1), UUID(int=2), UUID(int=3)
LEAST = 1_000
FRESH = bytes(range(32))


def test_of_a_node_only_its_peerings_go_into_a_backup() -> None:
    records = [
        Record(f"peering:{PEER}", 7, 3, encode_state(PeeringState(4, b"c" * 32))),
        Record("router:rekey-turn", 1, 3, b"a decision"),
        Record("drained", 1, 3, b"2026"),
        Record("of another version", 1, 3, b"?"),
    ]

    assert [name for name, _ in kept(store_owner(NODE), 3, records).records] == [f"peering:{PEER}"]


def test_of_a_mate_only_the_term_goes_into_a_backup_and_no_copy_of_its_keys() -> None:
    records = [Record(name, 1, 3, b"x") for name in ("copy:peering:x", "store-id", "term")]

    assert [name for name, _ in kept(mate_owner(MATE), 3, records).records] == ["term"]


def test_a_term_leaps_beyond_every_term_and_stays_whose_it_was() -> None:
    for term in (6, 7):
        (leapt,) = terms(restored(of_mate(term), None, LEAST, entropy))
        assert leapt >= 2 * LEAST
        assert leapt & 1 == term & 1


def test_a_term_that_is_there_already_never_goes_back() -> None:
    assert terms(restored(of_mate(6), of_mate(90_001), LEAST, entropy)) == [90_001]


def test_epochs_never_go_back_and_leap() -> None:
    assert restored(Owned("node:x", 5, ()), None, LEAST, entropy).epoch == LEAST
    assert restored(Owned("node:x", 5, ()), Owned("node:x", 7_000, ()), LEAST, entropy).epoch == 7_000


def test_a_peering_that_only_this_machine_knows_stays_without_its_keys() -> None:
    here = Owned(
        "node:x", 7, ((f"peering:{PEER}", encode_state(PeeringState(4, b"c" * 32, highest_index=9))),)
    )

    ((_, record),) = restored(Owned("node:x", 5, ()), here, LEAST, entropy).records

    state = decode_state(record)
    assert (state.highest_index, state.announcement_number, state.challenge) == (LEAST, LEAST, FRESH)


def test_the_owners_of_a_node_are_its_own_and_what_it_keeps_of_its_mate() -> None:
    assert owners_of(NODE, MATE) == (store_owner(NODE), mate_owner(MATE))
    assert owners_of(NODE, None) == (store_owner(NODE),)


# --- helpers ----------------------------------------------------------------------------------------


def entropy(size: int) -> bytes:
    return FRESH[:size]


def of_mate(term: int) -> Owned:
    return Owned(mate_owner(MATE), 3, (("term", term.to_bytes(8, "big")),))


def terms(owned: Owned) -> list[int]:
    return [int.from_bytes(value, "big") for name, value in owned.records if name == "term"]
