"""What Prometheus is told at a scrape: samples from the actors, served over plain HTTP.

The page holds counts and the names of nodes, and no secret. It is served where ``--metrics`` says and
nowhere by default.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Response

from actors.crl.port import shown
from metrics import catalogue
from metrics.exporter import CONTENT_TYPE, exposition
from peerkey.ha.messages import Role
from peerkey_cli.versions import own_version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus
    from metrics.exporter import Samples
    from peerkey.observe.condensing import Noticing
    from peerkey_cli.fleet import Fleet, HostActors, Measured

_ALONE: Final = ()


def application(fleet: Fleet) -> FastAPI:
    """Return what serves ``/metrics`` of this machine."""
    app = FastAPI(openapi_url=None)

    @app.get("/metrics")
    async def scrape() -> Response:
        """Return every sample of this moment."""
        return Response(exposition(samples_of(await fleet.measured())), media_type=CONTENT_TYPE)

    return app


def samples_of(measured: Measured) -> Samples:
    """Return every sample of one machine."""
    return {
        **process_samples(measured.hosts),
        **fleet_samples(measured.nodes),
        **revocation_samples(measured.revocation, measured.now),
        **measured.tally,
        catalogue.ALARMS: alarm_samples(measured.noticing),
        catalogue.UP: {_ALONE: float(measured.up)},
    }


def process_samples(hosts: Collection[HostActors]) -> Samples:
    """Return what the processes of this machine say of themselves."""
    return {
        catalogue.BUILD_INFO: {(own_version(),): 1.0},
        catalogue.ACTORS: Counter((actor.state.value,) for host in hosts for actor in host.actors),
        catalogue.ACTOR_CRASHES: {_ALONE: float(sum(host.totals.crashes for host in hosts))},
        catalogue.DEAD_LETTERS: {_ALONE: float(sum(host.totals.dead_letters for host in hosts))},
    }


def alarm_samples(noticing: Iterable[Noticing]) -> Counter[tuple[str, ...]]:
    """Return how many alarms there are of each node and severity."""
    return Counter((each.node, alarm.severity.value) for each in noticing for alarm in each.alarms)


def revocation_samples(status: RevocationStatus, now: datetime) -> Samples:
    """Return what is known of revocations, and how old it is."""
    entries: dict[tuple[str, ...], float] = {}
    age: dict[tuple[str, ...], float] = {}
    due: dict[tuple[str, ...], float] = {}
    for source in status.sources:
        url = (shown(source.url),)
        entries[url] = source.entries
        if source.confirmed is not None:
            age[url] = max(0.0, (now - source.confirmed).total_seconds())
        if source.latest is not None and source.latest.next_update is not None:
            due[url] = source.latest.next_update.timestamp()
    return {
        catalogue.CRL_ENTRIES: entries,
        catalogue.CRL_AGE: age,
        catalogue.CRL_NEXT_UPDATE: due,
        catalogue.REVOKED: {_ALONE: float(status.entries)},
    }


def ha_samples(fleet: Iterable[NodeStatus]) -> Samples:
    """Return what the nodes say that have a mate."""
    up: dict[tuple[str, ...], float] = {}
    leads: dict[tuple[str, ...], float] = {}
    records: dict[tuple[str, ...], float] = {}
    taken: dict[tuple[str, ...], float] = {}
    for node in fleet:
        ha = node.ha
        if ha is not None:
            up[node.node,] = ha.link in {"resynchronising", "in-step"}
            leads[node.node,] = ha.role is Role.LEADER
            records[node.node, "replicated"] = ha.replicated
            records[node.node, "lagging"] = ha.records - ha.replicated
            records[node.node, "copies"] = ha.copies
            taken[node.node,] = ha.taken_over
    return {
        catalogue.HA_LINK_UP: up,
        catalogue.HA_LEADER: leads,
        catalogue.HA_RECORDS: records,
        catalogue.HA_TAKEN_OVER: taken,
    }


def fleet_samples(fleet: Sequence[NodeStatus]) -> Samples:
    """Return what the nodes say."""
    peerings: Counter[tuple[str, ...]] = Counter()
    paths: Counter[tuple[str, ...]] = Counter()
    keys: Counter[tuple[str, ...]] = Counter()
    changes: Counter[tuple[str, ...]] = Counter()
    dropped: Counter[tuple[str, ...]] = Counter()
    expiry: dict[tuple[str, ...], float] = {}
    for node in fleet:
        name = node.node
        for peer in node.peers:
            peerings[name, peer.security.security_status] += 1
            paths.update((name, path.state) for path in peer.paths)
            keys.update((name, role) for role, _, _ in peer.security.keys)
            changes[name,] += peer.security.key_changes
            for reason, number in peer.dropped:
                dropped[name, reason] += number
        if node.certificate is not None:
            expiry[name,] = datetime.fromisoformat(node.certificate.not_after).timestamp()
    return {
        **ha_samples(fleet),
        catalogue.PEERINGS: peerings,
        catalogue.PATHS: paths,
        catalogue.KEYS: keys,
        catalogue.KEY_CHANGES: changes,
        catalogue.FRAMES_DROPPED: dropped,
        catalogue.CERTIFICATE_EXPIRY: expiry,
    }
