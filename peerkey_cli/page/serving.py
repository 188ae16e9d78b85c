"""Serving the page at a loopback address until somebody ends it: what ``peerkey page`` runs."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httpx

from peerkey_cli.client import RemoteSystem
from peerkey_cli.errors import WrongUsage
from peerkey_cli.page.proxy import Doors, PageProxy
from peerkey_cli.serving import served
from peerkey_cli.sockets import listening_tcp

if TYPE_CHECKING:
    from peerkey_cli.client import Client

_LAST_PORT: Final = 65_535
_WITHIN_SECONDS: Final = 15.0


def loopback(text: str) -> tuple[str, int]:
    """Return the address and the port of ``127.0.0.1:8080`` or ``[::1]:0``.

    :raises WrongUsage: it is no such address, or others could reach it.
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address("127.0.0.1" if bare == "localhost" else bare)
        if port.isascii() and port.isdecimal() and int(port) <= _LAST_PORT:
            if str(found) in {"127.0.0.1", "::1"}:
                return str(found), int(port)
            message = (
                f"--listen {text}: the page is served on this machine alone, at 127.0.0.1 or [::1]; "
                "from another one, lead a port here with `ssh -L`"
            )
            raise WrongUsage(message)
    message = f"--listen {text!a}: write 127.0.0.1:PORT; port 0 is one that is free"
    raise WrongUsage(message)


async def serve(client: Client, address: tuple[str, int], say: Callable[[str], None]) -> None:
    """Serve the page of the system that ``client`` asks, until SIGINT or SIGTERM. ``say`` prints links.

    :raises Misconfigured: nobody can listen there.
    """
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    with listening_tcp(address) as listener:
        host, port = listener.getsockname()[:2]
        root = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        doors = Doors(loop.time)

        def link() -> None:
            say(f"{root}/enter/{doors.new_link()}")

        app = PageProxy(lambda: asking(client), doors, port, link, str(client.system))
        async with served(app, listener):
            link()
            await end.wait()


def asking(client: Client) -> httpx.AsyncClient:
    """Return what asks the system that ``client`` asks. No proxy of the environment sees any of it."""
    system = client.system
    if isinstance(system, RemoteSystem):
        headers = {"Authorization": f"Bearer {system.token.reveal().decode()}"}
        transport, url = httpx.AsyncHTTPTransport(verify=system.tls(), trust_env=False), system.url
    else:
        headers, transport, url = {}, httpx.AsyncHTTPTransport(uds=str(system)), "http://peerkey"
    return httpx.AsyncClient(transport=transport, base_url=url, headers=headers, timeout=_WITHIN_SECONDS)
