"""A certificate authority that issues good certificates and every kind of bad one.

    ca = TestCA()
    node = ca.issue(uuid)                       # a good certificate, its chain and its key
    ca.issue(uuid, not_after=ca.now)            # one that ends now
    ca.issue(uuid, common_names=("a", "b"))     # one that names two
    ca.trust                                    # what the other node configures

Keys are made fresh, one per certificate, so nothing here is for use outside tests. Times are fixed:
everything begins a day before ``now`` and nothing reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.pki import laboratory
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.laboratory import Authority, SigningKey, Validity
from peerkey.pki.trust import TrustAnchors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

#: When the tests' certificates are valid, unless a test says otherwise.
NOW: Final = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_LIFETIME: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Issued:
    """A node's certificate with everything that its holder has."""

    certificate: x509.Certificate
    #: The CAs between the certificate and the root, nearest first.
    intermediates: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What the node announces: DER, leaf first, without the root."""
        return tuple(
            certificate.public_bytes(Encoding.DER) for certificate in (self.certificate, *self.intermediates)
        )

    @property
    def pem(self) -> bytes:
        """The same as a file: leaf first."""
        return b"".join(
            certificate.public_bytes(Encoding.PEM) for certificate in (self.certificate, *self.intermediates)
        )


class TestCA:
    """A root, an intermediate below it, and leaves, good by default and bad on request."""

    #: A helper of tests, not a test.
    __test__: ClassVar[bool] = False

    def __init__(
        self,
        name: str = "test",
        *,
        now: datetime = NOW,
        root_key: SigningKey | None = None,
        intermediate_key: SigningKey | None = None,
    ) -> None:
        """Make the root ``<name> root`` and the intermediate ``<name> issuing``, on P-256 by default."""
        self.name = name
        self.now = now
        self._serials = count(1)
        validity = Validity(now - _DAY, now + 20 * _LIFETIME)
        self.root = laboratory.new_root(
            f"{name} root",
            root_key or new_key(),
            serial=self.next_serial(),
            validity=validity,
        )
        self.intermediate = laboratory.new_intermediate(
            f"{name} issuing",
            intermediate_key or new_key(),
            self.root,
            serial=self.next_serial(),
            validity=validity,
        )

    @property
    def trust(self) -> TrustAnchors:
        """Trust in this CA's root alone."""
        return TrustAnchors.of([self.root.certificate])

    def next_serial(self) -> int:
        """Return the next serial number, from 1."""
        return next(self._serials)

    def authority(
        self,
        name: str,
        *,
        issuer: Authority | None = None,
        key: SigningKey | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        basic: tuple[x509.BasicConstraints, bool] | None = (
            x509.BasicConstraints(ca=True, path_length=None),
            True,
        ),
        usage: x509.KeyUsage | None = laboratory.CA_USAGE,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Authority:
        """Make a further CA, self-signed without ``issuer``, with whatever is wrong with it.

        ``basic`` is basicConstraints and whether they are critical; ``None`` leaves them out.
        """
        key = key or new_key()
        subject = laboratory.common_name(name)
        builder = laboratory.started(
            subject,
            issuer.certificate.subject if issuer else subject,
            key.public_key(),
            serial=self.next_serial(),
            validity=Validity(not_before or self.now - _DAY, not_after or self.now + 20 * _LIFETIME),
        )
        if basic is not None:
            builder = builder.add_extension(basic[0], critical=basic[1])
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        return Authority(laboratory.signed(builder, issuer.key if issuer else key), key)

    def issue(  # noqa: PLR0913
        self,
        uuid: UUID,
        *,
        alias: str | None = None,
        issuer: Authority | None = None,
        intermediates: Sequence[Authority] | None = None,
        key: SigningKey | None = None,
        public_key: CertificatePublicKeyTypes | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        common_names: Sequence[str] | None = None,
        uris: Sequence[str] | None = None,
        ca: bool = False,
        usage: x509.KeyUsage | None = laboratory.LEAF_USAGE,
        purposes: x509.ExtendedKeyUsage | None = laboratory.LEAF_PURPOSES,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
        hash_algorithm: hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = None,
    ) -> Issued:
        """Issue a certificate for the node ``uuid``; every further argument departs from a good one.

        Arguments:
            uuid: whom it names, in the common name and as ``urn:uuid``.
            alias: its ``peering-common-name``, added as ``urn:ssr:peering``.
            issuer: who signs; the intermediate by default, the root for a chain of one.
            intermediates: what is announced beside the leaf; by default what leads to the root.
            key: the node's key; a fresh one on P-256 by default.
            public_key: another key to certify than the node's, for kinds that cannot sign.
            not_before: a day before ``now`` by default.
            not_after: a year after ``now`` by default.
            common_names: instead of the UUID; none at all when empty.
            uris: alternative names instead of the UUID's and the alias's; none at all when empty.
            ca: whether the leaf says CA:TRUE.
            usage: keyUsage, ``None`` to leave it out.
            purposes: extendedKeyUsage, ``None`` to leave it out.
            more: further extensions, each with whether it is critical.
            hash_algorithm: another hash than the one that suits the issuer's key.
        """
        issuer = issuer or self.intermediate
        if intermediates is None:
            intermediates = () if issuer is self.root else (issuer,)
        key = key or new_key()
        names = [str(uuid)] if common_names is None else common_names
        builder = laboratory.started(
            x509.Name([attribute for name in names for attribute in laboratory.common_name(name)]),
            issuer.certificate.subject,
            public_key or key.public_key(),
            serial=self.next_serial(),
            validity=Validity(not_before or self.now - _DAY, not_after or self.now + _LIFETIME),
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if uris is None:
            uris = [f"urn:uuid:{uuid}"] if common_names is None else []
            uris = [*uris, f"urn:ssr:peering:{alias}"] if alias else uris
        if uris:
            builder = builder.add_extension(laboratory.alternative_names(uris), critical=not names)
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        if purposes is not None:
            builder = builder.add_extension(purposes, critical=False)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        certificate = (
            builder.sign(issuer.key, hash_algorithm)
            if hash_algorithm is not None
            else laboratory.signed(builder, issuer.key)
        )
        return Issued(certificate, tuple(authority.certificate for authority in intermediates), key)

    def issue_for(self, identity: PeerIdentity) -> Issued:
        """Issue a good certificate for this identity."""
        return self.issue(identity.uuid, alias=identity.alias)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key on P-256, the quickest to make and to use."""
    return ec.generate_private_key(ec.SECP256R1())
