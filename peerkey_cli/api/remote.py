"""The admin API at an address of TCP: TLS, tokens, and both of them read again at a reload.

Everything is read and checked before anything is changed, so that a certificate without its key, or a file of
tokens with a faulty line, leaves the door as it was. Connections that are there go on as they began.
"""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from actors.keystores.passwords import KEY_PASSPHRASE, password
from actors.keystores.private_files import read_private
from actors.names import AUTHORITY
from peerkey.errors import Misconfigured
from peerkey.observe.alarms import Severity
from peerkey.observe.own_alarms import api_certificate_bad
from peerkey.pki import expiry
from peerkey.pki.certificate import read_bundle
from peerkey_cli.api.tokens import Tokens, read_tokens, remove_token
from peerkey_cli.api.visitors import Allowances, Pass
from peerkey_cli.errors import NotFound
from peerkey_cli.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from peerkey.observe.alarms import Alarm
    from peerkey_cli.api.tokens import Token

#: What OpenSSL takes for a password; with none at all it would ask at the terminal.
_NO_PASSPHRASE: Final = b"\0"


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """Where it listens, and the files that it needs."""

    #: An IP address and a port.
    address: tuple[str, int]
    #: Its certificate and those that lead to a CA, in PEM.
    certificate: Path
    key: Path
    tokens: Path
    allowances: Allowances = field(default_factory=Allowances)

    @property
    def url(self) -> str:
        """What a client writes."""
        host, port = self.address
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


@dataclass(frozen=True, slots=True)
class _Read:
    tls: ssl.SSLContext
    admitted: Pass
    #: The certificate that clients see.
    leaf: x509.Certificate


class Remote:
    """What is at the door now."""

    def __init__(self, settings: RemoteSettings) -> None:
        """Read everything.

        :raises Misconfigured: a file cannot be read, others can read it, or the key is not the certificate's.
        """
        self.settings = settings
        #: Tokens that were taken back here: a reload may have read the file before their lines were gone.
        self._revoked: set[bytes] = set()
        self._turn = threading.Lock()
        self._now = self.read()

    def tls(self) -> ssl.SSLContext:
        """Return what the next connection is made with."""
        return self._now.tls

    def admitted(self) -> Pass:
        """Return who is let in."""
        return self._now.admitted

    @property
    def not_after(self) -> datetime:
        """When the certificate ends that clients are shown."""
        return self._now.leaf.not_valid_after_utc

    def read(self) -> _Read:
        """Return what the files say now, and change nothing.

        :raises Misconfigured: see the constructor.
        """
        settings = self.settings
        context, leaf = _context(settings), _leaf(settings)
        return _Read(context, Pass(read_tokens(settings.tokens), _names(settings, leaf)), leaf)

    def alarms(self, at: datetime) -> Iterator[Alarm]:
        """Say whether the certificate that is shown now counts, and for how long."""
        leaf, file = self._now.leaf, str(self.settings.certificate)
        urgency = expiry.severity(at, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
        if urgency is None:
            return
        how = {
            expiry.Severity.MINOR: f"expiring in less than {expiry.MINOR_BEFORE.days} days",
            expiry.Severity.MAJOR: f"expiring in less than {expiry.MAJOR_BEFORE.days} days",
            expiry.Severity.CRITICAL: "expired" if at >= leaf.not_valid_after_utc else "not valid yet",
        }
        yield api_certificate_bad(AUTHORITY, Severity(urgency.value), file, how[urgency])

    def known(self) -> tuple[Token, ...]:
        """See :class:`peerkey_cli.api.token_routes.TokenHolder`."""
        return self._now.admitted.tokens.tokens

    def revoke(self, name: str) -> None:
        """See :class:`peerkey_cli.api.token_routes.TokenHolder`.

        It counts no more in this process, also where its line cannot be taken out of the file.
        """
        counted = {each.digest for each in self.known() if each.name == name}
        self._refuse(counted)
        try:
            self._refuse({remove_token(self.settings.tokens, name).digest})
        except NotFound:
            # Somebody has removed the line, and not reloaded yet.
            if not counted:
                raise

    def _refuse(self, digests: set[bytes]) -> None:
        with self._turn:
            self._revoked |= digests
            # What else is new in the files waits for a reload.
            self._now = self._without_revoked(self._now)

    def take(self, read: _Read) -> None:
        """Go by what :meth:`read` has returned, but for what was taken back meanwhile."""
        with self._turn:
            self._now = self._without_revoked(read)

    def _without_revoked(self, read: _Read) -> _Read:
        admitted = read.admitted
        left = tuple(each for each in admitted.tokens.tokens if each.digest not in self._revoked)
        return replace(read, admitted=replace(admitted, tokens=Tokens(left)))


def _context(settings: RemoteSettings) -> ssl.SSLContext:
    # The system's own functions do not mind who can read a private key.
    read_private(settings.key)
    secret = password(KEY_PASSPHRASE, os.environ)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(
            settings.certificate, settings.key, lambda: secret.reveal() if secret else _NO_PASSPHRASE
        )
    except ssl.SSLError as fault:
        why = (
            "is not the private key of the certificate"
            if fault.reason == "KEY_VALUES_MISMATCH"
            else f"cannot be used with TLS ({fault.reason or 'no reason is known'}); both are PEM"
        )
        message = f"{settings.key}: {why} {settings.certificate}"
        raise Misconfigured(message) from None
    except OSError as fault:
        message = f"{settings.certificate}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault
    return context


def _leaf(settings: RemoteSettings) -> x509.Certificate:
    """Return the certificate that clients are shown."""
    try:
        return read_bundle(read_file(str(settings.certificate)), str(settings.certificate))[0]
    except OSError as fault:
        message = f"{settings.certificate}: cannot be read: {fault.strerror}"
        raise Misconfigured(message) from fault


def _names(settings: RemoteSettings, leaf: x509.Certificate) -> frozenset[str]:
    """Return what this system is called: what its certificate says, and where it listens."""
    names = {str(ip_address(settings.address[0]))}
    try:
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        message = f"{settings.certificate}: names no host (subjectAltName), so that no client accepts it"
        raise Misconfigured(message) from None
    names.update(each.lower() for each in alternative.get_values_for_type(x509.DNSName))
    names.update(str(each) for each in alternative.get_values_for_type(x509.IPAddress))
    return frozenset(names)
