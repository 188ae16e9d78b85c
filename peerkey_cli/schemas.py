"""The documents: what the admin API answers and what ``--json`` prints, which is the same.

Their keys are a contract, described in ``docs/console.md``. Every document says when it was made; every
time is in UTC, as ISO 8601 with a final ``Z``. :mod:`peerkey_cli.documents` makes them from what actors say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from peerkey.observe.shelving import LONGEST, REASON_CHARACTERS

#: No name of a configuration is longer, a router's and a node's together.
MAXIMUM_NAME_CHARACTERS: Final = 512
#: As :mod:`peerkey.observe.shelving` has them.
MAXIMUM_SHELVING_SECONDS: Final = int(LONGEST.total_seconds())
MAXIMUM_REASON_CHARACTERS: Final = REASON_CHARACTERS


def iso(time: datetime) -> str:
    """Return a time as every document writes it: ``2030-06-15T12:00:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Document(BaseModel):
    """What all documents have in common: they do not change, and hold nothing that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class PrivateKeyCreated(Document):
    """``create private-key``."""

    time: Time
    name: str
    store: Literal["file", "pkcs11", "tpm"]
    algorithm: str
    fingerprint: str
    replaced: bool
    node: str
    node_uuid: str


class HaKeyCreated(Document):
    """``create ha-key``."""

    time: Time
    file: str
    public_key: str
    fingerprint: str
    replaced: bool
    node: str
    node_uuid: str


class PrivateKeyDeleted(Document):
    """``delete private-key``."""

    time: Time
    name: str
    fingerprint: str
    node: str
    node_uuid: str


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


class CertificateInfo(Document):
    """One certificate in its fields; ``text`` is what OpenSSL would print, where that was asked for."""

    subject: str
    issuer: str
    serial: str
    not_before: Time
    not_after: Time
    key: str
    signature_algorithm: str
    alternative_names: tuple[str, ...]
    purposes: tuple[str, ...]
    crl_urls: tuple[str, ...]
    fingerprint_sha1: str
    fingerprint_sha256: str
    pem: str
    text: tuple[str, ...] = ()


class NodeCertificates(Document):
    """What one node shows to its peers, leaf first, and whether it may."""

    node: str
    uuid: str
    state: Literal["valid", "expired", "revoked", "invalid", "missing"]
    detail: str
    #: What to do next; empty where nothing is to be done.
    advice: str = ""
    certificates: tuple[CertificateInfo, ...]


class Certificates(Document):
    """``show certificate``."""

    time: Time
    nodes: tuple[NodeCertificates, ...]


class RevocationListInfo(Document):
    """One address of revocation lists, and the newest list of it that counts."""

    url: str
    origin: Literal["configured", "certificate", "list"]
    state: Literal["waiting", "current", "stale", "unreachable", "refused"]
    issuer: str
    number: int | None
    #: Of a delta: the number of the list that it builds on.
    base: int | None
    this_update: Time | None
    next_update: Time | None
    entries: int
    size: int
    #: When it was fetched, and when it was last fetched or found unchanged.
    fetched: Time | None
    confirmed: Time | None
    age_seconds: float | None
    polling: Literal["waiting", "fetching", "retrying"]
    next_poll: Time | None
    last_error: str
    #: What to do next; empty where nothing is to be done.
    advice: str = ""


class RevocationLists(Document):
    """``show certificate crl``."""

    time: Time
    #: Of the master list: it grows with each change.
    generation: int
    #: Certificates that any list says are revoked.
    revoked: int
    sources: tuple[RevocationListInfo, ...]


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


class Alarm(Document):
    """One thing that is wrong now."""

    id: str
    time: Time
    severity: Literal["critical", "major", "minor"]
    node: str
    source: str
    category: str
    process: str
    message: str
    #: Its page in ``docs/alarms.md``.
    type: str
    #: How often it was raised within the last day.
    times: int = 1
    #: Whether its cause is there at this moment; where not, it comes and goes.
    present: bool = True
    shelved_until: Time | None = None


class Alarms(Document):
    """``show alarms``."""

    time: Time
    alarms: tuple[Alarm, ...]
    #: How many are there and not listed, because they are shelved.
    shelved: int = 0


class ClearedAlarm(Document):
    """One thing that was wrong."""

    id: str
    time: Time
    severity: Literal["critical", "major", "minor"]
    node: str
    source: str
    category: str
    process: str
    message: str
    type: str
    times: int
    cleared: Time
    lasted_seconds: float


class ClearedAlarms(Document):
    """``show alarms --cleared``."""

    time: Time
    alarms: tuple[ClearedAlarm, ...]


class Shelving(Document):
    """What is shelved: one alarm by its id, or a type of alarms, of one node or (empty) of all."""

    alarm: str
    type: str
    node: str
    since: Time
    until: Time
    by: str
    reason: str
    #: Those that are there under it.
    alarms: tuple[Alarm, ...]


class Shelvings(Document):
    """``show alarms --shelved``."""

    time: Time
    shelvings: tuple[Shelving, ...]


class ShelveRequest(Document):
    """What is to be shelved: an ``alarm``, or a ``type``, of one ``node`` if that is given."""

    alarm: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    seconds: Annotated[int, Field(ge=1, le=MAXIMUM_SHELVING_SECONDS)]
    reason: Annotated[str, Field(min_length=1, max_length=MAXIMUM_REASON_CHARACTERS)]


class UnshelveRequest(Document):
    """What is to be shelved no more, named as it was shelved."""

    alarm: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None
    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)] | None = None


class Shelved(Document):
    """``shelve alarm``."""

    time: Time
    until: Time
    #: How many alarms are there under it.
    alarms: int


class Unshelved(Document):
    """``unshelve alarm``."""

    time: Time


class Event(Document):
    """One audit event."""

    time: Time
    type: str
    node: str
    title: str
    description: str
    detail: dict[str, object]
    permitted: bool


class Events(Document):
    """``show events``."""

    time: Time
    events: tuple[Event, ...]
    #: ``log``: from the files of the audit log. ``memory``: what the processes of the system remember.
    source: Literal["log", "memory"] = "memory"
    #: The cursor of those before these; ``null`` where there are none.
    older: str | None = None


class AlarmExplained(Document):
    """``show alarms id ID``: the one alarm, what it means, and what to do."""

    time: Time
    alarms: tuple[Alarm, ...]
    means: str
    todo: tuple[str, ...]
    #: Where that is written in the documents.
    page: str
    #: When it was raised within the last day, oldest first.
    raised: tuple[Time, ...]
    shelving: Shelving | None
    #: The latest that belong to it, oldest first.
    events: tuple[Event, ...]


class NodeCount(Document):
    """How much of a counter is one node's."""

    node: str
    value: int


