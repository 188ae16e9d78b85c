"""Private keys, signing requests and certificates of each node, at the paths of the original's REST API.

``/router/ROUTER/node/NODE/`` comes before the resource; where one node runs it may be left out. What is asked
is done on one thread, one after the other: whatever it costs, the actors go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar

from fastapi import APIRouter, Path, Query

from peerkey.config.fields import NAME_PATTERN
from peerkey.errors import PeerkeyError, Unavailable
from peerkey.pki.csr import Wanted
from peerkey.pki.key_types import KeyType
from peerkey_cli import schemas
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import problems
from peerkey_cli.api.requests import BroughtCertificate, BroughtPrivateKey, NewPrivateKey, WantedCertificate
from peerkey_cli.custody import Custody, Place, Record
from peerkey_cli.fleet import ANSWER_WITHIN
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from peerkey.observe.events import Event
    from peerkey_cli.fleet import Fleet
    from runtime.threads import Threads

T = TypeVar("T")

#: An RSA key of 4096 bits on a slow machine, with some before it. A device that hangs is told of then.
DONE_WITHIN: Final = timedelta(seconds=60)
#: Whoever comes while so many wait is told to come again.
MAXIMUM_WAITING: Final = 8

_NAME: Final = f"^{NAME_PATTERN}$"
_Router: TypeAlias = Annotated[str, Path(pattern=_NAME, examples=["east"])]
_Node: TypeAlias = Annotated[str, Path(pattern=_NAME, examples=["node0"])]
_Name: TypeAlias = Annotated[
    str | None, Query(pattern=_NAME, description="Of the certificate; that which the node uses unless given.")
]
_Force: TypeAlias = Annotated[bool, Query(description="Also what the node uses.")]


class _Desk:
    """Has things done, one after the other."""

    def __init__(self, fleet: Fleet, custody: Custody, thread: Threads) -> None:
        self.custody = custody
        self._fleet = fleet
        self._thread = thread
        self._waiting = 0

    async def have(self, node: str | None, name: str | None, work: Callable[[Place, Record], T]) -> T:
        """Return what ``work`` returns of something of a node.

        :raises Denied: too many wait.
        :raises Unavailable: it has not come to its end in time.
        """
        if self._waiting >= MAXIMUM_WAITING:
            raise Denied(503, "too many requests about keys wait already", {"Retry-After": "10"})
        loop = asyncio.get_running_loop()

        def record(name: str, event: Event) -> datetime:
            recorded = asyncio.run_coroutine_threadsafe(self._fleet.record(name, event), loop)
            return recorded.result(ANSWER_WITHIN.total_seconds())

        def whole() -> T:
            return work(self.custody.place(node, name), record)

        self._waiting += 1
        done = loop.run_in_executor(self._thread, whole)
        done.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(DONE_WITHIN.total_seconds()):
                return await asyncio.shield(done)
        except TimeoutError:
            message = f"not done within {DONE_WITHIN.total_seconds():g} s; it may still be done later"
            raise Unavailable(message) from None

    async def reload(self, *, needed: bool) -> bool:
        """Have the system read what was changed; return whether it has."""
        if not needed:
            return False
        try:
            await self._fleet.reload()
        except (PeerkeyError, RuntimeFault):
            return False
        return True

    def _leave(self, done: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not done.cancelled():
            # Where nobody waits any more, nobody else would look at it.
            done.exception()


def custody_routes(fleet: Fleet, custody: Custody, thread: Threads) -> APIRouter:
    """Return the resources of the nodes that ``custody`` acts for, on this one thread."""
    desk = _Desk(fleet, custody, thread)
    outer = APIRouter(responses=problems(404, 409))
    outer.include_router(_scoped(desk), prefix="/router/{router}/node/{node}", tags=["of a node"])
    outer.include_router(_short(desk), tags=["of the only node"])
    return outer


def _scoped(desk: _Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/private-key")
    async def show_key(router: _Router, node: _Node, name: _Name = None) -> schemas.PrivateKeyInfo:
        """Return the public part of a private key."""
        return await _show_key(desk, f"{router}/{node}", name)

    @routes.post("/private-key", status_code=201)
    async def create_key(router: _Router, node: _Node, wanted: NewPrivateKey) -> schemas.PrivateKeyInfo:
        """Make a private key where it stays."""
        return await _create_key(desk, f"{router}/{node}", wanted)

    @routes.put("/private-key")
    async def import_key(router: _Router, node: _Node, brought: BroughtPrivateKey) -> schemas.PrivateKeyInfo:
        """Bring a private key. It never comes out again."""
        return await _import_key(desk, f"{router}/{node}", brought)

    @routes.delete("/private-key")
    async def delete_key(
        router: _Router, node: _Node, *, name: _Name = None, force: _Force = False
    ) -> schemas.PrivateKeyDeleted:
        """Destroy a private key. It cannot be brought back."""
        return await _delete_key(desk, f"{router}/{node}", name, force=force)

    @routes.post("/certificate-request")
    async def request(router: _Router, node: _Node, wanted: WantedCertificate) -> schemas.SigningRequest:
        """Make a certificate signing request with a private key that is there."""
        return await _request(desk, f"{router}/{node}", wanted)

    @routes.get("/certificate-request")
    async def request_as_the_original(
        router: _Router, node: _Node, wanted: WantedCertificate
    ) -> schemas.SigningRequest:
        """Do as `POST` does; the original asks so. It needs the role `write` all the same."""
        return await _request(desk, f"{router}/{node}", wanted)

    @routes.get("/certificate")
    async def show_certificate(router: _Router, node: _Node, name: _Name = None) -> schemas.StoredCertificate:
        """Return a certificate and its issuers."""
        return await _show_certificate(desk, f"{router}/{node}", name)

    @routes.post("/certificate")
    async def import_certificate(
        router: _Router, node: _Node, brought: BroughtCertificate
    ) -> schemas.Imported:
        """Check a certificate, put it in the place of the old one, and have the node read it."""
        return await _import_certificate(desk, f"{router}/{node}", brought)

    @routes.put("/certificate")
    async def replace_certificate(
        router: _Router, node: _Node, brought: BroughtCertificate
    ) -> schemas.Imported:
        """Do as `POST` does."""
        return await _import_certificate(desk, f"{router}/{node}", brought)

    @routes.delete("/certificate")
    async def delete_certificate(
        router: _Router, node: _Node, *, name: _Name = None, force: _Force = False
    ) -> schemas.CertificateDeleted:
        """Remove a certificate."""
        return await _delete_certificate(desk, f"{router}/{node}", name, force=force)

    return routes


def _short(desk: _Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/private-key")
    async def show_only_key(name: _Name = None) -> schemas.PrivateKeyInfo:
        """Return the public part of a private key."""
        return await _show_key(desk, None, name)

    @routes.post("/private-key", status_code=201)
    async def create_only_key(wanted: NewPrivateKey) -> schemas.PrivateKeyInfo:
        """Make a private key where it stays."""
        return await _create_key(desk, None, wanted)

    @routes.put("/private-key")
    async def import_only_key(brought: BroughtPrivateKey) -> schemas.PrivateKeyInfo:
        """Bring a private key. It never comes out again."""
        return await _import_key(desk, None, brought)

    @routes.delete("/private-key")
    async def delete_only_key(*, name: _Name = None, force: _Force = False) -> schemas.PrivateKeyDeleted:
        """Destroy a private key. It cannot be brought back."""
        return await _delete_key(desk, None, name, force=force)

    @routes.post("/certificate-request")
    async def only_request(wanted: WantedCertificate) -> schemas.SigningRequest:
        """Make a certificate signing request with a private key that is there."""
        return await _request(desk, None, wanted)

    @routes.get("/certificate-request")
    async def only_request_as_the_original(wanted: WantedCertificate) -> schemas.SigningRequest:
        """Do as `POST` does; the original asks so. It needs the role `write` all the same."""
        return await _request(desk, None, wanted)

    @routes.get("/certificate")
    async def show_only_certificate(name: _Name = None) -> schemas.StoredCertificate:
        """Return a certificate and its issuers."""
        return await _show_certificate(desk, None, name)

    @routes.post("/certificate")
    async def import_only_certificate(brought: BroughtCertificate) -> schemas.Imported:
        """Check a certificate, put it in the place of the old one, and have the node read it."""
        return await _import_certificate(desk, None, brought)

    @routes.put("/certificate")
    async def replace_only_certificate(brought: BroughtCertificate) -> schemas.Imported:
        """Do as `POST` does."""
        return await _import_certificate(desk, None, brought)

    @routes.delete("/certificate")
    async def delete_only_certificate(
        *, name: _Name = None, force: _Force = False
    ) -> schemas.CertificateDeleted:
        """Remove a certificate."""
        return await _delete_certificate(desk, None, name, force=force)

    return routes


def _show_key(desk: _Desk, node: str | None, name: str | None) -> Awaitable[schemas.PrivateKeyInfo]:
    return desk.have(node, name, lambda place, _: desk.custody.show_key(place))


def _create_key(desk: _Desk, node: str | None, wanted: NewPrivateKey) -> Awaitable[schemas.PrivateKeyInfo]:
    kind = wanted.kind or KeyType.EC_P256
    return desk.have(
        node,
        wanted.name,
        lambda place, record: desk.custody.create_key(place, kind, record, replace=wanted.replace),
    )


def _import_key(
    desk: _Desk, node: str | None, brought: BroughtPrivateKey
) -> Awaitable[schemas.PrivateKeyInfo]:
    pem = brought.private_key.get_secret_value().encode()
    return desk.have(
        node,
        brought.name,
        lambda place, record: desk.custody.import_key(place, pem, record, replace=brought.replace),
    )


def _delete_key(
    desk: _Desk, node: str | None, name: str | None, *, force: bool
) -> Awaitable[schemas.PrivateKeyDeleted]:
    return desk.have(node, name, lambda place, record: desk.custody.delete_key(place, record, force=force))


async def _request(desk: _Desk, node: str | None, wanted: WantedCertificate) -> schemas.SigningRequest:
    def make(place: Place, record: Record) -> bytes:
        return desk.custody.request(place, _asked(place, wanted), wanted.kind, record)

    pem = await desk.have(node, wanted.name, make)
    return schemas.SigningRequest(csr=pem.decode())


def _asked(place: Place, wanted: WantedCertificate) -> Wanted:
    """Return what is to stand in a request: the names of the node, and what was asked for."""
    plan = place.plan
    own = [f"uuid:{plan.uuid}"] + ([f"urn_ssr_peering:{plan.alias}"] if plan.alias else [])
    more = [f"{each.type}:{each.value}" for each in wanted.subject_alt_names]
    return Wanted(
        name=place.name,
        common_name=str(plan.uuid) if wanted.common_name is None else wanted.common_name,
        country_name=wanted.country_name,
        state_province_name=wanted.state_province_name,
        locality_name=wanted.locality_name,
        organization_name=wanted.organization_name,
        organizational_unit_name=wanted.organizational_unit_name,
        email_address=wanted.email_address,
        validity_period_days=wanted.validity_period,
        sans=(*own, *more),
    )


def _show_certificate(
    desk: _Desk, node: str | None, name: str | None
) -> Awaitable[schemas.StoredCertificate]:
    return desk.have(node, name, lambda place, _: desk.custody.show_certificate(place))


async def _import_certificate(desk: _Desk, node: str | None, brought: BroughtCertificate) -> schemas.Imported:
    pem = brought.certificate.encode()

    def take(place: Place, record: Record) -> tuple[bool, schemas.Imported]:
        return place.configured, desk.custody.import_certificate(place, pem, record)

    configured, done = await desk.have(node, brought.name, take)
    return done.model_copy(update={"reloaded": await desk.reload(needed=configured)})


async def _delete_certificate(
    desk: _Desk, node: str | None, name: str | None, *, force: bool
) -> schemas.CertificateDeleted:
    def remove(place: Place, record: Record) -> tuple[bool, schemas.CertificateDeleted]:
        return place.configured, desk.custody.delete_certificate(place, record, force=force)

    configured, done = await desk.have(node, name, remove)
    return done.model_copy(update={"reloaded": await desk.reload(needed=configured)})
