"""From an authority to the plan of each of its nodes.

The authority must have passed :func:`peerkey.config.load`: every reference is known to resolve.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING

from peerkey.config.key_names import Pkcs11Token, Tpm, is_file
from peerkey.config.plan import (
    CertificateSource,
    Endpoint,
    EnrollmentPlan,
    HaPlan,
    InterfacePlan,
    NodePlan,
    PathPlan,
    PeeringPlan,
    Policy,
    RevocationSource,
    ValidationMode,
)
from peerkey.config.resolve import Directory

if TYPE_CHECKING:
    from peerkey.config.models import Authority, ClientCertificate, Node, Peer, Router, TrustedCaCertificate


def plans(authority: Authority, directory: str = "") -> tuple[NodePlan, ...]:
    """Return the plan of every node, in the order of the file.

    ``directory`` is where the configuration file is; relative file names are joined to it.
    """
    planner = _Planner(authority, PurePath(directory))
    return tuple(planner.node_plan(router, node) for router in authority.router for node in router.node)


def plan_for(authority: Authority, router: str, node: str, directory: str = "") -> NodePlan:
    """Return the plan of one node; see :func:`plans`. Raises :exc:`KeyError` if there is no such node."""
    for each in authority.router:
        for candidate in each.node:
            if (each.name, candidate.name) == (router, node):
                return _Planner(authority, PurePath(directory)).node_plan(each, candidate)
    name = f"{router}/{node}"
    raise KeyError(name)


def policy_of(authority: Authority) -> Policy:
    """Return the policies that all nodes share."""
    settings = authority.security_key_management
    return Policy(
        rekey_interval=_hours(settings.peer_key_rekey_interval),
        retransmit_interval=timedelta(seconds=settings.peer_key_retransmit_interval),
        timeout=timedelta(seconds=settings.peer_key_timeout),
        probe_interval=timedelta(seconds=settings.path_probe_interval) or None,
        invalid_certificate_behavior=settings.invalid_certificate_behavior,
        revocation_check_interval=_hours(settings.ca_profile.revocation_check_interval),
    )


class _Planner:
    """What the plans of one authority have in common."""

    def __init__(self, authority: Authority, base: PurePath) -> None:
        """Prepare for ``authority``, whose file is in ``base``."""
        self.authority = authority
        self.directory = Directory(authority)
        self.base = base
        self.policy = policy_of(authority)
        self.trusted = tuple(self._certificate(each, None) for each in authority.trusted_ca_certificate)
        self.enrollment = self._enrollment()
        self.revocation = tuple(
            RevocationSource(
                url=each.url,
                polling_interval=timedelta(hours=each.polling_interval),
                backoff_interval=timedelta(seconds=each.backoff_interval),
            )
            for each in authority.certificate_revocation
        )

    def node_plan(self, router: Router, node: Node) -> NodePlan:
        """Return the plan of ``node``."""
        return NodePlan(
            authority=self.authority.name,
            router=router.name,
            node=node.name,
            uuid=node.uuid,
            alias=router.peering_common_name,
            enabled=self.authority.enhanced_security_key_management,
            peer_validation=router.peer_validation,
            priority=router.ml_kem_keygen_priority,
            certificate=self._certificate(node.client_certificate, certificate_file(router, node)),
            key_file=key_name(router, node, self.base),
            trusted=self.trusted,
            revocation=self.revocation,
            interfaces=tuple(
                InterfacePlan(each.name, Endpoint(each.address, each.port), each.mtu)
                for each in node.network_interface
            ),
            peerings=tuple(peering for peer in router.peer for peering in self._peerings(router, node, peer)),
            policy=self.policy,
            enrollment=self.enrollment,
            ha=self._ha(router, node),
        )

    def _ha(self, router: Router, node: Node) -> HaPlan | None:
        """Return how a node meets the other one of its router."""
        own = node.ha_sync
        for other in router.node:
            if own is not None and other is not node and other.ha_sync is not None:
                there = other.ha_sync
                return HaPlan(
                    mate=other.name,
                    mate_uuid=other.uuid,
                    local=Endpoint(own.address, own.port),
                    remote=Endpoint(there.address, there.port),
                    public_key=own.public_key,
                    mate_public_key=there.public_key,
                    key_file=self._beside(ha_key_file(router, node)),
                    listens=node.uuid > other.uuid,
                )
        return None

    def _peerings(self, router: Router, node: Node, peer: Peer) -> list[PeeringPlan]:
        """Return one peering for each node of ``peer`` to which ``node`` has a path."""
        paths: dict[str, list[PathPlan]] = {}
        for path in peer.path:
            if path.node == node.name:
                local = self.directory.interface(router.name, node.name, path.network_interface)
                remote = self.directory.interface(peer.name, path.peer_node, path.peer_network_interface)
                target = self.directory.target(peer, path)
                if local is None or target is None:
                    message = "the authority has not been checked"
                    raise ValueError(message)
                paths.setdefault(path.peer_node, []).append(
                    PathPlan(
                        name=f"{local.name}>{peer.name}/{path.peer_node}@{target}",
                        interface=local.name,
                        local=Endpoint(local.address, local.port),
                        peer=target,
                        mtu=min(local.mtu, remote.mtu) if remote else local.mtu,
                    )
                )
        return [self._peering(router, peer, name, tuple(each)) for name, each in paths.items()]

    def _peering(
        self, router: Router, peer: Peer, peer_node: str, paths: tuple[PathPlan, ...]
    ) -> PeeringPlan:
        """Return the peering with one node of ``peer``."""
        uuid = self.directory.uuid(peer, peer_node)
        if uuid is None:
            message = "the authority has not been checked"
            raise ValueError(message)
        return PeeringPlan(
            peer_router=peer.name,
            peer_node=peer_node,
            peer_uuid=uuid,
            alias=self.directory.alias(peer),
            algorithm_name=self.directory.algorithm(router, peer),
            local_priority=router.ml_kem_keygen_priority,
            peer_priority=self.directory.priority(peer),
            paths=paths,
        )

    def _certificate(
        self, source: ClientCertificate | TrustedCaCertificate, default_file: str | None
    ) -> CertificateSource:
        """Return where certificates come from, as seen from where the configuration was read."""
        file = source.file or (None if source.content else default_file)
        return CertificateSource(
            name=source.name,
            file=self._beside(file) if file else None,
            content=source.content,
            validation_mode=source.validation_mode,
        )

    def _enrollment(self) -> EnrollmentPlan | None:
        profile = self.authority.security_key_management.ca_profile
        if profile.url is None:
            return None
        trust = self.trusted
        if profile.server_ca_file is not None:
            file = self._beside(profile.server_ca_file)
            trust = (CertificateSource("server-ca-file", file, None, ValidationMode.STRICT),)
        return EnrollmentPlan(profile.url, trust, profile.automatic_enrollment)

    def _beside(self, file: str) -> str:
        """Return ``file`` as seen from where the configuration was read."""
        return str(self.base / file)


def certificate_file(router: Router, node: Node) -> str | None:
    """Return the node's certificate file as written, or its default; ``None`` if its text is given."""
    written = node.client_certificate
    return written.file or (None if written.content else f"{router.name}-{node.name}.pem")


def ha_key_file(router: Router, node: Node) -> str:
    """Return the file of the node's SSH key as written, or its default."""
    written = node.ha_sync.private_key_file if node.ha_sync is not None else None
    return written or f"{router.name}-{node.name}.ha.key"


def key_name(router: Router, node: Node, base: PurePath) -> str:
    """Return the name of the node's private key in its key store; ``base`` is where the configuration is."""
    written = node.private_key
    if written.pkcs11 is not None:
        place = written.pkcs11
        pin_file = str(base / place.pin_file) if place.pin_file else None
        return Pkcs11Token(place.module, place.token, pin_file).name_of(place.label)
    if written.tpm is not None:
        return Tpm(written.tpm.tcti).name_of(written.tpm.name)
    file = str(base / (written.file or f"{router.name}-{node.name}.key"))
    # A file may be called like a key that is none.
    return file if is_file(file) else f"./{file}"


def _hours(count: int | None) -> timedelta | None:
    """Return a duration; none of it is the same as never."""
    return timedelta(hours=count) if count else None
