"""Who follows the revocation lists of a machine with several hosts: what the authorities there are told.

Whoever decides which host leads tells every authority of the machine, again and again if it likes: the same
word twice changes nothing. An authority that has not been told follows nobody, and knows what was published
last.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.crl.needs import Needs
from actors.crl.status import GetRevocation, RevocationStatus, SourceStatus, Trouble
from actors.messages import CertificatesSeen, FetchLists, ListsWanted, RevocationChanged
from peerkey.config.plan import CertificateSource, RevocationSource, ValidationMode
from peerkey.observe.alarms import Alarm, Category, Severity
from peerkey.pki.crl_polling import PollState
from peerkey.pki.list_facts import ListFacts
from peerkey.pki.list_subscriptions import Origin
from runtime.message import Ask
from runtime.ref import Ref


@dataclass(frozen=True, slots=True)
class Lead:
    """Follow the lists for all hosts of this machine, and publish what is known to be revoked."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Another host of this machine follows the lists: this one, by its name."""

    leader: str


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who leads, and what has been published."""

    #: Another for each time that a host begins to lead; empty until it can be told of certificates.
    life: bytes
    #: Of the master list.
    generation: int


@dataclass(frozen=True, slots=True)
class NeedsOf(Ask[Leadership]):
    """What the nodes of a host want of the lists, and whose they are. Told to the leader all the time."""

    authority: Ref
    needs: Needs


#: What travels between the hosts of a machine: the program of a cluster registers it.
TRAVELLING: tuple[type, ...] = (
    NeedsOf,
    Needs,
    Leadership,
    RevocationSource,
    CertificateSource,
    ValidationMode,
    CertificatesSeen,
    ListsWanted,
    FetchLists,
    RevocationChanged,
    GetRevocation,
    RevocationStatus,
    SourceStatus,
    Trouble,
    PollState,
    Origin,
    ListFacts,
    Alarm,
    Category,
    Severity,
)
