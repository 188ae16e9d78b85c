"""The errors that questions fail with, on their way to whoever asked on another host.

The runtime's own errors arrive as what they were. So does an error of the program's whose class is
registered. Of every other error only the type travels, as :class:`~runtime.errors.FailedElsewhere`: its
text may quote the value that was unexpected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.cluster.codec import Codec
from runtime.crash import error_type
from runtime.errors import (
    ActorCrashed,
    ActorStopped,
    AskTimeout,
    ChildFailed,
    FailedElsewhere,
    HostUnreachable,
    LimitReached,
    MailboxFull,
    MalformedFrame,
    NameTaken,
    NotPortable,
    StaleEpoch,
    Unanswered,
    Undeliverable,
    VersionConflict,
)

#: What of each error makes another one like it: the names of its attributes, in the order of its constructor.
TRAVELLING: Final[Mapping[type[Exception], tuple[str, ...]]] = {
    ActorCrashed: ("name", "error"),
    ActorStopped: ("name",),
    AskTimeout: ("name", "question", "timeout"),
    ChildFailed: ("name", "error"),
    FailedElsewhere: ("name", "error"),
    HostUnreachable: ("host", "why"),
    LimitReached: ("what", "limit"),
    MailboxFull: ("name", "capacity"),
    NameTaken: ("name",),
    NotPortable: ("what",),
    StaleEpoch: ("owner", "epoch", "current"),
    Unanswered: ("name", "question"),
    Undeliverable: ("name", "why"),
    VersionConflict: ("owner", "name", "expected", "found"),
}
_BY_NAME: Final = {kind.__name__: kind for kind in TRAVELLING}


def encode_failure(codec: Codec, name: str, error: BaseException) -> bytes:
    """Return the bytes of an error that the actor ``name`` failed a question with."""
    fields = next((fields for kind, fields in TRAVELLING.items() if type(error) is kind), None)
    if fields is not None:
        return codec.encode((type(error).__name__, *(getattr(error, field) for field in fields)))
    try:
        return codec.encode(error)
    except NotPortable:
        return codec.encode((FailedElsewhere.__name__, name, error_type(error)))


def decode_failure_untrusted(codec: Codec, data: bytes) -> Exception:
    """Return the error.

    :raises MalformedFrame: it is none.
    """
    match codec.decode_untrusted(data):
        case Exception() as error:
            return error
        case (str(kind), *values) if kind in _BY_NAME and len(values) == len(TRAVELLING[_BY_NAME[kind]]):
            try:
                return _BY_NAME[kind](*values)
            except Exception as error:
                # The constructor may be given anything.
                why = f"a {kind} that cannot be made"
                raise MalformedFrame(why) from error
        case _:
            raise MalformedFrame("a failure of no known kind")
