"""The labels, each with its bound. A value that is none of the known words is ``other``."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from metrics.metric import Label, Per
from peerkey.observe.alarm_kinds import ALARM_KINDS
from peerkey.observe.alarms import Severity
from peerkey.pki.faults import CertificateState, Fault
from peerkey.protocol.messages import Reason, Role

#: Whatever is none of the known words: no label is made of what was received.
OTHER: Final = "other"

#: The longest value of a label. A name of the configuration may be as long as it likes.
MAXIMUM_CHARACTERS: Final = 128
_DIGITS: Final = 8
_WORD: Final = re.compile(r"[a-z]+(-[a-z]+){0,5}")
#: Reasons for which frames are dropped, and kinds of actors, that are told apart. The code has fewer.
MAXIMUM_REASONS: Final = 64

#: Types of audit events. The code has fewer.
MAXIMUM_EVENT_TYPES: Final = 128

NODE: Final = Label("node", "`ROUTER/NODE`, or `authority` for what concerns no node alone", per=Per.NODE)
PEER: Final = Label("peer", "The peer, as `ROUTER/NODE`", per=Per.PEERING)
PATH: Final = Label("path", "The path, as `show peers` names it", per=Per.PATH)
URL: Final = Label("url", "The address of the list, without a user or a password", per=Per.LIST)

#: The security statuses of a peering, in the words of ``show peers security``.
STATUSES: Final = (
    "ESKM_DISABLED",
    "CERT_EXCH_INIT",
    "CERT_EXCH_COMP",
    "KEY_EXCH_INIT",
    "MKEY_EXCH_COMP",
    "REMOVED",
)
#: The states of a path, in the words of ``show peers``.
PATH_STATES: Final = ("disabled", "down", "waiting", "in-service", "invalid")
#: The states of a list, in the words of ``show certificate crl``.
LIST_STATES: Final = ("waiting", "current", "unreachable", "refused", "stale")
#: Why a certificate was accepted: its chain leads to a trusted CA; it is the first one that was seen, and no
#: other is taken; or neither.
ACCEPTED: Final = ("validated", "pinned", "unvalidated")
#: Why one was refused or went bad: everything that can be wrong with a certificate, or another is pinned.
AT_FAULT: Final = (*(fault.value for fault in Fault), "pinned")
#: The reason of what has none of its own.
RECOVERED: Final = "valid"
#: What the cause is about that keeps a peering from being as it should be: the node's own certificate, the
#: peer's, what the peer says of the node's, the agreement of a key, or a path on which nothing comes.
ABOUT_OWN: Final = "own-certificate"
ABOUT_PEER: Final = "peer-certificate"
ABOUT_REFUSED: Final = "refused-by-peer"
ABOUT_KEY: Final = "key"
ABOUT_PATH: Final = "path"
#: There is no certificate; nothing comes from the peer; no interface has the address of the path.
MISSING: Final = "missing"
SILENT: Final = "silent"
NO_INTERFACE: Final = "no-interface"
#: The alarms by their types: the catalogue of alarms names each.
ALARM_TYPES: Final = tuple(sorted(ALARM_KINDS))


def words(name: str, meaning: str, *known: str) -> Label:
    """Return a label that is one of these words, or ``other``."""
    return Label(name, meaning, words=known)


STATUS: Final = words("state", "The security status, as `show peers security` shows it", *STATUSES)
PATH_STATE: Final = words("state", "The state of the path", *PATH_STATES)
LIST_STATE: Final = words("state", "The state of the list", *LIST_STATES)
ROLE: Final = words("role", "The role of the key in its ring", *(role.value for role in Role))
RESULT: Final = words("result", "What came of it", "success", "failure")
FAULT_STATE: Final = words("state", "What it was found", "expired", "invalid", "revoked")
CHECKED: Final = words("result", "What was found", "revoked", "not-revoked", "not-checked")
OUTCOME: Final = words("outcome", "What became of it", "accepted", "refused", "went-bad", "recovered")
REASON: Final = words(
    "reason", "Why, as below the table", *dict.fromkeys((*ACCEPTED, *AT_FAULT, RECOVERED)), OTHER
)
FAILED: Final = words("reason", "Why the peering is not keyed", *(reason.value for reason in Reason), OTHER)
ABOUT: Final = words(
    "about", "What the cause is about", ABOUT_OWN, ABOUT_PEER, ABOUT_REFUSED, ABOUT_KEY, ABOUT_PATH
)
CAUSE: Final = words(
    "reason",
    "The cause",
    *dict.fromkeys(
        (
            *(fault.value for fault in Fault),
            *(reason.value for reason in Reason),
            MISSING,
            SILENT,
            NO_INTERFACE,
        )
    ),
    OTHER,
)
DROPPED: Final = Label("reason", "Why, in one word of the protocol's machines", most=MAXIMUM_REASONS)
SEVERITY: Final = words("severity", "How urgent it is", *(severity.value for severity in Severity))
ALARM_TYPE: Final = words("type", "Which alarm it is", *ALARM_TYPES, OTHER)
EVENT_TYPE: Final = Label("type", "Which event it is, as `show events` names it", most=MAXIMUM_EVENT_TYPES)
IN_TIME: Final = words("result", "Whether the interval was kept", "in-time", "late")
PATH_CHANGE: Final = words("result", "Which way it went", "up", "down")
HA_STATE: Final = words("state", "Of which records", "replicated", "lagging", "copies")
HA_LINK: Final = words("result", "What became of it", "up", "down", "refused")
HA_TAKEN: Final = words("result", "Which way they went", "taken-over", "released")
HA_USED: Final = words("result", "What was done with it", "used")
ACTOR_KIND: Final = Label("kind", "The class of the actor", most=MAXIMUM_REASONS)
ACTOR_STATE: Final = words(
    "state",
    "Where it is in its life",
    *("starting", "running", "restarting", "failed", "stopping", "stopped"),
)
OPERATION: Final = words("operation", "What was asked of the store", "activate", "read", "scan", "commit")
REFUSED_LOGIN: Final = words("reason", "Why", "no token", "unknown token", "role", OTHER)
DETAIL: Final = words("detail", "How fine", "peer", "node", "fleet")
VERSION: Final = Label("version", "The version that runs", most=1)

#: The states of a node's own certificate.
CERTIFICATE_STATES: Final = tuple(state.value for state in CertificateState)


def clean(value: str) -> str:
    """Return a value fit for a label: printable, and not longer than :data:`MAXIMUM_CHARACTERS`.

    One that had to be changed ends in a digest of what it was, so that two do not become the same.
    """
    if len(value) <= MAXIMUM_CHARACTERS and value.isprintable():
        return value
    digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    kept = value[: MAXIMUM_CHARACTERS - _DIGITS - 1]
    return "".join(each if each.isprintable() else "?" for each in kept) + f"~{digest}"


def word(value: str) -> str:
    """Return the value where it is one word of ours, such as ``bad-mac``, else ``other``."""
    return value if _WORD.fullmatch(value) else OTHER


def known(value: str, label: Label) -> str:
    """Return the value where the label has this word, else ``other``."""
    return value if value in label.words else OTHER
