"""Enrolling as a command does it: ask, check, install, record and tell; or look at what the CA offers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import PeerkeyError
from peerkey.pki.certificate import fingerprint
from peerkey_cli.enrolling import failure, submit, success, take
from peerkey_cli.errors import Refused
from peerkey_cli.est_client import EstClient, Unfinished, tls_context
from peerkey_cli.importing import read_trust
from peerkey_cli.laboratory.writing import PUBLIC, refuse_existing, write
from peerkey_cli.reloading import reload
from peerkey_cli.schemas import Enrolled, OfferedCa, OfferedCas
from peerkey_cli.terminal import block, say, say_json
from peerkey_cli.working import Working, working

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from actors.keystores.port import KeyStore
    from peerkey.pki.revocation import Revocation
    from peerkey_cli.audit import Audit
    from peerkey_cli.client import Client
    from peerkey_cli.enrolling import Application, Server
    from peerkey_cli.importing import Target


async def _patient(line: Working, seconds: float) -> None:
    """Wait until the CA may be asked again, and say for what."""
    line.now(f"The CA decides later, and is asked again every {seconds:.0f} s")
    await asyncio.sleep(seconds)


def enroll_and_tell(
    application: Application,
    keys: KeyStore,
    audit: Audit,
    ask: Client,
    *,
    known: Callable[[], Revocation],
    wait: timedelta,
    crls: list[Path],
    json: bool,
) -> None:
    """Ask, check, install, and tell. What is ``known`` to be revoked is asked for once the CA has issued.

    :raises PeerkeyError: the CA is not there, refuses, decides later, or issued what cannot be installed.
    """
    target = application.target
    issued = False
    try:
        with working(f"Waiting for the CA, {application.server}") as line:
            answer = asyncio.run(submit(application, wait, partial(_patient, line)))
        if isinstance(answer, Unfinished):
            now = datetime.now(UTC)
            message = (
                f"{application.server}: the CA has the request and decides later: run the same command again "
                f"after {now + answer.retry_after:%Y-%m-%dT%H:%M:%SZ}; nothing was changed"
            )
            raise Refused(message)
        issued = True
        now = datetime.now(UTC)
        imported = take(application, answer, keys, known=known(), crls=crls, at=now)
    except Refused:
        raise
    except PeerkeyError as fault:
        for event in failure(application, fault, issued=issued):
            audit.record(target.node, event)
        raise
    ingested, enrolled = success(application, imported)
    audit.record(target.node, ingested)
    audit.record(target.node, enrolled)
    reloaded, remark = reload(ask)
    done = Enrolled(
        time=now,
        node=target.node,
        name=target.name,
        server=str(application.server),
        operation=application.operation.value,
        file=str(target.certificate),
        certificates=len(imported.chain),
        not_after=imported.examination.not_after,
        fingerprint=enrolled.fingerprint,
        reloaded=reloaded,
    )
    if json:
        say_json(done)
        return
    more = f", with {done.certificates - 1} of its issuers" if done.certificates > 1 else ""
    say(
        f"Enrolled {done.name} of {done.node} at {done.server} ({done.operation}) to {done.file}{more}.",
        f"It is valid until {done.not_after:%Y-%m-%dT%H:%M:%SZ}; SHA-1 {done.fingerprint}.",
        remark,
    )


def show_offered(target: Target, server: Server, file: Path, *, force: bool, json: bool) -> None:
    """Write what the CA says of itself, and show by what to compare it.

    :raises PeerkeyError: the CA is not there or offers nothing, or the file cannot be written.
    """
    refuse_existing([file], force=force)
    known = {fingerprint(each) for each in read_trust(target.trusted).certificates}
    found = asyncio.run(EstClient(server.url, tls_context(server.trust)).cacerts())
    write(file, b"".join(each.public_bytes(Encoding.PEM) for each in found), PUBLIC, force=force)
    offered = OfferedCas(
        time=datetime.now(UTC),
        server=str(server.url),
        file=str(file),
        offered=tuple(
            OfferedCa(
                subject=each.subject.rfc4514_string(),
                issuer=each.issuer.rfc4514_string(),
                not_after=each.not_valid_after_utc,
                fingerprint_sha256=fingerprint(each).hex(":").upper(),
                trusted=fingerprint(each) in known,
            )
            for each in found
        ),
    )
    if json:
        say_json(offered)
        return
    for each in offered.offered:
        fields = (
            ("Issuer", each.issuer),
            ("Valid until", f"{each.not_after:%Y-%m-%dT%H:%M:%SZ}"),
            ("SHA-256", each.fingerprint_sha256),
            ("Trusted here", "yes" if each.trusted else "no"),
        )
        say(*block(each.subject, fields))
    say(f"Wrote {len(found)} to {file}. Nothing was enrolled, and nobody is trusted who was not before.")
