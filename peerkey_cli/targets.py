"""Where Prometheus finds the metrics of each machine, in the form of its service discovery.

Every machine has one endpoint, at an address that was given with ``--metrics``. Where that is a wildcard,
others reach it by the address by which the machine is known in the cluster.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """The endpoint of one machine."""

    machine: str
    #: ``HOST:PORT``.
    address: str


def reached_at(listens: tuple[str, int] | None, machine: str = "") -> str:
    """Return the ``HOST:PORT`` of an endpoint that ``listens`` there; empty where there is none.

    ``machine`` is the address of the machine, its name unless that is known.
    """
    if listens is None:
        return ""
    host, port = listens
    if ip_address(host).is_unspecified:
        host = machine or socket.gethostname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def discovered(targets: Iterable[Target]) -> list[dict[str, object]]:
    """Return what ``http_sd_configs`` and ``file_sd_configs`` of Prometheus read."""
    return [{"targets": [each.address], "labels": {"machine": each.machine}} for each in sorted(targets)]
