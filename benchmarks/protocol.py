"""How many keys a second the pure machines agree, next to the bare primitives in a straight line.

Both ends run in one thread, without loss, wire, store or actors: what is measured is the protocol. An
*establishment* is everything between two nodes that know nothing of each other and two nodes that hold
one key: announcements, request, response, confirm, established, records encoded, frames cut and
put together again. A *rekey* is the same without the announcements, until both ends have accepted the key;
the *whole life* of a key is a rekey with the activation, the probes and the erasure that follow it.
*Validated* judges the certificate chains anew each time; *cached* lets both examiners remember them, as a
node does after the first path.

The straight line calls the same primitives on the same inputs with nothing around them, and is what a
script without a protocol could reach::

    validated   2 chains judged, 2 CERTIFICATE signed and verified, then as cached
    cached      2 CERTIFICATE signed and verified, then as a rekey
    rekey       2 signatures and verifications, key pair, answer, finish, 2 key schedules, 3 MACs
    whole life  the same: what follows acceptance has no counterpart there

The two alternate in short rounds, so that a busy machine hurts both alike; the median of the rounds is
printed. A ratio of 1 would mean that the protocol costs nothing.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

from peerkey.moment import Moment
from peerkey.pki.examination import Examiner
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.revocation import NoRevocation
from peerkey.protocol import effects, schedule
from peerkey.protocol.constants import ACTIVATION_DELAY, DEFAULT_SEGMENT_BYTES, ERASURE_DELAY, Kind
from peerkey.protocol.core import Identity, PeeringConfig
from peerkey.protocol.effects import Effect
from peerkey.protocol.frame import Frame, decode_frame_untrusted
from peerkey.protocol.messages import decode_body_untrusted
from peerkey.protocol.peering import Peering
from peerkey.protocol.segments import FRAME_ID_BYTES, Reassembly, Segment, cut, read_datagram_untrusted
from peerkey.protocol.suites import ALL, Algorithm, KeyAgreement, agreement_for, signer_for, verifier_for
from peerkey.testing.ca import NOW, TestCA

START: Final = Moment(timedelta(hours=1), NOW)
LOWER, HIGHER = UUID(int=1 << 96), UUID(int=2 << 96)
#: Measured by default: each exchange at the sizes that a configuration has by default, and the extremes.
DEFAULT_ALGORITHMS: Final = (
    "diffie-hellman-2048",
    "ml-kem-768",
    "diffie-hellman-2048-ml-kem-768",
    "ml-kem-512",
    "ml-kem-1024",
    "diffie-hellman-1024",
    "diffie-hellman-4096",
)
Work: TypeAlias = Callable[[], object]
#: After that long the same pair may be asked for its next key: activation, erasure and rates are behind it.
_BETWEEN_REKEYS: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one algorithm in one mode. Rates are establishments a second."""

    algorithm: str
    mode: str
    machines_per_second: float
    machines_per_cpu_second: float
    straight_per_second: float
    straight_per_cpu_second: float

    @property
    def ratio(self) -> float:
        """The machines' share of what the primitives alone reach, by CPU time."""
        return self.machines_per_cpu_second / self.straight_per_cpu_second


@dataclass(frozen=True, slots=True)
class Memory:
    """What one keyed peering holds in memory, one end, in bytes."""

    algorithm: str
    peering_bytes: int
    record_bytes: int


# --- the machines -------------------------------------------------------------------------------------


class Certificates:
    """Who takes part: two nodes on P-256 and their CA, root and intermediate."""

    def __init__(self) -> None:
        """Issue both."""
        self.ca = TestCA()
        self.low, self.high = self.ca.issue(LOWER), self.ca.issue(HIGHER)
        self.identities = tuple(
            Identity(issued.chain, hashlib.sha256(issued.chain[0]).digest(), signer_for(issued.key))
            for issued in (self.low, self.high)
        )

    def examiners(self) -> tuple[Examiner, Examiner]:
        """Return new examiners of high and of low, which remember nothing yet."""
        high, low = (
            Examiner(PeerIdentity(of), peer_validation=True, trust=self.ca.trust, revocation=NoRevocation())
            for of in (HIGHER, LOWER)
        )
        return high, low


