"""``show stats security`` at every depth, ``clear stats``, and the same by the admin API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from metrics.exporter import exposition
from peerkey.observe.events import CertificateRefused, CsrFailed, CsrGenerated, Event, PeerCertificateRefused
from peerkey.observe.security_stats import Count, Counted, Counter, NoSuchCounter, below, summed
from peerkey_cli import layouts, statistics
from peerkey_cli.embedded import Running
from peerkey_cli.main import app
from tests.cli.background import Background, in_background
from tests.cli.two_routers import two_routers

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
#: The seed's commands, word for word.
SEED = (
    "show stats security CSR success",
    "show stats security CSR failure",
    "show stats security certificate import success",
    "show stats security certificate import failure",
    "show stats security CRL fetch success",
    "show stats security CRL fetch failure",
    "show stats security CRL ingestion success",
    "show stats security CRL ingestion failure",
    "show stats security certificate expired",
    "show stats security certificate invalid",
    "show stats security certificate revoked",
    "show stats security peer certificate expired",
    "show stats security peer certificate invalid",
    "show stats security peer certificate revoked",
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """Run two routers that a few things have happened to."""
    folder = tmp_path_factory.mktemp("statistics")
    with in_background(two_routers(folder).file, folder / "state") as running:
        for node, event in (
            ("east/node0", CsrGenerated("base", "cn", "", "", "", "", "", "", 365)),
            ("east/node0", CsrFailed("base", "there is no key")),
            ("west/node0", CsrFailed("base", "there is no key")),
            ("west/node0", CertificateRefused("base", "validity", "it has expired")),
            ("west/node0", PeerCertificateRefused("east/node0", "00", "revoked", "revoked", "")),
        ):
            running.call(partial(recorded, node, event))
        yield running


def test_the_counters_are_those_of_the_seed_word_for_word() -> None:
    assert tuple(f"show stats security {counter}" for counter in Counter) == SEED


@pytest.mark.parametrize("command", SEED)
def test_each_command_of_the_seed_shows_its_counter_alone(system: Background, command: str) -> None:
    (shown,) = document(system, *command.split())["counters"]

    assert command == f"show stats security {shown['counter']}"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 14),
        (("CSR",), 2),
        (("certificate",), 5),
        (("certificate", "import"), 2),
        (("CRL",), 4),
        (("CRL", "fetch"), 2),
        (("CRL", "ingestion"), 2),
        (("peer",), 3),
        (("peer", "certificate"), 3),
    ],
)
def test_a_shorter_path_shows_the_whole_group(system: Background, words: tuple[str, ...], count: int) -> None:
    shown = document(system, "show", "stats", "security", *words)["counters"]

    assert len(shown) == count
    assert all(each["counter"].split()[: len(words)] == list(words) for each in shown)


def test_what_each_node_has_counted_is_shown_and_added_up(system: Background) -> None:
    (failures,) = document(system, "show", "stats", "security", "csr", "failure")["counters"]

    assert failures == {
        "counter": "CSR failure",
        "value": 2,
        "nodes": [{"node": "east/node0", "value": 1}, {"node": "west/node0", "value": 1}],
    }


def test_words_that_lead_nowhere_are_wrong_usage_and_the_choices_are_named(system: Background) -> None:
    refused = peerkey(system, "show", "stats", "security", "certificate", "exipred")

    assert refused.exit_code == 2
    assert refused.stderr == (
        "peerkey: `show stats security certificate exipred`: there are no statistics 'certificate exipred'; "
        "after it could stand import, expired, invalid, revoked\n"
    )


def test_the_api_answers_the_same_and_says_what_it_does_not_know(system: Background) -> None:
    with api(system) as http:
        whole = http.get("/v1/stats/security").json()
        part = http.get("/v1/stats/security", params={"counter": "peer certificate"}).json()
        unknown = http.get("/v1/stats/security", params={"counter": "peer key"})
        long = http.get("/v1/stats/security", params={"counter": "x" * 65})

    assert whole["complete"] is True
    assert [each for each in whole["counters"] if each["counter"].startswith("peer")] == part["counters"]
    assert (unknown.status_code, long.status_code) == (404, 422)


def test_clear_stats_zeroes_the_counters_tells_it_and_leaves_metrics_alone(tmp_path: Path) -> None:
    file = two_routers(tmp_path).file
    with in_background(file, tmp_path / "state") as system:
        event = CsrFailed("base", "there is no key")
        system.call(lambda fleet: fleet.record("east/node0", event))

        cleared = document(system, "clear", "stats")

        after = document(system, "show", "stats", "security")
        (told,) = document(system, "show", "events", "--type", "system.clear_stats")["events"]
        assert [each["value"] for each in after["counters"]] == [0] * 14
        assert after["since"] == told["time"] == cleared["time"]
        assert told["detail"]["former"]["CSR failure"] == 1
        metrics = exposition(system.running.journal.tally.samples()).decode()
        assert 'peerkey_csr_total{node="east/node0",result="failure"} 1.0' in metrics

    with in_background(file, tmp_path / "state") as system:
        assert document(system, "show", "stats", "security", "CSR")["since"] == cleared["time"]


def test_what_was_counted_is_still_there_after_a_restart(tmp_path: Path) -> None:
    file = two_routers(tmp_path).file
    with in_background(file, tmp_path / "state") as system:
        event = CsrFailed("base", "there is no key")
        system.call(lambda fleet: fleet.record("east/node0", event))

    with in_background(file, tmp_path / "state") as system:
        (failures,) = document(system, "show", "stats", "security", "CSR", "failure")["counters"]

    assert failures["value"] == 1


def test_the_layout_is_a_row_for_each_counter_and_then_each_node() -> None:
    counted = Counted(
        NOW, (Count("east/node0", "CRL fetch failure", 3), Count("authority", "CRL fetch success", 41))
    )
    shown = statistics.document(counted, below(["CRL", "fetch"]), NOW, complete=False)

    assert (
        "\n".join(layouts.stats_security(shown, colours=False)) + "\n"
        == """\
✔ Retrieving security statistics...

=================== =======
 Counter             Value
=================== =======
 CRL fetch success   41
 CRL fetch failure   3

============ =================== =======
 Node         Counter             Value
============ =================== =======
 authority    CRL fetch success   41
 east/node0   CRL fetch failure   3

 Since:  2030-06-15T12:00:00.000Z
 A host does not answer: what it has counted is missing.
"""
    )


def test_several_hosts_are_added_up_node_by_node() -> None:
    one = Counted(NOW, (Count("east/node0", "CSR failure", 1), Count("west/node0", "CSR failure", 2)))
    other = Counted(None, (Count("east/node0", "CSR failure", 4),))

    assert summed([other, one]) == Counted(
        NOW, (Count("east/node0", "CSR failure", 5), Count("west/node0", "CSR failure", 2))
    )


def test_no_counter_goes_on_after_its_last_word() -> None:
    with pytest.raises(NoSuchCounter) as refused:
        below(["CSR", "success", "more"])

    assert refused.value.choices == ()


# --- helpers --------------------------------------------------------------------------------------


async def recorded(node: str, event: Event, fleet: Running) -> None:
    await fleet.record(node, event)


def peerkey(system: Background, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--state-dir", str(system.running.state.path)])


def document(system: Background, *words: str) -> Any:  # noqa: ANN401 - JSON
    done = peerkey(system, *words, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def api(system: Background) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(system.running.state.socket))
    return httpx.Client(transport=transport, base_url="http://peerkey")
