"""``peerkey enroll``: a certificate from the CA, over EST (RFC 7030)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerkey_cli.options import (
    Alias,
    Api,
    CertificateOut,
    Config,
    GivenLists,
    Json,
    KeyName,
    NodeOfConfig,
    NodeUuid,
    StateDir,
    Trusted,
    client,
)

if TYPE_CHECKING:
    from cryptography import x509

    from actors.keystores.port import KeyStore
    from peerkey_cli.audit import Audit
    from peerkey_cli.enrolling import Application, Server
    from peerkey_cli.est_client import Basic, ClientCertificate
    from peerkey_cli.importing import Target
    from peerkey_cli.whose import Whose

#: Holds the password, or names the file that does, where no option and no terminal says it.
_PASSWORD = "PEERKEY_ENROLL_PASSWORD"  # noqa: S105 - the name of a variable
#: How long a command waits at most for a CA that decides later, in seconds: a day.
_LONGEST_WAIT = 86_400


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("enroll")(enroll)


@dataclass(frozen=True, slots=True)
class _Proof:
    """The options that say how the node proves itself."""

    user: str | None
    password_file: Path | None
    certificate: Path | None
    key: Path | None


def enroll(  # noqa: PLR0913, PLR0917 - the options of the command
    config: Config = None,
    node: NodeOfConfig = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The EST server; the url of ca-profile unless given."),
    ] = None,
    ca: Annotated[
        list[Path] | None,
        typer.Option(
            "--ca",
            metavar="FILE",
            help="CAs that the server's TLS certificate may lead to; may be repeated. Unless given: "
            "server-ca-file, or the trusted CAs.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Prove the node by HTTP basic authentication.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            metavar="FILE",
            help="Its password, in a file for its owner alone; unless given, of the environment, or asked.",
        ),
    ] = None,
    client_certificate: Annotated[
        Path | None,
        typer.Option(
            "--client-certificate", metavar="FILE", help="Prove the node by a bootstrap certificate."
        ),
    ] = None,
    client_key: Annotated[
        Path | None, typer.Option("--client-key", metavar="FILE", help="Its private key.")
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option("--request", metavar="FILE", help="Send this request, for the node's own private key."),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=0,
            max=_LONGEST_WAIT,
            help="How long to wait for a late decision.",
        ),
    ] = 60,
    cacerts: Annotated[
        Path | None,
        typer.Option(
            "--cacerts",
            metavar="FILE",
            help="Enroll nothing: write the CA certificates that the server offers, to be compared.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --cacerts if it exists.")
    ] = False,
    uuid: NodeUuid = None,
    alias: Alias = None,
    key: KeyName = None,
    out: CertificateOut = None,
    trust: Trusted = None,
    crl: GivenLists = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Get a certificate from the CA and put it in the place of the node's old one.

    With --user or --client-certificate it is the first one (simpleenroll); without, the certificate that the
    node has proves who asks, and is renewed (simplereenroll). Whatever fails, the old certificate stays.
    """
    from datetime import timedelta
    from functools import partial

    from actors.keystores.stores import KeyStores
    from peerkey_cli.audit import Audit
    from peerkey_cli.enrolled import enroll_and_tell, show_offered
    from peerkey_cli.revoked import known_revoked
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.whose import Whose

    target, server = _addressed(Whose(config, node, uuid, alias, key, out, trust or ()), url, ca or [])
    if cacerts is not None:
        show_offered(target, server, cacerts, force=force, json=json)
        return
    proof = _proof(_Proof(user, password_file, client_certificate, client_key))
    state = StateDirectory(state_dir or default_directory())
    ask = client(state_dir, api)
    audit = Audit(state, ask)
    keys = KeyStores(state.sealing_key)
    given = _request(request)
    audit.check(target.node)
    known_revoked(state)
    application = _application(target, server, keys, proof, given, audit)
    enroll_and_tell(
        application,
        keys,
        audit,
        ask,
        known=partial(known_revoked, state),
        wait=timedelta(seconds=wait),
        crls=crl or [],
        json=json,
    )


