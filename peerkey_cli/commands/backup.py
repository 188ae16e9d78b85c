"""``peerkey backup`` and ``peerkey restore``: a node's state, sealed under a passphrase, and back again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from peerkey_cli.errors import WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client

if TYPE_CHECKING:
    from peerkey_cli.backup.entries import NodeName
    from peerkey_cli.backup.sealing import NoBackup
    from peerkey_cli.client import Client
    from peerkey_cli.schemas import BackupShown

PassphraseFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="The passphrase, in a file that only you can read; asked for at the terminal unless given.",
    ),
]
OneNode: TypeAlias = Annotated[
    str | None, typer.Option("--node", metavar="ROUTER/NODE", help="Only this node; every node unless given.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(  # noqa: PLR0913, PLR0917 - the options of the command
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the backup goes.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Read this backup to its end instead.")
    ] = None,
    node: OneNode = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The configuration: it, the certificates and the private keys that it names go along.",
        ),
    ] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option("--include", metavar="FILE", help="Another file, such as that of --api-tokens."),
    ] = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="All of the audit log instead of its latest part.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it is there.")] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Back the state directory up, whether a system runs there or not, sealed under a passphrase.

    No peer key is in a backup: a restored node agrees new ones. Private keys in files are.
    """
    import os
    from datetime import UTC, datetime

    from actors.names import AUTHORITY
    from peerkey.observe.events import BackupMade
    from peerkey_cli.audit import recording
    from peerkey_cli.backup.gathering import Wanted, gathered, names_of
    from peerkey_cli.backup.passphrases import passphrase
    from peerkey_cli.backup.writing import written
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.state import StateDirectory, default_directory

    if (out is None) is (check is None):
        message = "give either --out FILE, to make a backup, or --check FILE, to look at one"
        raise WrongUsage(message)
    if check is not None:
        _check(check, passphrase_file, json=json)
        return
    assert out is not None  # noqa: S101 - one of both is given
    if out.exists() and not force:
        from peerkey.errors import Misconfigured

        message = f"{out}: is there already; name another file, or replace it with --force"
        raise Misconfigured(message)
    state = StateDirectory(state_dir or default_directory())
    plans = () if config is None else PlansReader(config)()
    nodes = names_of(plans) or _running(client(state_dir, api))
    wanted = Wanted(state, nodes, node, plans, config, tuple(include or ()), logs)
    found = gathered(wanted, datetime.now(UTC))
    secret = passphrase(passphrase_file, new=True)
    # What cannot be recorded is not done.
    with recording(state) as record:
        shown = written(out, found, secret, os.urandom, replace=force)
        event = BackupMade(
            out.name, tuple(each.name for each in found.manifest.nodes), shown.audit_head or ""
        )
        record(datetime.now(UTC), AUTHORITY, event)
    _show(shown, json=json, verb="wrote")


def _running(asked: Client) -> tuple[NodeName, ...]:
    """Return the nodes that run here, by name; none where no system runs."""
    from peerkey_cli import schemas
    from peerkey_cli.backup.entries import NodeName
    from peerkey_cli.errors import Unreachable

    try:
        nodes = asked.get("certificates", schemas.Certificates).nodes
        mates = {each.node: each.mate_uuid for each in asked.get("ha", schemas.HaNodes).nodes}
    except Unreachable:
        return ()
    return tuple(NodeName(each.node, each.uuid, mates.get(each.node) or "") for each in nodes)


def _check(file: Path, passphrase_file: Path | None, *, json: bool) -> None:
    """Read a backup to its end."""
    from peerkey_cli.backup.passphrases import passphrase
    from peerkey_cli.backup.restoring import checked
    from peerkey_cli.backup.sealing import NoBackup
    from peerkey_cli.backup.writing import opened, shown_of

    with opened(file) as content:
        secret = passphrase(passphrase_file, new=False)
        try:
            found = checked(content, secret)
        except NoBackup as fault:
            raise _named(file, fault) from fault
    _show(shown_of(file, found), json=json, verb="checked")


def _named(file: Path, fault: NoBackup) -> NoBackup:
    return type(fault)(f"{file}: {fault}")


def _show(shown: BackupShown, *, json: bool, verb: str) -> None:
    from peerkey_cli.backup.writing import lines
    from peerkey_cli.terminal import say, say_json

    if json:
        say_json(shown)
    else:
        say(*lines(shown, verb))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", readable=False)],
    node: OneNode = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where there is state already, which is set aside.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
    state_dir: StateDir = None,
) -> None:
    """Restore a backup into the state directory, in which no system may run: whole, or not at all.

    No key and no number of before comes back into use: peers agree new keys with a restored node.
    """
    from datetime import UTC, datetime

    from peerkey.errors import PeerkeyError
    from peerkey_cli.backup.passphrases import passphrase
    from peerkey_cli.backup.restoring import restore as restored
    from peerkey_cli.backup.sealing import NoBackup, WrongPassphrase
    from peerkey_cli.backup.writing import opened, restored_lines, restored_shown
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.terminal import say, say_json

    state = StateDirectory(state_dir or default_directory())
    with opened(file) as content:
        secret = passphrase(passphrase_file, new=False)
        try:
            done = restored(content, secret, state, node=node, force=force, now=datetime.now(UTC))
        except (NoBackup, WrongPassphrase) as fault:
            wrong: PeerkeyError = type(fault)(f"{file}: {fault}; nothing was changed")
            raise wrong from fault
    shown = restored_shown(state, done, datetime.now(UTC))
    if json:
        say_json(shown)
    else:
        say(*restored_lines(shown))
