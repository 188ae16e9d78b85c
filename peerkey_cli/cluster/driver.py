"""``peerkey run --runtime ray``: from a configuration to a fleet that runs on a cluster, and to its end.

The driver starts the host of the coordinator and waits until every node runs; what keeps the fleet going is
the coordinator. So a driver that dies changes nothing, and one that is started again with the same settings
finds the fleet as it is. SIGTERM and SIGINT stop the fleet in order; SIGHUP has it read its configuration
again. A detached one only looks on until the fleet runs: a signal ends the looking on, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.keystores.stores import KeyStores, home_of
from actors.names import CONTROL
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey_cli import schemas
from peerkey_cli.client import Client
from peerkey_cli.cluster import stores
from peerkey_cli.cluster.program import NAME
from peerkey_cli.daemon import Reloads
from peerkey_cli.errors import Refused, Unreachable
from peerkey_cli.state import StateDirectory
from runtime.backends.ray.connecting import ClusterUnavailable
from runtime.cluster.placement import PROCESS_BYTES, Placement, check_processes
from runtime.errors import RuntimeFault, StoreUnavailable
from runtime.lifecycle import DEADLINE, StopSignals

if TYPE_CHECKING:
    from peerkey.config.plan import NodePlan
    from peerkey_cli.cluster.settings import ClusterSettings
    from peerkey_cli.plans import PlansReader
    from runtime.backends.ray.machines import RayMachines
    from runtime.cluster.machines import Machine

#: How often the fleet is asked how far it is, in seconds, and how often that is told.
_LOOK_EVERY: Final = 0.5
_TELL_EVERY: Final = 10.0


async def serve(plans: PlansReader, settings: ClusterSettings, address: str, *, detach: bool) -> None:
    """Run a fleet on the cluster at ``address`` until a signal says stop, or, detached, until it runs.

    :raises Misconfigured: the configuration or the state directory cannot be used.
    :raises Unreachable: the cluster or the store is not there.
    :raises Refused: something else runs under this name, or the cluster or the store must not be used.
    """
    try:
        await _serve(plans, settings, address, detach=detach)
    except (ClusterUnavailable, StoreUnavailable) as fault:
        raise Unreachable(str(fault)) from fault
    except RuntimeFault as fault:
        raise Refused(str(fault)) from fault


async def _serve(plans: PlansReader, settings: ClusterSettings, address: str, *, detach: bool) -> None:
    log = structlog.get_logger("peerkey")
    with StopSignals() as signals:
        async with started(plans, settings, address) as machines:
            # Ray has its own idea of what a signal means.
            signals.listen_again()
            for warning in plans.warnings:
                log.warning("configuration", finding=str(warning))
            client = Client(StateDirectory(settings.state).socket)
            # A node that waits for the configuration to be mended must not keep it from being read again.
            async with Reloads(partial(_reload, client)):
                stop = asyncio.create_task(signals.arrived())
                dedicated = settings.placement is Placement.DEDICATED
                wanted = units(plans.latest) if dedicated else len(plans.latest)
                ready = asyncio.create_task(_until_ready(client, wanted))
                await asyncio.wait({stop, ready}, return_when=asyncio.FIRST_COMPLETED)
                if ready.done():
                    unplaced = ready.result()
                    log.info(
                        "ready",
                        nodes=len(plans.latest),
                        unplaced=unplaced,
                        cluster=address,
                        api=str(settings.state),
                    )
                    if detach:
                        stop.cancel()
                        return
                elif detach:
                    # Whoever does not stay must not take anything along, however long it would have waited.
                    ready.cancel()
                    log.warning("not ready yet, and left as it is", signal=stop.result().name)
                    return
                await stop
            ready.cancel()
            log.info("stopping", signal=stop.result().name)
            # While the head is away nothing can be ended, and whatever is asked of Ray waits for it.
            await machines.living()
            await ended(settings)
            log.info("stopped")


@contextlib.asynccontextmanager
async def started(plans: PlansReader, settings: ClusterSettings, address: str) -> AsyncIterator[RayMachines]:
    """Connect to a cluster and see that the coordinator of this authority runs there.

    :raises PeerkeyError: see :func:`serve`.
    :raises RuntimeFault: see :func:`serve`.
    """
    latest = plans()
    _prepare_state(latest, settings)
    if settings.redis is not None:
        store = await stores.open_redis(settings.redis, settings.namespace)
        await store.close()
    from runtime.backends.ray import connecting

    token = os.environ.get("RAY_AUTH_MODE", "token" if settings.alone else "") == "token"
    await asyncio.to_thread(connecting.connect, address, settings.namespace, token=token)
    try:
        from runtime.backends.ray.machines import RayMachines

        machines = RayMachines(settings.namespace, NAME, settings.argument())
        home = await home_of_control(machines, settings, latest)
        await machines.start(CONTROL, home)
        yield machines
    finally:
        await asyncio.to_thread(connecting.disconnect)


async def ended(settings: ClusterSettings) -> None:
    """Stop every host of the fleet in order."""
    from runtime.backends.ray.hosts import stop_all

    await asyncio.to_thread(stop_all, settings.namespace, CONTROL, DEADLINE.total_seconds())


def _prepare_state(plans: tuple[NodePlan, ...], settings: ClusterSettings) -> None:
    """Make the state directory of this machine and its sealing key, where they are missing."""
    state = StateDirectory(settings.state)
    state.prepare()
    KeyStores(state.sealing_key, home=home_of(plan.key_file for plan in plans)).sealing_key()


async def home_of_control(
    machines: RayMachines, settings: ClusterSettings, plans: tuple[NodePlan, ...]
) -> str | None:
    """Return the only machine where the coordinator may be, or ``None`` for any.

    :raises Misconfigured: the machines need a shared store, and none is named; or the only one has no name.
    :raises TooManyProcesses: they do not bear a process for each node and path.
    """
    living = await machines.living()
    if settings.placement is Placement.DEDICATED:
        check_room(plans, living, len(await machines.processes()))
    if settings.redis is not None:
        return None
    if len(living) != 1:
        message = (
            f"the cluster has {len(living)} machines, and keys in a file of one are lost with it: "
            "name a Redis that all of them reach, with --redis"
        )
        raise Misconfigured(message)
    (only,) = living
    if only.name.rpartition("-")[0] in only.addresses:
        # Ray's number for it is in the name, and another one after each start.
        message = (
            "the machine has no name that outlasts a restart of Ray, and keys in its files are found by that "
            "name: give it one, with ray start --node-name NAME, or name a Redis, with --redis"
        )
        raise Misconfigured(message)
    return only.name


def units(plans: Sequence[NodePlan]) -> int:
    """Return how many things have a process of their own under dedicated placement: nodes and paths."""
    return len(plans) + sum(len(peering.paths) for plan in plans for peering in plan.peerings)


def check_room(plans: Sequence[NodePlan], living: Sequence[Machine], running: int) -> None:
    """Refuse dedicated placement where the machines do not bear it. So many processes ``running`` are ours.

    :raises TooManyProcesses: with one line that says what to do.
    """
    check_processes(
        # That of the coordinator too.
        units(plans) + 1,
        sum(each.cores for each in living),
        # What runs has taken its memory already.
        sum(each.free_bytes for each in living) + running * PROCESS_BYTES,
    )


async def _until_ready(client: Client, wanted: int) -> int:
    """Wait until everything that has a place runs there; return how much has none."""
    log = structlog.get_logger("peerkey")
    loop = asyncio.get_running_loop()
    told, said = loop.time(), ""
    while True:
        try:
            hosts = await asyncio.to_thread(client.get, "hosts", schemas.Hosts)
        except Unreachable as fault:
            state = f"nobody speaks for this machine yet: {fault}"
        except PeerkeyError as fault:
            state = str(fault)
        else:
            if hosts.complete and hosts.nodes + hosts.paths + len(hosts.unplaced) >= wanted:
                return len(hosts.unplaced)
            state = f"{hosts.nodes} nodes placed, {sum(each.complete for each in hosts.hosts)} hosts complete"
        if loop.time() - told >= _TELL_EVERY and state != said:
            told, said = loop.time(), state
            log.info("waiting", state=state)
        await asyncio.sleep(_LOOK_EVERY)


async def _reload(client: Client) -> tuple[str, ...]:
    done = await asyncio.to_thread(client.post, "reload", schemas.Reloaded)
    if done.restart_needed:
        log = structlog.get_logger("peerkey")
        settings = [f"{each.setting}: {each.running} -> {each.configured}" for each in done.restart_needed]
        log.warning("restart of the authority needed", settings=settings)
    return done.nodes
