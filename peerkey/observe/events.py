"""Audit events: one class for each thing that can happen, as the audit log will tell it.

An event says *what* happened and to which peer; the shell that records it adds the node and the
time. ``type`` is the stable word that operators filter by, ``title`` the line above the event,
``description`` the one sentence, and :meth:`Event.detail` the fields of the JSON detail. None of
them ever holds a key: an index and a key id name it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Event:
    """What every event has. Fields of the subclasses are text, numbers, truth values or tuples of them."""

    TYPE: ClassVar[str]
    TITLE: ClassVar[str]
    #: Whether it was allowed: false where somebody asked for what they may not do, and nothing was done.
    PERMITTED: ClassVar[bool] = True

    def description(self) -> str:
        """Return the one sentence that tells it."""
        raise NotImplementedError

    def detail(self) -> dict[str, object]:
        """Return the fields, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


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


@dataclass(frozen=True, slots=True)
class CertificateWentBad(Event):
    """This node's own certificate cannot be used, or should not be."""

    TYPE: ClassVar = "certificate.invalid"
    TITLE: ClassVar = "The certificate of this node is not valid."

    state: str
    reason: str
    detail_text: str
    behavior: str

    def description(self) -> str:
        """Say what is wrong and what was done about it."""
        return f"Certificate of this node is {self.state} - {self.detail_text} ({self.behavior})"


@dataclass(frozen=True, slots=True)
class CertificateRecovered(Event):
    """This node's own certificate, which could not be used or should not be, is good: perhaps another."""

    TYPE: ClassVar = "certificate.valid"
    TITLE: ClassVar = "The certificate of this node is valid again."

    #: SHA-256 of the certificate, colons between the bytes.
    fingerprint: str

    def description(self) -> str:
        """Say so."""
        return "Certificate of this node is valid again"


@dataclass(frozen=True, slots=True)
class RevocationChecked(Event):
    """This node's certificate was checked for revocation, as ``revocation-check-interval`` asks for."""

    TYPE: ClassVar = "system.revocation_check"
    TITLE: ClassVar = "Checked the certificate of this node for revocation."

    #: ``revoked``; ``not-revoked``: no list that is known names it or a CA above it; ``not-checked``.
    outcome: str
    #: SHA-256 of the certificate, colons between the bytes; empty where there is none.
    fingerprint: str
    detail_text: str
    behavior: str

    def description(self) -> str:
        """Say what came of it."""
        if self.outcome == "revoked":
            return f"Certificate of this node is revoked - {self.detail_text} ({self.behavior})"
        if self.outcome == "not-revoked":
            return "No known revocation list names the certificate of this node or a CA above it"
        return f"Certificate of this node was not checked for revocation: {self.detail_text}"


@dataclass(frozen=True, slots=True)
class PrivateKeyCreated(Event):
    """An operator made a private key. Its name and the fingerprint of its public key say which."""

    TYPE: ClassVar = "system.create_private_key"
    TITLE: ClassVar = "Created a private key."

    name: str
    algorithm: str
    #: SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hexadecimal digits.
    fingerprint: str

    def description(self) -> str:
        """Name the key."""
        return f"Private key {self.name} created ({self.algorithm})"


@dataclass(frozen=True, slots=True)
class PrivateKeyDeleted(Event):
    """A private key was destroyed, or replaced by another."""

    TYPE: ClassVar = "system.delete_private_key"
    TITLE: ClassVar = "Deleted a private key."

    name: str
    #: Of its public key; empty where the key that was replaced could not be read.
    fingerprint: str
    replaced: bool

    def description(self) -> str:
        """Name the key and say why."""
        return f"Private key {self.name} {'replaced' if self.replaced else 'deleted'}"


@dataclass(frozen=True, slots=True)
class CsrGenerated(Event):
    """A certificate signing request was made. What nobody wanted in it is empty text."""

    TYPE: ClassVar = "system.generate_csr"
    TITLE: ClassVar = "Generated certificate signing request."

    name: str
    common_name: str
    country_name: str
    state_province_name: str
    locality_name: str
    organization_name: str
    organizational_unit_name: str
    email_address: str
    validity_period_days: int

    def description(self) -> str:
        """Name the certificate that is asked for."""
        return f"Generated CSR for: {self.name}"


