"""How the progress of a demonstration is shown: bars on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol, Self

from peerkey_cli.terminal import coloured, say

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

#: Without a terminal, a count is told when it is complete, and on its way at most so often.
_LINE_EVERY_SECONDS: Final = 2.0


class Display(Protocol):
    """A context manager that shows what it is told."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, with the last state on it."""
        ...

    def tell(self, text: str) -> None:
        """Show a sentence."""
        ...

    def count(self, what: str, done: int, total: int) -> None:
        """Show how many of so many there are."""
        ...

    def wait(self, what: str, passed: float, total: float) -> None:
        """Show how much of a time has passed, in seconds."""
        ...


class Lines:
    """Lines of text, for pipes and files."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._told: dict[str, tuple[int, float]] = {}

    def __enter__(self) -> Self:
        """See :class:`Display`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See :class:`Display`."""

    def tell(self, text: str) -> None:
        """See :class:`Display`."""
        say(text)
        sys.stdout.flush()

    def count(self, what: str, done: int, total: int) -> None:
        """See :class:`Display`."""
        value, when = self._told.get(what, (0, monotonic()))
        if done != value and (done == total or monotonic() - when >= _LINE_EVERY_SECONDS):
            self._told[what] = (done, monotonic())
            self.tell(f"  {what}: {done} of {total}")
        elif what not in self._told:
            self._told[what] = (0, when)

    def wait(self, what: str, passed: float, total: float) -> None:
        """See :class:`Display`."""
        left = max(0, round(total - passed))
        # At the beginning, then every ten seconds.
        told, _ = self._told.get(what, (left + 10, 0.0))
        if told - left >= 10 or (left == 0 < told):  # noqa: PLR2004 - said above
            self._told[what] = (left, monotonic())
            self.tell(f"  {what}: {left} s to go")


class Bars:
    """Bars that grow in place, drawn by rich."""

    def __init__(self) -> None:
        """Prepare the bars; nothing is drawn yet."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(no_color=not coloured(sys.stdout), highlight=False)
        self._progress: Progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=40),
            TextColumn("{task.fields[said]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """See :class:`Display`."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See :class:`Display`."""
        self._progress.stop()

    def tell(self, text: str) -> None:
        """See :class:`Display`."""
        self._progress.console.print(text, markup=False)

    def count(self, what: str, done: int, total: int) -> None:
        """See :class:`Display`."""
        self._show(what, done, total, f"{done} of {total}")

    def wait(self, what: str, passed: float, total: float) -> None:
        """See :class:`Display`."""
        left = max(0, round(total - passed))
        self._show(what, min(passed, total), total, f"{left} s to go" if left else "done")

    def _show(self, what: str, done: float, total: float, said: str) -> None:
        task = self._tasks.get(what)
        if task is None:
            task = self._tasks[what] = self._progress.add_task(what, total=total, said=said)
        self._progress.update(task, completed=done, said=said)


def display() -> Display:
    """Return what suits standard output."""
    return Bars() if sys.stdout.isatty() else Lines()
