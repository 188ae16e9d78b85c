"""``python -m peerkey_cli.demo.companion …``: a ``peerkey`` that does not outlive who has started it.

Whoever starts it holds the other end of its standard input and never writes: that is at its end when that
process is gone, however it went, and then this one is asked to stop as SIGTERM would.
"""

from __future__ import annotations

import os
import signal
from threading import Thread

from peerkey_cli.main import app

_STANDARD_INPUT = 0


def _stop_at_the_end() -> None:
    # Without a buffer, whose lock this thread would hold when the interpreter ends.
    while os.read(_STANDARD_INPUT, 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    Thread(target=_stop_at_the_end, name="companion", daemon=True).start()
    app(prog_name="peerkey")
