"""A simulated month: the statistics are what happened, event by event, and what the audit log adds up to.

Every node of a small fleet keeps its audit log in files, as in production. Processes are killed and power
fails in the middle of everything; each time the log is left as it is, now and then with half a line at its
end, and opened again. What happened is counted here a second time, by rules of this file.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors import certificate_watch
from actors.audit_files import AuditFiles, lines_of
from actors.crl import index, source
from actors.crl.port import FetchFailed
from actors.journal import FileJournal
from peerkey.config.plan import NodePlan, RevocationSource
from peerkey.observe import events
from peerkey.observe.events import Event
from peerkey.observe.security_stats import Counted
from peerkey_cli.chain_verification import verified
from peerkey_cli.simulation.faults import FaultKind
from peerkey_cli.simulation.fleet import Fleet, Site, TracedJournal
from peerkey_cli.simulation.run import simulate
from peerkey_cli.simulation.settings import Settings
from tests.sim.authorities import planned

DAYS = 30
#: What brings counters to grow, and what kills those that count.
KINDS = frozenset(
    {
        FaultKind.CRASH,
        FaultKind.POWER_LOSS,
        FaultKind.RESTART,
        FaultKind.ACTOR_CRASH,
        FaultKind.CERTIFICATE_EXPIRED,
        FaultKind.CERTIFICATE_REPLACED,
        FaultKind.CERTIFICATE_UNTRUSTED,
        FaultKind.CERTIFICATE_MISSING,
        FaultKind.CRL_REVOKED,
        FaultKind.CRL_SERVER_FAILS,
        FaultKind.CRL_SERVER_LIES,
        FaultKind.CRL_STALE,
    }
)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Books]:
    """Simulate the month; return what each node has on its disk, and what happened to it."""
    folder = tmp_path_factory.mktemp("month")
    books: dict[str, Books] = {}

    async def beside(fleet: Fleet) -> None:
        for site in fleet.sites.values():
            site.journal = books[site.name] = Books(site, folder / site.name.replace("/", "-"))
            if site.lists is not None:
                watch_server(site, books[site.name])
        for day in range(1, DAYS):
            await asyncio.sleep(max(0.0, day * 86_400.0 - asyncio.get_running_loop().time()))
            for site in fleet.sites.values():
                operate(site, books[site.name], day)

    settings = Settings(7, timedelta(days=DAYS), kinds=KINDS, intensity=0.5)
    with pytest.MonkeyPatch.context() as patch:
        # Looking every few minutes at what nobody has changed is most of what a quiet month costs.
        patch.setattr(certificate_watch, "WATCH_INTERVAL", timedelta(hours=1))
        patch.setattr(certificate_watch, "JUDGE_AGAIN_AFTER", timedelta(hours=6))
        patch.setattr(index, "LOOK_AFTER", timedelta(hours=6))
        patch.setattr(source, "LOOK_AGAIN_AFTER", timedelta(hours=6))
        outcome = simulate(plans(), settings, beside=beside)

    assert outcome.finding is None, outcome.finding
    return books


def test_the_counters_are_what_happened(month: dict[str, Books]) -> None:
    for book in month.values():
        assert book.opened > 10
        assert numbers(book.file.counted()) == book.happened


def test_the_audit_log_adds_up_to_the_counters(month: dict[str, Books]) -> None:
    for book in month.values():
        assert added_up(book.path) == numbers(book.file.counted())


def test_every_counter_of_the_seed_has_grown_somewhere(month: dict[str, Books]) -> None:
    grown = {words for book in month.values() for _, words in book.ever}

    assert grown == {
        *("CSR success", "CSR failure", "certificate import success", "certificate import failure"),
        *("CRL fetch success", "CRL fetch failure", "CRL ingestion success", "CRL ingestion failure"),
        *("certificate expired", "certificate invalid", "certificate revoked"),
        *("peer certificate expired", "peer certificate invalid", "peer certificate revoked"),
    }


def test_what_the_servers_of_lists_answered_is_what_was_counted(month: dict[str, Books]) -> None:
    for book in month.values():
        deaths = book.opened
        for words, answers in book.answers.items():
            counted = sum(number for (_, each), number in book.ever.items() if each == words)
            # An answer of which nobody lived to tell is not counted; nothing is counted that was no answer.
            assert answers - deaths <= counted <= answers


def test_keys_are_told_of_by_index_and_id_from_their_acceptance_to_their_erasure(
    month: dict[str, Books],
) -> None:
    fields = {
        "key.accepted": {"peer", "index", "key_id", "algorithm"},
        "key.activated": {"peer", "index", "key_id"},
        "key.erased": {"peer", "index", "key_id", "reason"},
    }
    for book in month.values():
        told = [json.loads(line.content) for line in lines_of(AuditFiles(book.path))]
        keys = [line for line in told if line["type"] in fields]
        ids = {kind: {line["detail"]["key_id"] for line in keys if line["type"] == kind} for kind in fields}

        assert all(set(line["detail"]) == fields[line["type"]] for line in keys)
        assert len(ids["key.activated"] & ids["key.erased"]) > DAYS // 2
        assert {"path.up", "system.peer_certificate_validation"} < {line["type"] for line in told}


def test_every_line_that_was_acknowledged_is_there_and_fits(month: dict[str, Books]) -> None:
    for book in month.values():
        files = AuditFiles(book.path)
        found = verified((files,)).logs[0]
        told = [json.loads(line.content)["type"] for line in lines_of(files)]

        assert found.fault is None
        assert found.lines == book.acknowledged + book.repaired
        assert told.count("audit.repaired") == book.repaired > 0
        assert "audit.damaged" not in told
        assert found.files > 1


# --- helpers --------------------------------------------------------------------------------------


def plans() -> tuple[NodePlan, ...]:
    """Return a pair of routers with the seed's intervals, and lists that are polled twice a day."""
    policy = replace(
        planned("pair")[0].policy,
        rekey_interval=timedelta(hours=24),
        retransmit_interval=timedelta(seconds=30),
        timeout=timedelta(hours=1),
        probe_interval=None,
        revocation_check_interval=timedelta(hours=48),
    )
    lists = RevocationSource("http://ca/list.crl", timedelta(hours=12), timedelta(minutes=10))
    return tuple(replace(plan, policy=policy, revocation=(lists,)) for plan in planned("pair"))


