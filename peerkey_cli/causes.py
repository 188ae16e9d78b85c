"""Why a peering is not as it should be: what it is about, the reason as a word, and all that was told.

Decided here once, for a board that shows the two words and for :mod:`peerkey_cli.advice`, which says what to
do. The cause nearest to the operator counts: this node's own certificate, the peer's, what either end said
when no key could be agreed, and silence in the end. That key management is off is somebody's decision, and
no cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from metrics import labels
from metrics.labels import known
from peerkey.pki.faults import CertificateState, Fault
from peerkey.protocol.messages import LASTING, Reason

if TYPE_CHECKING:
    from actors.messages import NodeStatus, PathStatus, PeerStatus
    from peerkey.protocol.peering import PeeringStatus

_FAULTS: Final = frozenset(fault.value for fault in Fault)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a peering is not as it should be."""

    #: One of the words ``labels.ABOUT_…``, and of :data:`metrics.labels.CAUSE`.
    about: str
    reason: str
    #: As it was told; empty where nothing was.
    detail: str = ""
    #: The path that is out of service, where it is about one.
    path: PathStatus | None = None


def of_peering(node: NodeStatus, peer: PeerStatus) -> Cause | None:
    """Return why a peering of ``node`` is not as it should be, or ``None`` where it is."""
    own, security = node.certificate, peer.security
    if not node.enabled or node.drained is not None:
        return None
    if own is None:
        return Cause(labels.ABOUT_OWN, labels.MISSING)
    if own.state != CertificateState.VALID:
        return Cause(labels.ABOUT_OWN, _word(own.detail), own.detail)
    if fault := security.peer_certificate_fault:
        return Cause(labels.ABOUT_PEER, _word(fault), fault)
    down = next((path for path in peer.paths if not path.serves), None)
    return None if down is None else _of_security(security) or _of_path(down)


def _of_security(security: PeeringStatus) -> Cause | None:
    """Return why no key was agreed; ``None`` where that passes by itself."""
    error = security.last_error
    word = error.partition(":")[0]
    if word == Reason.ALGORITHM_MISMATCH and security.key_index is not None:
        # The key of before stays in use: it is not this that took the paths out of service.
        return None
    if word in LASTING:
        return Cause(labels.ABOUT_KEY, word, error)
    # What is said of a certificate here is what the peer says of this node's.
    return Cause(labels.ABOUT_REFUSED, word, error) if word in _FAULTS else None


def _of_path(path: PathStatus) -> Cause:
    word = path.reason.partition(":")[0]
    if word not in LASTING:
        word = labels.NO_INTERFACE if path.state == "down" else labels.SILENT
    return Cause(labels.ABOUT_PATH, word, path.reason, path)


def _word(detail: str) -> str:
    """Return the first of the faults that a detail names."""
    return known(detail.partition(":")[0].strip(), labels.CAUSE)
