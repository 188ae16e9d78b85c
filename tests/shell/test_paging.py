"""A full screen stops until a key is pressed."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios
import tty
from concurrent.futures import ThreadPoolExecutor

import pytest

from peerkey_cli.shell.output import Printed, read_key
from peerkey_cli.shell.paging import Page, question
from peerkey_cli.shell.pipes import Filtered, filters
from tests.support.hosts import wait_for


@pytest.mark.parametrize(
    ("keys", "stops", "shown"),
    [
        ("  ", 2, 10),
        (" q", 2, 8),
        ("q", 1, 4),
        ("a", 1, 10),
        ("\r\r\r\r\r\r", 6, 10),
        ("x\r?q", 2, 5),
        ("\r a", 3, 10),
        ("\x03", 1, 4),
    ],
)
def test_space_shows_a_page_enter_a_line_and_q_no_more(keys: str, stops: int, shown: int) -> None:
    written = paged([f"line {number}" for number in range(10)], keys)

    assert written.count(question()) == stops
    assert written.count("line ") == shown


def test_a_screen_that_is_just_full_does_not_stop() -> None:
    assert question() not in paged(["a"] * 4, "")


def test_long_and_wide_lines_need_several_rows_and_colours_none() -> None:
    page = Page(5, 10)

    assert page.rows_of("x" * 25) == 3
    assert page.rows_of("\N{CJK UNIFIED IDEOGRAPH-4E00}" * 6) == 2
    assert page.rows_of("\x1b[31mred\x1b[0m") == 1
    assert page.rows_of("") == 1


def test_a_line_taller_than_the_screen_is_shown_all_the_same() -> None:
    assert "x" * 200 in paged(["a", "x" * 200, "b"], "  ")


def test_who_has_seen_enough_does_not_stop_the_command() -> None:
    out = Printed(io.StringIO(), Filtered(()), Page(5, 80), lambda: "q")

    assert all(out.write("line\n") == 5 for _ in range(1_000))


def test_filters_come_before_pages() -> None:
    written = paged([f"line {number}" for number in range(100)], "", "include 7", "exclude 1", "begin 67")

    assert written == "line 67\nline 70\nline 72\nline 73\n" or question() in written


def test_the_last_line_needs_no_end() -> None:
    under = io.StringIO()
    out = Printed(under, Filtered(filters([["count"]])))
    out.write("one\ntw")
    out.write("o")
    out.end()

    assert under.getvalue() == "Count: 2 lines\n"


def test_a_command_that_is_interrupted_while_no_key_is_waited_for_asks_for_none() -> None:
    under, asked = io.StringIO(), 0

    def interrupted() -> str:
        nonlocal asked
        asked += 1
        raise KeyboardInterrupt

    out = Printed(under, Filtered(()), Page(5, 20), interrupted)
    with pytest.raises(KeyboardInterrupt):
        out.write("one\ntwo\nthree\nfour\nfive\nsix")
    out.write("what has no end")
    out.give_up()
    out.end()

    assert asked == 1
    # The question has gone from the screen.
    assert under.getvalue().endswith(f"four\n{question()}\r\x1b[K")


def test_ctrl_c_is_a_key_of_the_terminal_while_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, its = pty.openpty()
    with os.fdopen(its) as terminal, ThreadPoolExecutor(1) as reader:
        before = termios.tcgetattr(terminal)
        monkeypatch.setattr(sys, "stdin", terminal)
        pressed = reader.submit(read_key)
        wait_for(lambda: not termios.tcgetattr(mine)[tty.LFLAG] & termios.ICANON, 30)
        os.write(mine, b"\x03x")

        assert pressed.result(30) == "\x03"
        assert termios.tcgetattr(terminal) == before
    os.close(mine)


# --- helpers --------------------------------------------------------------------------------------


def paged(lines: list[str], keys: str, *piped: str) -> str:
    """Return what a screen of five rows is shown of these lines, by whoever presses these keys."""
    under, pressed = io.StringIO(), iter(keys)
    out = Printed(
        under, Filtered(filters(each.split() for each in piped)), Page(5, 20), lambda: next(pressed, "q")
    )
    out.write("".join(f"{line}\n" for line in lines))
    out.end()
    return under.getvalue()
