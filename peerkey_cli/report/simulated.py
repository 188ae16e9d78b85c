"""The report of a simulation: drawn from every event of it, as it happens, and written when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey_cli.report.chronicle import Chronicle
from peerkey_cli.report.page import report
from peerkey_cli.report.sources import at, of_simulation
from peerkey_cli.report.writing import check, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from peerkey.observe.events import Event
    from peerkey_cli.simulation.faults import Fault
    from peerkey_cli.simulation.report import Simulation


class Drawing:
    """What becomes a page."""

    def __init__(self, out: Path) -> None:
        """Write to ``out``: that it can be written is found out before anything is simulated.

        :raises Misconfigured: it cannot be written.
        """
        self._out = out
        self._chronicle = Chronicle()
        check(out)

    def take(self, virtual: float, node: str, event: Event) -> None:
        """Take an event by its virtual instant: clocks of machines are set back and forth."""
        self._chronicle.take(at(virtual), event.TYPE, node, event.detail())

    def write(self, document: Simulation, faults: Iterable[Fault]) -> None:
        """Write the page.

        :raises Misconfigured: it cannot be written.
        """
        heading = of_simulation(document, self._chronicle, faults)
        write(self._out, report(heading, self._chronicle))
