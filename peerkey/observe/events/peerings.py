"""What happens between a node and its peers: certificates judged, keys agreed and erased, paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peerkey.observe.events.event import Event


@dataclass(frozen=True, slots=True)
class PeerCertificateAccepted(Event):
    """A peer's certificate was announced, checked and is in force."""

    TYPE: ClassVar = "system.peer_certificate_validation"
    TITLE: ClassVar = "Validated a peer certificate."

    peer: str
    fingerprint: str
    validated: bool
    pinned: bool

    @property
    def reason(self) -> str:
        """By which right it was accepted: ``validated``, ``pinned`` or ``unvalidated``."""
        return "validated" if self.validated else "pinned" if self.pinned else "unvalidated"

    def description(self) -> str:
        """Say how far the certificate was checked."""
        how = "validated" if self.validated else "not validated, pinned" if self.pinned else "not validated"
        return f"Certificate of peer {self.peer} accepted ({how})"


@dataclass(frozen=True, slots=True)
class PeerCertificateRefused(Event):
    """A newly announced certificate was refused; an earlier one, if there is one, stays in force."""

    TYPE: ClassVar = "system.peer_certificate_validation"
    TITLE: ClassVar = "Refused a peer certificate."

    peer: str
    fingerprint: str
    state: str
    reason: str
    detail_text: str

    def description(self) -> str:
        """Give the reason in words."""
        return f"Certificate of peer {self.peer} refused: {self.reason} - {self.detail_text}"


@dataclass(frozen=True, slots=True)
class PeerCertificateWentBad(Event):
    """A certificate that was accepted has expired, was revoked or is no longer valid."""

    TYPE: ClassVar = "system.peer_certificate_validation"
    TITLE: ClassVar = "A peer certificate is no longer valid."

    peer: str
    fingerprint: str
    state: str
    reason: str
    detail_text: str
    behavior: str

    def description(self) -> str:
        """Say what is wrong and what was done about it."""
        return f"Certificate of peer {self.peer} is {self.state} - {self.detail_text} ({self.behavior})"


@dataclass(frozen=True, slots=True)
class PeerCertificateRecovered(Event):
    """A certificate that had gone bad is good again."""

    TYPE: ClassVar = "system.peer_certificate_validation"
    TITLE: ClassVar = "A peer certificate is valid again."

    peer: str
    fingerprint: str

    def description(self) -> str:
        """Say so."""
        return f"Certificate of peer {self.peer} is valid again"


@dataclass(frozen=True, slots=True)
class PeeringFailed(Event):
    """Something keeps a peering from being keyed. Told once for each cause, not once for each frame."""

    TYPE: ClassVar = "peering.failed"
    TITLE: ClassVar = "Peering failed to establish."

    peer: str
    reason: str
    detail_text: str
    #: ``local``: noticed here. ``peer``: the peer said so, with proof. ``hint``: somebody said so, without.
    told_by: str
    #: Versions of the protocol: that in which the peer has sent, where it is another, and that of this node.
    peer_version: int | None = None
    own_version: int | None = None

    def description(self) -> str:
        """Give the cause and who found it."""
        told = {"local": "", "peer": " (told by the peer)", "hint": " (told without proof)"}[self.told_by]
        return f"Peering with {self.peer} failed: {self.reason} - {self.detail_text}{told}"

    def detail(self) -> dict[str, object]:
        """Leave versions out where they are not the cause."""
        return {name: value for name, value in Event.detail(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class PeerIdentityShared(Event):
    """Two nodes have one peer's identity, or one goes to and fro between two stores. Told once an hour."""

    TYPE: ClassVar = "peer.identity_shared"
    TITLE: ClassVar = "A peer's identity is that of two nodes."

    peer: str

    def description(self) -> str:
        """Say what was seen."""
        return f"Peer {self.peer} has a key again that it had lost: two nodes run with its certificate"


@dataclass(frozen=True, slots=True)
class KeyAccepted(Event):
    """A new key was agreed and both ends can open with it."""

    TYPE: ClassVar = "key.accepted"
    TITLE: ClassVar = "Accepted a peer key."

    peer: str
    index: int
    key_id: str
    algorithm: str

    def description(self) -> str:
        """Name the key."""
        return f"Key {self.index} with peer {self.peer} accepted ({self.algorithm})"


@dataclass(frozen=True, slots=True)
class KeyActivated(Event):
    """A key became current: this side seals with it from now on."""

    TYPE: ClassVar = "key.activated"
    TITLE: ClassVar = "Activated a peer key."

    peer: str
    index: int
    key_id: str

    def description(self) -> str:
        """Name the key."""
        return f"Key {self.index} with peer {self.peer} is in use"


@dataclass(frozen=True, slots=True)
class KeyErased(Event):
    """A replaced key was erased: nothing sealed with it can be opened here any more."""

    TYPE: ClassVar = "key.erased"
    TITLE: ClassVar = "Erased a peer key."

    peer: str
    index: int
    key_id: str
    reason: str

    def description(self) -> str:
        """Name the key and the reason."""
        return f"Key {self.index} with peer {self.peer} erased: {self.reason}"


@dataclass(frozen=True, slots=True)
class PeeringRemoved(Event):
    """A peering was removed with its keys, here or by the peer."""

    TYPE: ClassVar = "peering.removed"
    TITLE: ClassVar = "Removed a peering."

    peer: str
    reason: str
    by_peer: bool

    def description(self) -> str:
        """Say who removed it and why."""
        return f"Peering with {self.peer} removed{' by the peer' if self.by_peer else ''}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PathInService(Event):
    """A path entered service."""

    TYPE: ClassVar = "path.up"
    TITLE: ClassVar = "Peer path is in service."

    peer: str
    path: str

    def description(self) -> str:
        """Name the path."""
        return f"Path {self.path} to peer {self.peer} is in service"


@dataclass(frozen=True, slots=True)
class PathOutOfService(Event):
    """A path left service."""

    TYPE: ClassVar = "path.down"
    TITLE: ClassVar = "Peer path is out of service."

    peer: str
    path: str
    reason: str

    def description(self) -> str:
        """Name the path and the reason."""
        return f"Path {self.path} to peer {self.peer} is out of service: {self.reason}"
