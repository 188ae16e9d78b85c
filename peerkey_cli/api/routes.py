"""What can be asked of a running system.

``GET`` shows and changes nothing. A ``POST`` that is refused says why and has changed nothing. The
documents are those of :mod:`peerkey_cli.schemas`; the description of all of it is at ``/v1/openapi.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response, Security
from fastapi.security import HTTPBearer

from actors.journal import REMEMBERED_EVENTS
from peerkey_cli import documents, schemas, statistics
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api.alarm_routes import alarm_acts, alarm_shows
from peerkey_cli.api.configuration_routes import configuration_routes
from peerkey_cli.api.custody_routes import custody_routes
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.judging_routes import judging_routes
from peerkey_cli.api.problems import described, problems, tell_problems
from peerkey_cli.api.rendering import Renderer
from peerkey_cli.api.requests import Written
from peerkey_cli.api.stream import EventFeed, EventStream
from peerkey_cli.api.token_routes import token_routes
from peerkey_cli.api.trust_routes import trust_routes
from peerkey_cli.api.visitors import Visitor
from peerkey_cli.api.workers import Workers
from peerkey_cli.audit import OF_THE_MACHINE, event_of, require_node
from peerkey_cli.configuration_documents import needed
from peerkey_cli.errors import NotFound
from peerkey_cli.event_log import CURSOR, CURSOR_CHARACTERS, EventQuery, page
from peerkey_cli.page.routes import page_routes
from peerkey_cli.versions import own_process, own_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from peerkey_cli.api.token_routes import TokenHolder
    from peerkey_cli.configuration_file import ConfigurationFile
    from peerkey_cli.desk import Desk
    from peerkey_cli.fleet import Fleet

#: The longest counter has 26.
MAXIMUM_COUNTER_CHARACTERS: Final = 64


#: Events in one answer: as many as a process remembers.
MAXIMUM_EVENTS: Final = REMEMBERED_EVENTS
#: What is not ready is named, some of it.
_SHOWN: Final = 8
#: An id that was given has some twenty characters.
_LONGEST_ID: Final = 64


#: A reload of a large authority takes longer than an answer usually may.
Reload: TypeAlias = "Callable[[], Awaitable[tuple[str, ...]]]"


@dataclass(frozen=True, slots=True)
class Hands:
    """What the API acts with beside the fleet. What there is not, it has no resources for."""

    #: Reads everything again: what the reload of the fleet does, and more where there is more to read.
    reload: Reload | None = None
    #: Acts on the keys and certificates of the nodes.
    desk: Desk | None = None
    #: The file that may be replaced.
    configuration: ConfigurationFile | None = None
    #: Those of the door over TCP.
    tokens: TokenHolder | None = None
    #: Where the audit logs of this machine are.
    state: Path | None = None


NO_HANDS: Final = Hands()


def application(
    fleet: Fleet,
    times: AlarmTimes,
    feed: EventFeed | None = None,
    *,
    hands: Hands = NO_HANDS,
    workers: Workers | None = None,
) -> FastAPI:
    """Return the API of this system.

    ``times`` knows since when each alarm is there, and ``feed`` what happens. ``workers`` do what takes
    long, and are to be ended after it.
    """
    workers = workers or Workers()
    app = FastAPI(
        title="peerkey",
        summary="The admin API of a fleet of routers that key their peerings.",
        version=own_version(),
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # A redirection would send a client, and its token, to wherever its own request says.
        redirect_slashes=False,
        dependencies=[Security(_BEARER), Depends(_each_once)],
    )
    renderer = Renderer(workers.documents)
    app.include_router(_shows(fleet, renderer), prefix="/v1", tags=["shows"])
    app.include_router(alarm_shows(fleet, times, renderer), prefix="/v1", tags=["shows"])
    app.include_router(alarm_acts(fleet, times), prefix="/v1", tags=["acts"])
    app.include_router(_shows_processes(fleet, renderer), prefix="/v1", tags=["shows"])
    app.include_router(_streams(feed or EventFeed(fleet)), prefix="/v1", tags=["shows"])
    reload = hands.reload or fleet.reload
    app.include_router(_acts(fleet, reload), prefix="/v1", tags=["acts"])
    routes = configuration_routes(fleet, hands.configuration, reload, workers.configuration, renderer)
    app.include_router(routes, prefix="/v1")
    app.include_router(judging_routes(fleet, workers.judging, hands.state), prefix="/v1", tags=["judges"])
    app.include_router(token_routes(fleet, hands.tokens), prefix="/v1", tags=["tokens"])
    if (desk := hands.desk) is not None:
        app.include_router(custody_routes(desk), prefix="/v1")
        app.include_router(trust_routes(desk), prefix="/v1")
    app.include_router(page_routes(fleet, times, workers.documents))
    tell_problems(app)
    # FastAPI's own way to describe an API otherwise.
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app


#: For the description alone: :mod:`peerkey_cli.api.visitors` has decided before a route is found.
_BEARER: Final = HTTPBearer(
    scheme_name="token", description="Over TCP, from `peerkey create api-token`.", auto_error=False
)


async def _each_once(request: Request) -> None:
    """Refuse a parameter that is given twice: nobody can tell which of the two counts.

    :raises Denied: there is one.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    if len(given) != len(set(given)):
        raise Denied(422, "a parameter is given twice")


