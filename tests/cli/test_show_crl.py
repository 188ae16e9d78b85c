"""What an operator sees of revocation lists in a system that runs, with a list that it reads from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl.status import GetRevocation
from peerkey.testing.lists import revocation_list
from peerkey_cli.embedded import Running
from peerkey_cli.scrape import application
from tests.cli.background import Background, in_background
from tests.cli.commands import document, peerkey
from tests.cli.two_routers import TwoRouters, two_routers
from tests.support.hosts import wait_for

HOUR = timedelta(hours=1)


@dataclass
class Site:
    """A system that runs, and the list that it follows."""

    routers: TwoRouters
    background: Background
    list_file: Path

    @property
    def url(self) -> str:
        return self.list_file.as_uri()

    @property
    def at(self) -> tuple[str, Path]:
        return "--state-dir", self.background.running.state.path

    def source(self) -> dict[str, Any]:
        (found,) = document("show", "certificate", "crl", *self.at)["sources"]
        assert isinstance(found, dict)
        return found

    def state(self) -> str:
        """Return the state without a command, into whose output the system would log meanwhile."""

        async def asked(running: Running) -> str:
            status = await running.authority.ask(GetRevocation(), timedelta(seconds=5))
            return status.sources[0].state(running.system.clock.wall()) if status.sources else ""

        return self.background.call(asked)

    def put(self, content: bytes) -> None:
        """Replace the file as a whole: half of one would be another failure."""
        draft = self.list_file.with_suffix(".new")
        draft.write_bytes(content)
        draft.replace(self.list_file)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Site]:
    """A system that follows a list which is not there."""
    with following(tmp_path, two_routers(tmp_path)) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A system that follows a list of one entry."""
    routers = two_routers(tmp_path)
    crl = revocation_list(
        routers.ca.intermediate,
        routers.ca.issue(UUID(int=77)).certificate,
        this_update=routers.ca.now - HOUR,
        next_update=routers.ca.now + 24 * HOUR,
        number=7,
    )
    (tmp_path / "ca.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    with following(tmp_path, routers) as site:
        wait_for(lambda: site.state() == "current", 10)
        yield site


def test_a_list_of_a_server_is_shown_with_its_source_and_what_it_says(site: Site) -> None:
    shown = document("show", "certificate", "crl", *site.at)
    source = site.source()
    lines = peerkey("show", "certificate", "crl", *site.at).stdout.splitlines()

    assert (shown["revoked"], shown["generation"] > 0) == (1, True)
    assert source["url"] == site.url
    assert (source["issuer"], source["number"], source["entries"]) == ("CN=test issuing", 7, 1)
    assert (source["origin"], source["base"], source["last_error"]) == ("configured", None, "")
    assert source["this_update"] < source["fetched"] <= shown["time"] < source["next_update"]
    assert " Number:       7" in lines
    assert " State:        current" in lines
    assert lines[0] == "✔ Retrieving revocation lists..."


def test_a_list_that_goes_bad_is_told_in_every_place_and_the_one_before_counts(site: Site) -> None:
    site.put(b"no list")
    assert peerkey("reload", *site.at).exit_code == 0
    wait_for(lambda: site.state() == "refused", 10)

    (alarm,) = [each for each in document("show", "alarms", *site.at)["alarms"] if "CRL" in each["message"]]
    (*_, event) = document("show", "events", "--type", "system.crl_update", *site.at)["events"]
    page = site.background.call(scraped)

    assert alarm["node"] == alarm["process"] == event["node"] == "authority"
    assert f"serve no valid list: `{site.url} (this is no revocation list" in alarm["message"]
    assert (event["detail"]["forced"], event["detail"]["success"]) == (True, False)
    assert event["detail"]["total_entries"] == site.source()["entries"] == 1
    assert 'peerkey_crl_ingestion_total{node="authority",result="failure"} 1.0\n' in page
    assert 'peerkey_crl_ingestion_total{node="authority",result="success"} ' in page
    assert f'peerkey_crl_entries{{url="{site.url}"}} 1.0\n' in page
    assert "peerkey_revoked_certificates 1.0\n" in page
    assert 'peerkey_alarms{node="authority",severity="major",type="crl-refused"} 1.0\n' in page


def test_a_list_that_is_not_there_is_shown_as_unreachable(bare: Site) -> None:
    wait_for(lambda: bare.state() == "unreachable", 10)

    source = bare.source()

    assert source["last_error"] == "cannot be read: No such file or directory"
    assert (source["issuer"], source["number"], source["age_seconds"]) == ("", None, None)
    assert source["next_poll"] is not None


# --- helpers --------------------------------------------------------------------------------------


@contextmanager
def following(folder: Path, routers: TwoRouters) -> Iterator[Site]:
    """Run two routers that follow the list in a file."""
    list_file = folder / "ca.crl"
    configuration = json.loads(routers.file.read_text())
    # By its newer name, as a single container.
    configuration["authority"]["certificate-revocation-list"] = {"url": list_file.as_uri()}
    file = folder / "following.yaml"
    file.write_text(json.dumps(configuration))
    with in_background(file, folder / "state") as background:
        yield Site(routers, background, list_file)


async def scraped(running: Running) -> str:
    transport = httpx.ASGITransport(application(running))
    async with httpx.AsyncClient(transport=transport, base_url="http://peerkey") as http:
        return (await http.get("/metrics")).text
