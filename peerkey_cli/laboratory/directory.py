"""The authority's files, and what it issues.

=====================  ====================================================================================
``ca.pem``             the root's certificate: what a configuration trusts (``trusted-ca-certificate``)
``ca.key``             its private key
``intermediate.pem``   where there is one, it issues in the root's place, and its certificate
``intermediate.key``   follows each leaf in the leaf's file
``revoked.json``       what it has revoked, and the number of its last list: see :mod:`.register`
=====================  ====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from peerkey.errors import Misconfigured
from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, read_bundle
from peerkey.pki.laboratory import Authority, SigningKey, Validity, issue, new_intermediate, new_root
from peerkey_cli.files import read_bounded
from peerkey_cli.laboratory.keys import generate
from peerkey_cli.laboratory.writing import PRIVATE, PUBLIC, refuse_existing, remove, write

if TYPE_CHECKING:
    from peerkey.pki.identity import PeerIdentity
    from peerkey_cli.key_types import KeyType

#: A certificate begins a little before it is made: the clocks of a laboratory differ.
BEGINS_BEFORE: Final = timedelta(minutes=5)
#: A certificate that has already ended was valid for so long.
ENDED_CERTIFICATE_LIFE: Final = timedelta(days=1)

_ROOT: Final = "ca"
_INTERMEDIATE: Final = "intermediate"


@dataclass(frozen=True, slots=True)
class Issued:
    """Where a new certificate and its private key are."""

    certificate: Path
    key: Path
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Laboratory:
    """An authority that can issue, read from its directory."""

    issuer: Authority
    #: What follows a leaf in its file: the intermediate, or nothing.
    above: tuple[x509.Certificate, ...]
    #: How its files are called: ``ca`` or ``intermediate``.
    rank: str

    @property
    def not_after(self) -> datetime:
        """The end of the issuer's own certificate."""
        return self.issuer.certificate.not_valid_after_utc

    def issue(
        self,
        identity: PeerIdentity,
        kind: KeyType,
        certificate: Path,
        key: Path,
        *,
        not_after: datetime,
        force: bool = False,
    ) -> Issued:
        """Make a key and a certificate for a node, and write both.

        :raises Misconfigured: a file exists and ``force`` is false, or cannot be written; or the
            certificate would outlive its issuer's.
        """
        refuse_existing([key, certificate], force=force)
        if not_after > self.not_after:
            message = (
                "the certificate would outlive its issuer's, "
                f"which ends at {self.not_after:%Y-%m-%dT%H:%M:%SZ}; choose an earlier end"
            )
            raise Misconfigured(message)
        private = generate(kind)
        leaf = issue(
            identity,
            private.public_key(),
            self.issuer,
            serial=x509.random_serial_number(),
            validity=_until(not_after),
        )
        write(key, _private_pem(private), PRIVATE, force=force)
        write(certificate, _pem(leaf, *self.above), PUBLIC, force=force)
        return Issued(certificate, key, leaf.not_valid_after_utc)


def init(
    directory: Path,
    name: str,
    kind: KeyType,
    *,
    lifetime: timedelta,
    intermediate: bool = False,
    force: bool = False,
) -> tuple[Path, ...]:
    """Make an authority and write it; return the files.

    :raises Misconfigured: the directory holds an authority and ``force`` is false, or cannot be written.
    """
    ranks = (_ROOT, _INTERMEDIATE) if intermediate else (_ROOT,)
    leftovers = [path for rank in (_ROOT, _INTERMEDIATE) for path in _files(directory, rank)]
    refuse_existing(leftovers, force=force)
    validity = _until(datetime.now(UTC).replace(microsecond=0) + lifetime)
    root = new_root(name, generate(kind), serial=x509.random_serial_number(), validity=validity)
    authorities = [root]
    if intermediate:
        serial = x509.random_serial_number()
        authorities.append(
            new_intermediate(f"{name}, intermediate", generate(kind), root, serial=serial, validity=validity)
        )
    written: list[Path] = []
    for rank, authority in zip(ranks, authorities, strict=True):
        certificate, key = _files(directory, rank)
        write(key, _private_pem(authority.key), PRIVATE, force=force)
        write(certificate, _pem(authority.certificate), PUBLIC, force=force)
        written += [certificate, key]
    # What another authority has revoked says nothing of what this one issues.
    for path in (*leftovers[len(written) :], directory / "revoked.json"):
        remove(path)
    return tuple(written)


def opened(directory: Path) -> Laboratory:
    """Read an authority.

    :raises Misconfigured: there is none, or one of its files is not what it should be.
    """
    rank = _INTERMEDIATE if _files(directory, _INTERMEDIATE)[0].exists() else _ROOT
    certificate_file, key_file = _files(directory, rank)
    certificate = read_bundle(_content(certificate_file, directory), str(certificate_file))[0]
    if not _may_issue(certificate):
        message = f"{certificate_file}: not the certificate of an authority (CA:TRUE is missing)"
        raise Misconfigured(message)
    try:
        key = load_pem_private_key(_content(key_file, directory), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{key_file}: not an unencrypted private key in PEM"
        raise Misconfigured(message) from None
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not isinstance(key, SigningKey) or key.public_key().public_bytes(
        *encoding
    ) != certificate.public_key().public_bytes(*encoding):
        message = f"{key_file} is not the private key of {certificate_file}"
        raise Misconfigured(message)
    return Laboratory(Authority(certificate, key), (certificate,) if rank == _INTERMEDIATE else (), rank)


def _files(directory: Path, rank: str) -> tuple[Path, Path]:
    return directory / f"{rank}.pem", directory / f"{rank}.key"


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _content(path: Path, directory: Path) -> bytes:
    try:
        return read_bounded(path, MAXIMUM_BUNDLE_BYTES)
    except OSError as fault:
        message = (
            f"{path}: cannot be read: {fault.strerror}; "
            f"make an authority with `peerkey pki init-ca {directory}`"
        )
        raise Misconfigured(message) from fault


def _until(not_after: datetime) -> Validity:
    """Return the validity of what is made now and ends at ``not_after``, which may have passed."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Validity(min(now - BEGINS_BEFORE, not_after - ENDED_CERTIFICATE_LIFE), not_after)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _private_pem(key: SigningKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
