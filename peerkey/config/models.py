"""The authority's schema: every container and setting, its range, unit, default and meaning.

The names are the specification's, with ``_`` for ``-``. This is the only place where a setting is
described: validation, the JSON Schema, ``docs/configuration.md`` and the words of error messages all
come from here. What lies between two settings (references, mirrors, sums) is in
:mod:`peerkey.config.rules`; what a node makes of it all is :mod:`peerkey.config.plan`.

An interval of ``None`` was written ``0`` or ``never``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from peerkey.config.algorithm import DiffieHellman, KeyExchange, MlKem
from peerkey.config.base import Container
from peerkey.config.fields import (
    Address,
    CommonName,
    FileName,
    Flag,
    ListUrl,
    Mtu,
    Name,
    NodeUuid,
    PayloadRekeyHours,
    Pem,
    PollingHours,
    Port,
    Priority,
    ProbeSeconds,
    RekeyHours,
    RetransmitSeconds,
    RevocationCheckHours,
    SshPublicKey,
    Uint32Seconds,
    Url,
)
from peerkey.config.plan import InvalidCertificateBehavior, ValidationMode

#: "BFD runs on UDP port 1280"; peerkey listens where operators already let its predecessor through.
DEFAULT_PORT = 1_280

#: The number of the wire's port, over TCP: an HA pair speaks to itself beside its peers.
DEFAULT_SYNC_PORT = 1_280

#: RFC 8200: every IPv6 link carries 1,280 bytes, so that nothing depends on fragmentation.
DEFAULT_MTU = 1_280

#: Bounds on lists. They are far above any fleet that was measured, and below what would hurt.
MAX_ROUTERS = 10_000
MAX_NODES = 2
MAX_INTERFACES = 64
MAX_PEERS = 10_000
MAX_PATHS = 256
MAX_CERTIFICATES = 64
MAX_REVOCATION_LISTS = 256


class CaProfile(Container):
    """Container for certificate authority properties in use with SVR certificates."""

    url: Url | None = None
    """Location of the CA: an EST server (RFC 7030), as https://HOST or https://HOST/.well-known/est/LABEL."""
    server_ca_file: FileName | None = None
    """PEM file of the CAs that the TLS certificate of url leads to, relative to the configuration file.
    Default: the trusted-ca-certificate entries."""
    automatic_enrollment: Flag = False
    """Whether each node renews its certificate at url by itself, when about two thirds of its lifetime have
    passed."""
    revocation_check_interval: RevocationCheckHours = 48
    """Hours between two checks of the node's own certificate against the known revocations; 0: no
    checks."""


class SecurityKeyManagement(Container):
    """Container for authority-wide security policies pertaining to SVR encryption."""

    peer_key_rekey_interval: RekeyHours = 24
    """Hours between security key regeneration for peer routers. 0 and never: keys are not regenerated."""
    payload_key_rekey_interval: PayloadRekeyHours = 24
    """Hours between payload key regeneration. Accepted for compatibility: payload keys are not
    peerkey's."""
    peer_key_retransmit_interval: RetransmitSeconds = 30
    """Seconds between security key retransmission for peer routers, when peer key establishment has not
    been acknowledged."""
    peer_key_timeout: Uint32Seconds = 3_600
    """Seconds before security key retransmission timeout for peer routers, when peer key establishment has
    not been acknowledged. At least twice the peer-key-retransmit-interval."""
    path_probe_interval: ProbeSeconds = 0
    """Seconds between two probes of a path in service, which take it out of service when it is silent. 0:
    no probes."""
    invalid_certificate_behavior: InvalidCertificateBehavior = InvalidCertificateBehavior.FAIL_SOFT
    """Behavior when a certificate is revoked, expired, or invalid. fail-soft raises an alarm; fail-hard
    raises the same alarm and removes the peering relationships concerned."""
    key_exchange_algorithm: KeyExchange = KeyExchange.of("diffie-hellman")
    """The algorithm to use for exchanging keys between peers: a name, or a container with its sizes."""
    diffie_hellman: DiffieHellman = DiffieHellman()
    """Container for the size used by diffie-hellman and diffie-hellman-ml-kem."""
    ml_kem: MlKem = MlKem()
    """Container for the size used by ml-kem and diffie-hellman-ml-kem."""
    ca_profile: CaProfile = CaProfile()
    """Container for certificate authority properties in use with SVR certificates."""


