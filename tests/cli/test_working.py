"""Long work is told of on a terminal, and nothing of it stays."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress

import pytest

from peerkey_cli.terminal import watched
from peerkey_cli.working import Working, working


class Screen(io.StringIO):
    """A terminal that says when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.written.set()


def test_what_takes_long_is_told_and_leaves_no_line_behind() -> None:
    screen = Screen()

    with Working("Making a \x1b[2Jkey", screen, patience=0) as line:
        assert screen.written.wait(10)
        line.now("Signing")

    assert "\rMaking a" not in screen.getvalue()
    assert screen.getvalue().startswith("\r\x1b[KMaking a \N{REPLACEMENT CHARACTER}[2Jkey… 0 s")
    assert screen.getvalue().endswith("\r\x1b[K")


def test_what_is_soon_done_is_not_told() -> None:
    screen = Screen()

    with Working("Nothing", screen, patience=60):
        pass

    assert screen.getvalue() == ""


def test_the_line_goes_also_when_the_work_fails() -> None:
    screen = Screen()

    with suppress(KeyError), Working("Failing", screen, patience=0):
        assert screen.written.wait(10)
        raise KeyError

    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_terminal_that_has_gone_stops_nothing() -> None:
    screen = Screen()
    screen.close()

    with Working("Work", screen, patience=0):
        pass


@pytest.mark.parametrize(
    ("out", "err", "term", "seen"),
    [
        (Screen(), Screen(), "xterm", {"document", "text"}),
        (io.StringIO(), Screen(), "xterm", {"text"}),
        (Screen(), io.StringIO(), "xterm", set()),
        (Screen(), Screen(), "dumb", set()),
    ],
)
def test_only_somebody_at_a_terminal_is_told_and_no_program_that_waits_for_a_document(
    out: io.StringIO, err: io.StringIO, term: str, seen: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", term)

    assert watched(json=True) is ("document" in seen)
    assert watched() is ("text" in seen)


def test_who_types_a_file_at_the_terminal_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, Screen())
    monkeypatch.setenv("TERM", "xterm")
    before = threading.active_count()

    with working("Reading", ["a", "-"]):
        assert threading.active_count() == before
    with working("Reading", ["a"]):
        assert threading.active_count() == before + 1
