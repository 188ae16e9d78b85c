"""``show alarms`` and the shelf."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from peerkey.observe.shelving import LONGEST, REASON_CHARACTERS
from peerkey_cli.schemas.audit import Event
from peerkey_cli.schemas.document import MAXIMUM_NAME_CHARACTERS, Document, Time

#: As :mod:`peerkey.observe.shelving` has them.
MAXIMUM_SHELVING_SECONDS: Final = int(LONGEST.total_seconds())
MAXIMUM_REASON_CHARACTERS: Final = REASON_CHARACTERS


class _Told(Document):
    """What is told of an alarm, whether it is there or has gone."""

    id: str
    time: Time
    severity: Literal["critical", "major", "minor"]
    node: str
    source: str
    category: str
    process: str
    message: str
    #: Its page in ``docs/alarms.md``.
    type: str


class Alarm(_Told):
    """One thing that is wrong now."""

    #: How often it was raised within the last day.
    times: int = 1
    #: Whether its cause is there at this moment; where not, it comes and goes.
    present: bool = True
    shelved_until: Time | None = None


class Alarms(Document):
    """``show alarms``."""

    time: Time
    alarms: tuple[Alarm, ...]
    #: How many are there and not listed, because they are shelved.
    shelved: int = 0


class ClearedAlarm(_Told):
    """One thing that was wrong."""

    times: int
    cleared: Time
    lasted_seconds: float


class ClearedAlarms(Document):
    """``show alarms --cleared``."""

    time: Time
    alarms: tuple[ClearedAlarm, ...]


class Shelving(Document):
    """What is shelved: one alarm by its id, or a type of alarms, of one node or (empty) of all."""

    alarm: str
    type: str
    node: str
    since: Time
    until: Time
    by: str
    reason: str
    #: Those that are there under it.
    alarms: tuple[Alarm, ...]


class Shelvings(Document):
    """``show alarms --shelved``."""

    time: Time
    shelvings: tuple[Shelving, ...]


class ShelveRequest(Document):
    """What is to be shelved: an ``alarm``, or a ``type``, of one ``node`` if that is given."""

    alarm: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    seconds: Annotated[int, Field(ge=1, le=MAXIMUM_SHELVING_SECONDS)]
    reason: Annotated[str, Field(min_length=1, max_length=MAXIMUM_REASON_CHARACTERS)]


class UnshelveRequest(Document):
    """What is to be shelved no more, named as it was shelved."""

    alarm: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None


class Shelved(Document):
    """``shelve alarm``."""

    time: Time
    until: Time
    #: How many alarms are there under it.
    alarms: int


class Unshelved(Document):
    """``unshelve alarm``."""

    time: Time


class AlarmExplained(Document):
    """``show alarms id ID``: the one alarm, what it means, and what to do."""

    time: Time
    alarms: tuple[Alarm, ...]
    means: str
    todo: tuple[str, ...]
    #: Where that is written in the documents.
    page: str
    #: When it was raised within the last day, oldest first.
    raised: tuple[Time, ...]
    shelving: Shelving | None
    #: The latest that belong to it, oldest first.
    events: tuple[Event, ...]
