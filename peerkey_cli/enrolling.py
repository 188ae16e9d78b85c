"""Enrolling one node: what is sent to the CA and how it is proved who asks, and what is done with the answer.

A node without a certificate proves itself with a password or with a certificate that it was given for this
(``simpleenroll``); one that has a certificate proves itself with that (``simplereenroll``). Either way the
private key stays where it is, and the answer is imported as if an operator had handed it over: the same three
checks, the same atomic replacement. What the CA says of itself (``cacerts``) fills gaps in a chain. It never
makes anybody trusted: a chain to a CA that was not trusted before is refused, with what to do about it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.keystores.passwords import KEY_PASSPHRASE, password
from peerkey.config.est_url import EstUrl, Operation
from peerkey.config.key_names import is_file
from peerkey.config.plan import CertificateSource, ValidationMode
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import CertificateIngested, CertificateRefused, Enrolled, EnrollmentFailed
from peerkey.pki.certificate import fingerprint, public_key_of, read_bundle
from peerkey.pki.csr import generated, generated_again, request, request_again
from peerkey.pki.ingest import Accepted, Check, ImportRefused, ingested
from peerkey.pki.revocation import NoRevocation
from peerkey.pki.trust import TrustAnchors, has_issued
from peerkey_cli.audit import CommandEvent
from peerkey_cli.errors import WrongUsage
from peerkey_cli.est_client import (
    Basic,
    ClientCertificate,
    EstClient,
    EstRefused,
    NotEst,
    Unfinished,
    tls_context,
)
from peerkey_cli.files import read_file
from peerkey_cli.importing import Target, install, judged
from peerkey_cli.requesting import Applicant, wanted

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from actors.keystores.port import KeyStore
    from peerkey.observe.events import CsrGenerated
    from peerkey.pki.est import Issued
    from peerkey.pki.revocation import Revocation
    from peerkey.secret import Secret

#: How a program waits between two requests.
Sleep = Callable[[float], Awaitable[None]]
#: CAs that are named to an operator who has to decide about them.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Server:
    """An EST server, and whom its TLS certificate may lead to."""

    url: EstUrl
    trust: TrustAnchors


@dataclass(frozen=True, slots=True)
class Application:
    """A request with everything that it takes to make it, also more than once."""

    target: Target
    server: EstUrl
    operation: Operation
    request: x509.CertificateSigningRequest
    #: ``None`` where the request was made elsewhere, and told of there.
    event: CsrGenerated | None
    tls: ssl.SSLContext = field(repr=False)
    basic: Basic | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the CA issued, and which CA certificates it offers. Nothing of it has been checked."""

    issued: Issued
    offered: tuple[x509.Certificate, ...]


def current(target: Target) -> tuple[x509.Certificate, ...]:
    """Return the certificate that the node has, with its issuers; nothing where there is no file.

    :raises Misconfigured: it cannot be read.
    """
    path = str(target.certificate)
    try:
        return read_bundle(read_file(path), path)
    except FileNotFoundError:
        return ()
    except OSError as fault:
        message = f"{path}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault


def initial(
    target: Target,
    server: Server,
    keys: KeyStore,
    proof: Basic | ClientCertificate,
    given: x509.CertificateSigningRequest | None = None,
) -> Application:
    """Prepare ``simpleenroll``, for the names of the node or with a request that was ``given``.

    :raises Misconfigured: the private key or the proof cannot be used, or the request is for another key.
    """
    event = None
    if given is None:
        asked = wanted(Applicant(target.node, target.name, target.identity, target.key_name), {}, ())
        made, event = request(asked, keys.certifier(target.key_name)), generated(asked)
    else:
        made = _for_our_key(given, target, keys)
    return _initial(target, server, proof, made, event)


def renewal(
    target: Target,
    server: Server,
    keys: KeyStore,
    given: x509.CertificateSigningRequest | None = None,
) -> Application:
    """Prepare ``simplereenroll``: the names, the certificate and the key that the node has.

    :raises Misconfigured: it has no certificate, or one that TLS cannot show with its key.
    """
    leaf = _renewable(target, keys)
    if not is_file(target.key_name):
        message = (
            f"{target.key_name}: TLS here cannot use a private key in a device, so that {target.name} of "
            f"{target.node} cannot be renewed with its own certificate; enroll it with a user and a password"
        )
        raise Misconfigured(message)
    tls = tls_context(
        server.trust, ClientCertificate(str(target.certificate), target.key_name, _passphrase())
    )
    operation = Operation.SIMPLE_REENROLL
    if given is not None:
        made = _for_our_key(given, target, keys)
        return Application(target, server.url, operation, made, None, tls, None)
    made = request_again(leaf, keys.certifier(target.key_name))
    return Application(target, server.url, operation, made, generated_again(target.name, leaf), tls, None)


def renewal_by_password(target: Target, server: Server, keys: KeyStore, proof: Basic) -> Application:
    """Prepare ``simpleenroll`` for the names that the node's certificate has: for keys that TLS cannot use.

    :raises Misconfigured: it has no certificate, or its key cannot be used.
    """
    leaf = _renewable(target, keys)
    made = request_again(leaf, keys.certifier(target.key_name))
    return _initial(target, server, proof, made, generated_again(target.name, leaf))


async def offered(client: EstClient) -> tuple[x509.Certificate, ...]:
    """Return the CA certificates that a server offers; none where it offers none that could be used.

    :raises Unreachable: it does not answer.
    """
    with suppress(EstRefused, NotEst):
        return await client.cacerts()
    return ()


