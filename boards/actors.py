"""The actors and the cluster below them, by which one sees whether the program itself keeps up."""

from __future__ import annotations

from typing import Final

from boards.pieces import (
    A_MINUTE,
    IF_HAPPENED,
    IF_RAY,
    IF_WRONG,
    INSTANCE,
    JOB,
    LOOP_LAG,
    MAILBOX,
    RAY,
    SEVERITIES,
    Board,
    Panel,
    Query,
    Row,
    Shows,
    any_is,
    buckets,
    figure,
    here,
    machine,
    of_ray,
    quantile,
)
from metrics import thresholds
from peerkey.observe.alarms import Severity

_FILLED: Final = f"{here('peerkey_mailbox_depth')} / {here('peerkey_mailbox_capacity')}"
_ALARMS: Final = here("peerkey_alarms", 'type=~"host|machine|cluster|node.*|actor.*|store"')
_EVENTS: Final = here("peerkey_audit_events_total")
_LOGINS: Final = here("peerkey_api_logins_refused_total")
_LAG: Final = here("peerkey_event_loop_lag_seconds_bucket")
_STORE: Final = here("peerkey_store_operation_duration_seconds_bucket")


def _rate(number: int, title: str, description: str, counter: str, *alerts: str) -> Panel:
    """Return how often something happens in a minute, by machine."""
    return Panel(
        number,
        title,
        Shows.SERIES,
        description,
        (Query(f"sum by (instance) (rate({here(counter)}[$__rate_interval])) * 60", "{{instance}}"),),
        unit=A_MINUTE,
        width=8,
        alerts=alerts,
    )


_NOW: Final = Row(
    100,
    "Is something wrong?",
    (
        figure(
            1,
            "Machines that do not answer",
            "Prometheus gets no answer: the process or the machine is gone, or the network between.",
            f"count({machine('up')} == 0) or vector(0)",
            any_is(Severity.CRITICAL),
            "PeerkeyTargetDown",
            "PeerkeyAbsent",
        ),
        figure(
            2,
            "Machines with silent actors",
            "The process answers Prometheus and its actors do not: its log says what its authority does.",
            f"count({here('peerkey_up')} == 0) or vector(0)",
            any_is(Severity.CRITICAL),
            "PeerkeyActorsSilent",
        ),
        figure(
            3,
            "Actors given up",
            "Actors that crashed too often since the counters count. What they did is not done any more: "
            "restart the process and report the defect.",
            f"sum({here('peerkey_actor_failures_total')})",
            any_is(Severity.CRITICAL),
            "PeerkeyActorFailed",
        ),
        figure(
            4,
            "Crashes in an hour",
            "Each is a defect: `peerkey show actors` has the last error, the log the trace. One is mended "
            "by a restart; more than ten in ten minutes are a loop.",
            f"sum(increase({here('peerkey_actor_crashes_total')}[1h]))",
            any_is(Severity.MAJOR),
            "PeerkeyActorCrashLoop",
        ),
        figure(
            5,
            "Fullest mailbox",
            f"The share of its capacity. Above {thresholds.MAILBOX_SHARE:.0%} more arrives than is handled, "
            "and what comes beyond is refused.",
            f"max({_FILLED})",
            MAILBOX,
            "PeerkeyMailboxFilling",
            unit="percentunit",
        ),
        figure(
            6,
            "Event loop late by",
            "In one of a hundred looks, over five minutes. Above a quarter of a second peers may take paths "
            "for dead.",
            f"max(histogram_quantile(0.99, sum by (le, instance) (rate({_LAG}[5m]))))",
            LOOP_LAG,
            "PeerkeyEventLoopSlow",
            unit="s",
        ),
        figure(
            7,
            "Errors of the store",
            "Since the counters count. No key can be agreed without the store: look at the disk, or at "
            "Redis.",
            f"sum({here('peerkey_store_errors_total')}) or vector(0)",
            any_is(Severity.CRITICAL),
            "PeerkeyStoreFailing",
        ),
        figure(
            8,
            "Series left out",
            "Series that a machine has not told, because there would be too many. Choose --metrics-detail, "
            "or spread the nodes.",
            f"sum({here('peerkey_metrics_series_left_out')})",
            any_is(Severity.MINOR),
            "PeerkeyMetricsLeftOut",
        ),
    ),
)

