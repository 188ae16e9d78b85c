"""Fetching from real servers, good and bad: what comes, and what is said of what does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from actors.crl.fetching import FetchLimits, NetworkFetcher, roots_of
from actors.crl.port import FetchFailed, FetchFault, ListFetched, ListRequest, ListUnchanged
from peerkey.pki.crl_polling import Validators
from tests.support import rude_server as rude
from tests.support.nginx import Nginx, nginx
from tests.support.ports import free_port
from tests.support.rude_server import RudeServer

CONTENT = b"\x30\x03a list" * 100
#: What a test has the patience for.
QUICK = FetchLimits(
    connect=timedelta(seconds=5),
    pause=timedelta(seconds=0.4),
    total=timedelta(seconds=20),
    window=timedelta(seconds=0.4),
    window_bytes=1000,
    list_bytes=1024 * 1024,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("served")
    folder.chmod(0o755)
    with nginx(folder) as running:
        running.publish("ca.crl", CONTENT)
        yield running


# --- a good server ----------------------------------------------------------------------------------


def test_a_list_comes_with_what_its_changes_can_be_asked_by(server: Nginx) -> None:
    found = fetched(server.http("ca.crl"))

    assert found.content == CONTENT
    assert found.validators.etag
    assert found.validators.last_modified.endswith("GMT")


def test_an_unchanged_list_is_not_sent_again(server: Nginx) -> None:
    before = fetched(server.http("ca.crl"))

    assert fetch(server.http("ca.crl"), before.validators) == ListUnchanged()
    assert server.asked("ca.crl")[-1] == 304


def test_a_changed_list_is_sent(server: Nginx) -> None:
    server.publish("other.crl", b"before")
    before = fetched(server.http("other.crl"))
    server.publish("other.crl", b"after!")

    assert fetched(server.http("other.crl"), before.validators).content == b"after!"


def test_a_redirect_is_followed(server: Nginx) -> None:
    assert fetched(server.http("moved")).content == CONTENT


def test_tls_is_spoken_with_whom_the_operators_authorities_vouch_for(server: Nginx) -> None:
    found = fetched(server.https("ca.crl"), roots=roots_of((server.ca.root.certificate,)))

    assert found.content == CONTENT


# --- a server that has no list for us ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fault", "why"),
    [
        ("none.crl", FetchFault.STATUS, "the server answers 404"),
        ("500", FetchFault.STATUS, "the server answers 500"),
        ("loop", FetchFault.REDIRECTS, "its redirects lead in a circle"),
        ("far", FetchFault.REDIRECTS, "it is redirected more than 5 times"),
        ("file", FetchFault.FORBIDDEN, "it is redirected to what is not plain HTTP or HTTPS"),
    ],
)
def test_an_answer_without_a_list_is_told(server: Nginx, path: str, fault: FetchFault, why: str) -> None:
    failure = failed(server.http(path))

    assert failure.fault is fault
    assert str(failure) == f"{server.http(path)}: {why}"


def test_a_server_that_nobody_vouches_for_is_not_believed(server: Nginx) -> None:
    failure = failed(server.https("ca.crl"))

    assert failure.fault is FetchFault.TLS
    assert f"https://127.0.0.1:{server.ports[1]} is not trusted: " in str(failure)


def test_tls_is_never_left_again(server: Nginx) -> None:
    failure = failed(server.https("downgrade"), roots=roots_of((server.ca.root.certificate,)))

    assert failure.fault is FetchFault.FORBIDDEN
    assert failure.why == "it is redirected from HTTPS to HTTP"


def test_a_refused_connection_is_told() -> None:
    failure = failed(f"http://127.0.0.1:{free_port()}/ca.crl")

    assert failure.fault is FetchFault.CONNECTION
    assert failure.why.endswith("cannot be reached: Connection refused")


def test_a_name_that_nobody_has_is_told() -> None:
    failure = failed("http://no.such.name.invalid/ca.crl")

    assert failure.fault is FetchFault.NAME
    assert failure.why == "there is no server of the name no.such.name.invalid"


@pytest.mark.parametrize("url", ["ldap://ldap.example/cn=ca", "gopher://old.example/", "C:list"])
def test_a_scheme_that_is_not_spoken_is_told(url: str) -> None:
    assert failed(url).fault is FetchFault.UNSUPPORTED


# --- a server that is rude ----------------------------------------------------------------------------


RUDE = {
    "cut off": (rude.truncated(CONTENT), FetchFault.TRUNCATED),
    "cut off in its packing": (rude.truncated_in_packing(CONTENT), FetchFault.TRUNCATED),
    "a byte now and then": (rude.dripping(0.05), FetchFault.SLOW),
    "silence": (rude.silent(), FetchFault.TIMEOUT),
    "a bomb": (rude.bomb(QUICK.list_bytes + 1), FetchFault.SIZE),
    "too long": (rude.whole(bytes(QUICK.list_bytes + 1)), FetchFault.SIZE),
    "without end": (rude.endless(), FetchFault.SIZE),
    "not HTTP": (rude.nonsense(), FetchFault.PROTOCOL),
    "packed as nobody asked": (rude.whole(b"x", "Content-Encoding: br"), FetchFault.ENCODING),
    "not packed as it says": (rude.whole(b"plain", "Content-Encoding: gzip"), FetchFault.ENCODING),
    "led to nowhere": (rude.whole(b"", "Location: ", status="302 Found"), FetchFault.REDIRECTS),
    "led with a password": (
        rude.whole(b"", "Location: http://u:p@127.0.0.1/", status="302 Found"), FetchFault.FORBIDDEN
    ),
    "a part": (rude.whole(b"part", status="206 Partial Content"), FetchFault.STATUS),
    "unchanged, to who has nothing": (rude.whole(b"", status="304 Not Modified"), FetchFault.STATUS),
}  # fmt: skip


@pytest.mark.parametrize("kind", RUDE)
def test_what_is_no_whole_list_in_time_is_a_failure(kind: str) -> None:
    answer, fault = RUDE[kind]

    assert failed_rudely(answer).fault is fault


def test_a_head_that_never_ends_meets_the_limit_of_the_whole() -> None:
    limits = FetchLimits(total=timedelta(seconds=0.5))

    assert failed_rudely(rude.dripping_head(0.05), limits).fault is FetchFault.SLOW


def test_a_list_of_exactly_the_largest_size_is_taken() -> None:
    async def scenario() -> object:
        async with RudeServer() as server:
            server.answers["/list"] = rude.bomb(QUICK.list_bytes)
            return await NetworkFetcher(QUICK).fetch(ListRequest(server.url("/list")))

    found = asyncio.run(scenario())

    assert isinstance(found, ListFetched)
    assert len(found.content) == QUICK.list_bytes


def test_after_failures_nothing_is_counted_as_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # Were a piece of a failed answer still counted, the largest list would be too much.
    monkeypatch.setattr("actors.crl.fetching.MAXIMUM_BYTES_UNDER_WAY", QUICK.list_bytes)

    async def scenario() -> object:
        async with RudeServer() as server:
            server.answers |= {"/bad": rude.endless(), "/good": rude.bomb(QUICK.list_bytes)}
            fetcher = NetworkFetcher(QUICK)
            for _ in range(3):
                with pytest.raises(FetchFailed):
                    await fetcher.fetch(ListRequest(server.url("/bad")))
            return await fetcher.fetch(ListRequest(server.url("/good")))

    assert isinstance(asyncio.run(scenario()), ListFetched)


def test_nothing_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch, server: Nginx) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")

    assert fetched(server.http("ca.crl")).content == CONTENT


def test_a_request_says_nothing_of_us_but_the_product() -> None:
    async def scenario() -> list[str]:
        async with RudeServer() as server:
            server.answers["/list"] = rude.whole(CONTENT)
            await NetworkFetcher(QUICK).fetch(ListRequest(server.url("/list")))
            return server.heads[0].split("\r\n")

    lines = asyncio.run(scenario())

    assert "User-Agent: peerkey" in lines
    assert not [line for line in lines if line.startswith(("Cookie", "Authorization", "If-"))]


# --- files ------------------------------------------------------------------------------------------


def test_a_file_is_read_and_told_unchanged_while_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a list.crl"
    path.write_bytes(CONTENT)
    url = path.as_uri()
    before = fetched(url)

    assert before.content == CONTENT
    assert fetch(url, before.validators) == ListUnchanged()
    path.with_suffix(".new").write_bytes(b"next")
    path.with_suffix(".new").replace(path)
    assert fetched(url, before.validators).content == b"next"


def test_what_is_no_file_of_ours_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(QUICK.list_bytes + 1))

    assert failed((tmp_path / "none").as_uri()).why == "cannot be read: No such file or directory"
    assert failed((tmp_path / "pipe").as_uri()).why == "is not a file"
    assert failed(tmp_path.as_uri()).fault is FetchFault.FILE
    assert failed("file://elsewhere/etc/passwd").fault is FetchFault.FILE
    assert failed("file:///dev/zero").fault is FetchFault.FILE
    assert failed("file:///a%00b").fault is FetchFault.FILE
    assert failed((tmp_path / "large").as_uri()).fault is FetchFault.SIZE


# --- helpers --------------------------------------------------------------------------------------


def fetch(
    url: str, validators: Validators | None = None, roots: tuple[bytes, ...] = ()
) -> ListFetched | ListUnchanged:
    request = ListRequest(url, validators or Validators(), roots)
    return asyncio.run(NetworkFetcher(QUICK).fetch(request))


def fetched(url: str, validators: Validators | None = None, roots: tuple[bytes, ...] = ()) -> ListFetched:
    found = fetch(url, validators, roots)
    assert isinstance(found, ListFetched)
    return found


def failed(url: str, *, roots: tuple[bytes, ...] = ()) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetch(url, roots=roots)
    assert "\n" not in str(caught.value)
    return caught.value


def failed_rudely(answer: rude.Answer, limits: FetchLimits = QUICK) -> FetchFailed:
    async def scenario() -> FetchFailed:
        async with RudeServer() as server:
            server.answers["/list"] = answer
            with pytest.raises(FetchFailed) as caught:
                await NetworkFetcher(limits).fetch(ListRequest(server.url("/list")))
            assert server.url("/list") in str(caught.value)
            return caught.value

    return asyncio.run(scenario())
