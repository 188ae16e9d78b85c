"""Tokens of the admin API, and how often somebody may ask: without a system."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from peerkey.errors import Misconfigured
from peerkey_cli.api.rates import MAXIMUM_KEYS, Rate, Rates, retry_after
from peerkey_cli.api.roles import Role
from peerkey_cli.api.tokens import MAXIMUM_TOKENS, add_token, presented_in, read_tokens
from peerkey_cli.api.visitors import is_ours, may_read
from peerkey_cli.doorkeeper import source_of
from tests.cli.commands import peerkey

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)


def test_the_command_prints_a_token_and_keeps_its_digest_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "tokens"

    made = peerkey("create", "api-token", "--role", "read", "prometheus", "--tokens", file)

    token = made.stdout.strip()
    assert re.fullmatch(r"peerkey_[A-Za-z0-9_-]{43}", token)
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in file.read_text()
    owner = read_tokens(file).owner(token)
    assert owner is not None
    assert (owner.name, owner.role) == ("prometheus", Role.READ)


@pytest.mark.parametrize("presented", ["", "peerkey_", "PEERKEY_x", "x" * 100_000, "\x00", "ÿ"])
def test_what_is_no_token_has_no_owner(tmp_path: Path, presented: str) -> None:
    token = add_token(tmp_path / "tokens", "alice", Role.WRITE, NOW).reveal().decode()
    tokens = read_tokens(tmp_path / "tokens")

    assert tokens.owner(presented) is None
    assert tokens.owner(token[:-1]) is tokens.owner(f"{token} ") is tokens.owner(token.upper()) is None


def test_two_tokens_have_two_names_and_many_are_made_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: add_token(file, f"t{n}", Role.READ, NOW), range(16)))

    assert len({each.reveal() for each in made}) == len(read_tokens(file).tokens) == 16
    with pytest.raises(Misconfigured, match="there is a token t3 already"):
        add_token(file, "t3", Role.WRITE, NOW)


@pytest.mark.parametrize("name", ["", "a b", "a\nb write sha256:", "-x", "x" * 65, "ä"])
def test_a_name_that_could_be_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="is no name"):
        add_token(tmp_path / "tokens", name, Role.READ, NOW)

    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alice write", "line 1 is no token"),
        (f"# a comment\n\nalice admin sha256:{'0' * 64}", "line 3 is no token"),
        (f"alice write sha256:{'0' * 63}", "line 1 is no token"),
        (f"a read sha256:{'0' * 64}\na write sha256:{'1' * 64}", "line 2: there is a token a already"),
        ("\n".join(f"t{n} read sha256:{'0' * 64}" for n in range(MAXIMUM_TOKENS + 1)), "at most 256"),
    ],
)
def test_a_faulty_file_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    file.write_text(text)

    with pytest.raises(Misconfigured, match=says):
        read_tokens(file)


def test_a_token_that_was_pasted_into_the_file_is_not_repeated(tmp_path: Path) -> None:
    token = add_token(tmp_path / "tokens", "alice", Role.WRITE, NOW).reveal().decode()
    with (tmp_path / "tokens").open("a") as file:
        file.write(f"bob write {token}\n")

    with pytest.raises(Misconfigured) as refused:
        read_tokens(tmp_path / "tokens")

    assert token not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_files_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "tokens"
    add_token(file, "alice", Role.WRITE, NOW)
    file.chmod(mode)

    for read in (read_tokens, presented_in):
        with pytest.raises(Misconfigured, match="others can read it"):
            read(file)
    with pytest.raises(Misconfigured, match="others can read it"):
        add_token(file, "bob", Role.READ, NOW)


def test_a_client_does_not_present_what_is_no_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("a password")

    with pytest.raises(Misconfigured, match="holds no token"):
        presented_in(file)


def test_a_bucket_gives_a_burst_then_one_for_each_interval() -> None:
    rates = Rates(Rate(burst=2, interval=timedelta(seconds=10)))
    start = timedelta(hours=1)

    assert [rates.take("a", start) for _ in range(2)] == [None, None]
    wait = rates.take("a", start + timedelta(seconds=4))
    assert wait == timedelta(seconds=6)
    assert retry_after(wait) == "6"
    assert rates.take("b", start) is None
    assert rates.take("a", start + timedelta(seconds=10)) is None
    assert rates.take("a", start + timedelta(seconds=11)) == timedelta(seconds=9)


def test_the_number_of_buckets_is_bounded() -> None:
    rates = Rates(Rate(burst=1, interval=timedelta(hours=1)))
    now = timedelta(0)
    for number in range(MAXIMUM_KEYS):
        rates.take(f"source {number}", now)

    assert rates.take("source 0", now) is not None
    rates.take("one more", now)
    assert rates.take("source 0", now) is not None
    assert rates.take("source 1", now) is None


def test_a_wait_is_never_less_than_a_second() -> None:
    assert retry_after(timedelta(milliseconds=1)) == "1"
    assert retry_after(timedelta(milliseconds=1_001)) == "2"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("2001:db8::1", 1, 0, 0), "2001:db8::/64"),
        (("2001:db8::ffff:1", 1, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        ("", ""),
    ],
)
def test_addresses_that_one_customer_has_are_one_source(address: object, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (b"hub.example", True),
        (b"Hub.Example.:9443", True),
        (b"a.lab.example", True),
        (b"a.b.lab.example", False),
        (b"lab.example", False),
        (b"[2001:db8:0::7]:9443", True),
        (b"[2001:db8::7", True),
        (b"*.lab.example", True),
        (b"", False),
        (b"\xff", False),
    ],
)
def test_a_host_is_ours_by_the_names_of_the_certificate(host: bytes, *, ours: bool) -> None:
    names = frozenset({"hub.example", "*.lab.example", "2001:db8::7"})

    assert is_ours([host], names) is ours
    assert not is_ours([host, host], names)
    assert not is_ours([], names)


@pytest.mark.parametrize(
    ("method", "path", "reading"),
    [
        ("GET", "/v1/peers", True),
        ("HEAD", "/v1/peers", True),
        ("OPTIONS", "/v1/rekey", True),
        ("get", "/v1/peers", False),
        ("GET", "/v1/router/a/node/b/certificate-request", False),
        ("GET", "/v1/certificate-request/", False),
        ("POST", "/v1/peers", False),
        ("QUERY", "/v1/peers", False),
    ],
)
def test_what_is_not_known_to_read_is_writing(method: str, path: str, *, reading: bool) -> None:
    assert may_read(method, path) is reading
