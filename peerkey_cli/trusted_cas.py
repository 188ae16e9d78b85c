"""The trusted CAs of a node: what is in the files that its configuration names, added to and taken from.

A configuration says under which name whom to trust, and where that is written. What is written there may be
changed here: a CA that is added must be one that counts, and the last one of a file is not taken away, for
whoever trusts nobody by mistake has no peers. A text that stands in the configuration is the operator's
alone. Everything here blocks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import TrustedCaAdded, TrustedCaRemoved
from peerkey.pki.certificate import MAXIMUM_BUNDLE_BYTES, fingerprint, read_bundle
from peerkey.pki.policy import ca_findings
from peerkey.pki.trust import TrustAnchors
from peerkey.pki.verification import leaf_first, verify
from peerkey_cli import schemas
from peerkey_cli.certificate_documents import described
from peerkey_cli.deletion import KeyInUse
from peerkey_cli.errors import NotFound
from peerkey_cli.files import alone_in, read_file
from peerkey_cli.laboratory.writing import PUBLIC, write

if TYPE_CHECKING:
    from cryptography import x509

    from peerkey.config.plan import CertificateSource, NodePlan
    from peerkey_cli.custody import Record

#: What a request calls what it brings, for messages.
_SOURCE: Final = "the certificate of this request"
#: Of one request: an operator looks at each.
_AT_ONCE: Final = 16


def shown(plan: NodePlan) -> schemas.TrustedCas:
    """Return whom a node trusts, by what its configuration calls them.

    :raises Misconfigured: a file cannot be read.
    """
    return schemas.TrustedCas(
        time=datetime.now(UTC),
        node=plan.name,
        trusted=tuple(
            schemas.TrustedCaSource(
                name=source.name,
                file=source.file,
                certificates=tuple(_shown(each) for each in _certificates(source)),
            )
            for source in plan.trusted
        ),
    )


def add(plan: NodePlan, name: str | None, pem: bytes, record: Record) -> schemas.TrustedCasChanged:
    """Trust more CAs.

    :raises NotFound: the configuration has no trusted CAs of this name in a file.
    :raises Misconfigured: one of them is no CA that counts, is trusted already, or cannot be written.
    """
    brought = read_bundle(pem, _SOURCE)
    if len(brought) > _AT_ONCE:
        message = f"{len(brought)} certificates; at most {_AT_ONCE} are added in one request"
        raise Misconfigured(message)
    now = datetime.now(UTC)
    for certificate in brought:
        _require_ca(certificate, now)
    source, path = _file(plan, name)
    with alone_in(path.resolve().parent):
        there = _certificates(source)
        known = {fingerprint(each) for each in there}
        fresh = tuple({fingerprint(each): each for each in brought}.values())
        if any(fingerprint(each) in known for each in fresh):
            message = f"{source.name}: one of these certificates is trusted already; nothing was changed"
            raise Misconfigured(message)
        _write(path, (*there, *fresh))
    for certificate in fresh:
        record(plan.name, TrustedCaAdded(source.name, *_named(certificate)))
    return _changed(plan, source, fresh)


def remove(
    plan: NodePlan, name: str | None, print_: str, record: Record, *, force: bool
) -> schemas.TrustedCasChanged:
    """Trust a CA no more. Peers whose certificates lead to it are refused from then on.

    :raises NotFound: it is not there.
    :raises Misconfigured: it is the last one of its file.
    :raises KeyInUse: the node's own certificate leads to it, and ``force`` is false.
    """
    source, path = _file(plan, name)
    wanted = bytes.fromhex(print_.replace(":", ""))
    with alone_in(path.resolve().parent):
        there = _certificates(source)
        left = tuple(each for each in there if fingerprint(each) != wanted)
        gone = tuple(each for each in there if fingerprint(each) == wanted)
        if not gone:
            message = f"{source.name}: has no certificate with this SHA-256"
            raise NotFound(message)
        if not left:
            message = f"{source.name}: it is the last one; take the whole entry out of the configuration"
            raise Misconfigured(message)
        if not force and _leads(plan, source, there) and not _leads(plan, source, left):
            message = (
                f"{source.name}: the node's own certificate leads to this CA; `force` removes it all the same"
            )
            raise KeyInUse(message)
        _write(path, left)
    record(plan.name, TrustedCaRemoved(source.name, *_named(gone[0])))
    return _changed(plan, source, gone[:1])


def _require_ca(certificate: x509.Certificate, now: datetime) -> None:
    """Refuse what would be trusted in vain.

    :raises Misconfigured: it is no CA by the rules, or is not valid now.
    """
    name = ascii(certificate.subject.rfc4514_string())[1:-1][:128]
    findings = ca_findings(certificate)
    if findings:
        message = f"{name}: cannot be trusted as a CA: {'; '.join(map(str, findings))}"
        raise Misconfigured(message)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        valid = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        message = f"{name}: is valid from {valid}, and not now"
        raise Misconfigured(message)


def _file(plan: NodePlan, name: str | None) -> tuple[CertificateSource, Path]:
    """Return the trusted CAs of this name, or the only ones, and the file that they are in.

    :raises NotFound: there are none, or several and none was named.
    """
    in_files = [each for each in plan.trusted if each.file is not None]
    found = [each for each in in_files if name in {None, each.name}]
    if len(found) != 1 or found[0].file is None:
        names = ", ".join(each.name for each in in_files) or "none"
        message = f"{plan.name}: name one of its trusted-ca-certificate that are in files: {names}"
        raise NotFound(message)
    return found[0], Path(found[0].file)


def _certificates(source: CertificateSource) -> tuple[x509.Certificate, ...]:
    if source.file is None:
        return read_bundle((source.content or "").encode(), source.name)
    try:
        return read_bundle(read_file(source.file), source.file)
    except OSError as fault:
        message = f"{source.file}: the trusted certificate {source.name} cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault


def _leads(plan: NodePlan, changed: CertificateSource, instead: tuple[x509.Certificate, ...]) -> bool:
    """Tell whether the node's certificate is valid where these stand in one of its files."""
    try:
        trusted = [
            each
            for source in plan.trusted
            for each in (instead if source.name == changed.name else _certificates(source))
        ]
        content = plan.certificate.content
        own = read_file(plan.certificate.file) if plan.certificate.file else (content or "").encode()
        chain = leaf_first(read_bundle(own, plan.certificate.name))
        return verify(list(chain), TrustAnchors.of(trusted), datetime.now(UTC), lists=[]).verdict.valid
    except (OSError, PeerkeyError):
        # What is not good now cannot become worse.
        return False


def _write(path: Path, certificates: tuple[x509.Certificate, ...]) -> None:
    content = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    if len(content) > MAXIMUM_BUNDLE_BYTES:
        message = f"{path}: would have more than {MAXIMUM_BUNDLE_BYTES} bytes; nothing was changed"
        raise Misconfigured(message)
    write(path.resolve() if path.is_symlink() else path, content, PUBLIC, force=True)


def _named(certificate: x509.Certificate) -> tuple[str, str]:
    return _shown(certificate).subject, fingerprint(certificate).hex(":").upper()


def _shown(certificate: x509.Certificate) -> schemas.CertificateInfo:
    return described(certificate.public_bytes(Encoding.DER))


def _changed(
    plan: NodePlan, source: CertificateSource, these: tuple[x509.Certificate, ...]
) -> schemas.TrustedCasChanged:
    return schemas.TrustedCasChanged(
        time=datetime.now(UTC),
        node=plan.name,
        name=source.name,
        certificates=tuple(_shown(each) for each in these),
        reloaded=False,
    )
