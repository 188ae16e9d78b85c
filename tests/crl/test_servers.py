"""The CRL manager against real servers: whatever they do, the last good list serves, and it is told."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl.fetching import FetchLimits, NetworkFetcher
from actors.crl.index import RevocationPorts
from actors.crl.ingesting import ProcessIngester
from actors.crl.kept_lists import KeptFiles
from actors.crl.known import KnownRevocations
from actors.crl.messages import SourcePorts
from actors.master_list_file import MasterListFile
from actors.messages import FetchLists
from metrics import catalogue
from peerkey.testing.lists import revocation_list
from runtime.backends.local import LocalSystem
from runtime.ref import Ref
from tests.support import rude_server as rude
from tests.support.fleet import eventually
from tests.support.nginx import Nginx, nginx
from tests.support.revocation import Revocations, status_of
from tests.support.rude_server import RudeServer

LIMITS = FetchLimits(
    connect=timedelta(seconds=5),
    pause=timedelta(seconds=1),
    window=timedelta(seconds=1),
    window_bytes=1000,
)
WEEK = timedelta(days=7)
UNREACHABLE, REFUSED = "are unreachable", "serve no valid list"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Nginx]:
    with nginx(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("trouble", "alarm", "why"),
    [
        ("404", UNREACHABLE, "the server answers 404"),
        ("500", UNREACHABLE, "the server answers 500"),
        ("loop", UNREACHABLE, "its redirects lead in a circle"),
        ("refused", UNREACHABLE, "cannot be reached: Connection refused"),
        ("wrong content", REFUSED, "this is no revocation list"),
        ("a stranger's list", REFUSED, "nothing trusted stands behind the list"),
        ("half a list", REFUSED, "this is no revocation list"),
    ],
)
async def test_whatever_nginx_does_the_last_good_list_serves_and_it_is_told(
    tmp_path: Path, server: Nginx, trouble: str, alarm: str, why: str
) -> None:
    world = RealWorld(tmp_path)
    good = listed(world)
    server.publish("ca.crl", good)
    world.configure(server.http("ca.crl"))
    async with managed(world) as index:
        await eventually(lambda: in_force(world))

        make_trouble(server, world, trouble, good)
        index.tell(FetchLists())
        await told(world, index, server.http("ca.crl"), alarm, why)

        mend(server, trouble, good)
        index.tell(FetchLists())
        await well(world, index)
        assert world.counts() == {
            ("fetch", "success"): 2 + (alarm is REFUSED),
            ("ingestion", "success"): 2,
            **({("fetch", "failure"): 1} if alarm is UNREACHABLE else {("ingestion", "failure"): 1}),
        }


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("truncated", "ends its answer before the list ends"),
        ("dripping", "it comes too slowly"),
        ("silent", "does not answer"),
    ],
)
async def test_whatever_a_rude_server_does_the_last_good_list_serves_and_it_is_told(
    tmp_path: Path, answer: str, why: str
) -> None:
    world = RealWorld(tmp_path)
    answers = {
        "truncated": rude.truncated(listed(world)),
        "dripping": rude.dripping(0.1),
        "silent": rude.silent(),
    }
    async with RudeServer() as server:
        server.answers["/ca.crl"] = rude.whole(listed(world))
        world.configure(server.url("/ca.crl"))
        async with managed(world) as index:
            await eventually(lambda: in_force(world))
            server.answers["/ca.crl"] = answers[answer]
            index.tell(FetchLists())
            await told(world, index, server.url("/ca.crl"), UNREACHABLE, why)
            server.answers["/ca.crl"] = rude.whole(listed(world))
            index.tell(FetchLists())
            await well(world, index)


async def test_a_server_that_nobody_vouches_for_any_more_is_told_and_its_list_serves(
    tmp_path: Path, server: Nginx
) -> None:
    world = RealWorld(tmp_path)
    world.trusted.append(server.ca.root.certificate)
    server.publish("ca.crl", listed(world))
    world.configure(server.https("ca.crl"))
    async with managed(world) as index:
        await eventually(lambda: in_force(world))
        world.trusted.remove(server.ca.root.certificate)
        index.tell(FetchLists())
        await told(world, index, server.https("ca.crl"), UNREACHABLE, "is not trusted")


async def test_an_unchanged_list_is_answered_with_304_and_changes_nothing(
    tmp_path: Path, server: Nginx
) -> None:
    server.publish("ca.crl", listed(RealWorld(tmp_path)))
    world = RealWorld(tmp_path)
    server.publish("ca.crl", listed(world))
    world.configure(server.http("ca.crl"))
    async with managed(world):
        await eventually(lambda: in_force(world))
    again = RealWorld(tmp_path)
    again.ca, again.own, again.trusted, again.configured = (
        world.ca, world.own, world.trusted, world.configured
    )  # fmt: skip
    async with managed(again):
        await eventually(lambda: fetched(again, 1))
        await eventually(lambda: in_force(again))
    assert server.asked("ca.crl")[-1] == 304
    assert again.counts() == {("fetch", "success"): 1}


async def test_fifty_lists_are_fetched_once_each_for_a_hundred_nodes(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, nodes=100)
    authorities = [world.ca.authority(f"ca {number}", issuer=world.ca.root) for number in range(50)]
    leaves = [world.ca.issue(UUID(int=number), issuer=each) for number, each in enumerate(authorities, 1)]
    world.trusted += [each.certificate for each in authorities]
    async with RudeServer() as server:
        for number, (authority, leaf) in enumerate(zip(authorities, leaves, strict=True)):
            crl = revocation_list(
                authority, leaf.certificate, this_update=world.now, next_update=world.now + WEEK
            )
            server.answers[f"/{number}"] = rude.whole(crl.public_bytes(Encoding.DER))
        world.configure(*(server.url(path) for path in server.answers))
        async with managed(world) as index:
            await eventually(lambda: fetched(world, 50))
            await eventually(lambda: revoked_all(world, leaves))
            assert set(server.asked.values()) == {1}
            assert (await status_of(index)).alarms == ()


async def test_a_large_list_is_judged_in_a_process_that_ends_with_it(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, small=0)
    path = tmp_path / "ca.crl"
    path.write_bytes(listed(world))
    world.configure(path.as_uri())
    async with managed(world) as index:
        await eventually(lambda: in_force(world))
        path.write_bytes(b"nothing")
        index.tell(FetchLists())
        await told(world, index, path.as_uri(), REFUSED, "this is no revocation list")
        assert children() == []
        assert not list((tmp_path / "crl").glob("judging.*"))


async def test_a_name_server_that_hangs_holds_up_no_list(tmp_path: Path) -> None:
    answered = threading.Event()
    path, world = tmp_path / "ca.crl", RealWorld(tmp_path)
    path.write_bytes(listed(world))
    world.configure(path.as_uri())
    # More than there are threads: each of these waits for a name as asyncio lets it wait.
    waiting = [asyncio.get_running_loop().run_in_executor(None, answered.wait) for _ in range(100)]
    try:
        async with LocalSystem() as system:
            world.start(system)
            await eventually(lambda: in_force(world))
    finally:
        answered.set()
        await asyncio.gather(*waiting)


# --- helpers --------------------------------------------------------------------------------------


@dataclass
class RealWorld(Revocations):
    """A CRL manager with everything that it has in production."""

    def __init__(self, folder: Path, *, nodes: int = 1, small: int = 1_000_000) -> None:
        super().__init__(datetime.now(UTC).replace(microsecond=0), nodes=nodes)
        self.folder, self.small = folder, small
        self.known = KnownRevocations(MasterListFile(folder / "crl" / "master"))

    @property
    def ports(self) -> RevocationPorts:
        source = SourcePorts(
            NetworkFetcher(LIMITS),
            KeptFiles(self.folder / "crl"),
            ProcessIngester(self.folder / "crl", self.small),
            self.journal,
            os.urandom,
        )
        return replace(super().ports, source=source)

    def counts(self) -> dict[tuple[str, str], float]:
        """Return what has been counted of lists, by what and with which result."""
        names = {catalogue.CRL_FETCHES: "fetch", catalogue.CRL_INGESTIONS: "ingestion"}
        return {
            (names[metric], labels[1]): count
            for metric, counts in self.journal.tally.samples().items()
            if metric in names
            for labels, count in counts.items()
        }


@asynccontextmanager
async def managed(world: RealWorld) -> AsyncIterator[Ref]:
    async with LocalSystem() as system:
        await asyncio.to_thread(world.known.load)
        yield world.start(system)
        assert not [actor for actor in system.actors() if actor.crashes]


def listed(world: Revocations) -> bytes:
    """Return a list that names the nodes' own certificate."""
    crl = revocation_list(
        world.ca.intermediate,
        world.own.certificate,
        this_update=world.now - timedelta(hours=1),
        next_update=world.now + WEEK,
    )
    return crl.public_bytes(Encoding.DER)


