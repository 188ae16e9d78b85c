"""Composes the host ``control``, which has the coordinator of the cluster and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from actors.cluster.coordinator import Coordinator, CoordinatorPorts
from actors.cluster.reconciling import Settings
from actors.names import COORDINATOR
from peerkey_cli.cluster.account import keep_account
from peerkey_cli.cluster.stores import opened, serve_tenure
from peerkey_cli.plans import PlansReader
from runtime.supervision import PATIENT

if TYPE_CHECKING:
    from peerkey_cli.cluster.settings import ClusterSettings
    from runtime.cluster.host import Host
    from runtime.cluster.machines import Machines
    from runtime.system import ActorSystem


@asynccontextmanager
async def control(
    system: ActorSystem, host: Host, settings: ClusterSettings, machines: Machines
) -> AsyncIterator[None]:
    """Run the coordinator on ``host`` while the block lasts.

    :raises PeerkeyError: the sealing key is missing, or is another one.
    :raises RuntimeFault: the store does not answer, or must not be used.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(settings, host.name))
        serve_tenure(system, host, store)
        account = keep_account(stack, system, host, settings, shows_actors=True)
        read_plans = PlansReader(settings.file, settings.nodes)
        ports = CoordinatorPorts(
            store,
            machines,
            account.journal,
            system.ref,
            host,
            deployment=host.creation,
            plans_of=read_plans.of_text,
        )
        system.spawn(
            lambda: Coordinator(
                read_plans,
                ports,
                Settings(
                    placement=settings.placement,
                    hosts_per_machine=settings.hosts,
                    # What a node has stored is in a file of its host.
                    moving=settings.redis is not None,
                    machine_is_host=settings.alone,
                    # Nothing joins a cluster of one machine.
                    settle=timedelta(0) if settings.redis is None else Settings().settle,
                ),
                incarnation=host.incarnation,
            ),
            COORDINATOR,
            supervision=PATIENT,
        )
        yield
