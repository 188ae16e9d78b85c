"""Hosts of a simulated cluster, each with a wire to the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runtime.cluster.wire import ClusterWire
from runtime.wire.port import Address, OnStranger, Wire
from tests.support.cluster_simulated import SimulatedCluster


class Hosts:
    """Hosts on the running loop. The actor ``site.HOST`` is on ``HOST`` until another assignment."""

    def __init__(
        self,
        fallback: Callable[[], Wire],
        on_stranger: OnStranger | None = None,
        cluster: SimulatedCluster | None = None,
    ) -> None:
        self.cluster = SimulatedCluster() if cluster is None else cluster
        self.wires: dict[str, ClusterWire] = {}
        self._fallback = fallback
        self._on_stranger = on_stranger

    def start(self, name: str) -> ClusterWire:
        self.cluster.start(name)
        return self.connect(name)

    def connect(self, name: str) -> ClusterWire:
        """Give a host that runs its wire."""
        system, host, _ = self.cluster.hosts[name]
        wire = ClusterWire(system, host, self._fallback(), on_stranger=self._on_stranger)
        self.wires[name] = wire
        return wire

    def assign(self, places: Mapping[str, str], version: int) -> None:
        """Tell every host where actors are."""
        for _, host, _ in self.cluster.hosts.values():
            assert host.directory.assign(places, version)

    def expect(self, routes: Mapping[tuple[Address, Address], str]) -> None:
        """Tell every wire of the peers in the cluster."""
        for wire in self.wires.values():
            wire.expect(routes)

    async def stop(self) -> None:
        for wire in self.wires.values():
            await wire.close()
        await self.cluster.stop()
