"""The catalogue, and the document that is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metrics.catalogue import CATALOGUE, Kind, Metric
from metrics.document import document
from metrics.labels import (
    LIST_STATES,
    MAXIMUM_EVENT_TYPES,
    MAXIMUM_REASONS,
    PATH_STATES,
    STATUSES,
    word,
)
from metrics.metric import Per
from peerkey.observe import events
from peerkey.protocol.path import PathState

ROOT = Path(__file__).parents[2]


def test_the_document_is_the_catalogue() -> None:
    """Run ``python docs/metrics_document.py`` if this fails."""
    assert (ROOT / "docs" / "metrics.md").read_text("utf-8") == document()


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert re.fullmatch(r"peerkey(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert not re.search(r"_(count|sum|bucket|created)$", metric.name)
        assert metric.kind is not Kind.HISTOGRAM or metric.unit == "seconds"
        assert "timestamp" not in metric.name or metric.name.endswith("_timestamp_seconds")
        assert metric.help.endswith(".")


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_every_label_has_a_bound(metric: Metric) -> None:
    for number, label in enumerate(metric.labels):
        assert label.meaning
        assert (label.per is not Per.MACHINE) != bool(label.words or label.most)
        assert (label.name == "node") is (label.per is Per.NODE)
        # What is folded is folded by its first label.
        assert label.per is not Per.NODE or number == 0
    assert len(set(metric.names)) == len(metric.names)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_histogram_has_buckets_that_grow_and_a_reason_for_them(metric: Metric) -> None:
    assert bool(metric.buckets) is bool(metric.why_buckets) is (metric.kind is Kind.HISTOGRAM)
    assert sorted(set(metric.buckets)) == list(metric.buckets)


def test_the_states_are_those_that_the_machines_have() -> None:
    source = (ROOT / "peerkey/protocol/peering.py").read_text("utf-8")

    assert set(re.findall(r'return "([A-Z_]+)"', source)) | {"CERT_EXCH_COMP", "KEY_EXCH_INIT"} == set(
        STATUSES
    )
    assert {state.name.lower().replace("_", "-") for state in PathState} == set(PATH_STATES)
    assert set(LIST_STATES) == {"waiting", "current", "stale", "unreachable", "refused"}


def test_the_code_has_fewer_words_than_their_labels_may_take() -> None:
    types = {
        each.TYPE
        for each in vars(events).values()
        if isinstance(each, type) and issubclass(each, events.Event) and each is not events.Event
    }
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "peerkey" / "protocol").rglob("*.py"))
    reasons = set(re.findall(r'(?:Ignored|count)\("([^"]+)"', sources))
    kinds = {
        line
        for folder in ("actors", "runtime", "peerkey_cli")
        for path in (ROOT / folder).rglob("*.py")
        for line in re.findall(r"^class (\w+)\(Actor\)", path.read_text("utf-8"), re.MULTILINE)
    }

    assert 40 < len(types) <= MAXIMUM_EVENT_TYPES
    assert 20 < len(reasons) <= MAXIMUM_REASONS
    assert 5 < len(kinds) <= MAXIMUM_REASONS
    assert {word(reason) for reason in reasons} == reasons


@pytest.mark.parametrize(
    "text", ["", "Bad MAC", "a sentence, as an error has it", "x-" * 20, "bad-mac\n", "1"]
)
def test_what_is_no_word_of_ours_becomes_no_label(text: str) -> None:
    assert word(text) == "other"
