"""The causes of six faults and the next steps are on the page of one router: nothing else is read.

One router, ``east``, runs all the time, with a certificate that ends soon, and follows a list. Its peer comes
and goes with one fault after the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.testing.lists import revocation_list
from tests.cli.background import Background, in_background
from tests.cli.two_routers import UUIDS, TwoRouters, two_routers
from tests.support.hosts import wait_for

DAY = timedelta(days=1)
WITHIN_SECONDS = 40.0


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> TwoRouters:
    made = two_routers(tmp_path_factory.mktemp("causes"))
    made.certify("east", made.ca.issue(UUIDS["east"], not_after=made.ca.now + 5 * DAY))
    return made


@pytest.fixture(scope="module")
def east(routers: TwoRouters) -> Iterator[Background]:
    file = routers.write("east", "east", **{"path-probe-interval": 1})
    configuration = json.loads(file.read_text())
    configuration["authority"]["certificate-revocation-list"] = {"url": (routers.folder / "ca.crl").as_uri()}
    file.write_text(json.dumps(configuration))
    with in_background(file, routers.folder / "east-state") as background:
        yield background


def test_a_certificate_that_ends_soon(east: Background) -> None:
    told(east, "alarms", "certificates are expiring in less than 7 days: `east/node0`")
    told(
        east,
        "certificates",
        "east/node0 valid, ends within 7 days Next step: the certificate of this node ends",
    )
    told(east, "certificates", "in 4 d 23 h")


def test_a_server_of_revocation_lists_that_is_down(east: Background) -> None:
    told(east, "lists", "unreachable")
    told(east, "alarms", "CRL endpoints are unreachable: `file:")
    told(east, "lists", "No such file")
    told(east, "lists", "Next step: see whether this machine reaches it")


def test_a_peer_with_another_algorithm(east: Background, routers: TwoRouters) -> None:
    with in_background(
        routers.write("west", "west", **{"key-exchange-algorithm": "diffie-hellman"}),
        routers.folder / "west-state",
    ):
        told(east, "peerings", "the peer is configured for diffie-hellman-2048, this node for ml-kem-768")
        told(east, "peerings", "Key exchange: algorithm-mismatch")
        told(east, "peerings", "Next step: set the same key-exchange-algorithm and sizes on both ends")


def test_a_peer_whose_certificate_is_not_valid_yet_then_is_revoked_and_then_is_gone(
    east: Background, routers: TwoRouters
) -> None:
    ca = routers.ca
    routers.certify("west", ca.issue(UUIDS["west"], not_before=ca.now + DAY / 24))
    with in_background(routers.write("west", "west"), routers.folder / "west-state") as west:
        told(west, "alarms", "The clock of `west/node0` may be wrong: not valid yet by it")
        told(west, "certificates", "the certificate is not valid before")
        told(west, "certificates", "Next step: the clock here says 20")
        told(east, "peerings", "The peer refuses the certificate of this node: not-yet-valid")
        good = ca.issue(UUIDS["west"])
        routers.certify("west", good)
        west.call(lambda running: running.reload())
        told(east, "peerings", "keyed")
        listed = revocation_list(
            ca.intermediate, good.certificate, this_update=ca.now - DAY, next_update=ca.now + DAY
        )
        (routers.folder / "ca.crl").write_bytes(listed.public_bytes(Encoding.PEM))
        east.call(lambda running: running.fetch_lists())
        told(east, "peerings", "Certificate of the peer: revoked")
        told(east, "alarms", "Peer `west/node0` certificate is invalid: `revoked`")
        told(east, "certificates", "west/node0 not good revoked: ")
        told(east, "lists", "current")
    told(east, "peerings", "no authentic answer for")
    told(east, "alarms", "Peer `west/node0` is not reachable.")


# --- helpers --------------------------------------------------------------------------------------


def told(system: Background, part: str, words: str) -> None:
    """Wait until a part of the page says so."""
    api = system.running.state.socket
    wait_for(
        lambda: words in section(api, part),
        WITHIN_SECONDS,
        told=lambda: f"{words!r} is not in: {section(api, part)}",
    )


def section(api: Path, part: str) -> str:
    """Return what a reader sees of a part of the page."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(api)), base_url="http://peerkey") as http:
        page = http.get("/").raise_for_status().text
    found = page.partition(f'<section id="{part}"')[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", found)))
