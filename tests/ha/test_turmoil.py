"""Whatever the channel does and whoever dies: the invariants of docs/ha.md, under random steps.

The machine below is the model of the world: it cuts, blocks, slows and heals the channel, kills and boots the
nodes in the middle of their writes, and lets owners agree, accept, erase and remove keys. The observer of
:mod:`tests.ha.observer` looks after every instant at which anything happens.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from peerkey.ha.link import LinkState
from peerkey.ha.messages import Role
from tests.ha.world import LATENCY, WRITE, World

ENDS = st.sampled_from(["low", "high"])
NAMES = st.sampled_from(["peering:a", "peering:b", "peering:c"])


class Turmoil(RuleBasedStateMachine):
    """Two nodes, one channel, and everything that may happen to them."""

    @initialize(piece=st.sampled_from([1 << 20, 1500, 7]))
    def begin(self, piece: int) -> None:
        self.world = World()
        self.world.piece = piece
        for host in self.world.hosts:
            for name in ("peering:a", "peering:b"):
                host.agree(name)
        self.world.run(0.1)
        for host in self.world.hosts:
            for name in ("peering:a", "peering:b"):
                host.accept(name)
        self.world.run(0.1)

    def host(self, end: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - Host, for short
        return self.world.low if end == "low" else self.world.high

    # --- time -----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.006, 0.011, 0.03, 0.5, 1.0, 2.1, 7.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    # --- the channel ----------------------------------------------------------------------------------

    @rule()
    def the_channel_is_cut(self) -> None:
        self.world.cut_off()

    @rule(end=ENDS)
    def the_channel_carries_one_way_only(self, end: str) -> None:
        self.world.ways[end].blocked = True

    @rule(end=ENDS, seconds=st.sampled_from([0.3, 1.5, 3.0]))
    def the_channel_is_slow(self, end: str, seconds: float) -> None:
        self.world.ways[end].latency = timedelta(seconds=seconds)

    @rule(times=st.integers(2, 5), seconds=st.sampled_from([0.01, 0.2, 1.2]))
    def the_channel_flaps(self, times: int, seconds: float) -> None:
        for _ in range(times):
            self.world.cut_off()
            self.world.run(seconds)
            self.world.cut = False
            self.world.run(seconds)

    @rule()
    def the_channel_works_again(self) -> None:
        self.world.cut = False
        for way in self.world.ways.values():
            way.latency, way.blocked = LATENCY, False

    # --- the nodes ------------------------------------------------------------------------------------

    @rule(end=ENDS, durable=st.integers(0, 4))
    def a_node_dies(self, end: str, durable: int) -> None:
        if self.host(end).alive:
            self.host(end).die(durable)

    @rule(end=ENDS)
    def a_node_comes_back(self, end: str) -> None:
        if not self.host(end).alive:
            self.host(end).boot()

    @rule(end=ENDS)
    def a_node_loses_its_store(self, end: str) -> None:
        host = self.host(end)
        host.die()
        host.disk.wipe()
        self.world.observer.store_lost(host, self.world.other(host))

    @rule(end=ENDS, milliseconds=st.sampled_from([5, 50, 900]))
    def a_store_is_slow(self, end: str, milliseconds: int) -> None:
        self.host(end).disk.latency = max(WRITE, timedelta(milliseconds=milliseconds))

    # --- their keys -----------------------------------------------------------------------------------

    @rule(end=ENDS, name=NAMES)
    def a_key_is_agreed(self, end: str, name: str) -> None:
        if self.host(end).alive:
            self.host(end).agree(name)

    @rule(end=ENDS, name=NAMES)
    def a_key_is_accepted(self, end: str, name: str) -> None:
        if self.host(end).alive:
            self.host(end).accept(name)

    @rule(end=ENDS, name=NAMES, seconds=st.sampled_from([0.0, 0.006, 0.1]))
    def a_rekey_begins(self, end: str, name: str, seconds: float) -> None:
        self.a_key_is_agreed(end, name)
        self.world.run(seconds)
        self.a_key_is_accepted(end, name)

    @rule(end=ENDS, name=NAMES)
    def keys_are_erased(self, end: str, name: str) -> None:
        if self.host(end).alive:
            self.host(end).erase(name)

    @rule(end=ENDS, name=NAMES)
    def a_peering_is_removed(self, end: str, name: str) -> None:
        if self.host(end).alive:
            self.host(end).remove(name)

    @rule(end=ENDS, name=NAMES, writes=st.integers(1, 3))
    def a_peering_is_removed_and_configured_again(self, end: str, name: str, writes: int) -> None:
        host = self.host(end)
        if not host.alive:
            return
        host.remove(name)
        self.world.run(max(0.006, host.disk.latency.total_seconds()))
        for _ in range(writes):
            if host.alive:
                host.agree(name)

    # --- what belongs to the router -------------------------------------------------------------------

    @rule(end=ENDS, seconds=st.sampled_from([0.0, 0.02, 1.0]))
    def a_turn_to_rekey_is_wanted(self, end: str, seconds: float) -> None:
        host = self.host(end)
        if host.alive:
            host.carry(host.machine.rekey_wanted(host.now))
        self.world.run(seconds)

    # --- in the end -----------------------------------------------------------------------------------

    @rule()
    def after_healing_both_are_in_step_within_the_bound(self) -> None:
        world = self.world
        world.heal()
        world.run(world.bound().total_seconds())
        assert all(host.machine.link.state is LinkState.IN_STEP for host in world.hosts)
        if not world.in_step():
            # A key came into use, or went, at this very instant: its record is on its way.
            world.run(0.1)
        assert world.in_step()
        world.run(2)
        world.run(4)
        assert sorted(host.machine.leadership.role for host in world.hosts) == [Role.LEADER, Role.REDUNDANT]
        assert all(host.taken_over is None for host in world.hosts)
        first, second = (host.machine.turns.decision for host in world.hosts)
        assert first == second, "both know the same decision of the router"
        assert not any(
            alarm.identity.startswith("ha-link") for host in world.hosts for alarm in host.alarms()
        )

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.after_healing_both_are_in_step_within_the_bound()


TestTurmoil = Turmoil.TestCase
#: Explaining traces every line, which takes far longer than everything else.
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
if settings.get_current_profile_name() == "long":
    TestTurmoil.settings = settings(phases=_PHASES)
else:
    #: The same draws in every run of the suite; only ``make fuzz`` looks for new ones.
    TestTurmoil.settings = settings(
        derandomize=True,
        database=None,
        max_examples=80,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=_PHASES,
    )
