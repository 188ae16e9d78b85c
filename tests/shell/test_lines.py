"""A line becomes words as a POSIX shell would have it."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey_cli.shell.lines import read, written


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  show   peers ", ["show", "peers"]),
        ("show 'two words'", ["show", "two words"]),
        ('say "a \\"b\\" \\n c"', ["say", 'a "b" \\n c']),
        (r"a\ b c\|d", ["a b", "c|d"]),
        ("'' x", ["", "x"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("show # peers", ["show"]),
        ("show a#b", ["show", "a#b"]),
    ],
)
def test_blanks_separate_and_quotes_join(line: str, words: list[str]) -> None:
    assert [word.text for word in read(line).words] == words


def test_a_pipe_separates_also_without_blanks_and_not_in_quotes() -> None:
    assert [[word.text for word in part] for part in read("a|b '|' | c").parts()] == [
        ["a"],
        ["b", "|"],
        ["c"],
    ]


@pytest.mark.parametrize("line", ["'a", '"a', "a\\"])
def test_a_quote_without_an_end_is_seen(line: str) -> None:
    assert read(line).unfinished


def test_a_word_may_go_on_unless_a_blank_follows_it() -> None:
    assert read("show pe").touching
    assert not read("show pe ").touching
    assert not read("show pe |").touching


@given(st.lists(st.text(alphabet=st.characters(blacklist_categories=["Cs"])), max_size=5))
def test_what_is_written_is_read_as_it_was_here_and_in_a_shell(words: list[str]) -> None:
    line = " ".join(map(written, words))

    assert [word.text for word in read(line).words] == words
    assert shlex.split(line) == words


@given(st.text())
def test_every_text_can_be_read(text: str) -> None:
    starts = [word.start for word in read(text).words]

    assert starts == sorted(set(starts))
