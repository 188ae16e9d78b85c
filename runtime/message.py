"""Messages with an answer.

Any object may be a message; a frozen, slotted dataclass is what a message should be. One that asks
for an answer says of which type by deriving from :class:`Ask`::

    @dataclass(frozen=True, slots=True)
    class Depth(Ask[int]):
        queue: str

    depth = await ref.ask(Depth("in"), timedelta(seconds=1))  # an int, and mypy knows
"""

from __future__ import annotations

from typing import Generic, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Ask(Generic[R_co]):
    """The base of every message that is answered with an ``R_co``."""

    __slots__ = ()


class LocalOnly:
    """The base of every message that never leaves its host: one that carries key material, say.

    It is a dead letter where it would have had to, and so is whatever it is a part of.
    """

    __slots__ = ()
