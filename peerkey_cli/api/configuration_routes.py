"""The configuration: is a text right, what would it change, and shall it take the place of the present one.

Reading one takes seconds where it is large. It is done on one thread, one after the other, and a few may
wait: the actors and everybody else go on. What is checked and compared is the text alone; the files that it
names are for who may use the machine.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Header, Response

from peerkey.errors import Misconfigured, PeerkeyError, Unavailable
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.problems import problems
from peerkey_cli.check import ConfigCheck, checked_text
from peerkey_cli.configuration_documents import (
    ConfigDiff,
    ConfigurationInfo,
    ConfigurationReplaced,
    ConfigurationText,
    config_diff,
    needed,
)
from peerkey_cli.configuration_file import BEFORE, ConfigurationFile, Outdated
from peerkey_cli.plans import CONFIGURATION
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from peerkey_cli.api.rendering import Renderer
    from peerkey_cli.api.routes import Reload
    from peerkey_cli.fleet import Fleet
    from runtime.threads import Threads

T = TypeVar("T")

#: Whoever comes while so many wait is told to come again.
MAXIMUM_WAITING: Final = 4
#: A quoted SHA-256 in hexadecimal digits, or any version.
_TAG: Final = r'^("[0-9a-f]{64}"|\*)$'


class Turns:
    """Lets a few wait."""

    def __init__(self) -> None:
        self._waiting = 0

    async def have(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something, unless too many wait.

        :raises Denied: they do.
        """
        if self._waiting >= MAXIMUM_WAITING:
            raise Denied(503, "too many requests about configurations wait already", {"Retry-After": "10"})
        self._waiting += 1
        try:
            return await work()
        finally:
            self._waiting -= 1


def configuration_routes(
    fleet: Fleet,
    file: ConfigurationFile | None,
    reload: Reload,
    threads: Threads,
    renderer: Renderer,
) -> APIRouter:
    """Return the routes. Without a ``file`` none can be replaced here; ``threads`` do what takes long."""
    router = APIRouter(responses=problems(), tags=["configuration"])
    turns, replacing = Turns(), asyncio.Lock()

    async def on_thread(work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def own_file() -> ConfigurationFile:
        if file is None:
            message = (
                "on a cluster the configuration is a file of each machine: replace it on all of them, "
                "then run `peerkey reload`"
            )
            raise Misconfigured(message)
        return file

    @router.get("/config", responses=problems(409) | _WITH_TAG)
    async def shown(response: Response) -> ConfigurationInfo:
        """Return which configuration this system reads, and what of it waits for a restart; not its text."""
        known = own_file()
        version = await on_thread(known.version)
        response.headers["ETag"] = f'"{version.tag}"'
        return ConfigurationInfo(
            time=fleet.now(),
            file=str(known.path),
            etag=version.tag,
            bytes=len(version.content),
            restart_needed=needed(await fleet.restart_needed()),
        )

    @router.post("/config/check", response_model=ConfigCheck)
    async def check(request: ConfigurationText) -> Response:
        """Return every fault of a configuration. The files that it names are not looked at."""
        found = await turns.have(
            lambda: on_thread(lambda: checked_text(request.configuration, CONFIGURATION))
        )
        return await renderer.rendered(found.document)

    @router.post("/config/diff", responses=problems(409), response_model=ConfigDiff)
    async def diff(request: ConfigurationText) -> Response:
        """Return what a reload would do if this were the configuration. Nothing is changed."""
        foretold = await turns.have(lambda: fleet.foretell(request.configuration, threads))
        now = fleet.now()
        return await renderer.rendered(lambda: config_diff(foretold, now))

    @router.put("/config", responses=problems(409, 412) | _WITH_TAG)
    async def replace(
        request: ConfigurationText,
        response: Response,
        if_match: Annotated[
            str,
            Header(pattern=_TAG, description="The ETag of the configuration that is to be replaced, or `*`."),
        ],
    ) -> ConfigurationReplaced:
        """Put a configuration in the place of the one that is there, keep that, and take it up.

        What is faulty, or cannot be taken up, changes nothing.
        """
        known, text = own_file(), request.configuration
        tag = None if if_match == "*" else if_match.strip('"')

        async def whole() -> ConfigurationReplaced:
            async with replacing:
                former = await on_thread(lambda: known.replace(text, tag))
                try:
                    nodes = await reload()
                except PeerkeyError:
                    await on_thread(lambda: known.put_back(text, former))
                    raise
                except RuntimeFault as fault:
                    message = (
                        f"{fault}; the configuration is in its place, and whether it was taken up is not "
                        "known: `peerkey show events` tells"
                    )
                    raise Unavailable(message) from fault
                version = await on_thread(known.version)
            return ConfigurationReplaced(
                time=fleet.now(),
                nodes=nodes,
                restart_needed=needed(await fleet.restart_needed()),
                file=str(known.path),
                etag=version.tag,
                before=f"{known.path.resolve()}{BEFORE}",
            )

        try:
            done = await turns.have(whole)
        except Outdated as fault:
            raise Denied(412, str(fault)) from fault
        response.headers["ETag"] = f'"{done.etag}"'
        return done

    return router


#: What an answer tells beside its document.
_WITH_TAG: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"ETag": {"description": "Names this version.", "schema": {"type": "string"}}}}
}
