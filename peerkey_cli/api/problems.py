"""Every answer that is no, and how the description of the API tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from actors.keystores.port import NoSuchKey
from peerkey.config.findings import ConfigurationFaults
from peerkey.errors import PeerkeyError, Unavailable
from peerkey.pki.csr import BadField
from peerkey_cli import schemas
from peerkey_cli.api.denied import PROBLEM, Denied, problem_answer
from peerkey_cli.errors import NotFound
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_MEANINGS: Final = {
    400: "This is no request.",
    401: "Over TCP: no token, or one that is not known here.",
    403: "Over TCP: the token may only read, or a page in a browser asks.",
    404: "What it is about is not there.",
    408: "The request did not end in time.",
    409: "It cannot be done as things are.",
    412: "It has changed since it was looked at.",
    413: "The request is too large.",
    415: "The body is compressed, or is no JSON.",
    421: "Over TCP: the name of another system.",
    422: "The request is not as it is described here, or the configuration has faults: all of them.",
    431: "The request line or the headers are too large.",
    429: "Over TCP: too many requests; Retry-After says when to come again.",
    503: "The actors, or a device, do not answer now, or too many ask at once.",
}
#: What may befall every request.
_ALWAYS: Final = (400, 401, 403, 408, 413, 415, 421, 422, 429, 431, 503)
_ERRORS: Final = (
    (RuntimeFault, 503),
    (Unavailable, 503),
    (PeerkeyError, 409),
    (NotFound, 404),
    (NoSuchKey, 404),
    (BadField, 422),
    (ConfigurationFaults, 422),
)
#: The kinds of those first that are kinds of others.
_BY_KIND: Final = sorted(_ERRORS, key=lambda each: -len(each[0].__mro__))
_LEAST_PROBLEM: Final = 400
_UNAVAILABLE: Final = 503
_LATER: Final = {"Retry-After": "10"}
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


def described(app: FastAPI) -> dict[str, Any]:
    """Return the description of the API, in which every problem is of the media type that it is sent as."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            openapi_version=app.openapi_version,
            routes=app.routes,
        )
        for operations in found["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= _LEAST_PROBLEM:
                        answer["content"] = {PROBLEM: next(iter(answer["content"].values()))}
        app.openapi_schema = found
    return app.openapi_schema


async def _tell_malformed(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that is not as the API describes it, without repeating what it holds."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    texts = [f"{_shown(fault['loc'])}: {fault['msg']}" for fault in faults[:_SHOWN_FAULTS]]
    return problem_answer(422, "; ".join(texts))


def _shown(place: Iterable[object]) -> str:
    """Return where a fault is; a key that a client has made up may be of any length."""
    return ".".join(ascii(str(each))[1:-1][:_SHOWN_CHARACTERS] for each in place)


async def _tell_status(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return problem_answer(error.status_code, str(error.detail), error.headers)


async def _tell_denied(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Denied):
        raise error
    return error.response()


def _teller(status: int) -> Any:  # noqa: ANN401 - starlette wants a handler of any exception
    """Return what answers an error of one kind with its problem document."""

    async def tell(_: Request, error: Exception) -> JSONResponse:
        return problem_answer(status, error, _LATER if status == _UNAVAILABLE else None)

    return tell


def status_of(error: Exception) -> int | None:
    """Return the status of the answer that an error becomes; ``None`` for one that is a bug."""
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), None)
