"""The parts that a fleet on a cluster is composed of: what hosts are told, their store, and the seat."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Any, cast

import pytest

from actors.crl.roles import Lead
from actors.keystores.stores import KeyStores
from peerkey.errors import Misconfigured
from peerkey_cli.cluster import worker
from peerkey_cli.cluster.seat import Seat
from peerkey_cli.cluster.settings import ClusterSettings, RedisSettings, namespace_of
from peerkey_cli.cluster.stores import incarnation, opened
from peerkey_cli.state import DirectoryInUse, StateDirectory
from runtime.cluster.placement import Placement
from runtime.store.redis_server import RedisServer
from tests.cli.commands import peerkey


def settings(state: Path) -> ClusterSettings:
    return ClusterSettings(authority="demo", file=Path("/etc/peerkey/authority.yaml"), state=state, hosts=2)


def test_settings_arrive_as_they_were_sent(tmp_path: Path) -> None:
    sent = ClusterSettings(
        authority="Acme, Inc.",
        file=Path("/etc/peerkey/authority.yaml"),
        nodes=("hub/node0",),
        state=tmp_path,
        placement=Placement.NODE,
        hosts=4,
        redis=RedisSettings(address="rediss://store:6379", password_file=Path("/run/redis.password")),
        metrics=("127.0.0.1", 9464),
    )

    assert ClusterSettings.read(sent.argument()) == sent


def test_no_password_can_stand_in_the_settings() -> None:
    with pytest.raises(Exception, match="password in it"):
        RedisServer.at("redis://:secret@127.0.0.1")


@pytest.mark.parametrize(
    ("authority", "namespace"),
    [("demo", "demo"), ("a" * 64, "a" * 64), ("Acme, Inc.", "Acme-Inc.-6d1d9a2d2f3a6d9f")],
)
def test_a_namespace_has_only_what_redis_and_ray_take(authority: str, namespace: str) -> None:
    found = namespace_of(authority)

    assert found.rpartition("-")[0] == namespace.rpartition("-")[0]
    assert len(found) <= 64
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_two_authorities_never_share_a_namespace() -> None:
    names = ["a b", "a  b", "a,b", "a-b", "a" * 65, "a" * 66]

    assert len({namespace_of(name) for name in names}) == len(names)


def test_one_host_has_the_seat_and_the_others_know_which(tmp_path: Path) -> None:
    first, second = Seat(tmp_path / "lock", "east-0"), Seat(tmp_path / "lock", "east-1")

    assert first.try_to_take()
    assert not second.try_to_take()
    assert second.holder == "east-0"
    first.leave()
    assert second.try_to_take()
    assert second.holder == "east-1"
    assert not first.try_to_take()
    assert first.holder == "east-1"
    second.leave()


def test_a_system_of_one_router_and_a_host_do_not_share_a_directory(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.prepare()
    seat = Seat(state.lock, "east-0")
    assert seat.try_to_take()

    with pytest.raises(DirectoryInUse, match="east-0"), state.held():
        pass

    seat.leave()
    with state.held():
        assert not seat.try_to_take()


def test_the_seat_is_free_when_its_process_has_died(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        Seat(tmp_path / "lock", "east-0").try_to_take()
        os._exit(0)
    os.waitpid(child, 0)

    assert Seat(tmp_path / "lock", "east-1").try_to_take()


class Told:
    """Stands for an authority: what it was told."""

    def __init__(self) -> None:
        self.words: list[object] = []

    def offer(self, word: object) -> bool:
        self.words.append(word)
        return True


class Silent:
    """Speaks for its machine, and has nothing to say."""

    async def speak(self) -> None:
        await asyncio.Event().wait()


def test_a_disk_that_refuses_the_seat_for_a_while_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat, told = Seat(tmp_path / "missing" / "lock", "east-0"), Told()
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.01)

    async def scenario() -> None:
        taking = asyncio.create_task(worker.take_seat(seat, cast("Any", told), cast("Any", Silent())))
        await asyncio.sleep(0.05)
        (tmp_path / "missing").mkdir()
        async with asyncio.timeout(30):
            while Lead() not in told.words:
                assert not taking.done()
                await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)

    asyncio.run(scenario())
    seat.leave()


def test_a_lock_that_was_taken_by_something_else_names_nobody(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        seat = Seat(tmp_path / "lock", "east-0")

        assert not seat.try_to_take()
        assert seat.holder == ""


def test_a_machine_without_the_sealing_key_makes_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(settings(tmp_path), "east-0"):
            pass

    with pytest.raises(Misconfigured, match=r"sealing\.key is missing on this machine: copy it"):
        asyncio.run(scenario())
    assert not (tmp_path / "sealing.key").exists()


def test_another_sealing_key_is_told_before_anything_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(settings(tmp_path), "east-0"):
            pass

    key = StateDirectory(tmp_path).sealing_key
    KeyStores(key).sealing_key()
    asyncio.run(scenario())
    asyncio.run(scenario())
    key.unlink()
    KeyStores(key).sealing_key()

    with pytest.raises(Misconfigured, match="does not open what is at"):
        asyncio.run(scenario())


def test_each_process_of_a_host_has_a_greater_number(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        return [await incarnation(settings(tmp_path), "east-0") for _ in range(3)]

    assert asyncio.run(scenario()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "nosuch"], "there are `local` and `ray`"),
        (["--redis", "127.0.0.1:6379"], "--redis: these go with --runtime ray"),
        (["--detach"], "--detach: these go with --runtime ray"),
        (["--runtime", "ray", "--detach"], "a cluster that this command starts ends with it"),
        (["--runtime", "ray", "--api", "unix:/tmp/x"], "on a cluster the Unix socket is api.sock"),
        (["--runtime", "ray", "--ray-address", "nonsense"], "is no address of a cluster"),
        (["--runtime", "ray", "--ray-address", "127.0.0.1:9"], "no cluster at 127.0.0.1:9"),
        (["--runtime", "ray", "--redis", "redis://:word@127.0.0.1"], "password in it"),
        (["--runtime", "ray", "--redis", "unix:///nowhere/socket"], "/nowhere/socket"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    file = Path(__file__).parents[2] / "examples" / "two-routers" / "authority.yaml"

    done = peerkey("run", file, "--state-dir", tmp_path / "state", *words)

    assert done.exit_code != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "word@" not in done.stderr
