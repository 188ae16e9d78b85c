"""The console of a person: a prompt with completion, ``?``, history and the state of the system.

The line is edited by prompt_toolkit, with the keys of bash. What its keys do here beyond that is little: Tab
lists as a router does, ``?`` shows what may come next and leaves the line as it is.
"""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from peerkey.errors import PeerkeyError
from peerkey_cli.errors import Status
from peerkey_cli.shell.candidates import Names, completions
from peerkey_cli.shell.executing import Executor, Leave, error_lines
from peerkey_cli.shell.history import FileOfLines, history_file
from peerkey_cli.shell.lines import LONGEST_LINE, read, written
from peerkey_cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

    from peerkey_cli.shell.grammar import Command
    from peerkey_cli.shell.names import Addressed, Asked

#: How long a prompt waits for the system that it tells of; it is shown without, rather than late.
_PATIENCE_SECONDS: Final = 0.4
#: The first time, also what asks has to be loaded.
_FIRST_PATIENCE_SECONDS: Final = 2.0
_STYLE: Final = Style.from_dict({"alarms": "ansired bold", "silent": "ansiyellow"})


@dataclass(frozen=True, slots=True)
class State:
    """What a prompt tells of the system."""

    #: The one node that runs, or how many do; empty where nobody answers.
    where: str = ""
    alarms: int = 0


class Console:
    """See the module."""

    def __init__(  # the parts of a console
        self, executor: Executor, root: Command, names: Names, asked: Asked, system: Addressed
    ) -> None:
        """Make the prompt."""
        self._executor = executor
        self._asked = asked
        self._system = system
        self._patience = _FIRST_PATIENCE_SECONDS
        self._session: PromptSession[str] = PromptSession(
            history=_history(),
            completer=_Completed(root, names),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            key_bindings=self._keys(),
            style=_STYLE,
            enable_suspend=True,
        )

    def run(self) -> None:
        """Ask for lines and carry them out until somebody leaves."""
        while True:
            try:
                self._carry_out(self._session.prompt(self._prompt()).splitlines())
            except KeyboardInterrupt:
                continue
            except (EOFError, Leave):
                return
            self._asked.forget()

    def _carry_out(self, lines: Sequence[str]) -> None:
        """Carry out what was entered: a line, or what was pasted, up to the first line that fails."""
        for number, line in enumerate(lines, 1):
            try:
                status = self._executor.run(line)
            except PeerkeyError as fault:
                sys.stderr.write(error_lines(fault))
                status = Status.USAGE
            left = len(lines) - number
            if status != Status.DONE and left:
                plural = "" if left == 1 else "s"
                sys.stderr.write(f"peerkey: {left} line{plural} behind this one: not carried out\n")
                return

    def _prompt(self) -> FormattedText:
        state = self._state()
        if not state.where:
            return FormattedText(
                [("", f"{_user()}@peerkey "), ("class:silent", "(no system answers)"), ("", "# ")]
            )
        parts = [("", f"{_user()}@{printable(state.where)}")]
        if state.alarms:
            plural = "" if state.alarms == 1 else "s"
            parts += [("", " "), ("class:alarms", f"({state.alarms} alarm{plural})")]
        return FormattedText([*parts, ("", "# ")])

    def _state(self) -> State:
        # Both are asked at once; each waits on a thread of its own.
        self._asked.document(self._system, "alarms", patience=0.0)
        nodes = self._asked.document(self._system, "security/key-status", patience=self._patience)
        alarms = self._asked.document(self._system, "alarms", patience=self._patience)
        self._patience = _PATIENCE_SECONDS
        return state_of(nodes, alarms)

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("?")
        def _(event: KeyPressEvent) -> None:
            before = event.current_buffer.document.text_before_cursor
            if read(before).unfinished:
                event.current_buffer.insert_text("?")
                return
            run_in_terminal(lambda: self._help(event.current_buffer.text, before))

        return keys

    def _help(self, text: str, before: str) -> None:
        try:
            lines = self._executor.help(before)
        except PeerkeyError as fault:
            lines = error_lines(fault).splitlines()
        sys.stdout.write(f"{''.join(each[1] for each in self._prompt())}{text}\n")
        self._executor.say(lines)


class _Completed(Completer):
    """Completes words."""

    def __init__(self, root: Command, names: Names) -> None:
        self._root = root
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what the word at the cursor may become; a blank follows one that is complete."""
        del complete_event
        before = document.text_before_cursor
        if len(before) > LONGEST_LINE:
            return
        found = completions(self._root, before, self._names)
        for each in found.candidates:
            text = written(each.text)
            yield Completion(
                text if each.partial else f"{text} ",
                start_position=found.start - len(before),
                display=each.text,
            )


def state_of(nodes: Any, alarms: Any) -> State:  # noqa: ANN401 - JSON
    """Return what the documents of the admin API come to; either may be missing, or be no such document."""
    try:
        named = [str(each["node"]) for each in nodes["nodes"]]
        where = named[0] if len(named) == 1 else f"{len(named)} nodes"
        return State(where, len(alarms["alarms"]) if alarms is not None else 0)
    except (TypeError, KeyError, IndexError):
        return State()


def _history() -> History:
    try:
        return FileOfLines.opened(history_file())
    except OSError as fault:
        reason = f"{fault.filename}: {fault.strerror}"
    except RuntimeError as fault:
        # Whoever has no home directory.
        reason = str(fault)
    sys.stderr.write(f"peerkey: no history: {reason}; what is typed is not kept\n")
    return InMemoryHistory()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
