"""What all documents have in common: times in UTC, and nothing that is not declared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, PlainSerializer

#: No name of a configuration is longer, a router's and a node's together.
MAXIMUM_NAME_CHARACTERS: Final = 512


def iso(time: datetime) -> str:
    """Return a time as every document writes it: ``2030-06-15T12:00:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Document(BaseModel):
    """What all documents have in common: they do not change, and hold nothing that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
