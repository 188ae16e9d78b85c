"""What ``config diff`` foretells is what a reload does: to nodes, peerings, paths and keys of real actors.

Configurations are drawn one after the other, in virtual time. Beside each reload stands what the store, the
peerings and the homes of paths have seen of it.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Self
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from actors.authority import Authority
from actors.deployed import Deployed
from actors.desk import record_name
from actors.messages import GetPlans
from actors.names import node_actor
from actors.path_homes import PathSeed, beside_node
from actors.router_node import Ports, store_owner
from peerkey.config.plan import CertificateSource, Endpoint, NodePlan, PathPlan, PeeringPlan, ValidationMode
from peerkey.config.reload_plan import Foretold, Keys, Step, foretell
from peerkey.protocol.peering import Peering
from runtime.actor import Context
from runtime.backends.virtual import VirtualClock, VirtualTimeLoop
from runtime.executor import InlineExecutor
from runtime.ref import Ref
from runtime.store.memory import MemoryStore
from runtime.system import ActorSystem
from tests.support.fleet import SECOND, Fleet

#: Until everything that a reload brings about has come about, a second key after the first included.
SETTLED = 300.0
ROUTERS = (0, 1, 2)
PAIRS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Drawn:
    """One configuration."""

    #: Of each router: whether it is there, under which of two UUIDs, and its priority.
    there: tuple[bool, ...]
    identity: tuple[int, ...]
    priority: tuple[int, ...]
    #: Of each pair: which of two paths it has, and which of two algorithms.
    paths: tuple[frozenset[int], ...]
    algorithm: tuple[int, ...]
    #: Of each router: the address of its interfaces, and their MTU.
    address: tuple[int, ...]
    mtu: tuple[int, ...]
    retransmit: int
    enabled: bool


def per(several: tuple[Any, ...], each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*(each for _ in several))


#: Most things stay most of the time, so that there is something that may be left alone.
RARELY = st.sampled_from([0, 0, 0, 1])
DRAWN = st.builds(
    Drawn,
    there=per(ROUTERS, st.sampled_from([True, True, True, False])).filter(any),
    identity=per(ROUTERS, RARELY),
    priority=per(ROUTERS, RARELY),
    paths=per(PAIRS, st.sampled_from([frozenset({0}), frozenset({0, 1}), frozenset({1}), frozenset()])),
    algorithm=per(PAIRS, RARELY),
    address=per(ROUTERS, RARELY),
    mtu=per(ROUTERS, RARELY),
    retransmit=st.sampled_from([5, 5, 6]),
    enabled=st.sampled_from([True, True, False]),
)


@dataclass
class Seen:
    """What was seen of one reload."""

    nodes: list[str] = field(default_factory=list)
    peerings: list[tuple[UUID, UUID]] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)


class WatchedStore(MemoryStore):
    """Tells of every node that begins."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()

    async def activate(self, owner: str) -> int:
        self.seen.nodes.append(owner)
        return await super().activate(owner)