class Node:
    """One end: a peering and what it asks for, carried out with as little around it as possible."""

    def __init__(
        self, name: UUID, peer: UUID, identity: Identity, examiner: Examiner, agreement: KeyAgreement
    ) -> None:
        """Build it; nothing is sent before :func:`connect`."""
        minute = timedelta(minutes=1)
        self.inbox: deque[tuple[bytes, ...]] = deque()
        self.reassembly = Reassembly()
        self.record = b""
        config = PeeringConfig(
            local=name.bytes,
            peer=peer.bytes,
            peer_name="peer",
            algorithm=agreement.algorithm,
            retransmit_interval=minute,
            timeout=60 * minute,
            rekey_interval=None,
            peer_validation=True,
        )
        self.peering = Peering(
            config, identity=identity, examiner=examiner, agreement=agreement, entropy=os.urandom, epoch=1
        )

    def carry(self, wanted: list[Effect], other: Node) -> None:
        """Carry out effects; frames go to the other end's inbox, cut into datagrams."""
        for effect in wanted:
            match effect:
                case effects.Store(record):
                    self.record = record
                case (
                    effects.SendAll(frame)
                    | effects.SendOn(_, frame)
                    | effects.SendProbe(_, frame, _)
                    | effects.Announce(Frame() as frame)
                ):
                    frame_id = os.urandom(FRAME_ID_BYTES)
                    other.inbox.append(
                        cut(frame.encode(), frame_id, DEFAULT_SEGMENT_BYTES, never_answer=False)
                    )
                case _:
                    continue

    def read(self, other: Node, now: Moment) -> None:
        """Take the next frame from the inbox."""
        for datagram in self.inbox.popleft():
            segment = read_datagram_untrusted(datagram)
            encoded = self.reassembly.add(segment, now.instant) if isinstance(segment, Segment) else None
            if encoded is None:
                continue
            frame = decode_frame_untrusted(encoded)
            if frame.kind == Kind.ACK:
                # The path's business: it looks the digest up and stops repeating.
                decode_body_untrusted(frame)
            else:
                self.carry(self.peering.receive("path", frame, now), other)


def connect(
    certificates: Certificates, examiners: tuple[Examiner, Examiner], agreement: KeyAgreement
) -> tuple[Node, Node]:
    """Let two nodes that know nothing of each other agree their first key."""
    low = Node(LOWER, HIGHER, certificates.identities[0], examiners[0], agreement)
    high = Node(HIGHER, LOWER, certificates.identities[1], examiners[1], agreement)
    low.carry(low.peering.start(START), high)
    high.carry(high.peering.start(START), low)
    deliver(low, high, START)
    high.carry(high.peering.tick(START), low)
    deliver(low, high, START)
    require_same_key(low, high)
    return low, high


def agree(low: Node, high: Node, now: Moment) -> None:
    """Let them agree their next key: when this returns, both have accepted it."""
    high.carry(high.peering.rekey(now), low)
    high.carry(high.peering.tick(now), low)
    deliver(low, high, now)
    if low.peering.ring.next is None or high.peering.ring.next is None:
        message = "the next key was not accepted by both"
        raise AssertionError(message)


def replace(low: Node, high: Node, now: Moment) -> None:
    """Let the accepted key take over: activated, probed, the old one erased."""
    for later in (now.after(ACTIVATION_DELAY), now.after(ACTIVATION_DELAY + ERASURE_DELAY)):
        low.carry(low.peering.tick(later), high)
        high.carry(high.peering.tick(later), low)
        if low.peering.ring.previous is not None:
            low.carry(low.peering.probe("path", later), high)
            high.carry(high.peering.probe("path", later), low)
        deliver(low, high, later)
    require_same_key(low, high)
    if low.peering.ring.previous is not None:
        message = "the old key was not erased"
        raise AssertionError(message)