@dataclass(frozen=True, slots=True)
class CsrFailed(Event):
    """A certificate signing request could not be made."""

    TYPE: ClassVar = "certificate.request_failed"
    TITLE: ClassVar = "Failed to generate a certificate signing request."

    name: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"No CSR for {self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CertificateIngested(Event):
    """A certificate of this node was imported. The detail has the fields of the original and no other."""

    TYPE: ClassVar = "system.ingest_certificate"
    TITLE: ClassVar = "Ingested a certificate."

    name: str
    purpose: str
    common_name: str
    crl_urls: tuple[str, ...]
    certificate_authority: str
    #: SHA-1 in hexadecimal with colons, as operators know it from `openssl x509 -fingerprint`.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate."""
        return f"Ingested certificate: {self.name}"

    def detail(self) -> dict[str, object]:
        """Leave the name out: it is in the description."""
        # Named in full: `super()` alone means the class as it was before it was given slots.
        detail = Event.detail(self)
        del detail["name"]
        return detail


@dataclass(frozen=True, slots=True)
class CertificateRefused(Event):
    """A certificate was to be imported and was refused; the one before it stays."""

    TYPE: ClassVar = "certificate.refused"
    TITLE: ClassVar = "Refused to ingest a certificate."

    name: str
    #: Which of the checks it failed: ``private-key``, ``validity``, ``revocation``, or ``installation``.
    check: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"Certificate {self.name} was not ingested: {self.reason}"


@dataclass(frozen=True, slots=True)
class Enrolled(Event):
    """A certificate of this node was asked of its CA and installed."""

    TYPE: ClassVar = "system.enrolled"
    TITLE: ClassVar = "Enrolled a certificate."

    name: str
    #: The URL of the CA.
    server: str
    #: ``simpleenroll`` or ``simplereenroll``.
    operation: str
    #: When it ends, in ISO 8601.
    not_after: str
    #: As in :class:`CertificateIngested`.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate and the CA."""
        return f"Certificate {self.name} enrolled at {self.server}, valid until {self.not_after}"


@dataclass(frozen=True, slots=True)
class EnrollmentFailed(Event):
    """A certificate of this node was asked of its CA and not installed; the old one stays."""

    TYPE: ClassVar = "system.enrollment_failed"
    TITLE: ClassVar = "Failed to enroll a certificate."

    name: str
    server: str
    operation: str
    reason: str

    def description(self) -> str:
        """Give the reason."""
        return f"Certificate {self.name} was not enrolled: {self.reason}"


@dataclass(frozen=True, slots=True)
class CrlUpdated(Event):
    """A revocation list was fetched and is in use, or was found unchanged.

    The detail has the fields of the original and no other. They tell what the last good list says, whatever
    has become of this attempt.
    """

    TYPE: ClassVar = "system.crl_update"
    TITLE: ClassVar = "Updated certificate revocation list files."

    #: Whether an operator ordered it.
    forced: bool
    #: ``thisUpdate`` and ``nextUpdate`` of the list in use, as OpenSSL writes them; ``N/A`` without one.
    last_updated: str
    next_update: str
    crl_url: str
    #: Bytes of what was fetched, unpacked; of a failure and of an unchanged list, of the list in use.
    size: int
    total_entries: int
    #: Beside the list that was in use before.
    added_entries: int
    removed_entries: int
    success: bool
    certificate_authority: str
    #: How far it came, which decides what is counted; of a failure, where it failed.
    stage: Literal["unchanged", "ingested", "fetch", "ingestion"]

    def description(self) -> str:
        """Name the address."""
        return f"Updated CRL for issuer: {self.crl_url}"

    def detail(self) -> dict[str, object]:
        """Tell the fields of the original and no other."""
        return {name: value for name, value in Event.detail(self).items() if name not in {"stage", "reason"}}


@dataclass(frozen=True, slots=True)
class CrlUpdateFailed(CrlUpdated):
    """A revocation list could not be fetched, or was refused; the one before stays in use."""

    TITLE: ClassVar = "Failed to update certificate revocation list files."

    #: One line that says why.
    reason: str

    def description(self) -> str:
        """Name the address and give the reason."""
        return f"Failed to update CRL for issuer: {self.crl_url}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CrlUnsupported(Event):
    """A certificate names a revocation list that cannot be fetched. Told once for each address."""

    TYPE: ClassVar = "crl.unsupported"
    TITLE: ClassVar = "A revocation list cannot be fetched from where a certificate says."

    crl_url: str
    #: Whose certificate it is, as its subject.
    subject: str
    reason: str

    def description(self) -> str:
        """Name the address and give the reason."""
        return f"CRL {self.crl_url} is not fetched: {self.reason}"


