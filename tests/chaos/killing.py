"""The ways in which a cluster of hosts is broken, one method each, whatever program runs on it.

Each method returns when what it did has *happened*: another process has the name of the host, Ray has noticed
that the machine is gone, the head is another process. What the program has to do then, such as starting hosts
elsewhere, is not waited for.

``kill_process`` and ``restart_process`` are Ray's to mend, ``crash_actor`` the runtime's, a lost machine
whoever places hosts (the coordinator), and a lost head or Redis whoever runs them, which is this class.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar, cast

import psutil
import ray
from ray.exceptions import RayError

from runtime import Ask
from runtime.backends.ray.actor_host import About, ActorHost
from runtime.backends.ray.hosts import HostNotStarted, about_host, find_host
from runtime.errors import RuntimeFault
from runtime.info import ActorInfo
from tests.chaos.cluster import NOTICED, ChaosCluster, until

R = TypeVar("R")
T = TypeVar("T")

#: What Ray gives to call an actor by; it has no type.
Handle: TypeAlias = Any


class AskFailed(RuntimeFault):
    """A question was not answered; errors of the runtime do not survive Ray's way of carrying them."""

    def __init__(self, kind: str, text: str) -> None:
        """Remember the type of the error, and what it said."""
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Killer:
    """Breaks the hosts of one namespace, and what they run on."""

    def __init__(self, cluster: ChaosCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    # --- looking ----------------------------------------------------------------------------------

    def about(self, host: str) -> About | None:
        """Return what a host says of itself, or ``None`` if it says nothing at the moment."""
        handle = find_host(host, self.namespace)
        if handle is None:
            return None
        try:
            return about_host(host, handle, 5.0)
        except HostNotStarted:
            return None

    def ready(self, host: str, *, other_than: int = 0) -> About:
        """Wait until a host is ready, in another process than that one; return what it says."""
        found: list[About] = []

        def is_ready() -> bool:
            about = self.about(host)
            if about is None or not about.ready or about.pid == other_than:
                return False
            found.append(about)
            return True

        until(is_ready, f"{host} is ready")
        return found[0]

    def ask(self, host: str, name: str, question: Ask[R], seconds: float = 10.0) -> R:
        """Ask an actor from within the process of a host.

        :raises AskFailed: there was no answer.
        """
        return self.ask_of(self.handle(host), name, question, seconds)

    def handle(self, host: str) -> Handle:
        """Return Ray's handle of a host, which works while the head is away, when nobody can be looked up."""
        handle = find_host(host, self.namespace)
        assert handle is not None, f"there is no {host}"
        return handle

    def ask_of(self, handle: Handle, name: str, question: Ask[R], seconds: float = 10.0) -> R:
        """Ask an actor from within the process of a host.

        :raises AskFailed: there was no answer.
        """
        try:
            answer, failure = _call(handle, _ask, name, question, seconds)
        except RayError as error:
            raise AskFailed(type(error).__name__, f"nobody could ask {name}") from error
        if failure is not None:
            raise AskFailed(*failure)
        return cast("R", answer)

    def actor(self, host: str, name: str) -> ActorInfo | None:
        """Describe an actor of a host."""
        return self._within(host, _describe, name)

    # --- actors and processes -----------------------------------------------------------------------

    def crash_actor(self, host: str, name: str) -> None:
        """Let an actor raise; wait for its next incarnation."""
        before = self.actor(host, name)
        assert before is not None
        self._within(host, crash, name)

        def is_another() -> bool:
            now = self.actor(host, name)
            return now is not None and now.incarnation > before.incarnation

        until(is_another, f"{name} of {host} is back")

    def end_loop(self, host: str) -> About:
        """Let the loop of a host end as it never should; its process ends, and Ray starts another one."""
        before = self.ready(host)
        self.handle(host).__ray_call__.remote(_end_loop)
        return self.replaced(before)

    def restart_process(self, host: str) -> About:
        """Have Ray kill the process of a host and start another one."""
        before = self.ready(host)
        ray.kill(find_host(host, self.namespace), no_restart=False)
        return self.replaced(before)

    def kill_process(self, host: str) -> About:
        """Kill the process of a host by a signal."""
        before = self.ready(host)
        os.kill(before.pid, signal.SIGKILL)
        return self.replaced(before)

    @contextmanager
    def frozen_process(self, host: str) -> Iterator[About]:
        """Freeze the process of a host while the block lasts."""
        about = self.ready(host)
        with _frozen(about.pid):
            yield about

    # --- machines -----------------------------------------------------------------------------------

    def lose_machine(self, name: str) -> None:
        """Lose a machine with everything on it; wait until Ray has noticed."""
        node = self.cluster.node_id(name)
        self.cluster.lose(name)
        until(lambda: not self.cluster.is_living(name, node), f"Ray notices the loss of {name}")

    def replace_machine(self, name: str) -> None:
        """Lose a machine, and have a new one of the same name."""
        before = self.cluster.node_id(name)
        self.lose_machine(name)
        self.cluster.add(name)
        assert self.cluster.node_id(name) != before

    @contextmanager
    def frozen_machine(self, name: str) -> Iterator[None]:
        """Freeze Ray on a machine, not its hosts, until the machine is given up, and while the block lasts.

        Its hosts live on beside their successors. Thawed it ends itself and them, as Ray wants it.
        """
        node = self.cluster.node_id(name)
        raylet = self.cluster.raylet(name)
        children = psutil.Process(raylet).children(recursive=True)
        with _frozen(raylet):
            until(lambda: not self.cluster.is_living(name, node), f"Ray gives {name} up")
            yield
        until(lambda: not any(map(_runs, (raylet, *(child.pid for child in children)))), f"{name} has ended")
        self.cluster.forget(name)

    # --- the head and Redis -------------------------------------------------------------------------

    @contextmanager
    def lost_head(self) -> Iterator[None]:
        """Be without the head's server while the block lasts."""
        before = self.cluster.gcs
        self.cluster.lose_head()
        try:
            yield
        finally:
            self.cluster.return_head()
        assert self.cluster.gcs != before

    @contextmanager
    def lost_redis(self) -> Iterator[None]:
        """Be without Redis while the block lasts: it is killed, and started anew with what is on its disk.

        The head ends itself when Redis is away for some seconds; whoever runs a cluster starts it again.
        """
        before = self.cluster.redis.process
        self.cluster.redis.kill()
        try:
            yield
        finally:
            self.cluster.redis.start()
            self.cluster.ensure_head()
        assert self.cluster.redis.process is not before

    # --- helpers ------------------------------------------------------------------------------------

    def replaced(self, before: About) -> About:
        """Wait until another process is the host, and that one has ended."""
        about = self.ready(before.host, other_than=before.pid)
        until(lambda: not _runs(before.pid), f"process {before.pid} of {before.host} has ended")
        assert about.incarnation > before.incarnation
        return about

    def _within(self, host: str, function: Callable[..., T], *arguments: object) -> T:
        return _call(self.handle(host), function, *arguments)


def _call(handle: Handle, function: Callable[..., T], *arguments: object) -> T:
    """Call a function with a host, in its process."""
    return cast("T", ray.get(handle.__ray_call__.remote(function, *arguments), timeout=NOTICED))


# --- within the process of a host -------------------------------------------------------------------


def _ask(
    host: ActorHost, name: str, question: Ask[Any], seconds: float
) -> tuple[Any, tuple[str, str] | None]:
    async def work() -> tuple[Any, tuple[str, str] | None]:
        try:
            return await host.system.ref(name).ask(question, timedelta(seconds=seconds)), None
        except RuntimeFault as error:
            return None, (type(error).__name__, str(error))

    return host.run(work, 2 * seconds)


def _describe(host: ActorHost, name: str) -> ActorInfo | None:
    async def work() -> ActorInfo | None:
        return next((info for info in host.system.actors() if info.name == name), None)

    return host.run(work, NOTICED)


def crash(host: ActorHost, name: str) -> None:
    """Let an actor raise. To be called by Ray, in the process of its host."""

    async def work() -> None:
        host.system.crash(host.system.ref(name), OSError())

    host.run(work, NOTICED)


def _end_loop(host: ActorHost) -> None:
    host._loop.call_soon_threadsafe(host._loop.stop)  # noqa: SLF001 - nothing else ends it


# --- processes --------------------------------------------------------------------------------------


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        # It may have been given up and ended meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False