async def submit(
    application: Application, wait: timedelta = timedelta(0), sleep: Sleep = asyncio.sleep
) -> Answer | Unfinished:
    """Make the request, and again as long as the CA asks for patience and ``wait`` is not used up.

    :raises PeerkeyError: it cannot be made, was refused, or what came back is nothing of EST.
    """
    client = EstClient(
        application.server, application.tls, application.basic, shows_certificate=application.basic is None
    )
    known = await offered(client)
    while True:
        answer = await client.enroll(application.operation, application.request)
        if not isinstance(answer, Unfinished):
            return Answer(answer, known)
        if answer.retry_after > wait:
            return answer
        wait -= answer.retry_after
        await sleep(answer.retry_after.total_seconds())


def take(
    application: Application,
    answer: Answer,
    keys: KeyStore,
    *,
    known: Revocation,
    crls: Sequence[Path],
    at: datetime,
) -> Accepted:
    """Check what was issued as every import is checked, and install it.

    :raises ImportRefused: one of the checks fails; the old certificate stays.
    :raises Misconfigured: something that the checks need cannot be read, or the file cannot be written.
    """
    target = application.target
    source = application.server.of(application.operation)
    container = answer.issued.container
    try:
        imported = judged(
            container, source, target, keys, known=known, crls=crls, at=at, helpers=answer.offered
        )
    except ImportRefused as fault:
        # What is revoked leads to somebody who is trusted.
        strangers = "" if fault.check is Check.REVOCATION else _strangers(application, answer, keys, at)
        if not strangers:
            raise
        reason = (
            f"the certificate leads to {strangers}, which the server offers and nothing here trusts: get it "
            "with --cacerts, compare its fingerprint, and add it to trusted-ca-certificate"
        )
        raise ImportRefused(fault.check, source, reason) from None
    install(target, imported)
    return imported


def success(application: Application, imported: Accepted) -> tuple[CertificateIngested, Enrolled]:
    """Return the events of an enrolment."""
    event = ingested(application.target.name, imported.chain[0])
    not_after = f"{imported.examination.not_after:%Y-%m-%dT%H:%M:%SZ}"
    server, operation = str(application.server), application.operation.value
    return (
        event,
        Enrolled(application.target.name, server, operation, not_after, event.fingerprint),
    )


def failure(application: Application, fault: PeerkeyError, *, issued: bool) -> tuple[CommandEvent, ...]:
    """Return the events of an enrolment that failed; ``issued`` tells whether a certificate came back."""
    name, reason = application.target.name, str(fault)
    failed = EnrollmentFailed(name, str(application.server), application.operation.value, reason)
    if not issued:
        return (failed,)
    if isinstance(fault, ImportRefused):
        return CertificateRefused(name, fault.check.value, fault.reason), failed
    return CertificateRefused(name, "installation", reason), failed


def _initial(
    target: Target,
    server: Server,
    proof: Basic | ClientCertificate,
    made: x509.CertificateSigningRequest,
    event: CsrGenerated | None,
) -> Application:
    basic, certificate = (proof, None) if isinstance(proof, Basic) else (None, proof)
    tls = tls_context(server.trust, certificate)
    return Application(target, server.url, Operation.SIMPLE_ENROLL, made, event, tls, basic)


def _renewable(target: Target, keys: KeyStore) -> x509.Certificate:
    """Return the certificate that the node has, if it is that of its key."""
    chain = current(target)
    if not chain:
        message = (
            f"{target.node} has no certificate yet that could prove who it is; the first one is enrolled "
            "with --user, or with --client-certificate and --client-key"
        )
        raise WrongUsage(message)
    if _spki(public_key_of(chain[0])) != _spki(keys.public_key(target.key_name)):
        message = (
            f"{target.certificate}: not the certificate of the private key {target.key_name}, so it cannot "
            "prove who the node is; enroll with --user, or with --client-certificate and --client-key"
        )
        raise Misconfigured(message)
    return chain[0]


def _for_our_key(
    given: x509.CertificateSigningRequest, target: Target, keys: KeyStore
) -> x509.CertificateSigningRequest:
    if _spki(given.public_key()) != _spki(keys.public_key(target.key_name)):
        message = f"the request is not for the private key {target.key_name}; make one with that key"
        raise Misconfigured(message)
    return given


def _strangers(application: Application, answer: Answer, keys: KeyStore, at: datetime) -> str:
    """Name the CAs that the server offers, if nothing else is wrong but that they are not trusted."""
    known = (*answer.issued.certificates, *answer.offered)
    roots = TrustAnchors.of(each for each in known if has_issued(each, each)).anchors
    if not roots:
        return ""
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in roots)
    source = CertificateSource("cacerts", None, pem.decode("ascii"), ValidationMode.STRICT)
    believing = replace(application.target, trusted=(*application.target.trusted, source))
    try:
        judged(
            answer.issued.container,
            "cacerts",
            believing,
            keys,
            known=NoRevocation(),
            crls=(),
            at=at,
            helpers=answer.offered,
        )
    except PeerkeyError:
        return ""
    return ", ".join(
        f"{ascii(each.subject.rfc4514_string())[1:-1]} (SHA-256 {fingerprint(each).hex()})"
        for each in roots[:_NAMED]
    )


def _passphrase() -> Secret | None:
    return password(KEY_PASSPHRASE, os.environ)


def _spki(key: PublicKeyTypes | None) -> bytes:
    return b"" if key is None else key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
