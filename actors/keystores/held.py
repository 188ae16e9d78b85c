"""Private keys that somebody else holds, in the shape that ``cryptography`` expects of a private key.

Building a certificate request takes a private key and asks of it no more than its kind, its public key and
a signature. These classes have that much, with the signature asked of whoever holds the key; everything
that would take the key out is refused. :func:`~peerkey.protocol.suites.signer_for` accepts them too, so that
the rules about kinds, curves and sizes are the same wherever a key lives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias, final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from peerkey.errors import Misconfigured
from peerkey.protocol.suites import signer_for
from peerkey.protocol.suites.signatures import PrivateKeySigner

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from peerkey.pki.laboratory import SigningKey

#: Signs data with ECDSA and this hash; returns DER.
SignEc: TypeAlias = Callable[[bytes, hashes.HashAlgorithm], bytes]
#: Signs data with RSA, this padding and this hash.
SignRsa: TypeAlias = Callable[[bytes, padding.AsymmetricPadding, hashes.HashAlgorithm], bytes]
#: Signs data with ML-DSA and an empty context.
SignMlDsa: TypeAlias = Callable[[bytes], bytes]


def _refuse() -> NoReturn:
    message = "this private key signs where it is; it cannot be read, copied or used for anything else"
    raise Misconfigured(message)


class _Held:
    """What no held key does."""

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        _refuse()

    def private_bytes_raw(self) -> NoReturn:
        _refuse()

    def private_numbers(self) -> NoReturn:
        _refuse()

    def exchange(self, *_: object) -> NoReturn:
        _refuse()

    def decrypt(self, *_: object) -> NoReturn:
        _refuse()

    def sign_mu(self, *_: object) -> NoReturn:
        _refuse()

    def __reduce__(self) -> NoReturn:
        _refuse()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        """Show the kind; the key is nobody's business."""
        return f"{type(self).__name__}()"


@final
class HeldEcKey(_Held, ec.EllipticCurvePrivateKey):
    """An EC key."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign: SignEc) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self._public_key.key_size

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # noqa: ANN401 - a buffer
        """Return the signature in DER."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            _refuse()
        return self._sign(bytes(data), algorithm)


@final
class HeldRsaKey(_Held, rsa.RSAPrivateKey):
    """An RSA key."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign: SignRsa) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public key."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return self._public_key.key_size

    def sign(
        self,
        data: Any,  # noqa: ANN401 - a buffer
        padding: padding.AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """Return the signature."""
        if isinstance(algorithm, Prehashed | NoDigestInfo):
            _refuse()
        return self._sign(bytes(data), padding, algorithm)


class _HeldMlDsaKey(_Held):
    def __init__(self, public_key: Any, sign: SignMlDsa) -> None:  # noqa: ANN401 - one kind for each subclass
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> Any:  # noqa: ANN401 - one kind for each subclass
        """Return the public key."""
        return self._public_key

    def sign(self, data: Any, context: Any = None) -> bytes:  # noqa: ANN401 - buffers
        """Return the signature, over an empty context."""
        if context:
            _refuse()
        return self._sign(bytes(data))


@final
class HeldMlDsa44Key(_HeldMlDsaKey, mldsa.MLDSA44PrivateKey):
    """An ML-DSA-44 key."""


@final
class HeldMlDsa65Key(_HeldMlDsaKey, mldsa.MLDSA65PrivateKey):
    """An ML-DSA-65 key."""


@final
class HeldMlDsa87Key(_HeldMlDsaKey, mldsa.MLDSA87PrivateKey):
    """An ML-DSA-87 key."""


def held(key: SigningKey) -> SigningKey:
    """Hold a key of this process: what is returned signs with it and does not hand it out."""
    match key:
        case ec.EllipticCurvePrivateKey():
            # After RFC 6979, so that the same request is the same bytes, also after a restart.
            return HeldEcKey(
                key.public_key(),
                lambda data, hashed: key.sign(data, ec.ECDSA(hashed, deterministic_signing=True)),
            )
        case rsa.RSAPrivateKey():
            return HeldRsaKey(key.public_key(), key.sign)
        case mldsa.MLDSA44PrivateKey():
            return HeldMlDsa44Key(key.public_key(), key.sign)
        case mldsa.MLDSA65PrivateKey():
            return HeldMlDsa65Key(key.public_key(), key.sign)
        case mldsa.MLDSA87PrivateKey():
            return HeldMlDsa87Key(key.public_key(), key.sign)


def remote_signer(key: SigningKey) -> tuple[PrivateKeySigner, PublicKeyTypes]:
    """Return the signer of a key that lives in a device, and its public key; it always takes its time.

    Raises:
        Misconfigured: peers would not accept such a key.

    """
    local = signer_for(key)
    return PrivateKeySigner(local.scheme, local.sign, heavy=True), key.public_key()
