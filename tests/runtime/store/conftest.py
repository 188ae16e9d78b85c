"""A Redis server of its own for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_server import Redis, redis_server


@pytest.fixture
def server() -> Iterator[Redis]:
    """Run one; skip the test where there is none."""
    with redis_server() as running:
        yield running