class CertificateRevocation(Container):
    """A certificate revocation list to fetch, beside those that certificates name themselves."""

    url: ListUrl
    """Where the list is, in DER or PEM: http, https, or file for a file of this machine."""
    polling_interval: PollingHours = 24
    """Frequency to fetch CRL. It is fetched earlier where the list says that its successor is there."""
    backoff_interval: Uint32Seconds = 60
    """Delay in seconds to apply to the polling-interval, when the list could not be fetched: it doubles with
    each failure, up to the polling-interval."""


class TrustedCaCertificate(Container):
    """A certification authority that peers' certificates may chain to."""

    name: Name
    """Name of the authority in alarms and listings."""
    file: FileName | None = None
    """PEM file, relative to the configuration file. It may hold several certificates, one after the
    other."""
    content: Pem | None = None
    """The PEM text itself, in place of a file."""
    validation_mode: ValidationMode = ValidationMode.STRICT
    """Whether faults of the certificate are errors or warnings when the configuration is checked. Peering
    is always strict."""


class ClientCertificate(Container):
    """The certificate by which a node proves who it is, followed by its intermediate authorities."""

    name: Name = "base"
    """Name of the certificate in alarms and listings."""
    file: FileName | None = None
    """PEM file, relative to the configuration file, leaf first. Default: ROUTER-NODE.pem."""
    content: Pem | None = None
    """The PEM text itself, in place of a file."""
    validation_mode: ValidationMode = ValidationMode.STRICT
    """Whether faults of the certificate are errors or warnings when the configuration is checked."""


class Pkcs11Key(Container):
    """A private key in a token of PKCS#11. The PIN is never part of a configuration."""

    module: FileName
    """Library of the token, such as /usr/lib/softhsm/libsofthsm2.so."""
    token: CommonName
    """Label of the token."""
    label: CommonName
    """Label of the key on the token."""
    pin_file: FileName | None = None
    """File that holds the PIN, for its owner alone, relative to the configuration file. Default: the
    environment's PEERKEY_PKCS11_PIN_FILE or PEERKEY_PKCS11_PIN."""


class TpmKey(Container):
    """A private key in a TPM 2.0."""

    name: Name
    """Name of the key."""
    tcti: FileName | None = None
    """How to reach the TPM, as tpm2-tss writes it. Default: the environment's PEERKEY_TPM_TCTI, or
    device:/dev/tpmrm0."""


class PrivateKey(Container):
    """Where the key store finds the node's private key: in one place. The key is never in a configuration."""

    file: FileName | None = None
    """PEM file, relative to the configuration file. Default, where no other place is given:
    ROUTER-NODE.key."""
    pkcs11: Pkcs11Key | None = None
    """Container for a key in a token of PKCS#11."""
    tpm: TpmKey | None = None
    """Container for a key in a TPM 2.0."""


class NetworkInterface(Container):
    """A UDP endpoint of a node."""

    name: Name
    """Name, unique within the node."""
    address: Address
    """IPv4 or IPv6 address to listen on and to send from. 0.0.0.0 or :: for whatever the host has."""
    port: Port = DEFAULT_PORT
    """UDP port."""
    mtu: Mtu = DEFAULT_MTU
    """Largest IP packet that the paths of this interface may send, headers included."""


class HaSync(Container):
    """Where a node of an HA router meets the other one, over SSH: both nodes have it, or neither."""

    address: Address
    """IPv4 or IPv6 address of this node on the network between the two."""
    port: Port = DEFAULT_SYNC_PORT
    """TCP port. The node with the higher UUID listens there."""
    public_key: SshPublicKey
    """Public key of this node's SSH key, as `peerkey create ha-key` prints it. The other node accepts no
    other."""
    private_key_file: FileName | None = None
    """File of the SSH key, for its owner alone, relative to the configuration file. Default:
    ROUTER-NODE.ha.key."""


class Node(Container):
    """A node of a router: one, or two in an HA router, each with its own certificate and key."""

    name: Name
    """Name, unique within the router."""
    uuid: NodeUuid
    """The router identifier: unique per node, even across RMAs, and the common name of its certificate."""
    client_certificate: ClientCertificate = ClientCertificate()
    """Container for the node's certificate."""
    private_key: PrivateKey = PrivateKey()
    """Container for the place of the node's private key."""
    network_interface: Annotated[tuple[NetworkInterface, ...], Field(max_length=MAX_INTERFACES)] = ()
    """Where the node listens."""
    ha_sync: HaSync | None = None
    """Container for the link to the other node of an HA router. Without it no key is replicated."""


