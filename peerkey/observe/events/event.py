"""What every audit event has."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """What every event has. Fields of the subclasses are text, numbers, truth values or tuples of them."""

    TYPE: ClassVar[str]
    TITLE: ClassVar[str]
    #: Whether it was allowed: false where somebody asked for what they may not do, and nothing was done.
    PERMITTED: ClassVar[bool] = True

    def description(self) -> str:
        """Return the one sentence that tells it."""
        raise NotImplementedError

    def detail(self) -> dict[str, object]:
        """Return the fields, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
