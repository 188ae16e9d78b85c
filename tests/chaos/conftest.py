"""The cluster that is broken, shared by everything that breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chaos.cluster import ChaosCluster


@pytest.fixture(scope="package")
def chaos() -> Iterator[ChaosCluster]:
    """A head and two more machines. Ray runs in one process only once at a time: not beyond this folder."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install -e '.[cluster]'")
    from tests.chaos.cluster import chaos_cluster  # noqa: PLC0415 - it loads Ray

    with chaos_cluster(("one", "two")) as cluster:
        yield cluster
