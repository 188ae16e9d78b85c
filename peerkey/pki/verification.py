"""Any chain at any time, by the rules of the runtime: what ``peerkey pki verify`` asks.

The judgement is :func:`peerkey.pki.chain.judge`'s, the one that a peer's chain gets with ``peer-validation``
on. What differs is what it is asked of: certificates from files, in any order and more than a node would
announce, revocation lists from files, an instant of the caller's, and a name only where one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from peerkey.pki.certificate import Chain, fingerprint, public_key_of
from peerkey.pki.chain import judge
from peerkey.pki.faults import Fault, Finding, Verdict
from peerkey.pki.identity import names_of
from peerkey.pki.revocation_lists import RevocationLists

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography import x509

    from peerkey.pki.crl import RevocationList
    from peerkey.pki.identity import PeerIdentity
    from peerkey.pki.trust import TrustAnchors

#: Certificates among which a path is looked for. A path has six at most; a pool of cross-signed CAs has more.
MAXIMUM_POOL: Final = 128


@dataclass(frozen=True, slots=True)
class Verification:
    """What is to be said of a chain."""

    verdict: Verdict
    #: From the leaf to the anchor, as far as the path is known.
    path: tuple[x509.Certificate, ...]
    #: What was given and could not be used, in words; no reason to refuse by itself.
    remarks: tuple[str, ...] = ()


def malformed(detail: str) -> Verification:
    """Say that what was given cannot be read."""
    return Verification(Verdict((Finding(Fault.MALFORMED, detail),), None), ())


def verify(  # what a caller may ask is that many things
    certificates: Sequence[x509.Certificate],
    trust: TrustAnchors,
    at: datetime,
    *,
    lists: Iterable[RevocationList] = (),
    require_revocation: bool = False,
    identity: PeerIdentity | None = None,
) -> Verification:
    """Judge the first of ``certificates`` at the aware instant ``at``; the others may help to build its path.

    Arguments:
        certificates: at least one, as :func:`peerkey.pki.certificate.read_bundle` returns them.
        trust: where a path may end.
        at: when.
        lists: revocation lists; which of them count is found out here.
        require_revocation: whether a path is refused of which no current list speaks.
        identity: whose certificate it has to be; nobody's in particular where it is ``None``.
    """
    leaf, others = certificates[0], tuple({fingerprint(each): each for each in certificates[1:]}.values())
    if len(others) >= MAXIMUM_POOL:
        return malformed(f"{len(certificates)} certificates; at most {MAXIMUM_POOL} are looked at")
    key = public_key_of(leaf)
    if key is None:
        return malformed("the key of the certificate cannot be read")
    chain = Chain(leaf, others, key, names_of(leaf), fingerprint(leaf))
    revocation = RevocationLists.of(lists, chain.certificates, trust, at)
    judgement = judge(chain, trust, revocation, at, revocation if require_revocation else None)
    mismatch = None if identity is None else chain.names.match(identity)
    named = () if mismatch is None else (mismatch,)
    faults = (*named, *judgement.leaf_faults, *judgement.chain_faults)
    return Verification(Verdict(faults, judgement.not_after), judgement.path, revocation.remarks)


def leaf_first(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Bring the leaf of one file to the front, in whatever order its chain was appended.

    The leaf is the one that is the issuer of no other, judged by names alone. Where that is not exactly
    one, the first stays the first.
    """
    issuers = {each.issuer for each in certificates if each.issuer != each.subject}
    below = [each for each in certificates if each.subject not in issuers]
    if len(certificates) < 2 or len({fingerprint(each) for each in below}) != 1:  # noqa: PLR2004  # a chain
        return tuple(certificates)
    return (below[0], *(each for each in certificates if each != below[0]))
