"""The actor that renews the certificate of one node in time, where the configuration asks for it.

It looks at the certificate that is there, again and again, and asks a
:class:`~peerkey.pki.renewal.Renewal` whether to renew it. What is slow happens elsewhere, behind the port
:class:`Enroller`: reading, signing and checking on the executor, the talk with the CA in a task of its own. A
CA that is slow, gone or mad delays this actor and nobody else. What is new is told to the authority: that the
node's certificate is another one, or why it cannot be renewed. A restart forgets nothing that matters: the
certificate says when it is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from actors.messages import CertificateRenewed, Configure, RenewalFault
from actors.time import moment
from actors.work import computed
from peerkey.errors import PeerkeyError
from peerkey.pki.renewal import Renewal
from runtime.actor import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.journal import Journal
    from peerkey.config.plan import NodePlan
    from peerkey.moment import Moment
    from peerkey.observe.events import Event
    from peerkey.pki.renewal import Lifetime
    from runtime.ref import Ref


@dataclass(frozen=True, slots=True)
class Later:
    """No certificate came, and the CA may be asked again."""

    #: After which time it wants to be asked again, if it said so.
    retry_after: timedelta | None
    #: Why; ``None`` where nothing is wrong, and it has only not decided.
    fault: PeerkeyError | None


class Attempt(Protocol):
    """One request to a CA. It is the same request however often it is submitted."""

    def prepared(self) -> Sequence[Event]:
        """Return the events of what was prepared."""
        ...

    async def submit(self) -> Later | None:
        """Ask the CA; ``None`` where it issued something, which has not been checked.

        It is bounded in time and in size, and does not block the loop.

        Raises:
            PeerkeyError: the CA is not there, refuses, or sends what it should not.

        """
        ...

    def install(self) -> Sequence[Event]:
        """Check what was issued, install it, and return the events of that. It may block.

        Raises:
            PeerkeyError: it is not accepted, or cannot be written; the old certificate stays.

        """
        ...


class Enroller(Protocol):
    """What gets certificates from a CA. Its methods may block; actors call them on the executor."""

    def standing(self, plan: NodePlan) -> Lifetime | None:
        """Return what is known of the certificate that a node has; ``None`` where it has none.

        Raises:
            Misconfigured: it cannot be read.

        """
        ...

    def prepare(self, plan: NodePlan) -> Attempt:
        """Make a request for a certificate in the place of the one that the node has.

        Raises:
            PeerkeyError: it cannot be made, or nothing could prove who asks.

        """
        ...

    def failed(self, plan: NodePlan, attempt: Attempt | None, fault: PeerkeyError) -> Sequence[Event]:
        """Return the events of a renewal that ended with ``fault``; it does not block.

        ``attempt`` is what was prepared, ``None`` where nothing could be.
        """
        ...


@dataclass(frozen=True, slots=True)
class LookDue:
    """It is time to look at the certificate."""


@dataclass(frozen=True, slots=True)
class Standing:
    """This is the certificate that is there."""

    certificate: Lifetime | None


@dataclass(frozen=True, slots=True)
class Unread:
    """The certificate that is there could not be read."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request is ready, for this plan."""

    plan: NodePlan
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Submitted:
    """The CA answered; ``later`` is ``None`` where it issued something."""

    later: Later | None


