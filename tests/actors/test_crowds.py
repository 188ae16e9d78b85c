"""More than there is room for: what may be lost is, and what must arrive does."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from actors.intake import DATAGRAMS_PER_PATH, FRAMES_PER_NODE, FRAMES_PER_PATH, Intake
from actors.journal import MemoryJournal
from actors.messages import AnnounceThis, ConfigurePath, PathReport, PathStarted, UseKey
from actors.paths import LevelsDue, Paths, Places
from actors.peer_path import PeerPath
from peerkey.config.plan import Endpoint, InvalidCertificateBehavior, PathPlan, PeeringPlan, Policy
from peerkey.protocol.frame import Frame
from peerkey.protocol.segments import cut
from runtime.actor import Actor
from runtime.executor import ThreadExecutor
from runtime.ref import Ref
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run
from runtime.wire.direct import DirectEndpoint, DirectWire
from runtime.wire.port import Address, OnDatagram, OnState
from tests.support.fleet import Fleet, eventually, uuid

SECOND = timedelta(seconds=1)
PLAN = PathPlan("wan0", "wan0", Endpoint("10.0.0.1", 1280), Endpoint("10.0.0.2", 1280), 1500)
POLICY = Policy(None, 5 * SECOND, 10 * SECOND, None, InvalidCertificateBehavior.FAIL_SOFT, None)


async def test_a_flood_of_one_peer_leaves_room_for_control_messages_and_is_counted(tmp_path: Path) -> None:
    wire = TappedWire()
    async with Fleet(tmp_path, wire=wire) as fleet:
        await eventually(fleet.keyed)
        before = (await fleet.peer(0, 1)).security
        spoofed = wire.taps["10.0.0.1"]
        number = 0
        for _ in range(20):
            for _ in range(2 * DATAGRAMS_PER_PATH):
                number += 1
                frame = Frame(5, uuid(1).bytes, uuid(0).bytes, b"\x90" + number.to_bytes(4), b"no proof")
                spoofed(cut(frame.encode(), secrets.token_bytes(8), 1200, never_answer=True)[0])
            await asyncio.sleep(0)
        after = await fleet.peer(0, 1)
        assert dict(after.dropped)["too-much-arrives"] > 0
        assert after.security.keys == before.keys
        assert not [actor.name for actor in fleet.system.actors() if actor.refused or actor.crashes]


@pytest.mark.parametrize("paths", [1, 10, 200, 2_000])
def test_the_paths_of_a_node_never_fill_its_mailbox_however_many_there_are(paths: int) -> None:
    taken: list[bool] = []

    def take() -> bool:
        taken.append(True)
        return True

    for _ in range(paths):
        intake = Intake(lambda: paths)
        for _ in range(FRAMES_PER_PATH + 1):
            intake.frame(take)
        assert intake.dropped > 0
    assert paths <= len(taken) <= FRAMES_PER_NODE


def test_a_path_that_had_no_room_for_a_level_is_told_the_latest_when_it_has() -> None:
    async def scenario(system: ActorSystem) -> None:
        heard = SlowRecorder()
        host = Host(heard)
        system.spawn(lambda: host, "host")
        await pass_time(SECOND / 10)
        host.paths.announce(None)
        host.paths.use(1, probing=True)
        host.paths.use(2, probing=False)
        await pass_time(3 * SECOND)
        assert heard.messages == [AnnounceThis(None), UseKey(2, probing=False)]

    run(scenario)


def test_a_path_asks_and_reports_until_its_node_has_heard_it() -> None:
    async def scenario(system: ActorSystem) -> None:
        node = SlowRecorder()
        ref = system.spawn(lambda: node, "node", mailbox=1)
        path = system.spawn(lambda: a_path(ref), "path")
        await pass_time(5 * SECOND)
        reports = [message for message in node.messages if isinstance(message, PathReport)]
        assert [report.state for report in reports] == ["waiting"]
        path.tell(UseKey(None, probing=False))
        await pass_time(SECOND)
        asked = node.messages.count(PathStarted(uuid(1), "wan0"))
        assert asked > 1
        await pass_time(5 * SECOND)
        assert node.messages.count(PathStarted(uuid(1), "wan0")) == asked

    run(scenario)


def test_a_path_that_rested_and_does_no_more_says_nothing_of_why_it_did() -> None:
    async def scenario(system: ActorSystem) -> None:
        node = Recorder()
        ref = system.spawn(lambda: node, "node")
        path = system.spawn(lambda: a_path(ref), "path")
        for enabled in (True, False, True):
            path.tell(ConfigurePath(PLAN, POLICY, enabled=enabled))
            await pass_time(SECOND)
        reports = [message for message in node.messages if isinstance(message, PathReport)]
        assert [(report.state, report.reason) for report in reports] == [
            ("waiting", ""),
            ("disabled", "key management is disabled"),
            ("waiting", ""),
        ]

    run(scenario)


async def test_an_executor_that_is_full_delays_agreements_and_crashes_nobody(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, routers=4, algorithm="diffie-hellman-4096")
    async with fleet:
        fleet.system.executor = ThreadExecutor(threads=1, queue_limit=1)
        await eventually(fleet.keyed)
        assert not [actor.last_error for actor in fleet.system.actors() if actor.crashes]


def a_path(node: Ref) -> PeerPath:
    return PeerPath(
        node=node,
        node_name="r0/node0",
        local=uuid(0),
        peering=PeeringPlan("r1", "node0", uuid(1), None, "ml-kem-768", 0, 0, (PLAN,)),
        plan=PLAN,
        policy=POLICY,
        enabled=True,
        intake=Intake(lambda: 1),
        wire=DirectWire(),
        entropy=secrets.token_bytes,
        journal=MemoryJournal(),
    )


class TappedWire(DirectWire):
    """A direct wire on which anybody can be imitated."""

    def __init__(self) -> None:
        super().__init__()
        self.taps: dict[str, OnDatagram] = {}

    def open(
        self, local: Address, peer: Address, on_datagram: OnDatagram, on_state: OnState
    ) -> DirectEndpoint:
        self.taps[local.host] = on_datagram
        return super().open(local, peer, on_datagram, on_state)


class SlowRecorder(Recorder):
    """Hears nothing for a second, so that its mailbox fills."""

    async def started(self) -> None:
        await asyncio.sleep(1)


class Host(Actor):
    """Has one path, whose mailbox takes one message."""

    def __init__(self, path: Actor) -> None:
        self._path = path

    async def started(self) -> None:
        self.paths = Paths(
            self.ctx,
            uuid(1),
            Places(),
            lambda _plan, _intake: self.ctx.spawn(lambda: self._path, "path", mailbox=1),
        )
        self.paths.configure((PLAN,), POLICY, enabled=True)

    def receive(self, message: object) -> None:
        assert message == LevelsDue(uuid(1))
        self.paths.tell_again()
