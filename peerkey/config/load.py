"""From text to a checked authority, or to every reason why not.

:func:`load` reads the text (:mod:`peerkey.config.text`), validates each value against the schema
(:mod:`peerkey.config.models`) and then the whole (:mod:`peerkey.config.rules`,
:mod:`peerkey.config.mirrors`). An operator wants all faults of one run, so a value that is no good is
reported, taken out, and the rest is checked as if it had never been there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peerkey.config import mirrors, remarks, rules
from peerkey.config.findings import ConfigurationFaults
from peerkey.config.report import Losses, Report
from peerkey.config.salvage import validated
from peerkey.config.text import read

if TYPE_CHECKING:
    from peerkey.config.findings import Finding
    from peerkey.config.models import Authority


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what should be known about it."""

    authority: Authority
    warnings: tuple[Finding, ...]


def load(text: str, source: str) -> Loaded:
    """Return the authority that ``text`` describes. ``source`` is the file's name, for messages.

    Raises :exc:`~peerkey.config.findings.ConfigurationFaults` with every fault of the text.
    """
    tree, dialect = read(text, source)
    losses = Losses()
    document, faults = validated(tree, source, losses)
    findings = dialect + faults
    if document is not None:
        if dialect:
            losses.routers.update(router.name for router in document.authority.router)
        report = Report(source, losses)
        rules.check(document.authority, report)
        mirrors.check(document.authority, report)
        findings += report.findings
    if findings or document is None:
        raise ConfigurationFaults(findings)
    report = Report(source)
    remarks.remark(document.authority, report)
    return Loaded(document.authority, tuple(sorted(report.findings)))
