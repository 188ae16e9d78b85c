"""What ``show peers security`` tells, a row for each path: a fleet in blocks would fill ten screens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey_cli.terminal import table

if TYPE_CHECKING:
    from peerkey_cli import schemas

_TITLES = (
    "Node",
    "Peer",
    "Network Interface",
    "Destination",
    "Status",
    "Security Status",
    "Key Index",
    "Peer Ki",
    "Cert Rec",
    "Cert Ack",
    "Key Rec",
    "Key Ack",
)


def peers_security(document: schemas.PeersSecurity, colours: bool) -> list[str]:
    """Return the table."""
    rows = [
        (
            peer.node,
            peer.peer,
            path.interface,
            path.remote,
            path.status,
            peer.security_status,
            peer.key_index,
            peer.peer_key_index,
            peer.certificate_received,
            peer.certificate_acknowledged,
            peer.key_received,
            peer.key_acknowledged,
        )
        for peer in document.peers
        for path in peer.paths
    ]
    return table(_TITLES, rows, colours=colours)
