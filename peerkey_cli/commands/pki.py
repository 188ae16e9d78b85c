"""``peerkey pki``: is this certificate good? And a small certificate authority for laboratories."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias
from uuid import UUID

import typer

from peerkey_cli.commands import pki_lists
from peerkey_cli.key_types import KeyType
from peerkey_cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peerkey_cli.laboratory.directory import Issued, Laboratory
    from peerkey_cli.laboratory.fleet import Outcome

#: The root of a laboratory outlives what is tested with it; leaves are replaced once a year.
_CA_DAYS = 3_650
_LEAF_DAYS = 365
_MOST_DAYS = 36_500

_KeyType: TypeAlias = Annotated[KeyType, typer.Option("--key-type", help="Kind and size of the private key.")]
_Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]

_group = typer.Typer(
    help="Judge certificates; and a small authority for laboratories, never needed in production.",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    pki_lists.register(_group)
    app.add_typer(_group, name="pki")


@_group.command("init-ca")
def init_ca(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the authority's files go.")],
    name: Annotated[str, typer.Option("--name", help="Common name of the root.")] = "peerkey laboratory",
    intermediate: Annotated[
        bool, typer.Option("--intermediate", help="Let an intermediate authority issue, in the root's place.")
    ] = False,
    key_type: _KeyType = KeyType.EC_P256,
    days: Annotated[
        int, typer.Option("--days", min=1, max=_MOST_DAYS, help="How long it is valid.")
    ] = _CA_DAYS,
    force: _Force = False,
    as_json: Json = False,
) -> None:
    """Make a certificate authority: DIR/ca.pem, which a configuration trusts, and DIR/ca.key.

    For laboratories only: whoever can read DIR/ca.key can be any router.
    """
    from datetime import UTC, timedelta

    from peerkey_cli.laboratory.directory import init
    from peerkey_cli.laboratory.documents import AuthorityMade
    from peerkey_cli.terminal import say_json
    from peerkey_cli.working import working

    _check_common_name(name)
    lifetime = timedelta(days=days)
    with working(f"Making an authority, {key_type}"):
        written = init(directory, name, key_type, lifetime=lifetime, intermediate=intermediate, force=force)
    if as_json:
        say_json(AuthorityMade(time=datetime.now(UTC), files=tuple(map(str, written))))
        return
    for path in written:
        typer.echo(f"wrote {path}")


@_group.command()
def issue(  # noqa: PLR0913, PLR0917 - the options of the command
    ca: Annotated[Path, typer.Option("--ca", metavar="DIR", help="The authority that `pki init-ca` made.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            readable=False,
            help="Issue to every node of a configuration that lacks a certificate.",
        ),
    ] = None,
    uuid: Annotated[UUID | None, typer.Option("--uuid", help="Issue to the node of this UUID.")] = None,
    alias: Annotated[
        str | None, typer.Option("--alias", help="Its peering-common-name, if it has one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="Write PATH.pem and PATH.key.", show_default="DIR/UUID"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="With it, --out is a directory, and this names the files there."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, max=_MOST_DAYS, help="How long it is valid.", show_default=str(_LEAF_DAYS)
        ),
    ] = None,
    not_after: Annotated[
        str | None,
        typer.Option("--not-after", metavar="TIME", help="When it ends (ISO 8601), in place of --days."),
    ] = None,
    key_type: _KeyType = KeyType.EC_P256,
    force: _Force = False,
    as_json: Json = False,
) -> None:
    """Make a private key and a certificate for one node (--uuid) or for those of a configuration (--config).

    For laboratories only: in production a private key never leaves its router.
    """
    from peerkey_cli.laboratory.directory import opened

    if (config is None) is (uuid is None):
        raise typer.BadParameter("give either --uuid or --config")
    if config is not None and any(given is not None for given in (name, alias, out)):
        raise typer.BadParameter(
            "--name, --alias and --out go with --uuid; with --config the file says it all"
        )
    laboratory = opened(ca)
    end = _end(days, not_after, laboratory)
    outcomes: Sequence[Outcome] = ()
    if config is not None:
        outcomes = _issue_for_fleet(laboratory, config, key_type, end, force=force)
    elif uuid is not None:
        stem = _stem(out, name, default=ca / str(uuid))
        outcomes = [_issue_for_node(laboratory, uuid, alias, stem, key_type, end, force=force)]
    _tell_issued(outcomes, as_json=as_json)


@_group.command()
def verify(
    leaf: Annotated[str, typer.Argument(metavar="LEAF", help="The certificate, PEM or DER; - for stdin.")],
    chain: Annotated[
        list[str] | None, typer.Argument(metavar="[CHAIN]...", help="CAs above it, in any order.")
    ] = None,
    trust: Annotated[
        list[str] | None, typer.Option("--trust", metavar="F", help="Trusted CAs. May be given again.")
    ] = None,
    crl: Annotated[
        list[str] | None, typer.Option("--crl", metavar="F", help="Revocation lists. May be given again.")
    ] = None,
    require_crl: Annotated[
        bool, typer.Option("--require-crl", help="Refuse a path of which no current list speaks.")
    ] = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When (ISO 8601).", show_default="now")
    ] = None,
    identity: Annotated[
        UUID | None, typer.Option("--identity", metavar="UUID", help="The node that it has to name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether a certificate is good, by the rules by which routers judge their peers.

    Without --identity no name is asked for. Ends with 0 if it is valid and with 1 if it is not.
    """
    from datetime import UTC

    from peerkey_cli import layouts
    from peerkey_cli.errors import Status
    from peerkey_cli.terminal import coloured, say, say_json
    from peerkey_cli.times import instant
    from peerkey_cli.verification import Question, answered
    from peerkey_cli.working import working

    now = datetime.now(UTC)
    question = Question(
        at=now if at is None else instant(at, now),
        leaf=leaf,
        chain=tuple(chain or ()),
        trust=tuple(trust or ()),
        crls=tuple(crl or ()),
        require_crl=require_crl,
        identity=identity,
    )
    with working("Judging the certificate", [leaf, *(chain or ()), *(trust or ()), *(crl or ())]):
        document = answered(question, now)
    if as_json:
        say_json(document)
    else:
        say(*layouts.verified(document, coloured(sys.stdout)))
    raise typer.Exit(Status.DONE if document.valid else Status.NO)


