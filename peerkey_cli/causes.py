"""Why a peering is not as it should be, in two words that labels can have: what it is about, and the reason.

The causes are those of :mod:`peerkey_cli.advice`, in the same order, for who looks at a board instead of a
console: :func:`of_peering` finds one exactly where that one does, but for a node without key management,
which is somebody's decision and no cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from metrics import labels
from metrics.labels import known
from peerkey.pki.faults import CertificateState, Fault
from peerkey.protocol.messages import Reason

if TYPE_CHECKING:
    from actors.messages import NodeStatus, PathStatus, PeerStatus

_IN_SERVICE: Final = "in-service"
#: Why no key is agreed, where that does not pass by itself.
_LASTING: Final = frozenset(
    {
        Reason.ALGORITHM_MISMATCH,
        Reason.UNSUPPORTED_VERSION,
        Reason.WRONG_SENDER,
        Reason.WRONG_RECEIVER,
        Reason.PINNED,
        Reason.CERTIFICATE_INVALID,
    }
)
_FAULTS: Final = frozenset(fault.value for fault in Fault)


def of_peering(node: NodeStatus, peer: PeerStatus) -> tuple[str, str] | None:
    """Return what the cause is about and the reason, or ``None`` where there is no cause."""
    own, security = node.certificate, peer.security
    if not node.enabled or node.drained is not None:
        return None
    if own is None:
        return labels.ABOUT_OWN, labels.MISSING
    if own.state != CertificateState.VALID:
        return labels.ABOUT_OWN, _word(own.detail)
    if security.peer_certificate_fault:
        return labels.ABOUT_PEER, _word(security.peer_certificate_fault)
    down = next((path for path in peer.paths if path.state != _IN_SERVICE), None)
    if down is None:
        return None
    word = security.last_error.partition(":")[0]
    keyed = security.key_index is not None
    if word in _LASTING and not (keyed and word == Reason.ALGORITHM_MISMATCH):
        return labels.ABOUT_KEY, word
    if word in _FAULTS:
        return labels.ABOUT_REFUSED, word
    return labels.ABOUT_PATH, _of_path(down)


def _of_path(path: PathStatus) -> str:
    """Return why a path is out of service."""
    word = path.reason.partition(":")[0]
    if word in _LASTING:
        return word
    return labels.NO_INTERFACE if path.state == "down" else labels.SILENT


def _word(detail: str) -> str:
    """Return the first of the faults that a detail names."""
    return known(detail.partition(":")[0].strip(), labels.CAUSE)