class Books(TracedJournal):
    """The journal of one node: in files that are left as they are when the process dies."""

    def __init__(self, site: Site, folder: Path) -> None:
        super().__init__(site.fleet.trace)
        folder.mkdir()
        self.path = folder / "events.jsonl"
        self.file = FileJournal(self.path, file_bytes=64 * 1024, full_files=1_000)
        self.opened = self.acknowledged = self.repaired = 0
        #: Since the statistics were cleared, and ever.
        self.happened: Counter[tuple[str, str]] = Counter()
        self.ever: Counter[tuple[str, str]] = Counter()
        #: What the server of the lists has answered to this node.
        self.answers: Counter[str] = Counter()
        self._site, self._process = site, site.machine.process

    def record(self, time: datetime, node: str, event: Event) -> None:
        if self._site.machine.process is not self._process:
            self._process = self._site.machine.process
            self.die()
        super().record(time, node, event)
        self.file.record(time, node, event)
        self.acknowledged += 1
        if isinstance(event, events.StatisticsCleared):
            self.happened.clear()
        for words in by_hand(event):
            self.happened[node, words] += 1
            self.ever[node, words] += 1

    def die(self) -> None:
        """Leave the file as a process does that is killed, every third time in the middle of a line."""
        self.opened += 1
        before = self.file.counted()
        self.file.abandon()
        if self.opened % 3 == 0:
            self.repaired += 1
            with self.path.open("ab") as file:
                file.write(b'{"sequence":9999,"prev')
        self.file = FileJournal(self.path, file_bytes=64 * 1024, full_files=1_000)
        assert self.file.counted() == before


def operate(site: Site, book: Books, day: int) -> None:
    """Do what an operator does once in a while, whose commands record what they did."""
    now = site.machine.oscillator.wall()
    book.record(now, site.name, events.CsrGenerated("base", "cn", "", "", "", "", "", "", 365))
    book.record(now, site.name, events.CertificateIngested("base", "", "cn", (), "N/A", "00"))
    if day % 5 == 0:
        book.record(now, site.name, events.CsrFailed("base", "there is no key"))
        book.record(now, site.name, events.CertificateRefused("base", "validity", "it has expired"))
    if day == DAYS // 2:
        book.record(now, site.name, events.StatisticsCleared(()))


def watch_server(site: Site, book: Books) -> None:
    """Take note of every answer of the server of lists, before its asker knows it."""
    assert site.lists is not None
    server = site.lists.server
    fetch = server.fetch

    async def watched(request: Any) -> Any:  # noqa: ANN401 - as the server has it
        try:
            answer = await fetch(request)
        except FetchFailed:
            book.answers["CRL fetch failure"] += 1
            raise
        book.answers["CRL fetch success"] += 1
        return answer

    server.fetch = watched  # type: ignore[method-assign]


def by_hand(event: Event) -> tuple[str, ...]:
    """Return what an event counts as, by the sentences of the seed."""
    kind, state = type(event).__name__, getattr(event, "state", "")
    simple = {
        "CsrGenerated": "CSR success",
        "CsrFailed": "CSR failure",
        "CertificateIngested": "certificate import success",
        "CertificateRefused": "certificate import failure",
    }
    if kind in simple:
        return (simple[kind],)
    if isinstance(event, events.CrlUpdated):
        fetched = "CRL fetch failure" if event.stage == "fetch" else "CRL fetch success"
        ingested = {"ingested": "CRL ingestion success", "ingestion": "CRL ingestion failure"}
        return (fetched, *((ingested[event.stage],) if event.stage in ingested else ()))
    if state in {"expired", "invalid", "revoked"}:
        whose = {
            "CertificateWentBad": "",
            "PeerCertificateRefused": "peer ",
            "PeerCertificateWentBad": "peer ",
        }
        return (f"{whose[kind]}certificate {state}",)
    return ()


def added_up(path: Path) -> Counter[tuple[str, str]]:
    """Add up what the lines of a log say they are counted as, from its first line or the last clearing on."""
    found: Counter[tuple[str, str]] = Counter()
    for line in lines_of(AuditFiles(path)):
        document = json.loads(line.content)
        if document["type"] == "system.clear_stats":
            found.clear()
        for words, number in document.get("counted", {}).items():
            found[document["node"], words] += number
    return found


def numbers(counted: Counted) -> Counter[tuple[str, str]]:
    return Counter({(each.node, each.counter): each.number for each in counted.counts})
