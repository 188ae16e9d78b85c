"""The network of a simulation: what machines send to each other, and everything that can happen on the way.

A simulation has one :class:`Network`, and each of its machines has a wire on it
(:class:`runtime.wire.simulated.SimulatedWire`). What an endpoint sends goes by the *link* from its host
to its peer's:

- the :class:`~runtime.wire.weather.Weather` decides its fate: the network's, or the link's own;
- if the link is cut (:mod:`runtime.wire.links`), it is gone. What was on its way before still arrives;
- when it is due, it comes to whoever has its addresses *then*, if the interface there is up.

Everything can be changed at any time. An attacker who sees everything and holds no key has
``links.seen``, :meth:`Network.replay`, :meth:`Network.reroute` and :meth:`Network.inject`; neither weather
nor cuts hinder the attacker.

**Reproducible.** Whatever is drawn comes from the one ``Random`` given, in the order of sending, as
:mod:`runtime.wire.weather` says; nothing depends on the order of a set, on an address in memory or on a
clock but the loop's. Datagrams that are due at one instant arrive in the order in which they were sent.

**Bounded.** So many datagrams are in flight and no more, and so many are remembered for each link.

**Accounted for.** :class:`NetworkCounters` says at any moment what became of every datagram.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol, TypeAlias

from runtime.errors import WireUnavailable
from runtime.wire.flights import Datagram, Flights
from runtime.wire.links import REMEMBERED, Links
from runtime.wire.links import host as normalized_host
from runtime.wire.port import MAX_DATAGRAM_BYTES, Address, EndpointCounters, normalized_pair
from runtime.wire.weather import FINE, Fate, Weather

#: Datagrams in flight. Ten thousand paths that start in the same instant and send twenty-five each fit in;
#: whatever sends more than that within one latency is a storm that a simulation shall survive and count.
IN_FLIGHT_LIMIT: Final = 250_000

#: Called with source, destination and data of a datagram.
Tap: TypeAlias = Callable[[Address, Address, bytes], object]


class Machine(Protocol):
    """A wire, as the network knows it."""

    def stranger(self, local: Address, source: Address) -> None:
        """Note that a datagram has come to a local address from a source which no endpoint expects."""
        ...


class Receiver(Protocol):
    """An endpoint, as the network knows it."""

    @property
    def local(self) -> Address:
        """Where it is."""
        ...

    @property
    def peer(self) -> Address:
        """The only source that it hears."""
        ...

    @property
    def counters(self) -> EndpointCounters:
        """Where an oversized datagram is counted."""
        ...

    def arrive(self, data: bytes) -> None:
        """Take a datagram of the peer."""
        ...

    def tell_state_later(self) -> None:
        """Say on a later turn whether the interface is up, unless that has been said."""
        ...


@dataclass(slots=True)
class NetworkCounters:
    """What became of all datagrams.

    At any moment ``sent + duplicated + replayed + injected`` equals ``delivered + lost + cut +
    dropped_in_flight + down + unheard + strangers + oversize``, and what is in flight.
    """

    #: Given to the network by an endpoint.
    sent: int = 0
    #: Added by the weather.
    duplicated: int = 0
    #: Added after having been seen: by the weather or by an attacker, re-routed ones included.
    replayed: int = 0
    #: Added by an attacker, and never seen before.
    injected: int = 0

    #: Handed to an endpoint.
    delivered: int = 0
    #: Taken by the weather.
    lost: int = 0
    #: Sent on a link that is cut, or that crosses a partition.
    cut: int = 0
    #: One too many to be in flight.
    dropped_in_flight: int = 0
    #: Came to an interface that is down.
    down: int = 0
    #: Came to an address which nobody has opened: a machine that has died, or does not run yet.
    unheard: int = 0
    #: Came to an address that is open, from a source which no endpoint there expects.
    strangers: int = 0
    #: Came to an endpoint, larger than any datagram of a wire: only an attacker has such.
    oversize: int = 0

    #: Put on their way with a changed byte, or shortened. They are counted above too.
    corrupted: int = 0
    truncated: int = 0


@dataclass(slots=True)
class _Port:
    """A local address that a machine has opened."""

    machine: Machine
    receivers: dict[Address, Receiver] = field(default_factory=dict)


class Network:
    """See the module. It belongs to the running loop on which it is made."""

    def __init__(
        self,
        random: Random,
        *,
        weather: Weather = FINE,
        in_flight_limit: int = IN_FLIGHT_LIMIT,
        remembered: int = REMEMBERED,
    ) -> None:
        """Begin with every interface up and no link cut."""
        #: The weather of every link that has none of its own.
        self.weather = weather
        #: Where links are cut, mended and looked at.
        self.links = Links(remembered)
        #: Told of each datagram that an endpoint sends, before anything happens to it.
        self.on_sent: Tap | None = None
        #: Told of each datagram that an endpoint is about to get, as it will get it.
        self.on_delivered: Tap | None = None
        #: What every datagram passes as it is sent, and may be changed by: a node of another version, say.
        self.gateway: Callable[[Address, Address, bytes], bytes] | None = None
        #: Read only.
        self.counters = NetworkCounters()
        self._random = random
        self._flights = Flights(asyncio.get_running_loop(), in_flight_limit, self._land)
        self._down: set[str] = set()
        self._ports: dict[Address, _Port] = {}

    @property
    def in_flight(self) -> int:
        """How many datagrams are on their way."""
        return len(self._flights)

    # --- interfaces -----------------------------------------------------------------------------------

    def set_interface(self, host: str, *, up: bool) -> None:
        """Take the interface with this address up or down; its endpoints are told."""
        host = normalized_host(host)
        if up:
            self._down.discard(host)
        else:
            self._down.add(host)
        for local, port in self._ports.items():
            if local.host == host:
                for receiver in port.receivers.values():
                    receiver.tell_state_later()

    def is_up(self, host: str) -> bool:
        """Return whether the interface with this address, in its normal form, is up."""
        return host not in self._down

    # --- an attacker who sees everything and holds no key -----------------------------------------------

    def replay(self, datagram: Datagram) -> None:
        """Let a datagram of the past arrive again, on a later turn but without delay."""
        self.counters.replayed += 1
        self._launch(0.0, datagram)

    def reroute(self, datagram: Datagram, local: Address, peer: Address) -> None:
        """Let a datagram of the past arrive at ``local`` as if it came from ``peer``, like :meth:`replay`.

        :raises WireUnavailable: an address is malformed, or the two are of different families.
        """
        local, peer = normalized_pair(local, peer)
        self.replay(Datagram(peer, local, datagram.data))

    def inject(self, local: Address, peer: Address, data: bytes) -> None:
        """Let anything arrive at ``local`` as if it came from ``peer``, like :meth:`replay`.

        :raises WireUnavailable: an address is malformed, or the two are of different families.
        """
        local, peer = normalized_pair(local, peer)
        self.counters.injected += 1
        self._launch(0.0, Datagram(peer, local, bytes(data)))

    # --- wires and their endpoints ------------------------------------------------------------------------

    def attach(self, machine: Machine, receiver: Receiver) -> None:
        """Bring datagrams for a pair of addresses to ``receiver`` from now on.

        :raises WireUnavailable: the pair is open already, or the local address is another machine's.
        """
        port = self._ports.get(receiver.local)
        if port is None:
            port = self._ports[receiver.local] = _Port(machine)
        if port.machine is not machine:
            message = f"{receiver.local} belongs to another machine"
            raise WireUnavailable(message)
        if receiver.peer in port.receivers:
            message = f"{receiver.local} to {receiver.peer} is open already"
            raise WireUnavailable(message)
        port.receivers[receiver.peer] = receiver

    def detach(self, receiver: Receiver) -> None:
        """Free the pair of an endpoint that was attached."""
        port = self._ports[receiver.local]
        del port.receivers[receiver.peer]
        if not port.receivers:
            del self._ports[receiver.local]

    def carry(self, source: Address, destination: Address, data: bytes) -> None:
        """Take a datagram of an endpoint, and let happen to it what will."""
        self.counters.sent += 1
        if self.on_sent is not None:
            self.on_sent(source, destination, data)
        if self.gateway is not None:
            data = self.gateway(source, destination, data)
        datagram = Datagram(source, destination, data)
        link = self.links.between(source.host, destination.host)
        weather = link.weather or self.weather
        # The fate is drawn before anything else is asked, so that a cut shifts no later draw.
        fate = None if weather.calm else weather.fate(self._random, data)
        delay = weather.delay(self._random) if fate is None else 0.0
        follower = None
        if fate is not None and fate.replay is not None and link.seen:
            follower = link.seen[int(fate.replay * len(link.seen))]
        link.seen.append(datagram)
        if link.cut or link.partitions:
            self.counters.cut += 1
        elif fate is None:
            self._launch(delay, datagram)
        elif fate.lost:
            self.counters.lost += 1
        else:
            self._launch_copies(datagram, fate, follower)

    # --- the way ------------------------------------------------------------------------------------------

    def _launch_copies(self, datagram: Datagram, fate: Fate, follower: Datagram | None) -> None:
        counters = self.counters
        counters.duplicated += len(fate.copies) - 1
        for copy in fate.copies:
            counters.truncated += copy.truncated
            counters.corrupted += copy.corrupted
            hurt = copy.truncated or copy.corrupted
            self._launch(copy.delay, datagram._replace(data=copy.data) if hurt else datagram)
        if follower is not None:
            counters.replayed += 1
            self._launch(fate.copies[0].delay, follower)

    def _launch(self, delay: float, datagram: Datagram) -> None:
        if not self._flights.launch(delay, datagram):
            self.counters.dropped_in_flight += 1

    def _land(self, datagram: Datagram) -> None:
        """Bring a datagram to whoever has its addresses now."""
        source, destination, data = datagram
        counters = self.counters
        port = self._ports.get(destination)
        if destination.host in self._down:
            counters.down += 1
        elif port is None:
            counters.unheard += 1
        elif (receiver := port.receivers.get(source)) is None:
            counters.strangers += 1
            port.machine.stranger(destination, source)
        elif len(data) > MAX_DATAGRAM_BYTES:
            counters.oversize += 1
            receiver.counters.received_oversize += 1
        else:
            counters.delivered += 1
            if self.on_delivered is not None:
                self.on_delivered(source, destination, data)
            receiver.arrive(data)
