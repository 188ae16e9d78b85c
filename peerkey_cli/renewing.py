"""Renewing certificates without an operator: what ``peerkey enroll`` does, for the actor that decides when.

A node whose key is in a file proves itself with its certificate. One whose key TLS cannot use here, because
it is in a device or of a new kind, does with the user and the password of the environment, if there are any.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.keystores.passwords import password
from actors.renewal import Attempt, Later
from peerkey.config.est_url import est_url
from peerkey.config.key_names import is_file
from peerkey.errors import Misconfigured, PeerkeyError
from peerkey.observe.events import CsrFailed, EnrollmentFailed, Event
from peerkey.pki.certificate import fingerprint
from peerkey.pki.renewal import Lifetime
from peerkey.pki.revocation import NoRevocation
from peerkey_cli.enrolling import (
    Answer,
    Application,
    Server,
    current,
    failure,
    renewal,
    renewal_by_password,
    submit,
    success,
    take,
)
from peerkey_cli.est_client import Basic, EstBusy, TlsUnable, Unfinished
from peerkey_cli.importing import Target, read_trust, target_of

if TYPE_CHECKING:
    from actors.keystores.port import KeyStore
    from peerkey.config.plan import NodePlan
    from peerkey.pki.revocation import Revocation

#: Who enrolls the nodes of this process whose keys are in devices, and with which password.
ENROLL_USER: Final = "PEERKEY_ENROLL_USER"
ENROLL_PASSWORD: Final = "PEERKEY_ENROLL_PASSWORD"  # noqa: S105 - the name of a variable


class EstEnroller:
    """The port :class:`~actors.renewal.Enroller`, over EST."""

    def __init__(
        self,
        keys: KeyStore,
        environment: Mapping[str, str] | None = None,
        revocation: Revocation | None = None,
    ) -> None:
        """Sign with the keys of ``keys``, and install nothing that ``revocation`` names."""
        self._keys = keys
        self._revocation = NoRevocation() if revocation is None else revocation
        self._environment = os.environ if environment is None else environment

    def standing(self, plan: NodePlan) -> Lifetime | None:
        """See :meth:`actors.renewal.Enroller.standing`."""
        chain = current(_target(plan))
        if not chain:
            return None
        leaf = chain[0]
        return Lifetime(leaf.not_valid_before_utc, leaf.not_valid_after_utc, fingerprint(leaf))

    def prepare(self, plan: NodePlan) -> Attempt:
        """See :meth:`actors.renewal.Enroller.prepare`."""
        if plan.enrollment is None:
            message = f"{plan.name}: ca-profile has no url"
            raise Misconfigured(message)
        target = _target(plan)
        server = Server(est_url(plan.enrollment.url), read_trust(plan.enrollment.server_trust))
        basic = self._basic()
        if is_file(plan.key_file):
            try:
                return self._attempt(renewal(target, server, self._keys))
            except TlsUnable:
                if basic is None:
                    raise
        elif basic is None:
            message = (
                f"{plan.key_file}: TLS here cannot use a private key in a device; set {ENROLL_USER} and "
                f"{ENROLL_PASSWORD}_FILE in the environment of `peerkey run`, or use `peerkey enroll --user`"
            )
            raise Misconfigured(message)
        return self._attempt(renewal_by_password(target, server, self._keys, basic))

    def _attempt(self, application: Application) -> EstAttempt:
        return EstAttempt(application, self._keys, self._revocation)

    def _basic(self) -> Basic | None:
        user = self._environment.get(ENROLL_USER)
        secret = password(ENROLL_PASSWORD, self._environment) if user else None
        return Basic(user, secret) if user and secret is not None else None

    def failed(self, plan: NodePlan, attempt: Attempt | None, fault: PeerkeyError) -> Sequence[Event]:
        """See :meth:`actors.renewal.Enroller.failed`."""
        if isinstance(attempt, EstAttempt):
            return failure(attempt.application, fault, issued=attempt.issued)
        name, reason = plan.certificate.name, str(fault)
        server = "" if plan.enrollment is None else plan.enrollment.url
        return CsrFailed(name, reason), EnrollmentFailed(name, server, "", reason)


class EstAttempt:
    """One request to an EST server."""

    def __init__(self, application: Application, keys: KeyStore, revocation: Revocation) -> None:
        """Submit ``application``."""
        self.application = application
        self._keys = keys
        self._revocation = revocation
        self._answer: Answer | None = None

    @property
    def issued(self) -> bool:
        """Whether the CA has issued something."""
        return self._answer is not None

    def prepared(self) -> Sequence[Event]:
        """See :meth:`actors.renewal.Attempt.prepared`."""
        return () if self.application.event is None else (self.application.event,)

    async def submit(self) -> Later | None:
        """See :meth:`actors.renewal.Attempt.submit`."""
        try:
            answer = await submit(self.application)
        except EstBusy as fault:
            return Later(fault.retry_after, fault)
        if isinstance(answer, Unfinished):
            return Later(answer.retry_after, None)
        self._answer = answer
        return None

    def install(self) -> Sequence[Event]:
        """See :meth:`actors.renewal.Attempt.install`."""
        if self._answer is None:
            message = "nothing was issued yet"
            raise AssertionError(message)
        imported = take(
            self.application,
            self._answer,
            self._keys,
            known=self._revocation,
            crls=(),
            at=datetime.now(UTC),
        )
        return success(self.application, imported)


def _target(plan: NodePlan) -> Target:
    return target_of((plan,), plan.name, Path(plan.authority))
