"""What a revocation list of a million entries costs: to take in, to keep, to ask, and those beside it.

*taken in* is all that happens to a list: read from the disk, SHA-256, one signature check, the pass over its
entries, and its sorted form written to a file. It stands next to a floor that is measured in turns with it:
read, SHA-256, one signature check, and the plainest pass over the DER in Python, which checks nothing and
puts serial numbers into a set. The ratio is the best of ours to the best of the floor, in time of the
processor.

*asked* is one question for a certificate that is on the list, and for one that is not. *authentication* is
the whole judgement of a peer's chain, without any list and with a master list of that size. *worst pause* is
how late a timer of an event loop came while another process took the list in and a thread published the
master list; beside it stands how late it came while nothing happened.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final, TypeVar
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.master_list_file import MasterListFile
from peerkey.pki.certificate import chain_of
from peerkey.pki.chain import judge
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_frame import open_list_untrusted
from peerkey.pki.list_ingestion import Ingested, ingest
from peerkey.pki.list_merging import Held, publish
from peerkey.pki.master_list import MasterList
from peerkey.pki.revocation import NoRevocation, Revocation
from peerkey.pki.trust import TrustAnchors
from peerkey.testing.ca import NOW, TestCA
from peerkey.testing.large_lists import large_list, usual_entries

ENTRIES: Final = 1_000_000
QUICK_ENTRIES: Final = 5_000
ROUNDS: Final = 3
SOURCES: Final = 50
#: "within 2 times the floor", "24 bytes an entry shared", "lookup under 2 µs", "worst pause under 20 ms"
PROMISED_RATIO: Final = 2.0
PROMISED_BYTES: Final = 24.0
PROMISED_LOOKUP_US: Final = 2.0
PROMISED_PAUSE_MS: Final = 20.0
#: By how much the process that takes lists in gives way to others.
_LOWER: Final = 10
#: Turns of which the best is told: what else runs on the machine makes timers late as well.
_TURNS: Final = 3
#: A timer of the loop that is watched.
_TICK: Final = 0.001

Result = TypeVar("Result")

CA: Final = TestCA()
INTERMEDIATE: Final = CA.intermediate.certificate
ISSUER: Final = INTERMEDIATE.subject.public_bytes()


@dataclass(frozen=True, slots=True)
class Form:
    """What the entries of a list look like."""

    name: str
    width: int
    reasons: float


FORMS: Final = (
    Form("16 bytes, half with a reason", 16, 0.5),
    Form("20 bytes, no reasons", 20, 0.0),
)


@dataclass(frozen=True, slots=True)
class Taking:
    """What taking in one list costs."""

    form: str
    entries: int
    list_bytes: int
    floor_cpu_ms: float
    floor_wall_ms: float
    cpu_ms: float
    wall_ms: float
    #: Of the process that does it, above what it had when it was told to.
    peak_bytes: int
    #: In the file that every process maps.
    bytes_an_entry: float

    @property
    def ratio(self) -> float:
        """How many times the floor, in time of the processor."""
        return self.cpu_ms / self.floor_cpu_ms


@dataclass(frozen=True, slots=True)
class Asking:
    """What one question costs, in microseconds of the processor."""

    form: str
    hit_us: float
    miss_us: float


@dataclass(frozen=True, slots=True)
class Judging:
    """What judging a peer's chain costs, in microseconds of the processor."""

    without_us: float
    with_list_us: float


