"""What can be asked of a running system.

``GET`` shows and changes nothing. A ``POST`` that is refused says why and has changed nothing. The
documents are those of :mod:`peerkey_cli.schemas`; the description of all of it is at ``/v1/openapi.json``.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from peerkey.config.findings import ConfigurationFaults
from peerkey.errors import PeerkeyError
from peerkey_cli import documents, schemas, statistics
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.audit import OF_THE_MACHINE, event_of, require_node
from peerkey_cli.errors import NotFound
from peerkey_cli.versions import own_version
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from peerkey_cli.fleet import Fleet

#: The longest counter has 26.
MAXIMUM_COUNTER_CHARACTERS: Final = 64

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": schemas.Problem, "description": "The actors do not answer now."}
}


def application(fleet: Fleet, times: AlarmTimes) -> FastAPI:
    """Return the API of this system. ``times`` knows since when each alarm is there."""
    app = FastAPI(
        title="peerkey",
        version=own_version(),
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(_shows(fleet, times), prefix="/v1")
    app.include_router(_acts(fleet), prefix="/v1")
    for kind, status in (
        (RuntimeFault, 503),
        (PeerkeyError, 409),
        (NotFound, 404),
        (ConfigurationFaults, 422),
    ):
        app.add_exception_handler(kind, _teller(status))
    app.add_exception_handler(RequestValidationError, _tell_malformed)
    return app


def _shows(fleet: Fleet, times: AlarmTimes) -> APIRouter:
    router = APIRouter(responses=_PROBLEMS)

    @router.get("/peers")
    async def peers() -> schemas.Peers:
        """Return every peering with its paths."""
        return documents.peers(await fleet.nodes(), fleet.now())

    @router.get("/peers/security")
    async def peers_security() -> schemas.PeersSecurity:
        """Return every peering with the state of its certificates and keys."""
        return documents.peers_security(await fleet.nodes(), fleet.now())

    @router.get("/peers/certificate")
    async def peers_certificate() -> schemas.PeersCertificate:
        """Return every peering with the certificates of both ends."""
        return documents.peers_certificate(await fleet.nodes(), fleet.now())

    @router.get("/certificates")
    async def certificates(*, detail: bool = False) -> schemas.Certificates:
        """Return what each node shows to its peers."""
        return documents.certificates(await fleet.nodes(), fleet.now(), detail=detail)

    @router.get("/certificates/crl")
    async def certificates_crl() -> schemas.RevocationLists:
        """Return every revocation list that is followed."""
        return documents.revocation_lists(await fleet.revocation(), fleet.now())

    @router.get("/security/key-status")
    async def key_status() -> schemas.KeyStatus:
        """Return when each node and each peering rekeys."""
        return documents.key_status(await fleet.nodes(), fleet.now())

    @router.get("/ha")
    async def ha() -> schemas.HaNodes:
        """Return how each node of an HA router stands with its mate, and which keys it has taken over."""
        return documents.ha(await fleet.nodes(), fleet.now())

    @router.get("/alarms")
    async def alarms() -> schemas.Alarms:
        """Return what is wrong now."""
        all_of_them = await fleet.noticing()
        since = times.seen(all_of_them, fleet.now(), fleet.alarm_changed)
        return documents.alarms(all_of_them, since, fleet.now())

    @router.get("/events")
    async def events(
        kind: Annotated[str | None, Query(alias="type")] = None, since: datetime | None = None
    ) -> schemas.Events:
        """Return the latest audit events of this process, oldest first."""
        aware = since.astimezone() if since is not None else None
        return documents.events(await fleet.events(), fleet.now(), kind=kind, since=aware)

    @router.get(
        "/stats/security", responses={404: {"model": schemas.Problem, "description": "No such counter."}}
    )
    async def stats_security(
        counter: Annotated[str, Query(max_length=MAXIMUM_COUNTER_CHARACTERS)] = "",
    ) -> schemas.SecurityStats:
        """Return the security statistics: all of them, or those whose name begins with the words given."""
        chosen = statistics.chosen(counter.split())
        found = await fleet.statistics()
        return statistics.document(found.counted, chosen, fleet.now(), complete=found.complete)

    @router.get("/actors")
    async def actors() -> schemas.Actors:
        """Return every actor, with the host, the process and the machine that it is on."""
        return documents.actors(await fleet.hosts(), fleet.now())

    @router.get("/hosts")
    async def hosts() -> schemas.Hosts:
        """Return the processes that run the nodes, and the nodes that have no place."""
        return documents.hosts(await fleet.placement(), fleet.now())

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

    return router


def _acts(fleet: Fleet) -> APIRouter:
    router = APIRouter(responses=_PROBLEMS)

    @router.post("/rekey", responses={404: {"model": schemas.Problem, "description": "No such peer."}})
    async def rekey(request: schemas.RekeyRequest) -> schemas.Rekeyed:
        """Agree new keys now, with every peer or with one."""
        peerings = await fleet.rekey(request.peer)
        if request.peer is not None:
            _require_peer(request.peer, peerings)
        return schemas.Rekeyed(time=fleet.now(), peerings=peerings)

    @router.post("/release-pin", responses={404: {"model": schemas.Problem, "description": "No such peer."}})
    async def release_pin(request: schemas.PinRequest) -> schemas.PinReleased:
        """Forget a peer's pinned certificate: the next one that it shows is taken."""
        peerings = await fleet.release_pin(request.peer)
        _require_peer(request.peer, peerings)
        return schemas.PinReleased(time=fleet.now(), peerings=peerings)

    @router.post(
        "/reload",
        responses={
            409: {"model": schemas.Problem, "description": "The file cannot be read."},
            422: {"model": schemas.Problem, "description": "The configuration has faults: all of them."},
        },
    )
    async def reload() -> schemas.Reloaded:
        """Read configuration and certificates again, and have every revocation list fetched.

        A faulty configuration changes nothing.
        """
        nodes = await fleet.reload()
        return schemas.Reloaded(time=fleet.now(), nodes=nodes)

    @router.post(
        "/stats/clear", responses={409: {"model": schemas.Problem, "description": "It cannot be recorded."}}
    )
    async def clear_stats() -> schemas.StatsCleared:
        """Set the security statistics of every node to zero, with an event that tells what they were."""
        return schemas.StatsCleared(time=await fleet.clear_statistics())

    @router.post(
        "/audit",
        responses={
            404: {"model": schemas.Problem, "description": "No such node."},
            409: {"model": schemas.Problem, "description": "No such event is recorded."},
        },
    )
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


async def _tell_malformed(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that is not as the API describes it, without repeating what it holds."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    texts = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
    document = schemas.Problem(error="; ".join(texts))
    return JSONResponse(document.model_dump(mode="json"), status_code=422)


def _teller(status: int) -> Any:  # noqa: ANN401 - starlette wants a handler of any exception
    """Return what answers an error of one kind with its problem document."""

    async def tell(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(documents.problem(error).model_dump(mode="json"), status_code=status)

    return tell
