"""``config check`` as values: what is wrong with a configuration, and what should be known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from peerkey.config.findings import ConfigurationFaults
from peerkey.config.load import load
from peerkey.config.planning import plans
from peerkey_cli.files import read_configuration
from peerkey_cli.installed import inspect
from peerkey_cli.schemas import Document, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from peerkey.config.findings import Finding
    from peerkey.config.load import Loaded
    from peerkey.config.plan import NodePlan


class ConfigCheck(Document):
    """``config check --json``."""

    file: str
    valid: bool
    faults: tuple[Fault, ...]
    #: Faults beyond those that are listed.
    unlisted: int
    warnings: tuple[Fault, ...]
    #: Files that the configuration names and that are not there.
    missing: tuple[str, ...]
    routers: int
    nodes: int
    peerings: int
    paths: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one configuration and the files that it names."""

    file: str
    faults: tuple[Finding, ...]
    unlisted: int
    warnings: tuple[Finding, ...]
    missing: tuple[str, ...]
    #: Of all nodes; empty where the configuration cannot be used.
    plans: tuple[NodePlan, ...]
    loaded: Loaded | None = None

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong. Warnings do not count."""
        return not self.faults

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """Yield every fault and warning with its severity, from the top of the file."""
        marked = [("error", finding) for finding in self.faults]
        marked += [("warning", finding) for finding in self.warnings]
        yield from sorted(marked, key=lambda each: (each[1], each[0]))

    def summary(self) -> str:
        """Return the last line: the verdict, and how much was checked."""
        if not self.valid:
            number = len(self.faults) + self.unlisted
            return f"{self.file}: {_counted(number, 'fault')}, {_counted(len(self.warnings), 'warning')}"
        document = self.document()
        counts = (
            _counted(document.routers, "router"),
            _counted(document.nodes, "node"),
            _counted(document.peerings, "peering"),
            _counted(document.paths, "path"),
        )
        warned = f"; {_counted(len(self.warnings), 'warning')}" if self.warnings else ""
        return f"{self.file}: valid: {', '.join(counts)}{warned}"

    def document(self) -> ConfigCheck:
        """Return what ``--json`` prints."""
        peerings = [(plan, peering) for plan in self.plans for peering in plan.peerings]
        own = {plan.uuid for plan in self.plans}
        # A peering between two nodes of the file is in the plan of each.
        mirrored = [frozenset((plan.uuid, peering.peer_uuid)) for plan, peering in peerings]
        paths: dict[frozenset[UUID], int] = {}
        for pair, (_, peering) in zip(mirrored, peerings, strict=True):
            paths[pair] = max(paths.get(pair, 0), len(peering.paths))
        return ConfigCheck(
            file=self.file,
            valid=self.valid,
            faults=tuple(map(_document, self.faults)),
            unlisted=self.unlisted,
            warnings=tuple(map(_document, self.warnings)),
            missing=self.missing,
            routers=len({plan.router for plan in self.plans}),
            nodes=len(own),
            peerings=len(paths),
            paths=sum(paths.values()),
        )


def checked(file: Path) -> Checked:
    """Check a configuration file and the files that it names.

    :raises Misconfigured: the configuration cannot be read at all.
    """
    text, name = read_configuration(file), str(file)
    found = checked_text(text, name, str(file.parent))
    if found.loaded is None:
        return found
    loaded, planned = found.loaded, found.plans
    installed = inspect(loaded.authority, planned, name)
    warnings = (*loaded.warnings, *installed.warnings)
    missing = tuple(dict.fromkeys(installed.missing))
    return replace(
        found, faults=tuple(sorted(installed.faults)), warnings=tuple(sorted(warnings)), missing=missing
    )


def checked_text(text: str, name: str, directory: str = "") -> Checked:
    """Check the text of a configuration, and no file that it names. Faults call it ``name``."""
    try:
        loaded = load(text, name)
    except ConfigurationFaults as found:
        return Checked(name, found.faults, found.count - len(found.faults), (), (), ())
    planned = plans(loaded.authority, directory)
    return Checked(name, (), 0, tuple(sorted(loaded.warnings)), (), planned, loaded)


def _document(finding: Finding) -> Fault:
    return Fault(
        source=finding.source,
        line=finding.line,
        column=finding.column,
        path=finding.path,
        message=finding.message,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