_ACTORS: Final = Row(
    101,
    "Actors",
    (
        Panel(
            10,
            "Actors by state",
            Shows.SERIES,
            "Anything but `running` for longer than a moment: see *Crashes*.",
            (Query(f"sum by (state) ({here('peerkey_actors')})", "{{state}}"),),
            width=8,
            stacked=True,
        ),
        Panel(
            11,
            "Actors by class",
            Shows.TABLE,
            "How many of each class there are at all machines, and the most messages that ever waited for "
            "one.",
            (
                Query(f"sum by (kind) ({here('peerkey_actors')})", "Actors"),
                Query(f"max by (kind) ({here('peerkey_mailbox_depth_highest')})", "Most that ever waited"),
                Query(f"min by (kind) ({here('peerkey_mailbox_capacity')})", "Room for"),
            ),
            columns=("kind",),
            sorted_by=(0, True),
            width=8,
        ),
        Panel(
            12,
            "Mailboxes, how full",
            Shows.SERIES,
            "The fullest of each class. It is 0 nearly always; one that grows is an actor that waits for "
            "something, mostly for the store.",
            (Query(f"max by (kind) ({_FILLED})", "{{kind}}"),),
            unit="percentunit",
            scale=MAILBOX,
            most=1,
            width=8,
            alerts=("PeerkeyMailboxFilling",),
        ),
        _rate(13, "Crashes", "Each minute.", "peerkey_actor_crashes_total", "PeerkeyActorCrashLoop"),
        _rate(
            14,
            "Restarts",
            "Each minute: those that a supervisor started again.",
            "peerkey_actor_restarts_total",
        ),
        _rate(
            15,
            "Messages that nobody got",
            "Dead letters, each minute. A few when actors stop; many: somebody asks for one that is gone.",
            "peerkey_dead_letters_total",
        ),
        _rate(
            16,
            "Messages refused",
            "Each minute, by a full mailbox. More arrives than is handled.",
            "peerkey_messages_refused_total",
        ),
        Panel(
            17,
            "Audit events",
            Shows.SERIES,
            "Each minute, by type: what the fleet does. A leap of one type is the first trace of most "
            "faults.",
            (
                Query(
                    f"topk(8, sum by (type) (rate({_EVENTS}[$__rate_interval])) * 60)",
                    "{{type}}",
                ),
            ),
            unit=A_MINUTE,
            width=8,
        ),
        Panel(
            18,
            "Logins refused",
            Shows.SERIES,
            "Requests to the admin API that were refused, each minute, by reason. Many of `unknown token`: "
            "somebody tries.",
            (
                Query(
                    f"sum by (reason) (rate({_LOGINS}[$__rate_interval])) * 60",
                    "{{reason}}",
                    IF_HAPPENED,
                ),
            ),
            unit=A_MINUTE,
            width=8,
            nothing="None was refused",
        ),
    ),
)

