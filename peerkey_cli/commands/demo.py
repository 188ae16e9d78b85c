"""``peerkey demo``: a fleet that keys itself before one's eyes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.errors import WrongUsage

if TYPE_CHECKING:
    from actors.messages import NodeStatus
    from peerkey.protocol.suites import Algorithm

_MOST_ROUTERS = 32
_MOST_PATHS = 8


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(  # noqa: PLR0913, PLR0917 - the options of the command
    routers: Annotated[
        int, typer.Option("--routers", min=2, max=_MOST_ROUTERS, help="Routers, each a peer of every other.")
    ] = 4,
    paths: Annotated[
        int, typer.Option("--paths", min=1, max=_MOST_PATHS, help="Paths between each two of them.")
    ] = 2,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="NAME", help="Key exchange, such as ml-kem-1024.")
    ] = "diffie-hellman-2048-ml-kem-768",
    fail_hard: Annotated[
        bool,
        typer.Option(
            "--fail-hard", help="Let a bad certificate take the peering away, and show that it does."
        ),
    ] = False,
    ha: Annotated[
        bool,
        typer.Option(
            "--ha", help="Let one router be an HA pair, kill its leading node, and show that no key is."
        ),
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="DIR", help="Make everything in DIR, which is new or empty, and leave it."
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Let Prometheus watch there, at /metrics."),
    ] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", min=1, max=3_600, help="Seconds within which all of it must happen.")
    ] = 180,
    runtime: Annotated[
        str, typer.Option("--runtime", metavar="KIND", help="What runs the actors.")
    ] = "local",
) -> None:
    """Key a fleet of routers over real UDP on this machine, and watch it happen.

    Makes a throw-away CA, certificates and a configuration; authenticates and keys every peering; rotates
    every key once; revokes one certificate at the CA, whose list arrives over HTTP; lets one expire and shows
    the alarms. Ends with 0 only if all of it happened.

    With --ha the first router has two nodes, each in a process of its own, and the others are its peers. The
    node that leads is killed; its mate takes its keys over, no peer rekeys, and it comes back.

    With --runtime ray the routers run on hosts of a Ray cluster on this machine. A host is killed; it comes
    back, and no key is lost or replaced.
    """
    if runtime not in {"local", "ray"}:
        message = f"--runtime {runtime}: there are `local` and `ray`"
        raise WrongUsage(message)
    if runtime == "ray" and (ha or fail_hard):
        message = "--runtime ray is a demonstration of its own; ask for it without --ha and --fail-hard"
        raise WrongUsage(message)
    if ha and fail_hard:
        message = "--ha and --fail-hard are two demonstrations; ask for one of them"
        raise WrongUsage(message)
    if metrics is not None and ha:
        message = "--metrics is of one page: leave --ha out, whose nodes have a page each"
        raise WrongUsage(message)
    chosen = _algorithm(algorithm)
    from peerkey_cli.sockets import tcp_address

    watched = None if metrics is None else tcp_address(metrics)
    import logging
    import tempfile

    from peerkey_cli import logs

    logs.configure(level=logging.ERROR)
    _stop_alike()
    if keep is not None:
        _check_empty(keep)
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="peerkey-demo-") as folder:
        if runtime == "ray":
            _run_cluster(Path(folder), routers, paths, chosen, timeout, metrics=metrics)
        elif ha:
            _run_pair(Path(folder), routers - 1, paths, chosen, timeout)
        else:
            _run(Path(folder), routers, paths, chosen, timeout, fail_hard=fail_hard, metrics=watched)
    if keep is not None:
        again = f"peerkey run {keep}/authority.yaml"
        what = f"{again} --node NODE` runs a node of it" if ha else f"{again}` runs the fleet"
        typer.echo(f"\nEverything is in {keep}; `{what} again.")


def _stop_alike() -> None:
    """Let SIGTERM end the demonstration as SIGINT does, so that nothing is left behind."""
    import signal

    # Also where a shell started this in the background, with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _run(
    folder: Path,
    routers: int,
    paths: int,
    algorithm: Algorithm,
    timeout: int,
    *,
    fail_hard: bool,
    metrics: tuple[str, int] | None,
) -> None:
    import asyncio
    from datetime import timedelta

    from peerkey_cli.demo.authority import lay_out
    from peerkey_cli.demo.display import display
    from peerkey_cli.demo.lists import ListServer
    from peerkey_cli.demo.story import Demonstration

    peerings = routers * (routers - 1) // 2
    with ListServer() as server, display() as shown:
        meshed = f"{routers} routers, {_counted(peerings, 'peering')}, {_counted(peerings * paths, 'path')}"
        shown.tell(f"{meshed}, keyed by {algorithm.name}, on UDP")
        authority = lay_out(
            folder, routers=routers, paths=paths, algorithm=algorithm, crl=server.url, fail_hard=fail_hard
        )
        server.publish(authority.revocation_list(1))
        shown.tell(f"Made a CA, {routers} certificates, a revocation list and a configuration.")
        within = timedelta(seconds=timeout)
        demonstration = Demonstration(authority, server, shown, within, fail_hard=fail_hard, metrics=metrics)
        fleet = asyncio.run(demonstration.run())
    _print(fleet)


def _run_pair(folder: Path, branches: int, paths: int, algorithm: Algorithm, timeout: int) -> None:
    import sys
    from datetime import timedelta

    from peerkey_cli import layouts
    from peerkey_cli.demo.display import display
    from peerkey_cli.demo.pair_authority import lay_out_pair
    from peerkey_cli.demo.pair_story import PairDemonstration, processes_of
    from peerkey_cli.terminal import coloured, say

    peerings = 2 * branches
    with display() as shown:
        meshed = f"{_counted(branches, 'peer')}, {peerings} peerings, {_counted(peerings * paths, 'path')}"
        shown.tell(
            f"an HA router of 2 nodes, {meshed}, keyed by {algorithm.name}, on UDP, the nodes linked by SSH"
        )
        authority = lay_out_pair(folder, branches=branches, paths=paths, algorithm=algorithm)
        shown.tell(f"Made a CA, {branches + 2} certificates, 2 SSH keys and a configuration.")
        within = timedelta(seconds=timeout)
        status = PairDemonstration(authority, processes_of(authority), shown, within).run()
    say("", "show security key-status", *layouts.key_status(status, coloured(sys.stdout))[1:])


def _run_cluster(
    folder: Path, routers: int, paths: int, algorithm: Algorithm, timeout: int, *, metrics: str | None
) -> None:
    import sys
    from datetime import timedelta

    from peerkey_cli.demo import tables
    from peerkey_cli.demo.authority import lay_out
    from peerkey_cli.demo.cluster_story import HOSTS, ClusterDemonstration
    from peerkey_cli.demo.display import display
    from peerkey_cli.demo.lists import ListServer
    from peerkey_cli.demo.processes import NodeProcess
    from peerkey_cli.terminal import coloured, say

    peerings = routers * (routers - 1) // 2
    with ListServer() as server, display() as shown:
        meshed = f"{routers} routers, {_counted(peerings, 'peering')}, {_counted(peerings * paths, 'path')}"
        shown.tell(f"{meshed}, keyed by {algorithm.name}, on {HOSTS} hosts of a Ray cluster")
        authority = lay_out(folder, routers=routers, paths=paths, algorithm=algorithm, crl=server.url)
        server.publish(authority.revocation_list(1))
        shown.tell(f"Made a CA, {routers} certificates, a revocation list and a configuration.")
        watched = () if metrics is None else ("--metrics", metrics)
        words = ("--runtime", "ray", "--hosts", str(HOSTS), *watched)
        process = NodeProcess("cluster", authority.file, (), authority.state, *words)
        within = timedelta(seconds=timeout)
        peers = ClusterDemonstration(authority, process, server, shown, within).run()
    say("", "show peers security", *tables.peers_security(peers, coloured(sys.stdout)))


def _print(fleet: tuple[NodeStatus, ...]) -> None:
    """Print the tables at the end: every path with the state of its keys, and the alarms."""
    import sys
    from datetime import UTC, datetime

    from peerkey_cli import documents, layouts
    from peerkey_cli.demo import tables
    from peerkey_cli.terminal import coloured, say

    colours, now = coloured(sys.stdout), datetime.now(UTC)
    say("", "show peers security", *tables.peers_security(documents.peers_security(fleet, now), colours))
    say("", "show alarms", *layouts.alarms(documents.alarms(fleet, {}, now), colours)[2:])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _algorithm(name: str) -> Algorithm:
    from peerkey.protocol.suites.algorithm import ALL, Algorithm

    try:
        return Algorithm.parse(name)
    except ValueError:
        message = (
            f"--algorithm {name}: no such key exchange; there are {', '.join(each.name for each in ALL)}"
        )
        raise WrongUsage(message) from None


def _check_empty(folder: Path) -> None:
    from peerkey.errors import Misconfigured

    try:
        if folder.exists() and any(folder.iterdir()):
            message = f"{folder}: not empty; name a directory that is new or empty"
            raise Misconfigured(message)
    except OSError as fault:
        message = f"{folder}: cannot be read: {fault.strerror}; name a directory that is new or empty"
        raise Misconfigured(message) from fault
