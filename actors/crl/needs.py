"""What the nodes of one host want of revocation lists, as far as their plans say it.

On a machine with several hosts one of them follows the lists for all (:mod:`actors.crl.leading`), and the
others tell it this. What their certificates say travels beside it, as the chains that are in use: so of the
nodes' own certificates only those are named here that are files, which the machine shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from peerkey.pki.list_subscriptions import MAXIMUM_SOURCES

if TYPE_CHECKING:
    from peerkey.config.plan import CertificateSource, NodePlan, RevocationSource

#: Characters of paths, addresses and certificates in one word to another host, which takes 1 MiB at most.
MAXIMUM_CHARACTERS: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Needs:
    """Of any number of nodes, each thing once."""

    #: The addresses that the operator has named.
    revocation: tuple[RevocationSource, ...] = ()
    #: Whom the nodes trust.
    trusted: tuple[CertificateSource, ...] = field(default=(), repr=False)
    #: The nodes' own chains.
    certificates: tuple[CertificateSource, ...] = field(default=(), repr=False)


def needs_of(plans: Iterable[NodePlan]) -> Needs:
    """Return what plans say."""
    plans = tuple(plans)
    return Needs(
        tuple(dict.fromkeys(source for plan in plans for source in plan.revocation)),
        tuple(dict.fromkeys(source for plan in plans for source in plan.trusted)),
        tuple(dict.fromkeys(plan.certificate for plan in plans)),
    )


def together(needs: Iterable[Needs]) -> Needs:
    """Return what several hosts want."""
    needs = tuple(needs)
    return Needs(
        tuple(dict.fromkeys(source for each in needs for source in each.revocation)),
        tuple(dict.fromkeys(source for each in needs for source in each.trusted)),
        tuple(dict.fromkeys(source for each in needs for source in each.certificates)),
    )


def portable(needs: Needs) -> tuple[Needs, bool]:
    """Return what of it can be told to another host, and whether something had to be left out.

    Whom the nodes trust comes first: without it no list counts.
    """
    room = MAXIMUM_CHARACTERS
    trusted, room = _within(needs.trusted, room)
    files = tuple(source for source in needs.certificates if source.content is None)
    certificates, _ = _within(files, room)
    revocation = needs.revocation[:MAXIMUM_SOURCES]
    whole = (trusted, certificates, revocation) == (needs.trusted, files, needs.revocation)
    return Needs(revocation, trusted, certificates), not whole


def _within(sources: tuple[CertificateSource, ...], room: int) -> tuple[tuple[CertificateSource, ...], int]:
    """Return the sources that there is room for, and the room that is left."""
    kept = []
    for source in sources:
        size = len(source.name) + len(source.file or "") + len(source.content or "")
        if size <= room:
            room -= size
            kept.append(source)
    return tuple(kept), room