class SecurityCounter(Document):
    """One of the security statistics, by its exact words."""

    counter: str
    value: int
    #: Those that have counted anything. Lists are fetched for all nodes of a process: theirs is `authority`.
    nodes: tuple[NodeCount, ...]


class SecurityStats(Document):
    """``show stats security``."""

    time: Time
    #: When counting began: the first event, or when the statistics were cleared last. ``None``: never yet.
    since: Time | None
    #: Whether every host of a cluster has answered.
    complete: bool
    counters: tuple[SecurityCounter, ...]


class StatsCleared(Document):
    """``clear stats``."""

    time: Time


class ChainFault(Document):
    """The first line of an audit log that does not fit, or an end that is missing."""

    file: str
    #: From 1; ``None`` where it is what is missing.
    line: int | None
    sequence: int | None
    reason: str


class AuditLogInfo(Document):
    """One audit log: its files, where it begins and ends, and what is wrong with it."""

    file: str
    files: int
    lines: int
    first: int | None
    #: ``SEQUENCE:HASH`` of the last good line; empty where there is none.
    head: str
    fault: ChainFault | None
    remarks: tuple[str, ...]


class AuditVerified(Document):
    """``events verify``."""

    time: Time
    valid: bool
    logs: tuple[AuditLogInfo, ...]


class Actor(Document):
    """One actor."""

    name: str
    kind: str
    #: ``local``, or a host of a cluster.
    host: str
    process: str
    machine: str
    state: str
    restarts: int
    last_error: str | None
    mailbox_depth: int
    mailbox_highest: int
    mailbox_capacity: int
    #: Messages that it was given and that were no refusals, since it was first started.
    taken: int


class Actors(Document):
    """``show actors``."""

    time: Time
    actors: tuple[Actor, ...]
    dead_letters: int
    crashes: int


class Host(Document):
    """One host: a process that runs router nodes, or a path."""

    host: str
    machine: str
    #: ``None`` before it has ever answered.
    process: str | None
    answers: bool
    #: For how long it has answered, or has not.
    since_seconds: float
    restarts: int
    nodes: int
    #: Paths, where each of these has a host of its own.
    paths: int
    #: Whether it runs everything that it should.
    complete: bool
    fault: str
    #: Whether an operator has moved its nodes away.
    drained: bool = False