def deliver(low: Node, high: Node, now: Moment) -> None:
    """Let everything on its way arrive."""
    while low.inbox or high.inbox:
        if low.inbox:
            low.read(high, now)
        if high.inbox:
            high.read(low, now)


def require_same_key(low: Node, high: Node) -> None:
    """Stop where the machines have not agreed: a fast failure is not fast."""
    mine, theirs = low.peering.ring.current, high.peering.ring.current
    if mine is None or theirs is None or mine.peer_key != theirs.peer_key:
        message = "the ends hold no common key"
        raise AssertionError(message)


# --- the straight line ----------------------------------------------------------------------------------


class StraightLine:
    """The primitives of one establishment, one after the other."""

    def __init__(self, certificates: Certificates, agreement: KeyAgreement) -> None:
        """Prepare inputs of the sizes that the protocol has."""
        self.certificates = certificates
        self.agreement = agreement
        self.signers = [identity.signer for identity in certificates.identities]
        self.verifiers = [
            verifier_for(issued.certificate.public_key()) for issued in (certificates.low, certificates.high)
        ]
        offer, _ = agreement.offer()
        answer, _ = agreement.answer(offer)
        self.request = os.urandom(len(offer.dh) + len(offer.kem) + 300)
        self.response = os.urandom(len(answer.dh) + len(answer.kem) + 350)
        self.announcement = os.urandom(sum(map(len, certificates.low.chain)) + 150)

    def validated(self) -> None:
        """Judge both chains, then go on as :meth:`cached`."""
        high, low = self.certificates.examiners()
        for examiner, issued in ((high, self.certificates.high), (low, self.certificates.low)):
            if not examiner.examine(issued.chain, NOW).verdict.valid:
                message = "a good certificate was refused"
                raise AssertionError(message)
        self.cached()

    def cached(self) -> None:
        """Sign and verify both announcements, then go on as :meth:`rekeyed`."""
        for signer, verifier in zip(self.signers, self.verifiers, strict=True):
            verifier.verify(signer.sign(self.announcement), self.announcement)
        self.rekeyed()

    def rekeyed(self) -> None:
        """Agree one key."""
        signer, verifier = self.signers[0], self.verifiers[0]
        offer, ephemeral = self.agreement.offer()
        verifier.verify(signer.sign(self.request), self.request)
        answer, secret = self.agreement.answer(offer)
        exchange = schedule.transcript(bytes(48), bytes(16), bytes(16), self.response)
        mine = schedule.derive(exchange, secret)
        confirmation = schedule.confirmation(mine, exchange)
        verifier.verify(signer.sign(self.response), self.response)
        theirs = schedule.derive(exchange, ephemeral.finish(answer))
        schedule.verify_confirmation(theirs, exchange, confirmation)
        for key in (theirs.confirm_initiator, mine.confirm_responder):
            schedule.verify_mac(key, bytes(200), schedule.mac(key, bytes(200)))


# --- measuring ------------------------------------------------------------------------------------------


def measure(algorithm: Algorithm, *, rounds: int, seconds: float) -> list[Result]:
    """Measure one algorithm in the three modes; each round of either takes about ``seconds``."""
    certificates = Certificates()
    agreement = agreement_for(algorithm, os.urandom)
    straight = StraightLine(certificates, agreement)
    remembered = certificates.examiners()
    low, high = connect(certificates, remembered, agreement)
    clock = [START]

    def agreed() -> None:
        clock[0] = clock[0].after(_BETWEEN_REKEYS)
        agree(low, high, clock[0])

    def replaced() -> None:
        replace(low, high, clock[0])

    def whole_life() -> None:
        agreed()
        replaced()

    def nothing() -> None:
        """Follow a call that needs nothing afterwards."""

    modes: tuple[tuple[str, Work, Work, Work], ...] = (
        (
            "validated",
            lambda: connect(certificates, certificates.examiners(), agreement),
            nothing,
            straight.validated,
        ),
        ("cached", lambda: connect(certificates, remembered, agreement), nothing, straight.cached),
        ("rekey", agreed, replaced, straight.rekeyed),
        ("whole life", whole_life, nothing, straight.rekeyed),
    )
    return [
        Result(
            algorithm.name,
            mode,
            *alternate((machines, after), (line, nothing), rounds=rounds, seconds=seconds),
        )
        for mode, machines, after, line in modes
    ]


