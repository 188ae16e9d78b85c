"""One host's view of one other host: whether it is there, what waits for it, and what of it is out of date.

The machine is pure. Time arrives as ``now``, frames arrive decoded, and what it wants done leaves as an
:data:`~runtime.cluster.linkage.Effect`. Call :meth:`Link.tick` at :meth:`Link.deadline`, and
:meth:`Link.transmitted` when what was to be transmitted has been, or has not.

**Lives.** Each end of a link has a label: the incarnation of its process, and a term that grows whenever
this end gives the other up. A frame carries the label of its sender and the one that it means of its
receiver. A frame of an earlier life than the latest that was heard of, or meant for an earlier life of this
end, is *fenced*: counted and dropped, but for the answer that tells its sender who is here. So what one end
has given up, the other end gives up too, as soon as it hears: its questions fail, its watches fire. That is
what makes silence on one side harmless.

**Order.** One batch is on its way at a time. It is sent again until it has been handled or the link parts;
its number tells its receiver whether it has it already. So nothing is lost while two ends stay joined,
nothing comes twice, and nothing is overtaken.

**Silence.** Every frame that means this life of ours is a sign of life; where none is due anyway, an empty
one goes out every ``beat``. After ``silence`` without one the other host is *gone*, and at once if it says
that it leaves. What waits for it is returned, and what is sent to it later is refused, until it is heard of
again.

::

    CALLING --heard of--> JOINED --silent, has left--> GONE --heard of--> JOINED
       |                    |
       +---silent--> GONE   +--another life heard of--> CALLING
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime.cluster.frames import (
    MAX_BATCH_BYTES,
    MAX_FRAME_ITEMS,
    Frame,
    Header,
    Item,
    Label,
    Told,
    encode,
    item_bytes,
)
from runtime.cluster.linkage import (
    TRANSITIONS,
    Deliver,
    Effect,
    Joined,
    LinkCounters,
    LinkState,
    LinkTimes,
    Parted,
    Transmit,
)

#: What waits for one host, at most. Beyond it senders are refused, as by a full mailbox.
MAX_WAITING_ITEMS: Final = 10_000
MAX_WAITING_BYTES: Final = 16 << 20
#: What nobody misses finds only so much of that room: datagrams never fill a mailbox for anything else.
UNMISSED_SHARE: Final = 4
#: Two signs of life are at least so far apart, whatever they answer.
_LEAST_GAP: Final = timedelta(milliseconds=20)


@dataclass(slots=True)
class _Batch:
    """The batch that is on its way."""

    token: int
    data: bytes
    items: tuple[Item, ...]
    wait: timedelta
    #: When it is sent again; ``None`` while it is being transmitted.
    again_at: timedelta | None = None


class Link:
    """See the module."""

    def __init__(
        self, own: str, incarnation: int, peer: str, now: timedelta, times: LinkTimes | None = None
    ) -> None:
        """Begin to call ``peer``, as process number ``incarnation`` of the host ``own``."""
        self.peer = peer
        self.times = times if times is not None else LinkTimes()
        self.state = LinkState.CALLING
        self.label = Label(incarnation, 1)
        #: The life of the other end that this one is joined with.
        self.joined_with: Label | None = None
        #: Read only.
        self.counters = LinkCounters()
        self._own = own
        #: The latest life of the other end that was heard of.
        self._latest: Label | None = None
        self._heard_at = now
        self._sign_due = now
        self._sign_sent = now - _LEAST_GAP
        self._sign_token: int | None = None
        self._token = 0
        self._sent = 0
        self._received = 0
        self._batch: _Batch | None = None
        #: With about how many bytes each takes.
        self._waiting: deque[tuple[Item, int]] = deque()
        self._waiting_bytes = 0

    # --- what waits -----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many items wait, those on their way included."""
        return len(self._waiting) + (len(self._batch.items) if self._batch is not None else 0)

    def put(self, item: Item, *, owed: bool = False) -> bool:
        """Take an item, or refuse it: too much is waiting. What nobody misses is refused long before.

        What is ``owed`` to the other host is always taken. How much that can be is bounded by the questions
        and watches that this host accepts of it.

        :raises ValueError: the host is gone.
        """
        if self.state is LinkState.GONE:
            message = f"{self.peer} is gone"
            raise ValueError(message)
        share = UNMISSED_SHARE if isinstance(item, Told) and not item.missed else 1
        full = self.waiting * share >= MAX_WAITING_ITEMS or self._waiting_bytes * share >= MAX_WAITING_BYTES
        if full and not owed:
            self.counters.refused += 1
            return False
        size = item_bytes(item)
        self._waiting.append((item, size))
        self._waiting_bytes += size
        return True

    def flush(self, now: timedelta) -> list[Effect]:
        """Send what waits, if nothing else is on its way."""
        if self.joined_with is None or self._batch is not None or not self._waiting:
            return []
        items: list[Item] = []
        room = MAX_BATCH_BYTES
        while self._waiting and room > 0 and len(items) < MAX_FRAME_ITEMS:
            item, size = self._waiting.popleft()
            room -= size
            items.append(item)
        self._waiting_bytes -= MAX_BATCH_BYTES - room
        self._sent += 1
        data = encode(Header(self._own, self.label, self.joined_with, self._sent), items)
        self._batch = _Batch(self._next_token(), data, tuple(items), self.times.retry)
        return [self._transmit(self._batch, now)]

    # --- what happens ---------------------------------------------------------------------------

    def receive(self, frame: Frame, now: timedelta) -> tuple[bool, list[Effect]]:
        """Take a frame whose header names the other host as its source.

        Returns whether it is taken care of, now or earlier, so that its sender can forget it; a batch that is
        fenced is not. The sender is told by the transport.
        """
        effects = self._fall_silent(now)
        header = frame.header
        if self._latest is not None and header.label < self._latest:
            self.counters.fenced += 1
            return False, effects
        if header.leaving and header.seen == self.label and self.state is not LinkState.GONE:
            self._latest = header.label
            return True, [*effects, self._part(LinkState.GONE, "it has left")]
        if self.joined_with is not None and header.label != self.joined_with:
            effects.append(self._part(LinkState.CALLING, "it has begun anew"))
            self._heard_at = now
        self._latest = header.label
        if header.seen == self.label:
            self._heard_at = now
        elif header.seen is not None:
            self.counters.fenced += 1
            self._owe_sign(now)
            return False, [*effects, *self._advance(now)]
        if self.joined_with is None:
            effects.append(self._join(header.label, now))
        elif header.seen is None:
            self._owe_sign(now)
        taken = not header.sequence
        if header.seen is not None and header.sequence:
            taken, news = self._take(frame)
            effects += news
        return taken, [*effects, *self._advance(now)]

    def transmitted(self, token: int, now: timedelta, *, arrived: bool) -> list[Effect]:
        """Learn what became of a transmission: it is taken care of, or it is not, or nobody knows."""
        batch = self._batch
        if token == self._sign_token:
            self._sign_token = None
        elif batch is not None and batch.token == token:
            if arrived:
                self._batch = None
                self.counters.sent += len(batch.items)
            else:
                batch.again_at = now + batch.wait
                batch.wait = min(2 * batch.wait, self.times.longest_retry)
        else:
            return []  # Of before the link parted.
        return self._advance(now)

    def tick(self, now: timedelta) -> list[Effect]:
        """Do what is due: a sign of life, another attempt, or giving the other host up."""
        return [*self._fall_silent(now), *self._advance(now)]

    def deadline(self) -> timedelta | None:
        """Return when :meth:`tick` is to be called; ``None`` until a transmission has come to its end."""
        due = [] if self.state is LinkState.GONE else [self._heard_at + self.times.silence]
        if self._sign_token is None:
            due.append(self._sign_due)
        if self._batch is not None and self._batch.again_at is not None:
            due.append(self._batch.again_at)
        return min(due, default=None)

    def farewell(self) -> bytes | None:
        """Return what tells the other host that this one leaves, if it is there to hear it."""
        if self.joined_with is None:
            return None
        return encode(Header(self._own, self.label, self.joined_with, 0, leaving=True))

    def close(self) -> Parted:
        """Give the other host up, because this one leaves."""
        return self._part(LinkState.GONE, "this host leaves")

    # --- steps ----------------------------------------------------------------------------------

    def _fall_silent(self, now: timedelta) -> list[Effect]:
        if self.state is LinkState.GONE or now < self._heard_at + self.times.silence:
            return []
        return [self._part(LinkState.GONE, "it is silent")]

    def _advance(self, now: timedelta) -> list[Effect]:
        effects: list[Effect] = []
        batch = self._batch
        if batch is not None and batch.again_at is not None and now >= batch.again_at:
            self.counters.retried += 1
            batch.again_at = None
            batch.token = self._next_token()
            effects.append(self._transmit(batch, now))
        effects += self.flush(now)
        if self._sign_token is None and now >= self._sign_due:
            self._sign_token = self._next_token()
            self._sign_sent = now
            self._sign_due = now + (self.times.probe if self.state is LinkState.GONE else self.times.beat)
            header = Header(self._own, self.label, self.joined_with, 0)
            effects.append(Transmit(self._sign_token, encode(header)))
        return effects

    def _take(self, frame: Frame) -> tuple[bool, list[Effect]]:
        """Accept a batch of the life that this end is joined with, if it is the next one."""
        sequence = frame.header.sequence
        if sequence <= self._received:
            self.counters.repeated += 1
            return True, []
        if sequence != self._received + 1:
            # Nothing that keeps the transport's promise leads here; what is missing will never come.
            return False, [self._part(LinkState.CALLING, "a batch is missing")]
        self._received = sequence
        self.counters.received += len(frame.items)
        return True, [Deliver(frame.items)]

    def _join(self, label: Label, now: timedelta) -> Joined:
        self._become(LinkState.JOINED)
        self.joined_with = label
        self._heard_at = now
        self._sent = self._received = 0
        # The other end learns from it that it is heard.
        self._owe_sign(now)
        return Joined(label)

    def _part(self, state: LinkState, why: str) -> Parted:
        self._become(state)
        batch = self._batch.items if self._batch is not None else ()
        lost = (*batch, *(item for item, _ in self._waiting))
        if self.joined_with is not None:
            self.label = Label(self.label.incarnation, self.label.term + 1)
            self.counters.parted += 1
        self.joined_with = None
        self._batch = None
        self._sign_token = None
        self._waiting.clear()
        self._waiting_bytes = 0
        return Parted(why, lost, state)

    def _owe_sign(self, now: timedelta) -> None:
        self._sign_due = min(self._sign_due, max(now, self._sign_sent + _LEAST_GAP))

    def _transmit(self, batch: _Batch, now: timedelta) -> Transmit:
        # A batch is a sign of life itself.
        self._sign_due = max(self._sign_due, now + self.times.beat)
        return Transmit(batch.token, batch.data)

    def _next_token(self) -> int:
        self._token += 1
        return self._token

    def _become(self, state: LinkState) -> None:
        if state is not self.state and state not in TRANSITIONS[self.state]:
            message = f"the link to {self.peer} cannot go from {self.state.value} to {state.value}"
            raise RuntimeError(message)
        self.state = state
