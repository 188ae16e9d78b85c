"""Which algorithm a peering uses: its name, its sizes, and who may override whom.

``key-exchange-algorithm`` is an enumeration in the specification and a container in newer documents.
Both are read, and become the same value: ``ml-kem`` is ``{ml-kem: {}}``. A size that is not given with
the algorithm is the authority's.

An override comes before a default, and the peer's entry before the router's::

    router > peer > key-exchange-algorithm-override     (or, generated, that of the peer's own entry)
    router > key-exchange-algorithm-override
    authority > security-key-management > key-exchange-algorithm
"""

from __future__ import annotations

from typing import Any, Final, Self, get_args

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from peerkey.config.base import Container
from peerkey.config.fields import AlgorithmFamily, DiffieHellmanSize, MlKemSize, fault
from peerkey.config.findings import suggestion

FAMILIES: Final[tuple[AlgorithmFamily, ...]] = get_args(AlgorithmFamily)


class DiffieHellman(Container):
    """Container for the size of a Diffie-Hellman exchange."""

    diffie_hellman_key_size: DiffieHellmanSize = 2048
    """Definition of the key size to use when key-exchange-algorithm is set to diffie-hellman. 1024 is
    weak."""


class MlKem(Container):
    """Container for the size of an ML-KEM exchange."""

    ml_kem_key_size: MlKemSize = 768
    """Definition of the key size to use when key-exchange-algorithm is set to ml-kem."""


class DiffieHellmanChoice(Container):
    """Container for a choice of Diffie-Hellman."""

    diffie_hellman_key_size: DiffieHellmanSize | None = None
    """Size for this choice alone. Default: the authority's. 1024 is weak."""


class MlKemChoice(Container):
    """Container for a choice of ML-KEM."""

    ml_kem_key_size: MlKemSize | None = None
    """Size for this choice alone. Default: the authority's."""


class HybridChoice(Container):
    """Container for a choice of both."""

    diffie_hellman_key_size: DiffieHellmanSize | None = None
    """Size of the Diffie-Hellman half, for this choice alone. Default: the authority's. 1024 is weak."""
    ml_kem_key_size: MlKemSize | None = None
    """Size of the ML-KEM half, for this choice alone. Default: the authority's."""


class KeyExchange(Container):
    """An algorithm with, possibly, its sizes: exactly one of the three containers."""

    diffie_hellman: DiffieHellmanChoice | None = None
    """Diffie-Hellman alone."""
    ml_kem: MlKemChoice | None = None
    """ML-KEM alone, which is not certified for FIPS 140-3."""
    diffie_hellman_ml_kem: HybridChoice | None = None
    """Both: breaking the key needs breaking both."""

    @classmethod
    def of(cls, family: AlgorithmFamily) -> Self:
        """Return ``family`` with the authority's sizes."""
        return cls.model_validate({family: {}})

    @classmethod
    def _present(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return all entries: here a key with nothing behind it is a choice."""
        return {key: {} if value is None else value for key, value in data.items()}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:  # noqa: ANN401 -- not yet validated
        """Read the enumeration's form."""
        if isinstance(data, dict | cls):
            return data
        if data in FAMILIES:
            return {data: {}}
        hint = suggestion(data, FAMILIES) if isinstance(data, str) else ""
        raise fault("is not one of {known}{hint}", known=", ".join(FAMILIES), hint=hint)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        """Refuse no algorithm and several."""
        chosen = [family for family in FAMILIES if self._options(family) is not None]
        if len(chosen) != 1:
            raise fault("must hold exactly one of {known}", known=", ".join(FAMILIES))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe both forms."""
        container = handler.resolve_ref_schema(handler(core))
        container |= {"minProperties": 1, "maxProperties": 1}
        return {"anyOf": [{"enum": list(FAMILIES)}, container]}

    def _options(self, family: AlgorithmFamily) -> DiffieHellmanChoice | MlKemChoice | HybridChoice | None:
        """Return the container of ``family``."""
        return {
            "diffie-hellman": self.diffie_hellman,
            "ml-kem": self.ml_kem,
            "diffie-hellman-ml-kem": self.diffie_hellman_ml_kem,
        }[family]

    @property
    def family(self) -> AlgorithmFamily:
        """The algorithm without its sizes."""
        return next(family for family in FAMILIES if self._options(family) is not None)

    @property
    def diffie_hellman_size(self) -> int | None:
        """Bits of the Diffie-Hellman group, where given with the algorithm."""
        options = self.diffie_hellman or self.diffie_hellman_ml_kem
        return options.diffie_hellman_key_size if options else None

    @property
    def ml_kem_size(self) -> int | None:
        """Parameter set of ML-KEM, where given with the algorithm."""
        options = self.ml_kem or self.diffie_hellman_ml_kem
        return options.ml_kem_key_size if options else None

    def name(self, diffie_hellman_size: int, ml_kem_size: int) -> str:
        """Return the algorithm with its sizes; the arguments are those of the authority.

        >>> KeyExchange.of("diffie-hellman-ml-kem").name(2048, 768)
        'diffie-hellman-2048-ml-kem-768'
        """
        parts = []
        if self.family != "ml-kem":
            parts.append(f"diffie-hellman-{self.diffie_hellman_size or diffie_hellman_size}")
        if self.family != "diffie-hellman":
            parts.append(f"ml-kem-{self.ml_kem_size or ml_kem_size}")
        return "-".join(parts)
