"""Alarms: those that are there, all about one, those gone, and the shelf.

Every request looks anew, so that nobody is told of what was so five seconds ago. An answer to a shelving is
given when it is on the disk.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Request, Response

from actors.journal import REMEMBERED_EVENTS
from actors.names import AUTHORITY
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.observe.events import AlarmShelved, AlarmUnshelved
from peerkey.observe.shelving import Shelved, Shelving
from peerkey_cli import alarm_documents, documents, schemas
from peerkey_cli.alarm_documents import Filter
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.api.problems import problems
from peerkey_cli.api.rendering import Renderer
from peerkey_cli.errors import NotFound, Refused
from peerkey_cli.event_log import EventQuery, page

if TYPE_CHECKING:
    from datetime import datetime

    from peerkey_cli.fleet import Fleet

_Name: TypeAlias = Annotated[str | None, Query(max_length=schemas.MAXIMUM_NAME_CHARACTERS)]
_Severity: TypeAlias = Literal["critical", "major", "minor"] | None
_Category: TypeAlias = Literal["peer", "system", "platform"] | None
#: What a person may be called that asks at the Unix socket.
_LOCAL: Final = "local"


def alarm_shows(fleet: Fleet, times: AlarmTimes, renderer: Renderer) -> APIRouter:
    """Return the resources that show alarms."""
    router = APIRouter(responses=problems())

    @router.get("/alarms")
    async def alarms(
        severity: _Severity = None,
        category: _Category = None,
        kind: Annotated[_Name, Query(alias="type")] = None,
        node: _Name = None,
        source: _Name = None,
        *,
        shelved: bool | None = False,
    ) -> schemas.Alarms:
        """Return what is wrong now: those that are not shelved or, as `shelved` says, those that are."""
        now = await _look(fleet, times)
        wanted = Filter(severity, category, kind, node, source)
        return alarm_documents.shown_alarms(times, wanted, now, shelved=shelved)

    @router.get("/alarms/cleared")
    async def cleared(
        severity: _Severity = None,
        category: _Category = None,
        kind: Annotated[_Name, Query(alias="type")] = None,
        node: _Name = None,
        source: _Name = None,
    ) -> schemas.ClearedAlarms:
        """Return the latest alarms that have gone, the last one last."""
        now = await _look(fleet, times)
        wanted = Filter(severity, category, kind, node, source)
        return alarm_documents.cleared_alarms(times.cleared, wanted, now)

    @router.get("/alarms/explained", response_model=schemas.AlarmExplained, responses=problems(404))
    async def explained(
        name: Annotated[str, Query(alias="id", max_length=schemas.MAXIMUM_NAME_CHARACTERS)],
    ) -> Response:
        """Return one alarm that is there, with what it means, what to do, and what happened around it."""
        now = await _look(fleet, times)
        standing = next((each for each in times.standing if each.id == name), None)
        if standing is None:
            message = f"there is no alarm {name!r} now; `peerkey show alarms` lists them"
            raise NotFound(message)
        shelving, logs = times.shelving(standing, now), fleet.logs()
        remembered = () if logs else await fleet.events()

        def document() -> schemas.AlarmExplained:
            latest = (
                page(logs, EventQuery(), now, limit=REMEMBERED_EVENTS)
                if logs
                else documents.events(remembered, now)
            )
            return alarm_documents.explained(standing, shelving, latest.events, now)

        return await renderer.rendered(document)

    @router.get("/alarms/shelvings")
    async def shelvings() -> schemas.Shelvings:
        """Return what is shelved, each with the alarms that are there under it."""
        now = await _look(fleet, times)
        return alarm_documents.shelvings(times, now)

    return router


def alarm_acts(fleet: Fleet, times: AlarmTimes) -> APIRouter:
    """Return the resources that shelve alarms."""
    router = APIRouter(responses=problems())

    @router.post("/alarms/shelve", responses=problems(404, 409))
    async def shelve(request: Request, wanted: schemas.ShelveRequest) -> schemas.Shelved:
        """Put an alarm, or a type of alarms, on the shelf for a while, with an event."""
        now = await _look(fleet, times)
        what = _what(wanted.alarm, wanted.type, wanted.node)
        if what.alarm and not any(each.id == what.alarm for each in times.standing):
            message = f"there is no alarm {what.alarm!r} now; `peerkey show alarms` lists them"
            raise NotFound(message)
        until = now + timedelta(seconds=wanted.seconds)
        shelving = Shelving(*what, now, until, _who(request), wanted.reason)
        await times.shelve(shelving)
        told = until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        await fleet.record(_of(what), AlarmShelved(*what, told, shelving.by, shelving.reason))
        covered = sum(times.shelving(each, now) == shelving for each in times.standing)
        return schemas.Shelved(time=now, until=until, alarms=covered)

    @router.post("/alarms/unshelve", responses=problems(404, 409))
    async def unshelve(request: Request, wanted: schemas.UnshelveRequest) -> schemas.Unshelved:
        """Take something from the shelf, named as it was shelved, with an event."""
        now = await _look(fleet, times)
        what = _what(wanted.alarm, wanted.type, wanted.node)
        who = _who(request)
        if not await times.unshelve(what, now, who):
            message = f"{what} is not shelved; `peerkey show alarms --shelved` lists what is"
            raise NotFound(message)
        await fleet.record(_of(what), AlarmUnshelved(*what, who))
        return schemas.Unshelved(time=now)

    return router


async def _look(fleet: Fleet, times: AlarmTimes) -> datetime:
    """Take note of what is wrong now; return the time."""
    found, now = await fleet.noticing(), fleet.now()
    times.seen(found, now, fleet.alarm_changed)
    return now


def _what(alarm: str | None, kind: str | None, node: str | None) -> Shelved:
    """Return what a request names.

    :raises Refused: it names nothing, or both, or a type that there is not.
    """
    if (alarm is None) is (kind is None) or (alarm is not None and node is not None):
        message = "name either an alarm by its id, or a type of alarms and, if you like, a node"
        raise Refused(message)
    if kind is not None and kind not in ALARM_KINDS:
        message = f"there is no type of alarms {kind!r}; docs/alarms.md lists them"
        raise NotFound(message)
    return Shelved(alarm or "", kind or "", node or "")


def _of(what: Shelved) -> str:
    """Return the node that the event of it is told of."""
    return what.node or what.alarm.rpartition(":")[0] or AUTHORITY


def _who(request: Request) -> str:
    """Return who asks: the name of the token, or that it was somebody at the Unix socket."""
    visitor = getattr(request.state, "visitor", None)
    return str(visitor.name) if visitor is not None else _LOCAL
