"""``peerkey`` on a machine whose clock is wrong: ``-m tests.support.wrong_clock SECONDS COMMAND``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from peerkey_cli.main import app
from runtime.clock import SystemClock


def main(wrong: timedelta) -> None:
    """Run the command line with a wall clock that is so far ahead, or behind."""
    SystemClock.wall = lambda _: datetime.now(UTC) + wrong  # type: ignore[method-assign,assignment]
    app(prog_name="peerkey")


if __name__ == "__main__":
    main(timedelta(seconds=float(sys.argv.pop(1))))
