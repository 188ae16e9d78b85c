"""``show peers`` and its views, ``show security key-status``, and the pairs of an HA router."""

from __future__ import annotations

from typing import Literal

from peerkey_cli.schemas.certificates import CertificateInfo
from peerkey_cli.schemas.document import Document, Time


class Path(Document):
    """One path of a peering."""

    name: str
    interface: str
    local: str
    remote: str
    mtu: int
    state: str
    status: Literal["up", "down"]
    reason: str


class Peer(Document):
    """One peering, seen from one node, with its paths."""

    node: str
    peer: str
    peer_uuid: str
    status: Literal["up", "degraded", "down"]
    #: What is wrong with it, and what to do next; empty where nothing is.
    fault: str = ""
    advice: str = ""
    #: How often it is asked whether it is there; ``None``: never, so that it stays ``up`` when it dies.
    probe_interval_seconds: float | None = None
    paths: tuple[Path, ...]


class Peers(Document):
    """``show peers``."""

    time: Time
    peers: tuple[Peer, ...]


class Key(Document):
    """A key by what names it: its place in the ring, its index, its id. Never the key."""

    role: str
    index: int
    key_id: str


class PeerSecurity(Peer):
    """A peering with the state of its certificates and keys."""

    security_status: str
    algorithm: str
    key_index: int | None
    peer_key_index: int | None
    certificate_received: bool
    certificate_acknowledged: bool
    key_received: bool
    key_acknowledged: bool
    keys: tuple[Key, ...]
    certificate_fault: str
    dropped: dict[str, int]


class PeersSecurity(Document):
    """``show peers security``."""

    time: Time
    peers: tuple[PeerSecurity, ...]


class PeerCertificates(Peer):
    """A peering with the certificates of both ends."""

    local_certificate: CertificateInfo | None
    peer_certificate: CertificateInfo | None
    certificate_fault: str


class PeersCertificate(Document):
    """``show peers certificate``."""

    time: Time
    peers: tuple[PeerCertificates, ...]


class HaKey(Document):
    """A key of the mate's that is taken over, by what names it. Never the key."""

    peer: str
    peer_uuid: str
    role: str
    index: int
    key_id: str
    seals: bool


class Ha(Document):
    """What one node of an HA router says of the pair."""

    node: str
    uuid: str
    mate: str
    mate_uuid: str
    role: Literal["Active Leader", "Redundant Peer", "Inactive"]
    term: int
    link: Literal["down", "greeting", "resynchronising", "in-step"]
    link_error: str
    records: int
    replicated: int
    lag: int
    copies: int
    taken_over: bool
    rekey_turn: str
    silent_seconds: float
    keys: tuple[HaKey, ...]


class HaNodes(Document):
    """``GET /v1/ha``: every node here that has a mate."""

    time: Time
    nodes: tuple[Ha, ...]


class PeerKeyStatus(Document):
    """When one peering rekeys."""

    peer: str
    peer_uuid: str
    rekey_index: int | None
    last_rekey: Time | None
    next_rekey: Time | None
    key_change_count: int
    key_change_error: str
    keys: tuple[Key, ...]


class NodeKeyStatus(Document):
    """When one node rekeys: the same over all its peerings, and each of them."""

    node: str
    uuid: str
    key_manager_state: Literal["active", "inactive"]
    rekey_interval_hours: float | None
    rekey_index: int | None
    last_rekey: Time | None
    next_rekey: Time | None
    key_change_count: int
    key_change_error: str
    ha: Ha | None = None
    peers: tuple[PeerKeyStatus, ...]


class KeyStatus(Document):
    """``show security key-status``."""

    time: Time
    nodes: tuple[NodeKeyStatus, ...]
