"""Why a peering or a certificate is not as it should be, and what an operator does about it next.

Functions of what the actors say and of the time, no more; :mod:`peerkey_cli.causes` finds what is wrong with
a peering. One line names it and one the next step; neither needs a second command to be understood. Where a
date decides, the step says what the clock here says, because a wrong clock makes good certificates look bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509

from metrics import labels
from peerkey.pki.expiry import severity
from peerkey.pki.faults import CertificateState, Fault
from peerkey.protocol.messages import Reason
from peerkey_cli import causes

if TYPE_CHECKING:
    from actors.messages import NodeStatus, PathStatus, PeerStatus
    from peerkey_cli.causes import Cause

#: As many peers of one node show other certificates at once; a look at one takes some fifty microseconds.
_ENDS_REMEMBERED: Final = 4_096

_DATES: Final = (Fault.NOT_YET_VALID, Fault.EXPIRED)

#: What to do where no key is agreed, by the word that it begins with. Other causes pass by themselves.
_STEPS: Final = {
    Reason.ALGORITHM_MISMATCH: "set the same key-exchange-algorithm and sizes on both ends, or an override "
    "for this peering, then `peerkey reload`",
    Reason.UNSUPPORTED_VERSION: "the two ends run different versions of peerkey: upgrade the older one",
    Reason.WRONG_SENDER: "another node answers at this address: compare peer-address and the peer's uuid "
    "with the configuration of the peer",
    Reason.WRONG_RECEIVER: "the peer looks for another node here: compare the uuid of this node with the "
    "configuration of the peer",
    Reason.PINNED: "if this certificate was meant to come, `peerkey release-pin --peer PEER`; if not, "
    "find out who shows it",
    Reason.CERTIFICATE_INVALID: "look at `peerkey show alarms` on the peer: it says what it misses",
}
#: What to do about an address of revocation lists, by its state.
_LISTS: Final = {
    "unreachable": "see whether this machine reaches it; what is known to be revoked counts meanwhile. It "
    "is asked again by itself",
    "refused": "fetch it and ask `peerkey pki crl FILE --issuer CA`; what came before counts meanwhile",
    "stale": "tell whoever runs the CA that no newer list is published there; this one counts meanwhile",
}
#: The kind of the alarm that a node is not running: nothing else is known of it then.
_NOT_RUNNING: Final = "node"
_SILENCE: Final = (
    "see whether `peerkey run` runs on the peer, and whether UDP gets from {local} to {remote} and back"
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, and the next step; both empty where nothing is."""

    fault: str = ""
    step: str = ""


NOTHING: Final = Advice()


def not_running(node: NodeStatus) -> str:
    """Return that the actor of a node does not answer, and why; empty where it does."""
    return next((alarm.message for alarm in node.alarms if alarm.kind == _NOT_RUNNING), "")


def of_certificate(node: NodeStatus, now: datetime) -> str:
    """Return what to do about the certificate of a node; empty where nothing is to be done."""
    own = node.certificate
    if not_running(node):
        return "its certificate is known again when it runs: `peerkey show alarms` says why it does not"
    if own is None:
        return "get one: `peerkey enroll`, or `create certificate-request` and then `import certificate`"
    if own.state != CertificateState.VALID:
        return _certificate_step(own.detail, "this node", now)
    return _ending(own.chain, "this node", now)


def of_peer_certificate(peer: PeerStatus, now: datetime) -> str:
    """Return what to do about the certificate of a peer; empty where nothing is to be done."""
    if peer.security.peer_certificate_fault:
        return _certificate_step(peer.security.peer_certificate_fault, "the peer", now)
    return _ending(peer.security.peer_chain, "the peer", now)


def of_peering(node: NodeStatus, peer: PeerStatus, now: datetime) -> Advice:
    """Return what is wrong with a peering of ``node``, and what to do; nothing where it is in order."""
    if node.drained is not None:
        # A drained node is as one whose key management is off; what the configuration says is another matter.
        fault = f"this node is {node.drained.state}"
        return Advice(fault, f"`peerkey drain --undo --node {node.node}` brings it back to work")
    if not node.enabled:
        step = "set enhanced-security-key-management to true, then restart the authority"
        return Advice("key management is disabled here", step)
    cause = causes.of_peering(node, peer)
    if cause is None:
        return Advice(step=_ending(peer.security.peer_chain, "the peer", now))
    return _of_cause(cause, peer.peer, now)


