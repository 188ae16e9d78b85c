"""What the fuzzer begins with is sound, so that a finding is one."""

from __future__ import annotations

from tests.fuzz import lists
from tests.support.list_reader import agreed


def test_what_the_fuzzer_begins_with_raises_nothing() -> None:
    for seed in lists.seeds():
        lists.one_input(seed)


def test_some_of_it_is_read_as_a_list_and_some_as_entries() -> None:
    read = [agreed(seed) is not None for seed in lists.seeds()]

    assert read.count(True) > 3
    assert read.count(False) > 3
