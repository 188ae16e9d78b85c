"""What is asked for of keys and certificates, in the fields of the original's REST API.

A private key is taken as a secret: it has no representation, and stands in no error. What has no bound of its
own here has that of the whole request (:mod:`peerkey_cli.api.gate`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StrictBool, model_validator

from peerkey.config.fields import NAME_PATTERN
from peerkey.pki.csr import MAXIMUM_VALIDITY_DAYS
from peerkey.pki.key_types import KeyType
from peerkey_cli.schemas import Document

_DEFAULT_RSA_BITS: Final = 2048
#: Longer than any part of a name may be; which one is too long is said where that is known.
_TEXT: Final = 256
_NAMES: Final = 32
#: Before any certificate, and before the last that there can be.
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998

Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", description="Of the certificate.")]
Text = Annotated[str, Field(max_length=_TEXT)]

Pem = Annotated[str, Field(min_length=1, description="PEM.")]
Fingerprint = Annotated[
    str,
    Field(
        pattern="^(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31})$",
        description="SHA-256, in hexadecimal digits, with or without colons.",
    ),
]


def _written(time: object) -> object:
    """Refuse a number: pydantic would take it for the seconds of some epoch."""
    if not isinstance(time, str) or not re.match(r"[0-9]{4}-", time):
        message = "write a time in ISO 8601"
        raise ValueError(message)
    return time


def _reckoned_with(time: datetime) -> datetime:
    """Refuse a time so near to the ends of the calendar that it cannot be taken to another time zone."""
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        message = f"a year from {_FIRST_YEAR} to {_LAST_YEAR}"
        raise ValueError(message)
    return time


#: A time in ISO 8601.
Written = Annotated[datetime, BeforeValidator(_written), AfterValidator(_reckoned_with)]

_CURVES: Final = {
    "SECP256R1": KeyType.EC_P256,
    # As the original's documentation has it.
    "SECP256R": KeyType.EC_P256,
    "SECP384R1": KeyType.EC_P384,
    "SECP521R1": KeyType.EC_P521,
}
#: Of RSA, by the number of bits.
_SIZES: Final = {kind.rsa_bits: kind for kind in KeyType if kind.rsa_bits is not None}


class KeyKind(Document):
    """Kind and size of a key: in the original's words, or in one of ours (``ec-p256``)."""

    algorithm: Literal["RSA", "ECC"] | KeyType | None = None
    rsa_key_size: Annotated[
        Annotated[int, Field(ge=2048, le=4096, multiple_of=256)] | Literal["2048", "3072", "4096"] | None,
        Field(description="A multiple of 256."),
    ] = None
    ecc_curve: Literal["SECP256R1", "SECP256R", "SECP384R1", "SECP521R1"] | None = None

    @model_validator(mode="after")
    def _agree(self) -> KeyKind:
        if self.rsa_key_size is not None and self.algorithm != "RSA":
            message = "rsa_key_size goes with the algorithm RSA"
            raise ValueError(message)
        if self.ecc_curve is not None and self.algorithm != "ECC":
            message = "ecc_curve goes with the algorithm ECC"
            raise ValueError(message)
        return self

    @property
    def kind(self) -> KeyType | None:
        """The kind that is meant, where one is."""
        if isinstance(self.algorithm, KeyType) or self.algorithm is None:
            return self.algorithm
        if self.algorithm == "RSA":
            return _SIZES[int(self.rsa_key_size or _DEFAULT_RSA_BITS)]
        return _CURVES[self.ecc_curve or "SECP256R1"]


class NewPrivateKey(KeyKind):
    """A private key that is to be made; EC on P-256 unless another kind is named."""

    name: Name | None = None
    replace: StrictBool = False


class BroughtPrivateKey(Document):
    """A private key that somebody brings."""

    name: Name | None = None
    private_key: Annotated[SecretStr, Field(description="PEM, not encrypted.")]
    replace: StrictBool = False


class AlternativeName(Document):
    """One more name; ``urn_ssr_peering`` stands for ``URI:urn:ssr:peering:`` and the value."""

    type: Literal["uuid", "urn_ssr_peering", "dns", "ip", "uri", "email"]
    value: Text


class WantedCertificate(KeyKind):
    """What is to stand in a signing request. The names of the node are in it always."""

    name: Name | None = None
    common_name: Annotated[Text | None, Field(description="The node's UUID unless given.")] = None
    country_name: Text = ""
    state_province_name: Text = ""
    locality_name: Text = ""
    organization_name: Text = ""
    organizational_unit_name: Text = ""
    email_address: Text = ""
    validity_period: Annotated[int, Field(ge=1, le=MAXIMUM_VALIDITY_DAYS, description="Days.")] = 365
    subject_alt_names: Annotated[tuple[AlternativeName, ...], Field(max_length=_NAMES)] = ()


class BroughtTrustedCa(Document):
    """CAs that a node is to trust beside those that it does."""

    name: Annotated[
        Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")] | None,
        Field(description="Of a `trusted-ca-certificate` of the configuration; the only one unless given."),
    ] = None
    certificate: Annotated[str, Field(description="PEM; one or several.")]


class NamedTrustedCa(Document):
    """A CA that a node is to trust no more."""

    fingerprint: Fingerprint


class EnrollmentWanted(Document):
    """How a node proves itself to the CA: with a password, or else with the certificate that it has."""

    user: Annotated[str | None, Field(max_length=_TEXT, pattern=r"^[^:\x00-\x1f\x7f]+$")] = None
    password: Annotated[SecretStr | None, Field(max_length=_TEXT)] = None


class Question(Document):
    """Certificates and lists, as `pki verify` takes them in files; all in PEM."""

    leaf: Pem
    chain: Annotated[
        tuple[Pem, ...], Field(max_length=_NAMES, description="CAs above it, in any order.")
    ] = ()
    trust: Annotated[tuple[Pem, ...], Field(max_length=_NAMES, description="Where a path may end.")] = ()
    crls: Annotated[tuple[Pem, ...], Field(max_length=_NAMES, description="Revocation lists.")] = ()
    require_crl: Annotated[
        StrictBool, Field(description="Refuse a path of which no current list speaks.")
    ] = False
    at: Annotated[Written | None, Field(description="When, in ISO 8601; now unless given.")] = None
    identity: Annotated[UUID | None, Field(description="The node that it has to name.")] = None


class BroughtCertificate(Document):
    """A certificate that an authority has issued, with those that lead to it."""

    name: Name | None = None
    certificate: Annotated[str, Field(description="PEM.")]