_TIMES: Final = Row(
    102,
    "Does it keep up?",
    (
        Panel(
            20,
            "Event loop, how late",
            Shows.HEATMAP,
            "Looked at twice a second. A light band far up: something holds the loop, or the processor has "
            "too much to do.",
            (Query(buckets(_LAG), "{{le}}"),),
            unit="s",
            alerts=("PeerkeyEventLoopSlow",),
        ),
        Panel(
            21,
            "Store, how long",
            Shows.HEATMAP,
            "Every operation of the store. The disk, or Redis and the network to it.",
            (Query(buckets(_STORE), "{{le}}"),),
            unit="s",
        ),
        Panel(
            22,
            "Store, nineteen of twenty operations",
            Shows.SERIES,
            "By operation. `commit` waits for the disk; `scan` grows with the fleet.",
            (
                Query(
                    quantile(0.95, _STORE, ", operation"),
                    "{{operation}}",
                    "NaN where the store was not asked in the interval",
                ),
            ),
            unit="s",
            width=8,
            nothing="The store was not asked",
        ),
        Panel(
            23,
            "Errors of the store by operation",
            Shows.SERIES,
            "Each minute.",
            (
                Query(
                    f"sum by (operation) (rate({here('peerkey_store_errors_total')}[$__rate_interval])) * 60",
                    "{{operation}}",
                    IF_WRONG,
                ),
            ),
            unit=A_MINUTE,
            width=8,
            nothing="None",
            alerts=("PeerkeyStoreFailing",),
        ),
        Panel(
            24,
            "How long a scrape takes",
            Shows.SERIES,
            "Of it, how long the actors took to answer. Prometheus gives up after its timeout of ten "
            "seconds.",
            (
                Query(machine("scrape_duration_seconds"), "{{instance}}: scrape"),
                Query(here("peerkey_scrape_asking_seconds"), "{{instance}}: actors"),
            ),
            unit="s",
            width=8,
        ),
        Panel(
            25,
            "Processor",
            Shows.SERIES,
            "How much of a processor the process uses. 100 % is all that one event loop can use.",
            (Query(f"rate({machine('process_cpu_seconds_total')}[$__rate_interval])", "{{instance}}"),),
            unit="percentunit",
            width=8,
        ),
        Panel(
            26,
            "Memory",
            Shows.SERIES,
            "Resident memory of the process. It grows with peerings and lists, and not with time.",
            (Query(machine("process_resident_memory_bytes"), "{{instance}}"),),
            unit="bytes",
            width=8,
        ),
        Panel(
            27,
            "Open files",
            Shows.SERIES,
            "With its limit. At the limit no socket and no file can be opened.",
            (
                Query(machine("process_open_fds"), "{{instance}}"),
                Query(f"min({machine('process_max_fds')})", "limit"),
            ),
            width=8,
        ),
    ),
)

_CLUSTER: Final = Row(
    103,
    "Cluster",
    (
        Panel(
            30,
            "Machines",
            Shows.TABLE,
            "What each machine carries: processes of the fleet (hosts), nodes and series. A machine without "
            "nodes where others have many: `peerkey show hosts`.",
            (
                Query(f"sum by (instance) ({here('peerkey_hosts')})", "Hosts"),
                Query(f"sum by (instance) ({here('peerkey_nodes')})", "Nodes"),
                Query(f"sum by (instance) ({here('peerkey_metrics_series')})", "Series"),
                Query(
                    f"time() - max by (instance) ({machine('process_start_time_seconds')})",
                    "Up for",
                    unit="s",
                ),
            ),
            columns=("instance",),
            sorted_by=(1, False),
            width=8,
        ),
        Panel(
            31,
            "Nodes by machine",
            Shows.SERIES,
            "A machine that dies falls to nothing, and its nodes appear at the others within a minute. The "
            "sum stays.",
            (Query(f"sum by (instance) ({here('peerkey_nodes')})", "{{instance}}"),),
            width=8,
            stacked=True,
            alerts=("PeerkeyNodeNotRunning", "PeerkeyHostGone"),
        ),
        Panel(
            32,
            "Alarms of the cluster",
            Shows.TABLE,
            "Hosts and machines that are gone, nodes without a place, a coordinator that does not answer. "
            "The type leads to its page.",
            (
                Query(
                    f"sum by (severity, type, node, job) ({_ALARMS})",
                    "How many",
                    IF_WRONG,
                ),
            ),
            columns=("severity", "type", "node", "job"),
            painted="severity",
            sorted_by=("severity", False),
            words=SEVERITIES,
            width=8,
            alerts=(
                "PeerkeyClusterLimited",
                "PeerkeyActorFailed",
            ),
            nothing="No alarm",
            leads=("type", "docs/alarms.md"),
        ),
        Panel(
            33,
            "Version",
            Shows.TABLE,
            "Which version runs where. More than one: a rolling update that has not ended.",
            (
                Query(
                    f"count by (version, instance) ({here('peerkey_build_info')})",
                    "Processes",
                    only_there=True,
                ),
            ),
            columns=("version", "instance"),
            width=12,
            height=6,
        ),
        Panel(
            34,
            "Counters since",
            Shows.SERIES,
            "For how long the counters of each machine count. A line that falls to 0: the counters were "
            "reset, and nothing else was.",
            (Query(f"time() - {here('peerkey_counters_created_timestamp_seconds')}", "{{instance}}"),),
            unit="s",
            width=12,
            height=6,
        ),
    ),
)


