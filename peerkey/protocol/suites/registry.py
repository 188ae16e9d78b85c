"""From the name of an algorithm to the object that does it."""

from __future__ import annotations

from collections.abc import Callable

from peerkey.protocol.suites.agreement import KeyAgreement
from peerkey.protocol.suites.algorithm import Algorithm, KeyExchange
from peerkey.protocol.suites.diffie_hellman import DiffieHellmanAgreement
from peerkey.protocol.suites.hybrid import HybridAgreement
from peerkey.protocol.suites.ml_kem import MlKemAgreement, backend_for


def agreement_for(algorithm: Algorithm, entropy: Callable[[int], bytes]) -> KeyAgreement:
    """Return the key agreement of ``algorithm``. Make one and keep it: it is shared by all peerings.

    ``entropy`` returns as many unpredictable bytes as it is asked for; the composition root passes the
    system's generator. It makes the exponents of the 1024-bit group and the private keys of ML-KEM-768
    and -1024. The libraries draw the rest themselves (exponents of the other groups, ML-KEM-512,
    encapsulation), because they offer no other way.
    """
    match algorithm.exchange:
        case KeyExchange.DIFFIE_HELLMAN:
            return DiffieHellmanAgreement(algorithm, entropy)
        case KeyExchange.ML_KEM:
            return MlKemAgreement(algorithm, backend_for(algorithm.kem_size, entropy))
        case KeyExchange.HYBRID:
            return HybridAgreement(
                algorithm,
                agreement_for(Algorithm(KeyExchange.DIFFIE_HELLMAN, dh_bits=algorithm.dh_bits), entropy),
                agreement_for(Algorithm(KeyExchange.ML_KEM, kem_size=algorithm.kem_size), entropy),
            )