class Unplaced(Document):
    """A node, or a path with a place of its own, that runs nowhere, and why."""

    node: str
    why: str


class Hosts(Document):
    """``show hosts``."""

    time: Time
    placement: str
    machines: tuple[str, ...]
    hosts: tuple[Host, ...]
    #: Nodes that have a place, and paths that have one of their own.
    nodes: int
    paths: int
    unplaced: tuple[Unplaced, ...]
    #: Whether every host answers and runs everything that it should.
    complete: bool


class ScrapeTarget(Document):
    """Where Prometheus finds the metrics of one machine."""

    machine: str
    #: ``HOST:PORT``.
    address: str


class Targets(Document):
    """``show targets``."""

    time: Time
    targets: tuple[ScrapeTarget, ...]


class Enrolled(Document):
    """What became of an enrolment that succeeded."""

    time: Time
    node: str
    name: str
    server: str
    operation: Literal["simpleenroll", "simplereenroll"]
    file: str
    certificates: int
    not_after: Time
    fingerprint: str
    reloaded: bool


class OfferedCa(Document):
    """One certificate that a CA offers, and whether this configuration trusts it."""

    subject: str
    issuer: str
    not_after: Time
    fingerprint_sha256: str
    trusted: bool


class OfferedCas(Document):
    """``enroll --cacerts``."""

    time: Time
    server: str
    file: str
    offered: tuple[OfferedCa, ...]


class Health(Document):
    """Whether the system answers, and which one it is."""

    time: Time
    status: Literal["ok"]
    version: str
    process: str
    since: Time
    nodes: int


class RekeyRequest(Document):
    """Whom to agree a new key with: a router, ``router/node``, or a UUID; everybody where none is named."""

    peer: Annotated[str | None, Field(max_length=MAXIMUM_NAME_CHARACTERS)] = None


class Rekeyed(Document):
    """With how many peerings a new key is being agreed."""

    time: Time
    peerings: int


class DrainRequest(Document):
    """Which node to take out of work, by ``router/node`` or UUID, or every one; or back into it."""

    node: Annotated[str | None, Field(max_length=MAXIMUM_NAME_CHARACTERS)] = None
    undo: bool = False


class HostDrainRequest(Document):
    """Which host or machine of the cluster to move all nodes off; or to let them come again."""

    host: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    undo: bool = False


class HostsDrained(Document):
    """Which hosts and machines of the cluster are drained."""

    time: Time
    drained: tuple[str, ...]


class Drained(Document):
    """How far a node is out of work."""

    node: str
    state: Literal["in-service", "draining", "drained"]
    since: Time | None
    how: str


class Drains(Document):
    """``GET /v1/drain``, and what an order comes to: nodes, and how far each is out of work."""

    time: Time
    nodes: tuple[Drained, ...]


class PinRequest(Document):
    """Whose pinned certificate to forget: a router, ``router/node``, or a UUID."""

    peer: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]


class PinReleased(Document):
    """In how many peerings the pinned certificate was forgotten."""

    time: Time
    peerings: int


class RestartNeeded(Document):
    """A setting that takes effect when the authority is restarted, with its value now and as configured."""

    setting: str
    running: str
    configured: str


class Reloaded(Document):
    """The nodes that run after a reload, and what of the configuration waits for a restart."""

    time: Time
    nodes: tuple[str, ...]
    restart_needed: tuple[RestartNeeded, ...] = ()


class Imported(Document):
    """A certificate that was put in the place of the old one."""

    time: Time
    node: str
    name: str
    file: str
    certificates: int
    left_out: int
    not_after: Time
    fingerprint: str
    remarks: tuple[str, ...]
    reloaded: bool


class Ready(Document):
    """Every node that should runs."""

    time: Time
    nodes: int


class PrivateKeyInfo(Document):
    """A private key of a node, by everything but the key."""

    time: Time
    node: str
    node_uuid: str
    #: Of the certificate that it is for.
    name: str
    #: Whether the node uses it.
    configured: bool
    store: Literal["file", "pkcs11", "tpm"]
    algorithm: str
    fingerprint: str
    public_key: str


class StoredCertificate(Document):
    """A certificate of a node, leaf first."""

    time: Time
    node: str
    name: str
    configured: bool
    certificates: tuple[CertificateInfo, ...]


class CertificateDeleted(Document):
    """A certificate of a node that was removed."""

    time: Time
    node: str
    name: str
    fingerprint: str
    reloaded: bool


