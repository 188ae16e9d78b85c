"""What :class:`~actors.crl.index.RevocationIndex` tells itself: what is due, and what was read and merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.crl.discovery import Installed, Named
    from actors.crl.needs import Needs


@dataclass(frozen=True, slots=True)
class LookDue:
    """It is time to see who wants what."""


@dataclass(frozen=True, slots=True)
class PatienceEnded:
    """Whoever has not come back by now is not waited for."""


@dataclass(frozen=True, slots=True)
class OthersHeard:
    """Whatever other hosts of the machine want is wanted by now."""


@dataclass(frozen=True, slots=True)
class KeptRead:
    """It was read again of which addresses lists are kept."""

    kept: tuple[tuple[str, datetime | None], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OrderDue:
    """The operator's orders that came together are carried out."""


@dataclass(frozen=True, slots=True)
class ConfigurationRead:
    """The configuration and what its files say were read again."""

    needs: Needs = field(repr=False)
    found: Installed


@dataclass(frozen=True, slots=True)
class CertificatesRead:
    """Certificates of peers were read."""

    found: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The master list was merged and is in force."""


@dataclass(frozen=True, slots=True)
class TellAgain:
    """The authority had no room for the word that something has changed."""
