"""Everything that travels between the hosts of a fleet. What is not listed here is for one host only.

No key is in any of it: what holds one is a :class:`~peerkey.secret.Secret`, which cannot be registered.
"""

from __future__ import annotations

from actors.cluster import foretelling
from actors.cluster import messages as of_the_cluster
from actors.cluster import path_messages as of_paths
from actors.crl import status as of_lists
from actors.ha import messages as of_pairs
from actors.journal import Entry
from actors.messages import (
    AdoptPlans,
    AnnounceThis,
    AnswerFrame,
    AuthenticFrame,
    AuthenticReply,
    CertificateStatus,
    ConfigurePath,
    Drain,
    DrainedNode,
    FetchLists,
    FrameArrived,
    FramesTaken,
    GetFleet,
    GetNodeStatus,
    GetStatus,
    ListsWanted,
    NodePage,
    NodeStatus,
    PathReport,
    PathStarted,
    PathStatus,
    PeerStatus,
    ProbeWanted,
    Rekey,
    ReleasePin,
    Reload,
    RevocationChanged,
    SendFrame,
    SendProbe,
    UseKey,
)
from peerkey.config import plan, reload_plan
from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.errors import Misconfigured, Unavailable
from peerkey.ha.messages import Role
from peerkey.observe import alarms, events, security_stats, shelving
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_subscriptions import Origin
from peerkey.protocol.frame import Frame
from peerkey.protocol.peering import PeeringStatus
from runtime.cluster.codec import Registry
from runtime.info import ActorInfo, ActorState, SystemInfo


def registry() -> Registry:
    """Return a registry of its own, to which a program may add."""
    made = Registry(
        # What operators ask for and order.
        AdoptPlans,
        Drain,
        FetchLists,
        GetFleet,
        GetNodeStatus,
        GetStatus,
        ListsWanted,
        Rekey,
        ReleasePin,
        Reload,
        RevocationChanged,
        of_lists.GetRevocation,
        # What they are told.
        NodePage,
        NodeStatus,
        DrainedNode,
        CertificateStatus,
        PeerStatus,
        PathStatus,
        PeeringStatus,
        of_pairs.HaStatus,
        of_pairs.TakenKey,
        Role,
        of_lists.RevocationStatus,
        of_lists.SourceStatus,
        of_lists.Trouble,
        ListFacts,
        Origin,
        PollState,
        Entry,
        ActorInfo,
        ActorState,
        SystemInfo,
        # What a node and a path in another process say to each other.
        PathStarted,
        FrameArrived,
        ProbeWanted,
        PathReport,
        AnnounceThis,
        UseKey,
        SendFrame,
        AnswerFrame,
        SendProbe,
        AuthenticFrame,
        AuthenticReply,
        FramesTaken,
        ConfigurePath,
        Frame,
        # Errors of which the text is for them.
        ConfigurationFaults,
        Finding,
        Misconfigured,
        Unavailable,
    )
    modules = (
        of_the_cluster,
        of_paths,
        foretelling,
        plan,
        reload_plan,
        alarms,
        security_stats,
        shelving,
    )
    for module in modules:
        made.add_module(module)
    made.add(*(getattr(events, name) for name in events.__all__))
    # No dataclass: a named pair.
    made.add(plan.Endpoint)
    return made
