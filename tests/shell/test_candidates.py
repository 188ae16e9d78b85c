"""What may stand next, for Tab and for ``?``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey_cli.shell.candidates import Candidate, NoNames, completions, help_lines
from peerkey_cli.shell.grammar import Ambiguous, Kind, Place
from tests.shell.a_tree import TREE


class TwoPeers:
    """Knows two peers, and nothing else."""

    def known(self, kind: Kind, place: Place, begun: str) -> Iterable[Candidate]:
        del place
        return [Candidate(each) for each in ("east", "west") if kind is Kind.PEER and each.startswith(begun)]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "rekey reload release show showroom"),
        ("sh", "show showroom"),
        ("sho ", ""),
        ("show ", "peers alarms files"),
        ("show p", "peers"),
        ("show p ", "security certificate"),
        ("show peers security ", "--json --level --help"),
        ("show peers --", "--json --level --help"),
        ("show peers -", "--json -j --level --help"),
        ("show peers --json --", "--level --help"),
        ("show peers --level ", "low high"),
        ("show peers --level=h", "--level=high"),
        ("show files --trust x --tr", "--trust"),
        ("rekey --peer ", "east west"),
        ("rekey --peer w", "west"),
        ("rekey --peer=w", "--peer=west"),
        ("nonsense ", ""),
        ("show peers | ", "begin count exclude include no-more"),
        ("show peers | inc x | c", "count"),
        ("show peers | inc ", ""),
    ],
)
def test_tab_offers_what_may_stand_at_the_cursor(before: str, expected: str) -> None:
    offered = completions(TREE, before, TwoPeers())

    assert [each.text for each in offered.candidates] == expected.split()


def test_what_is_replaced_begins_where_the_word_does() -> None:
    assert completions(TREE, "show pe", NoNames()).start == len("show ")
    assert completions(TREE, "show 'pe", NoNames()).start == len("show ")
    assert completions(TREE, "show ", NoNames()).start == len("show ")


def test_where_a_file_is_wanted_bash_is_told_so() -> None:
    assert completions(TREE, "show files ", NoNames()).kind is Kind.FILE
    assert completions(TREE, "show peers ", NoNames()).kind is None


def test_the_question_mark_shows_words_options_and_what_else_may_be_done() -> None:
    shown = {each.text: each.help for each in help_lines(TREE, "show peers ", NoNames())}

    assert shown["security"] == "More."
    assert shown["--level"] == "How much."
    assert list(shown)[-2:] == ["<Enter>", "|"]


def test_the_question_mark_names_a_value_that_nobody_knows_names_for() -> None:
    assert [(each.text, each.help) for each in help_lines(TREE, "rekey --peer ", NoNames())] == [
        ("P", "A peer.")
    ]


def test_a_line_from_which_something_is_missing_cannot_be_carried_out() -> None:
    assert "<Enter>" not in {each.text for each in help_lines(TREE, "release ", NoNames())}
    assert "<Enter>" not in {each.text for each in help_lines(TREE, "show ", NoNames())}


def test_the_question_mark_explains_filters() -> None:
    assert [each.text for each in help_lines(TREE, "show peers | i", NoNames())] == ["include"]
    assert "TEXT" in [each.text for each in help_lines(TREE, "show peers | include ", NoNames())]
    assert "<Enter>" in [each.text for each in help_lines(TREE, "show peers | count ", NoNames())]


@given(st.text(max_size=20), st.sampled_from(["", "show ", "show peers ", "show peers | "]))
def test_no_line_is_too_odd_to_be_completed_or_explained(text: str, before: str) -> None:
    completions(TREE, before + text, TwoPeers())
    with suppress(Ambiguous):
        help_lines(TREE, before + text, TwoPeers())
