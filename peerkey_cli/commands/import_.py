"""``peerkey import certificate``: a certificate that an authority has issued goes into service."""

from __future__ import annotations

from typing import Annotated

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


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Take what an authority has issued into service.", rich_markup_mode=None)
    group.command("certificate")(certificate)
    # With a callback the group stays a group, also while it has only one command.
    group.callback()(_nothing_in_common)
    app.add_typer(group, name="import")


def certificate(  # noqa: PLR0913, PLR0917 - the options of the command
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="What the authority sent; - reads a paste.")],
    config: Config = None,
    node: NodeOfConfig = None,
    key: KeyName = None,
    out: CertificateOut = None,
    trust: Trusted = None,
    uuid: NodeUuid = None,
    alias: Alias = None,
    crl: GivenLists = None,
    json: Json = False,
    state_dir: StateDir = None,
    api: Api = None,
) -> None:
    """Check a certificate and put it in the place of the node's old one.

    No private key may accompany it, it must be valid for this node and its private key, and it must not be
    revoked. Whatever fails, the old certificate stays.
    """
    from datetime import UTC, datetime

    from actors.keystores.stores import KeyStores
    from peerkey.errors import Misconfigured
    from peerkey.observe.events import CertificateRefused
    from peerkey.pki.ingest import ImportRefused, ingested
    from peerkey.pki.policy import leaf_remarks
    from peerkey_cli.audit import Audit
    from peerkey_cli.importing import install, judged, read_given
    from peerkey_cli.reloading import reload
    from peerkey_cli.revoked import known_revoked
    from peerkey_cli.schemas import Imported
    from peerkey_cli.state import StateDirectory, default_directory
    from peerkey_cli.terminal import say, say_json
    from peerkey_cli.whose import Whose
    from peerkey_cli.working import working

    whose = Whose(config, node, uuid, alias, key, out, trust or ())
    target = whose.target(whose.plans())
    state = StateDirectory(state_dir or default_directory())
    ask = client(state_dir, api)
    audit = Audit(state, ask)
    content, source = read_given(file)
    audit.check(target.node)
    now = datetime.now(UTC)
    try:
        with working("Checking the certificate"):
            imported = judged(
                content,
                source,
                target,
                KeyStores(state.sealing_key),
                known=known_revoked(state),
                crls=crl or [],
                at=now,
            )
        install(target, imported)
    except ImportRefused as fault:
        audit.record(target.node, CertificateRefused(target.name, fault.check.value, fault.reason))
        raise
    except Misconfigured as fault:
        audit.record(target.node, CertificateRefused(target.name, "installation", str(fault)))
        raise
    event = ingested(target.name, imported.chain[0])
    audit.record(target.node, event)
    reloaded, remark = reload(ask)
    done = Imported(
        time=now,
        node=target.node,
        name=target.name,
        file=str(target.certificate),
        certificates=len(imported.chain),
        left_out=imported.left_out,
        not_after=imported.examination.not_after,
        fingerprint=event.fingerprint,
        remarks=leaf_remarks(imported.chain[0]),
        reloaded=reloaded,
    )
    if json:
        say_json(done)
        return
    more = f", with {done.certificates - 1} of its issuers" if done.certificates > 1 else ""
    say(
        f"Imported {done.name} of {done.node} to {done.file}{more}.",
        f"It is valid until {imported.examination.not_after:%Y-%m-%dT%H:%M:%SZ}; SHA-1 {done.fingerprint}.",
        *([f"Left out {done.left_out} that do not belong to its chain."] if done.left_out else []),
        *(f"Remark: {each}." for each in done.remarks),
        remark,
    )


def _nothing_in_common() -> None:
    """Take what an authority has issued into service."""
