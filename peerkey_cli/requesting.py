"""Making a certificate signing request for one node: who asks, what is asked for, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Misconfigured
from peerkey.observe.events import CsrFailed
from peerkey.pki.csr import MAXIMUM_VALIDITY_DAYS, PARTS, BadField, Wanted, checked_part, generated, request
from peerkey.pki.identity import PeerIdentity
from peerkey_cli.errors import NotFound, WrongUsage
from peerkey_cli.laboratory.writing import PUBLIC, refuse_existing, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from actors.keystores.port import KeyStore
    from peerkey.config.plan import NodePlan
    from peerkey_cli.audit import Audit

_DAYS: Final = "365"
#: What an operator is asked, by field and in this order.
LABELS: Final = {
    "name": "Name of the certificate",
    "common_name": "Common name",
    "country_name": "Country (two letters)",
    "state_province_name": "State or province",
    "locality_name": "Locality",
    "organization_name": "Organization",
    "organizational_unit_name": "Organizational unit",
    "email_address": "E-mail address",
    "validity_period_days": "Validity in days",
}


@dataclass(frozen=True, slots=True)
class Applicant:
    """The node that asks, and its private key."""

    #: As the audit log names the node: ``router/node``, or its UUID.
    node: str
    #: What its certificate is called unless somebody says otherwise.
    name: str
    identity: PeerIdentity
    key_name: str


def applicant_of(plans: Sequence[NodePlan], file: Path) -> Applicant:
    """Return the node of a configuration.

    :raises NotFound: there are several.
    """
    if len(plans) != 1:
        named = ", ".join(plan.name for plan in plans)
        message = f"{file}: has {len(plans)} nodes; choose one with --node: {named}"
        raise NotFound(message)
    (plan,) = plans
    return Applicant(plan.name, plan.certificate.name, PeerIdentity(plan.uuid, plan.alias), plan.key_file)


def applicant_at(uuid: UUID, alias: str | None, key: str) -> Applicant:
    """Return the node that options describe."""
    return Applicant(str(uuid), str(uuid), PeerIdentity(uuid, alias), key)


def default_of(applicant: Applicant, field: str) -> str:
    """Return what a field holds unless somebody says otherwise; empty where it is left out."""
    defaults = {
        "name": applicant.name,
        "common_name": str(applicant.identity.uuid),
        "validity_period_days": _DAYS,
    }
    return defaults.get(field, "")


def check_answer(field: str, answer: str) -> None:
    """Refuse what cannot be taken for a field.

    :raises Misconfigured: that is so, and why.
    """
    if field in PARTS:
        checked_part(field, answer)
    elif field == "validity_period_days":
        _days(answer)


def wanted(applicant: Applicant, said: Mapping[str, str], sans: tuple[str, ...]) -> Wanted:
    """Return what is asked for: what was said, else the defaults; the node's own names always.

    :raises WrongUsage: the validity is no number that could be meant.
    """
    values = {field: said.get(field, default_of(applicant, field)) for field in LABELS}
    try:
        days = _days(values.pop("validity_period_days"))
    except BadField as fault:
        _refuse(fault)
    identity = applicant.identity
    own = [f"uuid:{identity.uuid}"] + ([f"urn_ssr_peering:{identity.alias}"] if identity.alias else [])
    return Wanted(**values, validity_period_days=days, sans=(*own, *sans))


def make(
    applicant: Applicant, asked: Wanted, keys: KeyStore, audit: Audit, *, out: Path | None, force: bool
) -> bytes:
    """Make the request with a key of ``keys``, write it where it is wanted, and record it; return it in PEM.

    :raises WrongUsage: a field cannot stand in a certificate; the line names its option.
    :raises Misconfigured: the private key cannot be used, or the file cannot be written.
    """
    audit.check(applicant.node)
    try:
        if out is not None:
            refuse_existing([out], force=force)
        made = request(asked, keys.certifier(applicant.key_name))
        pem = made.public_bytes(Encoding.PEM)
        if out is not None:
            write(out, pem, PUBLIC, force=force)
    except Misconfigured as fault:
        audit.record(applicant.node, CsrFailed(asked.name, str(fault)))
        if isinstance(fault, BadField):
            _refuse(fault)
        raise
    audit.record(applicant.node, generated(asked))
    return pem


def _days(written: str) -> int:
    digits = written.isascii() and written.isdigit() and len(written) <= len(str(MAXIMUM_VALIDITY_DAYS))
    days = int(written) if digits else 0
    if not 1 <= days <= MAXIMUM_VALIDITY_DAYS:
        raise BadField("validity_period_days", f"is a number from 1 to {MAXIMUM_VALIDITY_DAYS}")
    return days


def _refuse(fault: BadField) -> NoReturn:
    message = f"--{fault.field.replace('_', '-')}: {fault.why}"
    raise WrongUsage(message) from None
