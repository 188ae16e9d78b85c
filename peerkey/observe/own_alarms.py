"""Alarms about what this process itself goes by: its clock, its store, its audit log, its own certificate."""

from __future__ import annotations

from peerkey.observe.alarms import Alarm, Category, Severity


def clock_wrong(node: str, severity: Severity, detail: str) -> Alarm:
    """What a node sees cannot be so by its own clock: ``detail`` says what."""
    return Alarm(
        f"clock:{node}",
        severity,
        node,
        Category.PLATFORM,
        f"The clock of `{node}` may be wrong: {detail}.",
    )


def api_certificate_bad(node: str, severity: Severity, file: str, how: str) -> Alarm:
    """The certificate of the admin API ends soon, or does not count now, as ``how`` says.

    Each severity is an alarm of its own: who has shelved that it ends soon is told when it has ended.
    """
    return Alarm(
        f"api-certificate:{severity.value}",
        severity,
        node,
        Category.SYSTEM,
        f"The certificate of the admin API is {how}: `{file}`.",
    )


def store_failing(node: str, detail: str) -> Alarm:
    """A node cannot read or write its keys."""
    return Alarm(
        f"store:{node}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"The store of `{node}` fails: {detail}.",
        detail,
    )


def audit_log_unwritable(source: str, reason: str, events: int) -> Alarm:
    """Audit events are in the memory of a process only. There until one can be written again."""
    return Alarm(
        f"audit-log:{source}",
        Severity.MAJOR,
        source,
        Category.PLATFORM,
        f"The audit log cannot be written: {reason}; {events} events are not in it.",
        reason,
    )
