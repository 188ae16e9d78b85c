"""When hosts are started, started again and discarded."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.cluster.reconciling import Settings, machine_of
from actors.cluster.upkeep import AT_ONCE, Step, Upkeep
from runtime.cluster.machines import HostProcess

SECOND = timedelta(seconds=1)
ZERO = timedelta(0)
GRACE = Settings().grace


def test_a_host_that_should_be_there_is_started_once() -> None:
    upkeep = wanting("m-0")

    assert list(upkeep.due(ZERO)) == [("m-0", Step.START)]
    upkeep.begun("m-0", Step.START)
    assert list(upkeep.due(10 * SECOND)) == []
    upkeep.ended("m-0", Step.START, "", SECOND)
    upkeep.heard("m-0", 1, 7, 2 * SECOND, complete=True)
    assert list(upkeep.due(3 * SECOND)) == []
    assert upkeep.hosts["m-0"].answers


def test_a_start_that_fails_is_tried_again_later_and_later() -> None:
    upkeep = wanting("m-0")
    now = ZERO
    pauses = []
    for _ in range(12):
        began = now
        while not list(upkeep.due(now)):
            now += SECOND
        pauses.append((now - began).total_seconds())
        do(upkeep, "m-0", Step.START, now, "it does not start")

    assert pauses == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert upkeep.hosts["m-0"].fault == "it does not start"


def test_a_host_that_is_silent_is_waited_for_and_then_started_again() -> None:
    upkeep = reporting("m-0")

    upkeep.look(6 * SECOND)
    assert not upkeep.hosts["m-0"].answers
    assert list(upkeep.due(GRACE - SECOND)) == []
    assert list(upkeep.due(GRACE)) == [("m-0", Step.RENEW)]
    do(upkeep, "m-0", Step.RENEW, GRACE)
    assert list(upkeep.due(2 * GRACE - SECOND)) == []
    assert list(upkeep.due(2 * GRACE)) == [("m-0", Step.RENEW)]
    assert upkeep.gone(Settings().gone_after) == {"m-0"}
    upkeep.heard("m-0", 2, 8, 2 * GRACE, complete=False)
    assert list(upkeep.due(2 * GRACE)) == []
    assert upkeep.gone(Settings().gone_after) == frozenset()


def test_a_process_that_is_only_beginning_is_not_taken_for_a_former_one() -> None:
    upkeep = wanting("m-0")
    # Its number is not known before its store has answered.
    upkeep.seen(HostProcess("m-0", "m", 7, 0, "1", 0), SECOND)

    assert (upkeep.hosts["m-0"].pid, upkeep.hosts["m-0"].incarnation) == (7, None)


def test_a_host_that_should_not_be_there_is_discarded_and_forgotten() -> None:
    upkeep = reporting("m-0")
    upkeep.want({}, SECOND)

    assert list(upkeep.due(SECOND)) == [("m-0", Step.DISCARD)]
    do(upkeep, "m-0", Step.DISCARD, SECOND, "nobody answers")
    assert list(upkeep.due(SECOND)) == []
    assert list(upkeep.due(2 * SECOND)) == [("m-0", Step.DISCARD)]
    do(upkeep, "m-0", Step.DISCARD, 2 * SECOND)
    assert upkeep.hosts == {}


def test_a_host_that_is_wanted_again_while_it_is_discarded_is_started_at_once() -> None:
    upkeep = reporting("m-0")
    upkeep.want({}, SECOND)
    upkeep.begun("m-0", Step.DISCARD)
    upkeep.want({"m-0": "m"}, 2 * SECOND)
    upkeep.ended("m-0", Step.DISCARD, "", 3 * SECOND)

    assert list(upkeep.due(3 * SECOND)) == [("m-0", Step.START)]


def test_what_is_to_be_discarded_never_keeps_anything_from_being_started() -> None:
    upkeep = reporting(*(f"a-{number}" for number in range(9)))
    upkeep.want({f"b-{number}": "b" for number in range(3)}, SECOND)

    due = list(upkeep.due(SECOND))
    assert due == [*((f"b-{number}", Step.START) for number in range(3)), ("a-0", Step.DISCARD)]
    for host, step in due:
        upkeep.begun(host, step)
    for number in range(3):
        upkeep.ended(f"b-{number}", Step.START, "", SECOND)

    # Ends that hang leave room for whatever is to be started.
    assert list(upkeep.due(SECOND)) == [("a-1", Step.DISCARD)]
    upkeep.begun("a-1", Step.DISCARD)
    assert list(upkeep.due(SECOND)) == []
    upkeep.want({"b-3": "b", "b-4": "b", "b-5": "b"}, SECOND)
    assert list(upkeep.due(SECOND)) == [("b-3", Step.START), ("b-4", Step.START)]


def test_nobody_is_started_again_where_nobody_reports_and_the_processes_are_there() -> None:
    upkeep = reporting("m-0", "m-1")
    upkeep.look(GRACE)
    upkeep.seen(HostProcess("m-0", "m", 7, 1, "1", 0), GRACE)

    assert upkeep.isolated(GRACE)
    assert list(upkeep.due(GRACE)) == []
    # Where the processes are gone too, it is they.
    later = GRACE + 21 * SECOND
    assert [step for _, step in upkeep.due(later)] == [Step.RENEW, Step.RENEW]


class AnyLife(RuleBasedStateMachine):
    """Everything that may become of three hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.upkeep = Upkeep(Settings())
        self.now = ZERO
        self.busy: dict[str, Step] = {}

    hosts = st.sampled_from(["m-0", "m-1", "n-0"])

    @rule(seconds=st.integers(0, 200))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.upkeep.look(self.now)

    @rule(hosts=st.sets(hosts))
    def others_are_wanted(self, hosts: set[str]) -> None:
        self.upkeep.want({host: machine_of(host) for host in hosts}, self.now)

    @rule(host=hosts, incarnation=st.integers(1, 3))
    def one_reports(self, host: str, incarnation: int) -> None:
        self.upkeep.meet(host, machine_of(host), self.now)
        self.upkeep.heard(host, incarnation, 7, self.now, complete=True)

    @rule()
    def what_is_due_is_begun(self) -> None:
        for host, step in list(self.upkeep.due(self.now)):
            assert host not in self.busy
            self.upkeep.begun(host, step)
            self.busy[host] = step

    @rule(host=hosts, fault=st.sampled_from(["", "no"]))
    def something_ends(self, host: str, fault: str) -> None:
        if host in self.busy:
            self.upkeep.ended(host, self.busy.pop(host), fault, self.now)

    @invariant()
    def few_are_busy_and_who_answers_is_left_alone(self) -> None:
        assert len(self.busy) <= AT_ONCE
        assert {host for host, each in self.upkeep.hosts.items() if each.busy} == set(self.busy)
        for host, step in self.upkeep.due(self.now):
            record = self.upkeep.hosts[host]
            assert (step is Step.DISCARD) is not record.wanted
            assert not (step is Step.RENEW and record.answers)
        assert all(not self.upkeep.hosts[host].answers for host in self.upkeep.gone(self.now))


AnyLife.TestCase.settings = hypothesis_settings(max_examples=50, stateful_step_count=30)
TestAnyLife = AnyLife.TestCase


# --- helpers ----------------------------------------------------------------------------------------


def wanting(*hosts: str) -> Upkeep:
    upkeep = Upkeep(Settings())
    upkeep.want({host: machine_of(host) for host in hosts}, ZERO)
    return upkeep


def reporting(*hosts: str) -> Upkeep:
    """Return what is known when hosts were started and heard of at time zero."""
    upkeep = wanting(*hosts)
    for host in hosts:
        do(upkeep, host, Step.START, ZERO)
        upkeep.heard(host, 1, 7, ZERO, complete=True)
    return upkeep


def do(upkeep: Upkeep, host: str, step: Step, now: timedelta, fault: str = "") -> None:
    upkeep.begun(host, step)
    upkeep.ended(host, step, fault, now)