@dataclass(frozen=True, slots=True)
class ActorCrashed(Event):
    """An actor ended with an error and is started again. At most one for an actor and a minute."""

    TYPE: ClassVar = "actor.crashed"
    TITLE: ClassVar = "An actor crashed."

    actor: str
    kind: str
    #: The type of the last error, never its text: that may quote what was being handled.
    error: str
    #: For how many crashes this event stands, and how many there have been of this actor so far.
    times: int
    crashes: int

    def description(self) -> str:
        """Name the actor and the type of its error."""
        often = f" {self.times} times" if self.times > 1 else ""
        return f"Actor {self.actor} crashed{often}: {self.error}"


@dataclass(frozen=True, slots=True)
class ActorFailed(Event):
    """An actor crashed more often than its supervision allows. At most one for an actor and a minute."""

    TYPE: ClassVar = "actor.failed"
    TITLE: ClassVar = "An actor failed."

    actor: str
    kind: str
    error: str
    #: For how many failures this event stands, and how many crashes of this actor led to the last of them.
    times: int
    crashes: int

    def description(self) -> str:
        """Name the actor and the type of its last error."""
        return f"Actor {self.actor} crashed too often and has failed: {self.error}"


@dataclass(frozen=True, slots=True)
class HaLinkUp(Event):
    """The two nodes of a pair have greeted each other."""

    TYPE: ClassVar = "ha.link_up"
    TITLE: ClassVar = "The HA link is up."

    mate: str

    def description(self) -> str:
        """Name the mate."""
        return f"HA link to {self.mate} is up"


@dataclass(frozen=True, slots=True)
class HaLinkDown(Event):
    """A link that was up is gone. Attempts to bring it back that fail are not told one by one."""

    TYPE: ClassVar = "ha.link_down"
    TITLE: ClassVar = "The HA link is down."

    mate: str
    reason: str

    def description(self) -> str:
        """Name the mate and the reason."""
        return f"HA link to {self.mate} is down: {self.reason}"


@dataclass(frozen=True, slots=True)
class HaInStep(Event):
    """The mate has every record of this node in its store, for the first time since the link came up."""

    TYPE: ClassVar = "ha.in_step"
    TITLE: ClassVar = "The mate is in step."

    mate: str
    records: int

    def description(self) -> str:
        """Say how many records there are."""
        return f"{self.mate} holds all {self.records} records of this node"


@dataclass(frozen=True, slots=True)
class HaRefused(Event):
    """One node of a pair does not accept the other. Told once for each cause."""

    TYPE: ClassVar = "ha.refused"
    TITLE: ClassVar = "The HA link was refused."

    mate: str
    reason: str
    detail_text: str
    by_mate: bool

    def description(self) -> str:
        """Say who refuses whom, and why."""
        who = f"{self.mate} refuses this node" if self.by_mate else f"{self.mate} is refused"
        return f"HA link: {who}: {self.reason} - {self.detail_text}"


@dataclass(frozen=True, slots=True)
class HaTakeover(Event):
    """The mate is silent, and its keys may be sealed with here."""

    TYPE: ClassVar = "ha.takeover"
    TITLE: ClassVar = "Took over the keys of the mate."

    mate: str
    peerings: int

    def description(self) -> str:
        """Name the mate and how many peerings it is."""
        return f"{self.mate} is silent: the keys of its {self.peerings} peerings are taken over"


@dataclass(frozen=True, slots=True)
class HaReleased(Event):
    """The mate is back, and its keys are its own again."""

    TYPE: ClassVar = "ha.released"
    TITLE: ClassVar = "Gave the keys of the mate back."

    mate: str

    def description(self) -> str:
        """Name the mate."""
        return f"{self.mate} is back: its keys are given back"


@dataclass(frozen=True, slots=True)
class HaLeaderChanged(Event):
    """Another node leads the router, or the same one under another term."""

    TYPE: ClassVar = "ha.leader_changed"
    TITLE: ClassVar = "The leader of the router changed."

    leader: str
    term: int

    def description(self) -> str:
        """Name the leader."""
        return f"{self.leader} leads the router (term {self.term})"


@dataclass(frozen=True, slots=True)
class HaKeyNotReplicated(Event):
    """A key came into use although the mate has not said that it holds it: waiting longer would be worse."""

    TYPE: ClassVar = "ha.key_not_replicated"
    TITLE: ClassVar = "Used a key that the mate does not hold."

    peer: str
    index: int
    key_id: str

    def description(self) -> str:
        """Name the key."""
        return f"Key {self.index} with peer {self.peer} is in use before the mate holds it"


