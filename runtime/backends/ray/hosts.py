"""Starting, finding and ending the hosts of a namespace.

A host is a detached Ray actor: it outlives whoever started it, is found again by its name from every
machine of the cluster, and is started anew by Ray, for ever, when its process ends. It reserves no CPU, and
the memory that a host with little on it takes, so that Ray starts no more hosts than a machine has room for;
how many are wanted is for placement to decide (:mod:`runtime.cluster.placement`).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import ray
from ray._private.state import actors  # the public way needs Ray's dashboard
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.backends.ray.actor_host import About, ActorHost
from runtime.backends.ray.transport import DELIVERIES, QUESTIONS, actor_name, host_name
from runtime.cluster.placement import PROCESS_BYTES
from runtime.cluster.program import MAX_ARGUMENT
from runtime.errors import RuntimeFault

#: A host answers within so many seconds of its start; a new process imports the program first.
_ANSWERS_WITHIN: Final = 90.0
#: Ray frees a name within so many seconds, and is asked so often.
_DISCARDED_WITHIN: Final = 30.0
_LOOK_AGAIN: Final = 0.1
#: Calls of one process to one host that wait, those to a frozen one included. Beyond it they fail.
#: Hosts that are stopped at the same time.
_STOPPED_AT_ONCE: Final = 32
_MAX_PENDING: Final = 100


class NamespaceInUse(RuntimeFault):
    """Another program runs under this name in the cluster, or the same with another argument."""

    def __init__(self, namespace: str, host: str, runs: str, wanted: str) -> None:
        """Remember what runs there."""
        what = f"{runs}, not {wanted}" if runs != wanted else f"{runs} with other settings"
        super().__init__(
            f"namespace {namespace} is in use: host {host} runs {what}."
            " Choose another name, or stop what runs there"
        )
        self.namespace = namespace


class HostNotStarted(RuntimeFault):
    """A host did not come up, or does not answer."""

    def __init__(self, host: str, why: str) -> None:
        """Remember which, and why in a few words."""
        super().__init__(f"host {host} did not start: {why}")
        self.host = host
        self.why = why


def start_host(
    name: str,
    namespace: str,
    program: str,
    argument: str,
    hosts: tuple[str, ...],
    *,
    machine: str | None = None,
    kind: type[ActorHost] = ActorHost,
    within: float = _ANSWERS_WITHIN,
) -> tuple[Any, About]:
    """Start a host, or find the one that is there; return its handle and what it says of itself, when ready.

    With ``machine``, a node of Ray's, it runs there or nowhere. One that is not ready in time is left as it
    is: it goes on trying. Only a new one whose program is broken is ended.

    :raises NamespaceInUse: the one that is there runs another program, or has another argument.
    :raises HostNotStarted: it does not answer, is not ready within so many seconds, or is on another machine.
    :raises ValueError: the argument is longer than :data:`~runtime.cluster.program.MAX_ARGUMENT`.
    """
    if len(argument) > MAX_ARGUMENT:
        why = f"an argument of {len(argument)} characters, where {MAX_ARGUMENT} are allowed"
        raise ValueError(why)
    options: dict[str, Any] = {
        "name": actor_name(name),
        "namespace": namespace,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": 1,
        "max_pending_calls": _MAX_PENDING,
        "memory": PROCESS_BYTES,
    }
    if machine is not None:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(machine, soft=False)
    until = time.monotonic() + within
    new = find_host(name, namespace) is None
    actor = ray.remote(num_cpus=0, concurrency_groups={DELIVERIES: 1, QUESTIONS: 1})(kind)
    handle = actor.options(**options).remote(name, namespace, program, argument, hosts)
    about = _about_soon(name, handle, until)
    if (about.program, about.argument) != (program, argument):
        raise NamespaceInUse(namespace, name, about.program, program)
    if machine is not None and about.machine != machine:
        raise HostNotStarted(name, f"it is there already, on machine {about.machine}")
    while not about.ready:
        if about.broken and new:
            discard_host(name, namespace)
        if about.broken or time.monotonic() > until:
            raise HostNotStarted(name, about.trouble or f"not ready within {within:g} s")
        time.sleep(_LOOK_AGAIN)
        about = _about_soon(name, handle, until)
    return handle, about


def _about_soon(name: str, handle: Any, until: float) -> About:  # noqa: ANN401 - Ray's
    """Ask a host about its process, until a moment; one whose process is being replaced is asked again."""
    while True:
        try:
            return about_host(name, handle, max(_LOOK_AGAIN, until - time.monotonic()))
        except HostNotStarted as error:
            if not isinstance(error.__cause__, ActorUnavailableError) or time.monotonic() > until:
                raise
            time.sleep(_LOOK_AGAIN)


def about_host(name: str, handle: Any, within: float = _ANSWERS_WITHIN) -> About:  # noqa: ANN401 - Ray's
    """Ask a host about its process.

    :raises HostNotStarted: it does not answer.
    """
    try:
        about = ray.get(ask_about(handle), timeout=within)
    except GetTimeoutError as error:
        raise HostNotStarted(name, _why_silent(handle, within)) from error
    except RayError as error:
        raise HostNotStarted(name, type(error).__name__) from error
    if not isinstance(about, About):
        raise HostNotStarted(name, "something else has its name")
    return about


def _why_silent(handle: Any, within: float) -> str:  # noqa: ANN401 - Ray's
    if facts(handle).get("State") in {"PENDING_CREATION", "DEPENDENCIES_UNREADY"}:
        return (
            f"no machine that it may be on has had room for it within {within:g} s:"
            f" a host takes {PROCESS_BYTES >> 20} MiB of what Ray may use (ray start --memory)"
        )
    return f"no answer within {within:g} s"


def facts(handle: Any) -> dict[str, Any]:  # noqa: ANN401 - Ray's
    """Return what Ray's head has written down of an actor; it is of Ray's own making and may be empty."""
    return actors(handle._actor_id.hex()) or {}  # noqa: SLF001


def ask_about(handle: Any) -> Any:  # noqa: ANN401 - Ray's
    """Ask a host about its process, behind no other call; return the reference to its answer."""
    return handle.about.options(concurrency_group=QUESTIONS).remote()


def find_host(name: str, namespace: str) -> Any | None:  # noqa: ANN401 - Ray's handles have no type
    """Return the handle of a host, or ``None`` if there is none of that name."""
    try:
        return ray.get_actor(actor_name(name), namespace=namespace)
    except ValueError:
        return None


def discard_host(name: str, namespace: str, within: float = _DISCARDED_WITHIN) -> None:
    """Give up a host whose machine is lost, so that its name is free for one on another machine.

    If its process lives after all, Ray ends it; until it has, links fence it.

    :raises HostNotStarted: Ray does not let go of the name.
    """
    until = time.monotonic() + within
    while (handle := find_host(name, namespace)) is not None:
        if time.monotonic() > until:
            why = f"its name is not free within {within:g} s"
            raise HostNotStarted(name, why)
        ray.kill(handle, no_restart=True)
        time.sleep(_LOOK_AGAIN)


def stop_host(name: str, namespace: str, seconds: float) -> None:
    """Stop the actors of a host gracefully, within so long, and end its process for good."""
    handle = find_host(name, namespace)
    if handle is None:
        return
    try:
        ray.get(handle.stop.remote(seconds), timeout=seconds + 5)
    except RayError:
        # It hangs or is dead already, which is how it ends now.
        pass
    finally:
        ray.kill(handle, no_restart=True)


def stop_all(namespace: str, first: str, seconds: float) -> None:
    """Stop every host of a namespace: ``first``, which would start the others again, and then these together.

    What does not stop gracefully within so long is ended.
    """
    stop_host(first, namespace, seconds)
    others = [
        host
        for actor in ray.util.list_named_actors(all_namespaces=True)
        if actor["namespace"] == namespace and (host := host_name(actor["name"])) not in {None, first}
    ]
    with ThreadPoolExecutor(_STOPPED_AT_ONCE) as threads:
        list(threads.map(lambda host: stop_host(host, namespace, seconds), others))
