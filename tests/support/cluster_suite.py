"""What every cluster of hosts has to do, whatever carries its batches: one suite for all transports.

A subclass says how a cluster is made (:meth:`Conformance.run`). The scenarios use hosts only from within
(:mod:`tests.support.cluster_program`) and wait for what must come about, in whatever time it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import pytest

from runtime import Ask
from runtime.cluster.directory import on_host
from runtime.errors import LimitReached, MailboxFull, Undeliverable
from tests.support.cluster_program import (
    Crash,
    Echoed,
    End,
    Fail,
    GiveSelf,
    Heard,
    Ignored,
    Numbered,
    OfferMany,
    PutTo,
    TellMany,
    TellSecret,
    Unanswerable,
    WatchOver,
)

R = TypeVar("R")

#: How long anything may take that takes no time of its own.
SOON = 10.0
#: How long a host that is gone may go unnoticed, with room for a busy machine.
NOTICED = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host knows, as numbers."""

    #: The state of every other host and its incarnation, if it is there.
    hosts: dict[str, tuple[str, int | None]]
    dead_letters: int
    refused: int
    malformed: int


class Cluster(Protocol):
    """A running cluster of the hosts ``east`` and ``west``."""

    async def tell(self, host: str, name: str, message: object) -> None:
        """Tell an actor, on that host."""

    async def ask(self, host: str, name: str, question: Ask[R], seconds: float = SOON) -> R:
        """Ask an actor, on that host, or fail with what the question failed with."""

    async def see(self, host: str) -> Seen:
        """Return what a host knows."""

    async def kill(self, host: str) -> None:
        """End the process of a host without notice, and return when it is dead."""

    async def returned(self, host: str) -> None:
        """Return when a host that was killed has a new process, which may have to be started first."""

    async def freeze(self, host: str) -> None:
        """Let a host handle nothing."""

    async def thaw(self, host: str) -> None:
        """Let it go on."""

    async def pause(self) -> None:
        """Let a little time pass."""

    def time(self) -> float:
        """Return the time in seconds."""


Scenario: TypeAlias = Callable[[Cluster], Awaitable[None]]


