"""What can be asked of a running system.

``GET`` shows and changes nothing. A ``POST`` that is refused says why and has changed nothing. The
documents are those of :mod:`peerkey_cli.schemas`; the description of all of it is at ``/v1/openapi.json``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from actors.crl.status import GetRevocation
from actors.messages import GetFleet, Rekey, ReleasePin
from actors.names import AUTHORITY
from peerkey.config.findings import ConfigurationFaults
from peerkey.errors import PeerkeyError
from peerkey_cli import documents, schemas
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.audit import event_of, require_node
from peerkey_cli.errors import NotFound
from peerkey_cli.versions import own_version
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from actors.crl.status import RevocationStatus
    from actors.messages import NodeStatus
    from peerkey_cli.compose import Running
    from peerkey_cli.documents import Noticing

#: How long the actors may take. Below the patience of :mod:`peerkey_cli.client`.
ANSWER_WITHIN: Final = timedelta(seconds=10)

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": schemas.Problem, "description": "The actors do not answer now."}
}


def process_name() -> str:
    """Return what names this process among the machines of a fleet."""
    return f"{socket.gethostname()}:{os.getpid()}"


def application(running: Running, times: AlarmTimes) -> FastAPI:
    """Return the API of this system. ``times`` knows since when each alarm is there."""
    app = FastAPI(
        title="peerkey",
        version=own_version(),
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(_shows(running, times), prefix="/v1")
    app.include_router(_acts(running), prefix="/v1")
    for kind, status in (
        (RuntimeFault, 503),
        (PeerkeyError, 409),
        (NotFound, 404),
        (ConfigurationFaults, 422),
    ):
        app.add_exception_handler(kind, _teller(status))
    app.add_exception_handler(RequestValidationError, _tell_malformed)
    return app


async def fleet_of(running: Running) -> tuple[NodeStatus, ...]:
    """Return the status of every node."""
    return await running.authority.ask(GetFleet(), ANSWER_WITHIN)


async def noticing(running: Running) -> tuple[Noticing, ...]:
    """Return everybody who notices what is wrong.

    Where the authority cannot answer because it crashes itself, that is what is wrong.
    """
    try:
        fleet, revocation = await asyncio.gather(fleet_of(running), revocation_of(running))
    except RuntimeFault:
        crashes = running.crashes.alarms()
        if any(each.node == AUTHORITY for each in crashes):
            return crashes
        raise
    return (*fleet, revocation, *running.crashes.alarms())


async def revocation_of(running: Running) -> RevocationStatus:
    """Return what is known of revocations."""
    return await running.authority.ask(GetRevocation(), ANSWER_WITHIN)


def _shows(running: Running, times: AlarmTimes) -> APIRouter:
    router = APIRouter(responses=_PROBLEMS)

    def now() -> datetime:
        return running.system.clock.wall()

    @router.get("/peers")
    async def peers() -> schemas.Peers:
        """Return every peering with its paths."""
        return documents.peers(await fleet_of(running), now())

    @router.get("/peers/security")
    async def peers_security() -> schemas.PeersSecurity:
        """Return every peering with the state of its certificates and keys."""
        return documents.peers_security(await fleet_of(running), now())

    @router.get("/peers/certificate")
    async def peers_certificate() -> schemas.PeersCertificate:
        """Return every peering with the certificates of both ends."""
        return documents.peers_certificate(await fleet_of(running), now())

    @router.get("/certificates")
    async def certificates(*, detail: bool = False) -> schemas.Certificates:
        """Return what each node shows to its peers."""
        return documents.certificates(await fleet_of(running), now(), detail=detail)

    @router.get("/certificates/crl")
    async def certificates_crl() -> schemas.RevocationLists:
        """Return every revocation list that is followed."""
        return documents.revocation_lists(await revocation_of(running), now())

    @router.get("/security/key-status")
    async def key_status() -> schemas.KeyStatus:
        """Return when each node and each peering rekeys."""
        return documents.key_status(await fleet_of(running), now())

    @router.get("/ha")
    async def ha() -> schemas.HaNodes:
        """Return how each node of an HA router stands with its mate, and which keys it has taken over."""
        return documents.ha(await fleet_of(running), now())

    @router.get("/alarms")
    async def alarms() -> schemas.Alarms:
        """Return what is wrong now."""
        all_of_them = await noticing(running)
        return documents.alarms(all_of_them, times.seen(all_of_them, now()), now())

    @router.get("/events")
    async def events(
        kind: Annotated[str | None, Query(alias="type")] = None, since: datetime | None = None
    ) -> schemas.Events:
        """Return the latest audit events of this process, oldest first."""
        aware = since.astimezone() if since is not None else None
        return documents.events(running.journal.recent(), now(), kind=kind, since=aware)

    @router.get("/actors")
    async def actors() -> schemas.Actors:
        """Return every actor of this process."""
        system = running.system
        return documents.actors(system.actors(), system.info(), process_name(), now())

    @router.get("/health")
    async def health() -> schemas.Health:
        """Tell that the actors answer, and which process this is."""
        fleet = await fleet_of(running)
        return schemas.Health(
            time=now(),
            status="ok",
            version=own_version(),
            process=process_name(),
            since=running.since,
            nodes=len(fleet),
        )

    return router


def _acts(running: Running) -> APIRouter:
    router = APIRouter(responses=_PROBLEMS)

    @router.post("/rekey", responses={404: {"model": schemas.Problem, "description": "No such peer."}})
    async def rekey(request: schemas.RekeyRequest) -> schemas.Rekeyed:
        """Agree new keys now, with every peer or with one."""
        peerings = await running.authority.ask(Rekey(request.peer), ANSWER_WITHIN)
        if request.peer is not None:
            _require_peer(request.peer, peerings)
        return schemas.Rekeyed(time=running.system.clock.wall(), peerings=peerings)

    @router.post("/release-pin", responses={404: {"model": schemas.Problem, "description": "No such peer."}})
    async def release_pin(request: schemas.PinRequest) -> schemas.PinReleased:
        """Forget a peer's pinned certificate: the next one that it shows is taken."""
        peerings = await running.authority.ask(ReleasePin(request.peer), ANSWER_WITHIN)
        _require_peer(request.peer, peerings)
        return schemas.PinReleased(time=running.system.clock.wall(), peerings=peerings)

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
        nodes = await running.reload(ANSWER_WITHIN)
        return schemas.Reloaded(time=running.system.clock.wall(), nodes=nodes)

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
        require_node(request.node, [(each.node, each.uuid) for each in await fleet_of(running)])
        now = running.system.clock.wall()
        running.journal.record(now, request.node, event)
        return schemas.Recorded(time=now)

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
