"""What the protocol asks of a peer's certificate: who is this, is it good, and for how long.

    "When a certificate is received from a peer on multiple peer paths, a cached validation response
    is used."

An :class:`Examiner` belongs to one peer: it knows whom the configuration expects. What does not
depend on the peer, the reading and judging of the chain, is cached in a :class:`VerdictCache`, which
examiners may share that are used one at a time. The key holds everything that the judgement was made
of: the bytes of the chain, the trust, the revocations and their generation. What no key can hold, the
time, is kept with the entry: a judgement serves only within the span in which it is known to hold.

With ``peer_validation`` off the verdict says nothing of dates, trust and revocation; identity, role
and algorithms always count. Whether the chain leads to a trusted authority is told in either case,
because it decides about pins and about following CRL addresses (protocol.md, step C).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from peerkey.pki.certificate import Chain, parse_chain_untrusted
from peerkey.pki.chain import Judgement, judge
from peerkey.pki.expiry import NEVER
from peerkey.pki.faults import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from peerkey.pki.identity import Names, PeerIdentity
    from peerkey.pki.revocation import Revocation
    from peerkey.pki.trust import TrustAnchors

#: Chains remembered by default; each takes about 20 KB with the objects that hold it.
DEFAULT_CACHE_SIZE: Final = 1024

#: The chain itself, generation of the trust, the revocations and their generation.
CacheKey: TypeAlias = "tuple[tuple[bytes, ...], bytes, Revocation, int]"


@dataclass(frozen=True, slots=True)
class Examination:
    """A peer's certificate, judged. Valid until :func:`next_change` says otherwise."""

    #: SHA-256 of the leaf's DER, whatever hash it is signed with.
    fingerprint: bytes
    #: "The receiving router must extract the peer router's public key and save it."
    #: Use it only where ``verdict`` is valid: its kind and size have been checked only then.
    public_key: CertificatePublicKeyTypes = field(repr=False)
    leaf: x509.Certificate = field(repr=False)
    names: Names
    #: Of the leaf.
    not_before: datetime
    #: Of the leaf; the path above it may end earlier, which ``verdict.not_after`` tells.
    not_after: datetime
    verdict: Verdict
    #: Whether the chain leads to a trusted CA now, with good dates and nothing revoked on the way,
    #: whatever ``peer_validation`` says.
    chained: bool
    #: The span in which the same would be said: from this instant to before the other.
    since: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        """Whether an examination at ``at`` would come to the same, all else being equal."""
        return self.since <= at < self.until


@dataclass(slots=True)
class _Entry:
    chain: Chain
    judgement: Judgement
    #: The last one made of the two above and by whom: the other paths of a peer ask the same.
    last: tuple[Examiner, Examination] | None = None


class VerdictCache:
    """Judged chains, the least recently used forgotten first.

    It is used by one thread at a time. Chains that cannot be read are not remembered.
    """

    def __init__(self, size: int = DEFAULT_CACHE_SIZE) -> None:
        """Remember at most ``size`` chains, at least one."""
        self._size = max(1, size)
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """Return how many chains are remembered."""
        return len(self._entries)

    def judged(
        self,
        chain: tuple[bytes, ...],
        trust: TrustAnchors,
        revocation: Revocation,
        at: datetime,
    ) -> _Entry:
        """Return the chain and its judgement at ``at``, from memory where it still holds.

        Raises:
            Malformed: as :func:`peerkey.pki.certificate.parse_chain_untrusted` does.
        """
        key = (chain, trust.generation, revocation, revocation.generation)
        entry = self._entries.get(key)
        if entry is not None and entry.judgement.holds(at):
            self.hits += 1
            self._entries.move_to_end(key)
            return entry
        self.misses += 1
        parsed = entry.chain if entry is not None else parse_chain_untrusted(chain)
        entry = _Entry(parsed, judge(parsed, trust, revocation, at))
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return entry


@dataclass(frozen=True, slots=True)
class Examiner:
    """Examines what claims to be one peer's certificate, or a node's own.

    Immutable: after a change of trust or configuration use :func:`dataclasses.replace`.
    For a node's own certificate ``peer_validation`` is always on.
    """

    identity: PeerIdentity
    peer_validation: bool = field(kw_only=True)
    trust: TrustAnchors = field(kw_only=True)
    revocation: Revocation = field(kw_only=True)
    #: May be shared by examiners that are used one at a time.
    cache: VerdictCache = field(kw_only=True, default_factory=VerdictCache, compare=False, repr=False)

    def examine(self, chain: tuple[bytes, ...], at: datetime) -> Examination:
        """Judge a chain of DER certificates, leaf first, at the aware instant ``at``.

        Raises:
            Malformed: these bytes are no chain that could be read.
        """
        entry = self.cache.judged(chain, self.trust, self.revocation, at)
        if entry.last is not None and entry.last[0] is self:
            return entry.last[1]
        examination = self._concluded(entry.chain, entry.judgement)
        entry.last = (self, examination)
        return examination

    def _concluded(self, parsed: Chain, judgement: Judgement) -> Examination:
        """Add to what is said of the chain whether it is this peer's."""
        mismatch = parsed.names.match(self.identity)
        faults = judgement.leaf_faults if mismatch is None else (mismatch, *judgement.leaf_faults)
        if self.peer_validation:
            faults = (*faults, *judgement.chain_faults)
        leaf = parsed.leaf
        return Examination(
            fingerprint=parsed.fingerprint,
            public_key=parsed.public_key,
            leaf=leaf,
            names=parsed.names,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            verdict=Verdict(faults, judgement.not_after),
            chained=judgement.trusted,
            since=judgement.since,
            until=judgement.until,
        )


def next_change(examination: Examination, at: datetime) -> datetime | None:
    """Return when the certificate must be judged again because of time alone.

    That is the first instant after ``at`` at which a certificate of the chain or a trusted CA begins
    or ends to be valid; the verdict need not change then. ``None``: never. An ``at`` at which the
    examination does not hold asks for one at once.
    """
    if not examination.holds(at):
        return at
    return None if examination.until == NEVER else examination.until
