"""What an operator orders of a running system: ``rekey``, ``drain``, ``release-pin``, ``reload``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from peerkey_cli.schemas.document import MAXIMUM_NAME_CHARACTERS, Document, Time


class RekeyRequest(Document):
    """Whom to agree a new key with: a router, ``router/node``, or a UUID; everybody where none is named."""

    peer: Annotated[str | None, Field(max_length=MAXIMUM_NAME_CHARACTERS)] = None


class Rekeyed(Document):
    """With how many peerings a new key is being agreed."""

    time: Time
    peerings: int


class DrainRequest(Document):
    """Which node to take out of work, by ``router/node`` or UUID, or every one; or back into it."""

    node: Annotated[str | None, Field(max_length=MAXIMUM_NAME_CHARACTERS)] = None
    undo: bool = False


class HostDrainRequest(Document):
    """Which host or machine of the cluster to move all nodes off; or to let them come again."""

    host: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    undo: bool = False


class HostsDrained(Document):
    """Which hosts and machines of the cluster are drained."""

    time: Time
    drained: tuple[str, ...]


class Drained(Document):
    """How far a node is out of work."""

    node: str
    state: Literal["in-service", "draining", "drained"]
    since: Time | None
    how: str


class Drains(Document):
    """``GET /v1/drain``, and what an order comes to: nodes, and how far each is out of work."""

    time: Time
    nodes: tuple[Drained, ...]


class PinRequest(Document):
    """Whose pinned certificate to forget: a router, ``router/node``, or a UUID."""

    peer: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]


class PinReleased(Document):
    """In how many peerings the pinned certificate was forgotten."""

    time: Time
    peerings: int


class RestartNeeded(Document):
    """A setting that takes effect when the authority is restarted, with its value now and as configured."""

    setting: str
    running: str
    configured: str


class Reloaded(Document):
    """The nodes that run after a reload, and what of the configuration waits for a restart."""

    time: Time
    nodes: tuple[str, ...]
    restart_needed: tuple[RestartNeeded, ...] = ()
