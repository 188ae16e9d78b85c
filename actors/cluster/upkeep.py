"""Which hosts are to be started and discarded now, and what is known of each. Pure; time is an argument.

A host that should be there is started; whoever carries the cluster starts its process again when it dies. So
a host on a living machine that falls silent is waited for, and only after the *grace* is it discarded and
started again, then after twice as long, and so on. A host that should not be there is discarded.

What was begun is told of by :meth:`Upkeep.begun` and :meth:`Upkeep.ended`; nothing is begun twice at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actors.cluster.reconciling import Settings
    from runtime.cluster.machines import HostProcess

#: A host whose last report is older than this does not answer: four reports may be late or lost.
ANSWERS_WITHIN: Final = timedelta(seconds=5)
#: A process that was found so lately is there.
SEEN_WITHIN: Final = timedelta(seconds=20)
#: An attempt that failed is made again after so long, then after twice as long, and so on
FIRST_PAUSE: Final = timedelta(seconds=1)
#: up to so long.
LONGEST_PAUSE: Final = timedelta(minutes=5)
#: Attempts at one time.
AT_ONCE: Final = 4
#: Of these, how many may end a host for good.
DISCARDS_AT_ONCE: Final = 2
#: The doublings that are worth computing.
_MAX_DOUBLINGS: Final = 10


class Step(Enum):
    """What is to be done with a host."""

    START = "start"
    #: Discard it, then start it.
    RENEW = "renew"
    DISCARD = "discard"


@dataclass(slots=True)
class HostRecord:
    """What is known of one host. Instants are monotonic."""

    machine: str
    #: Whether it should be there.
    wanted: bool
    #: When it was heard of last; ``None``: never.
    heard: timedelta | None = None
    #: When its process was found to be there last, by whatever carries the cluster.
    seen: timedelta | None = None
    #: Since when it has answered, or has not.
    since: timedelta = timedelta(0)
    answers: bool = False
    #: What it has reported last.
    pid: int | None = None
    incarnation: int | None = None
    complete: bool = False
    #: Whether it has been started, or found, since this was last to be done.
    started: bool = False
    restarts: int = 0
    versions: str = ""
    #: Attempts without a word of it, and when the next one is due.
    attempts: int = 0
    next_attempt: timedelta = timedelta(0)
    busy: Step | None = None
    fault: str = ""


@dataclass(slots=True)
class Upkeep:
    """The hosts of a cluster."""

    settings: Settings
    hosts: dict[str, HostRecord] = field(default_factory=dict)

    def want(self, wanted: Mapping[str, str], now: timedelta) -> None:
        """Say which hosts there should be, each with its machine."""
        for host, machine in wanted.items():
            record = self.hosts.setdefault(host, HostRecord(machine, wanted=True, since=now))
            if not record.wanted:
                record.wanted, record.attempts, record.next_attempt = True, 0, now
                if not record.answers:
                    record.since, record.started = now, False
        for host, record in self.hosts.items():
            if record.wanted and host not in wanted:
                record.wanted, record.attempts, record.next_attempt = False, 0, now

    def meet(self, host: str, machine: str, now: timedelta) -> None:
        """Learn that there is a host, which may be one too many."""
        self.hosts.setdefault(host, HostRecord(machine, wanted=False, since=now))

    def heard(self, host: str, incarnation: int, pid: int, now: timedelta, *, complete: bool) -> None:
        """Take note of a report of a host that is known."""
        record = self.hosts[host]
        if not record.answers:
            record.answers, record.since = True, now
        if record.incarnation not in {None, incarnation}:
            record.since = now
        record.heard, record.incarnation, record.pid = now, incarnation, pid
        record.complete = complete
        record.started, record.attempts, record.fault = True, 0, ""
        record.next_attempt = now

    def seen(self, process: HostProcess, now: timedelta) -> None:
        """Learn that the process of a host is there, whether or not it reports."""
        self.meet(process.host, process.machine, now)
        record = self.hosts[process.host]
        record.seen, record.restarts, record.versions = now, process.restarts, process.versions
        if record.pid is None:
            # One that is only beginning does not know its number yet.
            record.pid, record.incarnation = process.pid, process.incarnation or None

    def absent(self, away: timedelta) -> None:
        """Learn that nobody has listened here for so long: what was not heard in that time says nothing."""
        for record in self.hosts.values():
            record.since += away
            if record.heard is not None:
                record.heard += away

    def look(self, now: timedelta) -> None:
        """See which hosts have fallen silent."""
        for record in self.hosts.values():
            if record.answers and record.heard is not None and now - record.heard > ANSWERS_WITHIN:
                record.answers, record.since = False, record.heard

    def isolated(self, now: timedelta) -> bool:
        """Tell whether it is here that something is wrong: nobody reports, and their processes are there.

        To end all of them would help nobody.
        """
        known = [record for record in self.hosts.values() if record.wanted and record.heard is not None]
        return (
            len(known) > 1
            and not any(record.answers for record in known)
            and any(record.seen is not None and now - record.seen <= SEEN_WITHIN for record in known)
        )

    def gone(self, now: timedelta) -> frozenset[str]:
        """Return the hosts that have been silent for too long."""
        if self.isolated(now):
            return frozenset()
        return frozenset(
            host
            for host, record in self.hosts.items()
            if record.wanted and not record.answers and now - record.since >= self.settings.gone_after
        )

    def due(self, now: timedelta) -> Iterator[tuple[str, Step]]:
        """Yield what is to be begun now: what is to be there first, as nodes may wait for it."""
        steps = [
            (host, step) for host, record in sorted(self.hosts.items()) if (step := self._step(record, now))
        ]
        if self.isolated(now):
            steps = [(host, step) for host, step in steps if step is not Step.RENEW]
        busy = [record.busy for record in self.hosts.values() if record.busy is not None]
        room = AT_ONCE - len(busy)
        starting = [(host, step) for host, step in steps if step is not Step.DISCARD][:room]
        # To discard what is on a dead machine may take as long as it may.
        room = min(room - len(starting), DISCARDS_AT_ONCE - busy.count(Step.DISCARD))
        discarding = [(host, step) for host, step in steps if step is Step.DISCARD][: max(0, room)]
        yield from (*starting, *discarding)

    def begun(self, host: str, step: Step) -> None:
        """Take note that something is being done with a host."""
        self.hosts[host].busy = step

    def ended(self, host: str, step: Step, fault: str, now: timedelta) -> None:
        """Take note of the outcome: ``fault`` is empty where it went well."""
        record = self.hosts[host]
        record.busy, record.fault = None, fault
        if step is Step.DISCARD and not fault:
            if not record.wanted:
                del self.hosts[host]
            # It may have become wanted meanwhile: what was found there then is no more.
            record.started, record.attempts, record.next_attempt = False, 0, now
            return
        pause = FIRST_PAUSE if fault else self.settings.grace
        record.next_attempt = now + min(LONGEST_PAUSE, pause * 2 ** min(record.attempts, _MAX_DOUBLINGS))
        record.attempts += 1
        record.started = record.started or (not fault and step is not Step.DISCARD)

    def _step(self, record: HostRecord, now: timedelta) -> Step | None:
        if record.busy is not None or now < record.next_attempt:
            return None
        if not record.wanted:
            return Step.DISCARD
        if not record.started:
            return Step.START
        if not record.answers and now - record.since >= self.settings.grace:
            return Step.RENEW
        return None
