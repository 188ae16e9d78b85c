"""``python -m peerkey_cli.probe health`` and ``… ready``: one question, for who watches over a process.

Kubernetes, systemd and container engines ask every few seconds, so this loads nothing that the commands do.
It ends with 0 where the answer is 200 and with 1 where it is another or none; what is wrong is one line on
standard error. With ``--wait`` it asks again until then.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from peerkey_cli.at_socket import AtSocket
from peerkey_cli.state import StateDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Below what a probe is usually given.
ANSWER_WITHIN_SECONDS: Final = 8.0
#: Between two questions with ``--wait``.
_AGAIN_AFTER_SECONDS: Final = 0.5
#: An answer has a hundred bytes.
_MAXIMUM_BYTES: Final = 64 * 1024


def fault_of(path: Path, question: str) -> str:
    """Ask ``/v1/health`` or ``/v1/ready`` at a socket; return why the answer is no, empty where it is yes."""
    connection = AtSocket(path, ANSWER_WITHIN_SECONDS)
    try:
        connection.request("GET", f"/v1/{question}", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_MAXIMUM_BYTES)
    except (OSError, http.client.HTTPException) as fault:
        return f"{path}: {fault}"
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return ""
    try:
        return f"{path}: {json.loads(body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{path}: {answer.status} {answer.reason}"


def main(words: Sequence[str] | None = None) -> int:
    """Ask, and return the exit status."""
    parser = argparse.ArgumentParser("peerkey_cli.probe", description="Ask a running system how it is.")
    parser.add_argument("question", choices=["health", "ready"])
    parser.add_argument("--state-dir", type=Path, help="State directory of the system.")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="Ask again for so long.")
    given = parser.parse_args(words)
    path = StateDirectory(given.state_dir or default_directory()).socket
    end = time.monotonic() + given.wait
    while (fault := fault_of(path, given.question)) and time.monotonic() < end:
        time.sleep(_AGAIN_AFTER_SECONDS)
    if fault:
        sys.stderr.write(f"peerkey: {fault}\n")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
