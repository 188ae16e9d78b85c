"""Audit events, and whether the chain of their log holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from peerkey_cli.schemas.document import MAXIMUM_NAME_CHARACTERS, Document, Time


class Event(Document):
    """One audit event."""

    time: Time
    type: str
    node: str
    title: str
    description: str
    detail: dict[str, object]
    permitted: bool


class Events(Document):
    """``show events``."""

    time: Time
    events: tuple[Event, ...]
    #: ``log``: from the files of the audit log. ``memory``: what the processes of the system remember.
    source: Literal["log", "memory"] = "memory"
    #: The cursor of those before these; ``null`` where there are none.
    older: str | None = None


class ChainFault(Document):
    """The first line of an audit log that does not fit, or an end that is missing."""

    file: str
    #: From 1; ``None`` where it is what is missing.
    line: int | None
    sequence: int | None
    reason: str


class AuditLogInfo(Document):
    """One audit log: its files, where it begins and ends, and what is wrong with it."""

    file: str
    files: int
    lines: int
    first: int | None
    #: ``SEQUENCE:HASH`` of the last good line; empty where there is none.
    head: str
    fault: ChainFault | None
    remarks: tuple[str, ...]


class AuditVerified(Document):
    """``events verify``."""

    time: Time
    valid: bool
    logs: tuple[AuditLogInfo, ...]


class AuditRequest(Document):
    """An event of a command that acted on the files of a node of this system."""

    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    fields: dict[str, str | int | tuple[str, ...]]


class Recorded(Document):
    """When an event was recorded."""

    time: Time
