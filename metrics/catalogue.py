"""Every metric: its name, its labels, what it says, and the command that shows the same to a person.

The catalogue is the truth: the exporter refuses what is not in it, and ``docs/metrics.md`` is held to it by a
test. Labels name nodes and states, never peers, so that a hub with a thousand branches stays cheap to scrape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What may become of a value."""

    #: It goes up and down.
    GAUGE = "gauge"
    #: It only grows, until the process starts again.
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of samples. The name of a counter ends in ``_total``."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    command: str


BUILD_INFO: Final = Metric(
    "peerkey_build_info",
    Kind.GAUGE,
    ("version",),
    "Always 1; the label says which version runs.",
    "--version",
)
UP: Final = Metric(
    "peerkey_up", Kind.GAUGE, (), "1 if the actors answered this scrape, else 0.", "show peers"
)
PEERINGS: Final = Metric(
    "peerkey_peerings", Kind.GAUGE, ("node", "state"), "Peerings by security status.", "show peers security"
)
PATHS: Final = Metric("peerkey_paths", Kind.GAUGE, ("node", "state"), "Paths by state.", "show peers")
KEYS: Final = Metric(
    "peerkey_keys", Kind.GAUGE, ("node", "role"), "Keys in the rings by role.", "show peers security"
)
KEY_CHANGES: Final = Metric(
    "peerkey_key_changes_total",
    Kind.COUNTER,
    ("node",),
    "Keys that came into use, over all starts of the node.",
    "show security key-status",
)
FRAMES_DROPPED: Final = Metric(
    "peerkey_frames_dropped_total",
    Kind.COUNTER,
    ("node", "reason"),
    "Frames of peers that changed nothing, by reason.",
    "show peers security",
)
ALARMS: Final = Metric(
    "peerkey_alarms", Kind.GAUGE, ("node", "severity"), "Alarms that are there now.", "show alarms"
)
CERTIFICATE_EXPIRY: Final = Metric(
    "peerkey_certificate_expiry_timestamp_seconds",
    Kind.GAUGE,
    ("node",),
    "When the node's own certificate ends, in seconds since 1970.",
    "show alarms",
)
CSRS: Final = Metric(
    "peerkey_csr_total",
    Kind.COUNTER,
    ("node", "result"),
    "Certificate signing requests: made (success) or not (failure).",
    "show events",
)
CERTIFICATE_IMPORTS: Final = Metric(
    "peerkey_certificate_import_total",
    Kind.COUNTER,
    ("node", "result"),
    "Imports of a node's certificate: done (success) or refused (failure).",
    "show events",
)
CERTIFICATE_FAULTS: Final = Metric(
    "peerkey_certificate_faults_total",
    Kind.COUNTER,
    ("node", "state"),
    "How often the node's own certificate was found expired, invalid or revoked.",
    "show events",
)
REVOCATION_CHECKS: Final = Metric(
    "peerkey_revocation_checks_total",
    Kind.COUNTER,
    ("node", "result"),
    "Periodic checks of the node's own certificate: revoked, not-revoked or not-checked.",
    "show events",
)
PEER_CERTIFICATE_FAULTS: Final = Metric(
    "peerkey_peer_certificate_faults_total",
    Kind.COUNTER,
    ("node", "state"),
    "How often a peer's certificate was found expired, invalid or revoked.",
    "show events",
)
PEER_AUTHENTICATIONS: Final = Metric(
    "peerkey_peer_authentications_total",
    Kind.COUNTER,
    ("node", "outcome", "reason"),
    "What became of peers' certificates: accepted, refused, went-bad or recovered, and why.",
    "show events",
)
ACTORS: Final = Metric("peerkey_actors", Kind.GAUGE, ("state",), "Actors by state.", "show actors")
ACTOR_CRASHES: Final = Metric(
    "peerkey_actor_crashes_total", Kind.COUNTER, (), "Crashes of actors in this process.", "show actors"
)
DEAD_LETTERS: Final = Metric(
    "peerkey_dead_letters_total", Kind.COUNTER, (), "Messages that nobody could be given.", "show actors"
)

CATALOGUE: Final = (
    BUILD_INFO,
    UP,
    PEERINGS,
    PATHS,
    KEYS,
    KEY_CHANGES,
    FRAMES_DROPPED,
    ALARMS,
    CERTIFICATE_EXPIRY,
    CSRS,
    CERTIFICATE_IMPORTS,
    CERTIFICATE_FAULTS,
    REVOCATION_CHECKS,
    PEER_CERTIFICATE_FAULTS,
    PEER_AUTHENTICATIONS,
    ACTORS,
    ACTOR_CRASHES,
    DEAD_LETTERS,
)
