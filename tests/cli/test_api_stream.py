"""Audit events as a stream: from now on, or from where a client was; and no client holds anything up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from peerkey.observe.events import CsrFailed
from peerkey_cli.api import stream
from peerkey_cli.api.stream import EventFeed
from peerkey_cli.embedded import Running
from tests.cli.remote_system import PROBLEM_KEYS, RemoteSystem, remote_system
from tests.support.hosts import wait_for


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSystem]:
    with remote_system(tmp_path_factory.mktemp("remote")) as system:
        yield system


def test_what_happens_is_told_as_it_happens(remote: RemoteSystem) -> None:
    with streaming(remote, type="certificate") as events:
        happen(remote, "first")
        got = next(events)

    assert got["event"] == "message"
    assert got["data"]["type"] == "certificate.request_failed"
    assert got["data"]["detail"] == {"name": "first", "reason": "none"}
    assert got["data"]["node"] == "east/node0"


def test_a_client_that_was_away_is_given_what_it_missed(remote: RemoteSystem) -> None:
    with streaming(remote, type="certificate") as events:
        happen(remote, "seen")
        seen = next(events)
    for name in ("missed", "missed too"):
        happen(remote, name)

    with streaming(remote, after=seen["id"], type="certificate") as events:
        names = [next(events)["data"]["detail"]["name"] for _ in range(2)]
        for name in ("later", "latest"):
            happen(remote, name)
            names.append(next(events)["data"]["detail"]["name"])

    assert names == ["missed", "missed too", "later", "latest"]


@pytest.mark.parametrize("unknown", ["1-1", "x", "-", "9" * 64, "1-99999999999999999999"])
def test_an_id_of_another_process_is_answered_with_a_gap_and_all_there_is(
    remote: RemoteSystem, unknown: str
) -> None:
    with streaming(remote, after=unknown) as events:
        gap, first = next(events), next(events)

    assert gap["event"] == "gap"
    assert "not remembered" in gap["data"]["error"]
    oldest = remote.system.running.journal.recent()[0]
    assert first["data"]["type"] == oldest.event.TYPE


async def test_what_was_forgotten_before_it_was_told_leaves_a_gap_in_the_numbers() -> None:
    fleet = Forgetful()
    feed = EventFeed(fleet)  # type: ignore[arg-type] # as much of a fleet as a feed needs
    fleet.entries = ("one", "two")
    await feed.look()
    fleet.entries = ("two", "three")
    await feed.look()
    steady: tuple[Any, ...] = feed.numbered()
    fleet.entries = ("eight", "nine")
    await feed.look()
    after: tuple[Any, ...] = feed.numbered()

    assert steady == ((1, "one"), (2, "two"), (3, "three"))
    assert after[-2:] == ((5, "eight"), (6, "nine"))


def test_a_stream_says_that_it_is_still_there(remote: RemoteSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STILL_HERE_EVERY", timedelta(milliseconds=50))
    with remote.http("read") as http, http.stream("GET", "/v1/events/stream?type=none") as answer:
        lines = answer.iter_lines()
        while next(lines) != ": still here":
            pass

        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_stream_ends_after_a_while(remote: RemoteSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ENDS_AFTER", timedelta(0))
    with remote.http("read") as http:
        assert http.get("/v1/events/stream").text == "retry: 2000\n\n"


def test_streams_are_counted_and_given_back(remote: RemoteSystem) -> None:
    with remote.http("read") as http:
        held = [open_stream(http) for _ in range(stream.MAXIMUM_OF_ONE_VISITOR)]
        one_more = http.get("/v1/events/stream")
        with remote.http("write") as other:
            other_answer = open_stream(other)
            other_answer.close()
        for each in held:
            each.close()

        wait_for(lambda: again(http), 30)
    assert one_more.status_code == 503
    assert one_more.headers["Retry-After"] == "10"
    assert set(one_more.json()) == PROBLEM_KEYS


def test_a_system_that_stops_does_not_wait_for_its_listeners(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with remote_system(tmp_path_factory.mktemp("stops")) as system, system.http("read") as http:
        listening = open_stream(http)
        # The end of the block stops the system, and fails where that takes too long.
    listening.close()


# --- helpers --------------------------------------------------------------------------------------


class Forgetful:
    """A fleet that remembers two events."""

    since = datetime(2030, 6, 15, tzinfo=UTC)
    entries: tuple[Any, ...] = ()

    async def events(self) -> tuple[Any, ...]:
        return self.entries


@contextmanager
def streaming(
    remote: RemoteSystem, after: str | None = None, **parameters: str
) -> Iterator[Iterator[dict[str, Any]]]:
    headers = {} if after is None else {"Last-Event-ID": after}
    with (
        remote.http("read") as http,
        http.stream("GET", "/v1/events/stream", params=parameters, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        yield parsed(lines)


def parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {"event": "message"}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and "data" in found:
            yield found
            found = {"event": "message"}
        elif name == "data":
            found["data"] = json.loads(value)
        elif name:
            found[name] = value


def happen(remote: RemoteSystem, name: str) -> None:
    async def record(running: Running) -> object:
        return await running.record("east/node0", CsrFailed(name, "none"))

    remote.system.call(record)


def open_stream(http: httpx.Client) -> httpx.Response:
    answer = http.send(http.build_request("GET", "/v1/events/stream"), stream=True)
    assert answer.status_code == 200
    return answer


def again(http: httpx.Client) -> bool:
    answer = http.send(http.build_request("GET", "/v1/events/stream"), stream=True)
    answer.close()
    return answer.status_code == 200