@dataclass(frozen=True, slots=True)
class NodeMoved(Event):
    """A node runs on another host of the cluster from now on."""

    TYPE: ClassVar = "cluster.node_moved"
    TITLE: ClassVar = "A node has moved to another host."

    former: str
    host: str
    reason: str

    def description(self) -> str:
        """Say from where to where."""
        return f"Moved from host {self.former} to host {self.host}: {self.reason}"


@dataclass(frozen=True, slots=True)
class HostLost(Event):
    """A host of the cluster does not answer any more."""

    TYPE: ClassVar = "cluster.host_lost"
    TITLE: ClassVar = "A host of the cluster is lost."

    host: str
    machine: str
    reason: str

    def description(self) -> str:
        """Name the host."""
        return f"Host {self.host} on machine {self.machine} is lost: {self.reason}"


@dataclass(frozen=True, slots=True)
class HostBack(Event):
    """A host of the cluster answers again, or its process was started again."""

    TYPE: ClassVar = "cluster.host_back"
    TITLE: ClassVar = "A host of the cluster is back."

    host: str
    machine: str
    #: How long it had not been heard of.
    silent_seconds: float

    def description(self) -> str:
        """Name the host."""
        return f"Host {self.host} on machine {self.machine} is back after {self.silent_seconds:g} s"


@dataclass(frozen=True, slots=True)
class HostDrained(Event):
    """An operator wants no nodes on a host, or on a machine of the cluster, or wants them there again."""

    TYPE: ClassVar = "cluster.host_drained"
    TITLE: ClassVar = "A host of the cluster was drained, or is so no more."

    host: str
    drained: bool

    def description(self) -> str:
        """Name it."""
        return f"{self.host} is {'drained: its nodes move' if self.drained else 'drained no more'}"


@dataclass(frozen=True, slots=True)
class AlarmRaised(Event):
    """Something is wrong that was not. What was so before a restart is not told again."""

    TYPE: ClassVar = "alarm.raised"
    TITLE: ClassVar = "An alarm was raised."

    #: As `show alarms` names it: the same when it is cleared.
    alarm: str
    severity: str
    source: str
    category: str
    message: str

    def description(self) -> str:
        """Say what is wrong."""
        return f"Alarm ({self.severity}): {self.message}"


@dataclass(frozen=True, slots=True)
class AlarmCleared(Event):
    """What was wrong is wrong no more."""

    TYPE: ClassVar = "alarm.cleared"
    TITLE: ClassVar = "An alarm was cleared."

    alarm: str
    severity: str
    source: str
    category: str
    message: str
    #: How long it was there.
    lasted_seconds: float
    #: How often it came meanwhile: what comes and goes is told once, when it is settled.
    times: int = 1

    def description(self) -> str:
        """Say what is right again."""
        often = f" (it came {self.times} times)" if self.times > 1 else ""
        return f"No more an alarm: {self.message}{often}"


@dataclass(frozen=True, slots=True)
class AlarmShelved(Event):
    """An operator has put alarms on the shelf: they are there, and not shown among the others."""

    TYPE: ClassVar = "alarm.shelved"
    TITLE: ClassVar = "Alarms were shelved."

    #: The id of the alarm; empty where it is a kind of alarms, of one node or (empty) of all.
    alarm: str
    kind: str
    of_node: str
    #: In UTC, ISO 8601.
    until: str
    by: str
    reason: str

    def description(self) -> str:
        """Say what, until when and why."""
        what = self.alarm or f"type {self.kind}" + (f" of {self.of_node}" if self.of_node else "")
        return f"Alarms shelved until {self.until} by {self.by}: {what} - {self.reason}"


@dataclass(frozen=True, slots=True)
class AlarmUnshelved(Event):
    """Alarms are no longer on the shelf: an operator has taken them back, or the time has come."""

    TYPE: ClassVar = "alarm.unshelved"
    TITLE: ClassVar = "Alarms are shelved no more."

    alarm: str
    kind: str
    of_node: str
    #: Who took them back; empty where the time has come.
    by: str

    def description(self) -> str:
        """Say what, and by whom."""
        what = self.alarm or f"type {self.kind}" + (f" of {self.of_node}" if self.of_node else "")
        return f"Alarms shelved no more, {f'by {self.by}' if self.by else 'their time has come'}: {what}"


