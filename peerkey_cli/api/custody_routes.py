"""Private keys, signing requests and certificates of each node, at the paths of the original's REST API.

``/router/ROUTER/node/NODE/`` comes before the resource; where one node runs it may be left out. Each request
is an errand, done where the files of the node are: see :mod:`peerkey_cli.desk` and, for a cluster,
:mod:`peerkey_cli.cluster.custodian`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from fastapi import APIRouter, Path, Query

from peerkey.config.fields import NAME_PATTERN
from peerkey_cli import schemas
from peerkey_cli.api.problems import problems
from peerkey_cli.api.requests import (
    BroughtCertificate,
    BroughtPrivateKey,
    NewPrivateKey,
    WantedCertificate,
)
from peerkey_cli.errands import Errand, What

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from peerkey_cli.desk import Desk

NAME: Final = f"^{NAME_PATTERN}$"
Router: TypeAlias = Annotated[str, Path(pattern=NAME, examples=["east"])]
Node: TypeAlias = Annotated[str, Path(pattern=NAME, examples=["node0"])]
_Name: TypeAlias = Annotated[
    str | None, Query(pattern=NAME, description="Of the certificate; that which the node uses unless given.")
]
Force: TypeAlias = Annotated[bool, Query(description="Also what the node uses.")]


def custody_routes(desk: Desk) -> APIRouter:
    """Return the resources of the nodes whose errands ``desk`` has done."""
    return of_nodes(_scoped(desk), _short(desk))


def of_nodes(scoped: APIRouter, short: APIRouter) -> APIRouter:
    """Return resources at the paths of each node, and without them where there is only one."""
    outer = APIRouter(responses=problems(404, 409))
    outer.include_router(scoped, prefix="/router/{router}/node/{node}", tags=["of a node"])
    outer.include_router(short, tags=["of the only node"])
    return outer


def _scoped(desk: Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/private-key")
    async def show_key(router: Router, node: Node, name: _Name = None) -> schemas.PrivateKeyInfo:
        """Return the public part of a private key."""
        return await _show_key(desk, f"{router}/{node}", name)

    @routes.post("/private-key", status_code=201)
    async def create_key(router: Router, node: Node, wanted: NewPrivateKey) -> schemas.PrivateKeyInfo:
        """Make a private key where it stays."""
        return await _create_key(desk, f"{router}/{node}", wanted)

    @routes.put("/private-key")
    async def import_key(router: Router, node: Node, brought: BroughtPrivateKey) -> schemas.PrivateKeyInfo:
        """Bring a private key. It never comes out again."""
        return await _import_key(desk, f"{router}/{node}", brought)

    @routes.delete("/private-key")
    async def delete_key(
        router: Router, node: Node, *, name: _Name = None, force: Force = False
    ) -> schemas.PrivateKeyDeleted:
        """Destroy a private key. It cannot be brought back."""
        return await _delete_key(desk, f"{router}/{node}", name, force=force)

    @routes.post("/certificate-request")
    async def request(router: Router, node: Node, wanted: WantedCertificate) -> schemas.SigningRequest:
        """Make a certificate signing request with a private key that is there."""
        return await _request(desk, f"{router}/{node}", wanted)

    @routes.get("/certificate-request")
    async def request_as_the_original(
        router: Router, node: Node, wanted: WantedCertificate
    ) -> schemas.SigningRequest:
        """Do as `POST` does; the original asks so. It needs the role `write` all the same."""
        return await _request(desk, f"{router}/{node}", wanted)

    @routes.get("/certificate")
    async def show_certificate(router: Router, node: Node, name: _Name = None) -> schemas.StoredCertificate:
        """Return a certificate and its issuers."""
        return await _show_certificate(desk, f"{router}/{node}", name)

    @routes.post("/certificate")
    async def import_certificate(router: Router, node: Node, brought: BroughtCertificate) -> schemas.Imported:
        """Check a certificate, put it in the place of the old one, and have the node read it."""
        return await _import_certificate(desk, f"{router}/{node}", brought)

    @routes.put("/certificate")
    async def replace_certificate(
        router: Router, node: Node, brought: BroughtCertificate
    ) -> schemas.Imported:
        """Do as `POST` does."""
        return await _import_certificate(desk, f"{router}/{node}", brought)

    @routes.delete("/certificate")
    async def delete_certificate(
        router: Router, node: Node, *, name: _Name = None, force: Force = False
    ) -> schemas.CertificateDeleted:
        """Remove a certificate."""
        return await _delete_certificate(desk, f"{router}/{node}", name, force=force)

    return routes


def _short(desk: Desk) -> APIRouter:
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
    async def delete_only_key(*, name: _Name = None, force: Force = False) -> schemas.PrivateKeyDeleted:
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
        *, name: _Name = None, force: Force = False
    ) -> schemas.CertificateDeleted:
        """Remove a certificate."""
        return await _delete_certificate(desk, None, name, force=force)

    return routes


def _show_key(desk: Desk, node: str | None, name: str | None) -> Awaitable[schemas.PrivateKeyInfo]:
    return desk.done(Errand(What.SHOW_KEY, node, name), schemas.PrivateKeyInfo)


def _create_key(desk: Desk, node: str | None, wanted: NewPrivateKey) -> Awaitable[schemas.PrivateKeyInfo]:
    return desk.done(Errand(What.CREATE_KEY, node, wanted.name, body=wanted), schemas.PrivateKeyInfo)


def _import_key(
    desk: Desk, node: str | None, brought: BroughtPrivateKey
) -> Awaitable[schemas.PrivateKeyInfo]:
    return desk.done(Errand(What.IMPORT_KEY, node, brought.name, body=brought), schemas.PrivateKeyInfo)


def _delete_key(
    desk: Desk, node: str | None, name: str | None, *, force: bool
) -> Awaitable[schemas.PrivateKeyDeleted]:
    return desk.done(Errand(What.DELETE_KEY, node, name, force=force), schemas.PrivateKeyDeleted)


def _request(desk: Desk, node: str | None, wanted: WantedCertificate) -> Awaitable[schemas.SigningRequest]:
    return desk.done(Errand(What.REQUEST, node, wanted.name, body=wanted), schemas.SigningRequest)


def _show_certificate(desk: Desk, node: str | None, name: str | None) -> Awaitable[schemas.StoredCertificate]:
    return desk.done(Errand(What.SHOW_CERTIFICATE, node, name), schemas.StoredCertificate)


def _import_certificate(
    desk: Desk, node: str | None, brought: BroughtCertificate
) -> Awaitable[schemas.Imported]:
    return desk.done(Errand(What.IMPORT_CERTIFICATE, node, brought.name, body=brought), schemas.Imported)


def _delete_certificate(
    desk: Desk, node: str | None, name: str | None, *, force: bool
) -> Awaitable[schemas.CertificateDeleted]:
    return desk.done(Errand(What.DELETE_CERTIFICATE, node, name, force=force), schemas.CertificateDeleted)
