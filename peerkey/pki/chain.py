"""A path from a leaf to a trusted authority, or the reasons why there is none.

Building and checking the path is ``cryptography``'s verifier under the policy of
:mod:`peerkey.pki.policy`. Two things are ours. The verifier knows no revocation: a path through a
revoked CA is set aside and another is looked for without it, so that a cross-signed CA heals what
its revoked twin broke. And its refusal is one line about one of many attempts, so a refused chain is
walked again to say *everything* that is wrong with it ("alarm lacked the reason").

A judgement holds until a certificate involved begins or ends to be valid; ``since`` and ``until``
bound that time, and a clock that is set back leaves it like one that goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from peerkey.pki.certificate import MAXIMUM_CHAIN, Chain
from peerkey.pki.certificate_policies import lacks_policy
from peerkey.pki.expiry import NEVER, is_expired, is_premature
from peerkey.pki.faults import Fault, Finding, Verdict
from peerkey.pki.policy import CA_EXTENSIONS, LEAF_EXTENSIONS, ca_findings, leaf_findings
from peerkey.pki.trust import TrustAnchors, boundaries_of, has_issued

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from peerkey.pki.revocation import Revocation

#: CAs between the leaf and the anchor.
_MAXIMUM_INTERMEDIATES: Final = MAXIMUM_CHAIN - 1
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_SHOWN_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a chain, apart from whose it is."""

    #: Role, usages, key and algorithms of the leaf: these always count.
    leaf_faults: tuple[Finding, ...]
    #: Dates, trust and revocation, of the leaf and above.
    chain_faults: tuple[Finding, ...]
    #: From the leaf to the anchor, as far as the path is known; the leaf is always there.
    path: tuple[x509.Certificate, ...]
    #: The judgement holds from this instant ...
    since: datetime
    #: ... to before this one.
    until: datetime

    @property
    def trusted(self) -> bool:
        """Whether the chain leads to a trusted authority and nothing is wrong on the way."""
        return not self.leaf_faults and not self.chain_faults

    @property
    def not_after(self) -> datetime:
        """The earliest notAfter on the path."""
        return min(certificate.not_valid_after_utc for certificate in self.path)

    def holds(self, at: datetime) -> bool:
        """Whether the same would be said at ``at``."""
        return self.since <= at < self.until


class Coverage(Protocol):
    """What is known to be *not* revoked. Only a caller that insists on knowing has one."""

    def gap(self, certificate: x509.Certificate, anchor: x509.Certificate) -> str | None:
        """Return why nothing current speaks for ``certificate`` on a path to ``anchor``; else ``None``."""


def validate(
    chain: Chain,
    trust: TrustAnchors,
    revocation: Revocation,
    at: datetime,
    coverage: Coverage | None = None,
) -> Verdict:
    """Return everything that is wrong with ``chain`` at ``at``, whoever it belongs to."""
    judgement = judge(chain, trust, revocation, at, coverage)
    return Verdict((*judgement.leaf_faults, *judgement.chain_faults), judgement.not_after)


def judge(
    chain: Chain,
    trust: TrustAnchors,
    revocation: Revocation,
    at: datetime,
    coverage: Coverage | None = None,
) -> Judgement:
    """Judge ``chain`` at the aware instant ``at``.

    With ``coverage`` a certificate below the anchor of which nobody currently says that it is good is
    treated like a revoked one. It does not bound ``since`` and ``until``: keep no such judgement.
    """
    leaf_faults = leaf_findings(chain.leaf, chain.public_key)
    path, faults, refusal = _search(chain, trust, revocation, at, coverage)
    if refusal is not None:
        path, faults = _diagnose(chain, trust, revocation, at)
        if not faults and not leaf_faults:
            faults = (Finding(Fault.UNTRUSTED, refusal),)
    own = boundaries_of(chain.certificates)
    return Judgement(
        leaf_faults,
        faults,
        path,
        since=max(_before(own, at), _before(trust.boundaries, at)),
        until=min(_behind(own, at), _behind(trust.boundaries, at)),
    )


def _search(
    chain: Chain,
    trust: TrustAnchors,
    revocation: Revocation,
    at: datetime,
    coverage: Coverage | None,
) -> tuple[tuple[x509.Certificate, ...], tuple[Finding, ...], str | None]:
    """Look for a path that no revocation touches: the path, what is revoked, the verifier's refusal."""
    store, anchors = trust.store, trust.anchors
    candidates = candidates_of(chain.others, trust)
    touched: tuple[x509.Certificate, ...] = ()
    findings: tuple[Finding, ...] = ()
    while store is not None:
        found = find_path(chain.leaf, candidates, store, at)
        if isinstance(found, str):
            return touched, findings, None if findings else found
        if lacks_policy(found):
            return found, findings, "a CA asks for a certificate policy and none holds along the path"
        revoked = dict(_revoked(found, revocation))
        if not revoked and coverage is not None:
            revoked = dict(_uncovered(found, coverage))
        if not revoked:
            return found, (), None
        touched, findings = touched or found, findings or tuple(revoked.values())
        if chain.leaf in revoked:
            return found, tuple(revoked.values()), None
        candidates = [certificate for certificate in candidates if certificate not in revoked]
        anchors = tuple(certificate for certificate in anchors if certificate not in revoked)
        store = Store(list(anchors)) if anchors else None
    return touched, findings, None if findings else "no trusted CA is configured"


def candidates_of(others: Iterable[x509.Certificate], trust: TrustAnchors) -> list[x509.Certificate]:
    """Return the CAs through which a path may go.

    A key that is not accepted must not be computed with, so such a CA is not even a candidate.
    """
    return [*(certificate for certificate in others if not ca_findings(certificate)), *trust.helpers]


