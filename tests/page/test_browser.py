"""The status page of a fleet that runs, in a real browser: at two widths, live, without scripts, by ear."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from peerkey_cli.client import Client
from peerkey_cli.page.proxy import Doors, PageProxy
from peerkey_cli.page.serving import asking
from peerkey_cli.report.page import Heading, report
from peerkey_cli.serving import served
from peerkey_cli.state import StateDirectory
from tests.cli.background import Background, in_background
from tests.cli.two_routers import TwoRouters, two_routers
from tests.support.browser import browser
from tests.support.told import hub_and_branches

WITHIN_MS = 30_000


@dataclass
class Open:
    """A page that is open, and what its console said."""

    page: Page
    said: list[str] = field(default_factory=list)


@dataclass
class Proxy:
    """``peerkey page``, on a thread of its own."""

    root: str
    doors: Doors

    @property
    def link(self) -> str:
        return f"{self.root}/enter/{self.doors.new_link()}"


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> TwoRouters:
    return two_routers(tmp_path_factory.mktemp("routers"))


@pytest.fixture(scope="module")
def system(routers: TwoRouters) -> Iterator[Background]:
    with in_background(routers.file, routers.folder / "state") as background:
        yield background


@pytest.fixture(scope="module")
def proxy(routers: TwoRouters, system: Background) -> Iterator[Proxy]:
    with proxied(Client(StateDirectory(routers.folder / "state").socket)) as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.mark.parametrize("width", [320, 1090, 1280])
def test_the_page_fits_says_nothing_in_the_console_and_is_open_to_everybody(
    chromium: Browser, proxy: Proxy, width: int
) -> None:
    with visiting(chromium, proxy, width=width) as opened:
        expect(opened.page.get_by_role("heading", level=1)).to_have_text("Fleet status")
        expect(opened.page.locator("#live")).to_have_text("Live.", timeout=WITHIN_MS)
        expect(opened.page.get_by_role("img", name="Fleet map")).to_be_visible()

        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(opened.page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
        assert opened.said == []


def test_an_alarm_comes_and_goes_without_anybody_asking_for_the_page(
    chromium: Browser, proxy: Proxy, system: Background, routers: TwoRouters
) -> None:
    with visiting(chromium, proxy) as opened:
        page = opened.page
        expect(page.locator("#peerings")).to_contain_text("keyed, say both ends", timeout=WITHIN_MS)
        expect(page.locator("#live")).to_have_text("Live.", timeout=WITHIN_MS)
        page.evaluate("window.same = true")

        (routers.folder / "west.pem").rename(routers.folder / "west.away")
        try:
            system.call(lambda running: running.reload())
            expect(page.locator("#alarms")).to_contain_text(
                "without a valid signed certificate", timeout=WITHIN_MS
            )
            expect(page.get_by_role("status")).to_contain_text(
                "New alarm. critical: Key management", timeout=WITHIN_MS
            )
            expect(page).to_have_title(re.compile(r"\(1\) Fleet status of \S+:\d+ - peerkey"))
            found = Axe().run(page, options={"resultTypes": ["violations"]})
            assert found.violations_count == 0, found.generate_report()
            # What is unfolded, and where the focus is, outlasts the news.
            page.get_by_role("link", name="What to do about certificate-missing").press("Enter")
            todo = page.locator("#todo-certificate-missing")
            expect(todo).to_have_attribute("open", "")
            expect(todo).to_contain_text("peerkey enroll")
            todo.locator("summary").focus()
            page.get_by_role("link", name="Ask now").evaluate("link => link.click()")
            expect(page.locator("#alarms")).not_to_have_text(page.locator("#alarms").inner_text())
            expect(todo).to_have_attribute("open", "")
            expect(todo.locator("summary")).to_be_focused()
        finally:
            (routers.folder / "west.away").rename(routers.folder / "west.pem")
        system.call(lambda running: running.reload())

        expect(page.locator("#alarms")).to_contain_text("There are no alarms.", timeout=WITHIN_MS)
        expect(page.get_by_role("status")).to_contain_text("An alarm is over.")
        assert page.evaluate("window.same") is True
        assert opened.said == []


def test_without_scripts_the_page_says_the_same_and_asks_for_itself_again(
    chromium: Browser, proxy: Proxy, system: Background
) -> None:
    with visiting(chromium, proxy, scripts=False) as opened:
        page = opened.page
        expect(page.locator("#peerings")).to_contain_text("west/node0")
        expect(page.locator("#certificates")).to_contain_text("valid")
        assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "30"


def test_a_page_that_is_open_says_when_nobody_answers_any_more(
    chromium: Browser, proxy: Proxy, system: Background
) -> None:
    with visiting(chromium, proxy) as opened:
        page = opened.page
        expect(page.locator("#live")).to_have_text("Live.", timeout=WITHIN_MS)
        expect(page.locator("#clock")).to_be_hidden()
        # What a browser is told of a system that is gone.
        page.route("**/*", lambda route: route.fulfill(status=503, body="<h1>gone</h1>"))
        page.get_by_role("link", name="Ask now").click()

        expect(page.locator("#live")).to_have_text("No answer: what is below is old.", timeout=WITHIN_MS)
        expect(page.locator("#peerings")).to_contain_text("west/node0")
        # Nobody overlooks it: in the title, to those who listen, and wherever one has scrolled to.
        expect(page).to_have_title(re.compile("^Old: Fleet status"))
        expect(page.get_by_role("alert")).to_contain_text("No answer. This is how it was at 20")
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        expect(page.get_by_role("alert")).to_be_in_viewport()

        # And when it answers again, by a clock that is not the browser's.
        page.unroute("**/*")
        page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=2, hours=1))
        page.get_by_role("link", name="Ask now").click()
        expect(page.get_by_role("alert")).to_have_count(0, timeout=WITHIN_MS)
        expect(page).to_have_title(re.compile("^Fleet status"))
        expect(page.locator("#clock")).to_contain_text("is 2 d 1 h behind the one of this browser")


def test_a_link_counts_once_and_neither_the_address_nor_another_browser_is_enough(
    chromium: Browser, proxy: Proxy
) -> None:
    link = proxy.link
    with context(chromium) as first, context(chromium) as second:
        ours, theirs = first.new_page(), second.new_page()
        assert status(ours, link) == 200
        assert status(theirs, link) == 403
        assert status(theirs, ours.url) == 403
        assert status(ours, ours.url) == 200
        (cookie,) = first.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert cookie["path"] == f"/{proxy.doors.path}/"


def test_the_page_can_be_walked_through_with_the_keyboard_and_be_paused(
    chromium: Browser, proxy: Proxy
) -> None:
    with visiting(chromium, proxy) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the status"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.get_by_role("button", name="Pause").press("Enter")
        expect(page.locator("#live")).to_have_text("Paused.")
        expect(page.get_by_role("alert")).to_contain_text("Paused. This is how it was at 20")
        expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Pause").press("Enter")
        expect(page.locator("#live")).to_have_text("Live.", timeout=WITHIN_MS)


@pytest.mark.parametrize(("width", "routers"), [(320, 300), (1280, 3)])
def test_a_report_fits_says_nothing_in_the_console_and_is_open_to_everybody(
    chromium: Browser, tmp_path: Path, width: int, routers: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(report(Heading("Run"), hub_and_branches(routers, days=5)))
    with context(chromium, width=width) as made:
        page, said = made.new_page(), list[str]()
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.get_by_role("img", name="Peerings that could be used")).to_be_visible()
        if routers == 3:
            for summary in page.get_by_role("group").all():
                summary.locator("summary").click()
            found = Axe().run(page, options={"resultTypes": ["violations"]})
            assert found.violations_count == 0, found.generate_report()
        assert said == []


# --- helpers --------------------------------------------------------------------------------------


def status(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer is not None
    return answer.status


@contextmanager
def context(chromium: Browser, *, width: int = 1280, scripts: bool = True) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def visiting(chromium: Browser, proxy: Proxy, *, width: int = 1280, scripts: bool = True) -> Iterator[Open]:
    """Open the page by a new link."""
    with context(chromium, width=width, scripts=scripts) as made:
        opened = Open(made.new_page())

        def note(message: ConsoleMessage) -> None:
            opened.said.append(message.text)

        opened.page.on("console", note)
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        assert status(opened.page, proxy.link) == 200
        yield opened


@contextmanager
def proxied(client: Client) -> Iterator[Proxy]:
    """Serve the page of a system while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0)
    port = listener.getsockname()[1]
    made: list[Proxy] = []
    up, stop = threading.Event(), threading.Event()

    async def work() -> None:
        doors = Doors(asyncio.get_running_loop().time)
        app = PageProxy(lambda: asking(client), doors, port, lambda: None, str(client.system))
        async with served(app, listener):
            made.append(Proxy(f"http://127.0.0.1:{port}", doors))
            up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="page")
    thread.start()
    try:
        assert up.wait(10)
        yield made[0]
    finally:
        stop.set()
        thread.join(10)
        listener.close()
