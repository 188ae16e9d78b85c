"""A network that loses what it is told to lose and remembers what it carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from peerkey.protocol.constants import Kind
from peerkey.protocol.effects import Effect
from peerkey.protocol.frame import Frame
from peerkey.protocol.segments import HEADER_BYTES
from peerkey.testing.pair import Datagram, End, Fate, Pair, reliable


class Passing(NamedTuple):
    """One datagram on its way: by whom, where, and what kind of frame it is a piece of."""

    sender: str
    path: str
    kind: int
    data: bytes


class Wire:
    """Give one to a :class:`Pair` as its network."""

    def __init__(self) -> None:
        """Begin with a wire that loses nothing."""
        self.carried: list[Passing] = []
        self._losses: list[Callable[[Passing], bool]] = []
        self._kinds: dict[bytes, int] = {}

    def __call__(self, datagram: Datagram) -> Fate:
        """Lose a datagram, or carry it as a reliable network does."""
        data = datagram.data
        if data[12] == 0:
            # A frame begins with the array's head and its kind.
            self._kinds[data[4:12]] = data[HEADER_BYTES + 1]
        passing = Passing(datagram.sender.name, datagram.path, self._kinds[data[4:12]], data)
        if any(lost(passing) for lost in self._losses):
            return ()
        self.carried.append(passing)
        return reliable(datagram)

    def lose(self, *kinds: Kind, sender: str | None = None, path: str | None = None) -> None:
        """Lose frames of these kinds (of all kinds, where none is named) from now on."""
        self.lose_where(
            lambda passing: (
                (not kinds or passing.kind in kinds)
                and sender in {None, passing.sender}
                and path in {None, passing.path}
            )
        )

    def lose_where(self, lost: Callable[[Passing], bool]) -> None:
        """Lose every datagram for which ``lost`` holds."""
        self._losses.append(lost)

    def heal(self) -> None:
        """Lose nothing any more."""
        self._losses.clear()


def hand(end: End, frame: Frame, path: str = "path0") -> list[Effect]:
    """Give a frame to a peering as if it had come by a path; carry out and return what it wants."""
    wanted = end.peering.receive(path, frame, end.now)
    end.carry(wanted)
    return wanted


def last_sent(end: End, kind: Kind) -> Frame:
    """Return the latest frame of a kind that an end sent."""
    return next(frame for _, frame in reversed(end.sent) if frame.kind == kind)


def frames(end: End, kind: Kind) -> list[Frame]:
    """Return the different frames of a kind that an end sent, in order."""
    return list(dict.fromkeys(frame for _, frame in end.sent if frame.kind == kind))


def traces(end: End) -> tuple[object, ...]:
    """Return what a frame that proves nothing must leave as it was."""
    peering = end.peering
    return peering.record, peering.phase, peering.deadline()


def keyed_pair(**options: object) -> Pair:
    """Return a pair that has just been keyed."""
    pair = Pair(**options)  # type: ignore[arg-type]
    assert pair.run(seconds=5, until=pair.keyed)
    return pair


def rekey(end: End) -> None:
    """Ask an end for a new key, as an operator would."""
    end.carry(end.peering.rekey(end.now))
    end.tick()
