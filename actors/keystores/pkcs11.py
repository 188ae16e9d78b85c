"""Keys in a token of PKCS#11: a hardware security module, a smart card, or SoftHSM.

The key is made on the token, marked sensitive and not extractable, and every signature is asked of the
token. Objects of one label form one key with its history: a replacement is made beside the former key with
the next higher id, and the highest id counts, so that a crash between making and destroying leaves one key
in force. The sealing key rests in a file, encrypted (AES-256-GCM) by a key that never leaves the token.

A session lasts for one operation, and one operation is under way at a time: a token that was pulled and put
back needs no special case, and logging in is the application's, not the session's.

A PIN that the token has refused is not tried again: a token counts, locks itself after a few mistakes, and
a node looks every minute. Another PIN is tried, and the same one once an operator says that it may be right
(``docs/decisions/0076-a-pin-that-was-refused.md``).

Importing this module needs the extra ``pkcs11``.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import new as new_hash
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass, PrivateKey, PublicKey, SecretKey, Session
from pkcs11 import KeyType as Family
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key

from actors.keystores.held import HeldEcKey, HeldRsaKey, remote_signer
from actors.keystores.passwords import PKCS11_PIN, password, password_in
from actors.keystores.port import KeyExists, NoSuchKey
from actors.keystores.private_files import read_private, write_private
from peerkey.config.key_names import Pkcs11Token, parse_pkcs11
from peerkey.errors import Misconfigured, Unavailable
from peerkey.pki.key_types import KeyType
from peerkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.pki.laboratory import SigningKey
    from peerkey.protocol.suites import Signer

#: How a file begins that holds a sealing key which a token has encrypted.
SEALED_MAGIC: Final = b"peerkey sealing key, PKCS#11\n"
_SEALING_LABEL: Final = "peerkey sealing key"
_SEALING_KEY_BYTES: Final = 32
_IV_BYTES: Final = 12
_TAG_BITS: Final = 128
_ID_BYTES: Final = 4
_CURVES: Final = {KeyType.EC_P256: "secp256r1", KeyType.EC_P384: "secp384r1", KeyType.EC_P521: "secp521r1"}


class Pkcs11KeyStore:
    """The keys of one token. Names are those of :mod:`peerkey.config.key_names`."""

    def __init__(
        self, token: Pkcs11Token, sealing_key: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Use ``token``; keep the sealing key, encrypted by it, at ``sealing_key``."""
        self._token = token
        self._sealing_key = sealing_key
        self._environment = os.environ if environment is None else environment
        self._one_at_a_time = threading.Lock()
        #: What the token has refused last, and what it said.
        self._refused: tuple[Secret, str] | None = None

    def retry(self) -> None:
        """Try again what the token has refused: an operator has looked at it."""
        self._refused = None

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyUse.signer`."""
        return remote_signer(self.certifier(name))

    def certifier(self, name: str) -> SigningKey:
        """See :meth:`actors.keystores.port.KeyStore.certifier`."""
        label = self._label(name)
        match self.public_key(name):
            case ec.EllipticCurvePublicKey() as public:
                return HeldEcKey(public, lambda data, hashed: self._sign_ec(label, data, hashed))
            case rsa.RSAPublicKey() as public:
                return HeldRsaKey(public, lambda data, pad, hashed: self._sign_rsa(label, data, pad, hashed))
            case other:
                message = f"{name}: {type(other).__name__} does not sign here"
                raise Misconfigured(message)

    def public_key(self, name: str) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.public_key`."""
        with self._session() as session:
            return _decoded(_public(session, self._label(name), name))

    def create(self, name: str, kind: KeyType, *, replace: bool = False) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.create`."""
        label = self._label(name)
        curve, bits = _CURVES.get(kind), kind.rsa_bits
        if curve is None and bits is None:
            message = f"{name}: a token of PKCS#11 cannot hold {kind} here; use an EC or RSA key"
            raise Misconfigured(message)
        with self._session(write=True) as session:
            former = _privates(session, label)
            if former and not replace:
                message = f"{name} exists already; use --force to replace the private key that is there"
                raise KeyExists(message)
            identity = (_number(former[-1]) + 1 if former else 1).to_bytes(_ID_BYTES, "big")
            private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            if curve is not None:
                wanted = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
                public, _ = session.create_domain_parameters(Family.EC, wanted, local=True).generate_keypair(
                    store=True, label=label, id=identity, private_template=private
                )
            else:
                public, _ = session.generate_keypair(
                    Family.RSA, bits, store=True, label=label, id=identity, private_template=private
                )
            made = _decoded(public)
            _destroy(session, label, keep=identity)
        return made

    def delete(self, name: str) -> None:
        """See :meth:`actors.keystores.port.KeyStore.delete`."""
        label = self._label(name)
        with self._session(write=True) as session:
            if not _privates(session, label):
                raise NoSuchKey(_absent(name))
            _destroy(session, label, keep=None)

    def names(self) -> tuple[str, ...]:
        """See :meth:`actors.keystores.port.KeyStore.names`."""
        with self._session() as session:
            return tuple(
                sorted({self._token.name_of(key.label) for key in _privates(session, None) if key.label})
            )

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyUse.sealing_key`."""
        path = self._sealing_key
        with self._session(write=True) as session:
            if not path.exists():
                iv, key = secrets.token_bytes(_IV_BYTES), secrets.token_bytes(_SEALING_KEY_BYTES)
                encrypted = _wrapping(session, make=True).encrypt(
                    key,
                    mechanism=Mechanism.AES_GCM,
                    mechanism_param=pkcs11.GCMParams(iv, SEALED_MAGIC, _TAG_BITS),
                )
                write_private(path, SEALED_MAGIC + iv + encrypted, replace=False)
            content = read_private(path)
            iv = content[len(SEALED_MAGIC) :][:_IV_BYTES]
            encrypted = content[len(SEALED_MAGIC) + _IV_BYTES :]
            try:
                if not content.startswith(SEALED_MAGIC):
                    raise ValueError
                opened = _wrapping(session, make=False).decrypt(
                    encrypted,
                    mechanism=Mechanism.AES_GCM,
                    mechanism_param=pkcs11.GCMParams(iv, SEALED_MAGIC, _TAG_BITS),
                )
            except (ValueError, pkcs11.PKCS11Error):
                message = f"{path}: the token {self._token.label} does not open this sealing key; "
                message += "restore it from a backup, or delete it together with the store"
                raise Misconfigured(message) from None
        return Secret(opened)

    def _sign_ec(self, label: str, data: bytes, hashed: hashes.HashAlgorithm) -> bytes:
        with self._session() as session:
            key = _private(session, label, self._token.name_of(label))
            signature = key.sign(new_hash(hashed.name, data).digest(), mechanism=Mechanism.ECDSA)
        half = len(signature) // 2
        return encode_dss_signature(
            int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        )

    def _sign_rsa(
        self, label: str, data: bytes, pad: padding.AsymmetricPadding, hashed: hashes.HashAlgorithm
    ) -> bytes:
        if not isinstance(hashed, hashes.SHA256):
            message = f"RSA keys sign with SHA-256 here, not with {hashed.name}"
            raise Misconfigured(message)
        with self._session() as session:
            key = _private(session, label, self._token.name_of(label))
            if isinstance(pad, padding.PSS):
                parameters = (Mechanism.SHA256, MGF.SHA256, hashed.digest_size)
                return key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=parameters)
            return key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS)

    def _label(self, name: str) -> str:
        token, label = parse_pkcs11(name)
        if token != self._token:
            message = f"{name}: is not a key of the token {self._token.label}"
            raise Misconfigured(message)
        return label

    @contextmanager
    def _session(self, *, write: bool = False) -> Iterator[Session]:
        """Log in for one operation.

        Raises:
            Misconfigured: the library, the token or the PIN is wrong.
            Unavailable: the token fails.

        """
        pin = self._pin()
        where = f"the token {self._token.label}"
        with self._one_at_a_time:
            self._require_untried(pin)
            try:
                library = pkcs11.lib(self._token.module)
                token = library.get_token(token_label=self._token.label)
                with token.open(rw=write, user_pin=pin.reveal().decode()) as session:
                    yield session
            except pkcs11.NoSuchToken:
                message = f"{where} is not there; plug it in, or initialize one of this label"
                raise Misconfigured(message) from None
            except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked) as fault:
                self._refused = pin, type(fault).__name__
                self._require_untried(pin)
            except pkcs11.PKCS11Error as fault:
                if not Path(self._token.module).exists():
                    message = f"{self._token.module}: there is no such library; name that of the token"
                    raise Misconfigured(message) from None
                message = f"{where} does not answer as it should ({type(fault).__name__})"
                raise Unavailable(message) from fault

    def _require_untried(self, pin: Secret) -> None:
        """Go on unless this PIN was refused.

        Raises:
            Misconfigured: it was.

        """
        if self._refused is None or self._refused[0] != pin:
            return
        message = (
            f"the token {self._token.label} refuses the PIN ({self._refused[1]}), which is not tried again, "
            f"because that would lock the token: correct {self._pin_source()}, or unlock the token and "
            "run `peerkey reload`"
        )
        raise Misconfigured(message)

    def _pin_source(self) -> str:
        """Return where the PIN is read."""
        return self._token.pin_file or self._environment.get(f"{PKCS11_PIN}_FILE") or PKCS11_PIN

    def _pin(self) -> Secret:
        if self._token.pin_file:
            return password_in(Path(self._token.pin_file))
        pin = password(PKCS11_PIN, self._environment)
        if pin is None:
            message = (
                f"the PIN of the token {self._token.label} is not given; name its file with pin-file, "
                f"or in {PKCS11_PIN}_FILE"
            )
            raise Misconfigured(message)
        return pin


def _privates(session: Session, label: str | None) -> list[PrivateKey]:
    """Return the private keys of a label, the one in force last."""
    wanted: dict[Attribute, object] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if label is not None:
        wanted[Attribute.LABEL] = label
    found: list[PrivateKey] = list(session.get_objects(wanted))
    return sorted(found, key=_number)


def _private(session: Session, label: str, name: str) -> PrivateKey:
    found = _privates(session, label)
    if not found:
        raise NoSuchKey(_absent(name))
    return found[-1]


def _public(session: Session, label: str, name: str) -> PublicKey:
    """Return the public key that belongs to the private key in force."""
    identity = _private(session, label, name).id
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label, Attribute.ID: identity}
    found: list[PublicKey] = list(session.get_objects(wanted))
    if not found:
        message = f"{name}: the token has the private key without its public key; import that beside it"
        raise Misconfigured(message)
    return found[0]


def _decoded(public: PublicKey) -> PublicKeyTypes:
    is_ec = public.key_type is Family.EC
    return load_der_public_key(encode_ec_public_key(public) if is_ec else encode_rsa_public_key(public))


def _destroy(session: Session, label: str, *, keep: bytes | None) -> None:
    """Destroy every key of a label but one: public keys last, so that no private key is left alone."""
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for each in list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label})):
            if each.id != keep:
                each.destroy()


def _wrapping(session: Session, *, make: bool) -> SecretKey:
    """Return the AES key of the token that encrypts the sealing key."""
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: _SEALING_LABEL}
    found: list[SecretKey] = list(session.get_objects(wanted))
    if found:
        return found[0]
    if not make:
        raise ValueError
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    return session.generate_key(Family.AES, 256, store=True, label=_SEALING_LABEL, template=template)


def _number(key: PrivateKey) -> int:
    return int.from_bytes(key.id or b"", "big")


def _absent(name: str) -> str:
    return f"{name}: there is no such private key; make one with `peerkey create private-key`"
