"""What runs on every host of a cluster, found by the name :data:`NAME`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from actors.cluster import instruments
from actors.cluster.reconciling import is_path_host
from actors.cluster.registry import registry
from actors.crashes import ActorAlarms
from actors.crl.roles import TRAVELLING
from actors.names import CONTROL
from actors.process_counts import Counted
from metrics.exporter import Exemplar
from peerkey.errors import PeerkeyError
from peerkey_cli import logs
from peerkey_cli.cluster import custodian, stores
from peerkey_cli.cluster.control import control
from peerkey_cli.cluster.paths import paths
from peerkey_cli.cluster.settings import ClusterSettings
from peerkey_cli.cluster.worker import worker
from runtime.cluster.program import Program
from runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from runtime.cluster.codec import Registry
    from runtime.cluster.host import Host
    from runtime.system import ActorSystem

NAME: Final = "peerkey_cli.cluster.program:PROGRAM"


class HostUnusable(RuntimeFault):
    """Something on this machine keeps the host from running; an operator can mend it."""


@asynccontextmanager
async def start(system: ActorSystem, host: Host, argument: str) -> AsyncIterator[None]:
    """Compose ``host``; see :class:`runtime.cluster.program.Program`.

    :raises RuntimeFault: it cannot run now; the message is one line for an operator.
    """
    logs.configure()
    settings = ClusterSettings.read(argument)
    if host.name == CONTROL:
        from runtime.backends.ray.machines import RayMachines

        machines = RayMachines(settings.namespace, NAME, argument)
        composed = control(system, host, settings, machines)
    elif is_path_host(host.name):
        composed = paths(system, host, settings)
    else:
        composed = worker(system, host, settings)
    try:
        async with composed:
            yield
    except PeerkeyError as fault:
        raise HostUnusable(str(fault)) from fault


async def incarnation(host: str, argument: str) -> int:
    """Return the number of this process of a host: an epoch of its store."""
    try:
        return await stores.incarnation(ClusterSettings.read(argument), host)
    except PeerkeyError as fault:
        raise HostUnusable(str(fault)) from fault


def _registry() -> Registry:
    known = registry()
    known.add_module(instruments)
    known.add(ActorAlarms, Counted, Exemplar, custodian.SealedErrand, custodian.ErrandAnswer)
    known.add(*TRAVELLING)
    return known


PROGRAM: Final = Program(_registry(), start, incarnation=incarnation)
