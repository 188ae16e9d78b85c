"""Reaching a cluster of Ray's, or starting one on this machine; one clear line where that fails.

Ray finds clusters in places where others have left them (a file, an environment variable), switches
authentication on by itself in some cases and not in others, and tries for up to two minutes. Here an
address is ``local`` or says a host and a port, authentication is on or off because somebody said so, and a
cluster that is not there is told of in seconds.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import socket
import sys
from typing import Any, Final

from runtime.backends.ray.settings import SETTINGS
from runtime.errors import RuntimeFault

#: The address of a cluster that is started here and ends with this process.
LOCAL: Final = "local"
#: Ray's own switch between a cluster of one machine, on its loopback interface, and one of many.
_MANY_MACHINES: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
#: How long the head of a cluster may take to accept a connection.
_REACHED_WITHIN: Final = 5.0
#: Batches are at most 4 MiB, and one is on its way between two hosts.
_LOCAL_STORE_BYTES: Final = 80 << 20


class ClusterUnavailable(RuntimeFault):
    """There is no way to use the cluster; the text is one line for whoever runs the command."""


def prepare(address: str, *, token: bool) -> None:
    """Say how Ray is going to be used, before anything loads it: it reads its environment only then.

    A cluster that is started here listens on the loopback interface alone, where Ray would listen on every
    one, and has a new token unless the environment has one.
    """
    os.environ["RAY_AUTH_MODE"] = "token" if token else "disabled"
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if address == LOCAL:
        os.environ[_MANY_MACHINES] = "0"
        if token and not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def connect(address: str, namespace: str, *, token: bool, cpus: int | None = None) -> None:
    """Connect this process to the cluster at ``address``, in a namespace.

    ``token`` says whether the cluster asks for Ray's token (``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH`` or
    Ray's file in the home directory). ``cpus`` is what a local cluster has.

    :raises ClusterUnavailable: Ray is not installed, nobody answers, versions differ, or the token is
    refused.
    :raises RuntimeError: Ray was loaded without, or after another, :func:`prepare`.
    """
    if address != LOCAL:
        _check_reachable(address)
    if sys.modules.get("ray") is None:
        prepare(address, token=token)
    elif os.environ.get("RAY_AUTH_MODE") != ("token" if token else "disabled") or (
        address == LOCAL and os.environ.get(_MANY_MACHINES) != "0"
    ):
        why = "say how Ray is going to be used before anything loads it: prepare(address, token=...)"
        raise RuntimeError(why)
    try:
        import ray  # noqa: PLC0415 - the environment comes first
    except ImportError as error:
        raise ClusterUnavailable("Ray is not installed: pip install 'peerkey[cluster]'") from error
    _silence()
    more: dict[str, Any] = {}
    if address == LOCAL:
        more = {
            "num_cpus": cpus,
            "include_dashboard": False,
            "object_store_memory": _LOCAL_STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
            "_node_name": LOCAL,
        }
    try:
        ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level="ERROR", **more)
    except Exception as error:
        raise ClusterUnavailable(_line(address, error)) from error


def disconnect() -> None:
    """Leave the cluster; a local one ends."""
    import ray  # noqa: PLC0415 - see above

    ray.shutdown()


def _silence() -> None:
    """Keep Ray from writing to the standard output of a command whenever a process of a host dies.

    Ray writes such lines whatever ``log_to_driver`` says. This is the switch by which its debugger keeps the
    terminal to itself.
    """
    from ray._private import worker  # noqa: PLC0415 - see above

    worker._worker_logs_enabled = False  # noqa: SLF001


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        why = f"{address} is no address of a cluster: say {LOCAL}, or HOST:PORT of its head"
        raise ClusterUnavailable(why)
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACHED_WITHIN).close()
    except (OSError, OverflowError) as error:
        why = f"no cluster at {address}: {getattr(error, 'strerror', None) or error}"
        raise ClusterUnavailable(why) from error


def _line(address: str, error: BaseException) -> str:
    """Say in one line what Ray says in many."""
    text = ""
    cause: BaseException | None = error
    while cause is not None:
        text += f"{type(cause).__name__}: {cause}\n"
        cause = cause.__cause__
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", text)
    if "Version mismatch" in text and versions:
        theirs, python = versions[0]
        ours = versions[1] if len(versions) > 1 else ("?", platform.python_version())
        return (
            f"the cluster at {address} runs ray {theirs} on python {python}, and this is ray {ours[0]}"
            f" on python {ours[1]}: install the same here"
        )
    if "AuthenticationError" in text or "InvalidAuthToken" in text:
        return f"the cluster at {address} refuses the token, or there is none: see ray get-auth-token"
    return f"no use of the cluster at {address}: {text.splitlines()[0]}"
