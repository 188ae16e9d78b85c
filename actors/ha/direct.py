"""The link of a pair within one process: for tests and the simulator.

It opens a channel where both ends are there, refuses the keys that SSH would refuse, and can be cut. What is
sent arrives at once, in order; what the mate has no room for drops the channel, as over SSH.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, final

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


@final
class DirectSync:
    """Joins the ends of pairs that are opened here."""

    def __init__(self) -> None:
        """Begin with no end and no cut."""
        self._listening: dict[Endpoint, _End] = {}
        self._numbers = count(1)
        self._is_cut = False
        self._joined: set[_End] = set()
        #: Which frames arrive; a test may lose some.
        self.lets_through: Callable[[bytes], bool] = lambda _: True

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

    def listen(self, end: _End) -> None:
        """Let the mate of this end find it."""
        self._listening[end.plan.local] = end

    def connect(self, end: _End) -> None:
        """Join an end with the one that listens for it, where their keys are as each expects."""
        other = self._listening.get(end.plan.remote)
        if self._is_cut or other is None:
            end.tell(AttemptFailed("nobody answers"))
        elif other.plan.public_key != end.plan.mate_public_key:
            end.tell(KeyRefused(WrongKey.HOST, fingerprint(other.plan.public_key), by_mate=False))
        elif end.plan.public_key != other.plan.mate_public_key:
            shown = fingerprint(end.plan.public_key)
            other.tell(KeyRefused(WrongKey.CLIENT, shown, by_mate=False))
            end.tell(KeyRefused(WrongKey.CLIENT, shown, by_mate=True))
        else:
            number = next(self._numbers)
            other.lose("another channel took its place")
            for here, there in ((end, other), (other, end)):
                here.channel, here.other = number, there
                self._joined.add(here)
                here.tell(ChannelOpened(number))

    def gone(self, end: _End) -> None:
        """Forget an end's channel."""
        self._joined.discard(end)

    def forget(self, end: _End) -> None:
        """Let nobody find an end any more."""
        if self._listening.get(end.plan.local) is end:
            del self._listening[end.plan.local]


@final
class _End:
    """One end."""

    def __init__(self, network: DirectSync, plan: HaPlan, tell: Tell) -> None:
        self.plan, self.tell = plan, tell
        self.channel, self.other = 0, None  # type: int, _End | None
        self._network = network

    def attempt(self) -> None:
        if self.plan.listens:
            self._network.listen(self)
        elif self.other is None:
            self._network.connect(self)

    def send(self, channel: int, data: bytes) -> None:
        """Let it arrive; where there is no room for it, the channel is lost."""
        other = self.other
        if other is None or channel != self.channel or not self._network.lets_through(data):
            return
        if not other.tell(ChannelData(channel, data)):
            self.lose("the mate does not keep up")

    def drop(self, channel: int) -> None:
        if channel == self.channel:
            self._part("the mate has closed it", tell_own=False)

    def lose(self, reason: str) -> None:
        """Lose the channel at both ends."""
        self._part(reason, tell_own=True)

    def close(self) -> None:
        self._part("the mate has ended", tell_own=False)
        self._network.forget(self)

    def _part(self, reason: str, *, tell_own: bool) -> None:
        other, channel = self.other, self.channel
        if other is None:
            return
        for end in (self, other):
            end.other = None
            self._network.gone(end)
        other.tell(ChannelLost(channel, reason))
        if tell_own:
            self.tell(ChannelLost(channel, reason))


def fingerprint(public_key: str) -> str:
    """Return what names a key here."""
    return f"SHA256:{sha256(public_key.encode()).hexdigest()[:16]}"
