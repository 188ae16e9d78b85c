"""Ports that do the same again for the same seed: a failing run can be replayed to the last byte.

ECDSA draws a number for each signature and ML-KEM's generator is the library's own, so a run with the
real ones differs from its repetition. Here signatures are deterministic ECDSA (RFC 6979), which every
verifier accepts, keys are numbered, and :class:`PlainAgreement` agrees on a secret that anybody can
compute from what is on the wire. It has no place outside tests of the machines around it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from peerkey.protocol.core import Entropy
from peerkey.protocol.suites import Algorithm, BadShare, SharedSecret, Shares
from peerkey.testing.ca import Issued, TestCA

_SHARE_BYTES: Final = 32
_FIRST_KEY: Final = 1_000_003

#: Encapsulation key and ciphertext of each parameter set of ML-KEM; its shared secret (FIPS 203, table 3).
_KEM_BYTES: Final = {512: (800, 768), 768: (1184, 1088), 1024: (1568, 1568)}
_KEM_SECRET_BYTES: Final = 32


class _Sizes(NamedTuple):
    """How long the values of one agreement are: (Diffie-Hellman, ML-KEM), 0 where a half is absent."""

    offer: tuple[int, int]
    answer: tuple[int, int]
    secret: tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class PlainAgreement:
    """Offers and answers with random bytes; the secret is the hash of both. Secret from nobody.

    Where ``life_size`` is set everything is as long as the real thing, so that frames have as many segments.
    """

    algorithm: Algorithm
    entropy: Entropy
    heavy: bool = False
    life_size: bool = False

    def offer(self) -> tuple[Shares, PlainEphemeral]:
        """Draw a share for each half of the algorithm."""
        shares = Shares(*map(self.entropy, self.sizes().offer))
        return shares, PlainEphemeral(self, shares)

    def check_offer(self, offer: Shares) -> None:
        """Refuse shares that are not of the algorithm's shape.

        Raises:
            BadShare: where they are not.

        """
        _check(offer, self.sizes().offer)

    def answer(self, offer: Shares) -> tuple[Shares, SharedSecret]:
        """Answer an offer of the right shape."""
        self.check_offer(offer)
        shares = Shares(*map(self.entropy, self.sizes().answer))
        return shares, self.agreed(offer, shares)

    def agreed(self, offer: Shares, answer: Shares) -> SharedSecret:
        """Return what both ends make of the four shares."""
        stream = hashlib.shake_128(b"".join((*offer, *answer)))
        return SharedSecret(*(stream.digest(length) for length in self.sizes().secret))

    def sizes(self) -> _Sizes:
        """Return how long everything is."""
        algorithm = self.algorithm
        if not self.life_size:
            short = (_SHARE_BYTES * bool(algorithm.dh_bits), _SHARE_BYTES * bool(algorithm.kem_size))
            return _Sizes(short, short, short)
        group = algorithm.dh_bits // 8
        encapsulation_key, ciphertext = _KEM_BYTES.get(algorithm.kem_size, (0, 0))
        kem_secret = _KEM_SECRET_BYTES * bool(algorithm.kem_size)
        return _Sizes((group, encapsulation_key), (group, ciphertext), (group, kem_secret))


@final
@dataclass(frozen=True, slots=True)
class PlainEphemeral:
    """The initiator's half of a :class:`PlainAgreement`."""

    agreement: PlainAgreement
    shares: Shares

    def finish(self, answer: Shares) -> SharedSecret:
        """Return the secret of this offer and ``answer``.

        Raises:
            BadShare: where the answer is not of the algorithm's shape.

        """
        _check(answer, self.agreement.sizes().answer)
        return self.agreement.agreed(self.shares, answer)


def _check(shares: Shares, expected: tuple[int, int]) -> None:
    lengths = tuple(map(len, shares))
    if lengths != expected:
        message = f"shares of {lengths} bytes"
        raise BadShare(message)


@final
class DeterministicSigner:
    """Signs with ECDSA on P-256 as RFC 6979 says: the same bytes for the same data."""

    scheme = "ecdsa-p256-sha256"
    heavy = False

    def __init__(self, issued: Issued) -> None:
        """Sign with the key behind this certificate, which must be on P-256."""
        if not isinstance(issued.key, ec.EllipticCurvePrivateKey):
            message = "only keys on P-256 sign deterministically here"
            raise TypeError(message)
        self._key = issued.key

    def sign(self, data: bytes) -> bytes:
        """Return the one signature of ``data``."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def numbered_key(number: int) -> ec.EllipticCurvePrivateKey:
    """Return the key on P-256 of this number: no secret at all."""
    return ec.derive_private_key(_FIRST_KEY + number, ec.SECP256R1())


def reproducible_ca(name: str = "test") -> TestCA:
    """Return a CA whose certificates are the same in every run, as long as their keys are numbered."""
    return TestCA(name, root_key=numbered_key(1), intermediate_key=numbered_key(2))
