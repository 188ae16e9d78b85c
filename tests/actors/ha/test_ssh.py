"""The link over real SSH on this machine: two keys, one channel, and nothing besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio

from actors.ha import ssh
from actors.ha.ssh_ends import MAXIMUM_STRANGERS
from actors.ha.transport import AttemptFailed, ChannelLost, ChannelOpened, KeyRefused, WrongKey
from tests.actors.ha.ends import Pair, other_key, until


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    yield made
    await made.close()


async def test_two_ends_that_know_each_other_have_a_channel_that_carries_both_ways_in_order(
    pair: Pair,
) -> None:
    listener, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    sent = [bytes([number]) * 50_000 for number in range(40)]
    one, two = await here.opened(), await there.opened()
    for each in sent:
        dialer.send(one, each)
        listener.send(two, each)
    await until(lambda: len(here.data) == len(there.data) == 2_000_000)
    assert here.data == there.data == b"".join(sent)


async def test_a_host_with_another_key_is_refused_and_told_by_its_fingerprint(
    pair: Pair, tmp_path: Path
) -> None:
    pair.listens = other_key(pair.listens, tmp_path)
    _, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await until(lambda: bool(here.words))
    shown = asyncssh.import_public_key(pair.listens.public_key).get_fingerprint()
    assert here.words == [KeyRefused(WrongKey.HOST, shown, by_mate=False)]
    assert there.words == []


async def test_a_client_with_another_key_is_refused_and_told_at_both_ends(pair: Pair, tmp_path: Path) -> None:
    stranger = other_key(pair.connects, tmp_path)
    _, there = await pair.listening()
    dialer, here = pair.open(stranger)
    dialer.attempt()
    await until(lambda: bool(here.words) and bool(there.words))
    shown = asyncssh.import_public_key(stranger.public_key).get_fingerprint()
    assert there.words == [KeyRefused(WrongKey.CLIENT, shown, by_mate=False)]
    assert here.words == [KeyRefused(WrongKey.CLIENT, shown, by_mate=True)]


async def test_a_key_file_that_cannot_be_used_is_said_and_tried_again_when_it_is_mended(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.listening()
    share(pair, 0o644)
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await until(lambda: bool(here.words))
    (failed,) = here.words
    assert isinstance(failed, AttemptFailed)
    assert "others can read it" in failed.reason
    share(pair, 0o600)
    dialer.attempt()
    await here.opened()


async def test_where_nobody_listens_the_attempt_fails_and_a_later_one_succeeds(pair: Pair) -> None:
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await until(lambda: bool(here.of(AttemptFailed)))
    await pair.listening()
    dialer.attempt()
    await here.opened()


async def test_a_port_that_is_taken_is_said(pair: Pair) -> None:
    await pair.listening()
    second, told = pair.open(pair.listens)
    second.attempt()
    await until(lambda: bool(told.words))
    (failed,) = told.words
    assert isinstance(failed, AttemptFailed)
    assert f"cannot listen on {pair.listens.local}" in failed.reason


async def test_what_is_sent_before_the_channel_is_dropped_arrives(pair: Pair) -> None:
    listener, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await here.opened()
    channel = await there.opened()
    listener.send(channel, b"a last word")
    listener.drop(channel)
    await here.lost()
    assert here.data == b"a last word"
    assert there.of(ChannelLost) == []


async def test_a_mate_that_connects_again_takes_the_place_of_its_earlier_channel(pair: Pair) -> None:
    _, there = await pair.listening()
    first, _ = pair.open(pair.connects)
    second, _ = pair.open(pair.connects)
    first.attempt()
    assert await there.opened() == 1
    second.attempt()
    assert await there.opened(2) == 2
    kinds = [type(word) for word in there.words]
    assert kinds == [ChannelOpened, ChannelLost, ChannelOpened]


async def test_a_node_that_does_not_keep_up_loses_the_channel_and_not_its_memory(pair: Pair) -> None:
    _, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    one = await here.opened()
    await there.opened()
    there.room = False
    dialer.send(one, b"too much")
    await here.lost()


async def test_a_mate_that_does_not_read_is_given_up_before_much_waits(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "MAXIMUM_WAITING_BYTES", 100_000)
    _, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    channel = await here.opened()
    await there.opened()
    dialer.send(channel, bytes(100_001))
    assert here.words[-1] == ChannelLost(channel, "the mate does not read")
    await there.lost()


async def test_strangers_are_few_at_a_time_and_gone_after_the_time_of_a_handshake(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "HANDSHAKE_WITHIN", 0.5)
    await pair.listening()
    local = pair.listens.local
    silent = [await asyncio.open_connection(local.address, local.port) for _ in range(MAXIMUM_STRANGERS)]
    greetings = [await reader.readline() for reader, _ in silent]
    assert greetings == [b"SSH-2.0-peerkey\r\n"] * MAXIMUM_STRANGERS
    one_more = await asyncio.open_connection(local.address, local.port)
    assert await rest(one_more[0]) == b"", "it is not even greeted"
    for reader, writer in [*silent, one_more]:
        await rest(reader)
        writer.close()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await here.opened()


async def test_the_mate_with_its_key_gets_one_subsystem_and_no_more(pair: Pair) -> None:
    await pair.listening()
    remote = pair.listens.local
    async with asyncssh.connect(
        remote.address,
        remote.port,
        client_keys=[pair.connects.key_file],
        known_hosts=None,
        config=None,
        agent_path=None,
        username="anybody",
    ) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run("id")
        with pytest.raises(asyncssh.Error):
            await connection.open_connection("127.0.0.1", 22)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22)


async def test_nothing_that_is_sent_reaches_a_log(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    listener, there = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    one, two = await here.opened(), await there.opened()
    dialer.send(one, b"a secret of ours")
    listener.send(two, b"a secret of theirs")
    await until(lambda: bool(here.data) and bool(there.data))
    assert "secret" not in caplog.text
    assert "secret" not in repr((here.words, there.words))
    assert not [record for record in caplog.records if record.name.startswith("asyncssh")]


async def test_ends_that_are_closed_leave_nothing(pair: Pair) -> None:
    before = asyncio.all_tasks()
    listener, _ = await pair.listening()
    dialer, here = pair.open(pair.connects)
    dialer.attempt()
    await here.opened()
    dialer.close()
    listener.close()
    await until(lambda: asyncio.all_tasks() == before)
    dialer.attempt()
    listener.attempt()
    assert asyncio.all_tasks() == before


async def test_the_plan_says_which_key_is_expected_and_not_who_came_first(pair: Pair, tmp_path: Path) -> None:
    changed = other_key(pair.connects, tmp_path)
    pair.listens = replace(pair.listens, mate_public_key=changed.public_key)
    await pair.listening()
    former, told = pair.open(pair.connects)
    former.attempt()
    await until(lambda: bool(told.of(KeyRefused)))
    dialer, here = pair.open(changed)
    dialer.attempt()
    await here.opened()


# --- helpers --------------------------------------------------------------------------------------


def share(pair: Pair, mode: int) -> None:
    Path(pair.connects.key_file).chmod(mode)


async def rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
