"""What works and should be known all the same: the warnings of a configuration.

A warning never stops anything. Each says what is given up, so that it can be decided once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.config.resolve import Directory
from peerkey.config.rules import ANY

if TYPE_CHECKING:
    from peerkey.config.base import Container
    from peerkey.config.models import Authority
    from peerkey.config.report import Report


def remark(authority: Authority, report: Report) -> None:
    """Report what an operator of ``authority`` should know."""
    if not authority.enhanced_security_key_management:
        message = "false: no router sends or answers anything, and no peering is keyed"
        report.at(authority, "enhanced_security_key_management", message)
    _policy(authority, report)
    _algorithms(authority, report)
    _validation(authority, report)
    _addresses(authority, report)


def _policy(authority: Authority, report: Report) -> None:
    """Remark on an interval that switches something off, and on one that nothing here uses."""
    policy = authority.security_key_management
    if policy.peer_key_rekey_interval is None:
        report.at(policy, "peer_key_rekey_interval", "peer keys are never replaced")
    if policy.has("payload_key_rekey_interval"):
        message = "accepted, but without effect: payload keys are not made here"
        report.at(policy, "payload_key_rekey_interval", message)


def _algorithms(authority: Authority, report: Report) -> None:
    """Remark on weak or uncertified algorithms, once where each is chosen."""
    directory = Directory(authority)
    told: set[tuple[int, str]] = set()
    for router in authority.router:
        for peer in router.peer:
            name = directory.algorithm(router, peer)
            chooser: tuple[Container, str] = (authority.security_key_management, "key_exchange_algorithm")
            other = directory.routers.get(peer.name) if peer.generated else None
            for holder in (peer, other, router):
                if holder is not None and holder.key_exchange_algorithm_override is not None:
                    chooser = (holder, "key_exchange_algorithm_override")
                    break
            for weakness in _weaknesses(name):
                if (id(chooser[0]), weakness) not in told:
                    told.add((id(chooser[0]), weakness))
                    report.at(*chooser, f"{name}: {weakness}")


def _weaknesses(algorithm_name: str) -> list[str]:
    """Return what is to be said of an algorithm."""
    found = []
    if algorithm_name.startswith("diffie-hellman-1024"):
        found.append("a 1024-bit group is weak; use 2048 or more")
    if algorithm_name.startswith("ml-kem"):
        found.append("ML-KEM alone is not certified for FIPS 140-3; diffie-hellman-ml-kem is")
    return found


def _validation(authority: Authority, report: Report) -> None:
    """Remark on routers that take any certificate for good."""
    for router in authority.router:
        if router.peer and not router.peer_validation:
            message = (
                "false: chain, dates and revocation of peers are not checked; whoever comes first with"
                " a peer's identity is believed from then on"
            )
            report.at(router, "peer_validation", message)


def _addresses(authority: Authority, report: Report) -> None:
    """Remark on an address that two routers have, and on routers without any peer."""
    owners: dict[tuple[str, int], tuple[str, int]] = {}
    for router in authority.router:
        if not router.peer:
            report.at(router, None, "the router has no peer, and so no key")
        for node in router.node:
            for interface in node.network_interface:
                if interface.address in ANY:
                    continue
                name = f"{router.name}/{node.name}"
                endpoint = (interface.address, interface.port)
                owner, line = owners.setdefault(endpoint, (name, interface.section.place.line))
                if owner != name:
                    message = f"{owner} has the same address and port in line {line}"
                    report.at(interface, "address", f"{message}, which works only in separate networks")
