"""Diffie-Hellman over the finite fields of 1024, 2048 and 4096 bits.

One :class:`DiffieHellmanAgreement` over two ways to raise a number to a secret power:

* :class:`NamedGroup`, for 2048 and 4096: OpenSSL through ``cryptography``, which knows these groups by
  name and uses its short exponents (224 and 317 bits) and constant-time arithmetic.
* :class:`SecondOakleyGroup`, for 1024: ``gmpy2.powmod_sec``. OpenSSL does not know that group by name
  and would test its prime for every value that a peer sends, which is 33 ms of work for one datagram.
  Why the replacement is safe: ``docs/decisions/0010-the-1024-bit-group.md``.

Public and shared values are always as long as the prime, with leading zeros kept: a shared value whose
length shows is how such exchanges have leaked before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, final

import gmpy2
from cryptography.hazmat.primitives.asymmetric import dh
from cryptography.utils import CryptographyDeprecationWarning

from peerkey.protocol.suites.agreement import BadShare, Ephemeral, SharedSecret, Shares
from peerkey.protocol.suites.algorithm import Algorithm
from peerkey.protocol.suites.groups import GROUPS, Group

with warnings.catch_warnings():
    # cryptography warns, when these names are looked up, that they will leave it in a later version. This
    # module is the only one that will have to change then; nobody else has to be told.
    warnings.filterwarnings("ignore", "Diffie-Hellman over finite fields", CryptographyDeprecationWarning)
    _ParameterNumbers: Final = dh.DHParameterNumbers
    _PublicNumbers: Final = dh.DHPublicNumbers

#: Bits of the secret exponent in the 1024-bit group. Twice its strength would be 160; more is cheap.
EXPONENT_BITS: Final = 256
#: The one group that OpenSSL does not know by name.
_OAKLEY_BITS: Final = 1024
#: A step in a group of this size costs more than a millisecond.
_HEAVY_BITS: Final = 4096

#: Takes a peer's checked public value, gives the shared value as bytes of the group's size.
Exchange: TypeAlias = Callable[[int], bytes]


class Powers(Protocol):
    """Fresh secret exponents in one group."""

    @property
    def group(self) -> Group:
        """The group."""
        ...

    def generate(self) -> tuple[bytes, Exchange]:
        """Return the public value of a fresh exponent, and the exchange that uses that exponent."""
        ...


@final
class NamedGroup:
    """A group that OpenSSL knows by name. It draws its exponents itself, from the system's generator."""

    __slots__ = ("_numbers", "_parameters", "_size", "group")

    def __init__(self, group: Group) -> None:
        """Look the group up, once."""
        self.group = group
        self._size = group.size
        self._numbers = _ParameterNumbers(group.prime, group.generator)
        self._parameters = self._numbers.parameters()

    def generate(self) -> tuple[bytes, Exchange]:
        """Return a public value and the exchange with its exponent."""
        private = self._parameters.generate_private_key()
        public = private.public_key().public_numbers().y.to_bytes(self._size, "big")

        def exchange(value: int) -> bytes:
            return private.exchange(_PublicNumbers(value, self._numbers).public_key())

        return public, exchange


@final
class SecondOakleyGroup:
    """The 1024-bit group of RFC 2409, with exponents from ``entropy``."""

    __slots__ = ("_entropy", "group")

    def __init__(self, group: Group, entropy: Callable[[int], bytes]) -> None:
        """Draw exponents from ``entropy``, which returns as many unpredictable bytes as it is asked for."""
        self.group = group
        self._entropy = entropy

    def generate(self) -> tuple[bytes, Exchange]:
        """Return a public value and the exchange with its exponent.

        The exponent's top bit is set, so that every exponent is equally long: ``powmod_sec`` takes a
        time that depends on lengths alone.

        Raises:
            ValueError: where ``entropy`` gave fewer bytes than it was asked for.

        """
        seed = self._entropy(EXPONENT_BITS // 8)
        if len(seed) != EXPONENT_BITS // 8:
            message = "the entropy source gave another number of bytes than it was asked for"
            raise ValueError(message)
        exponent = int.from_bytes(seed, "big") | 1 << (EXPONENT_BITS - 1)

        def exchange(value: int) -> bytes:
            return secret_power(self.group, value, exponent)

        return exchange(self.group.generator), exchange


def secret_power(group: Group, base: int, exponent: int) -> bytes:
    """Return ``base ** exponent`` in ``group``, padded to its size, in a time that depends on lengths alone.

    ``mpn_sec_powm``, which does this, reads its tables in full and branches on no secret bit. ``exponent``
    is positive.
    """
    return int(gmpy2.powmod_sec(base, exponent, group.prime)).to_bytes(group.size, "big")


@final
class DiffieHellmanAgreement:
    """The algorithms ``diffie-hellman-1024``, ``-2048`` and ``-4096``."""

    __slots__ = ("_group", "_powers", "algorithm", "heavy")

    def __init__(self, algorithm: Algorithm, entropy: Callable[[int], bytes]) -> None:
        """Take the group that ``algorithm`` names; ``entropy`` gives the exponents of the 1024-bit one."""
        group = GROUPS[algorithm.dh_bits]
        self.algorithm = algorithm
        self.heavy = group.bits >= _HEAVY_BITS
        self._group = group
        self._powers: Powers = (
            SecondOakleyGroup(group, entropy) if group.bits == _OAKLEY_BITS else NamedGroup(group)
        )

    def offer(self) -> tuple[Shares, Ephemeral]:
        """Make a fresh exponent."""
        public, exchange = self._powers.generate()
        return Shares(public), _DiffieHellmanEphemeral(self._group, exchange)

    def check_offer(self, offer: Shares) -> None:
        """Refuse what is not one public value in (1, p-1), padded to the group's size.

        Raises:
            BadShare: naming the fault.

        """
        _value_untrusted(self._group, offer)

    def answer(self, offer: Shares) -> tuple[Shares, SharedSecret]:
        """Make a fresh exponent and use it on the offer.

        Raises:
            BadShare: as :meth:`check_offer`.

        """
        value = _value_untrusted(self._group, offer)
        public, exchange = self._powers.generate()
        return Shares(public), SharedSecret(exchange(value))


@final
class _DiffieHellmanEphemeral:
    __slots__ = ("_exchange", "_group")

    def __init__(self, group: Group, exchange: Exchange) -> None:
        self._group = group
        self._exchange = exchange

    def finish(self, answer: Shares) -> SharedSecret:
        return SharedSecret(self._exchange(_value_untrusted(self._group, answer)))


def _value_untrusted(group: Group, shares: Shares) -> int:
    if shares.kem:
        message = "an ML-KEM value where there is no ML-KEM"
        raise BadShare(message)
    return group.public_value_untrusted(shares.dh)
