"""What hosts do for their actors, in virtual time, where the suite of all transports cannot look."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest

from runtime.cluster.directory import on_host
from runtime.cluster.frames import Header, Label, Told, encode
from runtime.cluster.linkage import LinkState
from runtime.cluster.program import load
from runtime.cluster.simulated import FabricWeather
from runtime.errors import AskTimeout, LimitReached, Undeliverable
from runtime.system import ActorSystem
from runtime.testing import Recorder, run, settle
from tests.support.cluster_program import Echoed, Heard, Numbered, PutTo, TellMany, Unanswerable, WatchOver
from tests.support.cluster_simulated import SimulatedCluster, simulated

WILD = FabricWeather(longest_delay=0.3, word_lost=0.1, lost=0.1, hangs=0.5)


def test_an_actor_of_this_host_is_spoken_to_without_a_look_at_the_others() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        system, host, _ = cluster.hosts["east"]
        here = system.spawn(Recorder, "here")
        host.directory.route = host.directory.host_of = refuse  # type: ignore[assignment,method-assign]
        here.tell("told")
        assert here.offer("offered")
        with pytest.raises(AskTimeout):
            await system.ref("site.east").ask(Unanswerable(), timedelta(seconds=1))
        assert await system.ref("site.east").ask(Echoed(1), timedelta(seconds=1)) == 1

    simulated(scenario)


def test_a_name_with_its_host_means_this_host_too() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        system = cluster.system("east")
        mine = system.ref(on_host("east", "agent"))
        mine.tell(Numbered("me", 1))
        assert mine.offer(Numbered("me", 2))
        assert await mine.ask(Echoed(3), timedelta(seconds=1)) == 3
        assert len(await mine.ask(Heard(), timedelta(seconds=1))) == 2
        await cluster.ask("east", "site.east", WatchOver(mine.name))
        await cluster.ask("east", "site.east", WatchOver(mine.name))
        await system.stop_actor(system.ref("agent"))
        assert await cluster.ask("east", "site.east", Heard()) == ((mine.name, "stopped"),)
        with pytest.raises(Undeliverable):
            await mine.ask(Echoed(3), timedelta(seconds=1))

    simulated(scenario)


def test_a_system_that_stops_tells_the_other_host_of_the_end_of_its_actors() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        await cluster.ask("east", "agent", WatchOver("site.west"))
        await cluster.pause()
        await cluster.system("west").stop(timedelta(seconds=5))
        await cluster.pause()
        assert await cluster.ask("east", "agent", Heard()) == (("site.west", "stopped"),)
        assert cluster.system("west").elsewhere is None
        # And that the host has left, long before its silence would be noticed.
        assert (await cluster.see("east")).hosts["west"] == ("gone", None)

    simulated(scenario)


def test_a_message_is_sent_as_it_was_when_it_was_told() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        value = ["as it was"]
        answer = cluster.system("east").ref("site.west").ask(Echoed(value), timedelta(seconds=1))
        value.append("changed")
        assert await answer == ["as it was"]

    simulated(scenario)


def test_a_question_that_waits_while_the_link_is_lost_is_not_handled_any_more() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        late = cluster.system("west").spawn(Late, "late")
        answer = cluster.system("east").ref(on_host("west", "late")).ask(Echoed(1), timedelta(seconds=600))
        await cluster.pause()
        cluster.fabric.cut("east", "west")
        with pytest.raises(Undeliverable, match="the link to host west is lost: it is silent"):
            await answer
        await asyncio.sleep(60)
        assert await late.ask(Heard(), timedelta(seconds=1)) == ()

    simulated(scenario)


def test_questions_to_one_host_are_bounded() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        to = cluster.system("east").ref("site.west")
        answers = [to.ask(Unanswerable(), timedelta(seconds=50)) for _ in range(5_000)]
        await asyncio.sleep(1)
        answers += [to.ask(Unanswerable(), timedelta(seconds=50)) for _ in range(5_000)]
        with pytest.raises(LimitReached):
            await to.ask(Unanswerable(), timedelta(seconds=50))
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert all(isinstance(outcome, AskTimeout | Undeliverable | LimitReached) for outcome in outcomes)

    simulated(scenario)


def test_what_is_no_frame_is_counted_and_harms_nobody() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        _, host, transport = cluster.hosts["west"]
        assert transport.inbox is not None
        assert not transport.inbox(b"no frame")
        assert not transport.inbox(encode(Header("west", Label(1, 1), None, 0)))
        peer = cluster.hosts["east"][1].hosts()[0]
        assert peer.incarnation == 1
        assert host.malformed == 1
        assert await cluster.ask("east", "site.west", Echoed(1)) == 1

    simulated(scenario)


def test_a_message_that_cannot_be_read_harms_no_other_of_its_batch() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        system, host, _ = cluster.hosts["west"]
        host.handle("east", Told("agent", b"no pickle"))
        host.handle("east", Told("nobody", b"no pickle"))
        assert host.malformed == 1
        assert system.info().dead_letters == 1
        assert await cluster.ask("east", "site.west", Echoed(1)) == 1

    simulated(scenario)


def test_a_process_that_lives_on_beside_its_successor_changes_nothing() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        old_system, _, old_transport = cluster.hosts["west"]
        cluster.start("west")
        await cluster.joined()
        # It can still send, and does not know that it has been replaced.
        old_transport.inbox = None
        old_system.ref("site.east").tell(Numbered("the old one", 1))
        for _ in range(100):
            await cluster.pause()
        assert await cluster.ask("east", "site.east", Heard()) == ()
        assert await cluster.ask("west", "site.east", Echoed(1)) == 1
        await old_system.stop(timedelta(seconds=1))

    simulated(scenario)


def test_whoever_wants_to_know_is_told_of_hosts_that_come_and_go() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        told: list[tuple[str, str]] = []

        def tell(host: str, state: LinkState) -> None:
            told.append((host, state.value))
            raise OSError  # The links go on.

        cluster.hosts["east"][1].on_host = tell
        await cluster.kill("west")
        cluster.start("west")
        await asyncio.sleep(1)
        assert told == [("west", "calling"), ("west", "joined")]
        cluster.fabric.cut("east", "west")
        await asyncio.sleep(10)
        assert told[2:] == [("west", "gone")]
        cluster.hosts["east"][1].forget("west")
        cluster.fabric.mend()
        await asyncio.sleep(10)
        # It is not called any more, and answered when it calls.
        assert await cluster.ask("west", "site.east", Echoed(1)) == 1

    simulated(scenario)


def test_a_program_is_found_by_its_name() -> None:
    assert load("tests.support.cluster_program:PROGRAM").registry is not None
    for path in (
        "tests.support.cluster_program:REGISTRY",
        "tests.support.cluster_program",
        ":x",
        "nowhere:x",
    ):
        with pytest.raises(ImportError):
            load(path)


def test_directories_that_differ_send_nothing_in_circles() -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        for name, other in (("east", "west"), ("west", "east")):
            cluster.hosts[name][1].directory.assign({"nomad": other}, version=2)
        cluster.system("east").ref("nomad").tell(Numbered("east", 1))
        with pytest.raises(Undeliverable):
            await cluster.system("east").ref("nomad").ask(Echoed(1), timedelta(seconds=1))
        assert cluster.system("west").info().dead_letters == 2
        assert cluster.system("east").info().dead_letters == 0

    simulated(scenario)


def test_a_system_without_a_cluster_makes_dead_letters_of_names_it_does_not_have() -> None:
    async def scenario(system: ActorSystem) -> None:
        system.ref(on_host("west", "agent")).tell("x")
        await settle()
        assert system.info().dead_letters == 1

    run(scenario)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_promises_are_kept_and_hosts_join_again(seed: int) -> None:
    async def scenario(cluster: SimulatedCluster) -> None:
        random = Random(seed)
        fabric = cluster.fabric
        sent = {"east": 0, "west": 0}
        outcomes: list[asyncio.Future[object]] = []
        for _ in range(120):
            name = random.choice(cluster.names)
            other = "west" if name == "east" else "east"
            match random.randrange(12):
                case 0:
                    fabric.cut("east", "west")
                case 1:
                    fabric.deafen(name, to=other)
                case 2:
                    fabric.freeze(name)
                case 3 | 4:
                    fabric.mend()
                case 5 if random.random() < 0.5:
                    await cluster.kill(name)
                    cluster.start(name)
                case 6:
                    await cluster.ask(name, "agent", WatchOver(f"site.{other}"))
                case 7:
                    await cluster.ask(name, "agent", PutTo(f"site.{other}", Unanswerable(), 30.0))
                case _:
                    sent[name] += await cluster.ask(
                        name, "agent", TellMany(on_host(other, "narrow"), sent[name], random.randint(1, 5))
                    )
                    question = Echoed(seed) if random.random() < 0.5 else Unanswerable()
                    answer = cluster.system(name).ref(f"site.{other}").ask(question, timedelta(seconds=3))
                    outcomes.append(asyncio.ensure_future(answer))
            await asyncio.sleep(random.choice((0.0, 0.05, 1.0, 4.0)))
        fabric.mend()
        fabric.weather = FabricWeather()
        await asyncio.sleep(120)

        for name, other in (("east", "west"), ("west", "east")):
            (info,) = cluster.hosts[name][1].hosts()
            assert (info.state.value, info.waiting) == ("joined", 0)
            assert info.incarnation == cluster.hosts[other][2].incarnation
        # Every question has ended, and every watch that was kept through a parting has told.
        assert all(outcome.done() for outcome in outcomes)
        assert {type(error) for error in map(error_of, outcomes)} <= {type(None), AskTimeout, Undeliverable}
        for name, other in (("east", "west"), ("west", "east")):
            heard = await cluster.ask(name, "narrow", Heard())
            numbers = [one.number for one in heard if one.sender == other]
            assert numbers == sorted(set(numbers))
            assert await cluster.ask(name, f"site.{other}", Echoed(1)) == 1
            watched = [
                news for news in await cluster.ask(name, "agent", Heard()) if news[0] == f"site.{other}"
            ]
            assert all(ending == "unknown" for _, ending in watched)

    simulated(scenario, seed=seed, weather=WILD)


# --- helpers --------------------------------------------------------------------------------------


class Late(Recorder):
    """Takes a minute to begin."""

    async def started(self) -> None:
        await asyncio.sleep(60)

    def receive(self, message: object) -> None:
        if isinstance(message, Heard):
            self.ctx.reply(tuple(self.messages))
        else:
            super().receive(message)


def refuse(_name: str) -> None:
    raise AssertionError("the others were looked at")


def error_of(future: asyncio.Future[object]) -> BaseException | None:
    return future.exception()
