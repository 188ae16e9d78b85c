"""A process that writes an audit log as fast as it can until it is killed, and says what it was promised.

After each event that :meth:`~actors.journal.FileJournal.record` has taken, it writes the head of the log to
its standard output. Whoever kills it knows from the last whole line what the log must hold.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from actors.journal import FileJournal
from peerkey.observe.events import CertificateRefused, KeyActivated


def main(path: Path, file_bytes: int) -> None:
    """Write for ever."""
    journal = FileJournal(path, file_bytes=file_bytes, full_files=10_000)
    number = 0
    while True:
        number += 1
        now = datetime.now(UTC)
        if number % 3:
            journal.record(now, "east/node0", KeyActivated("west/node0", number, "00" * (number % 90)))
        else:
            journal.record(now, "east/node0", CertificateRefused("base", "validity", "it has expired"))
        os.write(1, f"{journal.head} {sum(each.number for each in journal.counted().counts)}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
