"""The one place where a clock becomes the argument of the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.moment import Moment

if TYPE_CHECKING:
    from runtime.clock import Clock


def moment(clock: Clock) -> Moment:
    """Read both clocks, together."""
    return Moment(clock.monotonic(), clock.wall())