def of_list(state: str) -> str:
    """Return what to do about an address of revocation lists in this state; empty where nothing is."""
    return _LISTS.get(state, "")


def _of_cause(cause: Cause, peer: str, now: datetime) -> Advice:
    if cause.path is not None:
        return _out_of_service(cause.path, cause.reason)
    if cause.about == labels.ABOUT_OWN:
        if cause.reason == labels.MISSING:
            step = "`peerkey show certificate` says why and what to do"
            return Advice("this node has no certificate", step)
        fault = f"certificate of this node: {cause.detail}"
        return Advice(fault, _certificate_step(cause.detail, "this node", now))
    if cause.about == labels.ABOUT_PEER:
        return Advice(
            f"certificate of the peer: {cause.detail}", _certificate_step(cause.detail, "the peer", now)
        )
    if cause.about == labels.ABOUT_REFUSED:
        fault = f"the peer refuses the certificate of this node: {cause.detail}"
        return Advice(fault, _refused_step(cause.reason, now))
    return Advice(cause.detail, _STEPS[Reason(cause.reason)].replace("PEER", peer))


def _refused_step(word: str, now: datetime) -> str:
    """Return what to do where a peer refuses a certificate that is good here."""
    if word in _DATES:
        return f"compare the clocks: that of the peer, and the one here, which says {_said(now)}"
    if word == Fault.UNTRUSTED:
        return "compare trusted-ca-certificate of both ends: the peer trusts no CA above this certificate"
    if word == Fault.IDENTITY_MISMATCH:
        return "compare the uuid of this node with the one that the peer has configured for it"
    return _STEPS[Reason.CERTIFICATE_INVALID]


def _out_of_service(path: PathStatus, reason: str) -> Advice:
    """Explain a path that is out of service where the peering itself is in order."""
    interface = path.name.partition(">")[0]
    fault = f"path by {interface}: {path.reason or 'nothing has come from the peer yet'}"
    if reason == labels.NO_INTERFACE:
        address = path.local.rpartition(":")[0]
        return Advice(fault, f"see why no interface that is up has the address {address}")
    if reason == labels.SILENT:
        return Advice(fault, _SILENCE.format(local=path.local, remote=path.remote))
    return Advice(fault, _STEPS[Reason(reason)])


def _certificate_step(detail: str, whose: str, now: datetime) -> str:
    """Return what to do about a certificate with these faults."""
    words = {part.strip().partition(":")[0] for part in detail.split(";")}
    there = " there" if whose == "the peer" else ""
    if Fault.NOT_YET_VALID in words:
        return f"the clock here says {_said(now)}: set it if that is wrong, else get another certificate"
    if Fault.REVOKED in words:
        return f"if that is meant, get {whose} a new one (`peerkey enroll`{there}); if not, ask the CA"
    if Fault.EXPIRED in words:
        new = f"get {whose} a new one (`peerkey enroll` or `import certificate`{there})"
        return f"the clock here says {_said(now)}: set it if that is wrong, else {new}"
    if Fault.UNTRUSTED in words:
        return "add the CA that issued it to trusted-ca-certificate, or have it issued by one that is there"
    if Fault.IDENTITY_MISMATCH in words:
        return f"compare the configured uuid of {whose} with the certificate; one of the two is wrong"
    return f"`peerkey pki verify` says more of the file; get {whose} a certificate without these faults"


def _ending(chain: tuple[bytes, ...], whose: str, now: datetime) -> str:
    """Return what to do about a certificate that is good and ends within a month; else nothing."""
    ends = _end(chain[0]) if chain else None
    if ends is None or severity(now, min(now, ends), ends) is None:
        return ""
    days, there = (ends - now).days, " there" if whose == "the peer" else ""
    when = (
        f"ends {_said(ends)}, in {days} day{'s' if days != 1 else ''}"
        if days >= 0
        else f"ended {_said(ends)}"
    )
    return f"the certificate of {whose} {when}: renew it (`peerkey enroll` or `import certificate`{there})"


@lru_cache(_ENDS_REMEMBERED)
def _end(der: bytes) -> datetime | None:
    """Return the notAfter of a certificate; ``None`` for what cannot be read."""
    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc
    except ValueError:
        return None


def _said(time: datetime) -> str:
    """Return a time as the faults of certificates write theirs."""
    return f"{time:%Y-%m-%d %H:%M:%S}Z"