@dataclass(frozen=True, slots=True)
class ConfigurationChanged(Event):
    """An operator has changed what a node has to do, and it does so now."""

    TYPE: ClassVar = "configuration.changed"
    TITLE: ClassVar = "The configuration changed."

    #: ``added``, ``removed`` or ``changed``: the node.
    change: str
    #: What is different, one thing each: ``policy.rekey_interval: 1 day, 0:00:00 -> 12:00:00``.
    differences: tuple[str, ...]
    #: How many more there are.
    left_out: int

    def description(self) -> str:
        """Say how much is different."""
        if self.change != "changed":
            return f"The configuration has {'no' if self.change == 'removed' else 'a'} node of this name now"
        count = len(self.differences) + self.left_out
        return f"The configuration of this node changed in {count} place{'s' if count != 1 else ''}"


@dataclass(frozen=True, slots=True)
class RestartNeededChanged(Event):
    """A reload found settings that take effect when the authority is restarted, or finds none any more."""

    TYPE: ClassVar = "configuration.restart_needed"
    TITLE: ClassVar = "Settings wait for a restart of the authority."

    #: Each with its value now and as configured; none: nothing waits any more.
    settings: tuple[str, ...]

    def description(self) -> str:
        """Name them."""
        if not self.settings:
            return "No setting waits for a restart of the authority any more"
        return f"A restart of the authority is required for {'; '.join(self.settings)}"


@dataclass(frozen=True, slots=True)
class PrivateKeyImported(Event):
    """An operator brought a private key. Its name and the fingerprint of its public key say which."""

    TYPE: ClassVar = "system.import_private_key"
    TITLE: ClassVar = "Imported a private key."

    name: str
    #: As in :class:`PrivateKeyCreated`.
    fingerprint: str

    def description(self) -> str:
        """Name the key."""
        return f"Private key {self.name} imported"


@dataclass(frozen=True, slots=True)
class CertificateDeleted(Event):
    """A certificate of this node was removed."""

    TYPE: ClassVar = "system.delete_certificate"
    TITLE: ClassVar = "Deleted a certificate."

    name: str
    #: As in :class:`CertificateIngested`; empty where what was there could not be read.
    fingerprint: str

    def description(self) -> str:
        """Name the certificate."""
        return f"Certificate {self.name} deleted"


@dataclass(frozen=True, slots=True)
class LoginRefused(Event):
    """Somebody asked the admin API who may not. What they presented is in no event."""

    TYPE: ClassVar = "api.login_refused"
    TITLE: ClassVar = "Refused a request to the admin API."
    PERMITTED: ClassVar = False

    #: An IPv4 address, or the network of an IPv6 address.
    source: str
    #: ``no token``, ``unknown token``, or ``role``: it may only read.
    reason: str
    #: The name of the token whose role is not enough; else empty.
    token: str
    #: How many before this one are in no event, because there were too many of them.
    unrecorded: int

    def description(self) -> str:
        """Say who and why."""
        by = f" with the token {self.token}" if self.token else ""
        more = f", after {self.unrecorded} that were not recorded" if self.unrecorded else ""
        return f"A request from {self.source}{by} was refused: {self.reason}{more}"


@dataclass(frozen=True, slots=True)
class TokenRevoked(Event):
    """A token of the admin API was taken back."""

    TYPE: ClassVar = "api.token_revoked"
    TITLE: ClassVar = "Revoked a token of the admin API."

    #: Its name, never the token.
    token: str
    #: The name of the token that asked for it; ``local`` at the Unix socket.
    by: str

    def description(self) -> str:
        """Name both."""
        return f"The token {self.token} was revoked by {self.by}"


@dataclass(frozen=True, slots=True)
class TrustedCaAdded(Event):
    """This node trusts a CA that it did not trust before."""

    TYPE: ClassVar = "system.add_trusted_ca"
    TITLE: ClassVar = "Added a trusted CA."

    #: Of the ``trusted-ca-certificate``.
    name: str
    subject: str
    #: SHA-256 of the certificate.
    fingerprint: str

    def description(self) -> str:
        """Name the CA."""
        return f"{self.subject} is trusted now ({self.name})"


