"""Diffie-Hellman and ML-KEM at once.

Both run side by side over the same two messages and the key schedule takes both shared values, with
their lengths, one after the other (as RFC 9370 and the hybrid design of TLS do). Whoever wants the key
has to break both. Neither half knows of the other; each refuses its own bad values.
"""

from __future__ import annotations

from typing import final

from peerkey.protocol.suites.agreement import Ephemeral, KeyAgreement, SharedSecret, Shares
from peerkey.protocol.suites.algorithm import Algorithm


@final
class HybridAgreement:
    """The nine algorithms ``diffie-hellman-<bits>-ml-kem-<size>``."""

    __slots__ = ("_dh", "_kem", "algorithm", "heavy")

    def __init__(self, algorithm: Algorithm, dh: KeyAgreement, kem: KeyAgreement) -> None:
        """Put two agreements together, which are those of the two halves of ``algorithm``."""
        self.algorithm = algorithm
        self.heavy = dh.heavy or kem.heavy
        self._dh = dh
        self._kem = kem

    def offer(self) -> tuple[Shares, Ephemeral]:
        """Make a fresh key pair for each half."""
        dh, dh_ephemeral = self._dh.offer()
        kem, kem_ephemeral = self._kem.offer()
        return Shares(dh.dh, kem.kem), _HybridEphemeral(dh_ephemeral, kem_ephemeral)

    def check_offer(self, offer: Shares) -> None:
        """Refuse an offer of which either half is bad.

        Raises:
            BadShare: from the half that refuses.

        """
        dh, kem = _halves(offer)
        self._dh.check_offer(dh)
        self._kem.check_offer(kem)

    def answer(self, offer: Shares) -> tuple[Shares, SharedSecret]:
        """Answer both halves, the cheaper first.

        Raises:
            BadShare: as :meth:`check_offer`.

        """
        dh, kem = _halves(offer)
        self._dh.check_offer(dh)
        kem_answer, kem_secret = self._kem.answer(kem)
        dh_answer, dh_secret = self._dh.answer(dh)
        return Shares(dh_answer.dh, kem_answer.kem), _joined(dh_secret, kem_secret)


@final
class _HybridEphemeral:
    __slots__ = ("_dh", "_kem")

    def __init__(self, dh: Ephemeral, kem: Ephemeral) -> None:
        self._dh = dh
        self._kem = kem

    def finish(self, answer: Shares) -> SharedSecret:
        dh, kem = _halves(answer)
        kem_secret = self._kem.finish(kem)
        return _joined(self._dh.finish(dh), kem_secret)


def _halves(shares: Shares) -> tuple[Shares, Shares]:
    return Shares(dh=shares.dh), Shares(kem=shares.kem)


def _joined(dh: SharedSecret, kem: SharedSecret) -> SharedSecret:
    return SharedSecret(dh.dh.reveal(), kem.kem.reveal())
