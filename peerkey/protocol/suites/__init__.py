"""Key agreement and signatures behind ports.

``algorithm``       the fifteen key exchanges, by name and size
``agreement``       the port: offer, answer, finish; what a shared secret is
``groups``          the Diffie-Hellman groups as data, and the check of a public value
``diffie_hellman``  1024 bits by gmpy2, 2048 and 4096 by OpenSSL
``ml_kem``          512, 768 and 1024, with FIPS 203's input checks
``hybrid``          both at once
``registry``        :func:`agreement_for`: the one place that knows them all
``signatures``      verifiers and signers: ECDSA, RSA-PSS, ML-DSA

The key schedule, one folder up, turns a :class:`SharedSecret` into keys.
"""

from __future__ import annotations

from peerkey.protocol.suites.agreement import BadShare, Ephemeral, KeyAgreement, SharedSecret, Shares
from peerkey.protocol.suites.algorithm import ALL, Algorithm, KeyExchange
from peerkey.protocol.suites.registry import agreement_for
from peerkey.protocol.suites.signatures import (
    BadSignature,
    Signer,
    UnsupportedKey,
    Verifier,
    signer_for,
    verifier_for,
)

__all__ = [
    "ALL",
    "Algorithm",
    "BadShare",
    "BadSignature",
    "Ephemeral",
    "KeyAgreement",
    "KeyExchange",
    "SharedSecret",
    "Shares",
    "Signer",
    "UnsupportedKey",
    "Verifier",
    "agreement_for",
    "signer_for",
    "verifier_for",
]