class TrustedCaSource(Document):
    """Trusted CAs by what the configuration calls them; without ``file`` their text stands there."""

    name: str
    file: str | None
    certificates: tuple[CertificateInfo, ...]


class TrustedCas(Document):
    """Whom a node trusts."""

    time: Time
    node: str
    trusted: tuple[TrustedCaSource, ...]


class TrustedCasChanged(Document):
    """CAs that a node trusts from now on, or no more."""

    time: Time
    node: str
    name: str
    certificates: tuple[CertificateInfo, ...]
    reloaded: bool


class EnrollmentInfo(Document):
    """The latest enrolment of a node, and how far it is."""

    time: Time
    node: str
    name: str
    state: Literal["preparing", "asking", "waiting", "installing", "done", "failed", "cancelled"]
    server: str
    #: Empty before it is known.
    operation: Literal["", "simpleenroll", "simplereenroll"]
    started: Time
    ended: Time | None
    #: When the CA is asked again, where it has not decided.
    retry_at: Time | None
    reason: str
    not_after: Time | None
    fingerprint: str
    reloaded: bool


class ApiToken(Document):
    """A token by what is known of it here, which is not the token."""

    name: str
    role: Literal["read", "write"]
    #: When it was made, as its line says; empty where it does not.
    made: str


class ApiTokens(Document):
    """Every token that counts at this door."""

    time: Time
    tokens: tuple[ApiToken, ...]


class ApiTokenRevoked(Document):
    """A token that counts no more."""

    time: Time
    name: str


class SigningRequest(Document):
    """A certificate signing request, in PEM."""

    csr: str


class BackupNode(Document):
    """A node that is in a backup."""

    node: str
    uuid: str


class BackupFile(Document):
    """A file that is in a backup."""

    #: Where a restore puts it, below the state directory.
    place: str
    bytes: int


class BackupShown(Document):
    """What is in a backup."""

    file: str
    made: Time
    software: str
    machine: str
    bytes: int
    nodes: tuple[BackupNode, ...]
    #: Of peerings, and of the pairs of HA routers.
    records: int
    files: tuple[BackupFile, ...]
    #: Private keys that stay in a token or a TPM, and are needed where this is restored.
    in_hardware: tuple[str, ...]
    audit_head: str | None


class BackupOutside(Document):
    """A file that was outside the state directory when the backup was made."""

    now: str
    was: str


class BackupRestored(Document):
    """What was restored."""

    time: Time
    state: str
    made: Time
    machine: str
    nodes: tuple[str, ...]
    #: Where the state of before is now.
    set_aside: str | None
    outside: tuple[BackupOutside, ...]
    #: Where the audit log of the backup is, if another one was there.
    other_log: str | None
    in_hardware: tuple[str, ...]


class AuditRequest(Document):
    """An event of a command that acted on the files of a node of this system."""

    node: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    type: Annotated[str, Field(max_length=MAXIMUM_NAME_CHARACTERS)]
    fields: dict[str, str | int | tuple[str, ...]]


class Recorded(Document):
    """When an event was recorded."""

    time: Time


class Fault(Document):
    """One fault of a configuration."""

    source: str
    line: int
    column: int
    path: str
    message: str


class Problem(Document):
    """Why a request was not carried out: a problem of RFC 9457, and what is said of it here.

    ``error`` is ``detail``, under the name that it had before; ``faults`` are those of a configuration.
    """

    #: Nothing is told by an address: the status and the text say it.
    type: Literal["about:blank"] = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    error: str
    faults: tuple[Fault, ...] = ()


class Verified(Document):
    """``pki verify``."""

    time: Time
    at: Time
    valid: bool
    state: Literal["valid", "expired", "revoked", "invalid"]
    reasons: tuple[str, ...]
    path: tuple[str, ...]
    remarks: tuple[str, ...]


ListState = Literal["current", "stale", "not-yet"]


class RevokedInfo(Document):
    """One entry of a revocation list; ``issuer`` where it is another than that of the list."""

    serial: str
    since: Time
    reason: str | None
    issuer: str | None


class CrlInfo(Document):
    """What one revocation list says."""

    issuer: str
    number: int | None
    delta_base: int | None
    this_update: Time
    next_update: Time | None
    state: ListState
    signature_algorithm: str
    signature: str
    unknown_extension: str | None
    indirect: bool
    total_entries: int
    entries: tuple[RevokedInfo, ...]


class Crls(Document):
    """``pki crl``."""

    time: Time
    file: str
    lists: tuple[CrlInfo, ...]
