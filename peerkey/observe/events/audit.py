"""What happens to the audit log itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class AuditRepaired(Event):
    """The last line of the audit log was torn when its writer died, and was taken out of it."""

    TYPE: ClassVar = "audit.repaired"
    TITLE: ClassVar = "Repaired the end of the audit log."

    #: What was taken out: how much, its SHA-256, and the beginning of it. It was acknowledged to nobody.
    bytes: int
    sha256: str
    text: str

    def description(self) -> str:
        """Say how much was torn."""
        return f"The last line of the audit log was torn: {self.bytes} bytes were taken out"


@dataclass(frozen=True, slots=True)
class AuditDamaged(Event):
    """The audit log is not as its last writer left it. It goes on from the last line that is known."""

    TYPE: ClassVar = "audit.damaged"
    TITLE: ClassVar = "The audit log is damaged."

    reason: str

    def description(self) -> str:
        """Say what is wrong with it."""
        return f"The audit log is not as it was left: {self.reason}"


@dataclass(frozen=True, slots=True)
class AuditGap(Event):
    """Events of a node are missing in the audit log, which could not be written. What they counted is not."""

    TYPE: ClassVar = "audit.gap"
    TITLE: ClassVar = "Audit events could not be written."

    lost: int
    reason: str
    #: What they are counted as in the security statistics.
    counted: tuple[tuple[str, int], ...]

    def description(self) -> str:
        """Say how many are missing."""
        many = f"{self.lost} event{'s' if self.lost != 1 else ''}"
        return f"{many} before this one could not be written: {self.reason}"

    def detail(self) -> dict[str, object]:
        """Leave to the line what is counted."""
        return {"lost": self.lost, "reason": self.reason}
