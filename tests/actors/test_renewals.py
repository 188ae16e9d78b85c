"""Which nodes have an actor that renews their certificate, and that it follows the configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from actors.journal import MemoryJournal
from actors.messages import NodeStatus, RenewalFault
from actors.renewals import Renewals
from peerkey.config.plan import NodePlan
from runtime.actor import Actor, Terminated
from runtime.system import ActorSystem
from runtime.testing import run, settle
from tests.actors.test_renewal import FakeCa, first, plan

NAME = "authority/renewal~r0.node0"


@dataclass(frozen=True)
class Plans:
    """What the configuration asks for now."""

    plans: tuple[NodePlan, ...]


class Host(Actor):
    """Stands for the authority."""

    def __init__(self, renewals: Renewals) -> None:
        self.renewals = renewals

    def receive(self, message: object) -> None:
        match message:
            case Plans(plans):
                self.renewals.reconcile(self.ctx, {each.name: each for each in plans})
            case Terminated(ref):
                assert self.renewals.ended(self.ctx, ref)


def test_only_a_node_that_asks_for_it_has_an_actor(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        wanted = plan(tmp_path)
        host = system.spawn(lambda: Host(Renewals(FakeCa(first(system)), MemoryJournal())), "authority")

        host.tell(Plans((replace(wanted, enrollment=None), replace(wanted, router="r1"))))
        await settle()

        assert renewing(system) == {"authority/renewal~r1.node0"}

    run(scenario)


def test_without_an_enroller_nothing_is_renewed(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        host = system.spawn(lambda: Host(Renewals(None, MemoryJournal())), "authority")

        host.tell(Plans((plan(tmp_path),)))
        await settle()

        assert renewing(system) == set()

    run(scenario)


def test_with_its_node_it_ends_and_a_node_that_comes_back_at_once_has_one_again(tmp_path: Path) -> None:
    async def scenario(system: ActorSystem) -> None:
        host = system.spawn(lambda: Host(Renewals(FakeCa(first(system)), MemoryJournal())), "authority")
        host.tell(Plans((plan(tmp_path),)))
        await settle()

        host.tell(Plans(()))
        host.tell(Plans((plan(tmp_path),)))
        await settle()
        assert renewing(system) == {NAME}

        host.tell(Plans(()))
        await settle()
        assert renewing(system) == set()
        assert incarnation(system) == 1

    run(scenario)


@pytest.mark.parametrize("fault", ["no route", ""])
def test_the_alarm_is_there_as_long_as_the_fault(fault: str) -> None:
    renewals = Renewals(None, MemoryJournal())
    status = NodeStatus(
        "r0/node0", "", enabled=True, certificate=None, peers=(), alarms=(), rekey_interval_hours=None
    )
    renewals.reported(RenewalFault("r0/node0", "earlier"))

    renewals.reported(RenewalFault("r0/node0", fault))

    shown = [alarm.message for alarm in renewals.shown(status).alarms]
    assert shown == (["Certificate of `r0/node0` cannot be renewed: no route."] if fault else [])
    assert renewals.shown(replace(status, node="r1/node0")).alarms == ()


# --- helpers --------------------------------------------------------------------------------------


def renewing(system: ActorSystem) -> set[str]:
    return {each.name for each in system.actors() if "renewal~" in each.name}


def incarnation(system: ActorSystem) -> int:
    return next(each.incarnation for each in system.actors() if each.name == "authority")