def _shows(fleet: Fleet, renderer: Renderer) -> APIRouter:
    router = APIRouter(responses=problems())

    @router.get("/peers", response_model=schemas.Peers)
    async def peers() -> Response:
        """Return every peering with its paths."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.peers(found, now))

    @router.get("/peers/security", response_model=schemas.PeersSecurity)
    async def peers_security() -> Response:
        """Return every peering with the state of its certificates and keys."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.peers_security(found, now))

    @router.get("/peers/certificate", response_model=schemas.PeersCertificate)
    async def peers_certificate() -> Response:
        """Return every peering with the certificates of both ends."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.peers_certificate(found, now))

    @router.get("/certificates", response_model=schemas.Certificates)
    async def certificates(*, detail: bool = False) -> Response:
        """Return what each node shows to its peers."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.certificates(found, now, detail=detail))

    @router.get("/certificates/crl", response_model=schemas.RevocationLists)
    async def certificates_crl() -> Response:
        """Return every revocation list that is followed."""
        found, now = await fleet.revocation(), fleet.now()
        return await renderer.rendered(lambda: documents.revocation_lists(found, now))

    @router.get("/security/key-status", response_model=schemas.KeyStatus)
    async def key_status() -> Response:
        """Return when each node and each peering rekeys."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.key_status(found, now))

    @router.get("/ha", response_model=schemas.HaNodes)
    async def ha() -> Response:
        """Return how each node of an HA router stands with its mate, and which keys it has taken over."""
        found, now = await fleet.nodes(), fleet.now()
        return await renderer.rendered(lambda: documents.ha(found, now))

    @router.get("/events", response_model=schemas.Events)
    async def events(
        kind: Annotated[str | None, Query(alias="type", max_length=schemas.MAXIMUM_NAME_CHARACTERS)] = None,
        since: Written | None = None,
        until: Written | None = None,
        node: Annotated[str | None, Query(max_length=schemas.MAXIMUM_NAME_CHARACTERS)] = None,
        limit: Annotated[int, Query(ge=1, le=MAXIMUM_EVENTS)] = MAXIMUM_EVENTS,
        before: Annotated[str | None, Query(max_length=CURSOR_CHARACTERS, pattern=CURSOR)] = None,
    ) -> Response:
        """Return the latest audit events, oldest first: from the audit log, or what a cluster remembers.

        `before` is what `older` of another answer says, for the events before those.
        """
        query = EventQuery(kind, _aware(since), _aware(until), node)
        logs, now = fleet.logs(), fleet.now()
        if logs:
            return await renderer.rendered(partial(page, logs, query, now, limit=limit, before=before))
        found = () if before is not None else await fleet.events()
        return await renderer.rendered(lambda: _latest(documents.events(found, now, wanted=query), limit))

    return router


def _aware(time: datetime | None) -> datetime | None:
    """Take a time without an offset for one of this machine's time zone."""
    return None if time is None else time.astimezone()


def _latest(document: schemas.Events, limit: int) -> schemas.Events:
    return document.model_copy(update={"events": document.events[-limit:]})


def _shows_processes(fleet: Fleet, renderer: Renderer) -> APIRouter:
    router = APIRouter(responses=problems())

    @router.get("/stats/security", responses=problems(404))
    async def stats_security(
        counter: Annotated[str, Query(max_length=MAXIMUM_COUNTER_CHARACTERS)] = "",
    ) -> schemas.SecurityStats:
        """Return the security statistics: all of them, or those whose name begins with the words given."""
        chosen = statistics.chosen(counter.split())
        found = await fleet.statistics()
        return statistics.document(found.counted, chosen, fleet.now(), complete=found.complete)

    @router.get("/actors", response_model=schemas.Actors)
    async def actors() -> Response:
        """Return every actor, with the host, the process and the machine that it is on."""
        found, now = await fleet.hosts(), fleet.now()
        return await renderer.rendered(lambda: documents.actors(found, now))

    @router.get("/hosts", response_model=schemas.Hosts)
    async def hosts() -> Response:
        """Return the processes that run the nodes, and the nodes that have no place."""
        found, now = await fleet.placement(), fleet.now()
        return await renderer.rendered(lambda: documents.hosts(found, now))

    @router.get("/drain")
    async def drained() -> schemas.Drains:
        """Return how far each node is out of work."""
        return documents.drains(documents.drained_nodes(await fleet.nodes()), fleet.now())

    @router.get("/targets", response_model=schemas.Targets)
    async def targets() -> Response:
        """Return where Prometheus finds the metrics of each machine."""
        found, now = await fleet.targets(), fleet.now()
        return await renderer.rendered(lambda: documents.targets(found, now))

    @router.get("/health")
    async def health() -> schemas.Health:
        """Tell that the actors answer, and which process this is."""
        nodes = await fleet.nodes()
        return schemas.Health(
            time=fleet.now(),
            status="ok",
            version=own_version(),
            process=own_process(),
            since=fleet.since,
            nodes=len(nodes),
        )

    @router.get("/ready")
    async def ready() -> schemas.Ready:
        """Tell that every node that should runs, and none is drained; 503 where not.

        A balancer, or an upgrade, waits for it.
        """
        placed = documents.hosts(await fleet.placement(), fleet.now())
        if not placed.complete or placed.unplaced:
            waiting = [each.node for each in placed.unplaced] or [
                each.host for each in placed.hosts if not (each.answers and each.complete)
            ]
            text = f"not ready: {', '.join(waiting[:_SHOWN])}"
            raise Denied(503, text, {"Retry-After": "5"})
        drained = [each.node for each in await fleet.nodes() if each.drained is not None]
        if drained:
            raise Denied(503, f"draining: {', '.join(drained[:_SHOWN])}", {"Retry-After": "5"})
        return schemas.Ready(time=placed.time, nodes=placed.nodes)

    return router


