"""The fourteen counters of ``show stats security``, by the seed's exact words, and what counts as what.

A counter is a path of words: ``CSR success``, ``peer certificate expired``. A shorter path stands for
everything below it (:func:`below`). Which event is counted is said once, in :func:`counters_of`; the
audit log writes the answer down with the event, so that adding the log up gives the same numbers.

:class:`SecurityStatistics` counts for each node, and starts anew where the event that clears them passes.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from peerkey.observe import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from peerkey.observe.events import Event


class Counter(StrEnum):
    """What is counted, in the words and the order of the seed."""

    CSR_SUCCESS = "CSR success"
    CSR_FAILURE = "CSR failure"
    IMPORT_SUCCESS = "certificate import success"
    IMPORT_FAILURE = "certificate import failure"
    FETCH_SUCCESS = "CRL fetch success"
    FETCH_FAILURE = "CRL fetch failure"
    INGESTION_SUCCESS = "CRL ingestion success"
    INGESTION_FAILURE = "CRL ingestion failure"
    EXPIRED = "certificate expired"
    INVALID = "certificate invalid"
    REVOKED = "certificate revoked"
    PEER_EXPIRED = "peer certificate expired"
    PEER_INVALID = "peer certificate invalid"
    PEER_REVOKED = "peer certificate revoked"


#: The states of a certificate that have a counter. One that is missing is none of them.
_OWN: Final = {"expired": Counter.EXPIRED, "invalid": Counter.INVALID, "revoked": Counter.REVOKED}
_OF_PEERS: Final = {
    "expired": Counter.PEER_EXPIRED,
    "invalid": Counter.PEER_INVALID,
    "revoked": Counter.PEER_REVOKED,
}
#: A list that was refused had been fetched; one that is unchanged is not ingested again.
_OF_LISTS: Final = {
    "unchanged": (Counter.FETCH_SUCCESS,),
    "ingested": (Counter.FETCH_SUCCESS, Counter.INGESTION_SUCCESS),
    "fetch": (Counter.FETCH_FAILURE,),
    "ingestion": (Counter.FETCH_SUCCESS, Counter.INGESTION_FAILURE),
}


def counters_of(event: Event) -> tuple[Counter, ...]:
    """Return what an event is counted as: once each, and nothing where it has no counter."""
    match event:
        case events.CsrGenerated():
            return (Counter.CSR_SUCCESS,)
        case events.CsrFailed():
            return (Counter.CSR_FAILURE,)
        case events.CertificateIngested():
            return (Counter.IMPORT_SUCCESS,)
        case events.CertificateRefused():
            return (Counter.IMPORT_FAILURE,)
        case events.CrlUpdated(stage=stage):
            return _OF_LISTS[stage]
        case events.CertificateWentBad(state=state) if state in _OWN:
            return (_OWN[state],)
        case events.PeerCertificateRefused(state=state) | events.PeerCertificateWentBad(state=state) if (
            state in _OF_PEERS
        ):
            return (_OF_PEERS[state],)
        case _:
            return ()


class NoSuchCounter(LookupError):
    """No counter has this path. ``choices`` are the words that could stand in the place of the wrong one."""

    def __init__(self, words: Sequence[str], choices: Sequence[str]) -> None:
        """Tell the words up to the wrong one, and the choices instead of it."""
        super().__init__(f"there are no statistics {' '.join(words)!r}")
        self.choices = tuple(choices)


def below(words: Sequence[str]) -> tuple[Counter, ...]:
    """Return the counters whose path begins with these words, in the order of the seed; case does not matter.

    :raises NoSuchCounter: there are none.
    """
    found = tuple(Counter)
    for depth, word in enumerate(words):
        matching = tuple(each for each in found if _word(each, depth).lower() == word.lower())
        if not matching:
            choices = tuple(dict.fromkeys(filter(None, (_word(each, depth) for each in found))))
            raise NoSuchCounter(words[: depth + 1], choices)
        found = matching
    return found


def _word(counter: Counter, depth: int) -> str:
    words = counter.value.split(" ")
    return words[depth] if depth < len(words) else ""


@dataclass(frozen=True, slots=True)
class Count:
    """One number: of which node, which counter by its words, and how much."""

    node: str
    counter: str
    number: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What has been counted. Zeros are left out."""

    #: When counting began; ``None`` where nothing has been counted or cleared yet.
    since: datetime | None = None
    counts: tuple[Count, ...] = ()

    def totals(self) -> dict[Counter, int]:
        """Return the sum over all nodes of each counter that is not zero, in the order of the seed."""
        found: Tally[str] = Tally()
        for each in self.counts:
            found[each.counter] += each.number
        return {counter: found[counter] for counter in Counter if found[counter]}


def summed(several: Iterable[Counted]) -> Counted:
    """Return what several have counted, by node and in the order of the seed, since the first began."""
    found: Tally[tuple[str, str]] = Tally()
    begun = []
    for each in several:
        begun += [] if each.since is None else [each.since]
        for count in each.counts:
            found[count.node, count.counter] += count.number
    ordered = sorted(found, key=lambda place: (place[0], list(Counter).index(Counter(place[1]))))
    counts = tuple(Count(node, counter, found[node, counter]) for node, counter in ordered)
    return Counted(min(begun, default=None), counts)


class SecurityStatistics:
    """Counts for each node, since the statistics were cleared last."""

    def __init__(self, since: datetime | None = None) -> None:
        """Begin at zero, with ``since`` as the time when counting began."""
        self.since = since
        self._counts: dict[str, Tally[Counter]] = {}

    def add(self, node: str, numbers: Mapping[Counter, int], time: datetime | None) -> None:
        """Add numbers of one node, which were counted at ``time``."""
        if numbers:
            self.since = self.since or time
            self._counts.setdefault(node, Tally()).update(numbers)

    def clear(self, time: datetime | None) -> None:
        """Begin at zero again, at ``time``."""
        self.since = time
        self._counts.clear()

    def numbers(self) -> dict[str, dict[Counter, int]]:
        """Return what has been counted, by node; what is zero is left out."""
        return {node: dict(counts) for node, counts in self._counts.items()}

    def counted(self) -> Counted:
        """Return what has been counted, as a value."""
        counts = (
            Count(node, counter.value, numbers[counter])
            for node, numbers in self._counts.items()
            for counter in numbers
        )
        return summed([Counted(self.since, tuple(counts))])

    def copy(self) -> SecurityStatistics:
        """Return others that have counted the same."""
        made = SecurityStatistics(self.since)
        for node, numbers in self._counts.items():
            made.add(node, numbers, None)
        return made