def _ray(number: int, title: str, description: str, query: str, legend: str, unit: str = "none") -> Panel:
    """Return what Ray's own exporters tell."""
    return Panel(
        number,
        title,
        Shows.SERIES,
        description,
        (Query(query, legend, IF_RAY),),
        unit=unit,
        most=1 if unit == "percentunit" else None,
        width=6,
        nothing="No Ray is scraped",
    )


def _share(used: str, *others: str) -> str:
    """Return which share of a thing is used on each machine."""
    whole = " + ".join(of_ray(each) for each in others)
    return f"sum by (instance) ({of_ray(used)}) / sum by (instance) ({whole})"


_RAY: Final = Row(
    104,
    "Ray below",
    (
        _ray(
            40,
            "Machines of Ray",
            "Machines whose Ray answers Prometheus. Fewer than there should be: `ray status` on the head.",
            f"count({of_ray('ray_node_cpu_count')})",
            "machines",
        ),
        _ray(
            41,
            "Actors of Ray by state",
            "Each process of the fleet is one of Ray's actors. Anything but `ALIVE` for more than a moment: "
            "a process that Ray does not get to run, or has given up.",
            f"sum by (State) ({of_ray('ray_actors')})",
            "{{State}}",
        ),
        _ray(
            42,
            "Processor of each machine",
            "All that runs there. Near 100 % heartbeats come late, and hosts may be taken for dead.",
            f"sum by (instance) ({of_ray('ray_node_cpu_utilization')}) / 100",
            "{{instance}}",
            "percentunit",
        ),
        _ray(
            43,
            "Memory of each machine",
            "All that runs there. Above 95 % Ray's memory monitor kills processes, the fleet's among them.",
            _share("ray_node_mem_used", "ray_node_mem_total"),
            "{{instance}}",
            "percentunit",
        ),
        _ray(
            44,
            "Object store of each machine",
            "Batches between hosts pass through it, and stay for moments. One that fills: somebody else uses "
            "the cluster.",
            _share(
                "ray_object_store_used_memory",
                "ray_object_store_used_memory",
                "ray_object_store_available_memory",
            ),
            "{{instance}}",
            "percentunit",
        ),
        _ray(
            45,
            "Disk of each machine",
            "Of Ray's own files. Above 95 % Ray puts nothing there any more.",
            _share("ray_node_disk_usage", "ray_node_disk_usage", "ray_node_disk_free"),
            "{{instance}}",
            "percentunit",
        ),
        _ray(
            46,
            "Health checks of Ray",
            "Nineteen of twenty took no longer. Those that take longer than RAY_health_check_timeout_ms, "
            "several times in a row, make a machine dead.",
            "histogram_quantile(0.95, sum by (le) "
            f"(rate({of_ray('ray_health_check_rpc_latency_ms_bucket')}[$__rate_interval])))",
            "95 %",
            "ms",
        ),
        _ray(
            47,
            "Processes that did not start",
            "In an hour, by Ray's reason. The log of the raylet on that machine says more.",
            f"sum by (Reason) (increase({of_ray('ray_scheduler_failed_worker_startup_total')}[1h]))",
            "{{Reason}}",
        ),
    ),
)

BOARD: Final = Board(
    "peerkey-actors",
    "peerkey: actors and cluster",
    "Does the program itself keep up: actors, mailboxes, store, event loop, and the machines below.",
    (JOB, INSTANCE, RAY),
    (_NOW, _ACTORS, _TIMES, _CLUSTER, _RAY),
)