class PeerNode(Container):
    """A node of a peer that is not in this file."""

    name: Name
    """Name, unique within the peer."""
    uuid: NodeUuid
    """The router identifier that its certificate must have."""


class Path(Container):
    """A way from a network interface of this router to one of the peer's."""

    node: Name
    """Node of this router."""
    network_interface: Name
    """Network interface of that node."""
    peer_node: Name
    """Node of the peer."""
    peer_network_interface: Name | None = None
    """Network interface of the peer's node. Required where the peer is in this file, refused where it is
    not."""
    peer_address: Address | None = None
    """Address to send to. Required where the peer is not in this file; elsewhere it takes the place of the
    interface's own address, as when that is behind a translation."""
    peer_port: Port | None = None
    """UDP port to send to. Default: the port of the peer's interface, or 1280."""


class Peer(Container):
    """A router to share a key with: a router of this file, or a foreign one whose nodes are listed here."""

    name: Name
    """Name of a router of this file, or of a foreign router."""
    peering_common_name: CommonName | None = None
    """The peer's alias, accepted in its certificate in place of the UUID. Default: that of the router in
    this file."""
    generated: Flag = True
    """Whether override and priority below are taken from the peer's router entry, where this file has one
    and they are not given here. With false they must be set here to mirror it."""
    key_exchange_algorithm_override: KeyExchange | None = None
    """Algorithm for this peering; it comes before this router's override and the authority's algorithm."""
    ml_kem_keygen_priority: Priority | None = None
    """Priority of the peer. The router with the higher one generates the ML-KEM key pair."""
    node: Annotated[tuple[PeerNode, ...], Field(max_length=MAX_NODES)] = ()
    """Nodes of a peer that is not in this file."""
    path: Annotated[tuple[Path, ...], Field(min_length=1, max_length=MAX_PATHS)]
    """Ways to the peer. One key serves them all."""


class Router(Container):
    """A router of the authority."""

    name: Name
    """Name, unique within the authority."""
    peering_common_name: CommonName | None = None
    """Alias that this router's certificates may have in place of the node's UUID."""
    peer_validation: Flag = False
    """Validate peering connections on this router: chain, dates and revocation. Identity and signatures
    always are."""
    key_exchange_algorithm_override: KeyExchange | None = None
    """Algorithm for the peerings of this router, in place of the authority's."""
    ml_kem_keygen_priority: Priority = 0
    """The router with the higher priority generates the ML-KEM key pair; among equals the higher UUID
    does."""
    node: Annotated[tuple[Node, ...], Field(min_length=1, max_length=MAX_NODES)]
    """Nodes: one, or two in an HA router."""
    peer: Annotated[tuple[Peer, ...], Field(max_length=MAX_PEERS)] = ()
    """Routers to share a key with."""


def _one_or_many(value: Any) -> Any:  # noqa: ANN401 -- not yet validated
    """Read a single container as a list of one: the specification shows both."""
    return [value] if isinstance(value, dict) else value


class Authority(Container):
    """All routers under one administration, and the policies that they share."""

    name: Name
    """Name of the authority."""
    enhanced_security_key_management: Flag = False
    """Flag for using the security key management capabilities. Restart of the entire authority is required
    if enabled post deployment. With false no router sends or answers anything."""
    security_key_management: SecurityKeyManagement = SecurityKeyManagement()
    """Container for authority-wide security policies pertaining to SVR encryption."""
    certificate_revocation: Annotated[
        tuple[CertificateRevocation, ...],
        Field(max_length=MAX_REVOCATION_LISTS, json_schema_extra={"x-single": True}),
        BeforeValidator(_one_or_many),
    ] = ()
    """Certificate revocation lists to fetch, beside those that certificates name: one container, or a list
    of them. Newer documents call it certificate-revocation-list, which is accepted as well."""
    trusted_ca_certificate: Annotated[
        tuple[TrustedCaCertificate, ...], Field(max_length=MAX_CERTIFICATES)
    ] = ()
    """Certification authorities that peers' certificates may chain to."""
    router: Annotated[tuple[Router, ...], Field(min_length=1, max_length=MAX_ROUTERS)]
    """Routers of the authority."""


class Document(Container):
    """A configuration file."""

    authority: Authority
    """All routers under one administration, and the policies that they share."""
