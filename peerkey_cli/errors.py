"""The one place where what went wrong becomes one line and an exit status.

==  ==========================================================================
0   done
1   the answer is no: invalid, refused, not found
2   wrong usage
3   the system could not be reached
==  ==========================================================================

Commands raise; :class:`Commands`, the group around all of them, tells. What is not named here is a bug and
keeps its traceback. A faulty configuration is the exception to the one line: it has one line for each fault.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import typer
from typer.core import TyperGroup

from peerkey.errors import PeerkeyError, Unavailable
from peerkey_cli.remote_options import add_remote_options

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What typer raises for a command line that it cannot understand. It exports only some of its kinds.
_UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

#: Set by a shell that completes a line: see :mod:`peerkey_cli.shell.completing`.
_COMPLETE: Final = "_PEERKEY_COMPLETE"

#: What a shell reports for a process that the terminal interrupted.
_INTERRUPTED: Final = 130


#: What a write fails with where there is no room, or the disk is broken.
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class Status(IntEnum):
    """The exit statuses, which are a contract."""

    DONE = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3


class WrongUsage(PeerkeyError):
    """Options that are well formed and ask for what cannot be."""


class NotFound(PeerkeyError):
    """What was asked for is not there."""


class Refused(PeerkeyError):
    """The running system understood and said no."""


class Unreachable(Unavailable):
    """No system answers, so that nothing is known and nothing was done."""


class Commands(TyperGroup):
    """A group of commands whose errors are told in one line on standard error."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        """Take what typer gives, and complete the options of the commands."""
        super().__init__(**attributes)
        add_remote_options(self)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # noqa: ANN401 - typer's own signature
    ) -> Any:  # noqa: ANN401 - typer's own signature
        """Run a command line. In stand-alone mode, which is the default, this ends the process."""
        if _COMPLETE in os.environ:
            _complete(self, os.environ[_COMPLETE])
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        _open_what_is_closed()
        try:
            status = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
            # What was printed may have a reader who has gone.
            sys.stdout.flush()
        except _UsageError as fault:
            _end(_usage(fault), Status.USAGE)
        except PeerkeyError as fault:
            _end(str(fault), status_of(fault))
        except typer.Abort:
            _end("interrupted", _INTERRUPTED)
        except BrokenPipeError:
            # The reader has seen enough; nothing more can be said to it.
            _say_no_more()
            sys.exit(Status.NO)
        except OSError as fault:
            if fault.errno not in _NO_ROOM or fault.filename is not None:
                raise
            _say_no_more()
            _end(f"what was asked for cannot be written: {fault.strerror}; make room for it", Status.NO)
        if status == _INTERRUPTED:
            # Typer makes a status of Ctrl-C. The terminal has shown ^C, and the cursor stands behind it.
            _end(("\n" if sys.stderr.isatty() else "") + "interrupted", _INTERRUPTED)
        sys.exit(status if isinstance(status, int) else Status.DONE)


def _open_what_is_closed() -> None:
    """Put nothing in the place of standard streams that are closed, which the next file would take."""
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            # For as long as the process is there.
            closed = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            if closed.fileno() != number:
                os.dup2(closed.fileno(), number)
            setattr(sys, name, closed)


def _say_no_more() -> None:
    """Let what waits to be printed go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complete(group: Commands, shell: str) -> NoReturn:
    """Answer a shell that completes a line, and end."""
    # What is wrong is told by the command, once it is carried out; the line that is being typed stays whole.
    with suppress(PeerkeyError, OSError):
        from peerkey_cli.shell import completing
        from peerkey_cli.shell.names import Asked, LiveNames
        from peerkey_cli.shell.reading import read_command

        root = read_command(group, "peerkey")
        names = LiveNames(Asked(completing.PATIENCE_SECONDS), files=False)
        sys.stdout.write(completing.answer(root, completing.Shell(shell), os.environ, names))
        sys.stdout.flush()
    sys.exit(Status.DONE)


def status_of(fault: PeerkeyError) -> Status:
    """Return the exit status that says who is at fault."""
    if isinstance(fault, WrongUsage):
        return Status.USAGE
    return Status.UNREACHABLE if isinstance(fault, Unreachable) else Status.NO


def _usage(fault: typer.BadParameter) -> str:
    """Say what is wrong with a command line, and where to read how it should be."""
    text = " ".join(fault.format_message().split()).rstrip(".")
    text = text.replace("Value error, ", "").replace(". Did you", "; did you")
    command = fault.ctx.command_path if fault.ctx is not None else "peerkey"
    return f"{text[:1].lower()}{text[1:]}; see `{command} --help`"


def _end(text: str, status: int) -> NoReturn:
    """Say it and end."""
    for line in text.splitlines():
        sys.stderr.write(f"peerkey: {line}\n" if line else "\n")
    sys.exit(status)
