"""Alarms: what is wrong now, computed from what is so now.

An alarm is not an occurrence but a state: it is there as long as its cause is. So nothing raises or
clears one; whoever wants to know computes them from the facts, and two computations differ by what was
raised and cleared. The texts are those that operators of the original system know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Things of one kind that one alarm names. Of more it says how many there are.
NAMED_IN_ONE: Final = 8


class Severity(StrEnum):
    """How urgent an alarm is."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class Category(StrEnum):
    """What an alarm is about."""

    PEER = "peer"
    SYSTEM = "system"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong. Two alarms are the same when their ``identity`` is."""

    identity: str
    severity: Severity
    source: str
    category: Category
    message: str
    #: What it may have in common with others of its kind, which one alarm may then stand for: the interface
    #: that paths go by, what is wrong with certificates. :mod:`peerkey.observe.condensing` asks for it.
    cause: str = ""

    @property
    def kind(self) -> str:
        """Its kind, which is a page of ``docs/alarms.md``: the first word of its identity."""
        return self.identity.partition(":")[0]


def peer_certificate_invalid(peer: str, state: str, detail: str) -> Alarm:
    """A peer's certificate is not good. ``detail`` begins with the name of the first fault, and a colon."""
    return Alarm(
        f"peer-certificate:{peer}",
        Severity.CRITICAL,
        peer,
        Category.PEER,
        f"Peer `{peer}` certificate is invalid: `{state}` - `{detail}`.",
        _fault(state, detail),
    )


def peer_key_invalid(peer: str, state: str, detail: str) -> Alarm:
    """No key can be agreed with a peer until somebody changes something; ``state`` says why in a word."""
    return Alarm(
        f"peer-key:{peer}",
        Severity.CRITICAL,
        peer,
        Category.PEER,
        f"Peer `{peer}` metadata-key is invalid: `{state}` - `{detail}`.",
        state,
    )


def peer_unreachable(peer: str, interfaces: str = "") -> Alarm:
    """No path to a peer is in service. ``interfaces`` names those that the paths go by."""
    return Alarm(
        f"peer-unreachable:{peer}",
        Severity.CRITICAL,
        peer,
        Category.PEER,
        f"Peer `{peer}` is not reachable.",
        interfaces,
    )


def peer_identity_shared(peer: str) -> Alarm:
    """Two nodes have the identity of one peer and take its peerings from each other."""
    return Alarm(
        f"peer-identity:{peer}",
        Severity.MAJOR,
        peer,
        Category.PEER,
        f"Peer `{peer}` runs twice: two nodes show its certificate. Stop the one that was replaced.",
    )


def path_down(peer: str, path: str) -> Alarm:
    """One of the paths to a peer is out of service."""
    return Alarm(
        f"path-down:{peer}:{path}",
        Severity.MAJOR,
        peer,
        Category.PEER,
        f"Peer `{peer}` path is down: {path}.",
        path.partition(">")[0],
    )


def certificates_expiring(node: str, days: int, severity: Severity, names: Sequence[str]) -> Alarm:
    """Certificates that this node needs expire soon: all of them in one text."""
    return Alarm(
        f"certificate-expiring:{days}:{node}",
        severity,
        node,
        Category.PEER,
        f"The following certificates are expiring in less than {days} days: `{', '.join(names)}`.",
        f"{days} days",
    )


def certificate_bad(node: str, state: str, detail: str, names: Sequence[str] = ()) -> Alarm:
    """Certificates of this node are expired, revoked or otherwise invalid: its own, or those of ``names``."""
    text = f"{state}: `{', '.join(names or (node,))}`"
    if state not in {"expired", "revoked"}:
        text = f"invalid: `{node}` - `{detail}`"
    of_others = bool(names) and node not in names
    return Alarm(
        f"certificate-expired:{node}" if of_others else f"certificate-bad:{node}",
        Severity.CRITICAL,
        node,
        Category.PEER,
        f"The following certificates are {text}.",
        _fault(state, detail),
    )


def certificate_missing(node: str, detail: str) -> Alarm:
    """Key management is enabled, and the node has no certificate that an authority has signed."""
    return Alarm(
        f"certificate-missing:{node}",
        Severity.CRITICAL,
        node,
        Category.PEER,
        f"Key management is enabled without a valid signed certificate: {detail}.",
    )