@dataclass(frozen=True, slots=True)
class TrustedCaRemoved(Event):
    """This node does not trust a CA any more."""

    TYPE: ClassVar = "system.remove_trusted_ca"
    TITLE: ClassVar = "Removed a trusted CA."

    #: As in :class:`TrustedCaAdded`.
    name: str
    subject: str
    fingerprint: str

    def description(self) -> str:
        """Name the CA."""
        return f"{self.subject} is trusted no more ({self.name})"


@dataclass(frozen=True, slots=True)
class StatisticsCleared(Event):
    """An operator has set the security statistics back to zero."""

    TYPE: ClassVar = "system.clear_stats"
    TITLE: ClassVar = "Cleared security statistics."

    #: What they were, over all nodes; those that were zero are left out.
    former: tuple[tuple[str, int], ...]

    def description(self) -> str:
        """Say how much had been counted."""
        return f"Security statistics set to zero; {sum(count for _, count in self.former)} had been counted"

    def detail(self) -> dict[str, object]:
        """Give the counters by their names."""
        return {"former": dict(self.former)}


@dataclass(frozen=True, slots=True)
class BackupMade(Event):
    """An operator has made a backup. Whoever has it and its passphrase can be these nodes."""

    TYPE: ClassVar = "backup.made"
    TITLE: ClassVar = "Made a backup."

    file: str
    nodes: tuple[str, ...]
    #: Where the audit log ended in it, as ``SEQUENCE:HASH``; empty where there was none.
    audit_head: str

    def description(self) -> str:
        """Name the file."""
        return f"Backup of {len(self.nodes)} node{'s' if len(self.nodes) != 1 else ''} written to {self.file}"


@dataclass(frozen=True, slots=True)
class NodeRestored(Event):
    """A node has come back from a backup. What happened after that was made is not in this log."""

    TYPE: ClassVar = "node.restored"
    TITLE: ClassVar = "Restored a node from a backup."

    #: When the backup was made, and on which machine.
    made: str
    machine: str
    #: Where the audit log ended in it; from there another log may have gone on.
    audit_head: str
    #: Where the backup's own log is now, below the state directory, if this one is another; else empty.
    other_log: str

    def description(self) -> str:
        """Say how old it is."""
        return f"Restored from a backup that was made at {self.made} on {self.machine}; its keys are retired"


@dataclass(frozen=True, slots=True)
class NodeDrained(Event):
    """A node is out of work, because an operator wants it so."""

    TYPE: ClassVar = "node.drained"
    TITLE: ClassVar = "Drained a node."

    how: str

    def description(self) -> str:
        """Say how it left."""
        return f"The node {self.how} and is out of work"


@dataclass(frozen=True, slots=True)
class NodeUndrained(Event):
    """An operator has put a drained node back to work."""

    TYPE: ClassVar = "node.undrained"
    TITLE: ClassVar = "Put a drained node back to work."

    def description(self) -> str:
        """Say so."""
        return "The node is back at work"


@dataclass(frozen=True, slots=True)
class AuditRepaired(Event):
    """The last line of the audit log was torn when its writer died, and was taken out of it."""

    TYPE: ClassVar = "audit.repaired"
    TITLE: ClassVar = "Repaired the end of the audit log."

    #: What was taken out: how much, its SHA-256, and the beginning of it. It was acknowledged to nobody.
    bytes: int
    sha256: str
    text: str

    def description(self) -> str:
        """Say how much was torn."""
        return f"The last line of the audit log was torn: {self.bytes} bytes were taken out"


@dataclass(frozen=True, slots=True)
class AuditDamaged(Event):
    """The audit log is not as its last writer left it. It goes on from the last line that is known."""

    TYPE: ClassVar = "audit.damaged"
    TITLE: ClassVar = "The audit log is damaged."

    reason: str

    def description(self) -> str:
        """Say what is wrong with it."""
        return f"The audit log is not as it was left: {self.reason}"


@dataclass(frozen=True, slots=True)
class AuditGap(Event):
    """Events of a node are missing in the audit log, which could not be written. What they counted is not."""

    TYPE: ClassVar = "audit.gap"
    TITLE: ClassVar = "Audit events could not be written."

    lost: int
    reason: str
    #: What they are counted as in the security statistics.
    counted: tuple[tuple[str, int], ...]

    def description(self) -> str:
        """Say how many are missing."""
        many = f"{self.lost} event{'s' if self.lost != 1 else ''}"
        return f"{many} before this one could not be written: {self.reason}"

    def detail(self) -> dict[str, object]:
        """Leave to the line what is counted."""
        return {"lost": self.lost, "reason": self.reason}
