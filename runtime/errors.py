"""What the runtime refuses, and why.

Every error that the runtime raises on purpose descends from :class:`RuntimeFault` and carries data:
the name of the actor, record or address concerned. None of them carries a message or a record's
contents, so that each may be logged as it is.
"""

from __future__ import annotations

from datetime import timedelta


class RuntimeFault(Exception):
    """The root of every error that the runtime raises on purpose."""


# --- Actors ---------------------------------------------------------------------------------------


class MailboxFull(RuntimeFault):
    """The receiver's mailbox is at its bound; the message was not taken. The sender decides."""

    def __init__(self, name: str, capacity: int) -> None:
        """Remember whose mailbox it is, and its bound."""
        super().__init__(f"the mailbox of {name} is full ({capacity} messages)")
        self.name = name
        self.capacity = capacity


class Undeliverable(RuntimeFault):
    """No actor of that name is there to answer."""

    def __init__(self, name: str, why: str = "there is no such actor") -> None:
        """Remember who was addressed."""
        super().__init__(f"{name} cannot answer: {why}")
        self.name = name
        self.why = why


class ActorStopped(Undeliverable):
    """The actor, or this incarnation of it, has come to its end."""

    def __init__(self, name: str) -> None:
        """Remember which actor it was."""
        super().__init__(name, "it has stopped")


class ActorCrashed(Undeliverable):
    """The actor crashed while it owed an answer; its supervisor decides whether it comes back."""

    def __init__(self, name: str, error: str) -> None:
        """Remember which actor it was and the type of what it raised."""
        super().__init__(name, f"it crashed ({error})")
        self.error = error


class Unanswered(RuntimeFault):
    """The actor handled the question and neither answered nor kept a token to answer later."""

    def __init__(self, name: str, question: str) -> None:
        """Remember the actor and the type of the question."""
        super().__init__(f"{name} does not answer {question}")
        self.name = name
        self.question = question


class AskTimeout(RuntimeFault):
    """No answer arrived within the deadline. Whether the question was handled is unknown."""

    def __init__(self, name: str, question: str, timeout: timedelta) -> None:
        """Remember the actor, the type of the question and the deadline."""
        super().__init__(f"{name} did not answer {question} within {timeout.total_seconds():g} s")
        self.name = name
        self.question = question
        self.timeout = timeout


class NameTaken(RuntimeFault):
    """A living actor has that name already."""

    def __init__(self, name: str) -> None:
        """Remember the name."""
        super().__init__(f"there is already an actor named {name}")
        self.name = name


class ChildFailed(RuntimeFault):
    """A child crashed more often than its supervision allows; the failure goes up to its parent."""

    def __init__(self, name: str, error: str) -> None:
        """Remember the child and the type of its last error."""
        super().__init__(f"{name} failed for good ({error})")
        self.name = name
        self.error = error


class LimitReached(RuntimeFault):
    """A bound of the runtime is used up, such as that of the timers of one actor or of queued work."""

    def __init__(self, what: str, limit: int) -> None:
        """Remember what there are too many of."""
        super().__init__(f"too many {what} (the limit is {limit})")
        self.what = what
        self.limit = limit


class WorkCancelled(RuntimeFault):
    """An awaitable given to ``pipe`` was cancelled by somebody other than its actor."""


# --- Between hosts --------------------------------------------------------------------------------


class FailedElsewhere(RuntimeFault):
    """An actor of another host failed the question with an error that does not travel."""

    def __init__(self, name: str, error: str) -> None:
        """Remember who was asked and the type of the error. Its text may quote what must not travel."""
        super().__init__(f"{name} failed the question ({error})")
        self.name = name
        self.error = error


class HostUnreachable(RuntimeFault):
    """A batch was not handed over to its host, or nobody knows whether it was. Sending it again is safe."""

    def __init__(self, host: str, why: str) -> None:
        """Remember the host, and why in a few words."""
        super().__init__(f"host {host} cannot be reached: {why}")
        self.host = host
        self.why = why


class MalformedFrame(RuntimeFault):
    """What another host sent is no frame, or holds something that is not allowed to travel."""


class NotPortable(RuntimeFault):
    """A message may not leave its host: it, or a part of it, is of a class that does not travel."""

    def __init__(self, what: str) -> None:
        """Remember the class, or the bound that the message exceeds."""
        super().__init__(f"this does not travel between hosts: {what}")
        self.what = what


# --- Stores ---------------------------------------------------------------------------------------


class StaleEpoch(RuntimeFault):
    """A newer incarnation of this owner is active (or this one never was). Stop writing, and stop."""

    def __init__(self, owner: str, epoch: int, current: int) -> None:
        """Remember the writer's epoch and the one that is active."""
        super().__init__(f"epoch {epoch} of {owner} is not the active one ({current})")
        self.owner = owner
        self.epoch = epoch
        self.current = current


class VersionConflict(RuntimeFault):
    """The record is not at the version that the writer expected; nothing was written."""

    def __init__(self, owner: str, name: str, expected: int, found: int) -> None:
        """Remember the record and both versions; 0 stands for "there is none"."""
        super().__init__(f"record {name!r} of {owner} is at version {found}, not {expected}")
        self.owner = owner
        self.name = name
        self.expected = expected
        self.found = found


class StoreUnavailable(RuntimeFault):
    """The store did not answer, is overloaded or has been closed. It is unknown what was written."""


class StoreUnusable(StoreUnavailable):
    """The store's file cannot be used as it is: damaged, foreign, or of a newer version."""


class Unsealable(RuntimeFault):
    """A sealed record does not open: other key, other name or version, or it was changed."""


# --- Wires ----------------------------------------------------------------------------------------


class WireUnavailable(RuntimeFault):
    """An endpoint cannot be opened: the wire is closed, the address is wrong, or the pair is in use."""
