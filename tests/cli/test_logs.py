"""What is logged, where it goes, and what happens when it cannot go there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import structlog

from peerkey_cli import logs


def test_a_line_is_one_json_object_where_nobody_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()

    structlog.get_logger("test").warning("something", number=7)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["number"], line["level"]) == ("something", 7, "warning")


def test_a_reader_who_goes_away_takes_nothing_but_the_lines_with_him() -> None:
    read, write = os.pipe()
    os.close(read)
    program = """
import structlog
from peerkey_cli import logs
logs.configure()
structlog.get_logger("test").warning("into a broken pipe")
print("goes on")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=write, text=True, check=False
    )
    os.close(write)

    assert done.stdout == "goes on\n"
