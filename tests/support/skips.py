"""A skipped test proves nothing, so continuous integration allows none that could have run.

With ``PEERKEY_NO_SKIPS=1`` in the environment (``.ci/run`` sets it) every skip counts as a failure that
quotes its reason. The exception is a test that the platform itself rules out; such a reason begins with
``platform:``, as in ``pytest.skip("platform: network namespaces exist only on Linux")``. A missing
package, a missing command or a missing privilege is no such reason: continuous integration provides them.

An expected failure (``xfail``) is not a skip: strict mode already fails it once it passes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeVar

import pytest

#: How the reason of a skip begins that nothing could have prevented.
ALLOWED: Final = "platform:"

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


class RefusedSkips:
    """A pytest plugin that turns each skip into a failure, unless the platform rules the test out."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judge the skip of one test."""
        return refused((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Judge the skip of a whole module."""
        return refused((yield))


def refused(report: _Report) -> _Report:
    """Return ``report``, as a failure if it is a skip without an allowed reason."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = reason_of(report)
        if not reason.startswith(ALLOWED):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and nothing may be skipped here: {reason}"
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test or module was skipped, in the words of whoever skipped it."""
    match report.longrepr:
        case (_, _, str(reason)):
            return reason.removeprefix("Skipped: ")
        case other:
            return str(other)
