"""``docs/metrics.md``, made of the catalogue: the tables here, the sentences around them below.

The sentences that hold numbers take them from where they are decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metrics import catalogue, detail, labels, thresholds
from metrics.exporter import bucket_ends
from metrics.metric import Kind, Label, Per

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metrics.metric import Metric

_PER: Final = {
    Per.MACHINE: "all",
    Per.LIST: "all",
    Per.NODE: "all; `fleet`: folded",
    Per.PEERING: "`peer`",
    Per.PATH: "`peer`",
}


def document() -> str:
    """Return the text of the document."""
    return "\n".join((_HEAD.strip(), "", *_tables(), "", _TAIL.strip(), ""))


def _tables() -> Iterable[str]:
    yield "## Catalogue"
    yield ""
    yield "| metric | kind | labels | says | shown to a person by |"
    yield "|---|---|---|---|---|"
    yield from map(_row, catalogue.CATALOGUE)
    yield ""
    yield "## What each means, costs, and since when"
    yield ""
    yield (
        "*Unit*, the detail that it needs, how it is folded where nodes are not named, how many series it is "
        "on one machine at most, and the version that brought it."
    )
    yield ""
    yield "| metric | unit | detail | folded | series | since | meaning |"
    yield "|---|---|---|---|---|---|---|"
    yield from map(_meaning, catalogue.CATALOGUE)
    yield ""
    yield "## Labels and their bounds"
    yield ""
    yield "| label | of | values | bound |"
    yield "|---|---|---|---|"
    yield from _label_rows()
    yield ""
    yield "## Buckets"
    yield ""
    yield "They never change: a change would make what was recorded before worthless."
    yield ""
    yield "| histogram | upper ends, in seconds | why these |"
    yield "|---|---|---|"
    for metric in catalogue.CATALOGUE:
        if metric.kind is Kind.HISTOGRAM:
            yield f"| `{metric.name}` | {', '.join(bucket_ends(metric))} | {metric.why_buckets} |"


def _row(metric: Metric) -> str:
    named = ", ".join(f"`{label.name}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind.value} | {named} | {metric.help} | `peerkey {metric.command}` |"


def _meaning(metric: Metric) -> str:
    folded = metric.fold.value if metric.per is Per.NODE else ""
    meaning = " ".join(filter(None, (metric.meaning, "Exemplar: `key_id`." if metric.exemplars else "")))
    return (
        f"| `{metric.name}` | {metric.unit} | {_PER[metric.per]} | {folded} | {metric.cost} | {metric.since} "
        f"| {meaning} |"
    )


def _label_rows() -> Iterable[str]:
    of: dict[Label, list[str]] = {}
    for metric in catalogue.CATALOGUE:
        for label in metric.labels:
            of.setdefault(label, []).append(metric.name)
    for label, metrics in of.items():
        values = ", ".join(f"`{word}`" for word in label.words) or "any"
        where = f"`{metrics[0]}`" if len(metrics) == 1 else f"{len(metrics)} metrics"
        yield f"| `{label.name}` | {where} | {label.meaning}: {values} | {label.bound} |"


_LIBRARY: Final = ", ".join(f"`{name}`" for name in catalogue.LIBRARY)

_PATHS: Final = "10,000"

_HEAD: Final = f"""
# Metrics

<!-- Made of metrics/catalogue.py by docs/metrics_document.py. Change these. -->

`peerkey run --metrics HOST:PORT` answers Prometheus at `/metrics`: in OpenMetrics where that is asked for,
with the id of the latest key as an exemplar, else in the text format. Samples are taken at the moment of
the scrape, from the actors. There is one endpoint for each machine, also on a cluster, whichever of its
processes answers; `/targets` beside it lists those of all machines for Prometheus' `http_sd_configs`, and
`peerkey show targets --file-sd` prints the same for `file_sd_configs`.

What Prometheus should do with them is in [`deploy/monitoring`](../deploy/monitoring/rules).

```yaml
# prometheus.yml
rule_files: [rules/*.yml]
scrape_configs:
  - job_name: peerkey
    http_sd_configs:
      - url: http://192.0.2.10:9128/targets
```

## How fine: `--metrics-detail`

