"""Enrolling nodes for whoever asks by the admin API: begun, looked at, and given up.

A CA may decide tomorrow. So what is asked for goes on by itself, one enrolment for each node, and is told of
by what it waits for. The server is that of the configuration: nobody who may only ask here can have a node
send its signature, or a password, to an address of their own. What comes back passes the checks of every
import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import structlog

from peerkey.config.est_url import est_url
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import CsrFailed, EnrollmentFailed, Event
from peerkey.secret import Secret
from peerkey_cli import schemas
from peerkey_cli.api.requests import EnrollmentWanted
from peerkey_cli.enrolling import (
    Answer,
    Application,
    Server,
    failure,
    initial,
    renewal,
    submit,
    success,
    take,
)
from peerkey_cli.errands import What
from peerkey_cli.errors import NotFound
from peerkey_cli.est_client import Basic, EstBusy, Unfinished
from peerkey_cli.importing import read_trust, target_of

if TYPE_CHECKING:
    from peerkey.config.plan import NodePlan
    from peerkey.pki.ingest import Accepted
    from peerkey_cli.custody import Custody
    from peerkey_cli.errands import Errand

T = TypeVar("T")

#: Somebody signs by hand, and not at the weekend.
GIVEN_UP_AFTER: Final = timedelta(days=3)
#: A CA that says nothing about when is asked again after so long, and none is asked more often than this.
ASKED_AGAIN_AFTER: Final = timedelta(minutes=1)
_NOT_BEFORE: Final = timedelta(seconds=1)

_State = Literal["preparing", "asking", "waiting", "installing", "done", "failed", "cancelled"]
#: In which nobody has been given anything yet that would be lost.
_CANCELLABLE: Final = frozenset({"preparing", "asking", "waiting"})
_ENDED: Final = frozenset({"done", "failed", "cancelled"})

_log = structlog.get_logger("enrollment")


class AlreadyEnrolling(Misconfigured):
    """One enrolment of the node goes on."""


class OnThread(Protocol):
    """Has something done where it holds nobody up."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns."""
        ...


class _Enrollment:
    """One, and how far it is."""

    def __init__(self, plan: NodePlan) -> None:
        self.plan = plan
        self.state: _State = "preparing"
        self.started = datetime.now(UTC)
        self.ended: datetime | None = None
        self.retry_at: datetime | None = None
        self.server = ""
        self.operation = ""
        self.reason = ""
        self.not_after: datetime | None = None
        self.fingerprint = ""
        self.reloaded = False
        self.task: asyncio.Task[None] | None = None

    def end(self, state: _State, reason: str = "") -> None:
        self.state, self.reason, self.ended, self.retry_at = state, reason, datetime.now(UTC), None

    def document(self) -> schemas.EnrollmentInfo:
        return schemas.EnrollmentInfo(
            time=datetime.now(UTC),
            node=self.plan.name,
            name=self.plan.certificate.name,
            state=self.state,
            server=self.server,
            operation=self.operation,
            started=self.started,
            ended=self.ended,
            retry_at=self.retry_at,
            reason=self.reason,
            not_after=self.not_after,
            fingerprint=self.fingerprint,
            reloaded=self.reloaded,
        )


