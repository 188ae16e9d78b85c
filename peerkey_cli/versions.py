"""Which version this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Return the installed version; ``unknown`` where the source is run without being installed."""
    try:
        return version("peerkey")
    except PackageNotFoundError:
        return "unknown"
