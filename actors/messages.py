"""What the actors say to each other. Frozen values: frames are signed bytes, and no key is among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from actors.ha.messages import HaStatus
from peerkey.config.plan import NodePlan, PathPlan, Policy
from peerkey.observe.alarms import Alarm
from peerkey.protocol.frame import Frame
from peerkey.protocol.peering import PeeringStatus
from runtime.message import Ask

# --- From a path to its node -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathStarted:
    """A path has started, or restarted, and wants to know what to announce and which key is in use."""

    peer: UUID
    path: str


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """A frame of the configured peer came by a path."""

    peer: UUID
    path: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class ProbeWanted:
    """A path wants a PROBE to send."""

    peer: UUID
    path: str


@dataclass(frozen=True, slots=True)
class PathReport:
    """The state of a path, told whenever it changes."""

    peer: UUID
    path: str
    state: str
    reason: str
    local: str
    remote: str
    mtu: int


# --- From a node to a path ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnnounceThis:
    """Repeat this CERTIFICATE, or none."""

    frame: Frame | None


@dataclass(frozen=True, slots=True)
class UseKey:
    """This is the index of the key in use, and whether the peer's is still to be asked for."""

    index: int | None
    probing: bool


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send a frame that goes out on every path."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """Send a frame that answers one which came by this path."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Send a PROBE and expect its nonce back."""

    frame: Frame
    nonce: bytes


@dataclass(frozen=True, slots=True)
class AuthenticFrame:
    """An authentic frame came by the path."""


@dataclass(frozen=True, slots=True)
class AuthenticReply:
    """An authentic PROBE_REPLY came by the path."""

    nonce: bytes
    index: int


@dataclass(frozen=True, slots=True)
class FramesTaken:
    """So many frames of the path have been taken in all. Told to a path that is in another process."""

    total: int


@dataclass(frozen=True, slots=True)
class ConfigurePath:
    """Take up a changed configuration."""

    plan: PathPlan
    policy: Policy
    enabled: bool


# --- From the renewal of a certificate to the authority ------------------------------------------------


@dataclass(frozen=True, slots=True)
class CertificateRenewed:
    """The certificate of the node has been replaced: it is to be read again."""

    node: str


@dataclass(frozen=True, slots=True)
class RenewalFault:
    """Why the certificate of the node cannot be renewed; empty where nothing is wrong any more."""

    node: str
    fault: str


# --- From outside ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configure:
    """Take up this plan and read certificates and trust again."""

    plan: NodePlan


@dataclass(frozen=True, slots=True)
class RevocationChanged:
    """Other certificates are known to be revoked than before: look at the generation of the revocations.

    It says neither what has changed nor how often. A node that misses it looks within a minute anyway.
    """


@dataclass(frozen=True, slots=True)
class CertificatesSeen:
    """These verified chains are in use, leaf first in DER: a node's own, and those of its peers."""

    chains: frozenset[tuple[bytes, ...]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShowCertificates:
    """Tell once more which verified chains are in use: whoever had been told is not there any more."""


@dataclass(frozen=True, slots=True)
class FetchLists:
    """An operator orders that every revocation list be fetched again, and the configuration looked at."""


@dataclass(frozen=True, slots=True)
class ListsWanted:
    """A node checks its own certificate for revocation, and wants the lists to be fetched again.

    It has judged by what is known already and does not wait: ``RevocationChanged`` tells of news.
    """

    #: ``router/node``.
    node: str
    #: What it shows to its peers, leaf first, in DER; empty where it has no certificate.
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Rekey(Ask[int]):
    """Agree new keys now, with every peer or with the named one. Answered with the number of peerings."""

    peer: str | None = None


@dataclass(frozen=True, slots=True)
class ReleasePin(Ask[int]):
    """Forget the pinned certificate of the named peer: the next one that it shows is taken.

    ``peer`` is as in :class:`Rekey`. Answered with the number of peerings that have a peer of that name.
    """

    peer: str


@dataclass(frozen=True, slots=True)
class Drain(Ask["tuple[DrainedNode, ...]"]):
    """Take every node out of work, or the one of that name; or back into it. Answered at once: see there."""

    #: ``router/node`` or a UUID.
    node: str | None = None
    undo: bool = False


@dataclass(frozen=True, slots=True)
class DrainedNode:
    """How far a node is out of work."""

    node: str
    #: ``in-service``, ``draining`` or ``drained``.
    state: str
    #: Since when an operator wants it; empty while nobody does.
    since: str = ""
    #: How it left; empty while it has not.
    how: str = ""


@dataclass(frozen=True, slots=True)
class GetStatus(Ask["NodeStatus"]):
    """Ask a node what an operator should see."""


@dataclass(frozen=True, slots=True)
class GetFleet(Ask["tuple[NodeStatus, ...]"]):
    """Ask the authority for the status of every node."""


@dataclass(frozen=True, slots=True)
class Reload(Ask["tuple[str, ...]"]):
    """Read the configuration and the certificates again. Answered with the names of the nodes concerned."""


@dataclass(frozen=True, slots=True)
class GetPlans(Ask["tuple[NodePlan, ...]"]):
    """Ask the authority what its nodes are to do now, in the order of the configuration."""


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What an operator is shown of one path."""

    name: str
    state: str
    reason: str
    local: str
    remote: str
    mtu: int

    @property
    def serves(self) -> bool:
        """Whether it is in service."""
        return self.state == "in-service"


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What an operator is shown of one peer."""

    peer: str
    uuid: str
    security: PeeringStatus
    paths: tuple[PathStatus, ...]
    #: Frames that changed nothing, by reason.
    dropped: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What an operator is shown of a node's own certificate."""

    subject: str
    issuer: str
    not_before: str
    not_after: str
    fingerprint: str
    state: str
    detail: str
    #: What is announced, leaf first, in DER.
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What an operator is shown of one node."""

    node: str
    uuid: str
    enabled: bool
    certificate: CertificateStatus | None
    peers: tuple[PeerStatus, ...]
    alarms: tuple[Alarm, ...]
    rekey_interval_hours: float | None
    #: How often peers are asked whether they are there; ``None``: never.
    probe_interval_seconds: float | None = None
    #: ``None`` where the node has no mate.
    ha: HaStatus | None = None
    #: ``None`` where nobody has drained it.
    drained: DrainedNode | None = None


@dataclass(frozen=True, slots=True)
class NodePage:
    """A page of the status of one node: some of its peers and alarms, so that it travels between hosts."""

    status: NodeStatus
    #: Where the next page begins; ``None``: this is the last one.
    following: int | None


@dataclass(frozen=True, slots=True)
class GetNodeStatus(Ask[NodePage]):
    """Ask the authority for the status of one node, from one of its peers or alarms on.

    Fails with :class:`~runtime.errors.Undeliverable` where no node of that name is to run there.
    :func:`actors.cluster.asking.node_status` puts the pages together.
    """

    #: ``router/node``.
    node: str
    first: int = 0


@dataclass(frozen=True, slots=True)
class AdoptPlans(Ask["tuple[str, ...]"]):
    """Take up what has changed in the plans, and nothing else. Answered with the nodes that had changed.

    Unlike :class:`Reload` it leaves nodes alone whose plan is the same, and fetches no list.
    """
