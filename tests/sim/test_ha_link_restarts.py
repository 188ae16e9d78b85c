"""A link whose actor does not come up: the node goes on, and an operator hears that there is no link."""

from __future__ import annotations

import pytest

from actors.ha.link import HaSyncLink
from peerkey.observe.alarms import ha_link_down
from peerkey_cli.simulation.fleet import Fleet
from peerkey_cli.simulation.watch import Injected
from tests.support.story import MINUTE, at, play, told

ONE, TWO = "hub/node0", "hub/node1"


def test_a_link_that_does_not_answer_is_no_link_and_that_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: HaSyncLink) -> None:
        raise Injected

    monkeypatch.setattr(HaSyncLink, "started", broken)
    shown = []

    async def look(fleet: Fleet) -> None:
        await at(MINUTE)
        shown.append(await told(fleet, ONE))

    play("ha", 2 * MINUTE, beside=look)
    (status,) = shown
    assert status.ha is None
    assert ha_link_down(ONE, TWO) in status.alarms
    assert [peer.security.keys != () for peer in status.peers] == [True]