def make_trouble(server: Nginx, world: Revocations, trouble: str, good: bytes) -> None:
    match trouble:
        case "404":
            server.withdraw("ca.crl")
        case "500" | "loop":
            server.flag(trouble)
        case "refused":
            server.stop()
        case "wrong content":
            server.publish("ca.crl", b"<html>This domain is for sale.</html>")
        case "half a list":
            server.publish("ca.crl", good[: len(good) // 2])
        case _:
            stranger = Revocations(world.now)
            server.publish("ca.crl", listed(stranger))


def mend(server: Nginx, trouble: str, good: bytes) -> None:
    match trouble:
        case "500" | "loop":
            server.flag(trouble, up=False)
        case "refused":
            server.start()
        case _:
            server.publish("ca.crl", good)


async def in_force(world: Revocations) -> bool:
    return world.revoked(world.own)


async def fetched(world: Revocations, times: int) -> bool:
    return sum(event.success for event in world.updates()) >= times


async def told(world: Revocations, index: Ref, url: str, alarm: str, why: str) -> None:
    """Wait until trouble is told, and see that it is all that has come of it."""

    async def failed() -> bool:
        return not world.updates()[-1].success

    await eventually(failed)
    event = world.updates()[-1]
    assert (event.forced, event.crl_url, event.total_entries) == (True, url, 1)
    assert why in event.description()
    (raised,) = (await status_of(index)).alarms
    assert f"The following CRL endpoints {alarm}: `{url} (" in raised.message
    assert why in raised.message
    assert world.revoked(world.own)


async def well(world: Revocations, index: Ref) -> None:
    async def no_alarms() -> bool:
        return (await status_of(index)).alarms == ()

    await eventually(no_alarms)
    assert world.updates()[-1].success
    assert world.revoked(world.own)


async def revoked_all(world: Revocations, leaves: list) -> bool:  # type: ignore[type-arg]
    return world.revoked(*leaves)


def children() -> list[psutil.Process]:
    """Return the processes that this one has started and that have not ended."""
    return psutil.Process().children(recursive=True)
