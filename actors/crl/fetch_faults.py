"""What an error of the network means, in words that an operator understands: who does what, and no number."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

from actors.crl.port import FetchFault, shown


def explained(original: str, url: httpx.URL, error: Exception) -> tuple[FetchFault, str, str]:
    """Say in our words what an error of the network means."""
    server = shown(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}")
    causes = tuple(_causes(error))
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return FetchFault.TLS, original, f"{server} is not trusted: {cause.verify_message}"
            case ssl.SSLError():
                return FetchFault.TLS, original, f"{server} does not speak TLS as it should"
            case socket.gaierror():
                return FetchFault.NAME, original, f"there is no server of the name {url.host[:128]}"
    system = next((one.errno for one in causes if isinstance(one, OSError) and one.errno), None)
    fault, why = _kind(error, system)
    return fault, original, f"{server} {why}"


def _kind(error: Exception, system: int | None) -> tuple[FetchFault, str]:
    """Say what a server does, by the kind of error and the operating system's number for it."""
    match error:
        case httpx.ConnectTimeout():
            return FetchFault.TIMEOUT, "does not take the connection"
        case httpx.TimeoutException():
            return FetchFault.TIMEOUT, "does not answer"
        case httpx.ConnectError():
            return FetchFault.CONNECTION, f"cannot be reached{f': {os.strerror(system)}' if system else ''}"
        case httpx.NetworkError():
            return FetchFault.TRUNCATED, "breaks the connection"
        case httpx.RemoteProtocolError() if "complete message body" in str(error):
            return FetchFault.TRUNCATED, "ends its answer before the list ends"
        case _:
            return FetchFault.PROTOCOL, "does not answer as HTTP demands"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__
