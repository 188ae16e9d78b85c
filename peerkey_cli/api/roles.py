"""What a token of the admin API allows."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """To ask, or also to change."""

    READ = "read"
    WRITE = "write"
