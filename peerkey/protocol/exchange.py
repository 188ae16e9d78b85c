"""Steps K1 to K5: agree one key.

The initiator asks, the responder answers, the initiator confirms, the responder establishes::

    initiator                                        responder
    IDLE                                             IDLE
      | KEY_REQUEST (public values, echo)   ------->   | verify, compute: the key is *pending*
    REQUESTING                                       RESPONDING
      | <-------   KEY_RESPONSE (public values, confirmation)
      | verify, compute: the key is *held*
    CONFIRMING
      | KEY_CONFIRM (MAC)                   ------->   | *accepted*: it can be opened by both
      |                                              IDLE
      | <-------   KEY_ESTABLISHED (MAC)
      | *accepted*
    IDLE

Requests, responses and confirms are repeated until an authentic frame presupposes their receipt, or
their exchange is over. A KEY_ESTABLISHED is repeated only in answer to a repeated confirm: the probes
that follow activation say the same. Whichever side gives up, the other gets to know: a KEY_CONFIRM for a
key that is no longer pending is refused as ``unknown-exchange``, and the ring summary in every request
and response says what its sender can open.

When two requests cross, both sides compare (priority, UUID) *in the two requests*; the higher stands.

Each half has a module of its own, :mod:`~peerkey.protocol.initiator` and
:mod:`~peerkey.protocol.responder`; this one decides when to begin (K0, and R of the protocol).
"""

from __future__ import annotations

from typing import final

from peerkey.moment import Instant, Moment
from peerkey.protocol.core import Core, earliest
from peerkey.protocol.initiator import Initiator
from peerkey.protocol.phases import Phase, Progress, Step
from peerkey.protocol.responder import Responder
from peerkey.protocol.rotation import Rotation


@final
class Exchange:
    """The key agreement of one peering: when to begin, and both halves of it, one exchange at a time."""

    __slots__ = ("_core", "_needed_since", "_progress", "_rotation", "initiator", "responder")

    def __init__(self, core: Core, rotation: Rotation) -> None:
        """Build both halves; :meth:`start` takes up what the stored state says."""
        self._core = core
        self._rotation = rotation
        self._progress = Progress()
        self._needed_since: Instant | None = None
        self.initiator = Initiator(core, rotation, self._progress)
        self.responder = Responder(core, rotation, self._progress, self.initiator)

    @property
    def phase(self) -> Phase:
        """Where the exchange stands on this side."""
        return self._progress.phase

    def start(self, now: Moment) -> None:
        """Go on with an exchange that a restart interrupted, each half with a full new deadline."""
        self.initiator.start(now)
        self.responder.start(now)

    # --- time -----------------------------------------------------------------------------------

    def want(self) -> None:
        """Ask for a new key as soon as that is possible: an operator's word, or keys known to be lost."""
        self._progress.wanted = True

    def settle(self, now: Moment) -> None:
        """Notice since when a key is needed, so that the side that is not preferred can wait its turn."""
        if not self._needs_key():
            self._needed_since = None
        elif self._needed_since is None:
            self._needed_since = now.instant

    def deadline(self) -> Instant | None:
        """Return when :meth:`tick` has something to do."""
        return earliest(self.initiator.deadline(), self.responder.deadline(), self._request_due())

    def tick(self, now: Moment) -> None:
        """Repeat, give up or begin, as the time says."""
        self.responder.tick(now)
        self.initiator.tick(now)
        due = self._request_due()
        if (
            due is not None
            and due <= now.instant
            and (not self._regular() or self._rotation.turn_has_come(now))
        ):
            self.initiator.begin(now)

    def abort(self) -> None:
        """Give up an exchange that names a certificate or algorithm that is no longer in force."""
        self.initiator.abort()
        self.responder.abort()

    def erased(self) -> None:
        """Forget the exchange: the ring is to be erased, with whatever is pending or held."""
        if self.phase is not Phase.IDLE:
            self._progress.move(Step.ABANDON)
        self.initiator.erased()
        self.responder.erased()

    # --- K0: when to ask --------------------------------------------------------------------------

    def _needs_key(self) -> bool:
        """Tell whether there is no key, or one that was agreed under what is no longer in force."""
        core = self._core
        peer, identity, current = core.state.peer, core.identity, core.state.ring.current
        if not core.may_exchange or peer is None or identity is None:
            return False
        return (
            current is None
            or current.peer_leaf != peer.fingerprint
            or current.local_leaf != identity.fingerprint
            or current.algorithm != core.config.algorithm.name
        )

    def _request_due(self) -> Instant | None:
        """Return when this side starts an exchange by itself."""
        core = self._core
        if self.phase is not Phase.IDLE or not core.may_exchange:
            return None
        ring = core.state.ring
        if ring.current is not None and self._rotation.busy:
            return None
        wait = not core.config.preferred
        if self._progress.wanted:
            since: Instant | None = Instant(0)
            wait = False
        elif self._needed_since is not None:
            since = self._needed_since
            # "The other starts by itself after one retransmit interval without a request,
            # and at once when it has lost its keys."
            wait = wait and not (ring.current is None and core.state.key_changes > 0)
        else:
            since = self._rotation.rekey_at
        if since is None:
            return None
        if wait:
            since += core.config.retransmit_interval
        later = [self.initiator.not_before, self._rotation.turn_at if self._regular() else None]
        return max([since, *(each for each in later if each is not None)])

    def _regular(self) -> bool:
        """Tell whether what is due is due because the interval has passed, and for nothing else."""
        return not self._progress.wanted and self._needed_since is None
