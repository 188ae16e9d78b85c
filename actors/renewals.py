"""Which nodes have their certificate renewed, by an actor each: the authority's book of them.

Desired state is the plans, actual state the actors that live. An actor that exists is given every plan, also
one that asks for no renewal, and rests then; with its node it ends. Without an
:class:`~actors.renewal.Enroller`, as in a simulation, nothing is ever renewed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.messages import Configure
from actors.names import RENEWAL, node_actor
from actors.renewal import CertificateRenewal
from peerkey.observe.alarms import enrollment_failing
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from actors.journal import Journal
    from actors.messages import NodeStatus, RenewalFault
    from actors.renewal import Enroller
    from peerkey.config.plan import NodePlan
    from runtime.actor import Context
    from runtime.ref import Ref


class Renewals:
    """The actors that renew certificates, and what is wrong with what they do."""

    def __init__(self, enroller: Enroller | None, journal: Journal) -> None:
        """Renew by ``enroller``, or nothing at all."""
        self._enroller = enroller
        self._journal = journal
        self._plans: Mapping[str, NodePlan] = {}
        self._actors: dict[str, Ref] = {}
        #: Those that have been stopped and have not ended yet.
        self._ending: dict[Ref, str] = {}
        self._faults: dict[str, str] = {}

    def reconcile(
        self, ctx: Context, plans: Mapping[str, NodePlan], changed: Collection[str] | None = None
    ) -> None:
        """Start, configure and stop actors until they are those that ``plans`` ask for.

        Of those that live only the ones of ``changed`` nodes are configured, where that is said.
        """
        self._plans = plans
        for name in list(self._actors):
            if name not in plans:
                ref = self._actors.pop(name)
                self._faults.pop(name, None)
                self._ending[ref] = name
                ctx.stop(ref)
        for name, plan in plans.items():
            if name in self._actors:
                if changed is not None and name not in changed:
                    continue
                # One that has no room is about to look anyway, and meets the plan at the next reload.
                self._actors[name].offer(Configure(plan))
            else:
                self._start(ctx, name)

    def ended(self, ctx: Context, ref: Ref) -> bool:
        """Take note that an actor has ended; tell whether it was one of these."""
        name = self._ending.pop(ref, None)
        if name is not None:
            self._start(ctx, name)
        return name is not None

    def reported(self, report: RenewalFault) -> None:
        """Take note of what is wrong."""
        self._faults[report.node] = report.fault

    def shown(self, status: NodeStatus) -> NodeStatus:
        """Add the alarm of a node whose certificate cannot be renewed."""
        fault = self._faults.get(status.node)
        if not fault:
            return status
        return replace(status, alarms=(*status.alarms, enrollment_failing(status.node, fault)))

    def _start(self, ctx: Context, name: str) -> None:
        enroller, plan = self._enroller, self._plans.get(name)
        if enroller is None or plan is None or name in self._actors or name in self._ending.values():
            return
        if plan.enrollment is None or not plan.enrollment.automatic:
            return
        ref = ctx.spawn(
            lambda: CertificateRenewal(self._plans[name], enroller, self._journal, ctx.ref),
            f"{RENEWAL}{node_actor(name)}",
            supervision=PATIENT,
        )
        self._actors[name] = ref
        ctx.watch(ref)