def alternate(
    first: tuple[Work, Work], second: tuple[Work, Work], *, rounds: int, seconds: float
) -> tuple[float, float, float, float]:
    """Run both in turn; return for each the median rate by the clock and by CPU time.

    Each is what is measured, and what follows it unmeasured.
    """
    both = (first, second)
    counts = tuple(max(1, round(seconds / max(elapsed(*work, 2)[0] / 2, 1e-6))) for work in both)
    rates: tuple[list[tuple[float, float]], ...] = ([], [])
    for _ in range(rounds):
        for work, count, into in zip(both, counts, rates, strict=True):
            wall, cpu = elapsed(*work, count)
            into.append((count / wall, count / cpu))
    (wall_1, cpu_1), (wall_2, cpu_2) = (
        tuple(map(statistics.median, zip(*measured, strict=True))) for measured in rates
    )
    return wall_1, cpu_1, wall_2, cpu_2


def elapsed(work: Work, after: Work, count: int) -> tuple[float, float]:
    """Return the wall clock and CPU seconds of ``count`` calls of ``work``, without those of ``after``."""
    wall = cpu = 0
    for _ in range(count):
        wall_start, cpu_start = time.perf_counter_ns(), time.process_time_ns()
        work()
        wall += time.perf_counter_ns() - wall_start
        cpu += time.process_time_ns() - cpu_start
        after()
    return wall / 1e9, max(cpu / 1e9, 1e-9)


def measure_memory(algorithm: Algorithm, pairs: int = 100) -> Memory:
    """Return what a keyed peering keeps, measured on many."""
    certificates, agreement = Certificates(), agreement_for(algorithm, os.urandom)
    examiners = certificates.examiners()
    connect(certificates, examiners, agreement)
    gc.collect()
    tracemalloc.start()
    peerings = [end.peering for _ in range(pairs) for end in connect(certificates, examiners, agreement)]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return Memory(algorithm.name, held // len(peerings), len(peerings[0].record))


# --- telling ----------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.protocol", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--all", action="store_true", help="measure all fifteen algorithms")
    parser.add_argument("--algorithm", action="append", choices=[a.name for a in ALL], help="only this one")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each measurement (default: 9)")
    parser.add_argument("--seconds", type=float, default=0.06, help="length of a round (default: 0.06)")
    options = parser.parse_args(arguments)
    names = options.algorithm or ([a.name for a in ALL] if options.all else DEFAULT_ALGORITHMS)
    results: list[Result] = []
    if not options.json:
        print(_HEAD)
    for name in names:
        measured = measure(Algorithm.parse(name), rounds=options.rounds, seconds=options.seconds)
        results += measured
        if not options.json:
            for result in measured:
                print(line(result))
    memory = [measure_memory(Algorithm.parse(name)) for name in names[:3]]
    if options.json:
        document = {
            "establishments": [{**asdict(result), "ratio": result.ratio} for result in results],
            "memory": [asdict(one) for one in memory],
        }
        print(json.dumps(document, indent=2))
    else:
        print()
        for one in memory:
            print(
                f"{one.algorithm}: {one.peering_bytes:,} bytes a keyed peering in memory, "
                f"{one.record_bytes:,} in its record"
            )
    return 0


_HEAD: Final = (
    f"{'keys agreed a second':<32}{'':<11}{'machines':>9}{'per CPU s':>11}"
    f"{'straight':>10}{'per CPU s':>11}{'ratio':>7}"
)


def line(result: Result) -> str:
    """Return one line of the table."""
    return (
        f"{result.algorithm:<32}{result.mode:<11}{result.machines_per_second:>9,.0f}"
        f"{result.machines_per_cpu_second:>11,.0f}{result.straight_per_second:>10,.0f}"
        f"{result.straight_per_cpu_second:>11,.0f}{result.ratio:>7.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
