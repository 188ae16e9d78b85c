"""How long the two nodes of an HA pair take to be in step again, next to the bare primitives.

Two :class:`~peerkey.ha.link.MateLink` in one thread, without SSH, store or actors: one has ten thousand
records, the other none. *All missing* is a node that lost its store; *none missing* is a link that was
broken and comes back, where inventories are exchanged and nothing else.

The floor does to the same contents what cannot be left out: each is sealed with AES-256-GCM, packed into a
frame of its own, unpacked and opened again. A ratio of 1 would mean that the protocol costs nothing. The
longest call is the longest that one event holds whoever drives the machine.

With SSH, stores and actors it is measured by :mod:`benchmarks.ha_ssh`, which is printed below.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

import msgpack
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks import ha_ssh
from peerkey.ha.effects import LinkEffect, Send, StoreCopy
from peerkey.ha.link import LinkState, MateLink, PairConfig
from peerkey.ha.messages import Version
from peerkey.ha.records import Copy
from peerkey.moment import EPOCH_START

RECORDS: Final = 10_000
#: A keyed peering's record with a chain of two certificates on P-256.
RECORD_BYTES: Final = 2_400
NOW: Final = EPOCH_START.after(timedelta(hours=1))
_UUIDS: Final = (b"\x01" * 16, b"\x02" * 16)


@dataclass(frozen=True, slots=True)
class Resynchronisation:
    """What was measured of one way to begin. Rates are of all records, in CPU time."""

    case: str
    records: int
    record_bytes: int
    seconds: float
    records_per_second: float
    floor_seconds: float
    longest_call_milliseconds: float

    @property
    def ratio(self) -> float:
        """The machines' share of what the primitives alone reach."""
        return self.floor_seconds / self.seconds


def ends(own: dict[str, tuple[Version, bytes]], copies: dict[str, Copy]) -> tuple[MateLink, MateLink]:
    """Return the two ends: the records of the first, and what the second holds of them."""
    first, second = (
        MateLink(
            PairConfig("bench", "bench", local, mate, "bench/node0", "bench/node1"),
            entropy=os.urandom,
            store_id=local,
            epoch=1,
            own=records,
            copies=held,
            now=NOW,
        )
        for local, mate, records, held in ((*_UUIDS, own, {}), (*_UUIDS[::-1], {}, copies))
    )
    return first, second


def resynchronise(first: MateLink, second: MateLink) -> float:
    """Connect two ends and carry what they want until in step; return the CPU seconds of the longest call."""
    longest = 0.0
    todo: deque[tuple[MateLink, Callable[[], list[LinkEffect]]]] = deque(
        (end, lambda end=end: end.connected(NOW))  # type: ignore[misc]
        for end in (first, second)
    )
    while todo:
        end, step = todo.popleft()
        mate = second if end is first else first
        started = time.thread_time()
        wanted = step()
        longest = max(longest, time.thread_time() - started)
        for effect in wanted:
            match effect:
                case Send(data):
                    todo.append((mate, lambda mate=mate, data=data: mate.received(data, NOW)))  # type: ignore[misc]
                case StoreCopy(write):
                    todo.append((end, lambda end=end, write=write: end.stored(write, NOW)))  # type: ignore[misc]
                case _:
                    pass
        due = end.deadline()
        if due is not None and due <= NOW.instant:
            todo.append((end, lambda end=end: end.tick(NOW)))  # type: ignore[misc]
    if first.state is not LinkState.IN_STEP:
        message = "the two ends did not come into step"
        raise AssertionError(message)
    return longest


def floor(contents: Sequence[bytes]) -> None:
    """Seal, pack, unpack and open every content, with nothing around it."""
    key = AESGCM(bytes(32))
    for number, content in enumerate(contents):
        nonce = number.to_bytes(12, "big")
        frame = msgpack.packb((1, 3, number, key.encrypt(nonce, content, b"")))
        sealed: bytes = msgpack.unpackb(frame, use_list=False)[3]
        key.decrypt(nonce, sealed, b"")


def measure(records: int, rounds: int) -> list[Resynchronisation]:
    """Measure both cases."""
    contents = [os.urandom(RECORD_BYTES) for _ in range(records)]
    own = {f"peering:{at:08}-0000-0000-0000-000000000000": content for at, content in enumerate(contents)}
    versions = {name: (Version(1, 1), content) for name, content in own.items()}
    held = {name: Copy(_UUIDS[0], Version(1, 1), content) for name, content in own.items()}
    results = []
    for case, copies in (("all missing", dict[str, Copy]()), ("none missing", held)):
        spent, bare, longest = [], [], []
        for _ in range(rounds):
            pair = ends(versions, copies)
            gc.collect()
            started = time.process_time()
            longest.append(resynchronise(*pair))
            spent.append(time.process_time() - started)
            started = time.process_time()
            floor(contents)
            bare.append(time.process_time() - started)
        seconds = statistics.median(spent)
        results.append(
            Resynchronisation(
                case,
                records,
                RECORD_BYTES,
                seconds,
                records / seconds,
                statistics.median(bare),
                1000 * statistics.median(longest),
            )
        )
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.ha", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="whether it works, not how fast")
    options = parser.parse_args(arguments)
    results = measure(100 if options.quick else RECORDS, 1 if options.quick else 5)
    over_ssh = ha_ssh.measure(*((100, 1) if options.quick else (RECORDS, ha_ssh.ROUNDS)))
    if options.json:
        document = {
            name: [{**asdict(one), "ratio": one.ratio} for one in rows]
            for name, rows in (("resynchronisation", results), ("over_ssh", over_ssh))
        }
        print(json.dumps(document, indent=2))
        return 0
    print(
        f"{'an HA pair in step again':<32}{'records':>9}{'CPU s':>8}{'a second':>10}"
        f"{'floor s':>9}{'ratio':>7}{'longest call':>14}"
    )
    for one in results:
        print(
            f"{one.case:<32}{one.records:>9,}{one.seconds:>8.2f}{one.records_per_second:>10,.0f}"
            f"{one.floor_seconds:>9.2f}{one.ratio:>7.2f}{one.longest_call_milliseconds:>11.1f} ms"
        )
    print("", *ha_ssh.table(over_ssh), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
