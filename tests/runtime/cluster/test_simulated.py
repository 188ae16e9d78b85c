"""The suite of all transports, in virtual time."""

from __future__ import annotations

from tests.support.cluster_simulated import simulated
from tests.support.cluster_suite import Conformance, Scenario


class TestSimulated(Conformance):
    def run(self, scenario: Scenario) -> None:
        simulated(scenario)
