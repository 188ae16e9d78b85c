"""``pki verify``: from names of files to the answer.

A file that cannot be opened is wrong usage. One whose contents cannot be read is an answer: whoever presents
it has no valid certificate, so it is told as the reason ``malformed`` like every other fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, read_bundle
from peerkey.pki.crl import read_crls
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.list_frame import MAXIMUM_LIST_BYTES
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import Verification, leaf_first, malformed, verify
from peerkey_cli.errors import WrongUsage
from peerkey_cli.files import given_content
from peerkey_cli.schemas import Verified

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from peerkey_cli.api.requests import Question as Brought

#: Files of one kind on a command line.
_MAXIMUM_FILES: Final = 256


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for on the command line."""

    at: datetime
    leaf: str
    chain: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    crls: tuple[str, ...] = ()
    require_crl: bool = False
    identity: UUID | None = None


def answered(question: Question, now: datetime) -> Verified:
    """Answer it.

    :raises WrongUsage: a file cannot be opened, or there are too many of them.
    """
    try:
        verification = _verified(question)
    except Misconfigured as unreadable:
        verification = malformed(str(unreadable))
    return _document(verification, question.at, now)


def answered_of(question: Brought, now: datetime) -> Verified:
    """Answer what somebody asks with the certificates themselves."""
    at = now if question.at is None else question.at.astimezone()
    identity = None if question.identity is None else PeerIdentity(question.identity)
    try:
        certificates = [*leaf_first(read_bundle(question.leaf.encode(), "leaf"))]
        for number, pem in enumerate(question.chain):
            certificates += read_bundle(pem.encode(), f"chain[{number}]")
        trust = TrustAnchors.read(
            (pem.encode(), f"trust[{number}]") for number, pem in enumerate(question.trust)
        )
        lists = [
            each
            for number, pem in enumerate(question.crls)
            for each in read_crls(pem.encode(), f"crls[{number}]")
        ]
        verification = verify(
            certificates, trust, at, lists=lists, require_revocation=question.require_crl, identity=identity
        )
    except Misconfigured as unreadable:
        verification = malformed(str(unreadable))
    return _document(verification, at, now)


def _document(verification: Verification, at: datetime, now: datetime) -> Verified:
    verdict = verification.verdict
    return Verified(
        time=now,
        at=at,
        valid=verdict.valid,
        state=verdict.state.value,
        reasons=tuple(str(finding) for finding in verdict.faults),
        path=tuple(each.subject.rfc4514_string() for each in verification.path),
        remarks=verification.remarks,
    )


def _verified(question: Question) -> Verification:
    for names in (question.chain, question.trust, question.crls):
        if len(names) > _MAXIMUM_FILES:
            message = f"{len(names)} files; at most {_MAXIMUM_FILES} of a kind are read"
            raise WrongUsage(message)
    certificates = [
        *leaf_first(read_bundle(given_content(question.leaf, MAXIMUM_BUNDLE_BYTES), question.leaf))
    ]
    for name in question.chain:
        certificates += read_bundle(given_content(name, MAXIMUM_BUNDLE_BYTES), name)
    trust = TrustAnchors.read((given_content(name, MAXIMUM_BUNDLE_BYTES), name) for name in question.trust)
    lists = [
        each for name in question.crls for each in read_crls(given_content(name, MAXIMUM_LIST_BYTES), name)
    ]
    return verify(
        certificates,
        trust,
        question.at,
        lists=lists,
        require_revocation=question.require_crl,
        identity=None if question.identity is None else PeerIdentity(question.identity),
    )
