"""What stands behind a pipe decides which lines are printed."""

from __future__ import annotations

import pytest

from peerkey.errors import PeerkeyError
from peerkey_cli.shell.pipes import Filtered, filters

LINES = ["Peer east up", "\x1b[31mpeer west down\x1b[0m", "", "path a down", "path b up"]


@pytest.mark.parametrize(
    ("piped", "left"),
    [
        ([], LINES),
        (["include peer"], LINES[:2]),
        (["inc WEST D"], LINES[1:2]),
        (["exclude down"], [LINES[0], "", LINES[4]]),
        (["begin path"], LINES[3:]),
        (["count"], ["Count: 5 lines"]),
        (["inc p", "exc peer", "count"], ["Count: 2 lines"]),
        (["count", "count"], ["Count: 1 lines"]),
        (["count", "include 5"], ["Count: 5 lines"]),
        (["count", "include 6"], []),
        (["begin west", "begin b"], LINES[4:]),
        (["include nothing"], []),
        (["no-more"], LINES),
    ],
)
def test_filters_leave_the_lines_that_they_say(piped: list[str], left: list[str]) -> None:
    filtered = Filtered(filters(each.split() for each in piped))

    printed = [shown for line in LINES for shown in filtered.line(line)]

    assert [*printed, *filtered.end()] == left


@pytest.mark.parametrize(
    ("piped", "said"),
    [
        ("", "after | stands one of begin, count"),
        ("grep x", "not 'grep'"),
        ("include", "| include takes the text to look for"),
        ("count x", "| count takes no text"),
        ("x y", "not 'x'"),
    ],
)
def test_what_is_no_filter_is_refused(piped: str, said: str) -> None:
    with pytest.raises(PeerkeyError) as refused:
        filters([piped.split()])

    assert said in str(refused.value)


def test_a_line_has_a_bounded_number_of_filters() -> None:
    with pytest.raises(PeerkeyError):
        filters([["count"]] * 17)