def find_path(
    leaf: x509.Certificate,
    candidates: list[x509.Certificate],
    store: Store,
    at: datetime,
) -> tuple[x509.Certificate, ...] | str:
    """Return the verifier's path, leaf first, or its refusal."""
    verifier = (
        PolicyBuilder()
        .store(store)
        .time(at)
        .max_chain_depth(_MAXIMUM_INTERMEDIATES)
        .extension_policies(ca_policy=CA_EXTENSIONS, ee_policy=LEAF_EXTENSIONS)
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(leaf, candidates).chain)
    except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
        return ascii(str(error).split(" (encountered processing", 1)[0])[1:-1][:_SHOWN_CHARACTERS]


def _revoked(
    path: Iterable[x509.Certificate],
    revocation: Revocation,
) -> Iterator[tuple[x509.Certificate, Finding]]:
    for place, certificate in enumerate(path):
        entry = revocation.lookup(certificate.issuer.public_bytes(), certificate.serial_number, certificate)
        if entry is not None:
            yield certificate, Finding(Fault.REVOKED, f"{_called(certificate, place)} is revoked {entry}")


def _uncovered(
    path: tuple[x509.Certificate, ...], coverage: Coverage
) -> Iterator[tuple[x509.Certificate, Finding]]:
    for place, certificate in enumerate(path[:-1]):
        gap = coverage.gap(certificate, path[-1])
        if gap is not None:
            detail = f"nobody says that {_called(certificate, place)} is not revoked: {gap}"
            yield certificate, Finding(Fault.REVOCATION_UNKNOWN, detail)


def _diagnose(
    chain: Chain,
    trust: TrustAnchors,
    revocation: Revocation,
    at: datetime,
) -> tuple[tuple[x509.Certificate, ...], tuple[Finding, ...]]:
    """Walk upwards from the leaf and collect what is wrong, as far as signatures lead."""
    path = [chain.leaf]
    missing: tuple[Finding, ...] = ()
    while path[-1] not in trust.anchors:
        above = _issuers(path, chain, trust, at)
        if not above or len(path) > MAXIMUM_CHAIN:
            missing = _why_no_issuer(path[-1], chain, trust)
            break
        path.append(above[0])
    dates = tuple(
        finding
        for place, certificate in enumerate(path)
        for finding in _date_findings(certificate, place, at)
    )
    # Whose list speaks of a certificate is known only where signatures lead to a trusted CA.
    revoked = () if missing else tuple(finding for _, finding in _revoked(path, revocation))
    return tuple(path), (*revoked, *dates, *_length_findings(path), *missing)


def _issuers(
    path: list[x509.Certificate],
    chain: Chain,
    trust: TrustAnchors,
    at: datetime,
) -> list[x509.Certificate]:
    """Return the accepted CAs that have signed the end of ``path``; anchors and valid ones first."""
    offered = (certificate for certificate in chain.others if not ca_findings(certificate))
    known = dict.fromkeys((*trust.anchors, *trust.helpers, *offered))
    issuers = [ca for ca in known if ca not in path and has_issued(ca, path[-1])]
    return sorted(issuers, key=lambda ca: any(True for _ in _date_findings(ca, 1, at)))


def _why_no_issuer(end: x509.Certificate, chain: Chain, trust: TrustAnchors) -> tuple[Finding, ...]:
    """Say why the path ends at ``end``: its issuer is unknown, or is known and may not be a CA."""
    unfit = [(ca, ca_findings(ca)) for ca in chain.others if ca != end]
    for ca, findings in (*trust.refused, *unfit):
        if findings and ca.subject == end.issuer:
            prefix = f"CA {_shown(ca.subject)}"
            return tuple(Finding(fault, f"{prefix}: {detail}") for fault, detail in findings)
    if not trust.anchors:
        return (Finding(Fault.UNTRUSTED, "no trusted CA is configured"),)
    return (Finding(Fault.UNTRUSTED, f"no trusted CA stands behind the issuer {_shown(end.issuer)}"),)


def _date_findings(certificate: x509.Certificate, place: int, at: datetime) -> Iterator[Finding]:
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if is_expired(at, not_after):
        yield Finding(Fault.EXPIRED, f"{_called(certificate, place)} expired {not_after:%Y-%m-%d %H:%M:%S}Z")
    elif is_premature(at, not_before):
        begins = f"is not valid before {not_before:%Y-%m-%d %H:%M:%S}Z"
        yield Finding(Fault.NOT_YET_VALID, f"{_called(certificate, place)} {begins}")


def _length_findings(path: list[x509.Certificate]) -> Iterator[Finding]:
    """Yield where more CAs stand below one than its pathlen allows (RFC 5280 section 4.2.1.9)."""
    below = 0
    for place, ca in enumerate(path[1:], 1):
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
        if basic.path_length is not None and below > basic.path_length:
            detail = f"{_called(ca, place)} allows {basic.path_length} CAs below itself, not {below}"
            yield Finding(Fault.BAD_BASIC_CONSTRAINTS, detail)
        below += ca.subject != ca.issuer


def _called(certificate: x509.Certificate, place: int) -> str:
    return f"CA {_shown(certificate.subject)}" if place else "the certificate"


def _shown(name: x509.Name) -> str:
    """Return a name that somebody else chose, fit for one line of a terminal."""
    return ascii(name.rfc4514_string())[1:-1][:_SHOWN_CHARACTERS] or "without a name"


def _before(boundaries: tuple[datetime, ...], at: datetime) -> datetime:
    place = bisect_right(boundaries, at)
    return boundaries[place - 1] if place else _BEGINNING


def _behind(boundaries: tuple[datetime, ...], at: datetime) -> datetime:
    place = bisect_right(boundaries, at)
    return boundaries[place] if place < len(boundaries) else NEVER