@dataclass(frozen=True, slots=True)
class Installed:
    """A new certificate is in its place."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Failed:
    """A renewal ended with an error."""

    error: Exception


#: When a certificate that could not be read is looked at again: the node raises its alarm meanwhile.
READ_AGAIN_AFTER: Final = timedelta(seconds=60)
#: When an authority whose mailbox was full is told again.
TELL_AGAIN_AFTER: Final = timedelta(seconds=1)
#: What is wrong where a renewal changed nothing.
SAME_AGAIN: Final = "the CA issued the certificate that was to be renewed"
_LOOK: Final = "look"


class CertificateRenewal(Actor):
    """Renews the certificate of one node."""

    def __init__(self, plan: NodePlan, enroller: Enroller, journal: Journal, authority: Ref) -> None:
        """Renew the certificate of the node of ``plan``, and tell ``authority``."""
        self._plan = plan
        self._enroller = enroller
        self._journal = journal
        self._authority = authority
        self._machine = Renewal()
        #: Whether something is under way, which ends with a message.
        self._busy = False
        #: Whether an operator has changed something meanwhile.
        self._changed = False
        #: A request that was made, and is not decided yet.
        self._attempt: Attempt | None = None
        #: Whether the authority has yet to hear of a new certificate, and which fault it heard of last.
        self._renewed = False
        self._told = ""

    async def started(self) -> None:
        """Look at the certificate."""
        self._look()

    def receive(self, message: object) -> None:
        """Do one step, and see what is next."""
        now = moment(self.ctx.clock)
        match message:
            case LookDue():
                self._look()
            case Configure(plan):
                self._configure(plan)
            case Standing(certificate):
                self._seen(certificate, now)
            case Unread(error):
                self._unread(error)
            case Prepared(plan, attempt):
                self._prepared(plan, attempt)
            case Submitted(later):
                self._submitted(later, now)
            case Installed(events):
                self._record(events)
                self._attempt, self._renewed, self._busy = None, True, False
                # Forgotten once another certificate is seen; else the next request would follow at once.
                self._machine.failed(now, SAME_AGAIN)
                self._look()
            case Failed(error):
                self._failed(error, now)
            case _:
                self.ctx.log.warning("unexpected message", kind=type(message).__name__)

    def _configure(self, plan: NodePlan) -> None:
        """Take up what an operator has changed: that may be just what was in the way."""
        if plan != self._plan:
            self._plan, self._attempt = plan, None
        self._changed = True
        self._look()

    def _look(self) -> None:
        """Look at the certificate, unless something is under way: when that ends, there is another look."""
        if self._busy:
            return
        if self._changed:
            self._changed = False
            self._machine.try_again()
        if not self._automatic:
            self._machine.seen(None, moment(self.ctx.clock))
            self._rest(None)
            return
        self._busy = True
        self.ctx.pipe(computed(self.ctx, self._enroller.standing, self._plan), Standing, Unread)

    @property
    def _automatic(self) -> bool:
        return self._plan.enrollment is not None and self._plan.enrollment.automatic

    def _seen(self, certificate: Lifetime | None, now: Moment) -> None:
        """Renew the certificate, or wait until it is time."""
        self._machine.seen(certificate, now)
        plan = self._plan
        if not self._machine.wanted(now):
            self._rest(self._machine.next_look(now))
        elif self._attempt is not None:
            self._submit(self._attempt)
        else:
            work = computed(self.ctx, self._enroller.prepare, plan)
            self.ctx.pipe(work, lambda attempt: Prepared(plan, attempt), Failed)

    def _unread(self, error: Exception) -> None:
        if not isinstance(error, PeerkeyError):
            raise error
        self.ctx.log.warning("the certificate cannot be read", node=self._plan.name, reason=str(error))
        self._rest(READ_AGAIN_AFTER)

    def _prepared(self, plan: NodePlan, attempt: Attempt) -> None:
        if plan != self._plan:
            self._rest(TELL_AGAIN_AFTER)
            return
        self._attempt = attempt
        self._record(attempt.prepared())
        self._submit(attempt)

    def _submit(self, attempt: Attempt) -> None:
        self.ctx.pipe(attempt.submit(), Submitted, Failed, drain=False)

    def _submitted(self, later: Later | None, now: Moment) -> None:
        """Install what was issued, or come again later."""
        attempt = self._attempt
        if attempt is None:
            # The plan has changed meanwhile: what was asked for is not what is wanted.
            self._rest(TELL_AGAIN_AFTER)
        elif later is None:
            self.ctx.pipe(computed(self.ctx, attempt.install), Installed, Failed)
        elif later.fault is not None:
            self._failed(later.fault, now, later.retry_after)
        else:
            self._machine.pending(now, later.retry_after)
            self._rest(self._machine.next_look(now))

    def _failed(self, error: Exception, now: Moment, retry_after: timedelta | None = None) -> None:
        """Tell of a renewal that failed, and come again. What is nobody's fault is a bug."""
        if not isinstance(error, PeerkeyError):
            raise error
        attempt, self._attempt = self._attempt, None
        self._record(self._enroller.failed(self._plan, attempt, error))
        self._machine.failed(now, str(error), retry_after)
        self._rest(self._machine.next_look(now))

    def _rest(self, pause: timedelta | None) -> None:
        """End what was under way; tell the authority what is new; look again after ``pause``, if at all."""
        self._busy = False
        if self._renewed and self._authority.offer(CertificateRenewed(self._plan.name)):
            self._renewed = False
        fault = self._machine.fault
        if fault != self._told and self._authority.offer(RenewalFault(self._plan.name, fault)):
            self._told = fault
        if self._renewed or self._told != fault or self._changed:
            pause = TELL_AGAIN_AFTER
        if pause is None:
            self.ctx.cancel_timer(_LOOK)
        else:
            self.ctx.set_timer(_LOOK, pause, LookDue())

    def _record(self, events: Sequence[Event]) -> None:
        for event in events:
            self._journal.record(self.ctx.clock.wall(), self._plan.name, event)
