"""Certificates for every node of a configuration, where the configuration says that they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peerkey.config.key_names import is_file
from peerkey.errors import Misconfigured
from peerkey.pki.identity import PeerIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from peerkey.config.plan import NodePlan
    from peerkey_cli.key_types import KeyType
    from peerkey_cli.laboratory.directory import Issued, Laboratory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one node: a new certificate, or the reason why there is none."""

    node: str
    issued: Issued | None
    kept: str


def issue_for_fleet(
    laboratory: Laboratory, plans: Iterable[NodePlan], kind: KeyType, *, not_after: datetime, force: bool
) -> tuple[Outcome, ...]:
    """Issue to every node that has neither certificate nor key; with ``force`` to all that have files.

    A node that has both keeps them, so that the same command serves a fleet that has grown.

    :raises Misconfigured: a node has one of the two, of which there is no telling what to do; nothing has
        been issued then. Or as :meth:`Laboratory.issue` does.
    """
    due: list[tuple[NodePlan, str]] = [(plan, _kept(plan, force=force)) for plan in plans]
    return tuple(
        Outcome(plan.name, None if kept else _issue(laboratory, plan, kind, not_after, force=force), kept)
        for plan, kept in due
    )


def _kept(plan: NodePlan, *, force: bool) -> str:
    """Say why a node keeps what it has; empty where it gets a certificate."""
    if plan.certificate.file is None:
        return "the text of its certificate is in the configuration"
    if not is_file(plan.key_file):
        return "its private key is in hardware, where a laboratory makes none"
    there = [path for path in (plan.certificate.file, plan.key_file) if Path(path).exists()]
    if force or not there:
        return ""
    if len(there) == 1:
        message = (
            f"{there[0]} exists, but not the other file of {plan.name}; remove it, or replace it with --force"
        )
        raise Misconfigured(message)
    return "it has a certificate and a key; --force replaces them"


def _issue(
    laboratory: Laboratory, plan: NodePlan, kind: KeyType, not_after: datetime, *, force: bool
) -> Issued:
    return laboratory.issue(
        PeerIdentity(plan.uuid, plan.alias),
        kind,
        Path(plan.certificate.file or ""),
        Path(plan.key_file),
        not_after=not_after,
        force=force,
    )
