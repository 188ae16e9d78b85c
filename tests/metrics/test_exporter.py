"""The text that Prometheus reads, in both of its formats."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from metrics import catalogue
from metrics.catalogue import Kind, Metric
from metrics.exporter import Exemplar, Page, Paged, exposition
from metrics.tally import Tally
from metrics.writer import PIECE_SAMPLES, written

#: How a page of OpenMetrics ends.
EOF = b"# EOF\n"
KEY = Exemplar("d5861b20", 0.04, 1_795_746_080.5)


def test_what_is_exported_is_what_was_given() -> None:
    text = exposition(
        {
            catalogue.UP: {(): 1.0},
            catalogue.PATHS: {("east/node0", "in-service"): 2.0, ("east/node0", 'odd "state"'): 1.0},
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
        ("peerkey_paths", ("node", "east/node0"), ("state", 'odd "state"')): 1.0,
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


def test_a_histogram_counts_everything_up_to_the_end_of_each_bucket() -> None:
    tally = Tally()
    for milliseconds in (40, 60, 400_000):
        tally.observe(catalogue.ESTABLISHMENT, timedelta(milliseconds=milliseconds), "east/node0")

    text = exposition(tally.samples()).decode()

    name = "peerkey_establishment_duration_seconds"
    for end, count in (("0.01", 0), ("0.05", 1), ("0.1", 2), ("300.0", 2), ("+Inf", 3)):
        assert f'{name}_bucket{{le="{end}",node="east/node0"}} {count}.0\n' in text
    assert f'{name}_count{{node="east/node0"}} 3.0\n' in text
    assert f'{name}_sum{{node="east/node0"}} 400.1\n' in text


def test_openmetrics_names_the_latest_key_and_since_when_it_is_counted() -> None:
    tally = Tally()
    tally.observe(catalogue.ESTABLISHMENT, timedelta(milliseconds=40), "east/node0", exemplar=KEY)
    tally.count(catalogue.KEY_CHANGES, "east/node0", exemplar=KEY)

    content = written(Page(tally.samples(), tally.exemplars(), 1_795_000_000.0), open_metrics=True) + EOF

    samples = {
        (sample.name, sample.labels.get("le")): sample
        for family in read_openmetrics(content.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    for key in (
        ("peerkey_key_changes_total", None),
        ("peerkey_establishment_duration_seconds_bucket", "0.05"),
    ):
        exemplar = samples[key].exemplar
        assert exemplar is not None
        assert (exemplar.labels, exemplar.value, float(exemplar.timestamp)) == (
            {"key_id": KEY.key_id},
            KEY.value,
            KEY.time,
        )
    for name in ("peerkey_key_changes_created", "peerkey_establishment_duration_seconds_created"):
        assert samples[name, None].value == 1_795_000_000.0


def test_the_text_format_has_neither_exemplars_nor_created_samples() -> None:
    tally = Tally()
    tally.count(catalogue.KEY_CHANGES, "east/node0", exemplar=KEY)

    content = written(Page(tally.samples(), tally.exemplars(), 1.0), open_metrics=False)

    assert KEY.key_id not in content.decode()
    assert "_created" not in content.decode()


def test_a_label_that_is_long_or_cannot_be_printed_is_cut_and_stays_another() -> None:
    names = ("n" * 128, "n" * 129, "n" * 130, "a\nb", "a\tb")

    text = exposition({catalogue.PEERINGS_KEYED: {(name,): 1.0 for name in names}}).decode()

    told = {sample.labels["node"] for each in text_string_to_metric_families(text) for sample in each.samples}
    assert len(told) == len(names)
    assert all(len(each) <= 128 and each.isprintable() for each in told)
    assert "n" * 128 in told


def test_an_empty_label_is_none() -> None:
    assert exposition({catalogue.KEYS: {("", "current"): 7.0}}).endswith(
        b'peerkey_keys{role="current"} 7.0\n'
    )


NAMES = st.text(max_size=140)
VALUES = st.one_of(st.floats(), st.integers(0, 10**12).map(float), st.sampled_from((0.0, 1.0)))


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """Return a page of any metrics, with any names, values, keys and times."""
    samples: dict[Metric, dict[tuple[str, ...], float]] = {}
    exemplars: dict[Metric, dict[tuple[str, ...], Exemplar]] = {}
    for metric in draw(st.lists(st.sampled_from(catalogue.CATALOGUE), max_size=6, unique=True)):
        labels = st.tuples(*(NAMES for _ in metric.labels))
        if metric.kind is Kind.HISTOGRAM:
            ends = st.sampled_from((*(str(each) for each in metric.buckets), "+Inf", "sum"))
            labels = st.tuples(labels, ends).map(lambda both: (*both[0], both[1]))
        samples[metric] = draw(st.dictionaries(labels, VALUES, max_size=5))
        if metric.exemplars:
            keys = st.builds(
                Exemplar, st.text("0123456789abcdef", max_size=32), st.floats(0, 1e6), st.floats(0, 2e9)
            )
            exemplars[metric] = {each: draw(keys) for each in samples[metric] if each[-1] != "sum"}
    return Page(samples, exemplars, draw(st.none() | st.floats(0, 2e9)))


@given(pages())
def test_what_is_written_is_what_the_library_writes(page: Page) -> None:
    for open_metrics, encode, end in ((True, generate_openmetrics, EOF), (False, generate_latest, b"")):
        registry = CollectorRegistry()
        registry.register(Paged(page, open_metrics=open_metrics))
        assert written(page, open_metrics=open_metrics) + end == encode(registry)


def test_nothing_with_a_sign_is_not_taken_for_nothing() -> None:
    page = Page({catalogue.UP: {(): 0.0}, catalogue.NODES: {(): -0.0}}, {}, None)

    assert {b"peerkey_up 0.0", b"peerkey_nodes -0.0"} <= set(written(page, open_metrics=False).splitlines())


def test_others_have_the_interpreter_between_the_pieces_of_a_page() -> None:
    many: dict[tuple[str, ...], float] = {(f"n{number}",): 1.0 for number in range(3 * PIECE_SAMPLES)}
    few: dict[tuple[str, ...], float] = {(f"n{number}",): 1.0 for number in range(PIECE_SAMPLES // 2)}
    # A family of many, and several that are none of them a piece.
    for samples in (
        {catalogue.PEERINGS_KEYED: many},
        dict.fromkeys([metric for metric in catalogue.CATALOGUE if metric.names == ("node",)][:8], few),
    ):
        breaths: list[None] = []
        lines = written(
            Page(samples),
            open_metrics=True,
            breathe=lambda: breaths.append(None),  # noqa: B023 - at once
        ).splitlines()

        pieces = sum(not line.startswith(b"#") for line in lines) / PIECE_SAMPLES
        assert len(breaths) >= pieces > 1


@pytest.mark.parametrize("open_metrics", [True, False])
def test_the_writer_refuses_what_the_catalogue_does_not_have(*, open_metrics: bool) -> None:
    stranger = Metric("peerkey_stranger", Kind.GAUGE, (), "Unknown.", "show peers")

    with pytest.raises(ValueError, match="not in the catalogue: peerkey_stranger"):
        written(Page({stranger: {(): 1.0}}), open_metrics=open_metrics)
    with pytest.raises(ValueError, match="peerkey_up has the labels"):
        written(Page({catalogue.UP: {("east/node0",): 1.0}}), open_metrics=open_metrics)
