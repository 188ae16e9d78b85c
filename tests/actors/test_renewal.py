"""The renewal of certificates, in virtual time and with a CA that does as the test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from actors.journal import MemoryJournal
from actors.messages import CertificateRenewed, Configure, RenewalFault
from actors.names import RENEWAL, belongs_to, node_actor
from actors.renewal import SAME_AGAIN, CertificateRenewal, Later
from peerkey.config.plan import EnrollmentPlan, NodePlan
from peerkey.errors import Misconfigured, PeerkeyError, Unavailable
from peerkey.observe.events import CsrFailed, Enrolled, EnrollmentFailed, Event
from peerkey.pki.renewal import Lifetime, renewal_at
from runtime.system import ActorSystem
from runtime.testing import Recorder, pass_time, run, settle
from tests.support.fleet import Fleet

DAY = timedelta(days=1)
#: Short, so that a test has few hourly looks.
LIFETIME = 3 * DAY


def test_a_certificate_is_renewed_when_its_time_comes_and_the_node_is_told(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system))
        heard = renewing(system, tmp_path, ca)
        due = renewal_at(ca.certificate)

        await pass_time(due - system.clock.wall() - timedelta(seconds=1))
        assert ca.submitted == []
        await pass_time(timedelta(seconds=1))

        assert heard.messages == [CertificateRenewed("r0/node0")]
        assert [entry.event.TYPE for entry in ca.journal.recent()] == ["system.enrolled"]
        await pass_time(DAY)
        assert len(ca.submitted) == 1

    run(scenario)


def test_it_goes_on_for_ever_one_certificate_after_the_other(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system))
        heard = renewing(system, tmp_path, ca)

        await pass_time(10 * LIFETIME)

        assert 13 <= len(ca.submitted) <= 16
        assert heard.messages == [CertificateRenewed("r0/node0")] * len(ca.submitted)

    run(scenario)


def test_while_it_fails_there_are_events_an_alarm_and_ever_longer_waits(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Unavailable("no route")] * 5))
        heard = renewing(system, tmp_path, ca)
        due = renewal_at(ca.certificate)

        await pass_time(due - system.clock.wall() + timedelta(hours=2))

        assert heard.messages == [
            RenewalFault("r0/node0", "no route"),
            CertificateRenewed("r0/node0"),
            RenewalFault("r0/node0", ""),
        ]
        times = [at - due for at in ca.submitted]
        assert len(times) == 6
        waits = [after - before for before, after in pairwise(times)]
        expected = zip((1, 2, 4, 8, 16), waits, strict=True)
        assert all(least <= wait / timedelta(minutes=1) <= 1.25 * least for least, wait in expected)
        kinds = [entry.event.TYPE for entry in ca.journal.recent()]
        assert kinds == ["system.enrollment_failed"] * 5 + ["system.enrolled"]

    run(scenario)


def test_a_ca_that_decides_later_gets_the_same_request_again_and_nothing_is_wrong(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Later(timedelta(hours=3), None), Later(None, None)]))
        heard = renewing(system, tmp_path, ca)
        due = renewal_at(ca.certificate)

        await pass_time(due - system.clock.wall() + timedelta(hours=4))

        assert [at - due for at in ca.submitted] == [
            timedelta(0),
            timedelta(hours=3),
            timedelta(hours=3, minutes=1),
        ]
        assert ca.prepared == 1
        assert heard.messages == [CertificateRenewed("r0/node0")]

    run(scenario)


def test_a_server_that_cannot_now_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Later(timedelta(hours=3), Unavailable("busy"))]))
        renewing(system, tmp_path, ca)
        due = renewal_at(ca.certificate)

        await pass_time(due - system.clock.wall() + timedelta(hours=4))

        assert [at - due for at in ca.submitted] == [timedelta(0), timedelta(hours=3)]

    run(scenario)


def test_what_is_issued_and_not_accepted_is_a_failure_and_the_old_one_stays(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), refuse=Misconfigured("for another key"))
        heard = renewing(system, tmp_path, ca)
        before = ca.certificate

        await pass_time(renewal_at(before) - system.clock.wall() + timedelta(seconds=1))

        assert heard.messages == [RenewalFault("r0/node0", "for another key")]
        assert ca.certificate == before

    run(scenario)


def test_a_ca_that_sends_the_old_certificate_again_is_not_asked_without_end(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), sterile=True)
        heard = renewing(system, tmp_path, ca)

        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(hours=1))

        assert 2 <= len(ca.submitted) <= 7
        assert RenewalFault("r0/node0", SAME_AGAIN) in heard.messages

    run(scenario)


def test_a_request_that_cannot_be_made_is_told_too(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), unprepared=Misconfigured("the key is gone"))
        heard = renewing(system, tmp_path, ca)

        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(seconds=1))

        assert heard.messages == [RenewalFault("r0/node0", "the key is gone")]
        kinds = [entry.event.TYPE for entry in ca.journal.recent()]
        assert kinds == ["certificate.request_failed", "system.enrollment_failed"]

    run(scenario)


def test_a_reload_tries_at_once_what_failed(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Later(DAY, Unavailable("busy"))]))
        heard = renewing(system, tmp_path, ca)
        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(seconds=1))

        system.ref(NAME).tell(Configure(plan(tmp_path)))
        await settle()

        assert len(ca.submitted) == 2
        assert CertificateRenewed("r0/node0") in heard.messages

    run(scenario)


def test_a_plan_that_asks_for_no_renewal_ends_it_and_clears_the_alarm(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Unavailable("no route")] * 99))
        heard = renewing(system, tmp_path, ca)
        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(seconds=1))

        system.ref(NAME).tell(Configure(replace(plan(tmp_path), enrollment=None)))
        await pass_time(10 * DAY)

        assert heard.messages[-1] == RenewalFault("r0/node0", "")
        assert len(ca.submitted) == 1

    run(scenario)


def test_a_certificate_that_an_operator_replaces_is_noticed_without_being_told(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), answers=deque([Unavailable("no route")] * 999))
        heard = renewing(system, tmp_path, ca)
        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(minutes=1))

        ca.issue(system)
        asked = len(ca.submitted)
        await pass_time(timedelta(hours=2))

        assert heard.messages[-1] == RenewalFault("r0/node0", "")
        assert len(ca.submitted) <= asked + 1

    run(scenario)


def test_a_certificate_that_cannot_be_read_is_read_again_and_asks_nothing(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        ca = FakeCa(first(system), unread=Misconfigured("cannot be read"))
        heard = renewing(system, tmp_path, ca)
        await pass_time(renewal_at(ca.certificate) - system.clock.wall() + timedelta(minutes=1))
        assert ca.submitted == []

        ca.unread = None
        await pass_time(timedelta(minutes=2))

        assert heard.messages == [CertificateRenewed("r0/node0")]

    run(scenario)


def test_a_crash_of_the_renewal_belongs_to_its_node() -> None:
    assert belongs_to(f"authority/{RENEWAL}{node_actor('east.1/node0')}") == "east.1/node0"


# --- helpers --------------------------------------------------------------------------------------

NAME = f"{RENEWAL}r0.node0"


@dataclass
class FakeCa:
    """A CA that does what is queued, and issues with an empty queue; and the file of the certificate."""

    certificate: Lifetime
    answers: deque[Later | PeerkeyError] = field(default_factory=deque)
    unread: PeerkeyError | None = None
    unprepared: PeerkeyError | None = None
    refuse: PeerkeyError | None = None
    #: Whether it issues what is there already.
    sterile: bool = False
    submitted: list[datetime] = field(default_factory=list)
    prepared: int = 0
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    system: ActorSystem | None = None

    def standing(self, _: NodePlan) -> Lifetime | None:
        if self.unread is not None:
            raise self.unread
        return self.certificate

    def prepare(self, _: NodePlan) -> FakeAttempt:
        if self.unprepared is not None:
            raise self.unprepared
        self.prepared += 1
        return FakeAttempt(self)

    def failed(self, _: NodePlan, attempt: object, fault: PeerkeyError) -> Sequence[Event]:
        failed = EnrollmentFailed("base", "ca", "simplereenroll", str(fault))
        return (failed,) if attempt is not None else (CsrFailed("base", str(fault)), failed)

    def issue(self, system: ActorSystem) -> None:
        now = system.clock.wall()
        self.certificate = Lifetime(now, now + LIFETIME, str(now).encode())


@dataclass
class FakeAttempt:
    ca: FakeCa

    def prepared(self) -> Sequence[Event]:
        return ()

    async def submit(self) -> Later | None:
        assert self.ca.system is not None
        self.ca.submitted.append(self.ca.system.clock.wall())
        if not self.ca.answers:
            return None
        answer = self.ca.answers.popleft()
        if isinstance(answer, PeerkeyError):
            raise answer
        return answer

    def install(self) -> Sequence[Event]:
        assert self.ca.system is not None
        if self.ca.refuse is not None:
            raise self.ca.refuse
        if not self.ca.sterile:
            self.ca.issue(self.ca.system)
        return (Enrolled("base", "ca", "simplereenroll", "", ""),)


def first(system: ActorSystem) -> Lifetime:
    now = system.clock.wall()
    return Lifetime(now, now + LIFETIME, b"first")


def plan(folder: Path) -> NodePlan:
    made = Fleet(folder).plan(0)
    return replace(made, enrollment=EnrollmentPlan("https://ca.example", made.trusted, automatic=True))


def renewing(system: ActorSystem, folder: Path, ca: FakeCa) -> Recorder:
    """Start the actor; return who hears of it in the authority's place."""
    ca.system = system
    heard = Recorder()
    authority = system.spawn(lambda: heard, "authority")
    system.spawn(lambda: CertificateRenewal(plan(folder), ca, ca.journal, authority), NAME)
    return heard
