"""Making the private key of a node, and telling the audit log of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.keystores.identity_file import node_uuid
from actors.keystores.port import NoSuchKey
from actors.keystores.stores import KeyStores
from peerkey.config.fields import NAME_PATTERN
from peerkey.config.key_names import PKCS11_SCHEME, is_file
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import PrivateKeyCreated, PrivateKeyDeleted
from peerkey_cli import schemas
from peerkey_cli.audit import recording
from peerkey_cli.plans import PlansReader

if TYPE_CHECKING:
    from uuid import UUID

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.config.plan import CertificateSource
    from peerkey.pki.key_types import KeyType
    from peerkey_cli.state import StateDirectory

#: "The private key of the base certificate."
BASE: Final = "base"


@dataclass(frozen=True, slots=True)
class Owner:
    """The node that a key is for, and by which name its key store has it."""

    node: str
    uuid: UUID
    key: str
    #: Where a configuration has the certificate for it.
    certificate: CertificateSource | None = None


def owner_in(config: Path, node: str) -> Owner:
    """Return a node of a configuration.

    :raises Misconfigured: the configuration has faults, or no such node.
    """
    (plan,) = PlansReader(config, [node])()
    return Owner(plan.name, plan.uuid, plan.key_file, plan.certificate)


def key_of_this_machine(name: str, state: StateDirectory) -> str:
    """Return the full name of a key that no configuration names.

    A ``name`` that is neither a path nor a key in hardware is a file of the state directory.

    :raises Misconfigured: the name is none.
    """
    if not is_file(name) or "/" in name:
        return name
    if not re.fullmatch(NAME_PATTERN, name):
        message = f"{name!r} is no name: 1 to 64 letters, digits, '.', '_' and '-'; or give a path"
        raise Misconfigured(message)
    return str(state.key_file(name))


def owner_of_this_machine(name: str, state: StateDirectory) -> Owner:
    """Return the node that this machine is, without a configuration; its UUID is made on first need.

    :raises Misconfigured: the name is none, or the identity file is damaged.
    :raises Unavailable: the identity file cannot be made.
    """
    key = key_of_this_machine(name, state)
    uuid = node_uuid(state.identity)
    return Owner(str(uuid), uuid, key)


def create_private_key(
    owner: Owner, algorithm: KeyType, state: StateDirectory, *, replace: bool
) -> schemas.PrivateKeyCreated:
    """Make the key and record it.

    :raises KeyExists: there is one, and ``replace`` is false.
    :raises Misconfigured: the store or the audit log cannot be used.
    :raises Unavailable: a device or the disk does not answer.
    """
    keys = KeyStores(state.sealing_key)
    with recording(state) as record:
        former = _fingerprint_there(keys, owner.key) if replace else None
        public = keys.create(owner.key, algorithm, replace=replace)
        now = datetime.now(UTC)
        if former is not None:
            record(now, owner.node, PrivateKeyDeleted(owner.key, former, replaced=True))
        record(now, owner.node, PrivateKeyCreated(owner.key, algorithm.value, fingerprint(public)))
    return schemas.PrivateKeyCreated(
        time=now,
        name=owner.key,
        store=store_of(owner.key),
        algorithm=algorithm.value,
        fingerprint=fingerprint(public),
        replaced=former is not None,
        node=owner.node,
        node_uuid=str(owner.uuid),
    )


def fingerprint(public: PublicKeyTypes) -> str:
    """Return what names a public key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits."""
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _fingerprint_there(keys: KeyStores, name: str) -> str | None:
    """Return the fingerprint of the key that is there; empty if it cannot be read, ``None`` without one."""
    try:
        return fingerprint(keys.public_key(name))
    except NoSuchKey:
        return None
    except PeerkeyError:
        if not is_file(name):
            raise
        return "" if os.path.lexists(name) else None


def store_of(name: str) -> Literal["file", "pkcs11", "tpm"]:
    """Return which store has the key of this name."""
    if is_file(name):
        return "file"
    return "pkcs11" if name.startswith(PKCS11_SCHEME) else "tpm"
