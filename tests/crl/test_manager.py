"""The CRL manager in virtual time: what is wanted, fetched, kept, merged and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl import source as source_module
from actors.crl.index import PATIENCE, WRITE_AGAIN_AFTER, RevocationPorts
from actors.crl.ingesting import GoodList, IngestWork, InlineIngester
from actors.crl.port import FetchFailed, FetchFault
from actors.crl.source import KEEP_AFTER
from actors.messages import CertificatesSeen, FetchLists, RevocationChanged
from peerkey.observe.events import CrlUnsupported
from peerkey.pki.list_subscriptions import Origin
from peerkey.testing.ca import TestCA
from peerkey.testing.lists import revocation_list
from runtime.backends.virtual import VirtualClock
from runtime.ref import Ref
from runtime.system import ActorSystem
from runtime.testing import pass_time, run, settle
from tests.support.revocation import (
    HOUR,
    SECOND,
    URL,
    Revocations,
    points,
    source_of,
    status_of,
)

#: When virtual time begins.
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
OTHER = "http://other.example/ca.crl"
DELTA = "http://crl.example/delta.crl"

Scenario = Callable[[Revocations, Ref, ActorSystem], Awaitable[None]]


# --- the ordinary course ------------------------------------------------------------------------------


def test_a_configured_list_is_fetched_merged_kept_and_told_to_the_nodes() -> None:
    world = Revocations(NOW)
    leaf, good = world.ca.issue(UUID(int=7)), world.ca.issue(UUID(int=8))
    world.configure(URL)
    world.serves(URL, listed(world, leaf.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(leaf)
        assert not world.revoked(good)
        assert RevocationChanged() in world.authority.messages
        assert list(world.shelf.kept) == [URL]
        source = await source_of(index)
        assert (source.origin, source.state(NOW), source.entries) == (Origin.CONFIGURED, "current", 1)
        assert (await status_of(index)).alarms == ()

    play(world, scenario)


def test_the_event_of_a_list_has_the_fields_of_the_sample() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    crl = listed(world, world.ca.issue(UUID(int=7)).certificate)
    world.serves(URL, crl)

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        (event,) = world.updates()
        assert list(event.detail().items()) == [
            ("forced", False),
            ("last_updated", "Dec 31 00:00:00 2025 GMT"),
            ("next_update", "Jan  8 00:00:00 2026 GMT"),
            ("crl_url", URL),
            ("size", len(world.servers.lists[URL][0])),
            ("total_entries", 1),
            ("added_entries", 1),
            ("removed_entries", 0),
            ("success", True),
            ("certificate_authority", "/CN=test issuing"),
        ]
        assert event.description() == f"Updated CRL for issuer: {URL}"
        world.fails(URL)
        index.tell(FetchLists())
        await settle()
        failure = world.updates()[-1]
        assert failure.detail() == {
            **event.detail(),
            "forced": True,
            "added_entries": 0,
            "success": False,
        }
        assert failure.description().endswith("the server answers 500")

    play(world, scenario)


def test_a_list_is_polled_by_its_validators_and_an_unchanged_one_changes_nothing() -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        published, generation = world.master.published, (await status_of(index)).generation
        await pass_time(2 * HOUR)
        assert world.servers.counts[URL] == 2
        assert world.servers.asked[1].validators == world.servers.lists[URL][1]
        assert (world.master.published, (await status_of(index)).generation) == (published, generation)
        event = world.updates()[-1]
        assert (event.success, event.added_entries, event.total_entries) == (True, 0, 1)
        assert (await source_of(index)).confirmed == NOW + 2 * HOUR

    play(world, scenario)


def test_the_same_list_from_a_server_without_validators_is_not_judged_again() -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate), tagged=False)

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        published = world.master.published
        await pass_time(2 * HOUR)
        assert world.servers.counts[URL] == 2
        assert world.master.published == published
        assert [event.added_entries for event in world.updates()] == [1, 0]

    play(world, scenario)


def test_a_hold_that_is_released_is_no_longer_known_and_is_counted_as_removed() -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        assert world.revoked(world.own)
        world.serves(URL, listed(world, number=2))
        await pass_time(2 * HOUR)
        assert not world.revoked(world.own)
        assert world.updates()[-1].removed_entries == 1

    play(world, scenario)


def test_a_list_is_asked_for_again_when_it_ends() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, until=3 * HOUR))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        await pass_time(3 * HOUR + SECOND)
        assert world.servers.counts[URL] == 2
        (alarm,) = (await status_of(index)).alarms
        assert alarm.message == f"The following CRLs are out of date: `{URL} (since 2026-01-01 03:00:00Z)`."
        world.serves(URL, listed(world, number=2))
        await pass_time(timedelta(minutes=2))
        assert (await status_of(index)).alarms == ()

    play(world, scenario)


def test_a_stale_list_still_proves_that_its_entries_are_revoked() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate, until=-HOUR))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own)
        assert (await source_of(index)).state(NOW) == "stale"

    play(world, scenario)


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_server_that_fails_takes_nothing_away_and_its_alarm_stays_until_it_answers() -> None:
    world = Revocations(NOW)
    world.configure(URL, OTHER, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate))
    world.fails(OTHER, "the server answers 404")

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        world.fails(URL)
        await pass_time(3 * HOUR)
        assert world.revoked(world.own)
        (alarm,) = (await status_of(index)).alarms
        assert alarm.message == (
            "The following CRL endpoints are unreachable: "
            f"`{URL} (the server answers 500), {OTHER} (the server answers 404)`."
        )
        assert alarm.severity.value == "minor"
        world.serves(URL, listed(world, world.own.certificate))
        world.serves(OTHER, revocation_list(world.ca.root, this_update=NOW - HOUR, next_update=NOW + WEEK))
        await pass_time(3 * HOUR)
        assert (await status_of(index)).alarms == ()

    play(world, scenario)


def test_failures_are_repeated_after_the_backoff_interval_then_after_twice_that() -> None:
    world = Revocations(NOW)
    world.configure(URL, backoff=60 * SECOND)
    world.fails(URL)

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        counts = []
        for minutes in (1, 1, 1, 3, 1):
            counts.append(world.servers.counts[URL])
            await pass_time(timedelta(minutes=minutes))
        # At 0, 1, 3 and 7 minutes.
        assert counts == [1, 2, 2, 3, 3]
        assert world.servers.counts[URL] == 4
        assert not any(event.success for event in world.updates())

    play(world, scenario)


@pytest.mark.parametrize("content", [b"<html>nothing here</html>", b"", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_list_is_refused_and_the_one_before_serves(content: bytes) -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        kept = dict(world.shelf.kept)
        world.serves(URL, content)
        await pass_time(2 * HOUR)
        assert world.revoked(world.own)
        assert world.shelf.kept == kept
        (alarm,) = (await status_of(index)).alarms
        assert alarm.message.startswith(
            f"The following CRL endpoints serve no valid list: `{URL} (this is no revocation list"
        )
        event = world.updates()[-1]
        assert (event.success, event.stage, event.total_entries) == (False, "ingestion", 1)
        # What it gave is not what we have: it is asked for the list itself, not for changes to the bad one.
        assert world.servers.asked[-1].validators == kept[URL].validators

    play(world, scenario)


def test_a_list_of_a_stranger_revokes_nobody() -> None:
    world = Revocations(NOW)
    stranger = TestCA(now=NOW)
    world.configure(URL)
    world.serves(URL, revocation_list(stranger.intermediate, world.own.certificate, this_update=NOW))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert not world.revoked(world.own)
        assert "serve no valid list" in (await status_of(index)).alarms[0].message

    play(world, scenario)


def test_an_older_list_does_not_come_back() -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate, number=5))

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        world.serves(URL, listed(world, number=4))
        await pass_time(2 * HOUR)
        assert world.revoked(world.own)
        assert "number 4" in world.updates()[-1].description()

    play(world, scenario)


def test_a_full_disk_is_told_and_does_not_keep_a_revocation_from_taking_effect() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.shelf.full = world.master.full = True

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own)
        (alarm,) = (await status_of(index)).alarms
        assert alarm.message == (
            "CRL management needs attention: master: cannot be written: No space left on device, and 1 more."
        )

    play(world, scenario)


def test_a_disk_that_has_room_again_has_everything_within_ten_minutes_or_a_poll() -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=HOUR)
    world.serves(URL, listed(world, world.own.certificate), tagged=False)
    world.shelf.full = world.master.full = True

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        world.shelf.full = world.master.full = False
        await pass_time(timedelta(minutes=10))
        assert world.master.content is not None
        await pass_time(HOUR)
        assert list(world.shelf.kept) == [URL]
        assert (await status_of(index)).alarms == ()
        assert world.revoked(world.own)

    play(world, scenario)


def test_a_clock_that_was_set_back_makes_no_kept_list_one_of_the_future() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    play(world, nothing)
    set_back = again(world)
    set_back.fails(URL)
    later = NOW + WEEK
    made = revocation_list(
        world.ca.intermediate, world.own.certificate, this_update=later, next_update=later + WEEK
    )
    set_back.shelf.kept[URL] = replace(
        set_back.shelf.kept[URL], contents=(made.public_bytes(Encoding.DER),), fetched=later
    )

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        assert world.revoked(world.own)

    play(set_back, scenario)


# --- discovery -----------------------------------------------------------------------------------------


def test_what_our_own_certificate_names_is_followed() -> None:
    """I95-65439: the distribution point inside the certificate was ignored."""
    world = Revocations(NOW)
    world.own = world.ca.issue(UUID(int=1), more=[points("HTTP://CRL.example:80/ca.crl")])
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own)
        assert (await source_of(index)).origin is Origin.CERTIFICATE

    play(world, scenario)


def test_what_a_peers_certificate_names_is_followed_until_it_ends_also_when_it_is_shown_no_more() -> None:
    world = Revocations(NOW)
    peer = world.ca.issue(UUID(int=9), more=[points(URL)], not_after=NOW + 3 * HOUR)
    world.serves(URL, listed(world, peer.certificate))

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        assert (await status_of(index)).sources == ()
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await settle()
        assert world.revoked(peer)
        index.tell(CertificatesSeen(frozenset()))
        await pass_time(2 * HOUR)
        assert world.revoked(peer)
        await pass_time(2 * HOUR)
        assert (await status_of(index)).sources == ()
        assert not world.revoked(peer)
        assert world.shelf.kept == {}
        assert not [actor for actor in system.actors() if actor.kind == "CrlSource"]

    play(world, scenario)


def test_a_certificate_that_had_ended_by_a_wrong_clock_is_followed_again() -> None:
    world = Revocations(NOW)
    peer = world.ca.issue(UUID(int=9), more=[points(URL)], not_after=NOW + WEEK)
    world.serves(URL, listed(world, peer.certificate))

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        clock = system.clock
        assert isinstance(clock, VirtualClock)
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await pass_time(SECOND)
        clock.step_wall(2 * WEEK)
        await pass_time(timedelta(minutes=11))
        assert (await status_of(index)).sources == ()
        clock.step_wall(-2 * WEEK)
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await pass_time(SECOND)
        assert world.revoked(peer)

    play(world, scenario)


def test_one_address_has_one_source_whoever_names_it_and_is_fetched_once() -> None:
    world = Revocations(NOW, nodes=100)
    world.own = world.ca.issue(UUID(int=1), more=[points(URL)])
    peers = [world.ca.issue(UUID(int=number), more=[points(URL)]) for number in range(2, 12)]
    world.configure(URL)
    world.serves(URL, listed(world, peers[0].certificate))

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        for peer in peers:
            index.tell(CertificatesSeen(frozenset({peer.chain})))
        await settle()
        assert world.servers.counts == {URL: 1}
        assert [actor.kind for actor in system.actors()].count("CrlSource") == 1

    play(world, scenario)


def test_an_address_that_cannot_be_fetched_is_told_once() -> None:
    world = Revocations(NOW)
    ldap, file = "ldap://ldap.example/cn=ca?certificateRevocationList", "file:///etc/shadow"
    world.own = world.ca.issue(UUID(int=1), more=[points(ldap, file)])

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        for number in (2, 3):
            peer = world.ca.issue(UUID(int=number), more=[points(ldap)])
            index.tell(CertificatesSeen(frozenset({peer.chain})))
        index.tell(FetchLists())
        await settle()
        told = [each.event for each in world.journal.recent() if isinstance(each.event, CrlUnsupported)]
        assert [(event.crl_url, event.reason) for event in told] == [
            (ldap, "LDAP is not supported"),
            (file, "a certificate may name http and https addresses only"),
        ]
        assert (await status_of(index)).sources == ()
        assert world.servers.asked == []

    play(world, scenario)


def test_a_list_of_an_authority_that_only_a_peer_has_shown_counts_once_it_was_seen() -> None:
    world = Revocations(NOW)
    hidden = world.ca.authority("hidden", issuer=world.ca.root)
    peer = world.ca.issue(UUID(int=9), issuer=hidden)
    world.configure(URL, backoff=HOUR)
    world.serves(
        URL, revocation_list(hidden, peer.certificate, this_update=NOW - HOUR, next_update=NOW + WEEK)
    )

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        assert not world.revoked(peer)
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await pass_time(SECOND)
        assert world.revoked(peer)
        # It is remembered with the list, because the peer may not come back.
        system.crash(index, MemoryError())
        await pass_time(timedelta(minutes=1))
        assert world.revoked(peer)
        assert (await status_of(index)).alarms == ()

    play(world, scenario)


def test_an_authority_that_is_seen_while_its_list_is_judged_is_not_too_late() -> None:
    world = Slow(NOW)
    hidden = world.ca.authority("hidden", issuer=world.ca.root)
    peer = world.ca.issue(UUID(int=9), issuer=hidden)
    world.configure(URL, backoff=HOUR)
    world.serves(
        URL, revocation_list(hidden, peer.certificate, this_update=NOW - HOUR, next_update=NOW + WEEK)
    )

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        # The judgement that is under way does not know the authority.
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await pass_time(3 * Slow.TAKES)
        assert world.revoked(peer)

    play(world, scenario)


def test_a_list_leads_to_its_delta_which_adds_and_releases() -> None:
    world = Revocations(NOW)
    held, late = world.ca.issue(UUID(int=7)), world.ca.issue(UUID(int=8))
    freshest = x509.FreshestCRL(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(DELTA)], None, None, None)]
    )
    world.configure(URL)
    world.serves(URL, listed(world, held.certificate, more=[(freshest, False)]))
    world.serves(
        DELTA,
        revocation_list(
            world.ca.intermediate,
            held.certificate,
            late.certificate,
            this_update=NOW - HOUR,
            next_update=NOW + WEEK,
            number=2,
            base=1,
            reasons={held.certificate.serial_number: x509.ReasonFlags.remove_from_crl},
        ),
    )

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        await pass_time(SECOND)
        assert world.revoked(late)
        assert not world.revoked(held)
        assert (await source_of(index, DELTA)).origin is Origin.LIST

    play(world, scenario)


# --- configuration -------------------------------------------------------------------------------------


def test_a_list_that_is_configured_no_more_is_given_up_with_its_source() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        world.configure()
        index.tell(FetchLists())
        await settle()
        assert not world.revoked(world.own)
        assert world.shelf.kept == {}
        assert not [actor for actor in system.actors() if actor.kind == "CrlSource"]

    play(world, scenario)


def test_a_reload_fetches_every_list_itself_at_once() -> None:
    world = Revocations(NOW)
    world.configure(URL, OTHER)
    world.serves(URL, listed(world))
    world.serves(OTHER, revocation_list(world.ca.root, this_update=NOW - HOUR, next_update=NOW + WEEK))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        index.tell(FetchLists())
        await settle()
        assert world.servers.counts == {URL: 2, OTHER: 2}
        assert not any(request.validators for request in world.servers.asked)
        assert [event.forced for event in world.updates()] == [False, False, True, True]

    play(world, scenario)


def test_new_intervals_are_taken_up_at_a_reload() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        world.configure(URL, polling=HOUR)
        index.tell(FetchLists())
        await settle()
        await pass_time(HOUR)
        assert world.servers.counts[URL] == 3

    play(world, scenario)


def test_an_authority_that_is_trusted_no_more_loses_its_lists_and_one_that_is_unreadable_does_not() -> None:
    world = Revocations(NOW)
    other = TestCA("other", now=NOW)
    world.own = world.ca.issue(UUID(int=1), more=[points(OTHER)])
    world.configure(URL)
    for url in (URL, OTHER):
        world.serves(url, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        world.trusted = [other.root.certificate]
        index.tell(FetchLists())
        await settle()
        assert not world.revoked(world.own)
        assert "serve no valid list" in (await status_of(index)).alarms[0].message
        world.trusted = [world.ca.root.certificate]
        index.tell(FetchLists())
        await settle()
        assert world.revoked(world.own)

    play(world, scenario)


# --- deaths --------------------------------------------------------------------------------------------


def test_at_start_the_last_good_lists_serve_before_any_server_answers() -> None:
    before = Revocations(NOW)
    before.own = before.ca.issue(UUID(int=1), more=[points(OTHER)])
    before.configure(URL)
    peer = before.ca.issue(UUID(int=9))
    before.serves(URL, listed(before, before.own.certificate))
    before.serves(OTHER, revocation_list(before.ca.root, before.ca.intermediate.certificate, this_update=NOW))
    play(before, nothing)
    after = again(before)
    for url in (URL, OTHER):
        after.fails(url)

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own, world.ca.intermediate.certificate)
        assert not world.revoked(peer)
        assert world.servers.asked[0].validators
        assert [source.entries for source in (await status_of(index)).sources] == [1, 1]

    play(after, scenario)


def test_a_machine_that_starts_with_its_clock_in_the_past_forgets_nothing() -> None:
    before = Revocations(NOW)
    before.configure(URL)
    before.serves(URL, listed(before, before.own.certificate))
    play(before, nothing)
    after = again(before)
    kept = after.shelf.kept[URL]
    # Virtual time begins where it does: it is the list that lies ahead.
    ahead = revocation_list(
        after.ca.intermediate, after.own.certificate, this_update=NOW + WEEK, next_update=NOW + 2 * WEEK
    )
    after.shelf.kept[URL] = replace(
        kept, contents=(ahead.public_bytes(Encoding.DER),), fetched=NOW + WEEK + HOUR
    )
    after.fails(URL)

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        assert world.revoked(world.own)

    play(after, scenario)


def test_trust_that_cannot_be_read_at_a_start_takes_nothing_away_nor_does_its_return() -> None:
    before = Revocations(NOW)
    before.configure(URL)
    before.serves(URL, listed(before, before.own.certificate))
    play(before, nothing)
    after = again(before)
    after.untrusting = True
    after.fails(URL)

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        await pass_time(2 * PATIENCE)
        assert world.revoked(world.own)
        assert (await source_of(index)).entries == 0
        world.untrusting = False
        index.tell(FetchLists())
        for _second in range(30):
            await pass_time(SECOND)
            assert world.revoked(world.own)
        assert (await source_of(index)).entries == 1

    play(after, scenario)


def test_a_list_that_only_a_peer_has_named_is_followed_after_a_restart_although_the_peer_is_gone() -> None:
    before = Revocations(NOW)
    peer = before.ca.issue(UUID(int=9), more=[points(URL)])
    before.serves(URL, listed(before, peer.certificate))

    async def shown(world: Revocations, index: Ref, _: ActorSystem) -> None:
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await settle()
        assert world.revoked(peer)

    play(before, shown)

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(peer)
        await pass_time(48 * HOUR)
        assert world.servers.counts[URL] == 3
        assert world.revoked(peer)

    play(again(before), scenario)


def test_a_later_end_of_what_names_a_list_is_kept_too() -> None:
    world = Revocations(NOW)
    world.own = world.ca.issue(UUID(int=1), more=[points(URL)], not_after=NOW + HOUR)
    peer = world.ca.issue(UUID(int=9), more=[points(URL)], not_after=NOW + WEEK)
    world.serves(URL, listed(world))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        index.tell(CertificatesSeen(frozenset({peer.chain})))
        await pass_time(KEEP_AFTER + SECOND)
        until = world.shelf.kept[URL].until
        assert until is not None
        assert until >= NOW + WEEK

    play(world, scenario)


@pytest.mark.parametrize("victim", ["index", "source"])
def test_a_death_is_survived_from_the_disk_and_nothing_is_forgotten_meanwhile(victim: str) -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        world.fails(URL)
        generations = [world.known.generation]
        crash(victim, system, index)
        for _ in range(100):
            await pass_time(SECOND / 10)
            assert world.revoked(world.own)
            generations.append(world.known.generation)
        assert system.info().restarts == 1
        assert (await source_of(index)).entries == 1
        assert generations == sorted(generations)

    play(world, scenario)


@pytest.mark.parametrize("victim", [None, "index", "source"])
def test_a_list_that_the_disk_refused_is_kept_as_soon_as_there_is_room(victim: str | None) -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.shelf.full = True

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        world.fails(URL)
        if victim is not None:
            crash(victim, system, index)
        await pass_time(2 * KEEP_AFTER)
        assert world.shelf.kept == {}
        assert (await source_of(index)).disk_error
        world.shelf.full = False
        await pass_time(KEEP_AFTER + SECOND)
        assert [len(kept.contents) for kept in world.shelf.kept.values()] == [1]
        assert (await source_of(index)).disk_error == ""

    play(world, scenario)


def test_no_master_list_is_written_that_knows_more_than_the_lists_that_are_kept() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.shelf.full = True

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own)
        written = world.master.read()
        assert written is None or written.total == 0
        world.shelf.full = False
        await pass_time(KEEP_AFTER + SECOND)
        written = world.master.read()
        assert written is not None
        assert written.total == 1

    play(world, scenario)


def test_a_master_list_that_the_disk_refused_is_written_as_soon_as_there_is_room() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.master.full = True

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        await pass_time(2 * WRITE_AGAIN_AFTER)
        assert world.known.fault
        world.master.full = False
        await pass_time(WRITE_AGAIN_AFTER + SECOND)
        assert world.known.fault == ""
        written = world.master.read()
        assert written is not None
        assert written.total == 1

    play(world, scenario)


def test_lists_that_are_gone_from_the_disk_are_fetched_again_whole() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.own = world.ca.issue(UUID(int=1))
    world.serves(URL, listed(world, world.own.certificate))

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        world.shelf.kept.clear()
        index.tell(CertificatesSeen(frozenset({world.ca.issue(UUID(int=9), more=[points(URL)]).chain})))
        await pass_time(KEEP_AFTER + SECOND)
        assert "gone" in (await source_of(index)).disk_error
        await pass_time(25 * HOUR)
        assert [len(kept.contents) for kept in world.shelf.kept.values()] == [1]
        assert (await source_of(index)).disk_error == ""
        assert world.revoked(world.own)

    play(world, scenario)


def test_lists_that_cannot_be_read_at_a_start_take_nothing_away() -> None:
    before = Revocations(NOW)
    before.configure(URL)
    before.serves(URL, listed(before, before.own.certificate))
    play(before, nothing)
    after = again(before)
    after.shelf.unreadable = True
    after.fails(URL)

    async def scenario(world: Revocations, _: Ref, __: ActorSystem) -> None:
        await pass_time(2 * PATIENCE)
        assert world.revoked(world.own)

    play(after, scenario)


@pytest.mark.parametrize("victim", ["index", "source"])
def test_what_a_full_disk_has_refused_is_not_forgotten_with_the_actor_that_dies(victim: str) -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.shelf.full = world.master.full = True

    async def scenario(world: Revocations, index: Ref, system: ActorSystem) -> None:
        assert world.revoked(world.own)
        assert world.shelf.kept == {}
        world.fails(URL)
        crash(victim, system, index)
        for _ in range(100):
            await pass_time(SECOND / 10)
            assert world.revoked(world.own)
        assert system.info().restarts == 1
        assert (await source_of(index)).entries == 1

    play(world, scenario)


def test_a_source_that_cannot_come_back_takes_nothing_away_and_holds_up_no_other() -> None:
    before = Revocations(NOW)
    other = before.ca.issue(UUID(int=9))
    before.configure(URL, OTHER)
    before.serves(URL, listed(before, before.own.certificate))
    before.serves(OTHER, revocation_list(before.ca.root, this_update=NOW - HOUR, next_update=NOW + WEEK))
    play(before, nothing)
    after = again(before)
    # What was kept of it crashes whoever judges it.
    after.shelf.kept[URL] = replace(after.shelf.kept[URL], contents=(None,))  # type: ignore[arg-type]
    after.serves(
        OTHER,
        revocation_list(
            after.ca.root,
            after.ca.intermediate.certificate,
            this_update=NOW,
            next_update=NOW + WEEK,
            number=2,
        ),
    )

    async def scenario(world: Revocations, _: Ref, system: ActorSystem) -> None:
        assert world.revoked(world.own)
        await pass_time(PATIENCE + SECOND)
        assert system.info().crashes > 1
        assert world.revoked(world.own, world.ca.intermediate.certificate)
        assert not world.revoked(other)

    play(after, scenario)


def test_a_disk_that_cannot_be_read_is_told_and_the_lists_are_fetched() -> None:
    world = Revocations(NOW)
    world.configure(URL)
    world.serves(URL, listed(world, world.own.certificate))
    world.shelf.unreadable = True

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        assert world.revoked(world.own)
        assert "the kept revocation lists cannot be used" in (await status_of(index)).alarms[0].message

    play(world, scenario)


# --- bounds --------------------------------------------------------------------------------------------


def test_fifty_lists_for_a_hundred_nodes_are_fetched_once_each_and_merged_a_few_times() -> None:
    world = Revocations(NOW, nodes=100)
    urls = [f"http://crl.example/{number}" for number in range(50)]
    authorities = [world.ca.authority(f"ca {number}", issuer=world.ca.root) for number in range(50)]
    leaves = [world.ca.issue(UUID(int=number), issuer=each) for number, each in enumerate(authorities, 1)]
    world.trusted += [each.certificate for each in authorities]
    world.configure(*urls)
    for url, authority, leaf in zip(urls, authorities, leaves, strict=True):
        world.serves(
            url, revocation_list(authority, leaf.certificate, this_update=NOW, next_update=NOW + WEEK)
        )

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        await pass_time(SECOND)
        assert world.revoked(*leaves)
        assert set(world.servers.counts.values()) == {1}
        assert (await status_of(index)).entries == 50
        assert world.master.published <= 52

    play(world, scenario)


def test_a_list_for_which_there_is_no_room_is_told_and_the_one_before_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Revocations(NOW)
    world.configure(URL, polling=2 * HOUR)
    world.serves(URL, listed(world, world.own.certificate))
    monkeypatch.setattr(source_module, "MAXIMUM_BYTES", 600)

    async def scenario(world: Revocations, index: Ref, _: ActorSystem) -> None:
        many = [world.ca.issue(UUID(int=number)).certificate for number in range(100, 130)]
        world.serves(URL, listed(world, *many, number=2))
        await pass_time(2 * HOUR)
        assert world.revoked(world.own)
        assert not world.revoked(many[0])
        assert (
            "all lists together would be larger than 600 bytes" in (await status_of(index)).alarms[0].message
        )

    play(world, scenario)


def test_a_failed_fetch_shows_no_password_of_an_address() -> None:
    failure = FetchFailed(FetchFault.STATUS, "http://user:secret@crl.example/a", "why")

    assert "secret" not in str(failure)


# --- helpers -------------------------------------------------------------------------------------------


class Slow(Revocations):
    """A world in which judging takes its time, as it does with a large list."""

    TAKES = timedelta(seconds=9)

    @property
    def ports(self) -> RevocationPorts:
        ports = super().ports
        return replace(ports, source=replace(ports.source, ingester=SlowIngester()))


class SlowIngester(InlineIngester):
    async def ingest(self, work: IngestWork) -> GoodList:
        await asyncio.sleep(Slow.TAKES.total_seconds())
        return await super().ingest(work)


def play(world: Revocations, scenario: Scenario) -> None:
    """Run a scenario once everything that happens at the start has happened."""

    async def whole(system: ActorSystem) -> None:
        world.known.load()
        index = world.start(system)
        await settle()
        await settle()
        await scenario(world, index, system)

    run(whole)


def crash(victim: str, system: ActorSystem, index: Ref) -> None:
    """Crash the index, or the source that there is."""
    source = next(actor.name for actor in system.actors() if actor.kind == "CrlSource")
    system.crash(index if victim == "index" else system.ref(source), MemoryError())


async def nothing(_: Revocations, __: Ref, ___: ActorSystem) -> None:
    """Let it start, and no more."""


def again(before: Revocations) -> Revocations:
    """Return the same world after a restart of the process: its disk, its servers, its certificates."""
    after = Revocations(before.now, before.servers, before.shelf, before.master)
    after.ca, after.own, after.trusted = before.ca, before.own, before.trusted
    after.configured, after.versions = before.configured, before.versions
    before.servers.asked.clear()
    before.servers.counts.clear()
    return after


def listed(
    world: Revocations,
    *revoked: x509.Certificate,
    number: int = 1,
    until: timedelta = WEEK,
    more: list[tuple[x509.ExtensionType, bool]] | None = None,
) -> x509.CertificateRevocationList:
    """Return a list of the authority that issues to nodes."""
    return revocation_list(
        world.ca.intermediate,
        *revoked,
        this_update=NOW - timedelta(days=1),
        next_update=NOW + until,
        number=number,
        more=more or (),
    )
