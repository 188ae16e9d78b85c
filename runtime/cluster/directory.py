"""Which host an actor is on, by its name.

An actor lives where the longest prefix of its name was assigned to: whatever is below
``authority/hub.node0`` is on the host of that node. A prefix ends where a name in the path ends. What was
assigned to no host is on none.

``//HOST/NAME`` names an actor by its host whatever the directory says: the agent that every host has one
of, or one that belongs to no assigned prefix.

An assignment has a version, and an older one changes nothing: it may have been overtaken on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: How the name of an actor begins that names its host.
_ON_HOST: Final = "//"
#: Prefixes of one assignment.
MAX_PREFIXES: Final = 100_000


def on_host(host: str, name: str) -> str:
    """Return the name of the actor ``name`` of ``host``, wherever it is used."""
    return f"{_ON_HOST}{host}/{name}"


def names_its_host(name: str) -> bool:
    """Tell whether a name says which host it is on."""
    return name.startswith(_ON_HOST)


class Directory:
    """An assignment of prefixes to hosts."""

    def __init__(self) -> None:
        """Know of nobody."""
        self.version = 0
        self._hosts: Mapping[str, str] = MappingProxyType({})

    def assign(self, hosts: Mapping[str, str], version: int) -> bool:
        """Replace everything by ``hosts`` (prefix to host), unless a later version is known; return whether.

        :raises ValueError: there are more than :data:`MAX_PREFIXES`.
        """
        if len(hosts) > MAX_PREFIXES:
            message = f"{len(hosts)} prefixes, where {MAX_PREFIXES} are allowed"
            raise ValueError(message)
        if version <= self.version:
            return False
        self.version = version
        self._hosts = MappingProxyType(dict(hosts))
        return True

    def host_of(self, name: str) -> str | None:
        """Return the host that the longest prefix of ``name`` is assigned to."""
        prefix = name
        while prefix:
            host = self._hosts.get(prefix)
            if host is not None:
                return host
            prefix = prefix.rpartition("/")[0]
        return None

    def route(self, name: str) -> tuple[str, str] | None:
        """Return the host of an actor and its name there, or ``None``."""
        if name.startswith(_ON_HOST):
            host, slash, rest = name.removeprefix(_ON_HOST).partition("/")
            return (host, rest) if host and slash and rest else None
        host_found = self.host_of(name)
        return None if host_found is None else (host_found, name)
