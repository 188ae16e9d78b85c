"""The link between two hosts, as a machine: two of them and a wire that does everything to what is on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from runtime.cluster.frames import Frame, Header, Label, Told, decode_untrusted, encode
from runtime.cluster.link import MAX_WAITING_ITEMS, UNMISSED_SHARE, Link
from runtime.cluster.linkage import Deliver, Effect, Joined, LinkState, LinkTimes, Parted, Transmit

SECOND = timedelta(seconds=1)


def test_two_hosts_that_call_each_other_are_joined_after_one_exchange() -> None:
    pair = Pair(Random(1))
    pair.run(until=0.5 * SECOND)

    assert [link.state for link in pair.links.values()] == [LinkState.JOINED] * 2
    assert sum(link.counters.parted for link in pair.links.values()) == 0


def test_a_host_that_nobody_answers_for_is_gone_and_gives_back_what_waited() -> None:
    link = Link("east", 1, "west", timedelta(0))
    link.put(told(1))
    assert [type(effect) for effect in link.tick(timedelta(0))] == [Transmit]

    effects = link.tick(LinkTimes().silence)

    assert effects[0] == Parted("it is silent", (told(1),), LinkState.GONE)
    with pytest.raises(ValueError, match="west is gone"):
        link.put(told(2))


def test_a_host_that_says_that_it_leaves_is_gone_at_once_and_may_return() -> None:
    east = joined_link(Label(5, 1))
    east.put(told(1))
    frame = Frame(Header("west", Label(5, 1), east.label, 0, leaving=True))

    assert east.receive(frame, SECOND) == (True, [Parted("it has left", (told(1),), LinkState.GONE)])
    # What is late of it changes nothing.
    assert not [one for one in east.receive(frame, SECOND)[1] if not isinstance(one, Transmit)]
    assert east.state is LinkState.GONE
    assert Joined(Label(6, 1)) in east.receive(Frame(Header("west", Label(6, 1), None, 0)), SECOND)[1]


def test_a_frame_of_an_earlier_incarnation_is_fenced() -> None:
    link = joined_link(Label(5, 1))

    _, effects = link.receive(Frame(Header("west", Label(4, 9), link.label, 1), (told(1),)), SECOND)

    assert not [effect for effect in effects if isinstance(effect, Deliver | Parted)]
    assert (link.counters.fenced, link.joined_with) == (1, Label(5, 1))


def test_a_later_incarnation_ends_what_was_between_the_hosts() -> None:
    link = joined_link(Label(5, 1))
    link.put(told(1))

    _, effects = link.receive(Frame(Header("west", Label(6, 1), None, 0)), SECOND)

    assert effects[:2] == [
        Parted("it has begun anew", (told(1),), LinkState.CALLING),
        Joined(Label(6, 1)),
    ]
    assert link.label == Label(1, 2)


def test_a_batch_that_was_meant_for_an_earlier_life_is_not_delivered() -> None:
    link = joined_link(Label(5, 1))

    _, effects = link.receive(Frame(Header("west", Label(5, 1), Label(0, 7), 1), (told(1),)), SECOND)

    assert not [effect for effect in effects if isinstance(effect, Deliver)]
    assert link.counters.fenced == 1


def test_a_repeated_batch_is_delivered_once_and_a_missing_one_ends_the_link() -> None:
    link = joined_link(Label(5, 1))
    first, third = (Frame(Header("west", Label(5, 1), link.label, n), (told(n),)) for n in (1, 3))

    assert Deliver((told(1),)) in link.receive(first, SECOND)[1]
    assert Deliver((told(1),)) not in link.receive(first, SECOND)[1]
    assert link.counters.repeated == 1
    assert Parted("a batch is missing", (), LinkState.CALLING) in link.receive(third, SECOND)[1]


def test_one_batch_is_on_its_way_at_a_time_and_is_sent_again_until_it_arrives() -> None:
    link = joined_link(Label(5, 1))
    link.put(told(1))
    (first,) = transmissions(link.flush(SECOND), told(1))
    link.put(told(2))
    assert link.flush(SECOND) == []

    assert transmissions(link.transmitted(first.token, SECOND, arrived=False), told(1)) == []
    (again,) = transmissions(link.tick(SECOND + LinkTimes().retry), told(1))
    assert again.data == first.data
    assert link.transmitted(first.token, 2 * SECOND, arrived=True) == []
    assert transmissions(link.transmitted(again.token, 2 * SECOND, arrived=True), told(2))


def test_what_waits_is_bounded_but_for_what_is_owed() -> None:
    link = joined_link(Label(5, 1))
    assert all(link.put(told(number)) for number in range(MAX_WAITING_ITEMS))

    assert not link.put(told(0))
    assert link.put(told(0), owed=True)
    assert link.counters.refused == 1


def test_what_nobody_misses_leaves_room_for_everything_else() -> None:
    link = joined_link(Label(5, 1))
    unmissed = Told("somebody", b"", missed=False)
    taken = 0
    while link.put(unmissed):
        taken += 1

    assert taken == MAX_WAITING_ITEMS // UNMISSED_SHARE
    assert link.put(told(0))
    assert not link.put(unmissed)


def test_what_waits_is_bounded_in_bytes_too() -> None:
    link = joined_link(Label(5, 1))
    large = Told("somebody", bytes(1 << 20))
    taken = 0
    while link.put(large):
        taken += 1

    assert taken == 16


def test_whatever_the_wire_does_nothing_comes_twice_or_late_and_nothing_is_lost_unnoticed() -> None:
    for seed in range(300):
        random = Random(seed)
        pair = Pair(random)
        for _ in range(random.randint(1, 6)):
            pair.weather = Weather.drawn(random)
            end = pair.now + timedelta(seconds=random.uniform(0.1, 12))
            while pair.now < end:
                pair.run(until=pair.now + timedelta(seconds=random.uniform(0, 0.5)))
                for name in pair.links:
                    for _ in range(random.randint(0, 3)):
                        pair.put(name)
                if random.random() < 0.02:
                    pair.restart(random.choice(("east", "west")))
        pair.weather = Weather()
        pair.run(until=pair.now + timedelta(seconds=60))

        east, west = pair.links["east"], pair.links["west"]
        assert (east.joined_with, west.joined_with) == (west.label, east.label), seed
        assert east.waiting == west.waiting == 0, seed
        for name in pair.links:
            assert pair.delivered[name] == sorted(set(pair.delivered[name])), seed
            accounted = set(pair.delivered[name]) | pair.lost[name]
            assert accounted == set(range(1, pair.sent[name] + 1)), seed


def test_in_calm_weather_nothing_is_lost_however_busy_the_wire() -> None:
    pair = Pair(Random(7))
    for _ in range(2_000):
        pair.put("east")
        pair.put("west")
        pair.run(until=pair.now + timedelta(milliseconds=1))
    pair.run(until=pair.now + SECOND)

    assert pair.delivered["east"] == pair.delivered["west"] == list(range(1, 2_001))


# --- helpers --------------------------------------------------------------------------------------


def told(number: int) -> Told:
    return Told("somebody", b"%d" % number)


def joined_link(label: Label) -> Link:
    link = Link("east", 1, "west", timedelta(0))
    (hello,) = link.tick(timedelta(0))
    assert isinstance(hello, Transmit)
    assert Joined(label) in link.receive(Frame(Header("west", label, link.label, 0)), timedelta(0))[1]
    link.transmitted(hello.token, timedelta(0), arrived=True)
    return link


def transmissions(effects: list[Effect], *items: Told) -> list[Transmit]:
    return [
        effect
        for effect in effects
        if isinstance(effect, Transmit) and decode_untrusted(effect.data).items == items
    ]


class Weather:
    """What a wire does to a batch. ``deaf`` hosts hear nothing."""

    def __init__(
        self,
        lost: float = 0.0,
        word_lost: float = 0.0,
        doubled: float = 0.0,
        longest: float = 0.01,
        deaf: tuple[str, ...] = (),
    ) -> None:
        self.lost = lost
        self.word_lost = word_lost
        self.doubled = doubled
        self.longest = longest
        self.deaf = deaf

    @classmethod
    def drawn(cls, random: Random) -> Weather:
        lost, word_lost, doubled = (random.choice((0.0, 0.1, 0.6)) for _ in range(3))
        longest = random.choice((0.001, 0.3, 8.0))
        deaf: tuple[tuple[str, ...], ...] = ((), (), ("east",), ("west",), ("east", "west"))
        return cls(lost, word_lost, doubled, longest, random.choice(deaf))


class Pair:
    """Two links, a wire, and a clock."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = timedelta(0)
        self.weather = Weather()
        self.incarnations = {"east": 1, "west": 1}
        self.links = {"east": Link("east", 1, "west", self.now), "west": Link("west", 1, "east", self.now)}
        #: What each host has sent, what of it the other one was handed, and what it was told is lost.
        self.sent = {"east": 0, "west": 0}
        self.delivered: dict[str, list[int]] = {"east": [], "west": []}
        self.lost: dict[str, set[int]] = {"east": set(), "west": set()}
        self._events: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._number = 0

    def put(self, name: str) -> None:
        """Send the next number."""
        self.sent[name] += 1
        if self.links[name].state is LinkState.GONE or not self.links[name].put(told(self.sent[name])):
            self.lost[name].add(self.sent[name])
        self.perform(name, self.links[name].flush(self.now))

    def restart(self, name: str) -> None:
        """Replace the process of a host. What the other end has told it is gone with it."""
        self.incarnations[name] += 1
        self.lost[name] |= set(range(1, self.sent[name] + 1)) - set(self.delivered[name])
        other = self.links[name].peer
        self.links[name] = Link(name, self.incarnations[name], other, self.now)

    def run(self, until: timedelta) -> None:
        """Let time pass."""
        while True:
            due = ((link.deadline(), name) for name, link in self.links.items())
            first = min(((when, name) for when, name in due if when is not None), default=None)
            event = self._events[0][0] if self._events else None
            if first is None and event is None:
                break
            if event is not None and (first is None or event <= first[0]):
                if event > until:
                    break
                self.now = max(self.now, event)
                heapq.heappop(self._events)[2]()
            elif first is not None:
                if first[0] > until:
                    break
                self.now = max(self.now, first[0])
                self.perform(first[1], self.links[first[1]].tick(self.now))
        self.now = until

    def perform(self, name: str, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(token, data):
                    self.transmit(name, token, data)
                case Deliver(items):
                    other = self.links[name].peer
                    self.delivered[other] += [int(item.payload) for item in items if isinstance(item, Told)]
                case Parted(_, lost):
                    self.lost[name] |= {int(item.payload) for item in lost if isinstance(item, Told)}
                case Joined():
                    pass

    def transmit(self, name: str, token: int, data: bytes) -> None:
        link, weather, random = self.links[name], self.weather, self.random
        other = link.peer
        there, back = (timedelta(seconds=random.uniform(0, weather.longest)) for _ in range(2))
        arrives = other not in weather.deaf and random.random() >= weather.lost
        taken: list[bool] = []
        for _ in range(1 + (random.random() < weather.doubled) if arrives else 0):
            self.after(there, lambda: taken.append(self.arrive(other, data)))
            there += timedelta(seconds=random.uniform(0, weather.longest))
        known = random.random() >= weather.word_lost

        def word() -> None:
            if self.links[name] is link:
                arrived = known and bool(taken) and taken[0]
                self.perform(name, link.transmitted(token, self.now, arrived=arrived))

        self.after(there + back, word)

    def arrive(self, name: str, data: bytes) -> bool:
        frame = decode_untrusted(data)
        assert encode(frame.header, frame.items) == data
        taken, effects = self.links[name].receive(frame, self.now)
        self.perform(name, effects)
        return taken

    def after(self, delay: timedelta, what: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + delay, self._number, what))
