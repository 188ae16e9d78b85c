"""What may be asked of the keys and certificates of a node, as a value: done here, or sent to where they are.

An errand names the node and what is to be done; its body is as the admin API takes it. :func:`performed` does
it with the files and devices of this machine, and blocks. What enrolls goes on for longer than an answer may
take: see :mod:`peerkey_cli.enrollments`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from peerkey.pki.csr import Wanted
from peerkey.pki.key_types import KeyType
from peerkey_cli import schemas, trusted_cas
from peerkey_cli.api.requests import (
    BroughtCertificate,
    BroughtPrivateKey,
    BroughtTrustedCa,
    EnrollmentWanted,
    NamedTrustedCa,
    NewPrivateKey,
    WantedCertificate,
)

if TYPE_CHECKING:
    from peerkey.config.plan import NodePlan
    from peerkey_cli.custody import Custody, Place, Record


class What(StrEnum):
    """What is to be done."""

    SHOW_KEY = "show-key"
    CREATE_KEY = "create-key"
    IMPORT_KEY = "import-key"
    DELETE_KEY = "delete-key"
    REQUEST = "request"
    SHOW_CERTIFICATE = "show-certificate"
    IMPORT_CERTIFICATE = "import-certificate"
    DELETE_CERTIFICATE = "delete-certificate"
    SHOW_TRUSTED = "show-trusted"
    ADD_TRUSTED = "add-trusted"
    REMOVE_TRUSTED = "remove-trusted"
    SHOW_ENROLLMENT = "show-enrollment"
    ENROLL = "enroll"
    CANCEL_ENROLLMENT = "cancel-enrollment"


#: Those that begin something, or tell of what goes on.
ENROLLING: Final = frozenset({What.SHOW_ENROLLMENT, What.ENROLL, What.CANCEL_ENROLLMENT})

_OF_TRUST: Final = frozenset({What.SHOW_TRUSTED, What.ADD_TRUSTED, What.REMOVE_TRUSTED})
_CHANGES_CERTIFICATE: Final = frozenset({What.IMPORT_CERTIFICATE, What.DELETE_CERTIFICATE})

#: The body of each that has one.
_BODIES: Final[dict[What, type[schemas.Document]]] = {
    What.CREATE_KEY: NewPrivateKey,
    What.IMPORT_KEY: BroughtPrivateKey,
    What.REQUEST: WantedCertificate,
    What.IMPORT_CERTIFICATE: BroughtCertificate,
    What.ADD_TRUSTED: BroughtTrustedCa,
    What.REMOVE_TRUSTED: NamedTrustedCa,
    What.ENROLL: EnrollmentWanted,
}


@dataclass(frozen=True, slots=True)
class Errand:
    """See the module."""

    what: What
    #: ``router/node``; the only one where none is named.
    node: str | None
    #: Of a certificate, or of trusted CAs; what the node uses where none is named.
    name: str | None = None
    #: Also where the node uses what is to go.
    force: bool = False
    body: schemas.Document | None = None

    def written(self) -> bytes:
        """Return it with every secret in it: to be sealed before it goes anywhere."""
        told = {"what": self.what.value, "node": self.node, "name": self.name, "force": self.force}
        return json.dumps({**told, "body": None if self.body is None else _revealed(self.body)}).encode()


def read(written: bytes) -> Errand:
    """Return what :meth:`Errand.written` was made of.

    :raises ValueError: of nothing; pydantic's own is one.
    """
    told = json.loads(written)
    what = What(told["what"])
    body = None if told["body"] is None else _BODIES[what].model_validate(told["body"])
    return Errand(what, told["node"], told["name"], force=told["force"], body=body)


def performed(custody: Custody, errand: Errand, record: Record) -> tuple[schemas.Document, bool]:
    """Do it; return the answer, and whether the node uses what was changed, so that it must read it again.

    :raises PeerkeyError: it cannot be done; nothing was changed.
    :raises NoSuchKey: there is no such key.
    """
    if errand.what in _OF_TRUST:
        return _about_trust(custody.plan(errand.node), errand, record)
    place = custody.place(errand.node, errand.name)
    used = errand.what in _CHANGES_CERTIFICATE and place.configured
    return _about_keys(custody, place, errand, record), used


def _about_trust(plan: NodePlan, errand: Errand, record: Record) -> tuple[schemas.Document, bool]:
    match errand.body:
        case BroughtTrustedCa(certificate=pem):
            return trusted_cas.add(plan, errand.name, pem.encode(), record), True
        case NamedTrustedCa(fingerprint=print_):
            return trusted_cas.remove(plan, errand.name, print_, record, force=errand.force), True
        case _:
            return trusted_cas.shown(plan), False


def _about_keys(custody: Custody, place: Place, errand: Errand, record: Record) -> schemas.Document:
    match errand:
        case Errand(What.SHOW_KEY):
            return custody.show_key(place)
        case Errand(body=NewPrivateKey() as wanted):
            kind = wanted.kind or KeyType.EC_P256
            return custody.create_key(place, kind, record, replace=wanted.replace)
        case Errand(body=BroughtPrivateKey() as key):
            pem = key.private_key.get_secret_value().encode()
            return custody.import_key(place, pem, record, replace=key.replace)
        case Errand(What.DELETE_KEY):
            return custody.delete_key(place, record, force=errand.force)
        case Errand(body=WantedCertificate() as asked):
            made = custody.request(place, _asked(place, asked), asked.kind, record)
            return schemas.SigningRequest(csr=made.decode())
        case Errand(What.SHOW_CERTIFICATE):
            return custody.show_certificate(place)
        case Errand(body=BroughtCertificate() as certificate):
            pem = certificate.certificate.encode()
            return custody.import_certificate(place, pem, record)
        case Errand(What.DELETE_CERTIFICATE):
            return custody.delete_certificate(place, record, force=errand.force)
        case _:
            message = f"nobody does {errand.what} without its body, or here"
            raise AssertionError(message)


def _asked(place: Place, wanted: WantedCertificate) -> Wanted:
    """Return what is to stand in a request: the names of the node, and what was asked for."""
    plan = place.plan
    own = [f"uuid:{plan.uuid}"] + ([f"urn_ssr_peering:{plan.alias}"] if plan.alias else [])
    more = [f"{each.type}:{each.value}" for each in wanted.subject_alt_names]
    return Wanted(
        name=place.name,
        common_name=str(plan.uuid) if wanted.common_name is None else wanted.common_name,
        country_name=wanted.country_name,
        state_province_name=wanted.state_province_name,
        locality_name=wanted.locality_name,
        organization_name=wanted.organization_name,
        organizational_unit_name=wanted.organizational_unit_name,
        email_address=wanted.email_address,
        validity_period_days=wanted.validity_period,
        sans=(*own, *more),
    )


def _revealed(body: schemas.Document) -> dict[str, Any]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in body.model_dump().items()
    }