class Conformance:
    """See the module."""

    def run(self, scenario: Scenario) -> None:
        """Run a scenario on a cluster of two hosts that have joined."""
        raise NotImplementedError

    def test_what_one_host_tells_another_arrives_once_and_in_order(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            assert await cluster.ask("east", "agent", TellMany(on_host("west", "agent"), 0, 3_000)) == 3_000

            await until(cluster, lambda: heard(cluster, "west", 3_000), SOON)
            assert await cluster.ask("west", "agent", Heard()) == tuple(
                Numbered("east", number) for number in range(3_000)
            )

        self.run(scenario)

    def test_an_actor_is_found_by_the_longest_prefix_of_its_name(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            for host in ("east", "west"):
                assert await cluster.ask(host, "site.west/path", Echoed(host)) == host
                await cluster.tell(host, "site.west/path", Numbered(host, 1))
            await until(cluster, lambda: heard(cluster, "west", 2, "site.west/path"), SOON)

        self.run(scenario)

    def test_values_of_every_kind_that_travels_arrive_as_they_were(self) -> None:
        value = ({"a": [1, 2.5, None, True]}, b"bytes", frozenset({"x"}), Numbered("n", 2**70))

        async def scenario(cluster: Cluster) -> None:
            assert await cluster.ask("east", "site.west", Echoed(value)) == value

        self.run(scenario)

    @pytest.mark.parametrize(
        ("question", "error", "text"),
        [
            (Fail("known"), "KnownError", ""),
            (
                Fail("unknown"),
                "FailedElsewhere",
                "site.west failed the question (tests.support.cluster_program.UnknownError)",
            ),
            (Fail("full"), "MailboxFull", "the mailbox of somebody is full (3 messages)"),
            (Unanswerable(), "AskTimeout", "site.west did not answer Unanswerable within 0.5 s"),
            (Ignored(), "Unanswered", "site.west does not answer Ignored"),
            (Crash(), "Undeliverable", "site.west cannot answer: its question cannot be read there"),
        ],
        ids=["known", "unknown", "full", "late", "ignored", "no question"],
    )
    def test_a_question_fails_with_what_its_answerer_chose(
        self, question: Ask[Any], error: str, text: str
    ) -> None:
        async def scenario(cluster: Cluster) -> None:
            await cluster.ask("east", "agent", PutTo("site.west", question, 0.5))
            await until(cluster, lambda: heard(cluster, "east", 1), SOON)
            assert await cluster.ask("east", "agent", Heard()) == ((error, text),)

        self.run(scenario)

    def test_a_question_to_nobody_fails_and_a_message_to_nobody_is_a_dead_letter_there(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            before = (await cluster.see("west")).dead_letters
            with pytest.raises(Undeliverable):
                await cluster.ask("east", on_host("west", "nobody"), Echoed(1))
            await cluster.tell("east", on_host("west", "nobody"), Numbered("east", 1))

            async def counted() -> bool:
                return (await cluster.see("west")).dead_letters == before + 2

            await until(cluster, counted, SOON)
            mine = (await cluster.see("east")).dead_letters
            await cluster.tell("east", "on no host", Numbered("east", 1))
            with pytest.raises(Undeliverable, match="it is on no host"):
                await cluster.ask("east", "on no host", Echoed(1))
            assert (await cluster.see("east")).dead_letters == mine + 2

        self.run(scenario)

    def test_a_reference_in_a_message_leads_back_to_where_it_came_from(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            # To an actor that every host has one of.
            await cluster.ask("east", "agent", GiveSelf("site.west", 5))
            await until(cluster, lambda: heard(cluster, "east", 1), SOON)
            assert await cluster.ask("east", "agent", Heard()) == (Numbered("west", 5),)
            assert await cluster.ask("west", "agent", Heard()) == ()

        self.run(scenario)

    def test_a_full_mailbox_refuses_there_and_the_asker_is_told(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            narrow = on_host("west", "narrow")
            before = (await cluster.see("west")).refused
            # All of them are in one batch, and the actor has its turn after it.
            assert await cluster.ask("east", "agent", TellMany(narrow, 0, 100)) == 100

            async def counted() -> bool:
                return (await cluster.see("west")).refused >= before + 80

            await until(cluster, counted, SOON)

        self.run(scenario)

    def test_a_watch_tells_of_an_end_once_and_not_of_a_restart(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            name = on_host("west", "site.west/path")
            for _ in range(2):
                await cluster.ask("east", "agent", WatchOver(name))
            await cluster.ask("east", "agent", WatchOver(on_host("west", "nobody")))
            await until(cluster, lambda: heard(cluster, "east", 1), SOON)
            await cluster.tell("east", name, Crash())
            await until(cluster, lambda: answers(cluster, "east", name), SOON)
            assert await cluster.ask("east", "agent", Heard()) == ((on_host("west", "nobody"), "unknown"),)
            await cluster.tell("east", name, End())
            await until(cluster, lambda: heard(cluster, "east", 2), SOON)
            assert (await cluster.ask("east", "agent", Heard()))[1:] == ((name, "stopped"),)

        self.run(scenario)

    def test_a_watcher_that_ends_leaves_nothing_behind_on_the_other_host(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            await cluster.ask("east", "site.east", WatchOver("site.west"))
            await cluster.tell("east", "site.east", Crash())
            await until(cluster, lambda: answers(cluster, "east", "site.east"), SOON)
            await cluster.tell("east", "site.west", End())
            await until(cluster, lambda: gone(cluster, "west", "site.west"), SOON)
            assert await cluster.ask("east", "site.east", Heard()) == ()

        self.run(scenario)

    def test_what_may_not_travel_stays_and_is_a_dead_letter(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            before = (await cluster.see("east")).dead_letters
            assert await cluster.ask("east", "agent", TellSecret("site.west")) is False
            assert (await cluster.see("east")).dead_letters == before + 2
            assert await cluster.ask("west", "site.west", Heard()) == ()

        self.run(scenario)

    def test_a_host_that_does_not_keep_up_makes_tell_raise_and_offer_return_false(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            to = on_host("west", "agent")
            await cluster.freeze("west")
            taken = await cluster.ask("east", "agent", TellMany(to, 0, 12_000))
            assert 10_000 <= taken < 12_000
            assert await cluster.ask("east", "agent", OfferMany(to, 5)) == 0
            with pytest.raises((MailboxFull, LimitReached)):
                await cluster.ask("east", to, Echoed(1))
            await cluster.thaw("west")
            await until(cluster, lambda: heard(cluster, "west", taken), NOTICED)
            assert await cluster.ask("west", "agent", Heard()) == tuple(
                Numbered("east", number) for number in range(taken)
            )

        self.run(scenario)

    def test_a_killed_host_fails_what_was_asked_of_it_and_returns_as_another(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            first = (await cluster.see("east")).hosts["west"][1]
            assert first is not None
            await cluster.ask("east", "agent", WatchOver("site.west"))
            await cluster.ask("east", "agent", PutTo("site.west", Unanswerable(), 100.0))
            await cluster.ask("east", "site.west", Echoed(1))

            await cluster.kill("west")

            await until(cluster, lambda: heard(cluster, "east", 2), NOTICED)
            news = await cluster.ask("east", "agent", Heard())
            assert {one for one, _ in news} == {"Undeliverable", "site.west"}
            assert dict(news)["site.west"] == "unknown"
            await cluster.returned("west")

            async def there() -> bool:
                state, incarnation = (await cluster.see("east")).hosts["west"]
                return state == "joined" and incarnation is not None and incarnation > first

            await until(cluster, there, NOTICED)
            assert await cluster.ask("east", "site.west", Echoed(2)) == 2
            assert await cluster.ask("west", "site.east", Echoed(3)) == 3

        self.run(scenario)

    def test_what_is_sent_while_a_host_dies_arrives_in_order_and_at_most_once(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            to = on_host("west", "agent")
            sent = 0
            for step in range(30):
                await cluster.ask("east", "agent", TellMany(to, sent, 100))
                sent += 100
                if step == 10:
                    await cluster.kill("west")
                    await cluster.returned("west")
                await cluster.pause()

            async def arrives() -> bool:
                try:
                    return bool(await cluster.ask("east", to, Echoed(1)) == 1)
                except Undeliverable:
                    return False

            await until(cluster, arrives, NOTICED)
            await cluster.ask("east", "agent", TellMany(to, sent, 1))

            async def last() -> bool:
                return Numbered("east", sent) in await cluster.ask("west", "agent", Heard())

            await until(cluster, last, SOON)
            numbers = [one.number for one in await cluster.ask("west", "agent", Heard())]
            assert numbers == sorted(set(numbers))

        self.run(scenario)

    def test_a_host_that_was_frozen_for_long_is_given_up_and_joins_again(self) -> None:
        async def scenario(cluster: Cluster) -> None:
            await cluster.ask("east", "agent", WatchOver("site.west"))
            await cluster.freeze("west")
            await until(cluster, lambda: heard(cluster, "east", 1), NOTICED)
            before = (await cluster.see("east")).dead_letters
            await cluster.tell("east", "site.west", Numbered("east", 1))
            assert (await cluster.see("east")).dead_letters == before + 1
            await cluster.thaw("west")

            async def joined() -> bool:
                return (await cluster.see("east")).hosts["west"][0] == "joined"

            await until(cluster, joined, NOTICED)
            assert await cluster.ask("east", "site.west", Echoed(2)) == 2
            assert await cluster.ask("west", "site.west", Heard()) == ()

        self.run(scenario)


# --- helpers --------------------------------------------------------------------------------------


async def until(cluster: Cluster, check: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until something has come about; fail if it takes longer."""
    end = cluster.time() + seconds
    while not await check():
        assert cluster.time() < end, "it did not come about"
        await cluster.pause()


async def heard(cluster: Cluster, host: str, count: int, name: str = "agent") -> bool:
    """Tell whether an actor has heard so many messages."""
    return len(await cluster.ask(host, name, Heard())) >= count


async def answers(cluster: Cluster, host: str, name: str) -> bool:
    """Tell whether an actor answers."""
    try:
        return bool(await cluster.ask(host, name, Echoed(1)) == 1)
    except Undeliverable:
        return False


async def gone(cluster: Cluster, host: str, name: str) -> bool:
    """Tell whether an actor answers no more."""
    return not await answers(cluster, host, name)
