"""Who gets the page from ``peerkey page``, and what of the system is given on: without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from peerkey_cli.errors import WrongUsage
from peerkey_cli.page import html
from peerkey_cli.page.proxy import LINK_LASTS, MAXIMUM_BROWSERS, MAXIMUM_PAGE_BYTES, Doors, PageProxy
from peerkey_cli.page.serving import loopback
from peerkey_cli.page.view import view_of
from tests.support import shown_fleet as shown

PORT = 8080
HOST = f"127.0.0.1:{PORT}"


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class System:
    """An admin API that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.page = html.page(view_of(shown.observed(shown.mesh(["east", "west"]))))
        self.answer: Callable[[httpx.Request], httpx.Response] = self.well
        self.asked: list[tuple[str, str, httpx.Headers]] = []
        self.clock = Clock()
        self.doors = Doors(self.clock)
        self.entered = 0
        self.app = PageProxy(self.ask, self.doors, PORT, self.enter, "unix:/run/api.sock")

    def enter(self) -> None:
        self.entered += 1

    def ask(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.heard), base_url="http://peerkey")

    def heard(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path, request.headers))
        return self.answer(request)

    def well(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            return httpx.Response(200, headers=dict(self.page.headers), content=self.page.content)
        return httpx.Response(200, content=events())

    def let_in(self) -> str:
        """Return the cookie of a browser that has used a link."""
        cookie = self.doors.enter(self.doors.new_link())
        assert cookie is not None
        return f"peerkey_page={cookie}"

    async def get(
        self, rest: str = "", headers: Mapping[str, str | None] | None = None, *, method: str = "GET"
    ) -> Answer:
        given: dict[str, str | None] = {"host": HOST, "cookie": self.let_in(), **(headers or {})}
        return await called(self.app, method, f"/{self.doors.path}/{rest}", given)


class Answer:
    """What was sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""


@pytest.fixture
def system() -> System:
    return System()


async def test_a_browser_that_was_let_in_gets_the_page_with_its_policy(system: System) -> None:
    answer = await system.get()

    assert (answer.status, answer.body) == (200, system.page.content)
    assert answer.headers["content-security-policy"] == html.headers()["Content-Security-Policy"]
    assert system.asked[0][:2] == ("GET", "/")


async def test_a_link_is_used_up_by_the_first_who_opens_it(system: System) -> None:
    link = f"/enter/{system.doors.new_link()}"

    first = await called(system.app, "GET", link, {"host": HOST})
    second = await called(system.app, "GET", link, {"host": HOST})

    assert (first.status, first.headers["location"]) == (303, f"/{system.doors.path}/")
    assert first.headers["set-cookie"].endswith(f"; Path=/{system.doors.path}/; HttpOnly; SameSite=Strict")
    assert second.status == 403
    assert "set-cookie" not in second.headers
    assert system.entered == 1


def test_a_link_that_nobody_has_opened_in_time_counts_no_more() -> None:
    clock = Clock()
    doors = Doors(clock)
    link = doors.new_link()
    clock.now += LINK_LASTS.total_seconds()

    assert doors.enter(link) is None


def test_before_there_is_a_link_and_after_it_was_used_an_empty_word_opens_nothing() -> None:
    doors = Doors(Clock())

    assert doors.enter("") is None
    assert doors.enter(doors.new_link()) is not None
    assert doors.enter("") is None
    assert not doors.knows("")


def test_with_a_new_browser_too_many_the_first_is_forgotten() -> None:
    doors = Doors(Clock())
    cookies = [doors.enter(doors.new_link()) or "" for _ in range(MAXIMUM_BROWSERS + 1)]

    assert [doors.knows(each) for each in cookies] == [False, *[True] * MAXIMUM_BROWSERS]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"cookie": None}, 403),
        ({"cookie": "peerkey_page=guess"}, 403),
        ({"cookie": "other=1; peerkey_page="}, 403),
        ({"host": None}, 421),
        ({"host": "evil.example"}, 421),
        ({"host": f"evil.example:{PORT}"}, 421),
        ({"host": "127.0.0.1:8081"}, 421),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_whoever_is_not_that_browser_at_this_address_gets_nothing(
    system: System, changed: dict[str, str | None], status: int
) -> None:
    answer = await system.get(headers=changed)

    assert answer.status == status
    assert system.asked == []
    assert system.doors.path.encode() not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "BREW"])
async def test_nothing_but_reading_is_given_on(system: System, method: str) -> None:
    assert (await system.get(method=method)).status == 405
    assert system.asked == []


@pytest.mark.parametrize(
    "rest",
    [
        "v1/peers",
        "v1/events",
        "v1/rekey",
        "../v1/peers",
        "v1/events/stream/",
        "/",
        "?x",
        "%2e%2e",
        "v1/backup",
    ],
)
async def test_no_other_address_of_the_api_can_be_reached(system: System, rest: str) -> None:
    assert (await system.get(rest)).status == 404
    assert system.asked == []


async def test_of_what_a_browser_says_only_the_number_of_the_last_event_is_given_on(system: System) -> None:
    answer = await system.get("v1/events/stream", {"last-event-id": "19f3-47", "authorization": "Bearer x"})
    await system.get("v1/events/stream", {"last-event-id": "a\r\nb: c"})

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body == b"id: 1\ndata: {}\n\n"
    (_, path, headers), (_, _, others) = system.asked
    assert (path, headers["last-event-id"]) == ("/v1/events/stream", "19f3-47")
    assert "authorization" not in headers
    assert "cookie" not in headers
    assert "last-event-id" not in others


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            httpx.Response(401, json={"error": "unknown token", "faults": []}),
            "The system refuses: unknown token",
        ),
        (httpx.Response(429), "asked too often"),
        (httpx.Response(502, text="<h1>nginx</h1>"), "The system refuses: 502"),
        (httpx.Response(200, text="<script>alert(1)</script>"), "another version of peerkey"),
        (
            httpx.Response(200, content=b"x" * (MAXIMUM_PAGE_BYTES + 1)),
            "does not answer: the connection broke",
        ),
    ],
)
async def test_what_is_no_page_of_this_version_is_not_given_on(
    system: System, answer: httpx.Response, told: str
) -> None:
    system.answer = lambda _: answer

    found = await system.get()

    assert found.status == 503
    assert told in found.body.decode()
    assert b"<h1>nginx" not in found.body
    assert b"alert(1)" not in found.body


async def test_a_system_that_is_gone_has_a_page_that_names_it_and_asks_again(system: System) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        message = "no"
        raise httpx.ConnectError(message, request=request)

    system.answer = gone

    page, stream = await system.get(), await system.get("v1/events/stream")

    assert (page.status, stream.status) == (503, 503)
    assert b"unix:/run/api.sock does not answer: nobody listens there" in page.body
    assert b'<meta http-equiv="refresh" content="10">' in page.body


async def test_a_head_has_no_body(system: System) -> None:
    answer = await system.get(method="HEAD")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:8080", ("127.0.0.1", 8080)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_the_page_is_served_at_a_loopback_address(text: str, address: tuple[str, int]) -> None:
    assert loopback(text) == address


@pytest.mark.parametrize(
    "text", ["0.0.0.0:80", "192.0.2.1:80", "[::]:80", "127.0.0.1", "127.0.0.1:x", "hub:80", ""]
)
def test_no_other_address_is_listened_at(text: str) -> None:
    with pytest.raises(WrongUsage, match="--listen"):
        loopback(text)


# --- helpers --------------------------------------------------------------------------------------


async def events() -> AsyncIterator[bytes]:
    await asyncio.sleep(0)
    yield b"id: 1\n"
    yield b"data: {}\n\n"


async def called(app: PageProxy, method: str, path: str, headers: Mapping[str, str | None]) -> Answer:
    """Call an application as a server does."""
    answer = Answer()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # A browser that stays.
        await asyncio.get_running_loop().create_future()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message["body"]

    given = [(name.encode(), value.encode()) for name, value in headers.items() if value is not None]
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    await app(scope, receive, send)
    return answer
