"""OpenSSH's own client and server at the other end of the link: accepted or refused as their keys deserve."""

from __future__ import annotations

import asyncio
import getpass
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from actors.ha import ssh_ends
from actors.ha.ssh_keys import create_ssh_key
from actors.ha.transport import AttemptFailed, ChannelOpened, KeyRefused, WrongKey
from tests.actors.ha.ends import Pair, answers, other_key, until

SSHD = "/usr/sbin/sshd"


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    if shutil.which("ssh") is None:
        pytest.skip("ssh is missing: apt-get install openssh-client")
    made = Pair(tmp_path)
    yield made
    await made.close()


async def test_their_client_with_the_mates_key_has_the_channel(pair: Pair, tmp_path: Path) -> None:
    listener, there = await pair.listening()
    process = await client(pair, tmp_path, "-s", "peerkey-ha")
    channel = await there.opened()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"from OpenSSH")
    await until(lambda: there.data == b"from OpenSSH")
    listener.send(channel, b"to OpenSSH")
    assert await process.stdout.readexactly(10) == b"to OpenSSH"
    process.stdin.close()
    await there.lost()
    await process.wait()


async def test_their_client_with_another_key_is_refused_and_told(pair: Pair, tmp_path: Path) -> None:
    _, there = await pair.listening()
    create_ssh_key(tmp_path / "stranger.key", replace=False)
    status, said = await ended(await client(pair, tmp_path, "-s", "peerkey-ha", key="stranger.key"))
    assert status == 255
    assert "Permission denied (publickey)" in said
    (refused,) = there.words
    assert isinstance(refused, KeyRefused)
    assert (refused.which, refused.by_mate) == (WrongKey.CLIENT, False)


async def test_their_client_that_knows_another_host_key_refuses_us(pair: Pair, tmp_path: Path) -> None:
    _, there = await pair.listening()
    pair.listens = other_key(pair.listens, tmp_path)
    status, said = await ended(await client(pair, tmp_path, "-s", "peerkey-ha"))
    assert status == 255
    assert "Host key verification failed" in said
    assert there.of(ChannelOpened) == []


@pytest.mark.parametrize(
    "words",
    [
        ("id",),
        ("-tt",),
        ("-s", "sftp"),
        ("-W", "127.0.0.1:22"),
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"),
    ],
)
async def test_their_client_gets_no_command_shell_sftp_or_forwarding(
    pair: Pair, tmp_path: Path, words: tuple[str, ...]
) -> None:
    _, there = await pair.listening()
    status, _ = await ended(await client(pair, tmp_path, *words))
    assert status != 0
    assert there.of(ChannelOpened) == []


@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "Ciphers=aes256-ctr",
        "HostKeyAlgorithms=rsa-sha2-512",
    ],
)
async def test_their_client_with_older_algorithms_finds_none_in_common(
    pair: Pair, tmp_path: Path, option: str
) -> None:
    await pair.listening()
    status, said = await ended(await client(pair, tmp_path, "-o", option, "-s", "peerkey-ha"))
    assert status == 255
    assert "no matching" in said or "Unable to negotiate" in said


async def test_passwords_and_keyboards_are_not_offered(pair: Pair, tmp_path: Path) -> None:
    await pair.listening()
    _, said = await ended(await client(pair, tmp_path, "-o", "PubkeyAuthentication=no", "-s", "peerkey-ha"))
    assert "Permission denied (publickey)" in said


async def test_their_server_with_the_mates_keys_is_accepted(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_ends, "USER", getpass.getuser())
    async with server(pair, tmp_path):
        dialer, here = pair.open(pair.connects)
        dialer.attempt()
        channel = await here.opened()
        # Their server has `cat` as the subsystem.
        dialer.send(channel, b"there and back")
        await until(lambda: here.data == b"there and back")
        dialer.drop(channel)


async def test_their_server_with_another_host_key_is_refused(pair: Pair, tmp_path: Path) -> None:
    pair.listens = other_key(pair.listens, tmp_path)
    async with server(pair, tmp_path):
        dialer, here = pair.open(pair.connects)
        dialer.attempt()
        await until(lambda: bool(here.words))
        (refused,) = here.words
        assert isinstance(refused, KeyRefused)
        assert (refused.which, refused.by_mate) == (WrongKey.HOST, False)


async def test_their_server_that_does_not_know_us_refuses_us(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_ends, "USER", getpass.getuser())
    async with server(pair, tmp_path):
        dialer, here = pair.open(other_key(pair.connects, tmp_path))
        dialer.attempt()
        await until(lambda: bool(here.words))
        (refused,) = here.words
        assert isinstance(refused, KeyRefused)
        assert (refused.which, refused.by_mate) == (WrongKey.CLIENT, True)


async def test_their_server_without_the_subsystem_is_no_mate(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_ends, "USER", getpass.getuser())
    async with server(pair, tmp_path, subsystem=""):
        dialer, here = pair.open(pair.connects)
        dialer.attempt()
        await until(lambda: bool(here.words))
        (failed,) = here.words
        assert isinstance(failed, AttemptFailed)


# --- helpers --------------------------------------------------------------------------------------


async def client(pair: Pair, folder: Path, *words: str, key: str = "first.key") -> asyncio.subprocess.Process:
    """Start OpenSSH's client at the end that listens, whose host key it knows."""
    local = pair.listens.local
    known = folder / "known_hosts"
    known.write_text(f"[{local.address}]:{local.port} {pair.listens.public_key}\n")
    options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}")
    return await asyncio.create_subprocess_exec(
        *("ssh", "-F", "none", "-i", str(folder / key), "-p", str(local.port), "-o", "BatchMode=yes"),
        *(word for option in options for word in ("-o", option)),
        # It reads options also behind the name of the host.
        *("anybody@127.0.0.1", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def server(pair: Pair, folder: Path, *, subsystem: str = "/bin/cat") -> AsyncIterator[None]:
    """Run OpenSSH's server in the place of the mate: its keys, and one subsystem."""
    if not Path(SSHD).exists():  # noqa: ASYNC240 - nobody waits
        pytest.skip("sshd is missing: apt-get install openssh-server")
    local = pair.listens.local
    (folder / "authorized").write_text(f"{pair.connects.public_key}\n")
    settings = [
        f"ListenAddress {local.address}:{local.port}",
        f"HostKey {pair.listens.key_file}",
        f"AuthorizedKeysFile {folder / 'authorized'}",
        "PidFile none",
        "UsePAM no",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        *([f"Subsystem peerkey-ha {subsystem}"] if subsystem else []),
    ]
    (folder / "sshd_config").write_text("\n".join(settings) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)  # noqa: ASYNC240 - where it parts its privileges
    process = await asyncio.create_subprocess_exec(
        *(SSHD, "-D", "-e", "-f", str(folder / "sshd_config")), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: answers(local.port))
        yield
    finally:
        process.terminate()
        await process.wait()
