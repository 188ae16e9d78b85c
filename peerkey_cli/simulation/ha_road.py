"""What lies between the two nodes of each HA pair: it delays, stops and breaks what is sent by their links.

A :class:`HaRoad` has a :class:`Way` for each end: what that end sends goes by it. TCP is what it shows of
itself: nothing is reordered, doubled or changed, and what cannot pass waits until it can, unless the channel
is gone by then. What is stuck in one channel holds up no other.

Faults hold a way up with :meth:`Way.stopped` and :meth:`Way.slow`, and wait for a number of frames with
:meth:`HaRoad.after_frames`; :meth:`HaRoad.calm` undoes all of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from peerkey.config.plan import Endpoint

#: A try for a channel takes no longer: what the SSH transport gives a handshake.
TRY_WITHIN: Final = timedelta(seconds=5)
#: What waits in one lane of a way that nothing passes: a full window of small records, and the beats until
#: the lease is over. What came first goes: by then it belongs to a channel that is closed.
_MOST_WAITING: Final = 4_096

#: Tells whether something of so many bytes is stopped.
Stops: TypeAlias = Callable[[int], bool]
#: Sees a frame: the address of its sender, the channel, and the bytes.
Sees: TypeAlias = "Callable[[Endpoint, int, bytes], object]"


class Way:
    """One direction of a pair's link, for all channels that there will be."""

    def __init__(self) -> None:
        """Let everything pass at once."""
        self._stops: dict[object, Stops] = {}
        self._delays: dict[object, timedelta] = {}
        #: Lanes in which something waits.
        self.waiting: dict[Lane, None] = {}

    @property
    def delay(self) -> timedelta:
        """How long what is sent now takes."""
        return max(self._delays.values(), default=timedelta(0))

    def stops(self, size: int) -> bool:
        """Tell whether something of so many bytes does not pass now."""
        return any(stops(size) for stops in self._stops.values())

    @contextmanager
    def stopped(self, stops: Stops = lambda _size: True) -> Iterator[None]:
        """Let nothing pass that ``stops`` names."""
        token = object()
        self._stops[token] = stops
        try:
            yield
        finally:
            self._stops.pop(token, None)
            self._go_on()

    @contextmanager
    def slow(self, delay: timedelta) -> Iterator[None]:
        """Let everything take so long."""
        token = object()
        self._delays[token] = delay
        try:
            yield
        finally:
            self._delays.pop(token, None)

    def calm(self) -> None:
        """Let everything pass at once."""
        self._stops.clear()
        self._delays.clear()
        self._go_on()

    def _go_on(self) -> None:
        for lane in list(self.waiting):
            lane.go_on()


class Lane:
    """One direction of one channel. See :class:`actors.ha.direct.Lane`."""

    def __init__(self, way: Way) -> None:
        """Lie on ``way``, with nothing in it."""
        self._way = way
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, int, Callable[[], None]]] = deque(maxlen=_MOST_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._going = False

    def carry(self, size: int, arrive: Callable[[], None]) -> None:
        """See :meth:`actors.ha.direct.Lane.carry`."""
        self._queue.append((self._loop.time() + self._way.delay.total_seconds(), size, arrive))
        self.go_on()

    def go_on(self) -> None:
        """Let arrive what may; what arrives may send something by this very lane."""
        if self._going:
            return
        self._going = True
        while self._queue and not self._way.stops(self._queue[0][1]):
            if self._queue[0][0] > self._loop.time():
                self._set_timer(self._queue[0][0])
                break
            _, _, arrive = self._queue.popleft()
            arrive()
        self._going = False
        if self._queue:
            self._way.waiting[self] = None
        else:
            self._way.waiting.pop(self, None)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self.go_on)


class HaRoad:
    """The ways of all pairs. See :class:`actors.ha.direct.Road`."""

    def __init__(self, sees: Sees) -> None:
        """Let everything pass at once; ``sees`` is shown each frame that leaves."""
        self._ways: dict[Endpoint, Way] = {}
        self._sees = sees
        #: What waits for frames of two ends: the ends, how many are left, and what is done then.
        self._fuses: dict[object, tuple[frozenset[Endpoint], int, Callable[[], object]]] = {}

    def way(self, sender: Endpoint) -> Way:
        """Return the way by which everything goes that is sent from this address."""
        return self._ways.setdefault(sender, Way())

    def calm(self) -> None:
        """Let everything pass at once, and wait for nothing."""
        self._fuses.clear()
        for way in self._ways.values():
            way.calm()

    @contextmanager
    def after_frames(
        self, ends: frozenset[Endpoint], frames: int, then: Callable[[], object]
    ) -> Iterator[None]:
        """Do something once the ends have sent so many more frames, if they do before the block ends."""
        token = object()
        self._fuses[token] = (ends, frames, then)
        try:
            yield
        finally:
            self._fuses.pop(token, None)

    # --- see actors.ha.direct.Road ----------------------------------------------------------------

    def lane(self, sender: Endpoint) -> Lane:
        """See :meth:`actors.ha.direct.Road.lane`."""
        return Lane(self.way(sender))

    def sent(self, sender: Endpoint, channel: int, data: bytes) -> None:
        """See :meth:`actors.ha.direct.Road.sent`."""
        self._sees(sender, channel, data)
        for token, (ends, frames, then) in list(self._fuses.items()):
            if sender not in ends:
                continue
            if frames > 0:
                self._fuses[token] = (ends, frames - 1, then)
            else:
                del self._fuses[token]
                then()

    def too_long(self, give_up: Callable[[], None]) -> None:
        """See :meth:`actors.ha.direct.Road.too_long`."""
        asyncio.get_running_loop().call_later(TRY_WITHIN.total_seconds(), give_up)
