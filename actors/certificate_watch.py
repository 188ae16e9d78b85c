"""When a node looks at certificates again: its own, and those of every peer that it has judged.

    "Periodic revocation checks of the base certificate are performed based on the configuration defaults or
    user configured timelines."

:class:`CertificateWatch` is level-triggered: it knows when everything was judged last and when the first
certificate begins or ends to be valid, and sets one timer for whatever comes first: that date, the periodic
check, or a minute, after which it is seen whether the wall clock was stepped or something is known to be
revoked that was not. It judges the node's own certificate itself (by
:class:`~actors.node_certificates.NodeCertificates`); having the peerings judge those of their peers is the
node's business, a few at a time, and ends with :meth:`CertificateWatch.all_judged`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from actors.messages import CertificatesSeen, ListsWanted
from actors.revocation_check import RECORD, CheckStored, RevocationCheck
from peerkey.moment import EPOCH_START
from peerkey.pki.examination import next_change

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from actors.node_certificates import NodeCertificates
    from actors.router_node import Ports
    from peerkey.config.plan import NodePlan
    from peerkey.moment import Instant, Moment
    from peerkey.pki.examination import Examination
    from runtime.actor import Context
    from runtime.store.port import Record

#: How often it is looked whether the wall clock has been stepped or something can be read again,
#: and how often certificates are judged again although nothing says that they must be.
WATCH_INTERVAL: Final = timedelta(seconds=60)
JUDGE_AGAIN_AFTER: Final = timedelta(hours=1)
#: By how much the two clocks may come apart between two looks: a clock that is corrected is not stepped.
CLOCK_TOLERANCE: Final = timedelta(seconds=1)
#: How long certificates that come into force are gathered before their dates are looked at, all at once.
GATHERING: Final = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class WatchDue:
    """It is time to look at the certificates again."""


@dataclass(frozen=True, slots=True)
class DatesDue:
    """Certificates have come into force: it is time to see when the first begins or ends to be valid."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The certificate of a peer, as a desk has it."""

    examination: Examination
    #: The chain, where it was verified and nothing is under way; nothing otherwise.
    chain: tuple[bytes, ...]
    #: Whether nothing is under way that may replace the examination.
    settled: bool


class CertificateWatch:
    """What of a node's certificates is due, and when."""

    def __init__(
        self,
        ctx: Context,
        plan: NodePlan,
        ports: Ports,
        certificates: NodeCertificates,
        *,
        owner: str,
        epoch: int,
        record: Record | None,
        now: Moment,
    ) -> None:
        """Watch from ``now`` on; ``record`` is what is stored of the periodic check."""
        self.plan = plan
        self._ctx = ctx
        self._ports = ports
        self._certificates = certificates
        self._owner = owner
        self._epoch = epoch
        self._check = RevocationCheck(record, now.wall, self._store_check)
        self._gathering = False
        #: When every certificate was judged last, and when the first of them begins or ends to be valid.
        self._judged = EPOCH_START
        self._boundary: datetime | None = None
        #: The verified chains that were told of last, and when.
        self._chains_told: tuple[frozenset[tuple[bytes, ...]], Instant] = (frozenset(), EPOCH_START.instant)

    # --- judging ----------------------------------------------------------------------------------

    def judge_own(self, now: Moment) -> bool:
        """Judge this node's own certificate; return whether the judgement is another than before."""
        before = self._certificates.fault
        event = self._certificates.judge(now.wall)
        if event is not None:
            self._ports.journal.record(now.wall, self.plan.name, event)
        return self._certificates.fault != before

    def still_judged(self, now: Moment) -> bool:
        """Tell whether the clocks have gone on alike since the last judgement, and reached no date."""
        if self._certificates.outdated or self._check_due(now):
            return False
        passed = now.instant - self._judged.instant
        apart = now.wall - self._judged.wall - passed
        before_boundary = self._boundary is None or now.wall < self._boundary
        return before_boundary and passed < JUDGE_AGAIN_AFTER and abs(apart) < CLOCK_TOLERANCE

    def all_judged(self, peers: Collection[InForce], now: Moment) -> None:
        """Go on watching; everything has just been judged."""
        self._judged = now
        self.see_dates(peers, now)

    # --- the periodic check -----------------------------------------------------------------------

    def check_if_due(self, now: Moment) -> None:
        """Tell what has just been found of the node's own certificate, and have the lists fetched again."""
        if not self._check_due(now):
            return
        self._ports.journal.record(now.wall, self.plan.name, self._certificates.checked())
        self._ports.refresh_revocation(ListsWanted(self.plan.name, self._certificates.shown))
        self._check.done(now.wall)

    def check_stored(self, version: int) -> None:
        """Take note that the time of a check is stored."""
        self._check.stored(version)

    def _check_due(self, now: Moment) -> bool:
        check = self._check.due(self.plan, now.wall)
        return check is not None and check <= now.wall

    def _store_check(self, record: bytes, version: int) -> None:
        write = self._ports.store.write(self._owner, self._epoch, RECORD, record, version)
        self._ctx.pipe(write, CheckStored)

    # --- dates ------------------------------------------------------------------------------------

    def tell_again(self) -> None:
        """Tell of the chains in use even if they are those that were told of."""
        self._chains_told = frozenset(), EPOCH_START.instant
        self.look_soon()

    def look_soon(self) -> None:
        """Look at the dates of certificates once those of others have been gathered too."""
        if not self._gathering:
            self._gathering = True
            self._ctx.set_timer("dates", GATHERING, DatesDue())

    def see_dates(self, peers: Collection[InForce], now: Moment) -> None:
        """See when the first certificate begins or ends to be valid."""
        self._gathering = False
        self._ctx.cancel_timer("dates")
        boundaries = [self._certificates.next_boundary(now.wall)]
        chains = {self._certificates.verified_chain}
        for peer in peers:
            if peer.chain:
                chains.add(peer.chain)
            if peer.settled or peer.examination.holds(now.wall):
                boundaries.append(next_change(peer.examination, now.wall))
            else:
                # It is perhaps being judged anew at this moment.
                self.look_soon()
        self._boundary = min((boundary for boundary in boundaries if boundary is not None), default=None)
        self._tell_chains(frozenset(chains), now)
        self.look_later(now)

    def look_later(self, now: Moment) -> None:
        """Look again at the boundary, or at once where revocations have changed; in a minute anyway."""
        due = now.wall + WATCH_INTERVAL
        if self._boundary is not None:
            due = min(due, self._boundary)
        check = self._check.due(self.plan, now.wall)
        if check is not None:
            due = min(due, check)
        if self._certificates.outdated:
            due = now.wall
        self._ctx.set_timer("watch", max(due - now.wall, timedelta(0)), WatchDue())

    def _tell_chains(self, chains: frozenset[tuple[bytes, ...]], now: Moment) -> None:
        """Tell which verified chains are in use: when it is others than before, and every hour."""
        told, at = self._chains_told
        again = chains != told or now.instant - at >= JUDGE_AGAIN_AFTER
        if again and self._ports.certificates_seen(CertificatesSeen(chains)):
            self._chains_told = chains, now.instant
