"""``peerkey run``: run an authority, or some nodes of it, until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metrics.detail import WantedDetail
from peerkey_cli.errors import WrongUsage
from peerkey_cli.options import Api, StateDir, is_remote, remote_url, socket_path
from runtime.cluster.placement import Placement

if TYPE_CHECKING:
    from peerkey_cli.api.remote import RemoteSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(  # noqa: PLR0913, PLR0917 - the options of the command
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.", readable=False)],
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node", metavar="ROUTER/NODE", help="Run only this node of the file; may be repeated."
        ),
    ] = None,
    state_dir: StateDir = None,
    api: Api = None,
    api_certificate: Annotated[
        Path | None,
        typer.Option(
            "--api-certificate", metavar="FILE", help="With --api https://HOST:PORT: its certificate, in PEM."
        ),
    ] = None,
    api_key: Annotated[
        Path | None, typer.Option("--api-key", metavar="FILE", help="The private key of that certificate.")
    ] = None,
    api_tokens: Annotated[
        Path | None,
        typer.Option("--api-tokens", metavar="FILE", help="Who may use it: see `create api-token`."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Let Prometheus ask there, for /metrics."),
    ] = None,
    metrics_detail: Annotated[
        WantedDetail,
        typer.Option(
            "--metrics-detail",
            help="What Prometheus is told one by one: peers and paths, nodes, or neither.",
        ),
    ] = WantedDetail.AUTO,
    syslog: Annotated[
        str | None,
        typer.Option(
            "--syslog", metavar="ADDR", help="Copy the audit log there: unix:/dev/log, or udp:ADDRESS:PORT."
        ),
    ] = None,
    runtime: Annotated[
        str, typer.Option("--runtime", metavar="KIND", help="What runs the actors: local or ray.")
    ] = "local",
    ray_address: Annotated[
        str,
        typer.Option(
            "--ray-address",
            metavar="HOST:PORT",
            help="With --runtime ray: the head; local starts a cluster that ends with this command.",
        ),
    ] = "local",
    redis: Annotated[
        str | None,
        typer.Option(
            "--redis", metavar="ADDR", help="With --runtime ray: the shared store, redis://HOST:PORT."
        ),
    ] = None,
    redis_password_file: Annotated[
        Path | None, typer.Option("--redis-password-file", metavar="FILE", help="Its password.")
    ] = None,
    redis_ca: Annotated[
        Path | None, typer.Option("--redis-ca", metavar="FILE", help="Who vouches for its TLS certificate.")
    ] = None,
    placement: Annotated[
        Placement,
        typer.Option(
            "--placement",
            help="With --runtime ray: a process for several nodes, for each, or for each and each path.",
        ),
    ] = Placement.PACKED,
    hosts: Annotated[
        int,
        typer.Option("--hosts", min=1, max=64, help="Processes on each machine, where nodes are packed."),
    ] = 2,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="With --runtime ray: return once the fleet runs, and let it run on."),
    ] = False,
) -> None:
    """Run the authority of FILE, or only the named nodes of it, until stopped.

    SIGTERM and SIGINT stop it, SIGHUP reads configuration and certificates again. It logs to standard
    error: "ready" when the admin API answers.
    """
    given = {"--redis": redis, "--redis-password-file": redis_password_file, "--redis-ca": redis_ca}
    _check_runtime(runtime, [name for name, value in given.items() if value is not None], detach=detach)
    import asyncio

    from peerkey_cli import logs
    from peerkey_cli.plans import PlansReader
    from peerkey_cli.sockets import tcp_address
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.syslog import SyslogAddress

    remote = _remote(api, api_certificate, api_key, api_tokens)
    socket = socket_path(state_dir, None if remote is not None else api)
    scraped = None if metrics is None else tcp_address(metrics)
    copied = None if syslog is None else SyslogAddress.of_text(syslog)
    logs.configure()
    state = StateDirectory(state_dir or default_directory())
    plans = PlansReader(file.absolute() if runtime == "ray" else file, node or ())
    if runtime == "local":
        from peerkey_cli.daemon import serve

        asyncio.run(serve(plans, state, socket, scraped, copied, remote, metrics_detail))
        return
    if api is not None and remote is None:
        message = "--api: on a cluster the Unix socket is api.sock of the state directory of each machine"
        raise WrongUsage(message)
    if detach and ray_address == "local":
        message = "--detach: a cluster that this command starts ends with it; name one with --ray-address"
        raise WrongUsage(message)
    from peerkey_cli.cluster import driver
    from peerkey_cli.cluster.settings import ApiSettings, ClusterSettings, RedisSettings

    settings = ClusterSettings(
        authority=plans()[0].authority,
        file=file.absolute(),
        nodes=tuple(node or ()),
        state=state.path.absolute(),
        placement=placement,
        hosts=hosts,
        redis=None
        if redis is None
        else RedisSettings(
            address=redis if "://" in redis or redis.startswith("unix:") else f"redis://{redis}",
            password_file=redis_password_file and redis_password_file.absolute(),
            ca_file=redis_ca and redis_ca.absolute(),
        ),
        metrics=scraped,
        metrics_detail=metrics_detail,
        api=None
        if remote is None
        else ApiSettings(
            address=remote.address,
            certificate=remote.certificate.absolute(),
            key=remote.key.absolute(),
            tokens=remote.tokens.absolute(),
        ),
        syslog=syslog,
        alone=ray_address == "local",
    )
    asyncio.run(driver.serve(plans, settings, ray_address, detach=detach))


def _remote(
    api: str | None, certificate: Path | None, key: Path | None, tokens: Path | None
) -> RemoteSettings | None:
    """Return where the admin API listens over TCP, if it does.

    :raises WrongUsage: the address is none, or the options do not go together.
    """
    from peerkey_cli.api.remote import RemoteSettings
    from peerkey_cli.sockets import tcp_address

    files = {"--api-certificate": certificate, "--api-key": key, "--api-tokens": tokens}
    if not is_remote(api):
        given = [name for name, file in files.items() if file is not None]
        if given:
            message = f"{', '.join(given)}: these go with --api https://HOST:PORT"
            raise WrongUsage(message)
        return None
    address = tcp_address(remote_url(api).removeprefix("https://"))
    if certificate is None or key is None or tokens is None:
        missing = ", ".join(name for name, file in files.items() if file is None)
        message = f"--api {api} needs {missing} too: over TCP there is no admin API without TLS and tokens"
        raise WrongUsage(message)
    return RemoteSettings(address, certificate, key, tokens)


def _check_runtime(runtime: str, of_a_cluster: list[str], *, detach: bool) -> None:
    """Refuse what does not go together.

    :raises WrongUsage: it does not.
    """
    if runtime == "sim":
        message = "--runtime sim: a simulation has faults, a seed and an end; use `peerkey simulate FILE`"
        raise WrongUsage(message)
    if runtime not in {"local", "ray"}:
        message = f"--runtime {runtime}: there are `local` and `ray`"
        raise WrongUsage(message)
    if runtime == "local" and (of_a_cluster or detach):
        message = f"{', '.join(of_a_cluster) or '--detach'}: these go with --runtime ray"
        raise WrongUsage(message)
