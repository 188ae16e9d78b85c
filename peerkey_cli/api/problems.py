"""Every answer that is no, and how the description of the API tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from actors.keystores.port import NoSuchKey
from peerkey.config.findings import ConfigurationFaults
from peerkey.errors import PeerkeyError, Unavailable
from peerkey.pki.csr import BadField
from peerkey_cli import documents, schemas
from peerkey_cli.api.denied import Denied
from peerkey_cli.errors import NotFound
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_MEANINGS: Final = {
    400: "This is no request.",
    401: "Over TCP: no token, or one that is not known here.",
    403: "Over TCP: the token may only read.",
    404: "What it is about is not there.",
    408: "The request did not end in time.",
    409: "It cannot be done as things are.",
    412: "It has changed since it was looked at.",
    413: "The request is too large.",
    421: "Over TCP: the name of another system.",
    422: "The request is not as it is described here, or the configuration has faults: all of them.",
    429: "Over TCP: too many requests; Retry-After says when to come again.",
    503: "The actors, or a device, do not answer now, or too many ask at once.",
}
#: What may befall every request.
_ALWAYS: Final = (400, 401, 403, 408, 413, 421, 422, 429, 503)
_ERRORS: Final = (
    (RuntimeFault, 503),
    (Unavailable, 503),
    (PeerkeyError, 409),
    (NotFound, 404),
    (NoSuchKey, 404),
    (BadField, 422),
    (ConfigurationFaults, 422),
)
#: What a client hears of its own request: a few faults, and of each a line.
_SHOWN_FAULTS: Final = 8
_SHOWN_CHARACTERS: Final = 64


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of these answers and of those that every request may have."""
    return {
        status: {"model": schemas.Problem, "description": _MEANINGS[status]}
        for status in sorted({*_ALWAYS, *statuses})
    }


def tell_problems(app: FastAPI) -> None:
    """Have every error answered with a problem."""
    for kind, status in _ERRORS:
        app.add_exception_handler(kind, _teller(status))
    app.add_exception_handler(RequestValidationError, _tell_malformed)
    app.add_exception_handler(HTTPException, _tell_status)
    app.add_exception_handler(Denied, _tell_denied)


async def _tell_malformed(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that is not as the API describes it, without repeating what it holds."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    texts = [f"{_shown(fault['loc'])}: {fault['msg']}" for fault in faults[:_SHOWN_FAULTS]]
    return _answer(422, "; ".join(texts))


def _shown(place: Iterable[object]) -> str:
    """Return where a fault is; a key that a client has made up may be of any length."""
    return ".".join(ascii(str(each))[1:-1][:_SHOWN_CHARACTERS] for each in place)


async def _tell_status(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    answer = _answer(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _tell_denied(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Denied):
        raise error
    return error.response()


def _teller(status: int) -> Any:  # noqa: ANN401 - starlette wants a handler of any exception
    """Return what answers an error of one kind with its problem document."""

    async def tell(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(documents.problem(error).model_dump(mode="json"), status_code=status)

    return tell


def _answer(status: int, text: str) -> JSONResponse:
    return JSONResponse(schemas.Problem(error=text).model_dump(mode="json"), status_code=status)
