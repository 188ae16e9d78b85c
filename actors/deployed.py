"""What the authority was deployed with, and which changed settings wait for it to be deployed again.

It is older than any one incarnation of the actor that asks it: an actor that crashes and reads its
configuration again has not been deployed anew. In one process it lives as long as that; on a cluster it is in
the store (:mod:`actors.cluster.deploying`). What waits is a state, not an occurrence: it is asked for, and
shown as an alarm, for as long as configuration and deployment differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.config.reload_plan import Deployment, held_back
from peerkey.observe.alarms import restart_needed
from peerkey.observe.events import RestartNeededChanged

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from peerkey.config.plan import NodePlan
    from peerkey.config.reload_plan import RestartNeeded
    from peerkey.observe.alarms import Alarm


class Deployed:
    """See the module. Read from any thread; changed by the actor alone."""

    def __init__(self, deployment: Deployment | None = None) -> None:
        """Know what the authority was deployed with; ``None``: it is deployed with the first plans taken."""
        self.deployment = deployment
        #: Which settings wait for a restart.
        self.needed: tuple[RestartNeeded, ...] = ()

    def take(self, plans: tuple[NodePlan, ...]) -> tuple[tuple[NodePlan, ...], RestartNeededChanged | None]:
        """Return what of the plans can be carried out now, and an event if other settings wait."""
        if self.deployment is None:
            if not plans:
                return plans, None
            self.deployment = Deployment.of(plans)
        plans, needed = held_back(self.deployment, plans)
        if needed == self.needed:
            return plans, None
        self.needed = needed
        return plans, RestartNeededChanged(tuple(map(str, needed)))


def restart_alarms(source: str, needed: tuple[RestartNeeded, ...]) -> tuple[Alarm, ...]:
    """Return the alarm that stands for all settings that wait, if any do."""
    return (restart_needed(source, tuple(map(str, needed))),) if needed else ()


def log_restart(log: FilteringBoundLogger, news: RestartNeededChanged) -> None:
    """Tell in the log of a process which settings wait, or that none does any more."""
    if news.settings:
        log.warning("restart of the authority needed", settings=list(news.settings))
    else:
        log.info("no restart of the authority needed any more")
