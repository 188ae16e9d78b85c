"""The catalogue, its document, and the text that Prometheus reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from metrics import catalogue
from metrics.catalogue import CATALOGUE, Kind, Metric
from metrics.exporter import exposition

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def test_the_document_is_the_catalogue() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| `peerkey (.*?)` \|$", DOCUMENT, re.MULTILINE
    )

    assert rows == [
        (
            each.name,
            each.kind.value,
            ", ".join(f"`{label}`" for label in each.labels),
            each.help,
            each.command,
        )
        for each in CATALOGUE
    ]


def test_names_are_unique_and_counters_say_so() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert re.fullmatch(r"peerkey_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)


def test_what_is_exported_is_what_was_given() -> None:
    text = exposition(
        {
            catalogue.UP: {(): 1.0},
            catalogue.PATHS: {("east/node0", "in-service"): 2.0, ("east/node0", 'odd "state"\n'): 1.0},
            catalogue.KEY_CHANGES: {("east/node0",): 7.0},
        }
    ).decode()

    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples == {
        ("peerkey_up",): 1.0,
        ("peerkey_paths", ("node", "east/node0"), ("state", "in-service")): 2.0,
        ("peerkey_paths", ("node", "east/node0"), ("state", 'odd "state"\n')): 1.0,
        ("peerkey_key_changes_total", ("node", "east/node0")): 7.0,
    }
    assert text.startswith(
        "# HELP peerkey_up 1 if the actors answered this scrape, else 0.\n# TYPE peerkey_up gauge"
    )


def test_nothing_to_export_is_nothing() -> None:
    assert exposition({}) == b""
    assert exposition({catalogue.ALARMS: {}}) == b""


def test_a_metric_that_is_not_in_the_catalogue_is_refused() -> None:
    stranger = Metric("peerkey_stranger", Kind.GAUGE, (), "Unknown.", "show peers")

    with pytest.raises(ValueError, match="not in the catalogue: peerkey_stranger"):
        exposition({stranger: {(): 1.0}})


def test_a_sample_with_other_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="peerkey_up has the labels"):
        exposition({catalogue.UP: {("east/node0",): 1.0}})
