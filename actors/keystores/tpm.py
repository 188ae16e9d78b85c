"""Keys of a TPM 2.0.

    "The Trusted Platform Module (TPM) stores the private key of the base certificate."

A key is made in the TPM under its storage root (the owner's, from the standard template, so that it is the
same every time) and rests outside as a blob that only this TPM can load: ``NAME.tpm`` in a directory, in the
``TSS2 PRIVATE KEY`` form that OpenSSL's providers read too. The sealing key is sealed under the same root.
Nothing persistent is taken from the TPM, of which it has little, and nothing stays loaded in it.

A context lasts for one operation, and one operation is under way at a time: other programs use the TPM too.

Importing this module needs the extra ``tpm``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import new as new_hash
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tpm2_pytss as tss
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from tpm2_pytss.tsskey import TSSPrivKey

from actors.keystores.held import HeldEcKey, HeldRsaKey, remote_signer
from actors.keystores.port import KeyExists, NoSuchKey
from actors.keystores.private_files import read_private, write_private
from actors.keystores.pss import encode
from actors.whole_files import sync_directory
from peerkey.config.key_names import Tpm, parse_tpm
from peerkey.errors import Misconfigured, Unavailable
from peerkey.pki.key_types import KeyType
from peerkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.pki.laboratory import SigningKey
    from peerkey.protocol.suites import Signer

#: Names the transport where the key's name does not.
TCTI: Final = "PEERKEY_TPM_TCTI"
#: The kernel's resource manager, which lets several programs use one TPM.
DEFAULT_TCTI: Final = "device:/dev/tpmrm0"
#: The libraries would write to standard error by themselves; what went wrong is said once, by us.
os.environ.setdefault("TSS2_LOG", "all+none")
_FOREIGN: Final = "this TPM does not load the private key; it was made by another"
#: Bits of an error that say which layer it comes from, and the layer that
#: carries commands to the TPM.
_LAYERS: Final = 0xFF << 16
_TRANSPORT: Final = 10 << 16
SUFFIX: Final = ".tpm"
_SEALING_KEY_BYTES: Final = 32
_HASHES: Final = {"sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}
_CURVES: Final = {KeyType.EC_P256: "NIST_P256", KeyType.EC_P384: "NIST_P384", KeyType.EC_P521: "NIST_P521"}


class TpmKeyStore:
    """The keys of one TPM. Names are those of :mod:`peerkey.config.key_names`."""

    def __init__(
        self, tpm: Tpm, directory: Path, sealing_key: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Keep the blobs of keys in ``directory``, and that of the sealing key at ``sealing_key``."""
        self._tpm = tpm
        self._directory = directory
        self._sealing_key = sealing_key
        self._environment = os.environ if environment is None else environment
        self._one_at_a_time = threading.Lock()

    def signer(self, name: str) -> tuple[Signer, PublicKeyTypes]:
        """See :meth:`actors.keystores.port.KeyUse.signer`. The TPM has loaded the key once by then."""
        key = _parsed(self._blob(name), name)
        with self._context(f"{name}: {_FOREIGN}") as context, _loaded(context, key):
            return remote_signer(self.certifier(name))

    def certifier(self, name: str) -> SigningKey:
        """See :meth:`actors.keystores.port.KeyStore.certifier`."""
        blob = self._blob(name)
        match self._public(blob, name):
            case ec.EllipticCurvePublicKey() as public:
                return HeldEcKey(public, lambda data, hashed: self._sign(blob, data, "ECDSA", hashed))
            case rsa.RSAPublicKey() as public:
                return HeldRsaKey(
                    public, lambda data, pad, hashed: self._sign_rsa(blob, public, data, pad, hashed)
                )
            case other:
                message = f"{name}: {type(other).__name__} does not sign here"
                raise Misconfigured(message)

    def public_key(self, name: str) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.public_key`."""
        return self._public(self._blob(name), name)

    def create(self, name: str, kind: KeyType, *, replace: bool = False) -> PublicKeyTypes:
        """See :meth:`actors.keystores.port.KeyStore.create`."""
        path = self._path(name)
        if not replace and os.path.lexists(path):
            raise KeyExists(_taken(name))
        curve, bits = _CURVES.get(kind), kind.rsa_bits
        if curve is None and bits is None:
            message = f"{name}: a TPM cannot hold {kind}; use an EC or RSA key"
            raise Misconfigured(message)
        refused = f"{name}: this TPM cannot hold {kind}"
        with self._context(refused) as context:
            if curve is not None:
                key = TSSPrivKey.create_ecc(context, getattr(tss.TPM2_ECC, curve))
            else:
                key = TSSPrivKey.create_rsa(context, bits)
        try:
            write_private(path, key.to_pem(), replace=replace)
        except FileExistsError:
            raise KeyExists(_taken(name)) from None
        return load_pem_public_key(key.public.to_pem())

    def delete(self, name: str) -> None:
        """See :meth:`actors.keystores.port.KeyStore.delete`: without its blob the key is nowhere."""
        path = self._path(name)
        try:
            path.unlink()
            sync_directory(path.parent)
        except FileNotFoundError:
            raise NoSuchKey(_absent(name)) from None
        except OSError as fault:
            message = f"{path}: cannot be removed: {fault.strerror}"
            raise Misconfigured(message) from fault

    def names(self) -> tuple[str, ...]:
        """See :meth:`actors.keystores.port.KeyStore.names`."""
        found = self._directory.glob(f"*{SUFFIX}")
        return tuple(sorted(self._tpm.name_of(path.name.removesuffix(SUFFIX)) for path in found))

    def retry(self) -> None:
        """See :meth:`actors.keystores.port.KeyStore.retry`: nothing was refused for good."""

    def sealing_key(self) -> Secret:
        """See :meth:`actors.keystores.port.KeyUse.sealing_key`."""
        path = self._sealing_key
        refused = (
            f"{path}: this TPM does not open the sealing key; use the TPM that it was made with, "
            "or delete it together with the store"
        )
        if not path.exists():
            with self._context(refused) as context:
                blob = _sealed(context, secrets.token_bytes(_SEALING_KEY_BYTES))
            # Where another process was first, its key is for both.
            with contextlib.suppress(FileExistsError):
                write_private(path, blob, replace=False)
        key = _parsed(read_private(path), str(path))
        with self._context(refused) as context, _loaded(context, key) as handle:
            return Secret(bytes(context.unseal(handle)))

    def _sign(self, blob: bytes, data: bytes, scheme: str, hashed: hashes.HashAlgorithm) -> bytes:
        digest = new_hash(hashed.name, data).digest()
        with self._context(_FOREIGN) as context:
            # The ticket says that the TPM need not have hashed the data itself: the key is unrestricted.
            ticket = tss.TPMT_TK_HASHCHECK(tag=tss.TPM2_ST.HASHCHECK, hierarchy=tss.TPM2_RH.NULL)
            with _loaded(context, _parsed(blob, "the private key")) as handle:
                return bytes(context.sign(handle, digest, _scheme(scheme, hashed), ticket))

    def _sign_rsa(
        self,
        blob: bytes,
        public: rsa.RSAPublicKey,
        data: bytes,
        pad: padding.AsymmetricPadding,
        hashed: hashes.HashAlgorithm,
    ) -> bytes:
        if not isinstance(pad, padding.PSS):
            return self._sign(blob, data, "RSASSA", hashed)
        # A TPM chooses the length of the salt itself, and the protocol fixes it: the encoding is made here.
        encoded = encode(data, hashed, secrets.token_bytes(hashed.digest_size), public.key_size)
        bare = tss.TPMT_RSA_DECRYPT(scheme=tss.TPM2_ALG.NULL)
        key = _parsed(blob, "the private key")
        with self._context(_FOREIGN) as context, _loaded(context, key) as handle:
            return bytes(context.rsa_decrypt(handle, encoded, bare))

    def _public(self, blob: bytes, name: str) -> PublicKeyTypes:
        return load_pem_public_key(_parsed(blob, name).public.to_pem())

    def _blob(self, name: str) -> bytes:
        path = self._path(name)
        if not os.path.lexists(path):
            raise NoSuchKey(_absent(name))
        return read_private(path)

    def _path(self, name: str) -> Path:
        tpm, short = parse_tpm(name)
        if tpm != self._tpm:
            message = f"{name}: is not a key of the TPM {self._tcti()}"
            raise Misconfigured(message)
        return self._directory / f"{short}{SUFFIX}"

    def _tcti(self) -> str:
        return self._tpm.tcti or self._environment.get(TCTI) or DEFAULT_TCTI

    @contextmanager
    def _context(self, refused: str) -> Iterator[tss.ESAPI]:
        """Talk to the TPM for one operation; ``refused`` says what it means if it says no.

        Raises:
            Misconfigured: the library or the device is missing, or the TPM refuses what it was given.
            Unavailable: it does not answer.

        """
        tcti = self._tcti()
        with self._one_at_a_time:
            silence = (
                f"no TPM answers at {tcti}; look whether the device is there and may be used "
                f"(group tss), or name another with tcti or in {TCTI}"
            )
            try:
                context = tss.ESAPI(tcti)
            except tss.TSS2_Exception:
                raise Unavailable(silence) from None
            try:
                yield context
            except tss.TSS2_Exception as fault:
                if fault.rc & _LAYERS == _TRANSPORT:
                    raise Unavailable(silence) from None
                message = f"{refused} ({fault})"
                raise Misconfigured(message) from None
            finally:
                context.close()


@contextmanager
def _loaded(context: tss.ESAPI, key: TSSPrivKey) -> Iterator[tss.ESYS_TR]:
    handle = key.load(context)
    try:
        yield handle
    finally:
        context.flush_context(handle)


def _parsed(blob: bytes, name: str) -> TSSPrivKey:
    try:
        return TSSPrivKey.from_pem(blob)
    except Exception:  # noqa: BLE001 - the library raises whatever its parsers do
        message = f"{name}: not a key of a TPM (TSS2 PRIVATE KEY); restore it from a backup"
        raise Misconfigured(message) from None


def _sealed(context: tss.ESAPI, secret: bytes) -> bytes:
    """Return ``secret`` as a blob that only this TPM opens."""
    template = tss.TPMT_PUBLIC(
        type=tss.TPM2_ALG.KEYEDHASH,
        nameAlg=tss.TPM2_ALG.SHA256,
        objectAttributes=tss.TPMA_OBJECT.USERWITHAUTH
        | tss.TPMA_OBJECT.NODA
        | tss.TPMA_OBJECT.FIXEDTPM
        | tss.TPMA_OBJECT.FIXEDPARENT,
        parameters=tss.TPMU_PUBLIC_PARMS(
            keyedHashDetail=tss.TPMS_KEYEDHASH_PARMS(
                scheme=tss.TPMT_KEYEDHASH_SCHEME(scheme=tss.TPM2_ALG.NULL)
            )
        ),
    )
    # The library's own way to the storage root, so that its `load` finds the same.
    root = TSSPrivKey._getparent(context, template.type, tss.TPM2_RH.OWNER)  # noqa: SLF001
    with root as parent:
        private, public, _, _, _ = context.create(
            parent,
            tss.TPM2B_SENSITIVE_CREATE(tss.TPMS_SENSITIVE_CREATE(data=secret)),
            tss.TPM2B_PUBLIC(publicArea=template),
        )
    return TSSPrivKey(private, public).to_pem()


def _scheme(scheme: str, hashed: hashes.HashAlgorithm) -> tss.TPMT_SIG_SCHEME:
    algorithm = getattr(tss.TPM2_ALG, _HASHES[hashed.name])
    details = tss.TPMU_SIG_SCHEME(any=tss.TPMS_SCHEME_HASH(hashAlg=algorithm))
    return tss.TPMT_SIG_SCHEME(scheme=getattr(tss.TPM2_ALG, scheme), details=details)


def _taken(name: str) -> str:
    return f"{name} exists already; use --force to replace the private key that is there"


def _absent(name: str) -> str:
    return f"{name}: there is no such private key; make one with `peerkey create private-key`"
