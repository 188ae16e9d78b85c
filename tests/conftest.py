"""What holds for every test: how long hypothesis may think, and that continuous integration skips nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.skips import RefusedSkips

# No deadline per example and no complaint about slow ones: the machine may be busy, and a test that hangs
# meets pytest's own time limit. A failure prints the blob that replays it.
settings.register_profile(
    "peerkey", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
#: What `make fuzz` runs with: `--hypothesis-profile=long`.
settings.register_profile("long", settings.get_profile("peerkey"), max_examples=5000, stateful_step_count=80)
settings.load_profile("peerkey")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse skips where ``PEERKEY_NO_SKIPS=1`` says that this machine can run everything."""
    if os.environ.get("PEERKEY_NO_SKIPS") == "1":
        config.pluginmanager.register(RefusedSkips(), "peerkey-refused-skips")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Take back what a command configured: its streams are those of one test, and closed after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
