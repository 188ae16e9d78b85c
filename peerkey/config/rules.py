"""What must hold between settings of one authority, beside what each must be by itself.

Names and identities are unique, a certificate and a key belong to one node, the time-out leaves room
for a retransmission, and sockets do not collide. What the two ends of a peering owe each other is in
:mod:`peerkey.config.mirrors`.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from peerkey.config.est_url import est_url
from peerkey.config.fields import UUID_PATTERN
from peerkey.config.models import PeerNode
from peerkey.config.plan import Endpoint
from peerkey.config.planning import certificate_file, ha_key_file, key_name
from peerkey.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence
    from uuid import UUID

    from peerkey.config.algorithm import KeyExchange
    from peerkey.config.base import Container
    from peerkey.config.models import Authority, Node, Peer, Router
    from peerkey.config.report import Report

#: Addresses that stand for every address of a host, and so collide with each of them.
ANY = {"0.0.0.0", "::"}  # noqa: S104 -- compared, not listened on

#: An IPv6 interface may not be set below what every IPv6 link must carry (RFC 8200 section 5).
LEAST_IPV6_MTU = 1_280


def check(authority: Authority, report: Report) -> None:
    """Report every fault within ``authority``."""
    _unique_names(authority, report)
    _unique_identities(authority, report)
    _files(authority, report)
    _policy(authority, report)
    _enrollment(authority, report)
    for router in authority.router:
        for node in router.node:
            _endpoints(node, report)
        _pair(router, report)


def _unique_names(authority: Authority, report: Report) -> None:
    """Report names that are given to two things of one kind."""
    _unique(authority.router, "name", report)
    _unique(authority.trusted_ca_certificate, "name", report)
    _unique(authority.certificate_revocation, "url", report)
    for router in authority.router:
        _unique(router.node, "name", report)
        _unique(router.peer, "name", report)
        for node in router.node:
            _unique(node.network_interface, "name", report)
        for peer in router.peer:
            _unique(peer.node, "name", report)
    aliased = [router for router in authority.router if router.peering_common_name]
    _unique(aliased, "peering_common_name", report)


def _unique(containers: Iterable[Container], setting: str, report: Report) -> None:
    """Report every container whose ``setting`` an earlier one has already."""
    seen: dict[Hashable, Container] = {}
    for container in containers:
        value = getattr(container, setting)
        first = seen.setdefault(value, container)
        if first is not container:
            line = first.section.place.line
            report.at(container, setting, f"{value!r} is given twice; the first is in line {line}")


def _unique_identities(authority: Authority, report: Report) -> None:
    """Report a UUID that two nodes have, and an alias that looks like the UUID of some node.

    "This router identifier is a UUID and guaranteed to be unique per node, even across RMAs."
    """
    owners: dict[UUID, tuple[str, Node | PeerNode]] = {}
    nodes: dict[str, Node | PeerNode] = {}
    for name, node in _named_nodes(authority):
        owner, first = owners.setdefault(node.uuid, (name, node))
        if owner != name:
            line = first.section.value_places["uuid"].line
            report.at(node, "uuid", f"{node.uuid} is the node {owner} in line {line}; every node has its own")
        known = nodes.setdefault(name, node)
        if known.uuid != node.uuid and isinstance(node, PeerNode):
            line = known.section.value_places["uuid"].line
            report.at(node, "uuid", f"the node {name} is {known.uuid} in line {line}; a node has one UUID")
    holders: list[Router | Peer] = [*authority.router]
    holders += [peer for router in authority.router for peer in router.peer]
    for holder in holders:
        if re.fullmatch(UUID_PATTERN, holder.peering_common_name or ""):
            report.at(
                holder, "peering_common_name", "an alias must not have the form of a UUID, which names a node"
            )


def _named_nodes(authority: Authority) -> Iterator[tuple[str, Node | PeerNode]]:
    """Return the nodes of the file and then those of foreign peers, as ``router/node``."""
    for router in authority.router:
        for node in router.node:
            yield f"{router.name}/{node.name}", node
    for router in authority.router:
        for peer in router.peer:
            for peer_node in peer.node:
                yield f"{peer.name}/{peer_node.name}", peer_node


def _files(authority: Authority, report: Report) -> None:
    """Report certificates with two sources or none, and files that two nodes share.

    "Certificates are not shared between nodes."
    """
    for trusted in authority.trusted_ca_certificate:
        if (trusted.file is None) == (trusted.content is None) and report.read("file", "content"):
            report.at(trusted, None, "needs exactly one of 'file' and 'content'")
    owners: dict[str, str] = {}
    for router in authority.router:
        for node in router.node:
            certificate = node.client_certificate
            if certificate.file and certificate.content:
                report.at(
                    certificate, "content", "'file' is given too; only one of them can be the certificate"
                )
            _file(certificate_file(router, node), router, node, owners, report, certificate)
            key = node.private_key
            places = [place for place in ("file", "pkcs11", "tpm") if key.has(place)]
            if len(places) > 1:
                report.at(key, places[1], f"{places[0]!r} is given too; a private key is in one place")
            _file(key_name(router, node, PurePath()), router, node, owners, report, key, places[-1:])
            if node.ha_sync is not None:
                ha_key = ha_key_file(router, node)
                _file(ha_key, router, node, owners, report, node.ha_sync, ("private_key_file",))


def _file(
    file: str | None,
    router: Router,
    node: Node,
    owners: dict[str, str],
    report: Report,
    at: Container,
    settings: Sequence[str] = (),
) -> None:
    """Report ``file`` if another node has it already, or if it is both key and certificate."""
    if file is None:
        return
    name = f"{router.name}/{node.name}"
    owner = owners.setdefault(file, name)
    if owner != name:
        container = at if at.section.parent is not None else node
        report.at(
            container,
            settings[0] if settings else "file",
            f"{file!r} belongs to the node {owner}; certificates and keys are not shared",
        )


def _policy(authority: Authority, report: Report) -> None:
    """Report intervals that leave no room for each other, sizes given twice, and validation without trust."""
    policy = authority.security_key_management
    least = 2 * policy.peer_key_retransmit_interval
    if policy.peer_key_timeout < least and report.read("peer-key-retransmit-interval", "peer-key-timeout"):
        interval = policy.peer_key_retransmit_interval
        message = (
            f"{policy.peer_key_timeout} seconds leave no room for an answer; allowed: at least {least}, "
        )
        where = "peer_key_timeout" if policy.has("peer_key_timeout") else "peer_key_retransmit_interval"
        report.at(policy, where, f"{message}twice the peer-key-retransmit-interval of {interval}")
    general = policy.key_exchange_algorithm
    if general.diffie_hellman_size and policy.has("diffie_hellman"):
        _size_twice(
            general,
            "diffie-hellman",
            general.diffie_hellman_size,
            policy.diffie_hellman.diffie_hellman_key_size,
            report,
        )
    if general.ml_kem_size and policy.has("ml_kem"):
        _size_twice(general, "ml-kem", general.ml_kem_size, policy.ml_kem.ml_kem_key_size, report)
    if not authority.trusted_ca_certificate and report.read(
        "trusted-ca-certificate", "file", "content", "name"
    ):
        for router in authority.router:
            if router.peer_validation:
                report.at(
                    router, "peer_validation", "true needs a trusted-ca-certificate, or every peer is refused"
                )


def _enrollment(authority: Authority, report: Report) -> None:
    """Report automatic enrolment that could never succeed."""
    profile = authority.security_key_management.ca_profile
    if not profile.automatic_enrollment:
        return
    if profile.url is None:
        if report.read("url"):
            message = "true needs the url of an EST server, https://HOST"
            report.at(profile, "automatic_enrollment", message)
        return
    try:
        est_url(profile.url)
    except Misconfigured as fault:
        report.at(profile, "url", str(fault))
    if not authority.trusted_ca_certificate and report.read(
        "trusted-ca-certificate", "file", "content", "name"
    ):
        message = "true needs a trusted-ca-certificate, or nothing that is enrolled could be trusted"
        report.at(profile, "automatic_enrollment", message)
    for router in authority.router:
        for node in router.node:
            if node.client_certificate.content is not None:
                message = "cannot be renewed automatically where its text stands here; name a file"
                report.at(node.client_certificate, "content", message)


def _size_twice(algorithm: KeyExchange, family: str, inner: int, outer: int, report: Report) -> None:
    """Report a key size that is given in two places with two values."""
    if inner != outer:
        message = (
            f"the key size of {family} is {inner} here and {outer} in security-key-management > {family}"
        )
        report.at(algorithm, None, f"{message}; give it once")


def _endpoints(node: Node, report: Report) -> None:
    """Report two interfaces of a node that cannot both be opened, and an MTU that IPv6 forbids."""
    seen: dict[tuple[bool, int], list[tuple[str, str]]] = {}
    for interface in node.network_interface:
        is_ipv6 = ":" in interface.address
        if is_ipv6 and interface.mtu < LEAST_IPV6_MTU:
            report.at(
                interface,
                "mtu",
                f"{interface.mtu} is too small for IPv6; allowed: {LEAST_IPV6_MTU} to 9216 bytes",
            )
        others = seen.setdefault((is_ipv6, interface.port), [])
        for name, address in others:
            if name != interface.name and (
                address == interface.address or {address, interface.address} & ANY
            ):
                endpoint = Endpoint(interface.address, interface.port)
                report.at(
                    interface,
                    "address",
                    f"{endpoint} collides with the interface {name}; change address or port",
                )
                break
        others.append((interface.name, interface.address))


def _pair(router: Router, report: Report) -> None:
    """Report a link between the two nodes of a router that has one end, or whose ends cannot meet.

    "Keys can be safely exchanged between nodes as the HA sync interfaces are connected point to point."
    """
    joined = [node for node in router.node if node.ha_sync is not None]
    if not joined or not report.whole(router.name):
        return
    if len(router.node) == 1:
        report.at(joined[0], "ha_sync", "needs a second node; the router has one")
        return
    for node in router.node:
        if node.ha_sync is None:
            line = joined[0].section.value_places["ha-sync"].line
            message = (
                f"has no ha-sync, which {joined[0].name} has in line {line}; both nodes have it, or neither"
            )
            report.at(node, None, message)
        elif node.ha_sync.address in ANY:
            message = f"{node.ha_sync.address} is no address that the other node could connect to"
            report.at(node.ha_sync, "address", message)
    first, second = router.node[0].ha_sync, router.node[-1].ha_sync
    if first is None or second is None:
        return
    if first.public_key == second.public_key:
        line = first.section.value_places["public-key"].line
        report.at(second, "public_key", f"is that of the other node, in line {line}; every node has its own")
    if (first.address, first.port) == (second.address, second.port):
        line = first.section.place.line
        report.at(second, "address", f"is that of the other node, in line {line}; change address or port")
