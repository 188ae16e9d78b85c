"""Asking a running system by its admin API."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from pydantic import ValidationError

from peerkey.config.findings import Finding
from peerkey_cli import schemas
from peerkey_cli.errors import NotFound, Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

D = TypeVar("D", bound=schemas.Document)

#: A system that is busy answers late; one that hangs never does.
TIMEOUT_SECONDS: Final = 15.0

_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = 500


class Client:
    """Requests to the socket at one path."""

    def __init__(self, path: Path) -> None:
        """Ask at ``path``."""
        self._path = path

    def get(self, name: str, kind: type[D], **parameters: str | None) -> D:
        """Return the document ``/v1/<name>``. Parameters that are ``None`` are left out."""
        given = {key: value for key, value in parameters.items() if value is not None}
        return self._ask("GET", name, kind, params=given)

    def post(self, name: str, kind: type[D], request: schemas.Document | None = None) -> D:
        """Ask for something to be done; return the answer.

        :raises NotFound: what it is about is not there.
        :raises Refused: the system said no, and why.
        """
        body = None if request is None else request.model_dump(mode="json", exclude_none=True)
        return self._ask("POST", name, kind, body=body)

    def _ask(
        self,
        method: str,
        name: str,
        kind: type[D],
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 - JSON
    ) -> D:
        """Ask and read the answer.

        :raises Unreachable: nobody listens, or what answers is no peerkey of this version.
        """
        self._knock()
        transport = httpx.HTTPTransport(uds=str(self._path))
        try:
            with httpx.Client(
                transport=transport, base_url="http://peerkey", timeout=TIMEOUT_SECONDS
            ) as http:
                response = http.request(method, f"/v1/{name}", params=params, json=body)
        except httpx.TimeoutException:
            message = f"{self._path}: the system does not answer within {TIMEOUT_SECONDS:g} s; see its log"
            raise Unreachable(message) from None
        except httpx.HTTPError as fault:
            message = f"{self._path}: the connection broke ({fault}); is `peerkey run` still there?"
            raise Unreachable(message) from fault
        try:
            if response.is_success:
                return kind.model_validate_json(response.content)
            problem = schemas.Problem.model_validate_json(response.content)
        except ValidationError:
            message = f"{self._path}: what listens there does not answer as this version of peerkey does"
            raise Unreachable(message) from None
        raise _refusal(response.status_code, problem)

    def _knock(self) -> None:
        """See whether somebody listens, because the system's own errors say best why nobody does.

        :raises Unreachable: nobody does, or not to this user.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(TIMEOUT_SECONDS)
            try:
                door.connect(str(self._path))
            except FileNotFoundError:
                todo = "no system runs there; start one with `peerkey run`, or name its --state-dir"
            except PermissionError:
                todo = "it is another user's system; become the user that runs it"
            except OSError:
                todo = "nobody answers; is `peerkey run` still there?"
            else:
                return
        message = f"{self._path}: {todo}"
        raise Unreachable(message)


def _refusal(status: int, problem: schemas.Problem) -> Exception:
    """Return the error that an answer stands for."""
    faults = [str(Finding(**fault.model_dump())) for fault in problem.faults]
    text = "\n".join([problem.error, *faults])
    if status == _NOT_FOUND:
        return NotFound(text)
    return Unreachable(text) if status >= _SERVER_ERRORS else Refused(text)
