"""The store of a process, timed for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metrics import catalogue
from runtime.store.timed import TimedStore

if TYPE_CHECKING:
    from datetime import timedelta

    from metrics.tally import Tally
    from runtime.clock import Clock
    from runtime.store.port import Store


def timed_store(store: Store, clock: Clock, meter: Tally) -> Store:
    """Return the store, whose calls are counted by ``meter``."""

    def tell(operation: str, took: timedelta, answered: bool) -> None:
        meter.observe(catalogue.STORE, took, operation)
        if not answered:
            meter.count(catalogue.STORE_ERRORS, operation)

    return TimedStore(store, clock, tell)
