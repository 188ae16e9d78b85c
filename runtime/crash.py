"""What is made of an error: what is logged of it, and what a future takes.

The frames and the types of the errors, and not their texts: the text of an unexpected error often
quotes the value that was unexpected (``KeyError``, ``assert_never``), which may be a message or a key.
Errors whose text is known to be harmless are named when the system is made; the operating system's and
the runtime's own are always among them.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable

from runtime.errors import RuntimeFault

#: Errors whose texts name files, addresses and actors, never contents.
SPEAKABLE: tuple[type[BaseException], ...] = (OSError, RuntimeFault)

#: How many errors of a chain are described; a longer one is a loop or of no further use.
_MAX_CHAIN = 5


def error_type(error: BaseException) -> str:
    """Return the type's name, with its module unless that is ``builtins``."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe(error: BaseException, speakable: tuple[type[BaseException], ...] = SPEAKABLE) -> str:
    """Return the traceback of ``error`` and of what caused it, without contents."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < _MAX_CHAIN:
        text = f"{error_type(current)}: {current}" if isinstance(current, speakable) else error_type(current)
        parts.append("".join(traceback.format_tb(current.__traceback__)) + text)
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
    return "\ncaused by\n".join(parts)


def say(write: Callable[..., object], text: str, **more: object) -> None:
    """Log, if that is possible: a closed pipe or a full disk must not stop what the log would tell of."""
    with contextlib.suppress(Exception):
        write(text, **more)


def raisable(error: BaseException) -> BaseException:
    """Return what stands for ``error`` in a future, which refuses a ``StopIteration``."""
    if not isinstance(error, StopIteration):
        return error
    stand_in = RuntimeError("a StopIteration where an error was expected")
    stand_in.__cause__ = error
    return stand_in
