"""How a demonstration says that it has not shown what it promised."""

from __future__ import annotations

from peerkey.errors import PeerkeyError


class DemoFailed(PeerkeyError):
    """What was to be shown has not happened."""

    def __init__(self, missing: str) -> None:
        """Say in one line what is missing."""
        super().__init__(f"the demonstration failed: {missing}")
