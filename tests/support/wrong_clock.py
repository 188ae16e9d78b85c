"""``peerkey`` on a machine whose clock is wrong: ``-m tests.support.wrong_clock SECONDS COMMAND``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from peerkey_cli.main import app
from runtime.clock import SystemClock


def main(wrong: timedelta) -> None:
    """Run the command line with a wall clock that is so far ahead, or behind."""

    def wall(self: SystemClock) -> datetime:
        return datetime.now(UTC) + wrong

    SystemClock.wall = wall  # type: ignore[method-assign]
    app(prog_name="peerkey")


if __name__ == "__main__":
    main(timedelta(seconds=float(sys.argv.pop(1))))
