"""The Diffie-Hellman groups, as data, and the one check of a peer's public value.

All are safe-prime groups with generator 2: ``p = 2q + 1`` with ``q`` prime. Their subgroups have
order 1, 2, ``q`` and ``2q``, so refusing 0, 1, p-1 and whatever is not below p leaves no small
subgroup to be trapped in, and for ephemeral keys that is all that SP 800-56A rev. 3 (5.6.2.3.1,
partial validation) asks for.

The primes are also given by a formula from the digits of pi, which ``tests`` evaluates: nobody
chose them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from peerkey.protocol.suites.agreement import BadShare


@dataclass(frozen=True, slots=True)
class Group:
    """One group. ``bits`` is the size of its prime; ``source`` says where it is defined."""

    bits: int
    source: str
    prime: int = field(repr=False)
    generator: int = 2

    @property
    def size(self) -> int:
        """Bytes of a public value and of a shared value: the prime's."""
        return self.bits // 8

    def public_value_untrusted(self, share: bytes) -> int:
        """Read a peer's public value: exactly :attr:`size` bytes, big endian, 1 < value < p-1.

        Raises:
            BadShare: where it is anything else.

        """
        if len(share) != self.size:
            message = f"a Diffie-Hellman value of {len(share)} bytes instead of {self.size}"
            raise BadShare(message)
        value = int.from_bytes(share, "big")
        if not 1 < value < self.prime - 1:
            message = "a Diffie-Hellman value outside (1, p-1)"
            raise BadShare(message)
        return value


#: The groups by the size of their prime in bits, as the configuration names them.
GROUPS: Final = {
    group.bits: group
    for group in (
        Group(
            1024,
            "RFC 2409 section 6.2, Second Oakley Group",
            int(
                "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
                "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
                "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
                "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
                16,
            ),
        ),
        Group(
            2048,
            "RFC 3526 section 3, group 14",
            int(
                "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
                "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
                "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
                "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
                "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
                "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
                "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
                "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
                16,
            ),
        ),
        Group(
            4096,
            "RFC 3526 section 5, group 16",
            int(
                "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
                "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
                "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
                "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
                "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
                "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
                "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
                "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
                "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
                "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
                "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
                "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7"
                "88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8"
                "DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D99B2964FA090C3A2"
                "233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9"
                "93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF",
                16,
            ),
        ),
    )
}
