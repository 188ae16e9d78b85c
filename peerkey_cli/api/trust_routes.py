"""Whom each node trusts, and its enrolment at the CA: at paths like those of its keys and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from fastapi import APIRouter, Query

from peerkey_cli import schemas
from peerkey_cli.api.custody_routes import NAME, Force, Node, Router, of_nodes
from peerkey_cli.api.requests import BroughtTrustedCa, EnrollmentWanted, Fingerprint, NamedTrustedCa
from peerkey_cli.errands import Errand, What

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from peerkey_cli.desk import Desk

_CaName: TypeAlias = Annotated[
    str | None,
    Query(pattern=NAME, description="Of a `trusted-ca-certificate` of the configuration; the only one else."),
]
_Fingerprint: TypeAlias = Annotated[Fingerprint, Query(description="SHA-256 of the certificate of the CA.")]


def trust_routes(desk: Desk) -> APIRouter:
    """Return the resources of the nodes whose errands ``desk`` has done."""
    return of_nodes(_scoped(desk), _short(desk))


def _scoped(desk: Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/trusted-ca-certificate")
    async def show_trusted(router: Router, node: Node) -> schemas.TrustedCas:
        """Return the trusted CAs, by what the configuration calls them."""
        return await _show_trusted(desk, f"{router}/{node}")

    @routes.post("/trusted-ca-certificate")
    async def add_trusted(router: Router, node: Node, brought: BroughtTrustedCa) -> schemas.TrustedCasChanged:
        """Trust more CAs: they are added to the file that the configuration names."""
        return await _add_trusted(desk, f"{router}/{node}", brought)

    @routes.delete("/trusted-ca-certificate")
    async def remove_trusted(
        router: Router,
        node: Node,
        fingerprint: _Fingerprint,
        *,
        name: _CaName = None,
        force: Force = False,
    ) -> schemas.TrustedCasChanged:
        """Trust a CA no more. Peers whose certificates lead to it are refused from then on."""
        return await _remove_trusted(desk, f"{router}/{node}", name, fingerprint, force=force)

    @routes.get("/enrollment")
    async def show_enrollment(router: Router, node: Node) -> schemas.EnrollmentInfo:
        """Return how far the latest enrolment is, or how it ended."""
        return await _enrollment(desk, f"{router}/{node}", What.SHOW_ENROLLMENT)

    @routes.post("/enrollment", status_code=202)
    async def enroll(router: Router, node: Node, wanted: EnrollmentWanted) -> schemas.EnrollmentInfo:
        """Begin to enroll at the EST server of the configuration; it goes on by itself."""
        return await _enrollment(desk, f"{router}/{node}", What.ENROLL, wanted)

    @routes.delete("/enrollment")
    async def cancel_enrollment(router: Router, node: Node) -> schemas.EnrollmentInfo:
        """Give an enrolment up, where the CA has not issued anything yet."""
        return await _enrollment(desk, f"{router}/{node}", What.CANCEL_ENROLLMENT)

    return routes


def _short(desk: Desk) -> APIRouter:
    routes = APIRouter()

    @routes.get("/trusted-ca-certificate")
    async def show_only_trusted() -> schemas.TrustedCas:
        """Return the trusted CAs, by what the configuration calls them."""
        return await _show_trusted(desk, None)

    @routes.post("/trusted-ca-certificate")
    async def add_only_trusted(brought: BroughtTrustedCa) -> schemas.TrustedCasChanged:
        """Trust more CAs: they are added to the file that the configuration names."""
        return await _add_trusted(desk, None, brought)

    @routes.delete("/trusted-ca-certificate")
    async def remove_only_trusted(
        fingerprint: _Fingerprint, *, name: _CaName = None, force: Force = False
    ) -> schemas.TrustedCasChanged:
        """Trust a CA no more. Peers whose certificates lead to it are refused from then on."""
        return await _remove_trusted(desk, None, name, fingerprint, force=force)

    @routes.get("/enrollment")
    async def show_only_enrollment() -> schemas.EnrollmentInfo:
        """Return how far the latest enrolment is, or how it ended."""
        return await _enrollment(desk, None, What.SHOW_ENROLLMENT)

    @routes.post("/enrollment", status_code=202)
    async def only_enroll(wanted: EnrollmentWanted) -> schemas.EnrollmentInfo:
        """Begin to enroll at the EST server of the configuration; it goes on by itself."""
        return await _enrollment(desk, None, What.ENROLL, wanted)

    @routes.delete("/enrollment")
    async def cancel_only_enrollment() -> schemas.EnrollmentInfo:
        """Give an enrolment up, where the CA has not issued anything yet."""
        return await _enrollment(desk, None, What.CANCEL_ENROLLMENT)

    return routes


def _show_trusted(desk: Desk, node: str | None) -> Awaitable[schemas.TrustedCas]:
    return desk.done(Errand(What.SHOW_TRUSTED, node), schemas.TrustedCas)


def _add_trusted(
    desk: Desk, node: str | None, brought: BroughtTrustedCa
) -> Awaitable[schemas.TrustedCasChanged]:
    return desk.done(Errand(What.ADD_TRUSTED, node, brought.name, body=brought), schemas.TrustedCasChanged)


def _remove_trusted(
    desk: Desk, node: str | None, name: str | None, fingerprint: str, *, force: bool
) -> Awaitable[schemas.TrustedCasChanged]:
    named = NamedTrustedCa(fingerprint=fingerprint)
    errand = Errand(What.REMOVE_TRUSTED, node, name, force=force, body=named)
    return desk.done(errand, schemas.TrustedCasChanged)


def _enrollment(
    desk: Desk, node: str | None, what: What, wanted: EnrollmentWanted | None = None
) -> Awaitable[schemas.EnrollmentInfo]:
    return desk.done(Errand(what, node, body=wanted), schemas.EnrollmentInfo)