class VirtualFleet(Fleet):
    """A fleet in virtual time of which everything that begins is seen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.watched = WatchedStore()
        self.store = self.watched
        self.deployed = Deployed()
        for number in ROUTERS:
            for variant in (0, 1):
                self.certify(number, self.ca.issue(identity(number, variant)))
                for kind in ("pem", "key"):
                    made = self.folder / f"r{number}.{kind}"
                    made.rename(self.folder / f"r{number}-{variant}.{kind}")

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        loop = asyncio.get_running_loop()
        system = ActorSystem(clock=VirtualClock(loop, self.now), executor=InlineExecutor(), random=Random(1))
        system.begin(loop)
        self._stack.push_async_callback(system.stop, SECOND)
        ports = Ports(
            store=self.store,
            wire=self.wire,
            keystore=self.keystore,
            read_file=lambda path: Path(path).read_bytes(),
            entropy=secrets.token_bytes,
            journal=self.journal,
            peering=self.peering,
            path_home=self.home,
        )
        self.actors = system
        self.authority = system.spawn(
            lambda: Authority(self.read_plans, ports, deployed=self.deployed), "authority"
        )
        return self

    def peering(self, config: Any, **more: Any) -> Peering:  # noqa: ANN401 - in the words of ``Peering``
        self.watched.seen.peerings.append((UUID(bytes=config.local), UUID(bytes=config.peer)))
        return Peering(config, **more)

    def home(self, ctx: Context, seed: PathSeed, name: str) -> Ref:
        self.watched.seen.paths.append((seed.node_name, seed.plan.name))
        return beside_node(ctx, seed, name)

    def configured(self, drawn: Drawn) -> list[NodePlan]:
        """Return the plans of a configuration."""
        return [self._node(number, drawn) for number in ROUTERS if drawn.there[number]]

    def _node(self, number: int, drawn: Drawn) -> NodePlan:
        variant = drawn.identity[number]
        plan = self.plan(number)
        return replace(
            plan,
            uuid=identity(number, variant),
            enabled=drawn.enabled,
            priority=drawn.priority[number],
            certificate=CertificateSource(
                "own", str(self.folder / f"r{number}-{variant}.pem"), None, ValidationMode.STRICT
            ),
            key_file=str(self.folder / f"r{number}-{variant}.key"),
            policy=replace(
                plan.policy, retransmit_interval=drawn.retransmit * SECOND, timeout=timedelta(seconds=12)
            ),
            peerings=tuple(
                between(number, other, place, drawn)
                for place, pair in enumerate(PAIRS)
                if number in pair and drawn.paths[place]
                for other in pair
                if other != number and drawn.there[other]
            ),
        )


def between(number: int, other: int, place: int, drawn: Drawn) -> PeeringPlan:
    """Return the peering of two routers, seen from the first."""
    ends = {
        router: [Endpoint(f"10.{path}.{drawn.address[router]}.{router + 1}", 1280) for path in (0, 1)]
        for router in (number, other)
    }
    return PeeringPlan(
        peer_router=f"r{other}",
        peer_node="node0",
        peer_uuid=identity(other, drawn.identity[other]),
        alias=None,
        algorithm_name=("ml-kem-768", "ml-kem-1024")[drawn.algorithm[place]],
        local_priority=drawn.priority[number],
        peer_priority=drawn.priority[other],
        paths=tuple(
            PathPlan(
                name=f"wan{path}>r{other}/node0@{ends[other][path]}",
                interface=f"wan{path}",
                local=ends[number][path],
                peer=ends[other][path],
                mtu=1400 - 100 * drawn.mtu[number],
            )
            for path in sorted(drawn.paths[place])
        ),
    )


def identity(number: int, variant: int) -> UUID:
    return UUID(int=(number + 1) << 96 | variant)


@given(configurations=st.lists(DRAWN, min_size=4, max_size=4))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_reload_does_what_was_foretold_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, configurations: list[Drawn]
) -> None:
    async def scenario() -> None:
        fleet = VirtualFleet(tmp_path_factory.mktemp("fleet"), routers=len(ROUTERS))
        fleet.plans = fleet.configured(configurations[0])
        async with fleet:
            await asyncio.sleep(SETTLED)
            for drawn in configurations[1:]:
                await reload_and_compare(fleet, fleet.configured(drawn))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


async def reload_and_compare(fleet: VirtualFleet, wanted: list[NodePlan]) -> None:
    deployment = fleet.deployed.deployment if fleet.deployed is not None else None
    assert deployment is not None
    running = await fleet.authority.ask(GetPlans(), 5 * SECOND)
    foretold = foretell(running, wanted, deployment)
    assert not foretold.left_out
    before, fleet.watched.seen = await keys_of(fleet), Seen()
    fleet.plans = wanted

    await fleet.reload()
    await asyncio.sleep(SETTLED)

    seen = fleet.watched.seen
    then = {plan.name: plan for plan in await fleet.authority.ask(GetPlans(), 5 * SECOND)}
    assert sorted(seen.nodes) == sorted(store_owner(then[name].uuid) for name in nodes(foretold))
    assert sorted(seen.peerings) == sorted(peerings(foretold, then))
    assert sorted(seen.paths) == sorted(paths(foretold))
    assert living(fleet) == {f"authority/{node_actor(plan.name)}" for plan in then.values()} | {
        f"authority/{node_actor(plan.name)}/{path_actor(peering, path)}"
        for plan in then.values()
        for peering in plan.peerings
        for path in peering.paths
    }
    assert not [actor for actor in fleet.actors.actors() if actor.crashes]
    assert fleet.deployed is not None
    assert fleet.deployed.needed == foretold.restart_needed
    await compare_keys(fleet, foretold, then, before)


async def compare_keys(
    fleet: VirtualFleet,
    foretold: Foretold,
    then: dict[str, NodePlan],
    before: dict[tuple[UUID, UUID], str],
) -> None:
    """See that what was to keep its keys has them, and that what was to lose them has lost them."""
    after = await keys_of(fleet)
    fates = {
        (node.node, UUID(peering.peer_uuid)): peering.keys
        for node in foretold.nodes
        for peering in node.peerings
    }
    for name, plan in then.items():
        for peering in plan.peerings:
            pair = plan.uuid, peering.peer_uuid
            if fates.get((name, peering.peer_uuid), Keys.KEPT) is Keys.KEPT and pair in before:
                assert after.get(pair) == before[pair]
            if fates.get((name, peering.peer_uuid)) is Keys.REPLACED and pair in before:
                assert pair in after
            if fates.get((name, peering.peer_uuid)) is Keys.NEW and pair in after:
                assert after[pair] not in before.values()
    for (name, peer), keys in fates.items():
        if keys is Keys.ERASED:
            records = {record.name for record in await fleet.store.scan(store_owner(then[name].uuid))}
            assert record_name(peer) not in records


# --- what was foretold, as what would be seen of it ---------------------------------------------------

BEGINS = {Step.START, Step.RESTART}


def nodes(foretold: Foretold) -> list[str]:
    return [node.node for node in foretold.nodes if node.step in BEGINS]


def peerings(foretold: Foretold, then: dict[str, NodePlan]) -> list[tuple[UUID, UUID]]:
    return [
        (then[node.node].uuid, UUID(peering.peer_uuid))
        for node in foretold.nodes
        for peering in node.peerings
        if peering.step in BEGINS
    ]


def paths(foretold: Foretold) -> list[tuple[str, str]]:
    return [
        (node.node, path.name)
        for node in foretold.nodes
        for peering in node.peerings
        for path in peering.paths
        if path.step in BEGINS
    ]


def living(fleet: VirtualFleet) -> set[str]:
    return {actor.name for actor in fleet.actors.actors() if actor.name != "authority"}


def path_actor(peering: PeeringPlan, path: PathPlan) -> str:
    return f"{peering.peer_uuid}:{path.name}<{path.local}>{path.peer}".replace("/", "~")


async def keys_of(fleet: VirtualFleet) -> dict[tuple[UUID, UUID], str]:
    """Return the id of the key in use of each peering that has one."""
    return {
        (UUID(node.uuid), UUID(peer.uuid)): next(
            key_id for role, _, key_id in peer.security.keys if role == "current"
        )
        for node in await fleet.status()
        for peer in node.peers
        if any(role == "current" for role, _, _ in peer.security.keys)
    }