@dataclass(frozen=True, slots=True)
class Beside:
    """How late timers came, in milliseconds."""

    idle_ms: float
    taking_ms: float
    publishing_ms: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.lists", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ENTRIES:,} entries, once")
    options = parser.parse_args(arguments)
    count, rounds = (QUICK_ENTRIES, 1) if options.quick else (ENTRIES, ROUNDS)
    taking, asking = [], []
    with tempfile.TemporaryDirectory(prefix="peerkey-bench-") as folder:
        path, file = Path(folder) / "list.crl", MasterListFile(Path(folder) / "master.crl")
        for form in FORMS:
            path.write_bytes(made(form, count))
            taking.append(measure_taking(form, path, rounds))
            asking.append(measure_asking(form, published(path, file, 1)))
        judging = measure_judging(published(path, file, 2))
        beside = asyncio.run(measure_beside(path, file))
        merging_ms = measure_merging(count // SOURCES, Path(folder))
    if options.json:
        document = {
            "taking": [{**asdict(row), "ratio": row.ratio} for row in taking],
            "asking": [asdict(row) for row in asking],
            "judging": asdict(judging),
            "beside": asdict(beside),
            "merging_ms": merging_ms,
        }
        print(json.dumps(document, indent=2))
        return 0
    print(f"{f'taken in: {count:,} entries':<32}{'floor, ms':>10}{'ours':>8}{'ratio':>7}", end="")
    print(f"{'wall':>8}{'ours':>8}{'MB of list':>12}{'MB at most':>12}{'bytes/entry':>12}")
    for taken in taking:
        print(taking_line(taken))
    print(f"\n{'asked, µs':<32}{'hit':>10}{'miss':>8}")
    for asked in asking:
        print(f"{asked.form:<32}{asked.hit_us:>10.2f}{asked.miss_us:>8.2f}")
    print(
        f"\n{'authentication, µs':<32}{judging.without_us:>10.1f}{judging.with_list_us:>8.1f}  with the list"
    )
    print(f"\n{'worst pause beside it, ms':<32}{beside.idle_ms:>10.1f}  nothing happening")
    print(f"{'':<32}{beside.taking_ms:>10.1f}  taken in by another process")
    print(f"{'':<32}{beside.publishing_ms:>10.1f}  published by a thread")
    print(f"\n{f'{SOURCES} sources of one issuer merged':<32}{merging_ms:>10.0f}  ms, {count:,} entries")
    print(
        f"\nPromised: {PROMISED_RATIO:g} times the floor, {PROMISED_BYTES:g} bytes an entry, "
        f"{PROMISED_LOOKUP_US:g} µs, {PROMISED_PAUSE_MS:g} ms."
    )
    return 0


def taking_line(taken: Taking) -> str:
    """Return one line of the first table."""
    return (
        f"{taken.form:<32}{taken.floor_cpu_ms:>10.0f}{taken.cpu_ms:>8.0f}{taken.ratio:>7.2f}"
        f"{taken.floor_wall_ms:>8.0f}{taken.wall_ms:>8.0f}{taken.list_bytes / 1e6:>12.1f}"
        f"{taken.peak_bytes / 1e6:>12.0f}{taken.bytes_an_entry:>12.2f}"
    )


# --- measuring --------------------------------------------------------------------------------------------


def made(
    form: Form, count: int, *, seed: int = 1, scope: x509.IssuingDistributionPoint | None = None
) -> bytes:
    """Return a list of ``count`` entries."""
    entries = usual_entries(count, Random(seed), width=form.width, reasons=form.reasons)
    return large_list(CA.intermediate, entries, scope=scope)


def measure_taking(form: Form, path: Path, rounds: int) -> Taking:
    """Take a list in and measure the floor, in turns."""
    section = path.with_suffix(".entries")
    floor, ours = [], []
    gc.disable()
    for _ in range(rounds):
        floor.append(timed(lambda: floor_of(path)))
        ours.append(timed(lambda: take(path, section)))
    gc.enable()
    ingested = taken_in(path.read_bytes())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        peak = process.submit(peak_of, path, *judges()).result()
    return Taking(
        form=form.name,
        entries=ingested.facts.total,
        list_bytes=path.stat().st_size,
        floor_cpu_ms=min(cpu for cpu, _ in floor) * 1000,
        floor_wall_ms=min(wall for _, wall in floor) * 1000,
        cpu_ms=min(cpu for cpu, _ in ours) * 1000,
        wall_ms=min(wall for _, wall in ours) * 1000,
        peak_bytes=peak,
        bytes_an_entry=section.stat().st_size / ingested.facts.total,
    )


def floor_of(path: Path) -> int:
    """Do the least that anybody has to do with a list; return how many entries it has."""
    content = path.read_bytes()
    sha256(content).digest()
    frame = open_list_untrusted(content)
    frame.verify(INTERMEDIATE.public_key())
    at, end = frame.entries
    serials = set()
    while at < end:
        width = content[at + 3]
        serials.add(content[at + 4 : at + 4 + width])
        at += content[at + 1] + 2
    return len(serials)


def take(path: Path, section: Path) -> None:
    """Do all of it."""
    section.write_bytes(taken_in(path.read_bytes()).entries)


def taken_in(content: bytes, source: str = "http://crl.example.org") -> Ingested:
    """Ingest a list here."""
    return ingest(content, source, certificates=[INTERMEDIATE], trust=CA.trust, at=NOW)


def published(path: Path, file: MasterListFile, generation: int) -> MasterList:
    """Publish a list alone."""
    ingested = taken_in(path.read_bytes())
    return file.publish(publish([Held(ingested.facts, MasterList(ingested.entries))], generation))


def judges() -> tuple[bytes, bytes]:
    """Return the authorities, so that another process can be told of them."""
    return INTERMEDIATE.public_bytes(Encoding.DER), CA.root.certificate.public_bytes(Encoding.DER)


def peak_of(path: Path, intermediate: bytes, root: bytes) -> int:
    """Ingest in this process, which has done nothing else; return how many bytes it took at most."""
    before = _memory("VmRSS")
    ingested_elsewhere(path, path.with_suffix(".other"), intermediate, root)
    return _memory("VmHWM") - before


def _memory(which: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def ingested_elsewhere(path: Path, entries: Path, intermediate: bytes, root: bytes) -> ListFacts:
    """Ingest as a process does that is started for it: from a file into a file, and behind everybody else."""
    os.nice(_LOWER)
    trust = TrustAnchors.of([x509.load_der_x509_certificate(root)])
    seen = [x509.load_der_x509_certificate(intermediate)]
    done = ingest(path.read_bytes(), "http://crl.example.org", certificates=seen, trust=trust, at=NOW)
    entries.write_bytes(done.entries)
    return done.facts


def measure_asking(form: Form, master: MasterList) -> Asking:
    """Ask for certificates all over the list, and for others."""
    random = Random(2)
    table = master.tables[ISSUER, ISSUER, form.width]
    listed = list(table.serials())
    # Numbers that were made just now, as out of a certificate that was just read.
    hits = [int.from_bytes(each, "big") for each in random.sample(listed, min(len(listed), 50_000))]
    misses = [random.getrandbits(8 * form.width - 1) for _ in hits]

    def ask(serials: list[int]) -> float:
        begin = process_time()
        for serial in serials:
            master.lookup(ISSUER, serial)
        return (process_time() - begin) / len(serials) * 1e6

    return Asking(form.name, min(ask(hits) for _ in range(3)), min(ask(misses) for _ in range(3)))


def measure_judging(master: MasterList) -> Judging:
    """Judge one chain many times, in turns without a list and with one."""
    issued = CA.issue(UUID(int=1))
    chain = chain_of([issued.certificate, *issued.intermediates])

    def cost(revocation: Revocation) -> float:
        begin = process_time()
        for _ in range(200):
            judge(chain, CA.trust, revocation, NOW)
        return (process_time() - begin) / 200 * 1e6

    nothing = NoRevocation()
    turns = [(cost(nothing), cost(master)) for _ in range(7)]
    return Judging(min(without for without, _ in turns), min(with_list for _, with_list in turns))


async def measure_beside(path: Path, master: MasterListFile) -> Beside:
    """Watch a timer while nothing happens, while a list is taken in, and while one is published."""
    loop = asyncio.get_running_loop()
    entries = path.with_suffix(".entries")
    idle, taking, publishing = [], [], []
    for _ in range(_TURNS):
        idle.append((await watched(asyncio.sleep(1)))[0])
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            elsewhere = loop.run_in_executor(process, ingested_elsewhere, path, entries, *judges())
            late, facts = await watched(elsewhere)
        taking.append(late)
        mapped = await asyncio.to_thread(MasterListFile(entries).read)
        assert mapped is not None  # noqa: S101
        held = [Held(facts, mapped)]
        publishing.append((await watched(asyncio.to_thread(_publish, master, held)))[0])
    return Beside(min(idle), min(taking), min(publishing))


def _publish(master: MasterListFile, held: list[Held]) -> MasterList:
    return master.publish(publish(held, 3))


async def watched(work: Awaitable[Result]) -> tuple[float, Result]:
    """Return how late a timer came at worst, in milliseconds, while ``work`` was done, and its result."""
    worst = 0.0
    done = asyncio.ensure_future(work)
    while not done.done():
        due = perf_counter() + _TICK
        await asyncio.sleep(_TICK)
        worst = max(worst, perf_counter() - due)
    return worst * 1000, done.result()


def measure_merging(each: int, folder: Path) -> float:
    """Merge lists that divide the certificates of one issuer; return milliseconds of the processor."""
    lists = []
    for number in range(SOURCES):
        where = [x509.UniformResourceIdentifier(f"http://crl.example.org/{number}.crl")]
        scope = x509.IssuingDistributionPoint(
            full_name=where,
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        )
        ingested = taken_in(made(FORMS[0], each, seed=number, scope=scope), where[0].value)
        lists.append(Held(ingested.facts, MasterList(ingested.entries)))
    cpu, _ = timed(lambda: MasterListFile(folder / "merged.crl").publish(publish(lists, 1)))
    return cpu * 1000


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return what a call takes, in seconds of the processor and of the clock."""
    cpu, wall = process_time(), perf_counter()
    function()
    return process_time() - cpu, perf_counter() - wall


if __name__ == "__main__":
    sys.exit(main())
