"""Keys and certificates of the nodes of a running system, by node and by name: made, brought, shown, removed.

A name is that of a certificate. That which the configuration has for the node stands for the files that are
named there; any other for files of the state directory, which a configuration may name later. Private keys go
in and never come out. Everything here blocks: it is called on a thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.keystores.port import KeyExists, NoSuchKey
from peerkey.config.fields import NAME_PATTERN
from peerkey.config.key_names import is_file
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import (
    CertificateDeleted,
    CertificateRefused,
    CsrFailed,
    Event,
    PrivateKeyCreated,
    PrivateKeyDeleted,
    PrivateKeyImported,
)
from peerkey.pki.certificate import read_bundle
from peerkey.pki.csr import Wanted, generated, request
from peerkey.pki.identity import PeerIdentity
from peerkey.pki.ingest import ImportRefused, ingested
from peerkey.pki.key_types import KeyType
from peerkey.pki.policy import leaf_remarks
from peerkey_cli import schemas
from peerkey_cli.certificate_documents import described
from peerkey_cli.deletion import KeyInUse
from peerkey_cli.errors import NotFound
from peerkey_cli.files import read_file
from peerkey_cli.importing import Target, install, judged
from peerkey_cli.key_check import judged as judged_key
from peerkey_cli.private_keys import fingerprint, store_of
from peerkey_cli.revoked import known_revoked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from actors.keystores.stores import KeyStores
    from peerkey.config.plan import NodePlan
    from peerkey.pki.laboratory import SigningKey
    from peerkey.pki.revocation import Revocation
    from peerkey_cli.state import StateDirectory

#: Records an event of a node, and returns when that was.
Record: TypeAlias = Callable[[str, Event], datetime]

_SPKI: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
#: What a request calls what it brings, for messages.
_SOURCE: Final = "the certificate of this request"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its certificate are."""

    plan: NodePlan
    name: str
    key: str
    #: ``None`` where its text stands in the configuration.
    certificate: Path | None
    #: Whether the node uses it.
    configured: bool


