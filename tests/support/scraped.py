"""A fleet that is scraped: as it is, and as it would be with each of its usual faults.

The fleet is real and runs. A fault changes what its actors have said before it is written, as the fault
itself would have: so one fleet is scraped in every state at once, each at a path of its own, and nobody waits
until a certificate has ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any

from actors.crl.status import RevocationStatus, SourceStatus, Trouble
from actors.ha.messages import HaStatus
from actors.messages import NodeStatus
from metrics import catalogue
from metrics.detail import Detail
from metrics.exporter import Samples
from metrics.metric import Metric
from peerkey.ha.messages import Role
from peerkey.observe import alarms
from peerkey.observe.alarms import Alarm, Severity
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_subscriptions import Origin
from peerkey_cli import scrape
from peerkey_cli.embedded import Running
from peerkey_cli.fleet import Measured
from peerkey_cli.scrape import Format, page_of, rendered
from peerkey_cli.targets import Target, discovered
from tests.cli.background import Background

EAST, WEST, AUTHORITY = "east/node0", "west/node0", "authority"
LIST = "http://crl.example/ca.crl"
#: The job of the fleet that is well. It is at ``/metrics``, too, where ``/targets`` leads.
WELL = "peerkey-well"
#: The job of the fleet whose machine names no nodes.
COARSE = "peerkey-coarse"
#: How far the clock is off, where it is.
OFF = timedelta(hours=3)

#: What a fault makes of what is measured. The number grows with each scrape, as a counter would.
Fault = Callable[[Measured, int], Measured]


def well(measured: Measured, _number: int) -> Measured:
    return measured


def certificate_ends_soon(measured: Measured, _number: int) -> Measured:
    """East's certificate ends in five days."""
    (east, west) = measured.nodes
    assert east.certificate is not None
    ends = (measured.now + timedelta(days=5)).isoformat()
    told = alarms.certificates_expiring(EAST, 7, Severity.MAJOR, [EAST])
    return replace(
        measured,
        nodes=(replace(east, certificate=replace(east.certificate, not_after=ends)), west),
        noticing=noticing(east, told),
    )


def peer_is_revoked(measured: Measured, number: int) -> Measured:
    """West's CA has taken its certificate back, and east does not accept it any more."""
    (east, west) = measured.nodes
    told = alarms.peer_certificate_invalid(WEST, "revoked", "the list of its CA names it")
    return replace(
        measured,
        nodes=(unkeyed(east, "CERT_EXCH_INIT", fault="revoked"), west),
        noticing=noticing(east, told),
        tally=counted(
            measured.tally, number, {catalogue.PEER_AUTHENTICATIONS: (EAST, "went-bad", "revoked")}
        ),
    )


def server_of_lists_is_down(measured: Measured, number: int) -> Measured:
    """The list that there is cannot be fetched anew."""
    source = replace(a_list(measured.now), trouble=Trouble.UNREACHABLE, polling=PollState.RETRYING)
    return replace(
        measured,
        revocation=RevocationStatus(1, 7, (source,)),
        noticing=noticing(measured.nodes[0], alarms.crl_unreachable(AUTHORITY, [LIST])),
        tally=counted(measured.tally, number, {catalogue.CRL_FETCHES: (AUTHORITY, "failure")}),
    )


def peer_has_another_algorithm(measured: Measured, number: int) -> Measured:
    """East and west do not agree on how keys are exchanged."""
    (east, west) = measured.nodes
    return replace(
        measured,
        nodes=tuple(
            unkeyed(node, "KEY_EXCH_INIT", error="algorithm-mismatch: one and another")
            for node in (east, west)
        ),
        tally=counted(measured.tally, number, {catalogue.FAILURES: (EAST, "algorithm-mismatch")}),
    )


def clock_is_wrong(measured: Measured, number: int) -> Measured:
    """The machine lives in the past, and the certificates of its peers are of the future."""
    (east, west) = measured.nodes
    return replace(
        measured,
        now=measured.now - OFF,
        nodes=(unkeyed(east, "CERT_EXCH_INIT", fault="not-yet-valid"), west),
        tally=counted(
            measured.tally, number, {catalogue.PEER_AUTHENTICATIONS: (EAST, "refused", "not-yet-valid")}
        ),
    )


def node_is_killed(measured: Measured, number: int) -> Measured:
    """West does not run any more; east misses it."""
    (east, _) = measured.nodes
    (peer,) = east.peers
    down = tuple(replace(path, state="invalid", reason="") for path in peer.paths)
    told = (alarms.peer_unreachable(WEST),)
    return replace(
        measured,
        nodes=(replace(east, peers=(replace(peer, paths=down),), alarms=told),),
        noticing=noticing(east, alarms.peer_unreachable(WEST), alarms.node_not_running(WEST, "killed")),
        tally=counted(measured.tally, number, {catalogue.PATH_CHANGES: (EAST, "down")}),
    )


def actors_are_silent(measured: Measured, _number: int) -> Measured:
    """Nobody answers for the fleet; what was counted is known all the same."""
    return replace(measured, up=False, nodes=(), revocation=RevocationStatus(), noticing=(), hosts=())