| detail | names | is taken by `auto` |
|---|---|---|
| `peer` | nodes, peers, paths | up to {detail.PEERINGS_NAMED:,} peerings on the machine |
| `node` | nodes | up to {detail.NODES_NAMED:,} nodes |
| `fleet` | none of them: what nodes have in common is folded into one series | beyond |

`auto` is the default. It becomes coarser as the fleet grows, and never finer while the process lives, so
that series do not come and go. An answer never has more than {detail.MAXIMUM_SERIES:,} series: it is made
coarser until it has not, whatever was asked for, and `peerkey_metrics_series_left_out` says how many are
missing; `peerkey_metrics_detail` says how fine it is.
"""

_TAIL: Final = f"""
No label is made of what a peer or a server has sent: what is none of the known words is `{labels.OTHER}`. A
name of the configuration that is longer than {labels.MAXIMUM_CHARACTERS} characters, or cannot be printed,
is cut and ends in a digest.

`outcome` and `reason` of `peerkey_peer_authentications_total`: `accepted` with `validated`, `pinned` or
`unvalidated`; `refused` and `went-bad` with one of the words of [`pki
verify`](console.md#peerkey-pki-verify), such as `expired`, `revoked`, `identity-mismatch` or `untrusted`,
or with `pinned` where another certificate is; `recovered` with `valid`. An outcome is counted once for a
certificate, whatever number of paths it comes by and however often, until it becomes another. An
announcement whose signature is not its certificate's proves nothing about anybody: it is a frame dropped
for `bad-signature`.

## What it costs

A machine with 100 nodes, of 10 peers with 10 paths each, and so {_PATHS} paths. `make bench`
(`benchmarks.scrape`) measures it beside prometheus_client with as many plain gauges; these are of two cores
with other work.

| detail | series | bytes | to make it | prometheus_client alone |
|---|---|---|---|---|
| `peer` | 22,257 | 2.3 MB | 0.2 to 0.5 s | 0.5 to 0.8 s |
| `node` | 7,257 | 0.7 MB | 0.05 to 0.2 s | 0.1 to 0.3 s |
| `fleet` | 327 | 31 kB | 0.03 to 0.1 s | 4 ms |

That is about 330 series for a machine, 69 for each node, 5 for each peering, one more while something is
wrong with it, and one for each path. With OpenMetrics, which Prometheus asks for, each counter and histogram
has a `_created` beside it, which Prometheus 2.42 keeps as a series too: 25 more for each node. At one scrape
in 15 seconds and two bytes a sample, 22,257 series are 250 MB a day.

Scraped every 15 seconds, a processor is busy with it for 0.5 to 0.9 % of the time with `peer`, 0.3 % with
`node` and 0.1 % with `fleet`. The page is made on a thread in pieces of a quarter of a millisecond, between
which the event loop has its turn: it is late by 1 to 4 ms at the worst. Who scrapes at the same time gets the
same page, packed by gzip where that is understood: a tenth of it. What scraping costs the actors is the
question how each peering stands, 40 microseconds each, at most 32 in one message.

## Resets

A counter goes back for one reason: the process that answers began anew. All counters of the endpoint do so
together, and `peerkey_counters_created_timestamp_seconds`, in OpenMetrics also the `_created` of each, is
another instant from then on. Neither the restart of an actor nor `clear stats` nor a peering that is
removed sets any back. On a cluster the endpoint adds up what each process of each host of its machine has
counted: a process that is started again goes on where the former one was, and a node that moves to another
machine is counted on there from zero, while the first machine keeps what it had. So `sum by (node)` over
the machines is right, and no series is told by two of them but for such a node.

Prometheus takes what it calls a reset for one whenever a counter falls: `rate` and `increase` are right
across it.

## Thresholds

| of | is |
|---|---|
| a certificate that ends soon | {thresholds.EXPIRES_SOON.days} days |
| one that ends very soon | {thresholds.EXPIRES_VERY_SOON.days} days |
| a rekey that is late | the rekey interval and {int(thresholds.REKEY_GRACE.total_seconds() // 60)} minutes |

They are those of the alarms, and the alert rules are made with them (`metrics/thresholds.py`).

## What the library says

prometheus_client adds what it knows of the process that answers, under its own names: {_LIBRARY}.
"""
