"""Deleting the private key of a node, unless somebody still proves who they are with it.

A deleted key does not come back, from a token or a TPM in particular. So the key is compared first with the
certificate that the configuration has for the node, and with what a system that runs here shows to its peers;
only ``force`` deletes a key that one of them belongs to, or one of which nobody can tell.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.keystores.port import NoSuchKey
from actors.keystores.stores import KeyStores
from peerkey.config.key_names import is_file
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import PrivateKeyDeleted
from peerkey.pki.certificate import read_bundle
from peerkey_cli import schemas
from peerkey_cli.audit import recording
from peerkey_cli.errors import Unreachable
from peerkey_cli.files import read_file
from peerkey_cli.private_keys import fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.config.plan import CertificateSource
    from peerkey_cli.client import Client
    from peerkey_cli.private_keys import Owner
    from peerkey_cli.state import StateDirectory

_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class KeyInUse(Misconfigured):
    """A certificate belongs to the key, and nobody has allowed to delete it all the same."""


def check_deletable(
    key: str,
    certificate: CertificateSource | None,
    state: StateDirectory,
    client: Client,
    *,
    force: bool,
) -> str:
    """Return the fingerprint of the key that is to go; empty where it cannot be read and that is forced.

    :raises NoSuchKey: there is none.
    :raises KeyInUse: a certificate belongs to it, and ``force`` is false.
    :raises Misconfigured: it cannot be read, and ``force`` is false or it is in a device.
    """
    try:
        public = KeyStores(state.sealing_key).public_key(key)
    except NoSuchKey:
        raise
    except PeerkeyError as fault:
        if not force or not is_file(key):
            message = f"{fault}; --force deletes a file also if nobody can tell whose key it holds"
            raise Misconfigured(message if is_file(key) else str(fault)) from fault
        return ""
    user = None if force else _user_of(public, certificate, client)
    if user is not None:
        message = (
            f"{key} is the private key of {user}; import a certificate for another key first, "
            "or use --force to be without one"
        )
        raise KeyInUse(message)
    return fingerprint(public)


def delete_private_key(owner: Owner, state: StateDirectory, print_: str) -> schemas.PrivateKeyDeleted:
    """Destroy the key that :func:`check_deletable` has let pass, and record it.

    :raises NoSuchKey: it is gone already.
    :raises Misconfigured: the store or the audit log cannot be used.
    :raises Unavailable: a device does not answer.
    """
    # What cannot be recorded is not done.
    with recording(state) as record:
        KeyStores(state.sealing_key).delete(owner.key)
        now = datetime.now(UTC)
        record(now, owner.node, PrivateKeyDeleted(owner.key, print_, replaced=False))
    return schemas.PrivateKeyDeleted(
        time=now, name=owner.key, fingerprint=print_, node=owner.node, node_uuid=str(owner.uuid)
    )


def _user_of(public: PublicKeyTypes, source: CertificateSource | None, client: Client) -> str | None:
    """Name the certificate that belongs to this key, where there is one."""
    wanted = public.public_bytes(*_SPKI)
    if source is not None and _key_in(source) == wanted:
        return f"the certificate {source.file or source.name}"
    try:
        nodes = client.get("certificates", schemas.Certificates).nodes
    except Unreachable:
        return None
    for node in nodes:
        if node.certificates and _key_of(node.certificates[0].pem.encode()) == wanted:
            return f"the certificate that {node.node} shows to its peers"
    return None


def _key_in(source: CertificateSource) -> bytes | None:
    """Return the public key of a configured certificate; one that is not there has none."""
    try:
        content = source.content.encode() if source.content is not None else read_file(source.file or "")
        return read_bundle(content, source.file or source.name)[0].public_key().public_bytes(*_SPKI)
    except FileNotFoundError:
        return None
    except OSError as fault:
        message = f"{source.file}: cannot be read: {fault.strerror}; --force deletes the key all the same"
        raise Misconfigured(message) from fault
    except Misconfigured as fault:
        message = f"{fault}; --force deletes the key all the same"
        raise Misconfigured(message) from fault


def _key_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_key().public_bytes(*_SPKI)
