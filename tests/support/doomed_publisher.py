"""Publishes master lists for as long as it lives: ``python doomed_publisher.py FILE``.

No serial number is in two of them. What has been published is told on standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from actors.master_list_file import MasterListFile
from peerkey.pki.master_list import Section, write
from peerkey.pki.table_building import build
from peerkey.pki.when import NO_REASON, when_of

ISSUER = b"an issuer's name"
BALLAST = 20_000
WHEN = when_of(datetime(2024, 1, 1, tzinfo=UTC), NO_REASON)


def serial_of(generation: int, number: int) -> int:
    """Return a serial number of eight bytes that only this generation has."""
    return 1 << 63 | generation << 32 | number


def pieces(generation: int) -> Iterator[bytes]:
    """Yield the master list of one generation."""
    serials = (serial_of(generation, number) for number in range(BALLAST))
    records = b"".join(serial.to_bytes(8, "big") + WHEN for serial in serials)
    yield from write([Section(ISSUER, ISSUER, build(8, records))], generation)


def main() -> None:
    """Publish."""
    file = MasterListFile(Path(sys.argv[1]))
    found = file.read()
    generation = 0 if found is None else found.generation
    while True:
        generation += 1
        file.publish(pieces(generation))
        print(generation, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
