"""Errands on a cluster: sent sealed to the host of the node, done there, answered as if done here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from actors.cluster.messages import NodePlace, PlacementStatus
from peerkey.errors import Misconfigured, Unavailable
from peerkey_cli import errands, schemas
from peerkey_cli.api.denied import Denied
from peerkey_cli.api.remote import RemoteSettings
from peerkey_cli.api.requests import BroughtPrivateKey, EnrollmentWanted, WantedCertificate
from peerkey_cli.api.roles import Role
from peerkey_cli.api.server import Api
from peerkey_cli.api.tokens import add_token
from peerkey_cli.cluster import door
from peerkey_cli.cluster.custodian import CUSTODIAN, ClusterDesk, Custodian, SealedErrand, place_of
from peerkey_cli.cluster.door import MachineDoor
from peerkey_cli.cluster.program import PROGRAM
from peerkey_cli.desk import TooManyWait
from peerkey_cli.errands import Errand, What
from peerkey_cli.errors import NotFound
from runtime.backends.local import LocalSystem
from runtime.errors import RuntimeFault
from runtime.store.sealed import AesGcmSealer
from tests.cli.remote_system import certify_api
from tests.cli.two_routers import two_routers
from tests.support.ports import free_port

#: When every token here was made.
CLOCK = datetime(2030, 6, 15, tzinfo=UTC)
SECRET = "-----BEGIN PRIVATE KEY----- do not tell"  # noqa: S105 - it is none
PLACED = PlacementStatus(
    1,
    1,
    "packed",
    ("edge", "core"),
    (),
    (
        NodePlace("hub/node0", "core-0", "core"),
        NodePlace("lost/node0", "", "", why="no machine has its address"),
    ),
    2,
    (),
)


def sealer(byte: bytes = b"k") -> AesGcmSealer:
    return AesGcmSealer(byte * 32, lambda number: b"n" * number)


class FakeDesk:
    """Notes what it is asked, and answers with what it was given."""

    def __init__(self, answer: schemas.Document | Exception) -> None:
        self.answer = answer
        self.asked: list[Errand] = []

    async def done(self, errand: Errand, _kind: object) -> Any:  # noqa: ANN401 - see the class
        await asyncio.sleep(0)
        self.asked.append(errand)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "errand",
    [
        Errand(What.SHOW_KEY, "hub/node0", "base"),
        Errand(What.DELETE_KEY, None, force=True),
        Errand(What.IMPORT_KEY, "hub/node0", body=BroughtPrivateKey(private_key=SecretStr(SECRET))),
        Errand(What.ENROLL, "hub/node0", body=EnrollmentWanted(user="u", password=SecretStr(SECRET))),
        Errand(
            What.REQUEST,
            "hub/node0",
            body=WantedCertificate.model_validate(
                {
                    "algorithm": "RSA",
                    "rsa_key_size": 2304,
                    "subject_alt_names": [{"type": "dns", "value": "a"}],
                }
            ),
        ),
    ],
)
def test_an_errand_arrives_as_it_was_sent(errand: Errand) -> None:
    assert errands.read(errand.written()) == errand


@pytest.mark.parametrize(
    "written", [b"", b"{}", b"null", b'{"what":"x"}', b'{"what":"import-key","body":{}}']
)
def test_what_is_no_errand_is_refused(written: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        errands.read(written)


def test_an_errand_is_done_where_the_node_runs_and_no_secret_can_be_read_on_its_way() -> None:
    desk = FakeDesk(schemas.SigningRequest(csr="pem"))
    errand = Errand(What.IMPORT_KEY, "hub/node0", body=BroughtPrivateKey(private_key=SecretStr(SECRET)))

    answer, sent = asyncio.run(carried(desk, errand))

    assert answer == schemas.SigningRequest(csr="pem")
    assert desk.asked == [errand]
    (told,) = sent
    assert SealedErrand in PROGRAM.registry
    assert SECRET.encode() not in told.sealed
    assert SECRET not in repr(told) + repr(errand)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Misconfigured("it is in use"), 409),
        (NotFound("there is none"), 404),
        (TooManyWait("too many wait"), 503),
        (Unavailable("not done in time"), 503),
    ],
)
def test_what_is_refused_there_is_refused_here_with_its_status(fault: Exception, status: int) -> None:
    with pytest.raises(Denied, match=str(fault)) as denied:
        asyncio.run(carried(FakeDesk(fault), Errand(What.SHOW_KEY, "hub/node0")))

    assert denied.value.status == status


@pytest.mark.parametrize("key", ["another key", "another host"])
def test_an_errand_that_was_not_sealed_for_this_host_is_not_done(key: str) -> None:
    desk = FakeDesk(schemas.SigningRequest(csr="pem"))
    here, theirs = ("core-1", b"k") if key == "another host" else ("core-0", b"x")

    with pytest.raises(Denied) as denied:
        asyncio.run(carried(desk, Errand(What.SHOW_KEY, "hub/node0"), here=here, theirs=theirs))

    assert denied.value.status == 503
    assert desk.asked == []


@pytest.mark.parametrize(
    ("node", "fault", "says"),
    [
        (None, NotFound, "2 nodes run here"),
        ("east/node0", NotFound, "there is no node 'east/node0' here"),
        ("x" * 5_000, NotFound, "there is no node"),
        ("lost/node0", Unavailable, "no machine has its address"),
    ],
)
def test_a_node_without_a_place_is_told_of(node: str | None, fault: type[Exception], says: str) -> None:
    with pytest.raises(fault, match=says) as told:
        place_of(PLACED, node)

    assert len(str(told.value)) < 200


def test_the_only_node_need_not_be_named() -> None:
    assert place_of(replace(PLACED, nodes=PLACED.nodes[:1]), None) == ("hub/node0", "core-0")


def test_a_door_without_its_files_is_shut_and_opens_when_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "AGAIN_AFTER", 0.01)
    settings = RemoteSettings(
        ("127.0.0.1", free_port()), tmp_path / "api.pem", tmp_path / "api.key", tmp_path / "tokens"
    )

    async def scenario() -> None:
        machine = MachineDoor(settings, "edge")
        opening = asyncio.create_task(machine.keep_open(Api(nobody, cast("Any", None))))
        await until(lambda: "api.key" in machine.fault)
        with pytest.raises(NotFound, match="shut on this machine"):
            machine.known()
        (shut,) = machine.alarms(CLOCK)
        assert "the admin API over TCP is shut on edge" in shut.message
        certify_api(tmp_path, two_routers(tmp_path).ca)
        await until(lambda: "tokens" in machine.fault)
        add_token(tmp_path / "tokens", "alice", Role.WRITE, CLOCK)
        await until(lambda: not machine.fault)
        assert [each.name for each in machine.known()] == ["alice"]

        add_token(tmp_path / "tokens", "bob", Role.READ, CLOCK)
        machine.look_again()
        await until(lambda: len(machine.known()) == 2)
        (tmp_path / "tokens").chmod(0o644)
        with pytest.raises(Misconfigured, match="others can read it"):
            machine.check()
        (tmp_path / "tokens").chmod(0o600)
        machine.revoke("bob")
        assert [each.name for each in machine.known()] == ["alice"]
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    asyncio.run(scenario())


# --- helpers --------------------------------------------------------------------------------------


async def carried(
    desk: FakeDesk, errand: Errand, here: str = "core-0", theirs: bytes = b"k"
) -> tuple[schemas.Document, list[SealedErrand]]:
    """Have an errand done by the custodian of one host; return the answer and what was sent."""
    sent: list[SealedErrand] = []

    async def placed() -> PlacementStatus:
        await asyncio.sleep(0)
        return PLACED

    async with LocalSystem(speakable=(RuntimeFault,)) as system:
        actor = system.spawn(lambda: Custodian(desk, sealer(theirs), here), CUSTODIAN)

        class Line:
            async def ask(self, question: SealedErrand, within: Any) -> Any:  # noqa: ANN401 - as a reference
                sent.append(question)
                return await actor.ask(question, within)

        def ref(name: str) -> Any:  # noqa: ANN401 - a line to it
            assert name == "//core-0/custodian"
            return Line()

        answer = await ClusterDesk(placed, ref, sealer()).done(errand, schemas.SigningRequest)
    return answer, sent


async def nobody(*_: object) -> None:
    """Be an application that nobody asks."""


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not look():  # noqa: ASYNC110 - files and sockets tell nobody
            await asyncio.sleep(0.01)
