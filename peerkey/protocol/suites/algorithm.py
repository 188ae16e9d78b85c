"""Which key agreement two peers use: its names and its sizes.

    "Key exchange algorithm: diffie-hellman, ml-kem, diffie-hellman-ml-kem"

An :class:`Algorithm` is one of the fifteen combinations of an exchange with its sizes: three of
Diffie-Hellman, three of ML-KEM, and nine of both together. Nothing is negotiated: both ends are
configured with the same one, and its :attr:`~Algorithm.name` travels only so that a difference is
noticed. What an algorithm does is in :mod:`peerkey.protocol.suites.agreement`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Final, NoReturn

#: Sizes of the Diffie-Hellman group's prime, in bits (RFC 2409 section 6.2, RFC 3526 sections 3 and 5).
DH_BITS: Final = (1024, 2048, 4096)
#: Parameter sets of ML-KEM (FIPS 203, section 8).
KEM_SIZES: Final = (512, 768, 1024)


class KeyExchange(Enum):
    """The values of ``key-exchange-algorithm``."""

    DIFFIE_HELLMAN = "diffie-hellman"
    ML_KEM = "ml-kem"
    #: Both at once: whoever wants the key has to break both.
    HYBRID = "diffie-hellman-ml-kem"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One key exchange with its sizes. A combination that is not offered cannot be built.

    ``dh_bits`` is the size of the group's prime and ``kem_size`` the ML-KEM parameter set; each is 0
    where that half is absent.
    """

    exchange: KeyExchange
    dh_bits: int = 0
    kem_size: int = 0
    #: The algorithm as text, such as ``diffie-hellman-2048`` or ``diffie-hellman-2048-ml-kem-768``.
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse sizes that do not belong to the exchange.

        Raises:
            ValueError: where a half is missing, superfluous or of a size that does not exist.

        """
        has_dh = self.exchange is not KeyExchange.ML_KEM
        has_kem = self.exchange is not KeyExchange.DIFFIE_HELLMAN
        if self.dh_bits not in (DH_BITS if has_dh else (0,)):
            _refuse(f"{self.exchange.value} with a group of {self.dh_bits} bits")
        if self.kem_size not in (KEM_SIZES if has_kem else (0,)):
            _refuse(f"{self.exchange.value} with ML-KEM-{self.kem_size}")
        halves = (("diffie-hellman", self.dh_bits), ("ml-kem", self.kem_size))
        # Every frame compares it, so it is put together once.
        object.__setattr__(self, "name", "-".join(f"{half}-{size}" for half, size in halves if size))

    @classmethod
    def parse(cls, name: str) -> Algorithm:
        """Return the algorithm of this exact name.

        Raises:
            ValueError: where none has it.

        """
        found = _BY_NAME.get(name)
        return found if found is not None else _refuse(repr(name))

    def __str__(self) -> str:
        """Show the name."""
        return self.name


def _refuse(what: str) -> NoReturn:
    message = f"no such key exchange: {what}"
    raise ValueError(message)


#: Every algorithm there is, Diffie-Hellman first, the weaker before the stronger.
ALL: Final = (
    *(Algorithm(KeyExchange.DIFFIE_HELLMAN, dh_bits=bits) for bits in DH_BITS),
    *(Algorithm(KeyExchange.ML_KEM, kem_size=size) for size in KEM_SIZES),
    *(Algorithm(KeyExchange.HYBRID, bits, size) for bits, size in product(DH_BITS, KEM_SIZES)),
)

_BY_NAME: Final = {algorithm.name: algorithm for algorithm in ALL}
