"""The files of ``deploy/redis``: a server that loses nothing, and users who cannot reach the other's keys."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from runtime.store.redis import RedisStore
from runtime.store.redis_examination import SETTINGS
from runtime.store.redis_server import RedisServer
from tests.deploy.sources import ROOT

CONF = (ROOT / "deploy" / "redis" / "redis.conf").read_text("utf-8")
USERS = (ROOT / "deploy" / "redis" / "users.acl").read_text("utf-8")
#: Who asks in the tests.
JUDGE = "user judge on nopass +acl +ping\n"
#: Far more than a server needs to answer or to give up.
BOUND = 30.0

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="install redis-server: apt install redis-server"
)


def test_the_server_loses_nothing() -> None:
    assert _settings(CONF).items() >= SETTINGS.items()


def test_the_server_speaks_only_tls() -> None:
    settings = _settings(CONF)

    assert settings["port"] == "0"
    assert settings["tls-port"] == "6379"


def test_kubernetes_has_the_same_server() -> None:
    documents = yaml.safe_load_all((ROOT / "deploy" / "kuberay" / "redis.yaml").read_text("utf-8"))
    theirs = _settings(next(d for d in documents if d["kind"] == "ConfigMap")["data"]["redis.conf"])
    own = _settings(CONF)

    # Where its files are, how much it may hold, and who starts it.
    for name in ("aclfile", "dir", "maxmemory", "supervised"):
        own.pop(name)
        theirs.pop(name, None)
    assert theirs == own


def test_the_rights_of_peerkey_are_those_that_the_format_names() -> None:
    text = (ROOT / "docs" / "formats" / "redis.md").read_text("utf-8")
    (said,) = re.findall(r"ACL SETUSER peerkey reset on >PASSWORD (.+)", text)

    (given,) = re.findall(r"^user peerkey reset on #\w+ (.+)", USERS, re.MULTILINE)

    assert given == said


@needs_redis
def test_the_file_of_users_is_useless_until_the_passwords_are_in_it(tmp_path: Path) -> None:
    with _server(tmp_path, USERS) as (process, _):
        assert process.wait(BOUND) != 0


@needs_redis
@pytest.mark.parametrize(
    ("user", "command", "allowed"),
    [
        ("peerkey", "HGET peerkey:example count", True),
        ("peerkey", "HSET peerkey:example:node v:a 1", True),
        ("peerkey", "HGET RAYpeerkey@KV a", False),
        ("peerkey", "FLUSHALL", False),
        ("ray", "HSET RAYpeerkey@KV a b", True),
        ("ray", "DEL DUMMY", True),
        ("ray", "HGET peerkey:example:node d:a", False),
        ("ray", "DEL peerkey:example", False),
        ("ray", "CONFIG SET appendfsync no", False),
        ("ray", "FLUSHALL", False),
    ],
)
def test_no_user_reaches_what_is_not_its_own(
    tmp_path: Path,
    user: str,
    command: str,
    allowed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    digest = sha256(b"a password").hexdigest()
    users = re.sub(r"#SHA256_OF_\w+", f"#{digest}", USERS) + JUDGE

    with _server(tmp_path, users) as (process, port):
        _until_it_answers(process, port)
        answer = _ask(port, "ACL", "DRYRUN", user, *command.split())

    assert (answer == "OK") is allowed, answer


@needs_redis
async def test_the_store_takes_the_server_as_it_is_shipped(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("a password", "utf-8")
    password.chmod(0o600)
    _certify(tmp_path)
    conf = CONF.replace("/etc/redis/tls", str(tmp_path)).replace("supervised systemd", "")
    users = re.sub(r"#SHA256_OF_\w+", f"#{sha256(b'a password').hexdigest()}", USERS) + JUDGE
    (tmp_path / "redis.conf").write_text(conf, "utf-8")

    with _server(tmp_path, users, str(tmp_path / "redis.conf"), port="tls-port") as (process, port):
        _until_it_answers(process, port, "--tls", "--cacert", str(tmp_path / "ca.pem"))
        address = RedisServer.at(
            f"rediss://peerkey@127.0.0.1:{port}", password_file=password, ca_file=tmp_path / "ca.pem"
        )
        store = await RedisStore.open(address, "example")
        try:
            assert await store.activate("node") == 1
        finally:
            await store.close()


def _certify(folder: Path) -> None:
    """Make an authority, and a certificate for a server on this machine."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    script = f"""
        openssl req -x509 {key} -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
        openssl req {key} -subj /CN=redis -keyout redis.key -out redis.csr
        printf 'subjectAltName=IP:127.0.0.1' > redis.ext
        openssl x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \\
            -extfile redis.ext -out redis.pem
    """
    subprocess.run(["bash", "-ec", script], cwd=folder, capture_output=True, timeout=BOUND, check=True)


def _settings(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


@contextmanager
def _server(
    folder: Path, users: str, *conf: str, port: str = "port"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server with a file of users, on the loopback interface alone, as long as the block."""
    (folder / "users.acl").write_text(users, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    arguments = [*conf, "--bind", "127.0.0.1", f"--{port}", str(number), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(
        ["redis-server", *arguments, "--aclfile", str(folder / "users.acl")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process, number
        finally:
            process.kill()


def _until_it_answers(process: subprocess.Popen[bytes], port: int, *options: str) -> None:
    end = time.monotonic() + BOUND
    while _ask(port, *options, "PING") != "PONG":
        assert process.poll() is None, "the server has ended"
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.05)


def _ask(port: int, *words: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(port), "--user", "judge", "--pass", "any", "--no-auth-warning", *words],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    return done.stdout.strip()