@_group.command()
def crl(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Revocation lists, PEM or DER; - for stdin.")],
    issuer: Annotated[
        list[str] | None,
        typer.Option("--issuer", metavar="F", help="CAs to check signatures with. May be given again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a revocation list holds: issuer, number, dates, entries, signature.

    Ends with 0 unless it is no list, or --issuer was given and the signature is not that of the issuer.
    """
    from datetime import UTC

    from peerkey_cli import layouts
    from peerkey_cli.errors import Status
    from peerkey_cli.lists import described
    from peerkey_cli.terminal import coloured, say, say_json
    from peerkey_cli.working import working

    most = None if as_json else layouts.ENTRIES_SHOWN
    with working("Reading the list", [file]):
        document = described(file, tuple(issuer or ()), datetime.now(UTC), most)
    if as_json:
        say_json(document)
    else:
        say(*layouts.crls(document, coloured(sys.stdout)))
    signed = all(each.signature in {"valid", "unchecked"} for each in document.lists)
    raise typer.Exit(Status.DONE if signed else Status.NO)


def _issue_for_fleet(
    laboratory: Laboratory, config: Path, kind: KeyType, end: datetime, *, force: bool
) -> Sequence[Outcome]:
    from peerkey_cli.laboratory.fleet import issue_for_fleet
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.working import working

    with working(f"Making keys and certificates, {kind}"):
        return issue_for_fleet(laboratory, PlansReader(config)(), kind, not_after=end, force=force)


def _issue_for_node(
    laboratory: Laboratory,
    uuid: UUID,
    alias: str | None,
    stem: Path,
    kind: KeyType,
    end: datetime,
    *,
    force: bool,
) -> Outcome:
    from peerkey.pki.identity import PeerIdentity
    from peerkey_cli.laboratory.fleet import Outcome
    from peerkey_cli.working import working

    if alias is not None:
        _check_common_name(alias)
    certificate, key = (stem.with_name(f"{stem.name}.{ending}") for ending in ("pem", "key"))
    identity = PeerIdentity(uuid, alias)
    with working(f"Making a key and a certificate, {kind}"):
        issued = laboratory.issue(identity, kind, certificate, key, not_after=end, force=force)
    return Outcome(str(uuid), issued, "")


def _tell_issued(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    from datetime import UTC

    from peerkey_cli.laboratory.documents import CertificatesIssued, IssuedTo
    from peerkey_cli.terminal import say_json

    if as_json:
        nodes = [
            IssuedTo(
                node=each.node,
                certificate=None if each.issued is None else str(each.issued.certificate),
                key=None if each.issued is None else str(each.issued.key),
                not_after=None if each.issued is None else each.issued.not_after,
                kept=each.kept,
            )
            for each in outcomes
        ]
        say_json(CertificatesIssued(time=datetime.now(UTC), nodes=tuple(nodes)))
        return
    for each in outcomes:
        typer.echo(f"{each.node}: {f'kept, {each.kept}' if each.issued is None else _described(each.issued)}")


def _stem(out: Path | None, name: str | None, *, default: Path) -> Path:
    """Return the path of a node's files without their endings."""
    if name is None:
        stem = out or default
    elif name in {"", ".", ".."} or "/" in name:
        message = f"{name!r} is no name of a file; the directory goes to --out"
        raise typer.BadParameter(message, param_hint="--name")
    else:
        stem = (out or default.parent) / name
    if not stem.name or stem.name == "..":
        message = f"{stem} is no name of a file without its ending"
        raise typer.BadParameter(message, param_hint="--out")
    return stem


def _described(issued: Issued) -> str:
    return f"wrote {issued.certificate} and {issued.key}, valid until {issued.not_after:%Y-%m-%dT%H:%M:%SZ}"


def _end(days: int | None, not_after: str | None, laboratory: Laboratory) -> datetime:
    """Return when what is issued ends; what nobody has chosen ends with the issuer at the latest."""
    from datetime import UTC, timedelta

    if not_after is None:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days or _LEAF_DAYS)
        return end if days is not None else min(end, laboratory.not_after)
    if days is not None:
        raise typer.BadParameter("give either --days or --not-after")
    return end_of(not_after, "--not-after")


def end_of(text: str, option: str) -> datetime:
    """Return an instant, in whole seconds, at which what a laboratory makes may end.

    :raises typer.BadParameter: it is none.
    """
    from datetime import UTC

    try:
        end = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{text!r} is no time; write it as 2030-06-15T12:00:00Z"
        raise typer.BadParameter(message, param_hint=option) from None
    if not _EARLIEST_YEAR <= end.year <= _LATEST_YEAR:
        message = f"{text!r} is not within {_EARLIEST_YEAR} to {_LATEST_YEAR}"
        raise typer.BadParameter(message, param_hint=option)
    return end.replace(microsecond=0)


def _check_common_name(name: str) -> None:
    """Refuse what a certificate cannot hold as common name (RFC 5280, ub-common-name)."""
    if not 1 <= len(name) <= _LONGEST_COMMON_NAME or not name.isprintable():
        message = f"a name in a certificate has 1 to {_LONGEST_COMMON_NAME} printable characters"
        raise typer.BadParameter(message)


_LONGEST_COMMON_NAME = 64
#: What a certificate can say, and a day of room for when it began.
_EARLIEST_YEAR = 1951
_LATEST_YEAR = 9999
