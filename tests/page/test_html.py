"""The page as HTML: what it holds for every fleet, that names are text, what a browser is told with it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from peerkey.observe import alarms
from peerkey_cli.page import html
from peerkey_cli.page.html import Page
from peerkey_cli.page.observed import Observed
from peerkey_cli.page.routes import KEPT_FOR, KeptPage
from peerkey_cli.page.view import view_of
from tests.page.structure import structure
from tests.support import shown_fleet as shown
from tests.support.shown_fleet import NOW

MARK = (
    '<svg class="mark {0}" width="14" height="14" aria-hidden="true" focusable="false">'
    '<use href="#mark-{0}"/></svg>'
)


def test_an_alarm_looks_like_this() -> None:
    page = text(shown.observed((shown.node("east", [], found=[alarms.peer_unreachable("west/node0")]),)))

    assert fragment(page, '<ol class="alarms" role="list">', "</ol>") == (
        '<ol class="alarms" role="list"><li data-alarm="east/node0:6f95571c"><p class="message">'
        f"{MARK.format('down')}"
        "<span><strong>critical</strong>: Peer `west/node0` is not reachable.</span></p>"
        '<p class="faint">east/node0, since '
        '<time datetime="2030-06-15T11:53:00+00:00">2030-06-15 11:53:00 UTC</time>, 7 min ago. '
        '<a href="#todo-peer-unreachable">What to do<span class="unseen"> about peer-unreachable</span></a>'
        "</p></li></ol>"
    )
    what = fragment(page, '<details id="todo-peer-unreachable"', "</details>")
    assert what.startswith(
        '<details id="todo-peer-unreachable" class="todo"><summary>peer-unreachable</summary>'
    )
    assert "<li><code>peerkey show peers</code> shows each path with its interface" in what


def test_a_peering_looks_like_this() -> None:
    page = text(shown.observed((shown.node("east", [shown.degraded(shown.peer("west"))]),)))

    assert fragment(page, '<tr role="row"><th role="rowheader" scope="row"', "</tr>") == (
        '<tr role="row"><th role="rowheader" scope="row" data-label="Node">east/node0</th>'
        '<td role="cell" data-label="Peer">west/node0</td>'
        '<td role="cell" data-label="State" class="message state"><span class="standing">'
        f"{MARK.format('degraded')} a path is down</span>"
        '<ul class="why"><li>Path by lte0 to 192.0.2.7:1280: no answer within 10 s</li></ul>'
        '<p class="step"><b>Next step:</b> see whether <code>peerkey run</code> runs on the peer, and '
        "whether UDP gets from 192.0.2.1:1280 to 192.0.2.7:1280 and back</p></td>"
        '<td role="cell" data-label="Paths up" class="short">1 of 2</td>'
        '<td role="cell" data-label="Key" class="short">7</td>'
        '<td role="cell" data-label="Key agreed" class="short">5 h ago</td>'
        '<td role="cell" data-label="Next rekey" class="short">in 19 h</td></tr>'
    )


@pytest.mark.parametrize("number", [0, 1, 3, 300])
def test_the_page_of_a_fleet_of_any_size_is_whole_and_light(number: int) -> None:
    nodes = shown.mesh(shown.routers(number)) if number < 10 else shown.star("hub", shown.routers(number))
    page = text(shown.observed(shown.troubled(nodes) if number >= 3 else nodes))

    assert structure(page) == []
    for part in ("alarms", "map", "peerings", "certificates", "lists"):
        assert f'<section id="{part}"' in page
    assert len(page) < 200_000


def test_a_fleet_of_a_thousand_has_a_page_below_half_a_megabyte() -> None:
    nodes = shown.troubled(shown.star("hub", shown.routers(1_000)))
    everywhere = alarms.Severity.MAJOR
    noisy = tuple(
        replace(each, alarms=(alarms.certificates_expiring(each.node, 7, everywhere, [each.node]),))
        for each in nodes
    )

    page = text(shown.observed(noisy))

    assert len(page) < 400_000
    assert "901 more alarms are not shown" in page


def test_a_system_of_which_nobody_answers_says_so_and_claims_nothing() -> None:
    page = text(Observed(now=NOW, version="1", since=NOW))

    assert structure(page) == []
    assert "The actors of this system do not answer." in page
    assert "There are no alarms" not in page
    assert "No revocation lists are followed" not in page


def test_what_comes_from_a_configuration_or_a_peer_is_text() -> None:
    evil = "<img src=x onerror=alert(1)>\"'{{7*7}}&lt;\N{RIGHT-TO-LEFT OVERRIDE}"
    peer = shown.suspect(shown.down(shown.peer(evil), evil), evil)
    node = shown.node(evil, [peer], days=3, found=[alarms.peer_certificate_invalid(evil, evil, evil)])
    lists = shown.lists(shown.source(f"http://x/{evil}", evil))

    page = text(replace(shown.observed((node,), lists), version=evil))

    assert structure(page) == []
    assert "<img" not in page
    assert "{{7*7}}" in page
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert "&amp;lt;" in page


def test_what_is_well_is_folded_away_with_its_number_and_since_when_the_rest_is_not_is_told() -> None:
    page = text(shown.observed(shown.troubled(shown.star("hub", shown.routers(300)))))

    assert "<summary>88 more peerings with nothing wrong</summary>" in page
    assert "<summary>90 more certificates with nothing wrong</summary>" in page
    seen = page.partition('<details id="more-peerings">')[0]
    assert seen.count('data-label="Paths up"') == 12
    assert seen.count('<span class="faint">, since <time ') == 12


def test_a_page_names_the_process_that_it_is_of() -> None:
    page = text(replace(shown.observed(()), process="edge7:4711"))

    assert "<title>Fleet status of edge7:4711 - peerkey</title>" in page
    assert '<p id="asked" class="faint">edge7:4711, peerkey 1.2.3, running since' in page


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("run `peerkey <x>` and `ping`", "run <code>peerkey &lt;x&gt;</code> and <code>ping</code>"),
        ("one ` <alone>", "one ` &lt;alone&gt;"),
        ("`a\N{RIGHT-TO-LEFT OVERRIDE}b`", "<code>a\N{REPLACEMENT CHARACTER}b</code>"),
    ],
)
def test_a_command_in_advice_is_set_as_one_and_everything_in_it_is_text(words: str, made: str) -> None:
    assert html.commands(words) == made


def test_the_policy_allows_this_style_this_script_and_nothing_else() -> None:
    page = html.page(view_of(shown.observed(shown.mesh(["east", "west"]))))
    policy = page.headers["Content-Security-Policy"]
    found = page.content.decode()

    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.findall(r"<(?:script|style)\b", found) == ["<style", "<script"]
    assert " style=" not in found
    assert not re.search(r"\bon[a-z]+=", found.partition("<script>")[0])
    assert not re.search(r"(?:src|href)=\"(?!#|\")", found)
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_page_without_scripts_asks_for_itself_again_and_one_with_scripts_does_not() -> None:
    page = text(shown.observed(()))

    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in page
    assert '<meta http-equiv="refresh"' not in page.replace("<noscript><meta", "")


def test_a_system_that_is_gone_has_a_page_that_says_why() -> None:
    page = html.unreachable("<api.sock>: nobody listens", NOW)

    assert page.status == 503
    assert structure(page.content.decode()) == []
    assert "&lt;api.sock&gt;: nobody listens" in page.content.decode()


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.6), "1 min"),
        (timedelta(minutes=5, seconds=6), "5 min 6 s"),
        (timedelta(hours=4), "4 h"),
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_a_span_of_time_has_two_units_at_most(span: timedelta, words: str) -> None:
    assert html.span(span) == words


def test_times_behind_and_ahead_are_told_from_now() -> None:
    assert html.ago(None, NOW) == "never"
    assert html.ahead(NOW + timedelta(hours=1), NOW) == "in 1 h"
    assert html.ahead(NOW - timedelta(seconds=5), NOW) == "now"
    assert html.ahead(NOW - timedelta(hours=5), NOW) == "5 h ago"


async def test_however_many_look_a_page_is_made_once_and_seldom_where_it_takes_long() -> None:
    clock = Clock()
    made: list[float] = []

    async def make() -> Page:
        await asyncio.sleep(0)
        made.append(clock.now)
        clock.now += 3
        return Page(b"", {})

    kept = KeptPage(make, clock)
    await asyncio.gather(*(kept.page() for _ in range(20)))
    clock.now += 26
    await kept.page()
    clock.now += 2
    await kept.page()

    assert made == [0, 31]
    assert timedelta(seconds=3) > KEPT_FOR


# --- helpers --------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def text(observed: Observed) -> str:
    return html.page(view_of(observed)).content.decode()


def fragment(page: str, begin: str, end: str) -> str:
    """Return a piece of the page, without space between its tags."""
    flat = re.sub(r">\s+<", "><", page)
    start = flat.index(begin)
    return flat[start : flat.index(end, start) + len(end)]
