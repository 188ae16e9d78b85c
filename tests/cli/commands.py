"""Running a command line in the test's own process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from peerkey_cli.main import app


def peerkey(*words: object, stdin: bytes | None = None) -> Result:
    """Run a command line; a traceback fails the test."""
    done = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def document(*words: object) -> Any:  # noqa: ANN401 - JSON
    """Run a command line with ``--json``, whatever its status; return what it printed."""
    return json.loads(peerkey(*words, "--json").stdout)
