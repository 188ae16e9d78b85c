"""A process learns that it is its host no more."""

from __future__ import annotations

from datetime import timedelta

from runtime.cluster.tenure import EVERY, Tenure
from runtime.errors import StoreUnavailable
from runtime.store.memory import MemoryStore
from runtime.store.port import Change
from runtime.system import ActorSystem
from runtime.testing import pass_time, run


class AwayStore(MemoryStore):
    """A store that can be away."""

    away = False

    async def commit(self, owner: str, epoch: int, changes: tuple[Change, ...]) -> tuple[int, ...]:  # type: ignore[override]
        if self.away:
            raise StoreUnavailable("away")
        return await super().commit(owner, epoch, changes)


def test_a_process_is_told_once_when_another_one_is_its_host() -> None:
    async def scenario(system: ActorSystem) -> None:
        store, told = AwayStore(), []
        epoch = await store.activate("host.west")
        system.spawn(lambda: Tenure(store, "host.west", epoch, lambda: told.append(1)), "tenure")
        await pass_time(timedelta(hours=1))
        assert told == []

        await store.activate("host.east")
        await pass_time(2 * EVERY)
        assert told == []

        await store.activate("host.west")
        await pass_time(2 * EVERY)
        assert told == [1]
        await pass_time(timedelta(hours=1))
        assert told == [1]

    run(scenario)


def test_a_store_that_is_away_ends_no_process_and_is_asked_again() -> None:
    async def scenario(system: ActorSystem) -> None:
        store, told = AwayStore(), []
        epoch = await store.activate("host.west")
        system.spawn(lambda: Tenure(store, "host.west", epoch, lambda: told.append(1)), "tenure")
        store.away = True
        await pass_time(timedelta(hours=1))
        assert told == []
        assert system.crashes == 0

        await store.activate("host.west")
        store.away = False
        await pass_time(2 * EVERY)
        assert told == [1]

    run(scenario)