def enrollment_failing(node: str, detail: str) -> Alarm:
    """The certificate of a node should have been renewed, and every attempt fails."""
    return Alarm(
        f"enrollment:{node}",
        Severity.MAJOR,
        node,
        Category.SYSTEM,
        f"Certificate of `{node}` cannot be renewed: {detail}.",
    )


def trust_unreadable(node: str, detail: str) -> Alarm:
    """A trusted CA certificate cannot be read or may not be trusted."""
    return Alarm(
        f"trust:{node}",
        Severity.MAJOR,
        node,
        Category.SYSTEM,
        f"Trusted certificates need attention: {detail}.",
        detail,
    )


def crl_unreachable(source: str, endpoints: Sequence[str]) -> Alarm:
    """Revocation lists could not be fetched: each with its address and why. There until all are fetched."""
    return Alarm(
        "crl-unreachable",
        Severity.MINOR,
        source,
        Category.SYSTEM,
        f"The following CRL endpoints are unreachable: `{named(endpoints)}`.",
    )


def crl_refused(source: str, endpoints: Sequence[str]) -> Alarm:
    """What was fetched is no list that counts: each with its address and why. The ones before are in use."""
    return Alarm(
        "crl-refused",
        Severity.MAJOR,
        source,
        Category.SYSTEM,
        f"The following CRL endpoints serve no valid list: `{named(endpoints)}`.",
    )


def crl_stale(source: str, endpoints: Sequence[str]) -> Alarm:
    """Lists should have been replaced by now: what was revoked since is not known."""
    return Alarm(
        "crl-stale",
        Severity.MAJOR,
        source,
        Category.SYSTEM,
        f"The following CRLs are out of date: `{named(endpoints)}`.",
    )


def crl_limited(source: str, detail: str) -> Alarm:
    """More is to be fetched than what is fetched, or it cannot be kept."""
    return Alarm(
        "crl-limited", Severity.MAJOR, source, Category.SYSTEM, f"CRL management needs attention: {detail}."
    )


def node_not_running(node: str, detail: str) -> Alarm:
    """The actor of a node does not answer: it is being restarted, or it has failed for good."""
    return Alarm(
        f"node:{node}", Severity.CRITICAL, node, Category.PLATFORM, f"Node `{node}` is not running: {detail}."
    )


def node_drained(node: str, since: str) -> Alarm:
    """An operator has taken a node out of work, and nobody has put it back."""
    return Alarm(
        f"node-drained:{node}",
        Severity.MINOR,
        node,
        Category.SYSTEM,
        f"Node `{node}` is drained since {since}: `peerkey drain --undo --node {node}` ends it.",
    )


def host_drained(host: str) -> Alarm:
    """An operator has moved all nodes off a host or a machine, and nobody has let them come again."""
    return Alarm(
        f"host-drained:{host}",
        Severity.MINOR,
        host,
        Category.PLATFORM,
        f"Host or machine `{host}` is drained: `peerkey drain --host {host} --undo` ends it.",
    )


def node_unplaced(node: str, why: str) -> Alarm:
    """No host of the cluster may run a node."""
    return Alarm(
        f"node-unplaced:{node}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"Node `{node}` has no place in the cluster: {why}.",
    )


def nodes_unplaced(source: str, nodes: Sequence[str]) -> Alarm:
    """No host of the cluster may run these nodes, which have no alarms of their own."""
    return Alarm(
        "nodes-unplaced",
        Severity.CRITICAL,
        source,
        Category.PLATFORM,
        f"The following nodes have no place in the cluster: `{named(nodes)}`.",
    )


def host_gone(host: str, machine: str, detail: str) -> Alarm:
    """A host of the cluster does not answer: it is being started again."""
    return Alarm(
        f"host:{host}",
        Severity.CRITICAL,
        host,
        Category.PLATFORM,
        f"Host `{host}` on machine `{machine}` is gone: {detail}.",
    )


