"""The port of key agreement: one shape for Diffie-Hellman, ML-KEM and both together.

The initiator *offers*, the responder *answers*, the initiator *finishes*::

    initiator                                   responder
    shares, ephemeral = agreement.offer()
                        -- shares in KEY_REQUEST ->
                                                agreement.check_offer(shares)   cheap, first
                                                answer, secret = agreement.answer(shares)
                        <- answer in KEY_RESPONSE --
    secret = ephemeral.finish(answer)

Both ends then hold the same :class:`SharedSecret`, from which ``schedule`` derives keys. Nobody is
authenticated here: that is what the signatures, the transcript and the confirmations are for. In
particular, an ML-KEM ciphertext that was tampered with gives a *different* secret and no error (FIPS
203, implicit rejection); the confirmation in KEY_RESPONSE is what shows it.

Everything that comes from a peer is checked here and refused with :class:`BadShare`; any other
exception is a bug.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn, Protocol, final

from peerkey.errors import PeerFault
from peerkey.protocol.suites.algorithm import Algorithm
from peerkey.secret import Secret


class BadShare(PeerFault):
    """A peer's public value is of the wrong length, outside its range, or not part of the algorithm."""


class Shares(NamedTuple):
    """The public values of one side, as on the wire; ``b""`` where the algorithm has no such half.

    ``dh`` is the Diffie-Hellman public value, big endian, padded to the size of the group's prime.
    ``kem`` is ML-KEM's encapsulation key in an offer and its ciphertext in an answer.
    """

    dh: bytes = b""
    kem: bytes = b""


@final
class SharedSecret:
    """What both ends know after an exchange. It is no key yet, it is not shown, and it does not travel."""

    __slots__ = ("dh", "kem")

    def __init__(self, dh: bytes = b"", kem: bytes = b"") -> None:
        """Take the raw shared values: ``dh`` padded to the group's size, ``kem`` of 32 bytes."""
        self.dh = Secret(dh)
        self.kem = Secret(kem)

    def encoded(self) -> Secret:
        """Return ``u16 length || dh || u16 length || kem``, the input of the key schedule.

        Lengths are big endian and 0 where a half is absent, so no two secrets encode alike.
        """
        dh, kem = self.dh.reveal(), self.kem.reveal()
        return Secret(b"".join((len(dh).to_bytes(2, "big"), dh, len(kem).to_bytes(2, "big"), kem)))

    def __eq__(self, other: object) -> bool:
        """Compare both halves, each in constant time."""
        return isinstance(other, SharedSecret) and (self.dh == other.dh) & (self.kem == other.kem)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the lengths and nothing else."""
        return f"SharedSecret(dh={self.dh!r}, kem={self.kem!r})"

    def __reduce__(self) -> NoReturn:
        """Refuse to leave the process."""
        message = "a SharedSecret does not travel"
        raise TypeError(message)


class Ephemeral(Protocol):
    """The initiator's private half of one offer. It is never stored: a restart makes a new request."""

    def finish(self, answer: Shares) -> SharedSecret:
        """Return the secret that the responder has, if ``answer`` is truly its answer to this offer.

        May be called again with another answer after a refusal: nothing is used up.

        Raises:
            BadShare: where ``answer`` cannot be one.

        """
        ...


class KeyAgreement(Protocol):
    """One algorithm, ready for use; without state, so it may be shared by all peerings and threads."""

    @property
    def algorithm(self) -> Algorithm:
        """Which algorithm this is."""
        ...

    @property
    def heavy(self) -> bool:
        """Whether a step is expected to cost more than a millisecond, and so belongs on the executor."""
        ...

    def offer(self) -> tuple[Shares, Ephemeral]:
        """Make a fresh key pair for each half."""
        ...

    def check_offer(self, offer: Shares) -> None:
        """Check everything about a peer's offer that costs microseconds: lengths, ranges, the modulus.

        Raises:
            BadShare: naming the first fault.

        """
        ...

    def answer(self, offer: Shares) -> tuple[Shares, SharedSecret]:
        """Answer a peer's offer; checks it first.

        Raises:
            BadShare: as :meth:`check_offer`.

        """
        ...
