"""What operators do, what is told to them, and who was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class AlarmRaised(Event):
    """Something is wrong that was not. What was so before a restart is not told again."""

    TYPE: ClassVar = "alarm.raised"
    TITLE: ClassVar = "An alarm was raised."

    #: As `show alarms` names it: the same when it is cleared.
    alarm: str
    severity: str
    source: str
    category: str
    message: str

    def description(self) -> str:
        """Say what is wrong."""
        return f"Alarm ({self.severity}): {self.message}"


@dataclass(frozen=True, slots=True)
class AlarmCleared(Event):
    """What was wrong is wrong no more."""

    TYPE: ClassVar = "alarm.cleared"
    TITLE: ClassVar = "An alarm was cleared."

    alarm: str
    severity: str
    source: str
    category: str
    message: str
    #: How long it was there.
    lasted_seconds: float
    #: How often it came meanwhile: what comes and goes is told once, when it is settled.
    times: int = 1

    def description(self) -> str:
        """Say what is right again."""
        often = f" (it came {self.times} times)" if self.times > 1 else ""
        return f"No more an alarm: {self.message}{often}"


@dataclass(frozen=True, slots=True)
class AlarmShelved(Event):
    """An operator has put alarms on the shelf: they are there, and not shown among the others."""

    TYPE: ClassVar = "alarm.shelved"
    TITLE: ClassVar = "Alarms were shelved."

    #: The id of the alarm; empty where it is a kind of alarms, of one node or (empty) of all.
    alarm: str
    kind: str
    of_node: str
    #: In UTC, ISO 8601.
    until: str
    by: str
    reason: str

    def description(self) -> str:
        """Say what, until when and why."""
        what = self.alarm or f"type {self.kind}" + (f" of {self.of_node}" if self.of_node else "")
        return f"Alarms shelved until {self.until} by {self.by}: {what} - {self.reason}"


@dataclass(frozen=True, slots=True)
class AlarmUnshelved(Event):
    """Alarms are no longer on the shelf: an operator has taken them back, or the time has come."""

    TYPE: ClassVar = "alarm.unshelved"
    TITLE: ClassVar = "Alarms are shelved no more."

    alarm: str
    kind: str
    of_node: str
    #: Who took them back; empty where the time has come.
    by: str

    def description(self) -> str:
        """Say what, and by whom."""
        what = self.alarm or f"type {self.kind}" + (f" of {self.of_node}" if self.of_node else "")
        return f"Alarms shelved no more, {f'by {self.by}' if self.by else 'their time has come'}: {what}"


@dataclass(frozen=True, slots=True)
class ConfigurationChanged(Event):
    """An operator has changed what a node has to do, and it does so now."""

    TYPE: ClassVar = "configuration.changed"
    TITLE: ClassVar = "The configuration changed."

    #: ``added``, ``removed`` or ``changed``: the node.
    change: str
    #: What is different, one thing each: ``policy.rekey_interval: 1 day, 0:00:00 -> 12:00:00``.
    differences: tuple[str, ...]
    #: How many more there are.
    left_out: int

    def description(self) -> str:
        """Say how much is different."""
        if self.change != "changed":
            return f"The configuration has {'no' if self.change == 'removed' else 'a'} node of this name now"
        count = len(self.differences) + self.left_out
        return f"The configuration of this node changed in {count} place{'s' if count != 1 else ''}"


@dataclass(frozen=True, slots=True)
class RestartNeededChanged(Event):
    """A reload found settings that take effect when the authority is restarted, or finds none any more."""

    TYPE: ClassVar = "configuration.restart_needed"
    TITLE: ClassVar = "Settings wait for a restart of the authority."

    #: Each with its value now and as configured; none: nothing waits any more.
    settings: tuple[str, ...]

    def description(self) -> str:
        """Name them."""
        if not self.settings:
            return "No setting waits for a restart of the authority any more"
        return f"A restart of the authority is required for {'; '.join(self.settings)}"


@dataclass(frozen=True, slots=True)
class LoginRefused(Event):
    """Somebody asked the admin API who may not. What they presented is in no event."""

    TYPE: ClassVar = "api.login_refused"
    TITLE: ClassVar = "Refused a request to the admin API."
    PERMITTED: ClassVar = False

    #: An IPv4 address, or the network of an IPv6 address.
    source: str
    #: ``no token``, ``unknown token``, or ``role``: it may only read.
    reason: str
    #: The name of the token whose role is not enough; else empty.
    token: str
    #: How many before this one are in no event, because there were too many of them.
    unrecorded: int

    def description(self) -> str:
        """Say who and why."""
        by = f" with the token {self.token}" if self.token else ""
        more = f", after {self.unrecorded} that were not recorded" if self.unrecorded else ""
        return f"A request from {self.source}{by} was refused: {self.reason}{more}"


@dataclass(frozen=True, slots=True)
class TokenRevoked(Event):
    """A token of the admin API was taken back."""

    TYPE: ClassVar = "api.token_revoked"
    TITLE: ClassVar = "Revoked a token of the admin API."

    #: Its name, never the token.
    token: str
    #: The name of the token that asked for it; ``local`` at the Unix socket.
    by: str

    def description(self) -> str:
        """Name both."""
        return f"The token {self.token} was revoked by {self.by}"


@dataclass(frozen=True, slots=True)
class StatisticsCleared(Event):
    """An operator has set the security statistics back to zero."""

    TYPE: ClassVar = "system.clear_stats"
    TITLE: ClassVar = "Cleared security statistics."

    #: What they were, over all nodes; those that were zero are left out.
    former: tuple[tuple[str, int], ...]

    def description(self) -> str:
        """Say how much had been counted."""
        return f"Security statistics set to zero; {sum(count for _, count in self.former)} had been counted"

    def detail(self) -> dict[str, object]:
        """Give the counters by their names."""
        return {"former": dict(self.former)}


@dataclass(frozen=True, slots=True)
class BackupMade(Event):
    """An operator has made a backup. Whoever has it and its passphrase can be these nodes."""

    TYPE: ClassVar = "backup.made"
    TITLE: ClassVar = "Made a backup."

    file: str
    nodes: tuple[str, ...]
    #: Where the audit log ended in it, as ``SEQUENCE:HASH``; empty where there was none.
    audit_head: str

    def description(self) -> str:
        """Name the file."""
        return f"Backup of {len(self.nodes)} node{'s' if len(self.nodes) != 1 else ''} written to {self.file}"


@dataclass(frozen=True, slots=True)
class NodeRestored(Event):
    """A node has come back from a backup. What happened after that was made is not in this log."""

    TYPE: ClassVar = "node.restored"
    TITLE: ClassVar = "Restored a node from a backup."

    #: When the backup was made, and on which machine.
    made: str
    machine: str
    #: Where the audit log ended in it; from there another log may have gone on.
    audit_head: str
    #: Where the backup's own log is now, below the state directory, if this one is another; else empty.
    other_log: str

    def description(self) -> str:
        """Say how old it is."""
        return f"Restored from a backup that was made at {self.made} on {self.machine}; its keys are retired"


@dataclass(frozen=True, slots=True)
class NodeDrained(Event):
    """A node is out of work, because an operator wants it so."""

    TYPE: ClassVar = "node.drained"
    TITLE: ClassVar = "Drained a node."

    how: str

    def description(self) -> str:
        """Say how it left."""
        return f"The node {self.how} and is out of work"


@dataclass(frozen=True, slots=True)
class NodeUndrained(Event):
    """An operator has put a drained node back to work."""

    TYPE: ClassVar = "node.undrained"
    TITLE: ClassVar = "Put a drained node back to work."

    def description(self) -> str:
        """Say so."""
        return "The node is back at work"
