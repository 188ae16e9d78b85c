"""Of all lists that are held, what counts: into the sections of one master list.

Of several complete lists of one series (issuer, key and scope) the newest counts, so that a hold can be
released; a delta adds to, and releases from, the complete list that it builds on. What only one list says is
copied as it stands; where several speak of the same issuer's certificates their records are put together and
sorted anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from peerkey.pki.master_list import MasterList, Section, write
from peerkey.pki.table_building import build
from peerkey.pki.when import REMOVE_FROM_CRL, WHEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from peerkey.pki.list_facts import ListFacts


@dataclass(frozen=True, slots=True)
class Held:
    """A list that was ingested: what is to be said of it, and its entries."""

    facts: ListFacts
    entries: MasterList


def publish(lists: Iterable[Held], generation: int) -> Iterator[bytes]:
    """Yield the bytes of the master list of everything that ``lists`` hold, whoever gave it."""
    return write(sections_of(counting(lists)), generation)


def counting(lists: Iterable[Held]) -> tuple[tuple[Held, tuple[Held, ...]], ...]:
    """Return every complete list that no other has replaced, each with the deltas to it, oldest first.

    Two sources may give the same list. A delta whose base no complete list has counts for nothing.
    """
    complete: dict[object, Held] = {}
    deltas: list[Held] = []
    for each in lists:
        if each.facts.base is not None:
            deltas.append(each)
            continue
        other = complete.get(each.facts.series)
        if other is None or each.facts.age > other.facts.age:
            complete[each.facts.series] = each
    deltas.sort(key=lambda each: each.facts.age)
    return tuple(
        (each, tuple(delta for delta in deltas if delta.facts.complements(each.facts)))
        for each in complete.values()
    )


def sections_of(lists: Iterable[tuple[Held, tuple[Held, ...]]]) -> Iterator[Section]:
    """Yield the sections of a master list."""
    parts: dict[tuple[bytes, bytes, int], list[tuple[MasterList | None, tuple[MasterList, ...]]]] = {}
    for whole, deltas in lists:
        changes = tuple(delta.entries for delta in deltas)
        for key in dict.fromkeys(chain(whole.entries.tables, *(delta.tables for delta in changes))):
            touching = tuple(delta for delta in changes if key in delta.tables)
            base = whole.entries if key in whole.entries.tables else None
            parts.setdefault(key, []).append((base, touching))
    for key, said in parts.items():
        speaker, issuer, width = key
        if len(said) == 1 and said[0][0] is not None and not said[0][1]:
            yield Section(speaker, issuer, said[0][0].tables[key])
            continue
        records = b"".join(_effective(key, base, deltas) for base, deltas in said)
        if records:
            yield Section(speaker, issuer, build(width, records))


def union(*lists: MasterList) -> Iterator[bytes]:
    """Yield the bytes of a master list that names whatever any of ``lists`` names.

    Of two that name one certificate the first counts. No list stands behind it: it holds until the lists
    themselves are read again.
    """
    sections: list[Section] = []
    for key in dict.fromkeys(chain(*(each.tables for each in lists))):
        speaker, issuer, width = key
        found = [each.tables[key] for each in lists if key in each.tables]
        if len(found) == 1:
            sections.append(Section(speaker, issuer, found[0]))
            continue
        full = width + WHEN_BYTES
        records: dict[bytes, bytes] = {}
        for table in found:
            content = bytes(table.records())
            for at in range(0, len(content), full):
                record = content[at : at + full]
                if record[width + 1] & 15 != REMOVE_FROM_CRL:
                    records.setdefault(record[:width], record)
        sections.append(Section(speaker, issuer, build(width, b"".join(records.values()))))
    return write(sections, max(each.generation for each in lists) + 1)


def differences(before: MasterList | None, after: MasterList) -> tuple[int, int]:
    """Return how many certificates ``after`` names that ``before`` did not, and the other way round."""
    if before is None:
        return after.total, 0
    added = removed = 0
    for key in {*before.tables, *after.tables}:
        old, new = before.tables.get(key), after.tables.get(key)
        more, less = new.changed_since(old) if new is not None else (0, old.shape.count if old else 0)
        added, removed = added + more, removed + less
    return added, removed


def _effective(
    key: tuple[bytes, bytes, int], base: MasterList | None, deltas: tuple[MasterList, ...]
) -> bytes:
    """Return the records of a complete list, brought up to date."""
    records = bytes(base.tables[key].records()) if base is not None else b""
    full = key[2] + WHEN_BYTES
    for delta in deltas:
        later = bytes(delta.tables[key].records())
        named = {later[at : at + key[2]] for at in range(0, len(later), full)}
        stand = (records[at : at + full] for at in range(0, len(records), full))
        come = (later[at : at + full] for at in range(0, len(later), full))
        records = b"".join(
            chain(
                (each for each in stand if each[: key[2]] not in named),
                (each for each in come if each[key[2] + 1] & 15 != REMOVE_FROM_CRL),
            )
        )
    return records
