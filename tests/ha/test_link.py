"""One end of the link: greeting, inventories, changes, acknowledgements, silence, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgpack
import pytest

from peerkey.ha import effects
from peerkey.ha.constants import (
    BEAT_INTERVAL,
    GREETING_TIMEOUT,
    LEASE,
    MAXIMUM_CONTENT_BYTES,
    MAXIMUM_RECORDS,
    MAXIMUM_TERM_JUMP,
    MAXIMUM_UNACKNOWLEDGED,
    REPLICATION_GRACE,
    STEADY_AFTER,
    WINDOW_BYTES,
    WINDOW_RECORDS,
)
from peerkey.ha.effects import Close, DeleteCopy, Emit, Held, InStep, Lacks, LinkEffect, Send, StoreCopy
from peerkey.ha.link import LINK_EDGES, LinkState, LinkStep, MateLink, PairConfig
from peerkey.ha.messages import (
    Ack,
    Beat,
    Entry,
    Frames,
    Hello,
    Inventory,
    Mark,
    Message,
    Reason,
    Record,
    Refused,
    Role,
    Version,
    encode,
    read_untrusted,
)
from peerkey.ha.records import Copy, mark_of
from peerkey.ha.sealing import Seals, agree_untrusted, public_key
from peerkey.moment import EPOCH_START, Moment
from peerkey.observe.events import HaInStep, HaLinkDown, HaLinkUp, HaRefused
from peerkey.secret import Secret

OWN, MATE = b"\x01" * 16, b"\x02" * 16
STORE, MATES_STORE = b"s" * 16, b"t" * 16
CONFIG = PairConfig("authority", "router", OWN, MATE, "router/node0", "router/node1")
NOW = EPOCH_START.after(timedelta(hours=1))


# --- greeting -----------------------------------------------------------------------------------------


def test_the_first_thing_on_a_channel_is_a_hello_that_says_who_and_which_incarnation() -> None:
    link = end()
    (hello,) = messages(link.connected(NOW))

    assert isinstance(hello, Hello)
    assert (hello.authority, hello.router, hello.sender, hello.receiver) == ("authority", "router", OWN, MATE)
    assert (hello.store_id, hello.epoch) == (STORE, 3)
    assert link.state is LinkState.GREETING


def test_each_connection_has_a_key_of_its_own() -> None:
    link = end()
    keys = set()
    for _ in range(3):
        (hello,) = messages(link.connected(NOW))
        assert isinstance(hello, Hello)
        keys.add(hello.public_key)

    assert len(keys) == 3


def test_a_mate_that_is_who_it_should_be_is_shown_what_is_held_of_its_records() -> None:
    link = end(copies={"peering:x": Copy(MATES_STORE, Version(5, 2), b"theirs")})
    mate = Mate(link)

    assert mate.sent == [Inventory((Entry("peering:x", mark_of(Version(5, 2), b"theirs")),), last=True)]
    assert link.state is LinkState.RESYNCHRONISING
    assert HaLinkUp("router/node1") in mate.events


def test_an_inventory_comes_in_parts_one_at_a_time_of_which_the_last_says_so() -> None:
    copies = {f"peering:{at}": Copy(MATES_STORE, Version(5, 1), b"theirs") for at in range(1100)}
    link = end(copies=copies)
    mate = Mate(link)
    while link.deadline() == NOW.instant and len(mate.sent) < 9:
        mate.carry(link.tick(NOW))
    parts = [each for each in mate.sent if isinstance(each, Inventory)]

    assert [(len(part.entries), part.last) for part in parts] == [(512, False), (512, False), (76, True)]
    assert {entry.name for part in parts for entry in part.entries} == set(copies)


def test_a_mate_that_does_not_greet_in_time_is_left() -> None:
    link = end()
    link.connected(NOW)
    assert link.deadline() == NOW.instant + GREETING_TIMEOUT
    assert link.tick(NOW.after(GREETING_TIMEOUT)) == [Close("the mate did not greet")]
    assert link.state is LinkState.DOWN
    assert link.deadline() is None


# --- refusals -----------------------------------------------------------------------------------------

REFUSALS: list[tuple[Reason, Callable[[Hello], Hello], str]] = [
    (Reason.ANOTHER_ROUTER, lambda hello: hello._replace(router="east"), "of router east of authority"),
    (Reason.ANOTHER_ROUTER, lambda hello: hello._replace(authority="lab"), "of authority lab, expected"),
    (Reason.WRONG_NODE, lambda hello: hello._replace(sender=b"\x07" * 16), "node 0707"),
    (Reason.WRONG_NODE, lambda hello: hello._replace(receiver=b"\x07" * 16), "looks for node 0707"),
    (Reason.WRONG_NODE, lambda hello: hello._replace(sender=OWN, receiver=MATE), "node 0101"),
    (
        Reason.OLDER_EPOCH,
        lambda hello: hello._replace(epoch=4),
        "of epoch 4; the mate was heard under epoch 5",
    ),
    (Reason.MALFORMED, lambda hello: hello._replace(public_key=bytes(32)), "is no key"),
]


@pytest.mark.parametrize(("reason", "change", "text"), REFUSALS, ids=[text for _, _, text in REFUSALS])
def test_a_mate_that_is_not_what_it_should_be_is_refused_and_told_why(
    reason: Reason, change: Callable[[Hello], Hello], text: str
) -> None:
    link = end(copies={"peering:x": Copy(MATES_STORE, Version(5, 2), b"theirs")})
    hello = link.connected(NOW)
    wanted = link.received(encode(change(hello_of_mate())), NOW)
    refused, closed = messages(wanted)[0], wanted[-1]

    assert len(messages(hello)) == len(messages(wanted)) == 1
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert text in refused.text
    assert isinstance(closed, Close)
    assert link.state is LinkState.DOWN
    assert link.refusal == (reason, refused.text, False)
    assert emitted(wanted) == [HaRefused("router/node1", reason, refused.text, by_mate=False)]


def test_another_version_is_refused_and_both_versions_are_named() -> None:
    link = end()
    link.connected(NOW)
    (refused,) = messages(link.received(framed(msgpack.packb((2, 1, "of the future"))), NOW))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.UNSUPPORTED_VERSION
    assert refused.text == "the mate speaks version 2 of the HA link, this node version 1"


@pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH_9.6\r\n", bytes(40), b"\x00\x00\x00\x02\xc0\xc0"])
def test_junk_is_refused(junk: bytes) -> None:
    link = end()
    link.connected(NOW)
    (refused,) = messages(link.received(junk, NOW))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.MALFORMED


@pytest.mark.parametrize(
    "early", [Inventory((), last=True), Ack(0), Beat(0, Role.INACTIVE, 0, 0)], ids=lambda m: type(m).__name__
)
def test_nothing_is_accepted_before_hello(early: Message) -> None:
    link = end()
    link.connected(NOW)
    (refused,) = messages(link.received(encode(early), NOW))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_PLACE


def test_a_second_hello_is_out_of_place() -> None:
    mate = Mate(end())

    assert mate.refusal(hello_of_mate()) == Reason.OUT_OF_PLACE


def test_a_second_inventory_is_malformed() -> None:
    mate = Mate(end())
    mate.says(Inventory((), last=True))

    assert mate.refusal(Inventory((), last=True)) == Reason.MALFORMED


def test_an_inventory_of_more_than_a_mate_may_hold_is_malformed() -> None:
    mate = Mate(end())
    parts = [
        Inventory(
            tuple(Entry(f"{part} {at}", Mark(Version(1, 1), bytes(16))) for at in range(512)), last=False
        )
        for part in range(MAXIMUM_RECORDS // 512 + 1)
    ]
    for part in parts[:-1]:
        mate.says(part)

    assert mate.refusal(parts[-1]) == Reason.MALFORMED


def test_an_acknowledgement_of_what_was_never_sent_is_malformed() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"ours")}))
    mate.says(Inventory((), last=True))

    assert mate.refusal(Ack(2)) == Reason.MALFORMED


def test_a_term_that_no_mate_has_reached_is_malformed_so_that_terms_are_not_used_up() -> None:
    mate = Mate(end())
    mate.link.term = 7
    mate.says(Beat(7 + MAXIMUM_TERM_JUMP, Role.LEADER, 0, 0))
    assert mate.link.up

    assert mate.refusal(Beat(8 + MAXIMUM_TERM_JUMP, Role.LEADER, 0, 0)) == Reason.MALFORMED


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_record_out_of_order_is_malformed(number: int) -> None:
    mate = Mate(end())

    assert mate.refusal(mate.seals.seal(number, "peering:x", Version(5, 1), b"theirs")) == Reason.MALFORMED


def test_a_record_of_an_epoch_that_has_not_begun_is_malformed() -> None:
    mate = Mate(end())

    assert mate.refusal(mate.seals.seal(1, "peering:x", Version(6, 1), b"theirs")) == Reason.MALFORMED


def test_a_record_that_does_not_open_is_not_authentic_and_is_not_stored() -> None:
    mate = Mate(end())
    record = mate.seals.seal(1, "peering:x", Version(5, 1), b"theirs")

    assert mate.refusal(record._replace(sealed=record.sealed[::-1])) == Reason.NOT_AUTHENTIC
    assert not any(isinstance(each, StoreCopy) for each in mate.wanted)


def test_a_record_before_the_inventory_that_it_answers_is_out_of_place() -> None:
    link = end()
    mate = Mate(link)
    mate.says(mate.seals.seal(1, "peering:x", Version(5, 1), b"theirs"))
    mate.greet()
    assert mate.sent == []

    assert mate.refusal(mate.seals.seal(1, "peering:x", Version(5, 2), b"theirs")) == Reason.OUT_OF_PLACE


def test_what_the_mate_refuses_is_told_and_not_answered() -> None:
    link = end()
    link.connected(NOW)
    wanted = link.received(encode(Refused("another-router", "a node of router west")), NOW)

    assert messages(wanted) == []
    assert isinstance(wanted[-1], Close)
    assert link.refusal == ("another-router", "a node of router west", True)
    assert emitted(wanted) == [
        HaRefused("router/node1", "another-router", "a node of router west", by_mate=True)
    ]


def test_a_cause_of_refusal_is_told_once_until_the_mate_has_greeted() -> None:
    link = end()
    told = []
    for _ in range(3):
        link.connected(NOW)
        told += emitted(link.received(encode(hello_of_mate()._replace(router="east")), NOW))
    assert len(told) == 1

    Mate(link)
    assert link.refusal is None
    link.connected(NOW)
    assert any(
        isinstance(event, HaRefused)
        for event in emitted(link.received(encode(hello_of_mate()._replace(router="east")), NOW))
    )


def test_what_a_mate_sends_after_it_was_refused_is_not_read() -> None:
    link = end()
    link.connected(NOW)
    wanted = link.received(encode(Refused("any", "reason")) + encode(hello_of_mate()), NOW)

    assert link.state is LinkState.DOWN
    assert effects.Greeted() not in wanted
    assert link.received(encode(hello_of_mate()), NOW) == []


def test_a_text_that_quotes_the_mate_can_be_sent_whatever_it_quotes() -> None:
    link = end()
    link.connected(NOW)
    long = hello_of_mate()._replace(router="r" * 64, authority="a" * 64)
    (refused,) = messages(link.received(encode(long), NOW))

    assert isinstance(refused, Refused)
    assert len(refused.text) <= 256


# --- what the mate lacks ------------------------------------------------------------------------------


def test_what_the_mate_lacks_is_sent_and_what_it_has_is_not() -> None:
    own = {
        "peering:same": (Version(2, 4), b"same"),
        "peering:newer": (Version(3, 1), b"newer"),
        "peering:new": (Version(3, 1), b"new"),
    }
    mate = Mate(end(own=own))
    wanted = mate.says(
        inventory(
            ("peering:same", Version(2, 4), b"same"),
            ("peering:newer", Version(2, 9), b"older"),
            ("peering:gone", Version(2, 2), b"gone"),
        )
    )

    assert Held("peering:same", Version(2, 4)) in wanted
    assert mate.opened() == [
        ("peering:newer", Version(3, 1), b"newer"),
        ("peering:gone", Version(2, 2), None),
        ("peering:new", Version(3, 1), b"new"),
    ]


def test_nothing_is_sent_before_the_inventory_is_complete() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"ours")}))
    mate.says(Inventory((), last=False))
    assert mate.opened() == []

    mate.says(Inventory((), last=True))
    assert mate.opened() == [("peering:a", Version(3, 1), b"ours")]


def test_what_changes_while_the_inventory_arrives_is_sent_as_it_is_then() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"one"), "peering:gone": (Version(3, 1), b"gone")}))
    held = [("peering:a", Version(3, 1), b"one"), ("peering:gone", Version(3, 1), b"gone")]
    mate.says(inventory(*held)._replace(last=False))
    mate.carry(mate.link.changed("peering:a", Version(3, 2), b"two", NOW))
    mate.carry(mate.link.changed("peering:gone", Version(3, 1), None, NOW))
    mate.says(Inventory((), last=True))

    assert mate.opened() == [("peering:a", Version(3, 2), b"two"), ("peering:gone", Version(3, 1), None)]


def test_a_record_with_the_version_that_the_mate_has_and_another_content_replaces_it() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 2), b"of the second life")}))
    mate.says(inventory(("peering:a", Version(3, 2), b"of the first life")))

    assert mate.opened() == [
        ("peering:a", Version(3, 2), None),
        ("peering:a", Version(3, 2), b"of the second life"),
    ]


def test_a_record_that_was_deleted_and_made_again_begins_again_at_the_mate() -> None:
    mate = in_step({"peering:a": (Version(3, 9), b"first life")})
    mate.carry(mate.link.changed("peering:a", Version(3, 9), None, NOW))
    mate.carry(mate.link.changed("peering:a", Version(3, 1), b"second life", NOW))

    assert mate.opened() == [
        ("peering:a", Version(3, 9), None),
        ("peering:a", Version(3, 1), b"second life"),
    ]


def test_a_mate_without_any_record_is_in_step_at_once() -> None:
    link = end()
    mate = Mate(link)
    wanted = mate.says(Inventory((), last=True))

    assert InStep(0) in wanted
    assert link.state is LinkState.IN_STEP


def test_in_step_is_when_all_is_acknowledged_and_not_before() -> None:
    link = end(own={f"peering:{at}": (Version(3, 1), b"ours") for at in range(3)})
    mate = Mate(link)
    mate.says(Inventory((), last=True))
    mate.says(Ack(2))
    assert link.state == LinkState.RESYNCHRONISING
    assert link.outbox.lag == 1
    wanted = mate.says(Ack(3))

    assert wanted == [Held("peering:2", Version(3, 1)), InStep(3), Emit(HaInStep("router/node1", 3))]
    assert mate.link.state is LinkState.IN_STEP


def test_an_acknowledgement_is_cumulative() -> None:
    mate = Mate(end(own={f"peering:{at}": (Version(3, 1), b"ours") for at in range(3)}))
    mate.says(Inventory((), last=True))

    assert [each.name for each in mate.says(Ack(3)) if isinstance(each, Held)] == [
        "peering:0",
        "peering:1",
        "peering:2",
    ]
    assert mate.says(Ack(3)) == []


def test_a_mate_that_has_lost_what_it_held_is_noticed() -> None:
    mate = in_step({"peering:a": (Version(3, 1), b"ours")})
    mate.greet()

    assert mate.says(Inventory((), last=True))[0] == Lacks("peering:a")
    assert mate.opened()[-1] == ("peering:a", Version(3, 1), b"ours")


# --- changes ------------------------------------------------------------------------------------------


def test_a_change_leaves_at_once() -> None:
    mate = in_step({})
    mate.carry(mate.link.changed("peering:a", Version(3, 1), b"ours", NOW))

    assert mate.opened() == [("peering:a", Version(3, 1), b"ours")]
    assert mate.says(Ack(1)) == [Held("peering:a", Version(3, 1))]


def test_of_one_record_only_the_latest_content_waits() -> None:
    mate = in_step({})
    for at in range(WINDOW_RECORDS):
        mate.carry(mate.link.changed(f"peering:{at}", Version(3, 1), b"fill", NOW))
    for number in range(1, 50):
        mate.carry(mate.link.changed("peering:much", Version(3, number), b"%d" % number, NOW))
    assert len(mate.opened()) == WINDOW_RECORDS
    mate.says(Ack(WINDOW_RECORDS))

    assert mate.opened()[WINDOW_RECORDS:] == [("peering:much", Version(3, 49), b"49")]


def test_what_the_mate_was_never_sent_is_not_deleted_there() -> None:
    mate = in_step({})
    for at in range(WINDOW_RECORDS):
        mate.carry(mate.link.changed(f"peering:{at}", Version(3, 1), b"fill", NOW))
    mate.link.changed("peering:short", Version(3, 1), b"short", NOW)
    mate.link.changed("peering:short", Version(3, 1), None, NOW)
    mate.says(Ack(WINDOW_RECORDS))

    assert len(mate.opened()) == WINDOW_RECORDS
    assert mate.link.outbox.lag == 0


def test_a_window_bounds_what_is_under_way_in_records_and_in_bytes() -> None:
    large = {f"peering:{at}": (Version(3, 1), bytes(MAXIMUM_CONTENT_BYTES)) for at in range(6)}
    mate = Mate(end(own=large))
    mate.says(Inventory((), last=True))
    assert len(mate.opened()) == WINDOW_BYTES // MAXIMUM_CONTENT_BYTES

    small = {f"peering:{at}": (Version(3, 1), b"small") for at in range(2 * WINDOW_RECORDS)}
    mate = Mate(end(own=small))
    mate.says(Inventory((), last=True))
    assert len(mate.opened()) == WINDOW_RECORDS


def test_what_is_older_than_what_is_known_is_passed_over() -> None:
    mate = in_step({"peering:a": (Version(3, 5), b"five")})

    assert mate.link.changed("peering:a", Version(3, 4), b"four", NOW) == []
    assert mate.link.changed("peering:a", Version(2, 9), None, NOW) == []


def test_a_mate_is_not_told_to_hold_a_life_that_has_ended() -> None:
    """The acknowledgement of the first life arrives when the second has come as far in its versions."""
    mate = in_step({})
    mate.carry(mate.link.changed("peering:a", Version(3, 1), b"first life", NOW))
    mate.carry(mate.link.changed("peering:a", Version(3, 1), None, NOW))
    mate.carry(mate.link.changed("peering:a", Version(3, 1), b"second life", NOW))

    assert mate.says(Ack(1)) == []
    assert mate.says(Ack(3)) == [Held("peering:a", Version(3, 1))]


@pytest.mark.parametrize("beyond", ["size", "count"])
def test_what_is_beyond_a_mates_bounds_is_the_callers_mistake(beyond: str) -> None:
    link = end(own={f"peering:{at}": (Version(3, 1), b"") for at in range(MAXIMUM_RECORDS)})
    name, size = ("peering:0", MAXIMUM_CONTENT_BYTES + 1) if beyond == "size" else ("peering:one more", 0)
    with pytest.raises(ValueError, match=r"limit is|are not replicated"):
        link.changed(name, Version(3, 2), bytes(size), NOW)


# --- copies -------------------------------------------------------------------------------------------


def test_a_copy_is_acknowledged_when_it_is_durable_and_not_before() -> None:
    mate = Mate(end())
    (store,) = mate.says(mate.seals.seal(1, "peering:x", Version(5, 1), b"theirs"))
    assert store == StoreCopy(1, "peering:x", Copy(MATES_STORE, Version(5, 1), b"theirs"))
    mate.carry(mate.link.stored(1, NOW))

    assert mate.sent[-1] == Ack(1)


def test_acknowledgements_wait_for_all_before_them() -> None:
    mate = Mate(end())
    for number in (1, 2, 3):
        mate.says(mate.seals.seal(number, f"peering:{number}", Version(5, 1), b"theirs"))
    mate.sent.clear()
    for write in (2, 3):
        mate.carry(mate.link.stored(write, NOW))
    assert mate.sent == []

    mate.carry(mate.link.stored(1, NOW))
    assert mate.sent == [Ack(3)]


def test_no_more_than_a_window_of_the_mates_records_waits_for_the_store() -> None:
    mate = Mate(end())
    for number in range(1, MAXIMUM_UNACKNOWLEDGED + 1):
        mate.says(mate.seals.seal(number, f"peering:{number}", Version(5, 1), b"content"))
    assert mate.link.up

    one_more = mate.seals.seal(MAXIMUM_UNACKNOWLEDGED + 1, "peering:z", Version(5, 1), b"content")
    assert mate.refusal(one_more) == "malformed"


def test_what_waits_to_be_sent_shows_nothing() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"a key in the clear")}))

    assert "key in the clear" not in repr(vars(mate.link.outbox))


@pytest.mark.parametrize("version", [Version(5, 4), Version(5, 3), Version(4, 99)])
def test_a_copy_never_overwrites_one_that_is_as_new_or_newer(version: Version) -> None:
    mate = Mate(end(copies={"peering:x": Copy(MATES_STORE, Version(5, 4), b"newest")}))
    wanted = mate.says(mate.seals.seal(1, "peering:x", version, b"older"))

    assert not any(isinstance(each, StoreCopy) for each in wanted)
    assert mate.sent[-1] == Ack(1)


@pytest.mark.parametrize(("version", "deletes"), [(Version(5, 3), False), (Version(5, 4), True)])
def test_a_deletion_takes_only_what_is_not_newer(version: Version, deletes: bool) -> None:  # noqa: FBT001
    mate = Mate(end(copies={"peering:x": Copy(MATES_STORE, Version(5, 4), b"newest")}))
    wanted = mate.says(mate.seals.seal(1, "peering:x", version, None))

    assert (DeleteCopy(1, "peering:x") in wanted) == deletes


def test_copies_of_a_store_that_the_mate_has_lost_are_dropped_whatever_their_epoch() -> None:
    link = end(copies={"peering:x": Copy(b"o" * 16, Version(50, 4), b"of the old store")})
    mate = Mate(link)
    assert DeleteCopy(1, "peering:x") in mate.wanted
    assert mate.sent == []

    mate.carry(link.stored(1, NOW))
    assert mate.sent == [Inventory((), last=True)]
    assert mate.says(mate.seals.seal(1, "peering:x", Version(5, 1), b"new"))[0] == StoreCopy(
        2, "peering:x", Copy(MATES_STORE, Version(5, 1), b"new")
    )


def test_an_inventory_waits_for_the_writes_of_the_connection_before() -> None:
    link = end()
    mate = Mate(link)
    mate.says(mate.seals.seal(1, "peering:x", Version(5, 1), b"theirs"))
    mate.greet()
    assert mate.sent == []

    mate.carry(link.stored(1, NOW))
    assert mate.sent == [inventory(("peering:x", Version(5, 1), b"theirs"))]


def test_a_write_that_is_reported_twice_or_never_was_changes_nothing() -> None:
    link = end()

    assert link.stored(1, NOW) == link.stored(77, NOW) == []


def test_an_older_incarnation_is_refused_also_without_any_copy() -> None:
    link = end()
    Mate(link)
    link.connected(NOW)
    (refused,) = messages(link.received(encode(hello_of_mate()._replace(epoch=4)), NOW))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OLDER_EPOCH


# --- silence ------------------------------------------------------------------------------------------


def test_each_end_says_every_half_second_that_it_lives_and_how_it_stands() -> None:
    link = end(own={"peering:a": (Version(3, 1), b"ours")})
    mate = Mate(link)
    link.term, link.role = 8, Role.LEADER
    for beat in range(3):
        now = NOW.after(beat * BEAT_INTERVAL)
        assert link.deadline() == now.instant
        assert messages(link.tick(now)) == [Beat(8, Role.LEADER, 0, 1)]
        mate.says(Beat(0, Role.INACTIVE, 0, 0), now)


def test_a_mate_that_falls_silent_loses_the_link() -> None:
    link = end()
    mate = Mate(link)
    mate.says(Inventory((), last=True))
    silent = NOW.after(LEASE)
    while link.deadline() is not None and link.deadline() != silent.instant:
        link.tick(Moment(link.deadline() or NOW.instant, NOW.wall))
    wanted = link.tick(silent)

    assert wanted == [
        Close("the mate has fallen silent"),
        Emit(HaLinkDown("router/node1", "the mate has fallen silent")),
    ]
    assert link.deadline() is None


@pytest.mark.parametrize(
    "sign", [Beat(0, Role.INACTIVE, 0, 0), Ack(0), Inventory((), last=True)], ids=lambda m: type(m).__name__
)
def test_whatever_a_mate_says_is_a_sign_of_life(sign: Message) -> None:
    link = end()
    mate = Mate(link)
    later = NOW.after(timedelta(seconds=1.9))
    mate.says(sign, later)

    assert link.heard_at == later.instant


def test_bytes_that_are_no_whole_frame_are_no_sign_of_life() -> None:
    link = end()
    Mate(link)
    link.received(encode(Ack(0))[:-1], NOW.after(timedelta(seconds=1)))

    assert link.heard_at == NOW.instant


def test_a_link_that_is_lost_is_told_once_and_being_told_so_again_changes_nothing() -> None:
    link = end()
    Mate(link)

    assert link.lost(NOW) == [Emit(HaLinkDown("router/node1", "the connection is gone"))]
    assert link.lost(NOW) == []
    link.connected(NOW)
    assert link.lost(NOW) == []


def test_another_connection_takes_the_place_of_the_first() -> None:
    link = end()
    Mate(link)
    wanted = link.connected(NOW)

    assert emitted(wanted) == [HaLinkDown("router/node1", "another connection took its place")]
    assert [type(each) for each in messages(wanted)] == [Hello]


# --- the table ----------------------------------------------------------------------------------------


def test_every_state_can_be_reached_and_left() -> None:
    assert set(LINK_EDGES.values()) == set(LinkState)
    assert {before for before, _ in LINK_EDGES} == set(LinkState)
    assert {step for _, step in LINK_EDGES} == set(LinkStep)


def test_a_step_that_is_not_in_the_table_is_a_bug() -> None:
    link = end()
    with pytest.raises(KeyError):
        link._move(LinkStep.CATCH_UP)  # noqa: SLF001 - what nobody else can ask for


def test_a_mate_is_out_of_date_after_the_grace_and_not_before() -> None:
    link = end(own={"peering:a": (Version(3, 1), b"ours")})
    mate = Mate(link)
    mate.says(Inventory((), last=True))
    assert link.behind_since == NOW.instant
    assert timedelta(seconds=10) == REPLICATION_GRACE
    mate.says(Ack(1))

    assert link.behind_since is None


# --- links that do not last ---------------------------------------------------------------------------


def test_a_connection_that_was_in_step_for_a_while_was_a_steady_one() -> None:
    mate = in_step({})
    mate.link.unsteady = 3

    mate.link.lost(NOW.after(STEADY_AFTER))

    assert mate.link.unsteady == 0


@pytest.mark.parametrize("seconds", [0, 9.9])
def test_each_connection_in_a_row_that_was_not_counts(seconds: float) -> None:
    mate = in_step({})
    mate.link.lost(NOW.after(timedelta(seconds=seconds)))
    mate.greet()
    mate.link.lost(NOW.after(2 * STEADY_AFTER))
    mate.link.connected(NOW)
    mate.link.tick(NOW.after(GREETING_TIMEOUT))

    assert mate.link.unsteady == 3


def test_a_greeting_that_is_refused_is_told_already_and_does_not_count() -> None:
    link = end()
    link.connected(NOW)
    link.received(encode(Refused(Reason.OLDER_EPOCH, "why")), NOW)

    assert link.unsteady == 0


def test_a_mate_that_greets_and_then_is_refused_is_tried_for_less_and_less_often_and_told_of_once() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"a")}))
    refused = HaRefused("router/node1", "malformed", "record 7 is acknowledged, 0 were sent", by_mate=False)
    for _ in range(5):
        assert mate.refusal(Ack(7)) == "malformed"
        mate.greet()

    assert mate.link.unsteady == 5
    assert mate.events == [
        HaLinkUp("router/node1"),
        refused,
        HaLinkDown("router/node1", "refused: malformed"),
    ]
    assert mate.link.refusal == ("malformed", "record 7 is acknowledged, 0 were sent", False), (
        "the alarm stays until it is in step"
    )
    mate.says(Inventory((), last=True))
    mate.says(Ack(1))
    assert mate.link.refusal is None


def test_of_a_link_that_greets_and_never_is_in_step_two_events_are_told_however_often_it_does() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"a")}))
    for _ in range(5):
        mate.carry(mate.link.lost(NOW, "silence"))
        assert mate.link.doubtful
        mate.greet()

    assert mate.events == [HaLinkUp("router/node1"), HaLinkDown("router/node1", "silence")]


def test_such_a_link_is_up_when_the_mate_is_in_step() -> None:
    mate = Mate(end(own={"peering:a": (Version(3, 1), b"a")}))
    mate.link.lost(NOW, "silence")
    mate.wanted.clear()
    mate.greet()
    mate.says(Inventory((), last=True))
    assert mate.events == []
    mate.says(Ack(1))

    assert mate.events == [HaLinkUp("router/node1"), HaInStep("router/node1", 1)]
    assert not mate.link.doubtful
    assert emitted(mate.link.lost(NOW, "silence")) == [HaLinkDown("router/node1", "silence")]


# --- helpers ------------------------------------------------------------------------------------------


def end(
    own: dict[str, tuple[Version, bytes]] | None = None, copies: dict[str, Copy] | None = None
) -> MateLink:
    drawn = iter(range(1, 1000))
    return MateLink(
        CONFIG,
        entropy=lambda size: next(drawn).to_bytes(size, "big"),
        store_id=STORE,
        epoch=3,
        own=own or {},
        copies=copies or {},
        now=NOW,
    )


SECRET = Secret(b"\x09" * 32)


def hello_of_mate() -> Hello:
    return Hello("authority", "router", MATE, OWN, MATES_STORE, 5, public_key(SECRET))


class Mate:
    """The other end, as a script: what it says is said to ``link``, what it hears is kept."""

    def __init__(self, link: MateLink) -> None:
        self.link = link
        self.wanted: list[LinkEffect] = []
        self.sent: list[Message] = []
        self.seals: Seals
        self.greet()

    def greet(self) -> None:
        (hello,) = messages(self.link.connected(NOW))
        assert isinstance(hello, Hello)
        self.seals = agree_untrusted(SECRET, hello_of_mate(), hello)
        self.sent = []
        self.carry(self.link.received(encode(hello_of_mate()), NOW))

    def says(self, message: Message, now: Moment = NOW) -> list[LinkEffect]:
        wanted = self.link.received(encode(message), now)
        self.carry(wanted)
        return [each for each in wanted if not isinstance(each, Send)]

    def refusal(self, message: Message) -> str:
        self.sent = []
        self.says(message)
        assert self.link.state is LinkState.DOWN
        refused = self.sent[-1]
        assert isinstance(refused, Refused)
        return refused.reason

    def carry(self, wanted: list[LinkEffect]) -> None:
        self.wanted += wanted
        self.sent += messages(wanted)

    @property
    def events(self) -> list[object]:
        return emitted(self.wanted)

    def opened(self) -> list[tuple[str, Version, bytes | None]]:
        """Return the records that were sent, opened."""
        return [
            (each.name, each.version, None if each.deleted else self.seals.open_untrusted(each))
            for each in self.sent
            if isinstance(each, Record)
        ]


def in_step(own: dict[str, tuple[Version, bytes]]) -> Mate:
    mate = Mate(end(own=own))
    mate.says(Inventory((), last=True))
    mate.says(Ack(len(own)))
    assert mate.link.state is LinkState.IN_STEP
    mate.sent.clear()
    return mate


def inventory(*entries: tuple[str, Version, bytes]) -> Inventory:
    return Inventory(
        tuple(Entry(name, mark_of(version, content)) for name, version, content in entries), last=True
    )


def messages(wanted: list[LinkEffect]) -> list[Message]:
    return [
        read_untrusted(frame)
        for each in wanted
        if isinstance(each, Send)
        for frame in Frames().feed(each.data)
    ]


def emitted(wanted: list[LinkEffect]) -> list[object]:
    return [each.event for each in wanted if isinstance(each, Emit)]


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body
