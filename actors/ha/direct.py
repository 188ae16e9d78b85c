"""The link of a pair within one process: for tests and the simulator.

It opens a channel where both ends are there, refuses the keys that SSH would refuse, and can be cut. What is
sent arrives in order; what the mate has no room for drops the channel, as over SSH. When it arrives is the
business of :attr:`DirectSync.road`: at once here, and with a :class:`Road` of another kind later, or never.
Each channel has a lane of its own in each direction, and so has each try for one, so that what is stuck in
one holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, final

from actors.ha.transport import (
    AttemptFailed,
    ChannelData,
    ChannelLost,
    ChannelOpened,
    KeyRefused,
    WrongKey,
)

if TYPE_CHECKING:
    from actors.ha.transport import Tell
    from peerkey.config.plan import Endpoint, HaPlan

#: What a channel takes to be opened, or closed, in bytes: about a packet of TCP.
_PACKET: Final = 60


class Lane(Protocol):
    """One direction of one channel."""

    def carry(self, size: int, arrive: Callable[[], None]) -> None:
        """Call ``arrive`` when so many bytes that are sent now are there: in order, or never."""
        ...


class Road(Protocol):
    """Everything between two ends that are not in one place."""

    def lane(self, sender: Endpoint) -> Lane:
        """Return a new lane, from the end of this address to its mate."""
        ...

    def sent(self, sender: Endpoint, channel: int, data: bytes) -> None:
        """See what an end sends; the channel may be lost of it."""
        ...

    def too_long(self, give_up: Callable[[], None]) -> None:
        """Call ``give_up`` when a try for a channel that begins now has taken too long."""
        ...


class Here:
    """No distance at all: what is sent has arrived. A road, and each lane of it."""

    def lane(self, _sender: Endpoint) -> Here:
        """See :meth:`Road.lane`."""
        return self

    def carry(self, _size: int, arrive: Callable[[], None]) -> None:
        """See :meth:`Lane.carry`."""
        arrive()

    def sent(self, _sender: Endpoint, _channel: int, _data: bytes) -> None:
        """See :meth:`Road.sent`."""

    def too_long(self, _give_up: Callable[[], None]) -> None:
        """See :meth:`Road.too_long`: a try is over as soon as it begins."""


@dataclass(frozen=True, slots=True)
class _Line:
    """An end's side of a channel: its number, and the way to the other end."""

    channel: int
    other: _End
    lane: Lane


@final
class DirectSync:
    """Joins the ends of pairs that are opened here."""

    def __init__(self, road: Road | None = None) -> None:
        """Begin with no end and no cut."""
        #: What lies between the ends.
        self.road: Road = Here() if road is None else road
        self._listening: dict[Endpoint, _End] = {}
        self._numbers = count(1)
        self._is_cut = False
        self._joined: dict[_End, None] = {}
        #: Which frames of which sender arrive; a test may lose some.
        self.lets_through: Callable[[HaPlan, bytes], bool] = lambda _sender, _frame: True

    def open(self, plan: HaPlan, tell: Tell) -> _End:
        """See :class:`~actors.ha.transport.SyncTransport`."""
        return _End(self, plan, tell)

    def cut(self) -> None:
        """Lose every channel, and let none be opened until :meth:`mend`."""
        self._is_cut = True
        for end in list(self._joined):
            end.lose("cut")

    def mend(self) -> None:
        """Let channels be opened again."""
        self._is_cut = False

    def reset(self, plan: HaPlan) -> None:
        """Let both ends of the pair of this plan lose their channel at once, as by a RST to each."""
        for end in [end for end in self._joined if end.plan.local in {plan.local, plan.remote}]:
            end.lose("connection reset")

    def unplug(self, plan: HaPlan) -> None:
        """Let the end of this plan be gone without a word: its power has failed."""
        for end in [
            end for end in (*self._joined, *self._listening.values()) if end.plan.local == plan.local
        ]:
            end.trying = 0
            end.vanish()

    # --- what the ends do -------------------------------------------------------------------------

    def listen(self, end: _End) -> None:
        """Let the mate of this end find it."""
        self._listening[end.plan.local] = end

    def forget(self, end: _End) -> None:
        """Let nobody find an end any more."""
        if self._listening.get(end.plan.local) is end:
            del self._listening[end.plan.local]

    def connect(self, end: _End) -> None:
        """Try to join an end with the one that listens for it."""
        lane, number = self.road.lane(end.plan.local), next(self._numbers)
        end.trying = number
        self.road.too_long(lambda: end.failed(number, AttemptFailed("no answer in time")))
        lane.carry(_PACKET, lambda: self._arrived(end, number, lane))

    def joined(self, end: _End, *, joined: bool) -> None:
        """Take note of which ends have a channel."""
        self._joined.pop(end, None)
        if joined:
            self._joined[end] = None

    def _arrived(self, end: _End, number: int, lane: Lane) -> None:
        """Join two ends whose keys are as each expects; ``lane`` leads from the one that has tried."""
        if end.trying != number:
            return
        back = self.road.lane(end.plan.remote)
        other = self._listening.get(end.plan.remote)
        if self._is_cut or other is None:
            back.carry(_PACKET, lambda: end.failed(number, AttemptFailed("nobody answers")))
        elif other.plan.public_key != end.plan.mate_public_key:
            shown = fingerprint(other.plan.public_key)
            back.carry(_PACKET, lambda: end.failed(number, KeyRefused(WrongKey.HOST, shown, by_mate=False)))
        elif end.plan.public_key != other.plan.mate_public_key:
            shown = fingerprint(end.plan.public_key)
            other.tell(KeyRefused(WrongKey.CLIENT, shown, by_mate=False))
            back.carry(_PACKET, lambda: end.failed(number, KeyRefused(WrongKey.CLIENT, shown, by_mate=True)))
        else:
            back.carry(_PACKET, lambda: end.opened(number, other, lane))
            other.opened(number, end, back)


