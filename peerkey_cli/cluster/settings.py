"""What every host of a cluster is told when it starts: the *argument* of the program, as JSON.

Whoever can look into the cluster can read it. It holds paths and addresses; passwords and keys are in files
that are named here, on every machine under the same name.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from metrics.detail import WantedDetail
from peerkey_cli.api.remote import RemoteSettings
from peerkey_cli.syslog import SyslogAddress
from runtime.cluster.placement import Placement

#: Hosts of one machine, at most: more would only share its cores.
MAXIMUM_HOSTS: Final = 64

#: What Redis takes as the name of a namespace, and the longest part of a name that is kept beside a digest.
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEPT: Final = 40
_DIGITS: Final = 16


class RedisSettings(BaseModel):
    """The shared store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: ``redis://…``, ``rediss://…`` or ``unix://…``: see :mod:`runtime.store.redis_server`.
    address: str
    password_file: Path | None = None
    ca_file: Path | None = None


class ApiSettings(BaseModel):
    """Where each machine lets clients in over TCP, and the files that it has for that: its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: tuple[str, int]
    certificate: Path
    key: Path
    tokens: Path

    def remote(self) -> RemoteSettings:
        """Return them as the admin API takes them."""
        return RemoteSettings(self.address, self.certificate, self.key, self.tokens)


class ClusterSettings(BaseModel):
    """See the module."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The name of the authority, by which everything of it is found in the cluster.
    authority: str
    #: The configuration, on whichever machine the coordinator is.
    file: Path
    #: The nodes to run, as ``router/node``; all of the file where none is named.
    nodes: tuple[str, ...] = ()
    #: The state directory of each machine.
    state: Path
    placement: Placement = Placement.PACKED
    #: Hosts of each machine where nodes are packed.
    hosts: int = Field(ge=1, le=MAXIMUM_HOSTS)
    #: ``None``: each host has a file of its own, and nodes stay where they are.
    redis: RedisSettings | None = None
    #: Where each machine answers Prometheus, if anywhere.
    metrics: tuple[str, int] | None = None
    #: How fine it is told.
    metrics_detail: WantedDetail = WantedDetail.AUTO
    #: Where each machine answers clients over TCP, if anywhere.
    api: ApiSettings | None = None
    #: Where each host copies its audit log to, if anywhere.
    syslog: str | None = None
    #: Whether the cluster is one machine that the command has started itself.
    alone: bool = False

    @property
    def namespace(self) -> str:
        """What Ray and Redis know the cluster's actors and records by."""
        return namespace_of(self.authority)

    @property
    def syslog_address(self) -> SyslogAddress | None:
        """Where audit logs are copied to.

        :raises WrongUsage: it is no address.
        """
        return None if self.syslog is None else SyslogAddress.of_text(self.syslog)

    def argument(self) -> str:
        """Return the settings as a host is given them."""
        return self.model_dump_json()

    @classmethod
    def read(cls, argument: str) -> Self:
        """Return what :meth:`argument` was made of."""
        return cls.model_validate_json(argument)


def namespace_of(authority: str) -> str:
    """Return what Ray and Redis know an authority by: its name, or what is left of it and a digest."""
    if _NAME.fullmatch(authority):
        return authority
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", authority)[:_KEPT]
    return f"{kept}-{sha256(authority.encode()).hexdigest()[:_DIGITS]}"
