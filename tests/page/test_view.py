"""What the status page shows of fleets of every size: from fixed values, in milliseconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from actors.ha.messages import HaStatus
from actors.messages import NodeStatus
from peerkey.ha.messages import Role
from peerkey.observe import alarms
from peerkey.observe.alarm_history import Standing as StandingAlarm
from peerkey.observe.alarms import Alarm
from peerkey.observe.shelving import Shelving
from peerkey_cli import advice
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.page.folding import MOST_ROWS, UNFOLDED
from peerkey_cli.page.html import page
from peerkey_cli.page.observed import Observed, observed
from peerkey_cli.page.peerings import MOST_DRAWN
from peerkey_cli.page.rows import View
from peerkey_cli.page.view import UNFOLDED_ALARMS, view_of
from peerkey_cli.palette import Standing
from runtime.errors import RuntimeFault
from tests.support import shown_fleet as shown
from tests.support.shown_fleet import NOW, Notices

if TYPE_CHECKING:
    from peerkey_cli.fleet import Fleet


def test_a_peering_that_is_well_at_both_ends_is_one_row() -> None:
    view = of(shown.mesh(["hub", "east", "west"]))

    assert [(row.node, row.peer, row.both) for row in view.peerings.shown] == [
        ("hub/node0", "west/node0", True),
        ("east/node0", "hub/node0", True),
        ("east/node0", "west/node0", True),
    ]
    assert view.headline == "No alarms; 3 of 3 peerings keyed and in service."


def test_ends_that_do_not_agree_on_the_key_are_shown_one_by_one() -> None:
    east, west = shown.mesh(["east", "west"])
    (peer,) = west.peers
    older = replace(peer, security=replace(peer.security, key_index=6))

    view = of((east, replace(west, peers=(older,))))

    assert [(row.node, row.both, row.key_index) for row in view.peerings.shown] == [
        ("east/node0", False, 7),
        ("west/node0", False, 6),
    ]


def test_the_worse_of_both_ends_is_drawn_between_them() -> None:
    east, west = shown.mesh(["east", "west"])

    view = of((replace(east, peers=(shown.degraded(east.peers[0]),)), west))

    assert [link.standing for link in view.map.links] == [Standing.DEGRADED]
    assert [place.standing for place in view.map.places] == [Standing.DEGRADED, Standing.DEGRADED]


def test_a_node_is_marked_for_what_all_its_peerings_have_and_not_for_what_one_of_them_has() -> None:
    hub, *branches = shown.star("hub", ["b1", "b2", "b3"])
    gone = replace(branches[0], peers=(shown.down(branches[0].peers[0]),))

    view = of((hub, gone, *branches[1:]))

    standings = {place.node: place.standing for place in view.map.places}
    assert standings["hub/node0"] is standings["b2/node0"] is Standing.GOOD
    assert standings["b1/node0"] is Standing.DOWN


def test_the_headline_counts_what_is_keyed_and_what_of_it_is_not_as_it_should_be() -> None:
    view = of(shown.troubled(shown.star("hub", shown.routers(6))))

    assert view.headline == "5 alarms; 4 of 6 peerings keyed and in service, 2 of them not as they should be."


def test_every_way_to_stand_is_told_from_what_the_actors_say() -> None:
    peer = shown.peer("west")
    fresh = replace(
        peer,
        security=replace(
            peer.security, security_status="CERT_EXCH_INIT", key_index=None, key_acknowledged=False, keys=()
        ),
    )
    cases = {
        Standing.GOOD: peer,
        Standing.DEGRADED: shown.degraded(peer),
        Standing.DOWN: shown.down(peer),
        Standing.SUSPECT: shown.suspect(peer, "expired: the certificate expired"),
        Standing.WAITING: fresh,
        Standing.OFF: replace(peer, security=replace(peer.security, security_status="ESKM_DISABLED")),
    }

    for standing, each in cases.items():
        (row,) = of((shown.node("east", [each]),)).peerings.shown
        assert row.standing is standing


def test_reasons_are_in_the_words_of_the_console_the_cause_before_its_effects_and_the_step_is_its_own() -> (
    None
):
    peer = shown.suspect(shown.down(shown.peer("west"), "no common algorithm"), "revoked: 3f on a list")

    (row,) = of((shown.node("east", [peer]),)).peerings.shown

    assert row.reasons == (
        "Certificate of the peer: revoked: 3f on a list",
        "Key exchange: no common algorithm",
        "Path by wan0 to 192.0.2.7:1280: no answer within 10 s",
        "Path by lte0 to 192.0.2.7:1280: no answer within 10 s",
    )
    assert row.step == advice.of_peering(shown.node("east", [peer]), peer, NOW).step != ""


@pytest.mark.parametrize(
    ("error", "fault", "reasons"),
    [
        # What the key exchange failed of is the certificate that is told of already.
        (
            "revoked: 3f on a list",
            "revoked: 3f on a list",
            ["Certificate of the peer: revoked: 3f on a list"],
        ),
        ("algorithm-mismatch: dh, kem", "", ["Key exchange: algorithm-mismatch: dh, kem"]),
        # Whose certificate it is must be said: the word alone could be of either.
        (
            "not-yet-valid: not before 2030",
            "",
            ["The peer refuses the certificate of this node: not-yet-valid: not before 2030"],
        ),
        ("", "", []),
    ],
)
def test_each_reason_is_told_once_and_says_whose_it_is(error: str, fault: str, reasons: list[str]) -> None:
    peer = shown.down(shown.peer("west"), error)
    peer = shown.suspect(peer, fault) if fault else peer

    (row,) = of((shown.node("east", [peer]),)).peerings.shown

    assert [each for each in row.reasons if not each.startswith("Path by ")] == reasons
    assert len(row.reasons) == len(reasons) + 2
    assert row.step


def test_since_when_a_peering_is_not_well_is_told_by_the_alarm_about_it() -> None:
    known = shown.observed(shown.troubled(shown.mesh(["hub", "east", "west"])))
    assert known.alarms is not None
    (suspect,) = [each for each in known.alarms if each.alarm.kind == "peer-certificate"]
    west = suspect.alarm.source
    down = StandingAlarm("", suspect.node, alarms.peer_unreachable(west), NOW - timedelta(minutes=2), (NOW,))

    first, then = view_of(known), view_of(replace(known, alarms=(down, *known.alarms)))

    assert [row.since for row in first.peerings.shown] == [NOW - timedelta(minutes=7)] * 2 + [None] * 3
    # Its certificate was bad before; since when it is down is another matter.
    assert {row.since for row in then.peerings.shown if row.peer == west and row.since} == {down.since}


def test_what_is_well_is_folded_away_where_there_is_much_of_it_and_nothing_else_is() -> None:
    few = of(shown.star("hub", shown.routers(12)))
    well = of(shown.star("hub", shown.routers(300)))
    troubled = of(shown.troubled(shown.star("hub", shown.routers(300))))

    assert few.peerings.folded == ()
    assert (len(well.peerings.opened), len(well.certificates.opened)) == (UNFOLDED, UNFOLDED)
    assert (len(well.peerings.folded), well.peerings.left_out) == (MOST_ROWS - UNFOLDED, 300 - MOST_ROWS)
    assert all(row.standing is not Standing.GOOD for row in troubled.peerings.opened)
    assert {row.standing for row in troubled.peerings.folded} == {Standing.GOOD}
    assert len(troubled.alarms.opened) == UNFOLDED_ALARMS


def test_what_is_wrong_with_many_alike_is_told_of_a_few_and_hides_nothing_else() -> None:
    hub, *branches = shown.star("hub", shown.routers(300))
    expired = [shown.suspect(each, "expired: it ended") for each in hub.peers]
    expired[250] = shown.suspect(hub.peers[250], "revoked: 3f on a list")

    view = of((replace(hub, peers=tuple(expired)), *branches))

    seen = Counter(row.reasons for row in view.peerings.opened if row.reasons)
    assert seen == {
        ("Certificate of the peer: expired: it ended",): UNFOLDED - 1,
        ("Certificate of the peer: revoked: 3f on a list",): 1,
    }
    assert view.peerings.alike == len(view.peerings.folded) == MOST_ROWS - UNFOLDED
    assert "90 more peerings with the same causes as above</summary>" in page(view).content.decode()


def test_every_kind_of_alarm_that_is_shown_says_once_what_to_do() -> None:
    view = of(shown.troubled(shown.star("hub", shown.routers(300))))

    assert [each.kind for each in view.todo] == [
        "peer-unreachable",
        "peer-certificate",
        "path-down",
        "certificate-expiring",
    ]
    assert {row.kind for row in view.alarms.shown} == {each.kind for each in view.todo}
    assert all(each.means and each.steps for each in view.todo)


def test_a_certificate_that_was_refused_is_listed_although_nobody_has_kept_it() -> None:
    refused = shown.suspect(shown.peer("west"), "revoked: 3f on a list")
    unknown = shown.suspect(shown.peer("east"), "")

    rows = of(
        (shown.node("hub", [refused, unknown]), shown.node("spare", [shown.peer("west")]))
    ).certificates.shown

    assert [(row.node, row.state, row.detail) for row in rows if row.node == "west/node0"] == [
        ("west/node0", "not good", "revoked: 3f on a list")
    ]
    assert "peerkey enroll" in rows[0].step
    assert "east/node0" not in {row.node for row in rows}


def test_reasons_have_a_bound_in_number_and_in_length() -> None:
    peer = shown.down(shown.peer("west"), "x" * 5_000)
    many = replace(peer, paths=tuple(shown.path(f"wan{each}", "invalid", "silent") for each in range(9)))

    (row,) = of((shown.node("east", [many]),)).peerings.shown

    assert len(row.reasons) == 5
    assert row.reasons[-1] == "and 6 more"
    assert max(map(len, row.reasons)) == 400


def test_alarms_come_by_urgency_and_within_it_the_latest_first() -> None:
    found = Notices(
        "authority",
        (
            alarms.crl_unreachable("authority", ["http://crl.example: refused"]),
            alarms.host_gone("h1", "edge", "silent"),
        ),
    )
    observed = shown.observed(shown.troubled(shown.mesh(shown.routers(3))), found=[found])

    view = view_of(observed)

    assert [row.severity for row in view.alarms.shown] == ["critical", "critical", "major", "major", "minor"]
    # At one time they come by the names of their nodes, not by chance.
    assert [row.node for row in view.alarms.shown] == ["", "r001/node0", "r001/node0", "r003/node0", ""]
    assert view.severities == {"critical": 2, "major": 2, "minor": 1}
    assert view.alarms.shown[-1].node == ""
    assert view.alarms.shown[-1].since == NOW - timedelta(minutes=7)


def test_what_is_shelved_is_counted_and_not_listed() -> None:
    times, now = AlarmTimes(), NOW
    shelving = Shelving(
        "", "path-down", "", now, now + timedelta(hours=1), "alice", "the provider works on it"
    )
    times.shelf.put(shelving)
    found = (
        alarms.path_down("west/node0", "lte0>node0"),
        alarms.crl_unreachable("authority", ["http://crl.example: refused"]),
    )

    seen = asyncio.run(observed(cast("Fleet", FleetWith(found)), times))
    view = view_of(seen)

    assert [row.message for row in view.alarms.shown] == [found[1].message]
    assert view.shelved == 1
    assert "1 more is shelved." in page(view).content.decode()


def test_certificates_come_by_what_matters_first_and_by_the_thresholds_of_the_alarms() -> None:
    days = {"later": 200.0, "month": 29.0, "week": 6.5, "over": -1.0}
    view = of(tuple(shown.node(name, [], days=each) for name, each in days.items()))

    assert [(row.node, row.state, row.standing) for row in view.certificates.shown] == [
        ("over/node0", "expired", Standing.DOWN),
        ("week/node0", "valid, ends within 7 days", Standing.DEGRADED),
        ("month/node0", "valid, ends within 30 days", Standing.WAITING),
        ("later/node0", "valid", Standing.GOOD),
    ]


def test_a_node_without_a_certificate_says_why_before_all_others() -> None:
    node = replace(
        shown.node("east", [], found=[alarms.certificate_missing("east/node0", "east.pem: No such file")]),
        certificate=None,
    )

    row = of((shown.node("west", []), node)).certificates.shown[0]

    assert (row.node, row.state, row.not_after) == ("east/node0", "missing", None)
    assert "east.pem: No such file" in row.detail


def test_a_node_that_does_not_run_is_down_and_nothing_is_claimed_of_its_certificate() -> None:
    hub, east = shown.mesh(["hub", "east"])
    gone = replace(
        east, certificate=None, peers=(), alarms=(alarms.node_not_running(east.node, "its host is lost"),)
    )

    view = of((hub, gone))

    row = view.certificates.shown[0]
    assert (row.node, row.state, row.standing) == (east.node, "not known", Standing.UNKNOWN)
    assert "its host is lost" in row.detail
    assert "enroll" not in row.step
    assert {place.node: place.standing for place in view.map.places}[east.node] is Standing.DOWN


def test_a_peering_of_a_node_whose_own_certificate_is_bad_is_not_told_to_be_well() -> None:
    expired = shown.node("east", [shown.peer("west")], days=-1)

    (row,) = of((expired,)).peerings.shown

    assert row.standing is Standing.SUSPECT
    assert row.reasons == ("Certificate of this node: the certificate expired",)
    assert row.step


def test_a_key_that_cannot_be_replaced_is_told_before_all_that_is_well_although_it_is_in_use() -> None:
    hub, *branches = shown.star("hub", shown.routers(40))
    peers = list(hub.peers)
    failing = "algorithm-mismatch: dh, kem"
    peers[30] = replace(peers[30], security=replace(peers[30].security, last_error=failing))

    view = of((replace(hub, peers=tuple(peers)), *branches))

    assert view.peerings.shown[0].peer == peers[30].peer
    assert view.peerings.shown[0].reasons == (f"Key exchange: {failing}",)
    assert not view.peerings.shown[0].well
    assert all(row.well for row in view.peerings.folded)


def test_a_list_that_cannot_be_fetched_is_told_with_its_reason() -> None:
    lists = shown.lists(
        shown.source("http://a.example"), shown.source("http://b.example", "connection refused")
    )

    rows = view_of(shown.observed((), lists)).sources.shown

    assert [(row.url, row.state, row.error) for row in rows] == [
        ("http://b.example", "unreachable", "connection refused"),
        ("http://a.example", "waiting", ""),
    ]
    assert [row.step for row in rows] == [advice.of_list("unreachable"), ""]


def test_a_pair_that_is_apart_is_told_with_its_reason() -> None:
    pair = HaStatus(
        mate="hub/node1",
        mate_uuid="uuid",
        role=Role.REDUNDANT,
        term=2,
        link="down",
        link_error="connection refused",
        records=4,
        replicated=3,
        lag=1,
        copies=4,
        taken_over=False,
        silent_seconds=3.0,
    )

    (row,) = of((replace(shown.node("hub", []), ha=pair),)).pairs.shown

    assert (row.standing, row.error, row.replicated, row.records) == (
        Standing.DOWN,
        "connection refused",
        3,
        4,
    )


def test_parts_that_do_not_answer_are_named_and_hide_no_other() -> None:
    silent = view_of(Observed(now=NOW, version="1", since=NOW))
    some = view_of(replace(shown.observed(shown.mesh(["east", "west"])), revocation=None))

    assert silent.headline == "The actors of this system do not answer."
    assert silent.silent == ("the nodes", "the revocation lists", "the alarms")
    assert some.silent == ("the revocation lists",)
    assert len(some.peerings.shown) == 1


def test_of_a_large_fleet_the_worst_is_shown_and_the_rest_counted() -> None:
    view = of(shown.troubled(shown.star("hub", shown.routers(MOST_DRAWN + 500))))

    assert (len(view.peerings.shown), view.peerings.total) == (MOST_ROWS, MOST_DRAWN + 512)
    assert view.peerings.shown[0].standing is Standing.DOWN
    assert (len(view.map.places), view.map.left_out) == (MOST_DRAWN, 501)
    assert sum(view.standings.values()) == MOST_DRAWN + 500
    assert {place.standing for place in view.map.places} >= {
        Standing.DOWN,
        Standing.DEGRADED,
        Standing.SUSPECT,
    }


# --- helpers --------------------------------------------------------------------------------------


class FleetWith:
    """A fleet of which nothing is known but what is wrong."""

    since = NOW

    def __init__(self, found: tuple[Alarm, ...]) -> None:
        self.found = found

    def now(self) -> datetime:
        return NOW

    async def noticing(self) -> tuple[Notices, ...]:
        return (Notices("east/node0", self.found),)

    async def nodes(self) -> tuple[NodeStatus, ...]:
        raise RuntimeFault("nobody answers")

    revocation = placement = nodes

    def alarm_changed(self, node: str, event: object) -> None:
        """See :meth:`peerkey_cli.fleet.Fleet.alarm_changed`."""


def of(nodes: tuple[NodeStatus, ...]) -> View:
    return view_of(shown.observed(nodes))
