"""One line, carried out in this process by the application that a command line goes to.

Whatever a command does, the shell goes on: its errors are told as ever, its exit status becomes a number, and
what it has changed of this process (handlers of signals, logs, the environment) is put back.
"""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from peerkey.errors import PeerkeyError
from peerkey_cli.errors import Status, WrongUsage
from peerkey_cli.options import is_remote
from peerkey_cli.shell.candidates import Names, help_lines, is_help
from peerkey_cli.shell.grammar import Command, Place, walked
from peerkey_cli.shell.lines import LONGEST_LINE, Line, read
from peerkey_cli.shell.output import Printed, page_of_terminal
from peerkey_cli.shell.pipes import Filtered, filters
from peerkey_cli.shell.showing import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peerkey_cli.shell.names import Addressed

#: Commands that go on by themselves: their output is not held up by a full screen.
_LIVE: Final = frozenset({"bench", "demo", "run", "simulate"})
_FOLLOWS: Final = "--follow"
#: The command whose ``--api`` says where to listen: at a socket of this machine it may be the same, and at an
#: address of TCP it takes more than an address.
_LISTENS: Final = "run"
_SHELL: Final = "shell"
_LEAVES: Final = frozenset({"exit", "quit"})
_HELP: Final = "help"

_BUILTINS: Final = (
    Command("exit", "Leave the shell."),
    Command("help", "Tell how the shell is used."),
    Command("quit", "Leave the shell."),
)
_HELP_TEXT: Final = """\
Words are those of the peerkey command; any of them may be shortened while it is clear which is meant.
  ?                 what may come next, with a line of help each
  Tab               complete the word, or list what it may become
  Up, Ctrl-R        earlier lines · look for one
  | include TEXT    of the output only lines with a text; also exclude, begin, count, no-more
  Ctrl-C            give the line up, or stop the command
  exit, Ctrl-D      leave""".splitlines()

#: The status of a command that Ctrl-C has stopped.
INTERRUPTED: Final = 128 + signal.SIGINT

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Leave(Exception):
    """The line said that the shell should end."""


def words_of_the_shell(root: Command) -> Command:
    """Return the commands that there are at the prompt: all but the shell itself, and its own few."""
    kept = [each for each in root.commands if each.name != _SHELL]
    commands = sorted((*kept, *_BUILTINS), key=lambda each: each.name)
    # Options of the command line itself, such as --version, stand before every command.
    return replace(root, commands=tuple(commands))


