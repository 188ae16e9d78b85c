"""The process in which a large list is judged: ``python -m actors.crl.judging DIRECTORY``.

It is started by :class:`actors.crl.ingesting.ProcessIngester`, reads what that has written in the directory,
writes what came of it beside that, and ends.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

from actors.crl.ingesting import CONTENT, DISK_FAILED, ENTRIES, OUTCOME, WORK, IngestWork, judged
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_ingestion import ListRefused


def main(place: Path) -> int:
    """Judge the list in ``place``; return the exit status."""
    try:
        (place / OUTCOME).write_bytes(pickle.dumps(_outcome(place)))
    except OSError:
        return DISK_FAILED
    return 0


def _outcome(place: Path) -> ListFacts | ListRefused:
    # The directory belongs to whoever has started this process, and to nobody else.
    work: IngestWork = pickle.loads((place / WORK).read_bytes())  # noqa: S301
    before = tuple(
        replace(each, entries=(place / str(number)).read_bytes()) for number, each in enumerate(work.before)
    )
    try:
        good = judged(replace(work, content=(place / CONTENT).read_bytes(), before=before))
    except ListRefused as refusal:
        return refusal
    (place / ENTRIES).write_bytes(good.entries)
    return good.facts


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
