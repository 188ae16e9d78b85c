"""What concerns the direct wire alone."""

from __future__ import annotations

from datetime import timedelta

from runtime.system import ActorSystem
from runtime.testing import pass_time, run, settle
from runtime.wire.direct import DirectWire
from runtime.wire.endpoints import INBOX_LIMIT
from runtime.wire.port import Address

ONE, TWO = Address("192.0.2.1", 1280), Address("192.0.2.2", 1280)


def test_a_full_inbox_drops_and_counts_at_the_receiver() -> None:
    async def scenario(_system: ActorSystem) -> None:
        wire = DirectWire()
        heard: list[bytes] = []
        sender = wire.open(ONE, TWO, ignore, ignore)
        receiver = wire.open(TWO, ONE, heard.append, ignore)
        for _ in range(INBOX_LIMIT + 5):
            sender.send(b"datagram")
        await settle()
        assert len(heard) == INBOX_LIMIT
        assert (receiver.counters.received, receiver.counters.dropped_full) == (INBOX_LIMIT, 5)

    run(scenario)


def test_what_is_on_its_way_to_an_interface_that_goes_down_is_lost() -> None:
    async def scenario(_system: ActorSystem) -> None:
        wire = DirectWire()
        heard: list[bytes] = []
        sender = wire.open(ONE, TWO, ignore, ignore)
        wire.open(TWO, ONE, heard.append, ignore)
        sender.send(b"on its way")
        wire.set_interface(TWO.host, up=False)
        sender.send(b"to nowhere")
        await settle()
        wire.set_interface(TWO.host, up=True)
        await settle()
        assert heard == []
        assert sender.counters.sent == 2

    run(scenario)


def test_an_interface_that_flaps_within_one_turn_is_not_worth_telling() -> None:
    async def scenario(_system: ActorSystem) -> None:
        wire = DirectWire()
        states: list[object] = []
        wire.open(ONE, TWO, ignore, states.append)
        await settle()
        wire.set_interface(ONE.host, up=False)
        wire.set_interface(ONE.host, up=True)
        await settle()
        assert states == [True]

    run(scenario)


def test_the_direct_wire_works_in_virtual_time() -> None:
    async def scenario(system: ActorSystem) -> None:
        wire = DirectWire()
        heard: list[bytes] = []
        sender = wire.open(ONE, TWO, ignore, ignore)
        wire.open(TWO, ONE, heard.append, ignore)
        await pass_time(timedelta(days=1))
        sender.send(b"good morning")
        await settle()
        assert heard == [b"good morning"]
        assert system.clock.monotonic() == timedelta(days=1)

    run(scenario)


def ignore(_what: object) -> None:
    return
