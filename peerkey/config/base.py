"""What all containers of the schema have in common.

A container knows the section of the file that it was read from, so that a rule which finds a fault
between two containers, long after each of them was valid by itself, can still say "line 17".
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, PrivateAttr, model_validator

from peerkey.config.text import Place, Section


def kebab(name: str) -> str:
    """Return the specification's spelling of a field's name: ``peer-key-timeout``."""
    return name.replace("_", "-")


class Container(BaseModel):
    """A container of the configuration: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=kebab,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    _section: Section = PrivateAttr(default_factory=lambda: Section(Place(0, 0), None, ""))

    @model_validator(mode="wrap")
    @classmethod
    def _remember(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 -- unvalidated
        """Keep the section; a key with nothing behind it is an absent key."""
        container = handler(cls._present(data) if isinstance(data, dict) else data)
        if isinstance(data, Section):
            container._section = data  # noqa: SLF001 -- its own class
        return container

    @classmethod
    def _present(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return the entries that have a value."""
        return {key: value for key, value in data.items() if value is not None}

    @property
    def section(self) -> Section:
        """The section of the file that this container was read from; empty if it is a default."""
        return self._section

    def has(self, field: str) -> bool:
        """Whether ``field`` is in the file, rather than a default."""
        return field in self.model_fields_set
