"""The dialect: what a word means, what is refused, and the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peerkey.config import text
from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.config.text import Items, Place, Section, described, read


def test_words_without_quotes_mean_what_they_look_like() -> None:
    tree, findings = read(
        "a: no\nb: 012\nc: 1:2:3:4:5:6:7:8\nd: 7\ne: -7\nf: true\ng: '7'\n"
        "h: ~\ni: 2025-01-01\nj: 1e3\nk: 0x10\n",
        "f",
    )
    assert not findings
    assert tree == {
        "a": "no", "b": "012", "c": "1:2:3:4:5:6:7:8", "d": 7, "e": -7, "f": True, "g": "7", "h": None,
        "i": "2025-01-01", "j": "1e3", "k": "0x10",
    }  # fmt: skip


def test_a_number_too_long_for_any_setting_stays_a_word() -> None:
    tree, _ = read(f"a: {'9' * 5_000}", "f")
    assert tree["a"] == "9" * 5_000


def test_every_entry_knows_its_place() -> None:
    tree, _ = read("a:\n  b:\n    - c: 1\n    - 2\n", "f")
    items = tree["a"]["b"]
    assert isinstance(items, Items)
    assert isinstance(items[0], Section)
    assert tree["a"].key_places["b"] == Place(2, 3)
    assert items.value_places == [Place(3, 7), Place(4, 7)]
    assert items[0].value_places["c"] == Place(3, 10)


def test_a_path_names_items_by_name_or_url_or_number() -> None:
    tree, _ = read("a: [{name: x, b: [{url: 'http://h/'}, {c: 1}]}, {name: 7}]", "f")
    inner = tree["a"][0]["b"]
    assert described(inner[0]) == "a[x] > b[http://h/]"
    assert described(inner[1], "c") == "a[x] > b[2] > c"
    assert described(tree, "a", 1, "name") == "a[7] > name"
    assert described(tree, "nowhere", "at", "all") == "nowhere > at > all"


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ("a: &x 1\n", 1, "the anchor &x: write the value out where it is used"),
        (
            "a: !!python/name:os.system x\n",
            1,
            "the tag 'tag:yaml.org,2002:python/name:os.system': values have no tags",
        ),
        ("a: 1\nb: 2\na: 3\n", 3, "given twice; the first is in line 1"),
        ("a: {b: 1, b: {c: 2}}\n", 1, "given twice; the first is in line 1"),
        ("? [1, 2]\n: 3\nb: 1\n", 1, "the name of a setting must be a word"),
        ("a: 1\n---\nb: 2\n", 2, "a second document (---); one file is one authority"),
    ],
)
def test_what_is_outside_the_dialect_is_a_fault(written: str, line: int, message: str) -> None:
    _, findings = read(written, "f")
    assert len(findings) == 1
    assert findings[0].line == line
    assert message in findings[0].message


def test_an_alias_is_a_fault_and_so_is_its_anchor() -> None:
    _, findings = read("a: &x {b: 1}\nc: *x\nd: {<<: *x}\n", "f")
    assert [(each.line, each.path) for each in findings] == [(1, "a"), (2, "c"), (3, "d > <<")]


def test_reading_goes_on_after_a_fault() -> None:
    tree, findings = read("a: *x\nb: 1\nb: [2, {c: 3}]\n[1]: {d: [5]}\ne: 4\n", "f")
    assert len(findings) == 3
    assert tree == {"a": None, "b": 1, "e": 4}


@pytest.mark.parametrize("written", ["", "# nothing\n", "[1, 2]\n", "word\n", "*x\n"])
def test_a_file_without_a_container_is_refused(written: str) -> None:
    assert "must hold the container 'authority'" in refusal(written).message


def test_text_that_is_not_yaml_is_refused_with_its_line() -> None:
    finding = refusal("a: 1\nb: [1, 2\nc: 3\n")
    assert (finding.line, finding.message.partition(":")[0]) == (3, "not YAML")


def test_an_ipv6_address_within_braces_gets_a_hint() -> None:
    assert "needs quotes" in refusal("a: {address: ::1}\n").message


def test_a_control_character_is_refused_with_its_place() -> None:
    finding = refusal("ä: 1\nb: é\x07\n")
    assert (finding.line, finding.column) == (2, 5)
    assert "not YAML" in finding.message


def test_a_tab_gets_a_hint() -> None:
    finding = refusal("a:\n\tb: 1\n")
    assert finding.line == 2
    assert "indent with spaces" in finding.message


def test_a_bomb_of_aliases_is_refused_and_never_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    tree, findings = read("\n".join(lines), "f")
    assert len(findings) == 12 + 110
    assert tree["a11"] == [None] * 10


@pytest.mark.parametrize("start", ["a: ", "a: 1\na: ", "", "? "])
@pytest.mark.parametrize("bracket", ["[", "{"])
def test_nesting_has_a_bound_and_is_not_followed_beyond_it(start: str, bracket: str) -> None:
    with pytest.raises(ConfigurationFaults, match=r"nested more than 20 deep|must hold the container"):
        read(start + bracket * 1_000_000, "f")


def test_a_list_has_a_bound() -> None:
    assert refusal(f"a: [{'1,' * 10_001}]").message == "a list of more than 10000 entries"


def test_the_number_of_entries_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_ENTRIES", 10)
    assert refusal("a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n").message == "more than 10 entries"


def test_the_length_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_CHARACTERS", 10)
    assert refusal("a: 12345678\n").message == "the file has 12 characters; at most 10 are read"


@given(st.text())
def test_any_text_is_read_or_refused(written: str) -> None:
    try:
        read(written, "f")
    except ConfigurationFaults as refused:
        assert refused.faults  # noqa: PT017 -- either outcome is right


def refusal(written: str) -> Finding:
    """Return the only reason why ``written`` cannot be read at all."""
    with pytest.raises(ConfigurationFaults) as refused:
        read(written, "f")
    (finding,) = refused.value.faults
    return finding
