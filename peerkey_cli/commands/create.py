"""``peerkey create``: what a node needs before an authority can give it a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from peerkey_cli.api.roles import Role
from peerkey_cli.key_types import KeyType
from peerkey_cli.options import (
    Alias,
    Api,
    Config,
    Json,
    KeyName,
    NodeOfConfig,
    NodeUuid,
    PrivateKeyName,
    StateDir,
    client,
    require_one_owner,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peerkey.pki.csr import Wanted
    from peerkey_cli.asking import Question
    from peerkey_cli.requesting import Applicant

#: For how long a certificate is asked for, in days, unless somebody says otherwise.
_DAYS = 365

_group = typer.Typer(help="Make what a certificate is asked for with.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="create")


@_group.callback()
def create() -> None:
    """Make what a certificate is asked for with."""


@_group.command("private-key")
def private_key(
    name: PrivateKeyName = None,
    config: Config = None,
    node: NodeOfConfig = None,
    algorithm: Annotated[
        KeyType, typer.Option("--algorithm", help="Kind and size of the key.")
    ] = KeyType.EC_P256,
    force: Annotated[bool, typer.Option("--force", help="Replace a key that is there.")] = False,
    state_dir: StateDir = None,
    json: Json = False,
) -> None:
    """Make a private key where it stays; nothing but its public key is ever shown."""
    from peerkey_cli.private_keys import BASE, create_private_key, owner_in, owner_of_this_machine
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.working import working

    require_one_owner(name, config, node)
    state = StateDirectory(state_dir or default_directory())
    if config is not None and node is not None:
        owner = owner_in(config, node)
    else:
        owner = owner_of_this_machine(name or BASE, state)
    with working(f"Making a private key, {algorithm}"):
        made = create_private_key(owner, algorithm, state, replace=force)
    if json:
        typer.echo(made.model_dump_json(indent=2))
        return
    typer.echo(f"{'replaced' if made.replaced else 'created'} {made.name}")
    typer.echo(f"  algorithm    {made.algorithm}")
    typer.echo(f"  fingerprint  {made.fingerprint}")
    typer.echo(f"  node         {made.node_uuid}")


@_group.command("ha-key")
def ha_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", readable=False)],
    node: Annotated[str, typer.Option("--node", metavar="ROUTER/NODE", help="The node of an HA router.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a key that is there.")] = False,
    state_dir: StateDir = None,
    json: Json = False,
) -> None:
    """Make the SSH key of a node's HA link, and print the line of its public key for the configuration."""
    from peerkey_cli.ha_keys import create_ha_key
    from peerkey_cli.state import StateDirectory, default_directory

    made = create_ha_key(file, node, StateDirectory(state_dir or default_directory()), replace=force)
    if json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        typer.echo(made.public_key)


@_group.command("api-token")
def api_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    role: Annotated[Role, typer.Option("--role", help="What it allows: to ask, or also to change.")],
    tokens: Annotated[
        Path,
        typer.Option("--tokens", metavar="FILE", help="Where its digest is added: --api-tokens of `run`."),
    ],
) -> None:
    """Make a token for the admin API over TCP, and print it: this once, for it is kept nowhere."""
    from datetime import UTC, datetime

    from peerkey_cli.api.tokens import add_token

    typer.echo(add_token(tokens, name, role, datetime.now(UTC)).reveal().decode())


@_group.command("certificate-request")
def certificate_request(  # noqa: PLR0913, PLR0917 - the options of the command
    config: Config = None,
    node: NodeOfConfig = None,
    uuid: NodeUuid = None,
    alias: Alias = None,
    key: KeyName = None,
    name: Annotated[str | None, typer.Option("--name", help="What the certificate is called here.")] = None,
    common_name: Annotated[
        str | None, typer.Option("--common-name", help="The node's UUID unless given.")
    ] = None,
    country_name: Annotated[
        str | None, typer.Option("--country-name", help="Two capital letters, as in US.")
    ] = None,
    state_province_name: Annotated[str | None, typer.Option("--state-province-name")] = None,
    locality_name: Annotated[str | None, typer.Option("--locality-name")] = None,
    organization_name: Annotated[str | None, typer.Option("--organization-name")] = None,
    organizational_unit_name: Annotated[str | None, typer.Option("--organizational-unit-name")] = None,
    email_address: Annotated[str | None, typer.Option("--email-address")] = None,
    validity_period_days: Annotated[
        int | None,
        typer.Option("--validity-period-days", help="How long it is wanted for.", show_default=str(_DAYS)),
    ] = None,
    san: Annotated[
        list[str] | None,
        typer.Option(
            "--san",
            metavar="TYPE:VALUE",
            help="Another name: uuid, urn_ssr_peering, dns, ip, uri or email; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there; else to standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")] = False,
    batch: Annotated[bool, typer.Option("--batch", help="Ask nothing, also at a terminal.")] = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Make a certificate signing request with the private key that the node has.

    At a terminal it asks for what no option says; elsewhere that takes its default, or is left out.
    """
    from actors.keystores.stores import KeyStores
    from peerkey_cli.asking import answers, at_a_terminal
    from peerkey_cli.audit import Audit
    from peerkey_cli.requesting import make, wanted
    from peerkey_cli.state import StateDirectory, default_directory

    applicant = _applicant(config, node, uuid=uuid, alias=alias, key=key)
    given = {
        "name": name,
        "common_name": common_name,
        "country_name": country_name,
        "state_province_name": state_province_name,
        "locality_name": locality_name,
        "organization_name": organization_name,
        "organizational_unit_name": organizational_unit_name,
        "email_address": email_address,
        "validity_period_days": None if validity_period_days is None else str(validity_period_days),
    }
    said = {field: value for field, value in given.items() if value is not None}
    if not batch and at_a_terminal():
        said |= answers(_questions(applicant, said))
    asked: Wanted = wanted(applicant, said, tuple(san or ()))
    state = StateDirectory(state_dir or default_directory())
    pem = make(
        applicant,
        asked,
        KeyStores(state.sealing_key),
        Audit(state, client(state_dir, api)),
        out=out,
        force=force,
    )
    if out is None:
        typer.echo(pem.decode(), nl=False)
    else:
        typer.echo(f"wrote {out}")


def _applicant(
    config: Path | None, node: str | None, *, uuid: UUID | None, alias: str | None, key: str | None
) -> Applicant:
    """Return who asks, from either set of options."""
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.requesting import applicant_at, applicant_of

    if config is not None:
        if uuid or alias or key:
            message = "--uuid, --alias and --key go without --config: the configuration says it all"
            raise WrongUsage(message)
        return applicant_of(PlansReader(config, [node] if node else ())(), config)
    if node is not None or uuid is None or key is None:
        message = "give --config FILE (and --node ROUTER/NODE), or both of --uuid and --key"
        raise WrongUsage(message)
    return applicant_at(uuid, alias, key)


def _questions(applicant: Applicant, said: dict[str, str]) -> Iterator[Question]:
    """Yield what is still to be asked, in the order of the audit event."""
    from peerkey_cli.asking import Question
    from peerkey_cli.requesting import LABELS, check_answer, default_of

    for field, label in LABELS.items():
        if field not in said:
            yield Question(
                field,
                label,
                default_of(applicant, field),
                lambda answer, field=field: check_answer(field, answer),  # type: ignore[misc]
            )