class Custody:
    """What may be done to the keys and certificates of some nodes."""

    def __init__(
        self, plans: Callable[[], Sequence[NodePlan]], keys: KeyStores, state: StateDirectory
    ) -> None:
        """Act for the nodes of ``plans()``."""
        self._plans = plans
        self._keys = keys
        self._state = state

    @property
    def keys(self) -> KeyStores:
        """Whoever has the private keys."""
        return self._keys

    def known_revoked(self) -> Revocation:
        """Return what is known to be revoked, by what the CRL manager has published on this machine."""
        return known_revoked(self._state)

    def place(self, node: str | None, name: str | None) -> Place:
        """Return where something of a node is: of the only one where none is named, and what it uses.

        :raises NotFound: there is no such node, or there are several.
        :raises Misconfigured: the name is none.
        """
        plan = self.plan(node)
        if name is None or name == plan.certificate.name:
            file = plan.certificate.file
            return Place(plan, plan.certificate.name, plan.key_file, Path(file) if file else None, True)
        if not re.fullmatch(NAME_PATTERN, name):
            message = "that is no name: 1 to 64 letters, digits, '.', '_' and '-'"
            raise Misconfigured(message)
        folder = self._state.path / "pki" / str(plan.uuid)
        return Place(plan, name, str(folder / f"{name}.key"), folder / f"{name}.pem", False)

    def show_key(self, place: Place) -> schemas.PrivateKeyInfo:
        """Return what is known of a private key, which is its public key.

        :raises NoSuchKey: there is none.
        """
        return self._key_info(place, self._keys.public_key(place.key))

    def create_key(
        self, place: Place, kind: KeyType, record: Record, *, replace: bool
    ) -> schemas.PrivateKeyInfo:
        """Make a private key where it stays.

        :raises KeyExists: there is one, and ``replace`` is false.
        """
        former = self._former(place, replace=replace)
        public = self._keys.create(place.key, kind, replace=replace)
        if former is not None:
            record(place.plan.name, PrivateKeyDeleted(place.key, former, replaced=True))
        record(place.plan.name, PrivateKeyCreated(place.key, kind.value, fingerprint(public)))
        return self._key_info(place, public)

    def import_key(
        self, place: Place, pem: bytes, record: Record, *, replace: bool
    ) -> schemas.PrivateKeyInfo:
        """Keep a private key that somebody brings.

        :raises KeyExists: there is one, and ``replace`` is false.
        :raises Misconfigured: it is none that can be used, or belongs into a device.
        """
        former = self._former(place, replace=replace)
        public = self._keys.take(place.key, cast("SigningKey", judged_key(pem)), replace=replace)
        if former is not None:
            record(place.plan.name, PrivateKeyDeleted(place.key, former, replaced=True))
        record(place.plan.name, PrivateKeyImported(place.key, fingerprint(public)))
        return self._key_info(place, public)

    def delete_key(self, place: Place, record: Record, *, force: bool) -> schemas.PrivateKeyDeleted:
        """Destroy a private key.

        :raises NoSuchKey: there is none.
        :raises KeyInUse: a certificate belongs to it, and ``force`` is false.
        """
        try:
            public = self._keys.public_key(place.key)
        except NoSuchKey:
            raise
        except PeerkeyError:
            if not force or not is_file(place.key):
                raise
            print_ = ""
        else:
            print_ = fingerprint(public)
            if not force and self._leaf_key(place) == public.public_bytes(*_SPKI):
                message = f"{place.name}: a certificate belongs to this key; `force` deletes it all the same"
                raise KeyInUse(message)
        self._keys.delete(place.key)
        now = record(place.plan.name, PrivateKeyDeleted(place.key, print_, replaced=False))
        return schemas.PrivateKeyDeleted(
            time=now,
            name=place.key,
            fingerprint=print_,
            node=place.plan.name,
            node_uuid=str(place.plan.uuid),
        )

    def request(self, place: Place, asked: Wanted, kind: KeyType | None, record: Record) -> bytes:
        """Make a certificate signing request, in PEM, with a private key that is there.

        :raises NoSuchKey: it is not.
        :raises Misconfigured: the key is of another kind than ``kind``, or a field cannot stand in a request.
        """
        try:
            if kind is not None:
                self._require(place, kind)
            made = request(asked, self._keys.certifier(place.key))
        except Misconfigured as fault:
            record(place.plan.name, CsrFailed(asked.name, str(fault)))
            raise
        record(place.plan.name, generated(asked))
        return made.public_bytes(Encoding.PEM)

    def show_certificate(self, place: Place) -> schemas.StoredCertificate:
        """Return a certificate and those that lead to its CA.

        :raises NotFound: there is none.
        :raises Misconfigured: what is there cannot be read.
        """
        content, source = self._content(place)
        chain = read_bundle(content, source)
        return schemas.StoredCertificate(
            time=datetime.now(UTC),
            node=place.plan.name,
            name=place.name,
            configured=place.configured,
            certificates=tuple(described(each.public_bytes(Encoding.DER)) for each in chain),
        )

    def import_certificate(self, place: Place, pem: bytes, record: Record) -> schemas.Imported:
        """Put a certificate in the place of the old one, after the three checks.

        :raises ImportRefused: it fails one of them.
        :raises Misconfigured: its text stands in the configuration, or something else is not as it should be.
        """
        plan, node = place.plan, place.plan.name
        if place.certificate is None:
            message = (
                f"{place.name}: the text of this certificate stands in the configuration; name a file there"
            )
            raise Misconfigured(message)
        identity = PeerIdentity(plan.uuid, plan.alias)
        target = Target(node, place.name, identity, place.key, place.certificate, plan.trusted)
        now = datetime.now(UTC)
        try:
            known = known_revoked(self._state)
            accepted = judged(pem, _SOURCE, target, self._keys, known=known, crls=(), at=now)
            install(target, accepted)
        except ImportRefused as fault:
            record(node, CertificateRefused(place.name, fault.check.value, fault.reason))
            raise
        except Misconfigured as fault:
            record(node, CertificateRefused(place.name, "installation", str(fault)))
            raise
        event = ingested(place.name, accepted.chain[0])
        record(node, event)
        return schemas.Imported(
            time=now,
            node=node,
            name=place.name,
            file=str(target.certificate),
            certificates=len(accepted.chain),
            left_out=accepted.left_out,
            not_after=accepted.examination.not_after,
            fingerprint=event.fingerprint,
            remarks=leaf_remarks(accepted.chain[0]),
            reloaded=False,
        )

    def delete_certificate(self, place: Place, record: Record, *, force: bool) -> schemas.CertificateDeleted:
        """Remove a certificate.

        :raises NotFound: there is none.
        :raises KeyInUse: the node shows it to its peers, and ``force`` is false.
        :raises Misconfigured: its text stands in the configuration, or it cannot be removed.
        """
        content, source = self._content(place)
        if place.certificate is None:
            message = (
                f"{place.name}: the text of this certificate stands in the configuration; remove it there"
            )
            raise Misconfigured(message)
        if place.configured and not force:
            message = (
                f"{place.name}: the node shows this certificate to its peers; `force` deletes it all the same"
            )
            raise KeyInUse(message)
        try:
            leaf = read_bundle(content, source)[0].public_bytes(Encoding.DER)
            print_ = described(leaf).fingerprint_sha1
        except Misconfigured:
            print_ = ""
        try:
            place.certificate.unlink()
        except OSError as fault:
            message = f"{place.certificate}: cannot be removed: {fault.strerror}"
            raise Misconfigured(message) from fault
        now = record(place.plan.name, CertificateDeleted(place.name, print_))
        return schemas.CertificateDeleted(
            time=now, node=place.plan.name, name=place.name, fingerprint=print_, reloaded=False
        )

    def plan(self, node: str | None) -> NodePlan:
        """Return the plan of a node, or of the only one where none is named.

        :raises NotFound: there is no such node, or there are several.
        """
        plans = {plan.name: plan for plan in self._plans()}
        if node is None and len(plans) == 1:
            return next(iter(plans.values()))
        if node is None:
            message = f"{len(plans)} nodes run here; write router/ROUTER/node/NODE/ before the resource"
            raise NotFound(message)
        if node not in plans:
            message = f"there is no node {ascii(node)[1:-1][:64]!r} here, but {', '.join(plans)}"
            raise NotFound(message)
        return plans[node]

    def _former(self, place: Place, *, replace: bool) -> str | None:
        """Return the fingerprint of the key that is to be replaced; empty where it cannot be read.

        :raises KeyExists: it is not to be replaced.
        """
        try:
            found = fingerprint(self._keys.public_key(place.key))
        except NoSuchKey:
            return None
        except PeerkeyError:
            if not is_file(place.key):
                raise
            found = ""
        if not replace:
            message = f"{place.name}: there is a private key already; `replace` puts another in its place"
            raise KeyExists(message)
        return found

    def _require(self, place: Place, kind: KeyType) -> None:
        found = kind_of(self._keys.public_key(place.key))
        if found != kind.value:
            message = f"{place.name}: its private key is of the kind {found}, and not {kind.value}"
            raise Misconfigured(message)

    def _key_info(self, place: Place, public: PublicKeyTypes) -> schemas.PrivateKeyInfo:
        return schemas.PrivateKeyInfo(
            time=datetime.now(UTC),
            node=place.plan.name,
            node_uuid=str(place.plan.uuid),
            name=place.name,
            configured=place.configured,
            store=store_of(place.key),
            algorithm=kind_of(public),
            fingerprint=fingerprint(public),
            public_key=public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        )

    def _leaf_key(self, place: Place) -> bytes | None:
        try:
            content, source = self._content(place)
            return read_bundle(content, source)[0].public_key().public_bytes(*_SPKI)
        except (NotFound, Misconfigured):
            return None

    def _content(self, place: Place) -> tuple[bytes, str]:
        if place.certificate is None:
            return (place.plan.certificate.content or "").encode(), place.name
        try:
            return read_file(str(place.certificate)), str(place.certificate)
        except FileNotFoundError:
            message = f"{place.name}: there is no such certificate of {place.plan.name}"
            raise NotFound(message) from None
        except OSError as fault:
            message = f"{place.certificate}: cannot be read: {fault.strerror}"
            raise Misconfigured(message) from fault


def kind_of(public: PublicKeyTypes) -> str:
    """Return kind and size of a public key by the name that operators write: ``ec-p256``."""
    if isinstance(public, rsa.RSAPublicKey):
        return f"rsa-{public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"ec-p{public.key_size}"
    names: tuple[tuple[Any, Literal["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]], ...] = (
        (mldsa.MLDSA44PublicKey, "ml-dsa-44"),
        (mldsa.MLDSA65PublicKey, "ml-dsa-65"),
        (mldsa.MLDSA87PublicKey, "ml-dsa-87"),
    )
    return next((name for kind, name in names if isinstance(public, kind)), "unknown")
