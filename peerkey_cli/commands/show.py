"""``peerkey show``: what a running system says of itself."""

from __future__ import annotations

from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from peerkey_cli.errors import NotFound, WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client

if TYPE_CHECKING:
    from collections.abc import Callable

    from peerkey_cli.schemas import Document

    D = TypeVar("D", bound=Document)


class PeersView(StrEnum):
    """What is shown of peers beside their paths."""

    SECURITY = "security"
    CERTIFICATE = "certificate"


class CertificateView(StrEnum):
    """How much is shown of certificates, or what is shown of revocation lists."""

    DETAIL = "detail"
    CRL = "crl"


def register(app: typer.Typer) -> None:
    """Add the group."""
    show = typer.Typer(help="Show what a running system says of itself.", rich_markup_mode=None)
    show.command("peers")(peers)
    show.command("certificate")(certificate)
    show.command("alarms")(alarms)
    show.command("events")(events)
    show.command("actors")(actors)
    stats = typer.Typer(help="Show what was counted.", rich_markup_mode=None)
    stats.command("security")(stats_security)
    stats.callback()(_statistics)
    show.add_typer(stats, name="stats")
    show.command("hosts")(hosts)
    show.command("targets")(targets)
    security = typer.Typer(help="Show the state of key management.", rich_markup_mode=None)
    security.command("key-status")(key_status)
    # With a callback the group stays a group, also while it has only one command.
    security.callback()(_nothing_in_common)
    show.add_typer(security, name="security")
    app.add_typer(show, name="show")


def peers(
    view: Annotated[PeersView | None, typer.Argument(help="Show certificates and keys too.")] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show every peer with its paths, or also the security or the certificates of every peering."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Peers, PeersCertificate, PeersSecurity

    started, ask = monotonic(), client(state_dir, api)
    if view is None:
        document = ask.get("peers", Peers)
        _print(document, layouts.peers, json=json, started=started)
    elif view is PeersView.SECURITY:
        security = ask.get("peers/security", PeersSecurity)
        _print(security, layouts.peers_security, json=json, started=started)
    else:
        certificates = ask.get("peers/certificate", PeersCertificate)
        _print(certificates, layouts.peers_certificate, json=json, started=started)


def certificate(
    view: Annotated[
        CertificateView | None, typer.Argument(help="Show all that OpenSSL would, or the revocation lists.")
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show the certificate of each node, or everything that is in it, or the revocation lists."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Certificates, RevocationLists

    started, detail = monotonic(), view is CertificateView.DETAIL
    if view is CertificateView.CRL:
        lists = client(state_dir, api).get("certificates/crl", RevocationLists)
        _print(lists, layouts.certificate_crl, json=json, started=started)
        return
    asked = "true" if detail else None
    document = client(state_dir, api).get("certificates", Certificates, detail=asked)
    layout = layouts.certificate_detail if detail else layouts.certificate
    _print(document, layout, json=json, started=started)


def key_status(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show when each node rekeyed and will rekey: index, times, changes, last error."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import KeyStatus

    started = monotonic()
    document = client(state_dir, api).get("security/key-status", KeyStatus)
    _print(document, layouts.key_status, json=json, started=started)


def alarms(
    by: Annotated[str | None, typer.Argument(metavar="[id", help="The word `id`.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="ID]", help="Show this alarm alone.")] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show what is wrong now."""
    if by not in {None, "id"} or (by is None) != (name is None):
        message = "what follows `show alarms` is `id ID`, or nothing"
        raise WrongUsage(message)
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Alarms

    started = monotonic()
    document = client(state_dir, api).get("alarms", Alarms)
    if name is None:
        _print(document, layouts.alarms, json=json, started=started)
        return
    chosen = tuple(alarm for alarm in document.alarms if alarm.id == name)
    if not chosen:
        message = f"there is no alarm {name!r} now; `peerkey show alarms` lists them"
        raise NotFound(message)
    one = Alarms(time=document.time, alarms=chosen)
    _print(one, layouts.alarm, json=json, started=started)


def events(
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="T", help="Only this type, or all below it: `key`, `path.down`."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="T", help="Only from then on: an ISO 8601 time, or `15m`, `2h`, `1d`."
        ),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show the audit events of the running process, oldest first; the file events.jsonl holds all of them."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Events
    from peerkey_cli.times import instant

    started = monotonic()
    begin = None if since is None else instant(since).isoformat()
    document = client(state_dir, api).get("events", Events, type=kind, since=begin)
    _print(document, layouts.events, json=json, started=started)


def actors(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show every actor: kind, name, host, process, machine, state, restarts, mailbox."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Actors

    started = monotonic()
    document = client(state_dir, api).get("actors", Actors)
    _print(document, layouts.actors, json=json, started=started)


def hosts(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show every process that runs nodes: host, process, machine, state, nodes, restarts."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Hosts

    started = monotonic()
    document = client(state_dir, api).get("hosts", Hosts)
    _print(document, layouts.hosts, json=json, started=started)


def targets(
    file_sd: Annotated[
        bool, typer.Option("--file-sd", help="Print what file_sd_configs of Prometheus reads.")
    ] = False,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show where Prometheus finds the metrics of each machine."""
    if file_sd and json:
        message = "--file-sd: it is JSON already, of Prometheus' own form; leave --json out"
        raise WrongUsage(message)
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Targets

    started = monotonic()
    document = client(state_dir, api).get("targets", Targets)
    if file_sd:
        from json import dumps

        from peerkey_cli.targets import Target, discovered

        found = [Target(each.machine, each.address) for each in document.targets]
        typer.echo(dumps(discovered(found), indent=1))
        return
    _print(document, layouts.targets, json=json, started=started)


def stats_security(
    counter: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD …]", help="`CSR`, `peer certificate expired`: these counters alone."),
    ] = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Show what was counted of requests, imports, revocation lists and certificates gone bad."""
    from peerkey_cli import layouts, statistics
    from peerkey_cli.schemas import SecurityStats

    words = " ".join(counter or ()).split()
    try:
        statistics.chosen(words)
    except NotFound as fault:
        raise WrongUsage(str(fault)) from fault
    started = monotonic()
    asked = " ".join(words) or None
    document = client(state_dir, api).get("stats/security", SecurityStats, counter=asked)
    _print(document, layouts.stats_security, json=json, started=started)


def _statistics() -> None:
    """Show what was counted."""


def _nothing_in_common() -> None:
    """Show the state of key management."""


def _print(document: D, layout: Callable[[D, bool], list[str]], *, json: bool, started: float) -> None:
    """Print a document for a program, or for a person with how long it took."""
    import sys

    from peerkey_cli.terminal import coloured, say, say_json

    if json:
        say_json(document)
    else:
        say(*layout(document, coloured(sys.stdout)))
        say("", f"Completed in {monotonic() - started:.2f} seconds")
