"""What one router node has to do, with every default, override and reference resolved.

The configuration speaks of an authority: routers that name peers that name paths. A node needs the
same facts from its own chair: who am I, whom do I trust, with whom do I share a key, by which
algorithm, over which addresses. That is a :class:`NodePlan`. It is immutable, compares by value (a
reload asks "did anything change for this node?" with ``==``), and has no reference back to the
configuration. :func:`peerkey.config.planning.plans` makes it.

Durations are :class:`~datetime.timedelta`; ``None`` stands for "not at all". File names are what the
operator wrote, joined to the directory of the configuration file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID


class InvalidCertificateBehavior(Enum):
    """What happens when a certificate that was accepted is revoked, expired or invalid.

    "fail-soft generates an alert indicating action needs to be taken. fail-hard removes all peering
    relationships" (``invalid-certificate-behavior``); both raise the alarm.
    """

    FAIL_SOFT = "fail-soft"
    FAIL_HARD = "fail-hard"


class ValidationMode(Enum):
    """How ``config check`` and imports treat a certificate with faults. Peering is always strict."""

    STRICT = "strict"
    WARN = "warn"


class Endpoint(NamedTuple):
    """A UDP address: an IPv4 or IPv6 literal in its canonical text form, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return ``192.0.2.7:1280`` or ``[2001:db8::7]:1280``."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class CertificateSource:
    """Where certificates in PEM come from: exactly one of ``file`` and ``content`` is set."""

    name: str
    file: str | None
    content: str | None
    validation_mode: ValidationMode


@dataclass(frozen=True, slots=True)
class EnrollmentPlan:
    """Where certificates are enrolled (``ca-profile``)."""

    #: As it was written; :func:`peerkey.config.est_url.est_url` reads it.
    url: str
    #: Whom the server's TLS certificate may lead to.
    server_trust: tuple[CertificateSource, ...]
    #: Whether the node renews its certificate by itself.
    automatic: bool


@dataclass(frozen=True, slots=True)
class RevocationSource:
    """A certificate revocation list that the operator named (``certificate-revocation``)."""

    url: str
    polling_interval: timedelta
    #: "Delay in seconds to apply to the polling-interval".
    backoff_interval: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """The authority's ``security-key-management``, as the machines want it."""

    #: Time between two keys of a peering; ``None`` (``0`` or ``never``): keys are never rotated.
    rekey_interval: timedelta | None
    #: Time between two copies of a message that has not been answered.
    retransmit_interval: timedelta
    #: Time without an authentic answer after which a path goes out of service; at least twice the above.
    timeout: timedelta
    #: Time between two probes of a path in service; ``None``: an idle path is not probed.
    probe_interval: timedelta | None
    invalid_certificate_behavior: InvalidCertificateBehavior
    #: Time between two checks of the node's own certificate against the known revocations; ``None``: never.
    revocation_check_interval: timedelta | None


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """A network interface of the node and the UDP endpoint it listens on."""

    name: str
    local: Endpoint
    #: Largest IP packet, headers included, that the interface's paths may send, in bytes.
    mtu: int


@dataclass(frozen=True, slots=True)
class PathPlan:
    """One path of a peering: a local interface and a remote endpoint."""

    #: Unique within the node: ``wan0>branch1/node0@192.0.2.7:1280``.
    name: str
    interface: str
    local: Endpoint
    peer: Endpoint
    #: Largest IP packet of the path in bytes: the smaller of both interfaces, where both are known.
    mtu: int


@dataclass(frozen=True, slots=True)
class PeeringPlan:
    """One peer node, the algorithm agreed for it, and every path to it."""

    peer_router: str
    peer_node: str
    peer_uuid: UUID
    #: The peer's ``peering-common-name``: accepted in a certificate in place of the UUID.
    alias: str | None
    #: ``diffie-hellman-2048``, ``ml-kem-768``, ``diffie-hellman-2048-ml-kem-768``, and so on.
    algorithm_name: str
    #: ``ml-kem-keygen-priority`` of this router and of the peer; the higher one starts.
    local_priority: int
    peer_priority: int
    paths: tuple[PathPlan, ...]


@dataclass(frozen=True, slots=True)
class HaPlan:
    """The other node of an HA router, and how the two meet (``ha-sync``)."""

    mate: str
    mate_uuid: UUID
    #: TCP addresses of this node and of its mate.
    local: Endpoint
    remote: Endpoint
    #: Ed25519 public keys in OpenSSH's form, without a comment: each end accepts that of the other alone.
    public_key: str
    mate_public_key: str
    #: File of this node's SSH key.
    key_file: str
    #: Whether this end listens, and the other connects: it has the higher UUID.
    listens: bool


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Everything that one node of one router needs to know."""

    authority: str
    router: str
    node: str
    uuid: UUID
    #: This router's ``peering-common-name``.
    alias: str | None
    #: ``enhanced-security-key-management``; when false the node sends and answers nothing.
    enabled: bool
    #: Whether chain, dates and revocation of peers are checked, or only identity and signatures.
    peer_validation: bool
    #: ``ml-kem-keygen-priority`` of this router.
    priority: int
    certificate: CertificateSource
    #: By which name the key store finds the private key: a file, or ``pkcs11:…`` or ``tpm:…``. The key itself
    #: is never in a configuration.
    key_file: str
    trusted: tuple[CertificateSource, ...]
    revocation: tuple[RevocationSource, ...]
    interfaces: tuple[InterfacePlan, ...]
    peerings: tuple[PeeringPlan, ...]
    policy: Policy
    #: ``None`` where no CA has a URL.
    enrollment: EnrollmentPlan | None = None
    #: ``None`` where the router has one node, or its two are not joined.
    ha: HaPlan | None = None

    @property
    def name(self) -> str:
        """Return ``router/node``, unique within the authority."""
        return f"{self.router}/{self.node}"
