"""The tokens of this door: who has one, and taking one back. One is made on the machine, and never shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import APIRouter, Path, Request

from actors.names import AUTHORITY
from peerkey.config.fields import NAME_PATTERN
from peerkey.observe.events import TokenRevoked
from peerkey_cli import schemas
from peerkey_cli.api.problems import problems
from peerkey_cli.errors import NotFound

if TYPE_CHECKING:
    from peerkey_cli.api.tokens import Token
    from peerkey_cli.api.visitors import Visitor
    from peerkey_cli.fleet import Fleet


class TokenHolder(Protocol):
    """Whoever knows the tokens."""

    def known(self) -> tuple[Token, ...]:
        """Return those that count."""
        ...

    def revoke(self, name: str) -> None:
        """Let a token count no more, from now on. Blocks.

        :raises NotFound: there is none of this name.
        :raises PeerkeyError: the file cannot be used, or cannot be written.
        """
        ...


def token_routes(fleet: Fleet, holder: TokenHolder | None) -> APIRouter:
    """Return the resources; where there is no ``holder``, nobody enters over TCP."""
    router = APIRouter(responses=problems(404))

    @router.get("/tokens")
    async def tokens() -> schemas.ApiTokens:
        """Return the name and the role of every token that counts at this door."""
        return schemas.ApiTokens(
            time=fleet.now(),
            tokens=tuple(
                schemas.ApiToken(name=each.name, role=each.role.value, made=each.made)
                for each in _required(holder).known()
            ),
        )

    @router.delete("/tokens/{name}", responses=problems(404, 409))
    async def revoke(
        request: Request, name: Annotated[str, Path(pattern=f"^{NAME_PATTERN}$")]
    ) -> schemas.ApiTokenRevoked:
        """Take a token back: it counts no more, and streams that it opened end."""
        visitor: Visitor = request.state.visitor
        await asyncio.to_thread(_required(holder).revoke, name)
        now = await fleet.record(AUTHORITY, TokenRevoked(name, visitor.name))
        return schemas.ApiTokenRevoked(time=now, name=name)

    return router


def _required(holder: TokenHolder | None) -> TokenHolder:
    if holder is None:
        message = "there are no tokens: this system has no admin API over TCP"
        raise NotFound(message)
    return holder
