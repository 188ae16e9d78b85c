"""Asking a running system by its admin API: at its Unix socket, or over TLS with a token."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from pydantic import ValidationError

from peerkey.config.findings import Finding
from peerkey.errors import Misconfigured
from peerkey_cli import schemas
from peerkey_cli.errors import NotFound, Refused, Unreachable
from peerkey_cli.working import working

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peerkey.secret import Secret

D = TypeVar("D", bound=schemas.Document)

#: A system that is busy answers late; one that hangs never does.
TIMEOUT_SECONDS: Final = 15.0
#: A stream says every fifteen seconds that it is still there.
STREAM_TIMEOUT_SECONDS: Final = 60.0

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

    def __init__(self, path: Path | RemoteSystem, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Ask at the Unix socket ``path``, or over TCP, and wait so long for each part of the answer."""
        self._path = path
        self._timeout = timeout_seconds

    @property
    def system(self) -> Path | RemoteSystem:
        """Whom it asks."""
        return self._path

    def get(self, name: str, kind: type[D], **parameters: str | None) -> D:
        """Return the document ``/v1/<name>``. Parameters that are ``None`` are left out."""
        given = {key: value for key, value in parameters.items() if value is not None}
        return self._ask("GET", name, kind, params=given)

    def raw(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Return the document ``/v1/<name>`` as it comes, for whoever needs little of it and soon.

        :raises Unreachable: nobody answers, or not with JSON.
        """
        response = self._response("GET", name)
        try:
            return response.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError) as fault:
            message = f"{self._path}: {fault}"
            raise Unreachable(message) from None

    def post(self, name: str, kind: type[D], request: schemas.Document | None = None) -> D:
        """Ask for something to be done; return the answer.

        :raises NotFound: what it is about is not there.
        :raises Refused: the system said no, and why.
        """
        body = None if request is None else request.model_dump(mode="json", exclude_none=True)
        return self._ask("POST", name, kind, body=body)

    def put(self, name: str, kind: type[D], request: schemas.Document, *, if_match: str) -> D:
        """Ask for something to be replaced, if what is there is still of the tag ``if_match``.

        :raises Refused: the system said no, and why.
        """
        body = request.model_dump(mode="json", exclude_none=True)
        return self._ask("PUT", name, kind, body=body, headers={"If-Match": if_match})

    @contextmanager
    def following(self, name: str, last: str | None, **parameters: str | None) -> Iterator[Iterator[str]]:
        """Open the stream of server-sent events ``/v1/<name>`` and yield its lines, until it ends.

        ``last`` is the id of the last event that is known.

        :raises Unreachable: nobody answers.
        :raises Refused: the system said no, and why.
        """
        given = {key: value for key, value in parameters.items() if value is not None}
        transport, url, headers = self._way()
        if last is not None:
            headers["Last-Event-ID"] = last
        # It says that it is still there more often than that.
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=STREAM_TIMEOUT_SECONDS)
        try:
            with (
                httpx.Client(transport=transport, base_url=url, headers=headers, timeout=timeout) as http,
                http.stream("GET", f"/v1/{name}", params=given) as response,
            ):
                if not response.is_success:
                    response.read()
                    raise self._problem(response)
                yield response.iter_lines()
        except httpx.HTTPError as fault:
            message = f"{self._path}: the stream broke ({fault}); is `peerkey run` still there?"
            raise Unreachable(message) from fault

    def _ask(
        self,
        method: str,
        name: str,
        kind: type[D],
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 - JSON
        headers: Mapping[str, str] | None = None,
    ) -> D:
        """Ask and read the answer.

        :raises Unreachable: nobody listens, or what answers is no peerkey of this version.
        """
        with working(f"Waiting for {self._path}"):
            response = self._response(method, name, params=params, body=body, headers=headers)
        if not response.is_success:
            raise self._problem(response)
        try:
            return kind.model_validate_json(response.content)
        except ValidationError:
            raise self._stranger() from None

    def _way(self) -> tuple[httpx.HTTPTransport, str, dict[str, str]]:
        """Return what carries a request, where to, and the headers that it needs."""
        if isinstance(self._path, RemoteSystem):
            bearer = {"Authorization": f"Bearer {self._path.token.reveal().decode()}"}
            return self._path.transport(), self._path.url, bearer
        _knock(self._path, self._timeout)
        return httpx.HTTPTransport(uds=str(self._path)), "http://peerkey", {}

    def _problem(self, response: httpx.Response) -> Exception:
        """Return the error that an answer stands for."""
        try:
            problem = schemas.Problem.model_validate_json(response.content)
        except ValidationError:
            return self._stranger()
        return _refusal(response.status_code, problem)

    def _stranger(self) -> Unreachable:
        return Unreachable(
            f"{self._path}: what listens there does not answer as this version of peerkey does"
        )

    def _response(
        self,
        method: str,
        name: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 - JSON
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask and return what comes back.

        :raises Unreachable: nothing does.
        """
        transport, url, common = self._way()
        try:
            with httpx.Client(
                transport=transport, base_url=url, headers=common, timeout=self._timeout
            ) as http:
                return http.request(method, f"/v1/{name}", params=params, json=body, headers=headers)
        except httpx.ConnectError as fault:
            message = f"{self._path}: {_why_not(fault)}"
            raise Unreachable(message) from None
        except httpx.TimeoutException:
            message = f"{self._path}: the system does not answer within {self._timeout:g} s; see its log"
            raise Unreachable(message) from None
        except httpx.HTTPError as fault:
            message = f"{self._path}: the connection broke ({fault}); is `peerkey run` still there?"
            raise Unreachable(message) from fault


def _knock(path: Path, timeout_seconds: float) -> None:
    """See whether somebody listens, because the system's own errors say best why nobody does.

    :raises Unreachable: nobody does, or not to this user.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(timeout_seconds)
        try:
            door.connect(str(path))
        except FileNotFoundError:
            todo = "no system runs there; start one with `peerkey run`, or name its --state-dir"
        except PermissionError:
            todo = "it is another user's system; become the user that runs it"
        except ConnectionRefusedError:
            todo = (
                "nobody answers; the system that listened there has died without a word: its log says more. "
                "Start it again with `peerkey run`: its keys are kept"
            )
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