@final
class _End:
    """One end."""

    def __init__(self, network: DirectSync, plan: HaPlan, tell: Tell) -> None:
        self.plan, self.tell = plan, tell
        #: The try for a channel that is under way; 0 for none.
        self.trying = 0
        self._line: _Line | None = None
        self._network = network

    # --- see SyncEnd ------------------------------------------------------------------------------

    def attempt(self) -> None:
        if self.plan.listens:
            self._network.listen(self)
        elif self._line is None and not self.trying:
            self._network.connect(self)

    def send(self, channel: int, data: bytes) -> None:
        """Let it arrive; where there is no room for it, the channel is lost."""
        line = self._line
        if line is None or channel != line.channel:
            return
        if self._network.lets_through(self.plan, data):
            line.lane.carry(len(data), lambda: line.other.came(channel, data))
        self._network.road.sent(self.plan.local, channel, data)

    def drop(self, channel: int) -> None:
        if self._line is not None and channel == self._line.channel:
            self._hang_up("the mate has closed it")

    def close(self) -> None:
        self.trying = 0
        self._hang_up("the mate has ended")
        self._network.forget(self)

    # --- what comes from the other ----------------------------------------------------------------

    def opened(self, channel: int, other: _End, lane: Lane) -> None:
        """Have a channel. The one before is given up."""
        if not self.plan.listens and self.trying != channel:
            # Given up, or ended, meanwhile: the other finds out.
            lane.carry(_PACKET, lambda: other.lost(channel, "the mate has ended"))
            return
        self.trying = 0
        self.lose("another channel took its place")
        self._line = _Line(channel, other, lane)
        self._network.joined(self, joined=True)
        self.tell(ChannelOpened(channel))

    def failed(self, number: int, word: AttemptFailed | KeyRefused) -> None:
        """Take up that a try has come to nothing."""
        if self.trying == number:
            self.trying = 0
            self.tell(word)

    def came(self, channel: int, data: bytes) -> None:
        """Pass on what has come; where there is no room for it, the channel is lost."""
        line = self._line
        if line is not None and line.channel == channel and not self.tell(ChannelData(channel, data)):
            self.lose("this node does not keep up")

    def lost(self, channel: int, reason: str) -> None:
        """Take up that the channel is gone."""
        if self._line is not None and self._line.channel == channel:
            self.vanish()
            self.tell(ChannelLost(channel, reason))

    def lose(self, reason: str) -> None:
        """Lose the channel here, and let the other end hear of it."""
        line = self._line
        if line is not None:
            self._hang_up(reason)
            self.tell(ChannelLost(line.channel, reason))

    def vanish(self) -> None:
        """Have no channel, and say nothing."""
        self._line = None
        self._network.joined(self, joined=False)

    def _hang_up(self, reason: str) -> None:
        line = self._line
        self.vanish()
        if line is not None:
            line.lane.carry(_PACKET, lambda: line.other.lost(line.channel, reason))


def fingerprint(public_key: str) -> str:
    """Return what names a key here."""
    return f"SHA256:{sha256(public_key.encode()).hexdigest()[:16]}"
