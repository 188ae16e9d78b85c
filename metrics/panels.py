"""Where the cause of each alert is seen: the board, by its address in Grafana, and the number of the panel.

The rules name it beside the page that tells what to do, so that whoever is woken sees what the alert saw:
who is concerned, and since when or why. A number at the top of a board says neither, and few have no more.
What is on the boards is said in ``boards/``; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLEET: Final = "peerkey-fleet"
_ROUTERS: Final = "peerkey-router"
_PKI: Final = "peerkey-pki"
_ACTORS: Final = "peerkey-actors"

#: The board and the panel of each alert, by its name.
PANELS: Final[Mapping[str, tuple[str, int]]] = {
    "PeerkeyCertificateExpiresSoon": (_PKI, 10),
    "PeerkeyCertificateExpiresVerySoon": (_PKI, 10),
    "PeerkeyCertificateExpired": (_PKI, 10),
    "PeerkeyCertificateBad": (_FLEET, 20),
    "PeerkeyEnrollmentFailing": (_PKI, 18),
    "PeerkeyTrustUnreadable": (_FLEET, 20),
    "PeerkeyApiCertificateExpiresSoon": (_PKI, 12),
    "PeerkeyApiCertificateExpiresVerySoon": (_PKI, 12),
    "PeerkeyClockWrong": (_FLEET, 28),
    "PeerkeyPeeringDown": (_FLEET, 27),
    "PeerkeyPathDown": (_FLEET, 29),
    "PeerkeyPeeringNotKeyed": (_FLEET, 22),
    "PeerkeyNoKeyAgreed": (_FLEET, 29),
    "PeerkeyAuthenticationFailing": (_FLEET, 23),
    "PeerkeyPeerTwice": (_FLEET, 20),
    "PeerkeyRestartNeeded": (_FLEET, 20),
    "PeerkeyDrained": (_FLEET, 20),
    "PeerkeyRekeyOverdue": (_ROUTERS, 13),
    "PeerkeyCrlStale": (_PKI, 30),
    "PeerkeyCrlUnreachable": (_PKI, 30),
    "PeerkeyCrlRefused": (_PKI, 30),
    "PeerkeyCrlLimited": (_PKI, 34),
    "PeerkeyHaMateDown": (_ROUTERS, 30),
    "PeerkeyHaRefused": (_ROUTERS, 30),
    "PeerkeyHaOutOfDate": (_ROUTERS, 32),
    "PeerkeyActorCrashLoop": (_ACTORS, 13),
    "PeerkeyActorFailed": (_ACTORS, 32),
    "PeerkeyNodeNotRunning": (_ACTORS, 31),
    "PeerkeyHostGone": (_ACTORS, 31),
    "PeerkeyClusterLimited": (_ACTORS, 32),
    "PeerkeyStoreFailing": (_ACTORS, 23),
    "PeerkeyMailboxFilling": (_ACTORS, 12),
    "PeerkeyEventLoopSlow": (_ACTORS, 20),
    "PeerkeyAuditLogLosesEvents": (_FLEET, 20),
    "PeerkeyTargetDown": (_FLEET, 24),
    "PeerkeyActorsSilent": (_FLEET, 24),
    "PeerkeyAbsent": (_ACTORS, 1),
    "PeerkeyMetricsLeftOut": (_ACTORS, 8),
    "PeerkeyKeyedBudgetBurnsFast": (_FLEET, 30),
    "PeerkeyKeyedBudgetBurnsSlow": (_FLEET, 30),
    "PeerkeyRekeysLate": (_FLEET, 34),
}


def panel_of(alert: str) -> str | None:
    """Return where an alert's cause is seen, below the address of Grafana, if there is something to see."""
    found = PANELS.get(alert)
    if found is None:
        return None
    board, panel = found
    return f"d/{board}?viewPanel={panel}"