def _streams(feed: EventFeed) -> APIRouter:
    router = APIRouter(responses=problems())

    @router.get("/events/stream", response_class=EventStream, status_code=200)
    async def stream(
        request: Request,
        kind: Annotated[str | None, Query(alias="type", max_length=schemas.MAXIMUM_NAME_CHARACTERS)] = None,
        last_event_id: Annotated[str | None, Header(max_length=_LONGEST_ID)] = None,
    ) -> Response:
        """Send audit events as they happen (server-sent events), from now on, or all after `Last-Event-ID`.

        An event `gap` stands for those that are no longer remembered. A stream ends after ten minutes, and
        is to be asked for again.
        """
        visitor: Visitor = request.state.visitor
        return EventStream(feed, visitor, last_event_id, kind)

    return router


def _acts(fleet: Fleet, reload: Reload) -> APIRouter:
    router = APIRouter(responses=problems())

    @router.post("/rekey", responses=problems(404))
    async def rekey(request: schemas.RekeyRequest) -> schemas.Rekeyed:
        """Agree new keys now, with every peer or with one."""
        peerings = await fleet.rekey(request.peer)
        if request.peer is not None:
            _require_peer(request.peer, peerings)
        return schemas.Rekeyed(time=fleet.now(), peerings=peerings)

    @router.post("/release-pin", responses=problems(404))
    async def release_pin(request: schemas.PinRequest) -> schemas.PinReleased:
        """Forget a peer's pinned certificate: the next one that it shows is taken."""
        peerings = await fleet.release_pin(request.peer)
        _require_peer(request.peer, peerings)
        return schemas.PinReleased(time=fleet.now(), peerings=peerings)

    @router.post("/drain", responses=problems(404))
    async def drain(request: schemas.DrainRequest) -> schemas.Drains:
        """Take every node, or one, out of work, or back into it. `GET` tells when it is done."""
        found = await fleet.drain(request.node, undo=request.undo)
        if request.node is not None and not found:
            message = f"there is no node {request.node!r}; `peerkey show certificate` lists them"
            raise NotFound(message)
        return documents.drains(found, fleet.now())

    @router.post("/drain/host", responses=problems(404))
    async def drain_host(request: schemas.HostDrainRequest) -> schemas.HostsDrained:
        """Move all nodes off a host or machine of the cluster, or let them come again.

        `GET /v1/hosts` tells how far that is.
        """
        found = await fleet.drain_host(request.host, undo=request.undo)
        if found.refused:
            raise NotFound(found.refused)
        return schemas.HostsDrained(time=fleet.now(), drained=found.drained)

    @router.post("/reload", responses=problems(409))
    async def read_again() -> schemas.Reloaded:
        """Read configuration and certificates again, and have every revocation list fetched.

        A faulty configuration changes nothing. What needs a restart of the authority waits for one, and is
        named; the rest is taken up.
        """
        nodes = await reload()
        waiting = needed(await fleet.restart_needed())
        return schemas.Reloaded(time=fleet.now(), nodes=nodes, restart_needed=waiting)

    @router.post("/stats/clear", responses=problems(409))
    async def clear_stats() -> schemas.StatsCleared:
        """Set the security statistics of every node to zero, with an event that tells what they were."""
        return schemas.StatsCleared(time=await fleet.clear_statistics())

    @router.post("/audit", responses=problems(404, 409))
    async def audit(asked: Request, request: schemas.AuditRequest) -> schemas.Recorded:
        """Record what a command did to the files of a node, and count it.

        Only at the Unix socket: over TCP nobody can have done anything to the files of this machine.
        """
        visitor: Visitor = asked.state.visitor
        if not visitor.here:
            raise Denied(403, "what was done on this machine is recorded at its Unix socket alone")
        event = event_of(request.type, request.fields)
        if not isinstance(event, OF_THE_MACHINE):
            require_node(request.node, [(each.node, each.uuid) for each in await fleet.nodes()])
        return schemas.Recorded(time=await fleet.record(request.node, event))

    return router


def _require_peer(peer: str, peerings: int) -> None:
    """Refuse a name that no peer has."""
    if not peerings:
        message = f"there is no peer {peer!r}; `peerkey show peers` lists them"
        raise NotFound(message)
