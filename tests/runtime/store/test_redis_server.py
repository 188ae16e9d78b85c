"""The servers that the Redis store refuses, those that refuse it, and what it says."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.testing.ca import TestCA
from runtime.errors import StoreUnavailable, StoreUnusable
from runtime.store.port import Delete, Put, Record
from runtime.store.redis import RedisStore
from runtime.store.redis_examination import faults
from runtime.store.redis_link import RedisLink
from runtime.store.redis_server import RedisServer
from tests.support.nginx import certify
from tests.support.ports import free_port
from tests.support.redis_server import Redis, redis_server

ROOT = Path(__file__).parents[3]

PASSWORD = "correct horse battery staple"  # noqa: S105 - of servers that last for a test

#: For what is expected to fail by waiting.
SHORT = timedelta(seconds=0.5)


# --- what it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("appendonly", "no", r"put into its configuration appendonly yes \(it is no\)"),
        ("appendfsync", "everysec", r"put into its configuration appendfsync always \(it is everysec\)"),
        ("no-appendfsync-on-rewrite", "yes", r"no-appendfsync-on-rewrite no \(it is yes\)"),
        ("maxmemory-policy", "allkeys-lru", r"maxmemory-policy noeviction \(it is allkeys-lru\)"),
        ("replicaof", "127.0.0.1 1", r"is a replica: name its primary, 127\.0\.0\.1:1"),
        ("rename-command", 'CONFIG ""', r"lacks a command of docs/formats/redis\.md: .*'CONFIG'"),
        ("cluster-enabled", "yes", r"runs as cluster: name a server that has all keys by itself"),
    ],
)
async def test_a_server_that_could_lose_a_record_is_refused_with_what_to_do(
    setting: str, value: str, told: str
) -> None:
    with redis_server({setting: value}) as server:
        with pytest.raises(StoreUnusable, match=told) as refused:
            await server.store()
        assert "\n" not in str(refused.value)
        assert server.ask("DBSIZE") == b"0\n"


def test_an_old_server_is_refused() -> None:
    settings = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
    }
    info = {"redis_version": "6.2.14", "redis_mode": "standalone", "role": "master"}
    assert list(faults(info, settings)) == ["version 6.2.14 is too old: install 7.0 or newer"]
    assert list(faults({**info, "redis_version": "10.0"}, settings)) == []
    assert len(list(faults({}, {}))) == 4


async def test_nobody_there_is_told_within_the_deadline(tmp_path: Path) -> None:
    with pytest.raises(
        StoreUnavailable, match=r"redis://127\.0\.0\.1:\d+/0: cannot be reached: .*within 0\.5 s"
    ):
        await RedisStore.open(RedisServer.at(f"redis://127.0.0.1:{free_port()}"), "fleet", patience=SHORT)


async def test_data_of_a_newer_version_is_refused_and_left_alone(server: Redis) -> None:
    server.ask("HSET", "peerkey:fleet", "layout", "2", "identity", "theirs", "state", "as they like")
    with pytest.raises(StoreUnusable, match=r"newer version \(layout 2, known 1\)"):
        await server.store()
    assert server.fields("peerkey:fleet") == {"layout": "2", "identity": "theirs", "state": "as they like"}


async def test_a_newer_version_that_takes_over_meanwhile_stops_an_older_one(server: Redis) -> None:
    store = await server.store()
    epoch = await store.activate("node")
    server.ask("HSET", "peerkey:fleet", "layout", "2")
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="newer version"):
            await store.write("node", epoch, "ring", b"old", 0)
    assert server.fields("peerkey:fleet:node") == {"epoch": "1"}
    await store.close()


@pytest.mark.parametrize("command", ["SET peerkey:fleet theirs", "HSET peerkey:fleet a b"])
async def test_a_namespace_of_another_program_is_refused(server: Redis, command: str) -> None:
    server.ask(*command.split())
    with pytest.raises(StoreUnusable, match="another program"):
        await server.store()


async def test_a_key_of_another_program_in_our_place_is_told(server: Redis) -> None:
    store = await server.store()
    server.ask("SET", "peerkey:fleet:node", "theirs")
    with pytest.raises(StoreUnusable, match="another program"):
        await store.activate("node")
    assert await store.activate("other") == 1
    assert server.ask("GET", "peerkey:fleet:node") == b"theirs\n"
    await store.close()


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a*", "x" * 65])
async def test_a_name_that_could_be_taken_for_another_is_refused(server: Redis, name: str) -> None:
    with pytest.raises(StoreUnusable, match="cannot name records"):
        await server.store(name)


# --- who asks ---------------------------------------------------------------------------------------


async def test_a_wrong_password_is_told_and_the_right_one_works(tmp_path: Path) -> None:
    with redis_server({"requirepass": f'"{PASSWORD}"'}) as server:
        with pytest.raises(StoreUnusable, match="refuses user and password"):
            await server.store()
        with pytest.raises(StoreUnusable, match="refuses user and password"):
            await RedisStore.open(server.address(password_file=password_file(tmp_path, "wrong")), "fleet")
        store = await RedisStore.open(
            server.address(password_file=password_file(tmp_path, PASSWORD)), "fleet"
        )
        assert await store.activate("node") == 1
        await store.close()


async def test_the_password_is_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = password_file(tmp_path, PASSWORD)
    with redis_server({"requirepass": '"another one"'}) as server:
        address = server.address(password_file=file)
        with pytest.raises(StoreUnusable) as refused:
            await RedisStore.open(address, "fleet")
    link = RedisLink(address, "fleet", Random(0))
    shown = [str(address), repr(address), str(link), repr(link), repr(vars(link)), repr(vars(address.wire()))]
    shown += [caplog.text, "".join(traceback.format_exception(refused.value))]
    error: BaseException | None = refused.value
    while error is not None:
        shown.append(repr(error.args))
        error = error.__cause__ or error.__context__
    assert [text for text in shown if PASSWORD in text] == []


async def test_a_password_that_is_changed_while_the_system_runs_is_read_anew(tmp_path: Path) -> None:
    file = password_file(tmp_path, "the first")
    with redis_server({"requirepass": '"the first"'}) as server:
        store = await RedisStore.open(server.address(password_file=file), "fleet")
        server.kill()
        password_file(tmp_path, "the second")
        server.start(requirepass='"the second"')
        assert await store.activate("node") == 1
        await store.close()


async def test_the_rights_of_the_document_are_enough(tmp_path: Path) -> None:
    text = (ROOT / "docs/formats/redis.md").read_text()
    (rule,) = re.findall(r"^(ACL SETUSER peerkey .*)$", text, re.MULTILINE)
    with redis_server() as server:
        assert server.ask(*rule.replace("PASSWORD", "secret").split()) == b"OK\n"
        store = await RedisStore.open(
            server.address(user="peerkey", password_file=password_file(tmp_path, "secret")), "fleet"
        )
        epoch = await store.activate("node")
        await store.commit("node", epoch, [Put("a", b"", 0), Put("b", b"", 0)])
        await store.commit("node", epoch, [Put("a", b"", 1), Delete("b", 1)])
        assert [record.name for record in await store.scan("node")] == ["a"]
        server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await store.read("node", "a") == Record("a", 2, epoch, b"")
        await store.close()
        assert server.ask("ACL", "LOG") == b"\n"


async def test_a_right_that_is_lacking_is_named(tmp_path: Path) -> None:
    with redis_server() as server:
        server.ask("ACL", "SETUSER", "peerkey", "on", ">secret", "~*", "+@all", "-config|get")
        with pytest.raises(StoreUnusable, match=r"lacks a right of docs/formats/redis\.md: .*'config|get'"):
            await RedisStore.open(
                server.address(user="peerkey", password_file=password_file(tmp_path, "secret")), "fleet"
            )


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (b"hunter2", 0o604, "everybody can use it"),
        (b"hunter2", 0o602, "everybody can use it"),
        (b"", 0o600, "one line"),
        (b"\nhunter2", 0o600, "one line"),
        (b"\xff\xfe", 0o600, "one line"),
        (b"s" * 5000, 0o600, "one line"),
        (None, 0, "cannot be read: No such file"),
    ],
)
async def test_a_file_that_is_no_secret_is_refused(
    server: Redis, tmp_path: Path, content: bytes | None, mode: int, told: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(StoreUnusable, match=told) as refused:
        await RedisStore.open(server.address(password_file=file), "fleet")
    assert "hunter2" not in str(refused.value)
    assert str(file) in str(refused.value)


async def test_a_server_is_believed_by_its_certificate_alone(tmp_path: Path) -> None:
    with tls_server(tmp_path, "no") as (address, ca_file):
        store = await RedisStore.open(RedisServer.at(address, ca_file=ca_file), "fleet")
        assert await store.activate("node") == 1
        await store.close()
        other = pem(TestCA("others", now=now()), tmp_path / "others.pem")
        for how in ({"ca_file": other}, {}):
            with pytest.raises(
                StoreUnusable, match=r"its certificate is not trusted: .*: name who issued it"
            ):
                await RedisStore.open(RedisServer.at(address, **how), "fleet")
        with pytest.raises(StoreUnusable, match=r"not trusted: .*localhost"):
            await RedisStore.open(
                RedisServer.at(address.replace("127.0.0.1", "localhost"), ca_file=ca_file), "fleet"
            )
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await RedisStore.open(RedisServer.at(address.replace("rediss", "redis")), "fleet", patience=SHORT)
        with pytest.raises(StoreUnusable, match=r"cannot use .*missing\.pem: No such file"):
            await RedisStore.open(RedisServer.at(address, ca_file=tmp_path / "missing.pem"), "fleet")


async def test_where_an_authority_is_named_those_of_the_machine_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, "no") as (address, ca_file):
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        await (await RedisStore.open(RedisServer.at(address), "fleet")).close()
        other = pem(TestCA("others", now=now()), tmp_path / "others.pem")
        with pytest.raises(StoreUnusable, match="its certificate is not trusted"):
            await RedisStore.open(RedisServer.at(address, ca_file=other), "fleet")


async def test_a_server_that_asks_for_a_certificate_gets_one(tmp_path: Path) -> None:
    with tls_server(tmp_path, "yes") as (address, ca_file):
        with pytest.raises(StoreUnavailable):
            await RedisStore.open(RedisServer.at(address, ca_file=ca_file), "fleet", patience=SHORT)
        store = await RedisStore.open(
            RedisServer.at(
                address,
                ca_file=ca_file,
                certificate_file=tmp_path / "server.pem",
                key_file=tmp_path / "server.key",
            ),
            "fleet",
        )
        assert await store.activate("node") == 1
        await store.close()


@pytest.mark.parametrize(
    ("address", "shown", "user"),
    [
        ("redis://store.example", "redis://store.example:6379/0", ""),
        ("redis://east@store.example:7000/3", "redis://store.example:7000/3", "east"),
        ("rediss://e%40st@[2001:db8::1]/", "rediss://[2001:db8::1]:6379/0", "e@st"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock", ""),
        ("unix://east@/run/redis.sock", "unix:///run/redis.sock", "east"),
    ],
)
def test_an_address_is_read(address: str, shown: str, user: str) -> None:
    server = RedisServer.at(address)
    assert (str(server), server.user) == (shown, user)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "store.example",
        "http://store.example",
        "redis://",
        "redis://a:b/0",
        "redis://a/x",
        "redis://a/0?x=1",
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_it_may_have(address: str) -> None:
    with pytest.raises(StoreUnusable, match=r"redis://\[USER@\]HOST"):
        RedisServer.at(address)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(StoreUnusable, match="put it into a file") as refused:
        RedisServer.at("redis://east:hunter2@store.example")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None


# --- helpers ---------------------------------------------------------------------------------------


@contextmanager
def tls_server(folder: Path, clients: str) -> Iterator[tuple[str, Path]]:
    """Run a server under TLS; yield its address and the file with who vouches for it."""
    ca = TestCA("servers", now=now())
    certify(folder, ca)
    ca_file = pem(ca, folder / "ca.pem")
    port = free_port()
    settings = {
        "tls-port": str(port),
        "tls-cert-file": str(folder / "server.pem"),
        "tls-key-file": str(folder / "server.key"),
        "tls-ca-cert-file": str(ca_file),
        "tls-auth-clients": clients,
    }
    with redis_server(settings):
        yield f"rediss://127.0.0.1:{port}", ca_file


def password_file(folder: Path, password: str) -> Path:
    file = folder / "password"
    file.write_text(f"{password}\n")
    file.chmod(0o640)
    return file


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def pem(ca: TestCA, file: Path) -> Path:
    file.write_bytes(ca.root.certificate.public_bytes(Encoding.PEM))
    return file