class Enrollments:
    """See the module."""

    def __init__(
        self,
        custody: Custody,
        on_thread: OnThread,
        record: Callable[[str, Event], Awaitable[datetime]],
        reread: Callable[[], Awaitable[bool]],
    ) -> None:
        """Enroll the nodes of ``custody``."""
        self._custody = custody
        self._on_thread = on_thread
        self._record = record
        self._reread = reread
        #: By node; of each the latest.
        self._latest: dict[str, _Enrollment] = {}

    async def answered(self, errand: Errand) -> schemas.EnrollmentInfo:
        """Do one of the errands about enrolments.

        :raises NotFound: nothing was begun for this node.
        :raises AlreadyEnrolling: something goes on, or cannot be given up any more.
        :raises Misconfigured: the node has no server to ask.
        """
        plan = self._custody.plan(errand.node)
        if errand.what is What.ENROLL:
            wanted = errand.body if isinstance(errand.body, EnrollmentWanted) else EnrollmentWanted()
            return self._begin(plan, wanted).document()
        latest = self._latest.get(plan.name)
        if latest is None:
            message = f"{plan.name}: no enrolment was begun since this process was started"
            raise NotFound(message)
        if errand.what is What.CANCEL_ENROLLMENT:
            await self._cancel(latest)
        return latest.document()

    async def end(self) -> None:
        """Give all of them up."""
        tasks = [each.task for each in self._latest.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, plan: NodePlan, wanted: EnrollmentWanted) -> _Enrollment:
        latest = self._latest.get(plan.name)
        if latest is not None and latest.state not in _ENDED:
            message = f"{plan.name}: an enrolment goes on ({latest.state}); DELETE gives it up"
            raise AlreadyEnrolling(message)
        if plan.enrollment is None:
            message = f"{plan.name}: has no url in ca-profile; set it there to the EST server"
            raise Misconfigured(message)
        if (wanted.user is None) is not (wanted.password is None):
            message = "user and password go together; without them the node shows the certificate that it has"
            raise Misconfigured(message)
        proof = None
        if wanted.user is not None and wanted.password is not None:
            proof = Basic(wanted.user, Secret(wanted.password.get_secret_value().encode()))
        begun = self._latest[plan.name] = _Enrollment(plan)
        begun.server = str(est_url(plan.enrollment.url))
        begun.task = asyncio.create_task(self._carry(begun, proof), name=f"enroll {plan.name}")
        return begun

    async def _cancel(self, latest: _Enrollment) -> None:
        if latest.state not in _CANCELLABLE or latest.task is None:
            message = f"{latest.plan.name}: the enrolment is {latest.state}; it cannot be given up any more"
            raise AlreadyEnrolling(message)
        latest.task.cancel()
        await asyncio.gather(latest.task, return_exceptions=True)
        latest.end("cancelled")

    async def _carry(self, one: _Enrollment, proof: Basic | None) -> None:
        """Carry one to its end, whatever that is."""
        try:
            application = await self._prepared(one, proof)
            if application is not None:
                await self._asked(one, application)
        except Exception as fault:  # noqa: BLE001 - told to whoever asks, and in the log
            # It must not look as if it went on.
            _log.exception("an enrolment broke off", node=one.plan.name)
            one.end("failed", f"it broke off ({type(fault).__name__}); the log of the system has more")

    async def _prepared(self, one: _Enrollment, proof: Basic | None) -> Application | None:
        plan = one.plan
        try:
            application = await self._on_thread(lambda: _application(self._custody, plan, proof))
        except PeerkeyError as fault:
            name, reason = plan.certificate.name, str(fault)
            await self._tell(one, (CsrFailed(name, reason), EnrollmentFailed(name, one.server, "", reason)))
            one.end("failed", reason)
            return None
        one.operation = application.operation.value
        if application.event is not None:
            await self._tell(one, (application.event,))
        return application

    async def _asked(self, one: _Enrollment, application: Application) -> None:
        issued = False
        try:
            answer = await self._issued(one, application)
            issued = True
            one.state = "installing"
            installing = asyncio.ensure_future(self._on_thread(lambda: self._taken(application, answer)))
            # What the CA has issued is installed even if nobody waits for it.
            imported = await asyncio.shield(installing)
        except PeerkeyError as fault:
            await self._tell(one, failure(application, fault, issued=issued))
            one.end("failed", str(fault))
            return
        ingested, enrolled = success(application, imported)
        await self._tell(one, (ingested, enrolled))
        one.not_after, one.fingerprint = imported.examination.not_after, enrolled.fingerprint
        one.reloaded = await self._reread()
        one.end("done")

    async def _issued(self, one: _Enrollment, application: Application) -> Answer:
        """Ask until the CA has decided.

        :raises PeerkeyError: it refuses, or has not decided in time.
        """
        last = one.started + GIVEN_UP_AFTER
        while True:
            one.state, one.retry_at = "asking", None
            try:
                answer = await submit(application)
            except EstBusy as fault:
                answer = Unfinished(fault.retry_after or ASKED_AGAIN_AFTER)
                one.reason = str(fault)
            if not isinstance(answer, Unfinished):
                one.reason = ""
                return answer
            again = max(answer.retry_after, _NOT_BEFORE)
            one.state, one.retry_at = "waiting", datetime.now(UTC) + again
            if one.retry_at > last:
                message = f"{one.server}: the CA has not decided within {GIVEN_UP_AFTER.days} days"
                raise Misconfigured(message)
            await asyncio.sleep(again.total_seconds())

    def _taken(self, application: Application, answer: Answer) -> Accepted:
        known = self._custody.known_revoked()
        return take(application, answer, self._custody.keys, known=known, crls=(), at=datetime.now(UTC))

    async def _tell(self, one: _Enrollment, events: Sequence[Any]) -> None:
        for event in events:
            await self._record(one.plan.name, event)


def _application(custody: Custody, plan: NodePlan, proof: Basic | None) -> Application:
    """Prepare the request, with a password or with the certificate that the node has.

    :raises PeerkeyError: it cannot be made.
    """
    if plan.enrollment is None:
        message = f"{plan.name}: has no url in ca-profile any more"
        raise Misconfigured(message)
    target = target_of((plan,), plan.name, Path(plan.authority))
    server = Server(est_url(plan.enrollment.url), read_trust(plan.enrollment.server_trust))
    if proof is None:
        return renewal(target, server, custody.keys)
    return initial(target, server, custody.keys, proof)
