"""Who is at the door of the admin API, and what they may do.

At the Unix socket that is whoever may open it: the mode of the file has decided. Over TCP it is the owner of
a bearer token (RFC 6750), of which a role says whether it may change anything. What is refused there is
recorded, and who is refused often waits.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from peerkey.observe.events import LoginRefused
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.rates import Rate, Rates, retry_after
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import Tokens
from peerkey_cli.doorkeeper import source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping


#: With one token: a console that is asked in a loop, a dashboard that asks for every document at once.
REQUESTS: Final = Rate(burst=60, interval=timedelta(milliseconds=50))
#: Of one source without a token: an operator with the wrong file in the environment of a script.
REFUSALS: Final = Rate(burst=10, interval=timedelta(seconds=6))
#: Refusals that are recorded one by one; the next that is says how many were not.
RECORDS: Final = Rate(burst=20, interval=timedelta(seconds=10))


@dataclass(frozen=True, slots=True)
class Allowances:
    """How often."""

    requests: Rate = REQUESTS
    refusals: Rate = REFUSALS
    records: Rate = RECORDS


#: What changes nothing and shows nothing that a reader may not see.
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: A request is signed with a private key, and recorded, also where the original asks for it with GET.
_SIGNED: Final = "/certificate-request"
#: What is asked with a body and changes nothing all the same.
_ASKING: Final = frozenset({"/v1/config/check", "/v1/config/diff", "/v1/pki/verify"})
#: Where the status page is, which is for eyes.
_PAGE: Final = "/"
_CHALLENGE: Final = 'Bearer realm="peerkey"'


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks."""

    name: str
    role: Role
    #: Whether they would be let in now: a stream asks again and again, for a token may be taken back.
    counts: Callable[[], bool] = lambda: True
    #: Whether they are on this machine, at the Unix socket.
    here: bool = False


class Visitors(Protocol):
    """Whoever knows who may enter."""

    async def admit(self, scope: MutableMapping[str, Any]) -> Visitor:
        """Return who asks.

        :raises Denied: they may not ask this, or not now.
        """
        ...


class LocalVisitors:
    """Whoever may open the Unix socket, which is the user that runs the system."""

    async def admit(self, scope: MutableMapping[str, Any]) -> Visitor:  # noqa: ARG002 - see the class
        """See :class:`Visitors`."""
        return Visitor("local", Role.WRITE, here=True)


@dataclass(frozen=True, slots=True)
class Pass:
    """What counts at the door until the next reload: the tokens, and the names that this system has."""

    tokens: Tokens
    #: What ``Host`` may say: the names of the certificate and the address that is listened at.
    hosts: frozenset[str]


class RemoteVisitors:
    """Owners of tokens."""

    def __init__(
        self,
        current: Callable[[], Pass],
        record: Callable[[LoginRefused], Awaitable[object]],
        *,
        allowances: Allowances,
    ) -> None:
        """Let in whom ``current()`` lets in; ``record`` takes what was refused."""
        self._current = current
        self._record = record
        self._requests = Rates(allowances.requests)
        self._refusals = Rates(allowances.refusals)
        self._records = Rates(allowances.records)
        self._unrecorded = 0

    async def admit(self, scope: MutableMapping[str, Any]) -> Visitor:
        """See :class:`Visitors`."""
        now = timedelta(seconds=asyncio.get_running_loop().time())
        current, headers = self._current(), _headers(scope)
        if not is_ours(headers.get(b"host", [b""]), current.hosts):
            raise Denied(421, "this system is called otherwise; use a name that its certificate has")
        source = source_of(scope["client"])
        token = _bearer(headers.get(b"authorization", []))
        found = current.tokens.owner(token) if token is not None else None
        if found is None:
            why = "no token" if token is None else "unknown token"
            # Who has a token is not asked to wait for those who have none, also behind the same address.
            wait = self._refusals.take(source, now)
            await self._refused(LoginRefused(source, why, "", 0), now)
            if wait is not None:
                raise Denied(429, "too many refused logins", {"Retry-After": retry_after(wait)})
            error = "" if token is None else ', error="invalid_token"'
            text = f"{why}; present a token of this system"
            if token is None and scope["path"] == _PAGE:
                text += "; a browser has none: `peerkey page` shows this page in one"
            raise Denied(401, text, {"WWW-Authenticate": _CHALLENGE + error})
        wait = self._requests.take(found.name, now)
        if wait is not None:
            raise Denied(
                429, f"too many requests with the token {found.name}", {"Retry-After": retry_after(wait)}
            )
        if found.role is not Role.WRITE and not may_read(scope["method"], scope["path"]):
            await self._refused(LoginRefused(source, "role", found.name, 0), now)
            insufficient = f'{_CHALLENGE}, error="insufficient_scope", scope="write"'
            text = f"the token {found.name} may read only; this needs one with the role write"
            raise Denied(403, text, {"WWW-Authenticate": insufficient})
        return Visitor(found.name, found.role, lambda: found in self._current().tokens.tokens)

    async def _refused(self, event: LoginRefused, now: timedelta) -> None:
        """Record a refusal, unless there are too many of them: then the next one counts them."""
        if self._records.take("", now) is not None:
            self._unrecorded += 1
            return
        unrecorded, self._unrecorded = self._unrecorded, 0
        await self._record(LoginRefused(event.source, event.reason, event.token, unrecorded))


def may_read(method: str, path: str) -> bool:
    """Tell whether a request changes nothing, so that the role ``read`` is enough."""
    if method == "POST":
        return path in _ASKING
    return method in _READING and not path.rstrip("/").endswith(_SIGNED)


def is_ours(given: Iterable[bytes], names: frozenset[str]) -> bool:
    """Tell whether exactly one ``Host`` was given and it names this system.

    A page in a browser can make its own name lead to our address; it cannot make the browser name us.
    """
    hosts = list(given)
    if len(hosts) != 1:
        return False
    host = _without_port(hosts[0].decode("latin-1")).lower().rstrip(".")
    _, _, parent = host.partition(".")
    return host in names or (bool(parent) and f"*.{parent}" in names)


def _without_port(host: str) -> str:
    if host.startswith("["):
        inner = host[1:].partition("]")[0]
        try:
            return str(ipaddress.IPv6Address(inner))
        except ValueError:
            return ""
    return host.partition(":")[0]


def _headers(scope: Mapping[str, Any]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def _bearer(given: list[bytes]) -> str | None:
    """Return the token of the one header ``Authorization``; ``None`` where there is none of this scheme."""
    if len(given) != 1:
        return None
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