class Executor:
    """Carries lines out."""

    def __init__(
        self,
        application: Any,  # noqa: ANN401 - typer's own
        root: Command,
        system: Addressed,
        names: Names,
        *,
        paged: bool,
    ) -> None:
        """Take the application, its words (see :func:`words_of_the_shell`), and whom commands ask."""
        self._application = application
        self._root = root
        self._system = system
        self._names = names
        self._paged = paged

    def run(self, text: str) -> int:
        """Carry a line out; return its exit status.

        :raises Leave: it says so.
        :raises PeerkeyError: it is no line that could be carried out.
        """
        if len(text) > LONGEST_LINE:
            message = f"a line has at most {LONGEST_LINE} characters"
            raise WrongUsage(message)
        line = read(text)
        if line.unfinished:
            message = "a quote has no end"
            raise WrongUsage(message)
        if is_help(line):
            return self.say(self.help(text.rstrip().removesuffix("?")))
        command, *piped = line.parts()
        if not line.words:
            return Status.DONE
        if not command:
            message = "before | stands a command"
            raise WrongUsage(message)
        if command[0].text == _SHELL:
            message = "this is the shell already; type `exit` to leave it"
            raise WrongUsage(message)
        chosen = filters(tuple(word.text for word in part) for part in piped)
        place = walked(self._root, _expanded(line))
        live = bool(place.path and place.path[0] in _LIVE) or _FOLLOWS in place.values
        paged = self._paged and not live and not any(each.name == "no-more" for each in chosen)
        if place.path and place.path[0] in _LEAVES | {_HELP}:
            return self._builtin(place)
        if not chosen and not paged:
            return self._invoke(self._arguments(place))
        out = Printed(sys.stdout, Filtered(chosen), page_of_terminal() if paged else None, live=live)
        return self._printed(out, self._arguments(place))

    def help(self, before: str) -> list[str]:
        """Return what may come after these words.

        :raises Ambiguous: one of them may mean several.
        """
        listed = help_lines(self._root, before, self._names)
        return shown(listed) or ["Nothing is known of what may follow."]

    def _builtin(self, place: Place) -> int:
        if len(place.words) > 1:
            message = f"`{place.path[0]}` stands alone"
            raise WrongUsage(message)
        if place.path[0] in _LEAVES:
            raise Leave
        return self.say(_HELP_TEXT)

    def say(self, lines: Sequence[str]) -> int:
        """Show lines of the shell's own, a screen at a time."""
        out = Printed(sys.stdout, Filtered(()), page_of_terminal() if self._paged else None)
        out.write("".join(f"{each}\n" for each in lines))
        out.end()
        return Status.DONE

    def _arguments(self, place: Place) -> list[str]:
        """Return the words with what the shell was told of the system that is asked."""
        words = list(place.words)
        api = self._system.api
        takes = any("--api" in each.names for each in place.command.options)
        said = "--api" in place.values or "--state-dir" in place.values
        if api is None or not takes or said or place.waiting is not None:
            return words
        if place.path[0] == _LISTENS and is_remote(api):
            return words
        end = words.index("--") if place.only_arguments else len(words)
        return [*words[:end], "--api", api, *words[end:]]

    def _printed(self, out: Printed, arguments: list[str]) -> int:
        under, sys.stdout = sys.stdout, out
        try:
            status = self._invoke(arguments)
            if status == INTERRUPTED:
                out.give_up()
            return status
        finally:
            sys.stdout = under
            out.end()

    def _invoke(self, arguments: list[str]) -> int:
        with _as_it_was():
            try:
                contextvars.copy_context().run(self._application, arguments, prog_name="peerkey")
            except SystemExit as ended:
                return ended.code if isinstance(ended.code, int) else Status.DONE
            except KeyboardInterrupt:
                sys.stderr.write("peerkey: interrupted\n")
                return INTERRUPTED
            except Exception:  # noqa: BLE001 - a bug of a command: told in full, and the shell goes on
                traceback.print_exc()
                return Status.NO
            return Status.DONE


@contextmanager
def addressed(system: Addressed) -> Iterator[None]:
    """Let every command in the block know what the shell was told: the environment says it."""
    from peerkey_cli.remote_options import CA, TOKEN_FILE
    from peerkey_cli.state import VARIABLE

    told = {VARIABLE: system.state_dir, TOKEN_FILE: system.token_file, CA: system.ca}
    before = dict(os.environ)
    os.environ.update({name: value for name, value in told.items() if value is not None})
    try:
        yield
    finally:
        _environment(before)


def error_lines(fault: PeerkeyError) -> str:
    """Return how the shell's own errors are told: as those of commands."""
    return "".join(f"peerkey: {line}\n" for line in str(fault).splitlines())


def _expanded(line: Line) -> list[str]:
    """Return the words of the command, with ``~`` for a home directory as in other shells."""
    return [
        str(Path(word.text).expanduser()) if not word.quoted and word.text.startswith("~/") else word.text
        for word in line.parts()[0]
    ]


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Put back what a command changes of the process that it would have had to itself."""
    handlers = {each: signal.getsignal(each) for each in _SIGNALS}
    root = logging.getLogger()
    logs, level, environment, stdout = root.handlers[:], root.level, dict(os.environ), sys.stdout
    try:
        yield
    finally:
        for each, handler in handlers.items():
            # What was not installed by Python cannot be put back by it.
            if handler is not None:
                signal.signal(each, handler)
        root.handlers[:] = logs
        root.setLevel(level)
        if (structlog := sys.modules.get("structlog")) is not None:
            structlog.reset_defaults()
        _environment(environment)
        sys.stdout = stdout


def _environment(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)
