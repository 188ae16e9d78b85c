"""What can be asked of a running system.

``GET`` shows and changes nothing. A ``POST`` that is refused says why and has changed nothing. The
documents are those of :mod:`peerkey_cli.schemas`; the description of all of it is at ``/v1/openapi.json``.
"""

from __future__ import annotations

import os
import re
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BeforeValidator

from peerkey_cli import documents, schemas, statistics
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api.custody_routes import custody_routes
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import problems, tell_problems
from peerkey_cli.api.rendering import Renderer
from peerkey_cli.api.stream import EventFeed, EventStream
from peerkey_cli.api.visitors import Visitor
from peerkey_cli.api.workers import Workers
from peerkey_cli.audit import OF_THE_MACHINE, event_of, require_node
from peerkey_cli.errors import NotFound
from peerkey_cli.page.routes import page_routes
from peerkey_cli.versions import own_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from peerkey_cli.custody import Custody
    from peerkey_cli.fleet import Fleet

#: The longest counter has 26.
MAXIMUM_COUNTER_CHARACTERS: Final = 64


def _written(since: object) -> object:
    """Refuse a number: pydantic would take it for the seconds of some epoch."""
    if not isinstance(since, str) or not re.match(r"[0-9]{4}-", since):
        message = "write a time in ISO 8601"
        raise ValueError(message)
    return since


#: A time in ISO 8601.
Since: TypeAlias = Annotated[datetime, BeforeValidator(_written)]
#: What is not ready is named, some of it.
_SHOWN: Final = 8
#: An id that was given has some twenty characters.
_LONGEST_ID: Final = 64


#: A reload of a large authority takes longer than an answer usually may.
Reload: TypeAlias = "Callable[[], Awaitable[tuple[str, ...]]]"


def application(
    fleet: Fleet,
    times: AlarmTimes,
    feed: EventFeed | None = None,
    *,
    reload: Reload | None = None,
    custody: Custody | None = None,
    workers: Workers | None = None,
) -> FastAPI:
    """Return the API of this system.

    ``times`` knows since when each alarm is there, and ``feed`` what happens. ``reload`` does what
    :meth:`~peerkey_cli.fleet.Fleet.reload` does, and more where there is more to read. ``custody`` acts on
    the keys and certificates of the nodes; without it there are no such resources. ``workers`` do what takes
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
        dependencies=[Security(_BEARER)],
    )
    renderer = Renderer(workers.documents)
    app.include_router(_shows(fleet, times, renderer), prefix="/v1", tags=["shows"])
    app.include_router(_shows_processes(fleet, renderer), prefix="/v1", tags=["shows"])
    app.include_router(_streams(feed or EventFeed(fleet)), prefix="/v1", tags=["shows"])
    app.include_router(_acts(fleet, reload or fleet.reload), prefix="/v1", tags=["acts"])
    if custody is not None:
        app.include_router(custody_routes(fleet, custody, workers.custody), prefix="/v1")
    app.include_router(page_routes(fleet, times, workers.documents))
    tell_problems(app)
    return app


#: For the description alone: :mod:`peerkey_cli.api.visitors` has decided before a route is found.
_BEARER: Final = HTTPBearer(
    scheme_name="token", description="Over TCP, from `peerkey create api-token`.", auto_error=False
)


def _shows(fleet: Fleet, times: AlarmTimes, renderer: Renderer) -> APIRouter:
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

    @router.get("/alarms", response_model=schemas.Alarms)
    async def alarms() -> Response:
        """Return what is wrong now."""
        found, now = await fleet.noticing(), fleet.now()
        since = dict(times.seen(found, now, fleet.alarm_changed))
        return await renderer.rendered(lambda: documents.alarms(found, since, now))

    @router.get("/events", response_model=schemas.Events)
    async def events(
        kind: Annotated[str | None, Query(alias="type")] = None, since: Since | None = None
    ) -> Response:
        """Return the latest audit events of this process, oldest first."""
        aware = since.astimezone() if since is not None else None
        found, now = await fleet.events(), fleet.now()
        return await renderer.rendered(lambda: documents.events(found, now, kind=kind, since=aware))

    return router


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

    @router.get("/health")
    async def health() -> schemas.Health:
        """Tell that the actors answer, and which process this is."""
        nodes = await fleet.nodes()
        return schemas.Health(
            time=fleet.now(),
            status="ok",
            version=own_version(),
            process=f"{socket.gethostname()}:{os.getpid()}",
            since=fleet.since,
            nodes=len(nodes),
        )

    @router.get("/ready")
    async def ready() -> schemas.Ready:
        """Tell that every node that should runs; 503 where not. A balancer, or an upgrade, waits for it."""
        placed = documents.hosts(await fleet.placement(), fleet.now())
        if not placed.complete or placed.unplaced:
            waiting = [each.node for each in placed.unplaced] or [
                each.host for each in placed.hosts if not (each.answers and each.complete)
            ]
            text = f"not ready: {', '.join(waiting[:_SHOWN])}"
            raise Denied(503, text, {"Retry-After": "5"})
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
        return EventStream(feed, visitor.name, last_event_id, kind)

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

    @router.post("/reload", responses=problems(409))
    async def read_again() -> schemas.Reloaded:
        """Read configuration and certificates again, and have every revocation list fetched.

        A faulty configuration changes nothing.
        """
        nodes = await reload()
        return schemas.Reloaded(time=fleet.now(), nodes=nodes)

    @router.post("/stats/clear", responses=problems(409))
    async def clear_stats() -> schemas.StatsCleared:
        """Set the security statistics of every node to zero, with an event that tells what they were."""
        return schemas.StatsCleared(time=await fleet.clear_statistics())

    @router.post("/audit", responses=problems(404, 409))
    async def audit(request: schemas.AuditRequest) -> schemas.Recorded:
        """Record what a command did to the files of a node, and count it."""
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