def _addressed(whose: Whose, url: str | None, ca: list[Path]) -> tuple[Target, Server]:
    """Return whose certificate it is and which server is asked."""
    from peerkey.config.est_url import est_url
    from peerkey.errors import Misconfigured
    from peerkey_cli.enrolling import Server
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.importing import read_trust, sources_of

    plans = whose.plans()
    target = whose.target(plans, {"--url": url})
    enrollment = plans[0].enrollment if plans else None
    server_trust = target.trusted if enrollment is None else enrollment.server_trust
    where = url or (None if enrollment is None else enrollment.url)
    if where is None:
        message = f"{whose.config}: has no url in ca-profile; set it there to the EST server, or give --url"
        raise Misconfigured(message)
    try:
        server = est_url(where)
    except Misconfigured as fault:
        raise (
            WrongUsage(f"--url {fault}") if url else Misconfigured(f"{whose.config}: ca-profile: {fault}")
        ) from None
    return target, Server(server, read_trust(sources_of(ca) if ca else server_trust))


def _proof(given: _Proof) -> Basic | ClientCertificate | None:
    """Return how the node proves itself; ``None`` where it does with the certificate that it has."""
    import os

    from actors.keystores.passwords import KEY_PASSPHRASE, password, password_in
    from actors.keystores.private_files import read_private
    from peerkey_cli.asking import at_a_terminal, secret
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.est_client import Basic, ClientCertificate

    if (given.certificate is None) is not (given.key is None):
        message = "--client-certificate and --client-key go together"
        raise WrongUsage(message)
    if given.user is not None and given.certificate is not None:
        message = "give either --user or --client-certificate"
        raise WrongUsage(message)
    if given.password_file is not None and given.user is None:
        message = "--password-file goes with --user"
        raise WrongUsage(message)
    if given.certificate is not None and given.key is not None:
        passphrase = password(KEY_PASSPHRASE, os.environ)
        # OpenSSL reads it again, and does not mind who else can.
        read_private(given.key)
        return ClientCertificate(str(given.certificate), str(given.key), passphrase)
    if given.user is None:
        return None
    known = password_in(given.password_file) if given.password_file else password(_PASSWORD, os.environ)
    if known is None and at_a_terminal():
        known = secret(f"Password of {given.user}")
    if known is None:
        message = f"--user needs a password: give --password-file, or set {_PASSWORD}_FILE"
        raise WrongUsage(message)
    return Basic(given.user, known)


def _request(file: Path | None) -> x509.CertificateSigningRequest | None:
    """Read a request that was made before."""
    from peerkey.pki.csr import MAXIMUM_REQUEST_BYTES, read_request
    from peerkey_cli.errors import NotFound
    from peerkey_cli.files import read_bounded

    if file is None:
        return None
    try:
        return read_request(read_bounded(file, MAXIMUM_REQUEST_BYTES), str(file))
    except OSError as fault:
        message = f"{file}: cannot be read: {fault.strerror}"
        raise NotFound(message) from fault


def _application(
    target: Target,
    server: Server,
    keys: KeyStore,
    proof: Basic | ClientCertificate | None,
    given: x509.CertificateSigningRequest | None,
    audit: Audit,
) -> Application:
    """Prepare the request, and record it."""
    from peerkey.errors import Misconfigured
    from peerkey.observe.events import CsrFailed
    from peerkey_cli.enrolling import initial, renewal

    try:
        if proof is None:
            application = renewal(target, server, keys, given)
        else:
            application = initial(target, server, keys, proof, given)
    except Misconfigured as fault:
        audit.record(target.node, CsrFailed(target.name, str(fault)))
        raise
    if application.event is not None:
        audit.record(target.node, application.event)
    return application
