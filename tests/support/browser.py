"""A real browser without a window: Debian's Chromium, driven by playwright, which brings none of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright


def require_chromium() -> str:
    """Return where Chromium is; skip the test where it is not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium while the block lasts."""
    path = require_chromium()
    # Its sandbox refuses to be root's. What it is shown here is ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield made
        finally:
            made.close()
