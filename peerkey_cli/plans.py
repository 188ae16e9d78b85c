"""From a configuration file to the plans of the nodes that this process runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from peerkey.config.findings import suggestion
from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey.errors import Misconfigured
from peerkey_cli.files import read_configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peerkey.config.findings import Finding
    from peerkey.config.plan import NodePlan

#: What faults call a text that came without a file.
CONFIGURATION: Final = "configuration"


class PlansReader:
    """Reads one file again and again: what an ``Authority`` calls when it starts and at each reload."""

    def __init__(self, file: Path, nodes: Sequence[str] = ()) -> None:
        """Read ``file``; keep only the ``nodes`` (as ``router/node``), or all where none is named."""
        self._file = file
        self._nodes = tuple(dict.fromkeys(nodes))
        #: What the last reading warned of.
        self.warnings: tuple[Finding, ...] = ()
        #: What the last good reading returned.
        self.latest: tuple[NodePlan, ...] = ()

    @property
    def file(self) -> Path:
        """The file."""
        return self._file

    def __call__(self) -> tuple[NodePlan, ...]:
        """Return the plans, in the order of the file.

        :raises Misconfigured: the file cannot be read, has faults (``ConfigurationFaults`` lists them all),
            or lacks a node that was named.
        """
        found, self.warnings = self._read(read_configuration(self._file), str(self._file))
        self.latest = found
        return found

    def of_text(self, text: str, source: str = CONFIGURATION) -> tuple[NodePlan, ...]:
        """Return the plans as if the file held ``text``, which faults call ``source``.

        :raises Misconfigured: see :meth:`__call__`.
        """
        return self._read(text, source)[0]

    def _read(self, text: str, source: str) -> tuple[tuple[NodePlan, ...], tuple[Finding, ...]]:
        loaded = load(text, source)
        found = {plan.name: plan for plan in plans(loaded.authority, str(self._file.parent))}
        for name in self._nodes:
            if name not in found:
                hint = suggestion(name, found) or ("" if "/" in name else "; it is written ROUTER/NODE")
                message = f"{source}: there is no node {name!r}{hint}"
                raise Misconfigured(message)
        chosen = tuple(plan for name, plan in found.items() if not self._nodes or name in self._nodes)
        return chosen, loaded.warnings
