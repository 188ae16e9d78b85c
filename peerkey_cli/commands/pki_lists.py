"""``peerkey pki revoke`` and ``pki publish-crl``: what a laboratory's authority takes back, and says so."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from peerkey_cli.options import Json

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from peerkey_cli.laboratory.directory import Laboratory

#: A list of a laboratory is published by hand, and so lasts longer than one of a service.
_DAYS = 7
_MOST_DAYS = 3_650
#: What a list can say.
_EARLIEST_YEAR = 1951

_Ca: TypeAlias = Annotated[
    Path, typer.Option("--ca", metavar="DIR", help="The authority that `pki init-ca` made.")
]


class Reason(StrEnum):
    """Why a certificate is revoked, in the words of RFC 5280 section 5.3.1."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    REMOVE_FROM_CRL = "removeFromCRL"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


class Form(StrEnum):
    """How a list is written."""

    DER = "der"
    PEM = "pem"


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``pki``."""
    group.command("revoke")(revoke)
    group.command("publish-crl")(publish_crl)


def revoke(
    ca: _Ca,
    certificate: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="The certificate, PEM or DER; - for stdin. Or --serial."),
    ] = None,
    serial: Annotated[
        str | None, typer.Option("--serial", metavar="HEX", help="Its serial number, in hexadecimal.")
    ] = None,
    reason: Annotated[
        Reason, typer.Option("--reason", help="Why. removeFromCRL lifts a certificateHold.")
    ] = Reason.UNSPECIFIED,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Since when (ISO 8601, or `2h`).", show_default="now"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Revoke a certificate of a laboratory's authority. Nobody knows before the next `pki publish-crl`."""
    from datetime import UTC, datetime

    from cryptography.x509 import ReasonFlags

    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.laboratory.directory import opened
    from peerkey_cli.laboratory.documents import CertificateRevoked
    from peerkey_cli.laboratory.register import changed
    from peerkey_cli.terminal import say_json
    from peerkey_cli.times import instant

    if (certificate is None) is (serial is None):
        message = "give either FILE or --serial"
        raise WrongUsage(message)
    laboratory = opened(ca)
    number = _number(serial) if serial is not None else _issued(certificate or "", laboratory)
    now = datetime.now(UTC)
    when = now if since is None else instant(since, now)
    if when > now or when.year < _EARLIEST_YEAR:
        message = f"--since {since}: a certificate was revoked between {_EARLIEST_YEAR} and now"
        raise WrongUsage(message)
    when = when.replace(microsecond=0)
    with changed(ca) as (former, write):
        write(former.revoke(number, when, ReasonFlags(reason.value)))
    if as_json:
        say_json(CertificateRevoked(time=now, serial=f"{number:x}", since=when, reason=reason.value))
        return
    done = "is on hold no more" if reason is Reason.REMOVE_FROM_CRL else f"is revoked ({reason})"
    typer.echo(f"serial {number:x} {done}; `peerkey pki publish-crl --ca {ca}` tells of it")


def publish_crl(
    ca: _Ca,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where it goes.", show_default="DIR/ca.crl"),
    ] = None,
    form: Annotated[
        Form, typer.Option("--form", help="How it is written; what is fetched by HTTP is DER.")
    ] = Form.DER,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, max=_MOST_DAYS, help="When the next one comes.", show_default=str(_DAYS)
        ),
    ] = None,
    next_update: Annotated[
        str | None,
        typer.Option("--next-update", metavar="TIME", help="The same (ISO 8601), in place of --days."),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("--number", metavar="N", help="Its number; one more than the last unless given."),
    ] = None,
    delta: Annotated[
        bool, typer.Option("--delta", help="Only what has changed since the last complete list.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sign the list of what a laboratory's authority has revoked, and write it, whole or not at all.

    A list that is there is replaced: whoever fetches it gets the new one.
    """
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives.serialization import Encoding

    from peerkey.pki.laboratory import Validity, list_of
    from peerkey_cli.laboratory.directory import ENDED_CERTIFICATE_LIFE, opened
    from peerkey_cli.laboratory.documents import ListPublished
    from peerkey_cli.laboratory.register import changed
    from peerkey_cli.laboratory.writing import PUBLIC, write
    from peerkey_cli.terminal import say_json

    laboratory = opened(ca)
    now = datetime.now(UTC).replace(microsecond=0)
    end = _next(days, next_update, now)
    # A list whose end has passed, which laboratories need, began before that.
    validity = Validity(min(now, end - ENDED_CERTIFICATE_LIFE), end)
    path = out or ca / f"{laboratory.rank}{'-delta' if delta else ''}.crl"
    with changed(ca) as (former, keep):
        after, entries = former.published(number, delta=delta)
        base = former.complete if delta else None
        made = list_of(laboratory.issuer, entries, after.number, validity, base)
        # The number is taken before anybody can see it, so that it is never used twice.
        keep(after)
        encoding = Encoding.DER if form is Form.DER else Encoding.PEM
        write(path, made.public_bytes(encoding), PUBLIC, force=True)
    if as_json:
        say_json(
            ListPublished(
                time=now,
                file=str(path),
                number=after.number,
                delta_base=base,
                entries=len(entries),
                this_update=validity.not_before,
                next_update=validity.not_after,
            )
        )
        return
    kind = f"a delta to {base}" if delta else "complete"
    typer.echo(
        f"wrote {path}: number {after.number}, {kind}, {len(entries)} "
        f"{'entry' if len(entries) == 1 else 'entries'}, next update {validity.not_after:%Y-%m-%dT%H:%M:%SZ}"
    )


def _number(serial: str) -> int:
    """Return a serial number as people write it: hexadecimal, perhaps with colons or ``0x``."""
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.laboratory.register import LARGEST_NUMBER

    digits = serial.lower().removeprefix("0x").replace(":", "")
    if not digits or set(digits) - set("0123456789abcdef") or not 0 < int(digits, 16) <= LARGEST_NUMBER:
        message = f"--serial {serial!a}: write a serial number in hexadecimal, of at most 20 bytes"
        raise WrongUsage(message)
    return int(digits, 16)


def _issued(file: str, laboratory: Laboratory) -> int:
    """Return the serial number of the leaf in a file, which this authority must have issued.

    :raises Misconfigured: it has not, or the file holds no certificate.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    from peerkey.errors import Misconfigured
    from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, read_bundle
    from peerkey_cli.files import given_content

    leaf: x509.Certificate = read_bundle(given_content(file, MAXIMUM_BUNDLE_BYTES), file)[0]
    issuer = laboratory.issuer.certificate
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        message = (
            f"{file}: {leaf.subject.rfc4514_string()} was issued by {leaf.issuer.rfc4514_string()}, "
            f"and not by this authority, {issuer.subject.rfc4514_string()}"
        )
        raise Misconfigured(message) from None
    return leaf.serial_number


def _next(days: int | None, next_update: str | None, now: datetime) -> datetime:
    from datetime import timedelta

    from peerkey_cli.commands.pki import end_of

    if next_update is None:
        return now + timedelta(days=days or _DAYS)
    if days is not None:
        raise typer.BadParameter("give either --days or --next-update")
    return end_of(next_update, "--next-update")
