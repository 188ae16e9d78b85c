"""Every metric: its name, its labels, what it says, and the command that shows the same to a person.

The catalogue is the truth: the exporter refuses what is not in it, and ``docs/metrics.md`` is held to it by a
test. Labels name nodes, states and addresses of revocation lists, never peers, so that a hub with a thousand
branches stays cheap to scrape.
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
    "show stats security CSR",
)
CERTIFICATE_IMPORTS: Final = Metric(
    "peerkey_certificate_import_total",
    Kind.COUNTER,
    ("node", "result"),
    "Imports of a node's certificate: done (success) or refused (failure).",
    "show stats security certificate import",
)
CERTIFICATE_FAULTS: Final = Metric(
    "peerkey_certificate_faults_total",
    Kind.COUNTER,
    ("node", "state"),
    "How often the node's own certificate was found expired, invalid or revoked.",
    "show stats security certificate",
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
    "show stats security peer certificate",
)
CRL_FETCHES: Final = Metric(
    "peerkey_crl_fetch_total",
    Kind.COUNTER,
    ("node", "result"),
    "Revocation lists that were asked for: there, or unchanged (success), or not (failure).",
    "show stats security CRL fetch",
)
CRL_INGESTIONS: Final = Metric(
    "peerkey_crl_ingestion_total",
    Kind.COUNTER,
    ("node", "result"),
    "Revocation lists that were fetched: in use (success), or refused (failure).",
    "show stats security CRL ingestion",
)
CRL_ENTRIES: Final = Metric(
    "peerkey_crl_entries",
    Kind.GAUGE,
    ("url",),
    "Entries of the last good list of an address.",
    "show certificate crl",
)
CRL_AGE: Final = Metric(
    "peerkey_crl_age_seconds",
    Kind.GAUGE,
    ("url",),
    "Time since the list of an address was fetched, or found unchanged.",
    "show certificate crl",
)
CRL_NEXT_UPDATE: Final = Metric(
    "peerkey_crl_next_update_timestamp_seconds",
    Kind.GAUGE,
    ("url",),
    "When the list of an address is to be replaced, in seconds since 1970.",
    "show certificate crl",
)
REVOKED: Final = Metric(
    "peerkey_revoked_certificates",
    Kind.GAUGE,
    (),
    "Entries of the master list: certificates that any list says are revoked.",
    "show certificate crl",
)
PEER_AUTHENTICATIONS: Final = Metric(
    "peerkey_peer_authentications_total",
    Kind.COUNTER,
    ("node", "outcome", "reason"),
    "What became of peers' certificates: accepted, refused, went-bad or recovered, and why.",
    "show events",
)
HA_LINK_UP: Final = Metric(
    "peerkey_ha_link_up",
    Kind.GAUGE,
    ("node",),
    "1 where the mate has greeted and is heard, else 0.",
    "show security key-status",
)
HA_LEADER: Final = Metric(
    "peerkey_ha_leader",
    Kind.GAUGE,
    ("node",),
    "1 where the node leads its router, else 0.",
    "show security key-status",
)
HA_RECORDS: Final = Metric(
    "peerkey_ha_records",
    Kind.GAUGE,
    ("node", "state"),
    "Key records of the node: replicated or lagging; and copies of its mate's.",
    "show security key-status",
)
HA_TAKEN_OVER: Final = Metric(
    "peerkey_ha_taken_over",
    Kind.GAUGE,
    ("node",),
    "1 while the node seals with its mate's keys, else 0.",
    "show security key-status",
)
HA_LINKS: Final = Metric(
    "peerkey_ha_links_total",
    Kind.COUNTER,
    ("node", "result"),
    "What became of links to the mate: up, down or refused.",
    "show events",
)
HA_TAKEOVERS: Final = Metric(
    "peerkey_ha_takeovers_total",
    Kind.COUNTER,
    ("node", "result"),
    "The mate's keys: taken-over and released.",
    "show events",
)
HA_KEYS_NOT_REPLICATED: Final = Metric(
    "peerkey_ha_keys_not_replicated_total",
    Kind.COUNTER,
    ("node", "result"),
    "Keys that came into use before the mate held them (result is used).",
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
    CRL_FETCHES,
    CRL_INGESTIONS,
    CRL_ENTRIES,
    CRL_AGE,
    CRL_NEXT_UPDATE,
    REVOKED,
    PEER_AUTHENTICATIONS,
    HA_LINK_UP,
    HA_LEADER,
    HA_RECORDS,
    HA_TAKEN_OVER,
    HA_LINKS,
    HA_TAKEOVERS,
    HA_KEYS_NOT_REPLICATED,
    ACTORS,
    ACTOR_CRASHES,
    DEAD_LETTERS,
)
