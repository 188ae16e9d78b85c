"""Make the pictures of the documentation anew: the status page and a report, of fleets of fixed values.

    python -m tests.page.pictures        (make pictures)

Values, times and the width are fixed, so a picture changes only where the page does, or the browser.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Browser

from peerkey_cli.page import html
from peerkey_cli.page.view import view_of
from peerkey_cli.report.page import Heading, report
from tests.support import shown_fleet as shown
from tests.support.browser import browser
from tests.support.told import hub_and_branches

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
#: As README shows them, more would be small print.
WIDTH: Final = 1_100


def main() -> None:
    """Make them."""
    IMAGES.mkdir(exist_ok=True)
    lists = shown.lists(shown.source("http://crl.example/lab.crl", "connection refused by 192.0.2.9:80"))
    hub, east, west = shown.troubled(shown.mesh(["hub", "east", "west"]))
    # Whoever is on a list is so for all of its peers.
    revoked = shown.suspect(east.peers[1], hub.peers[1].security.peer_certificate_fault)
    fleet = shown.observed((hub, replace(east, peers=(east.peers[0], revoked)), west), lists)
    page = html.page(view_of(replace(fleet, process="hub.example:4711"))).content.decode()
    with browser() as chromium:
        picture(chromium, page, "status-page", 760)
        picture(
            chromium, report(Heading("Run of state"), hub_and_branches(60, days=9, seed=8)), "report", 760
        )


def picture(chromium: Browser, page: str, name: str, height: int) -> None:
    """Show a page, and keep what is seen of it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page)
        # Scripts would look for a system that is not there.
        context = chromium.new_context(
            viewport={"width": WIDTH, "height": height}, java_script_enabled=False, color_scheme="light"
        )
        shown_page = context.new_page()
        shown_page.goto(file.as_uri())
        shown_page.screenshot(path=IMAGES / f"{name}.png")
        context.close()


if __name__ == "__main__":
    main()
