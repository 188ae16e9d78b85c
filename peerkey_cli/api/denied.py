"""What is refused before a route sees it: a status, why, and the headers that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

from peerkey_cli import schemas

if TYPE_CHECKING:
    from collections.abc import Mapping


class Denied(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer with ``status`` and a problem that says ``text``."""
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        problem = schemas.Problem(error=str(self))
        return JSONResponse(problem.model_dump(mode="json"), self.status, self.headers)
