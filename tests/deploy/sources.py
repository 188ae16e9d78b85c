"""Where the files of a deployment are, and how to read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def settings_of(path: Path) -> dict[str, str]:
    """Read a file of ``NAME=VALUE`` lines, as a shell and systemd do."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}
