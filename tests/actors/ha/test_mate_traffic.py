"""What a data plane is told of the mate's keys, whatever the mate calls its records."""

from __future__ import annotations

from uuid import UUID

import pytest

from actors.desk import record_name
from actors.ha.traffic import MateTraffic
from peerkey.protocol.keyring import KeyRing
from peerkey.testing.data_plane import MemoryDataPlane
from tests.protocol.keys import key

NODE, MATE, PEER = UUID(int=1), UUID(int=2), UUID("877f77b2-2c5c-4316-b266-f24a7a44668e")
RING = KeyRing(current=key(1))


def test_the_ring_of_a_peering_is_handed_on_and_taken_away() -> None:
    here = MemoryDataPlane()
    traffic = MateTraffic(here, NODE, 1, MATE)
    traffic.copied(record_name(PEER), RING)
    assert set(here.keys) == {(NODE, MATE, PEER)}

    traffic.copied(record_name(PEER), None)
    assert not here.keys


@pytest.mark.parametrize(
    "name",
    ["", "peering:", "peering:of nobody", "peering:{877F77B2-2C5C-4316-B266-F24A7A44668E}", "router:turn"],
)
def test_a_record_that_is_called_like_no_peering_is_passed_over(name: str) -> None:
    here = MemoryDataPlane()
    traffic = MateTraffic(here, NODE, 1, MATE)
    traffic.copied(name, RING)
    traffic.copied(name, None)

    assert not here.keys
