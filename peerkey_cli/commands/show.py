"""``peerkey show``: what a running system says of itself."""

from __future__ import annotations

from enum import StrEnum
from time import monotonic
from typing import Annotated

import typer

from peerkey_cli.commands import show_alarms, show_events
from peerkey_cli.errors import NotFound, WrongUsage
from peerkey_cli.options import Api, Json, StateDir, client
from peerkey_cli.printing import print_document


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
    show.command("alarms")(show_alarms.alarms)
    show.command("events")(show_events.events)
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
        print_document(document, layouts.peers, json=json, started=started)
    elif view is PeersView.SECURITY:
        security = ask.get("peers/security", PeersSecurity)
        print_document(security, layouts.peers_security, json=json, started=started)
    else:
        certificates = ask.get("peers/certificate", PeersCertificate)
        print_document(certificates, layouts.peers_certificate, json=json, started=started)


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
        print_document(lists, layouts.certificate_crl, json=json, started=started)
        return
    asked = "true" if detail else None
    document = client(state_dir, api).get("certificates", Certificates, detail=asked)
    layout = layouts.certificate_detail if detail else layouts.certificate
    print_document(document, layout, json=json, started=started)


def key_status(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show when each node rekeyed and will rekey: index, times, changes, last error."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import KeyStatus

    started = monotonic()
    document = client(state_dir, api).get("security/key-status", KeyStatus)
    print_document(document, layouts.key_status, json=json, started=started)


def actors(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show every actor: kind, name, host, process, machine, state, restarts, mailbox."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Actors

    started = monotonic()
    document = client(state_dir, api).get("actors", Actors)
    print_document(document, layouts.actors, json=json, started=started)


def hosts(json: Json = False, state_dir: StateDir = None, api: Api = None) -> None:
    """Show every process that runs nodes: host, process, machine, state, nodes, restarts."""
    from peerkey_cli import layouts
    from peerkey_cli.schemas import Hosts

    started = monotonic()
    document = client(state_dir, api).get("hosts", Hosts)
    print_document(document, layouts.hosts, json=json, started=started)


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
    print_document(document, layouts.targets, json=json, started=started)


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
    print_document(document, layouts.stats_security, json=json, started=started)


def _statistics() -> None:
    """Show what was counted."""


def _nothing_in_common() -> None:
    """Show the state of key management."""
