"""Asking a running system by its admin API: at its Unix socket, or over TLS with a token."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from pydantic import ValidationError

from peerkey.config.findings import Finding
from peerkey.errors import Misconfigured
from peerkey_cli import schemas
from peerkey_cli.errors import NotFound, Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peerkey.secret import Secret

D = TypeVar("D", bound=schemas.Document)

#: A system that is busy answers late; one that hangs never does.
TIMEOUT_SECONDS: Final = 15.0

_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = 500


@dataclass(frozen=True, slots=True)
class RemoteSystem:
    """A system that is asked over TCP."""

    #: ``https://HOST:PORT``.
    url: str
    token: Secret
    #: Who vouches for its certificate; whom this machine trusts where there is none.
    ca: Path | None

    def __str__(self) -> str:
        """Return the address."""
        return self.url

    def transport(self) -> httpx.HTTPTransport:
        """Return what carries requests. No proxy of the environment sees any of it.

        :raises Misconfigured: the CA cannot be read.
        """
        return httpx.HTTPTransport(verify=self.tls(), trust_env=False)

    def tls(self) -> ssl.SSLContext:
        """Return what connections are made with.

        :raises Misconfigured: the CA cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (ssl.SSLError, OSError) as fault:
            message = f"{self.ca}: cannot be read as certificates in PEM: {fault.strerror or fault}"
            raise Misconfigured(message) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class Client:
    """Requests to one system."""

    def __init__(self, path: Path | RemoteSystem) -> None:
        """Ask at the Unix socket ``path``, or over TCP."""
        self._path = path

    @property
    def system(self) -> Path | RemoteSystem:
        """Whom it asks."""
        return self._path

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
        if isinstance(self._path, RemoteSystem):
            transport, url = self._path.transport(), self._path.url
            headers = {"Authorization": f"Bearer {self._path.token.reveal().decode()}"}
        else:
            _knock(self._path)
            transport, url = httpx.HTTPTransport(uds=str(self._path)), "http://peerkey"
            headers = {}
        try:
            with httpx.Client(
                transport=transport, base_url=url, headers=headers, timeout=TIMEOUT_SECONDS
            ) as http:
                response = http.request(method, f"/v1/{name}", params=params, json=body)
        except httpx.ConnectError as fault:
            message = f"{self._path}: {_why_not(fault)}"
            raise Unreachable(message) from None
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


def _knock(path: Path) -> None:
    """See whether somebody listens, because the system's own errors say best why nobody does.

    :raises Unreachable: nobody does, or not to this user.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(TIMEOUT_SECONDS)
        try:
            door.connect(str(path))
        except FileNotFoundError:
            todo = "no system runs there; start one with `peerkey run`, or name its --state-dir"
        except PermissionError:
            todo = "it is another user's system; become the user that runs it"
        except OSError:
            todo = "nobody answers; is `peerkey run` still there?"
        else:
            return
    message = f"{path}: {todo}"
    raise Unreachable(message)


def _why_not(fault: httpx.ConnectError) -> str:
    """Say why there is no connection over TCP."""
    if "CERTIFICATE_VERIFY_FAILED" in str(fault):
        why = str(fault).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return f"its certificate is not accepted ({why}); name its CA with --api-ca"
    return f"nobody answers ({fault}); is `peerkey run` there, and does it listen at this address?"


def _refusal(status: int, problem: schemas.Problem) -> Exception:
    """Return the error that an answer stands for."""
    faults = [str(Finding(**fault.model_dump())) for fault in problem.faults]
    text = "\n".join([problem.error, *faults])
    if status == _NOT_FOUND:
        return NotFound(text)
    return Unreachable(text) if status >= _SERVER_ERRORS else Refused(text)
