"""Asking an operator at a terminal for what the command line left open.

A question has a default, which an empty line takes, and a check, whose refusal is shown below the line until
the answer is good. Questions go to standard error: what a command makes goes to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.output import create_output
from prompt_toolkit.validation import ValidationError, Validator

from peerkey.errors import Misconfigured
from peerkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.document import Document


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, under which name the answer is wanted, and what an empty line means."""

    field: str
    label: str
    default: str
    #: Raises :class:`~peerkey.errors.Misconfigured` for an answer that will not do.
    check: Callable[[str], object]


def at_a_terminal() -> bool:
    """Tell whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def answers(questions: Iterable[Question], session: PromptSession[str] | None = None) -> dict[str, str]:
    """Ask each question until its answer is good.

    :raises typer.Abort: the operator leaves, by Ctrl-C or Ctrl-D.
    """
    asked = session or PromptSession(output=create_output(stdout=sys.stderr))
    try:
        return {each.field: _answer(asked, each) for each in questions}
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None


def secret(label: str, session: PromptSession[str] | None = None) -> Secret:
    """Ask for a password, which is not shown.

    :raises typer.Abort: the operator leaves, by Ctrl-C or Ctrl-D.
    """
    asked = session or PromptSession(output=create_output(stdout=sys.stderr))
    try:
        return Secret(asked.prompt(f"{label}: ", is_password=True).encode())
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None


def _answer(session: PromptSession[str], question: Question) -> str:
    hint = f" [{question.default}]" if question.default else ""
    given = session.prompt(
        f"{question.label}{hint}: ", validator=_Checked(question), validate_while_typing=False
    )
    return given.strip() or question.default


class _Checked(Validator):
    """Shows why an answer will not do."""

    def __init__(self, question: Question) -> None:
        self._question = question

    def validate(self, document: Document) -> None:
        """Refuse what the question's check refuses."""
        try:
            self._question.check(document.text.strip() or self._question.default)
        except Misconfigured as fault:
            raise ValidationError(len(document.text), str(fault)) from None