def everything_else(measured: Measured, number: int) -> Measured:
    """What two routers on one machine do not have: a mate, lists, a CA that is asked, errors of a disk."""
    (east, west) = measured.nodes
    (peer,) = east.peers
    due = replace(peer, security=replace(peer.security, next_rekey_seconds=3600.0))
    return replace(
        measured,
        nodes=(replace(east, ha=mate(), peers=(due,), rekey_interval_hours=24.0), west),
        revocation=RevocationStatus(1, 7, (a_list(measured.now),)),
        noticing=noticing(east, alarms.host_gone("host2", "edge8", "its process has ended")),
        tally=counted(
            measured.tally,
            number,
            {
                catalogue.REKEYS: (EAST, "in-time"),
                catalogue.REKEY: (EAST, "+Inf"),
                catalogue.ENROLLMENTS: (EAST, "failure"),
                catalogue.REVOCATION_CHECKS: (EAST, "not-revoked"),
                catalogue.FRAMES_DROPPED: (EAST, "bad-mac"),
                catalogue.LOGINS_REFUSED: ("no token",),
                catalogue.STORE_ERRORS: ("commit",),
                catalogue.CRL_FETCH: ("+Inf",),
                catalogue.CRL_INGESTION: ("+Inf",),
            },
        ),
    )


#: Every state of the fleet, by the job under which it is scraped.
FAULTS: Mapping[str, Fault] = {
    WELL: well,
    "peerkey-certificate": certificate_ends_soon,
    "peerkey-revoked": peer_is_revoked,
    "peerkey-lists": server_of_lists_is_down,
    "peerkey-algorithm": peer_has_another_algorithm,
    "peerkey-clock": clock_is_wrong,
    "peerkey-killed": node_is_killed,
    "peerkey-silent": actors_are_silent,
    "peerkey-else": everything_else,
    COARSE: well,
}


@contextmanager
def scraped(background: Background, faults: Mapping[str, Fault] = FAULTS) -> Iterator[list[dict[str, Any]]]:
    """Serve the fleet in each of these states while the block lasts; yield how Prometheus scrapes them."""
    numbers = count(1)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/targets":
                host, port = self.connection.getsockname()
                self.answer(json.dumps(discovered([Target("edge7", f"{host}:{port}")])), "application/json")
                return
            measured = background.call(of)
            changed = faults[self.path.removeprefix("/").replace("metrics", WELL)](measured, next(numbers))
            ends = datetime.now(UTC) + timedelta(days=90) if self.path.endswith("else") else None
            detail = Detail.FLEET if self.path.endswith(COARSE) else Detail.PEER
            page = page_of(changed, detail, timedelta(milliseconds=2), ends)
            self.answer(rendered(page, Format.PLAIN, scrape.library()).decode(), Format.PLAIN.value)

        def answer(self, text: str, kind: str) -> None:
            content = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            # Prometheus waits for so long, and no longer.
            with suppress(ConnectionError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        target = f"127.0.0.1:{server.server_port}"
        yield [
            {"job_name": job, "metrics_path": f"/{job}", "static_configs": [{"targets": [target]}]}
            for job in faults
        ]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def of(running: Running) -> Measured:
    return await running.measured()


def unkeyed(node: NodeStatus, status: str, *, fault: str = "", error: str = "") -> NodeStatus:
    """Return the node as it is without a key with its peer, and so without a path that is in service."""
    (peer,) = node.peers
    security = replace(
        peer.security,
        security_status=status,
        keys=(),
        key_index=None,
        peer_certificate_fault=fault,
        last_error=error,
    )
    waiting = tuple(replace(path, state="waiting", reason="") for path in peer.paths)
    return replace(node, peers=(replace(peer, security=security, paths=waiting),))


def noticing(node: NodeStatus, *found: Alarm) -> tuple[NodeStatus, ...]:
    return (replace(node, alarms=found),)


def counted(tally: Samples, number: int, more: Mapping[Metric, tuple[str, ...]]) -> Samples:
    """Return the tally with these numbers, which grow."""
    return {
        **tally,
        **{metric: {**tally.get(metric, {}), labels: float(number)} for metric, labels in more.items()},
    }


def mate() -> HaStatus:
    """Return what a node says whose mate is not heard and has taken nothing over."""
    return HaStatus(
        mate="east/node1",
        mate_uuid="",
        role=Role.LEADER,
        term=1,
        link="down",
        link_error="no route to host",
        records=2,
        replicated=1,
        lag=1,
        copies=1,
        taken_over=False,
        silent_seconds=90.0,
    )


def a_list(now: datetime) -> SourceStatus:
    facts = ListFacts(
        source=LIST,
        issuer="CN=ca",
        authority="/CN=ca",
        series=(b"", b"", b""),
        number=1,
        base=None,
        this_update=now,
        next_update=now + timedelta(days=1),
        size=9,
        digest=b"",
        total=7,
        added=7,
        removed=0,
    )
    return SourceStatus(LIST, Origin.CONFIGURED, PollState.WAITING, facts, 7, fetched=now, confirmed=now)