def machine_lost(machine: str) -> Alarm:
    """A machine of the cluster is dead or cannot be reached: its nodes have moved where they could."""
    return Alarm(
        f"machine:{machine}",
        Severity.CRITICAL,
        machine,
        Category.PLATFORM,
        f"Machine `{machine}` is lost.",
    )


def cluster_limited(source: str, detail: str) -> Alarm:
    """Nodes run where they are, and nothing can be decided anew."""
    return Alarm(
        f"cluster:{source}",
        Severity.MAJOR,
        source,
        Category.PLATFORM,
        f"The cluster needs attention: {detail}.",
    )


def restart_needed(source: str, settings: Sequence[str]) -> Alarm:
    """Settings of the configuration wait for a restart of the authority, which has the former values."""
    return Alarm(
        "restart-needed",
        Severity.MAJOR,
        source,
        Category.SYSTEM,
        f"Restart of the authority is required; until then the former values count: `{named(settings)}`.",
    )


def actor_failed(node: str, actor: str, error: str) -> Alarm:
    """An actor of a node crashed more often than its supervision allows."""
    return Alarm(
        f"actor-failed:{actor}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"Actor `{actor}` crashed too often and has failed: {error}.",
        error,
    )


def actor_crashing(node: str, actor: str, error: str) -> Alarm:
    """An actor of a node is started again and again and crashes each time."""
    return Alarm(
        f"actor-crashing:{actor}",
        Severity.MAJOR,
        node,
        Category.PLATFORM,
        f"Actor `{actor}` crashes again and again: {error}.",
        error,
    )


def ha_link_down(node: str, mate: str) -> Alarm:
    """The two nodes of a pair cannot reach each other: no keys are replicated, and each goes on alone."""
    return Alarm(
        f"ha-link:{node}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"Node `{node}` has no HA link to `{mate}`: its keys are not replicated.",
    )


def ha_refused(node: str, mate: str, reason: str, text: str, *, by_mate: bool) -> Alarm:
    """One node of a pair does not accept the other."""
    who = f"`{mate}` refuses `{node}`" if by_mate else f"`{node}` refuses `{mate}`"
    return Alarm(
        f"ha-refused:{node}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"HA link: {who}: {reason} - {text}.",
    )


def ha_host_key_mismatch(node: str, mate: str, fingerprint: str) -> Alarm:
    """Whoever answers at the mate's address, or comes from there, has another key than the mate's."""
    return Alarm(
        f"ha-host-key:{node}",
        Severity.CRITICAL,
        node,
        Category.PLATFORM,
        f"HA link: the key of `{mate}` is not the configured one: `{fingerprint}`.",
    )


def ha_mate_out_of_date(node: str, mate: str, records: int) -> Alarm:
    """The mate lacks the latest version of some records for longer than replication takes."""
    return Alarm(
        f"ha-out-of-date:{node}",
        Severity.MAJOR,
        node,
        Category.PLATFORM,
        f"HA mate `{mate}` is out of date: it lacks {records} records of `{node}`.",
    )


def ha_key_not_replicated(node: str, mate: str, peer: str, index: int) -> Alarm:
    """A key is in use that the mate does not hold: were this node to die, its peer would have to rekey."""
    return Alarm(
        f"ha-key-not-replicated:{node}:{peer}",
        Severity.MAJOR,
        node,
        Category.PEER,
        f"Key {index} with peer `{peer}` is in use, and HA mate `{mate}` does not hold it.",
    )


def ha_copies_unreadable(node: str, mate: str, copies: int) -> Alarm:
    """Copies of the mate's records are of a layout that this software does not read."""
    return Alarm(
        f"ha-copies-unreadable:{node}",
        Severity.MAJOR,
        node,
        Category.PLATFORM,
        f"Node `{node}` cannot read {copies} key records of `{mate}`: the two run different versions.",
    )


def _fault(state: str, detail: str) -> str:
    """Return the first fault that a detail names, where it says more than the state."""
    word = detail.partition(":")[0]
    return word if state == "invalid" and word.replace("-", "").isalpha() else state


def named(things: Sequence[str]) -> str:
    """Name the first of them, and say how many more there are."""
    more = len(things) - NAMED_IN_ONE
    return ", ".join(things[:NAMED_IN_ONE]) + (f", and {more} more" if more > 0 else "")
