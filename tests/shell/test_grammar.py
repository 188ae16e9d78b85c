"""Words lead through the tree, shortened or not."""

from __future__ import annotations

import pytest

from peerkey_cli.shell.grammar import Ambiguous, meant, walked
from tests.shell.a_tree import TREE


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("show peers security", "show peers security"),
        ("show p sec", "show peers security"),
        ("show p --js", "show peers --json"),
        ("show p --le h", "show peers --level high"),
        ("show p --le=l s", "show peers --level=low security"),
        # A whole word is meant, also where it begins another.
        ("show alarms", "show alarms"),
        ("rek --p we", "rekey --peer we"),
        # What is no word of ours is left for the command line to judge.
        ("shwo peers", "shwo peers"),
        ("show p nonsense", "show peers nonsense"),
        ("show p --nonsense sec", "show peers --nonsense sec"),
        ("show p -- --js", "show peers -- --js"),
        ("show f sec -", "show files sec -"),
    ],
)
def test_a_word_may_be_shortened_while_it_is_clear_which_is_meant(said: str, meant: str) -> None:
    assert walked(TREE, said.split()).words == tuple(meant.split())


@pytest.mark.parametrize(
    ("said", "candidates"),
    [
        ("re", ("rekey", "reload", "release")),
        ("rel", ("reload", "release")),
        ("sho", ("show", "showroom")),
        ("show peers --", None),
    ],
)
def test_what_may_mean_several_is_refused_with_all_of_them(
    said: str, candidates: tuple[str, ...] | None
) -> None:
    if candidates is None:
        assert walked(TREE, said.split()).only_arguments
        return
    with pytest.raises(Ambiguous) as refused:
        walked(TREE, said.split())

    assert refused.value.meanings == candidates
    assert all(each in str(refused.value) for each in candidates)


def test_a_line_is_complete_when_nothing_is_missing() -> None:
    complete = {
        line: walked(TREE, line.split()).complete()
        for line in (
            "",
            "show",
            "show peers",
            "show files",
            "show files x",
            "release",
            "release --peer",
            "release --peer x",
        )
    }

    assert complete == {
        "": False,
        "show": False,
        "show peers": True,
        "show files": False,
        "show files x": True,
        "release": False,
        "release --peer": False,
        "release --peer x": True,
    }


def test_sh_is_show_as_on_routers_and_what_it_may_be_elsewhere() -> None:
    assert meant("sh", ["shelve", "show"]) == "show"
    with pytest.raises(Ambiguous):
        meant("sh", ["shelve", "shelter"])
