"""The state directory: everything that a running system keeps on this machine.

===============  ===============================================================================
``store.sqlite``  identity epochs and key rings, sealed (with SQLite's ``-wal`` and ``-shm``)
``sealing.key``   the 32 bytes that seal them, made on first use
``crl``           ``master``: every certificate that is known to be revoked, in the form of
                  ``docs/formats/master-crl.md``; beside it the last good lists of each address
``events.jsonl``  the audit log, in the form of ``docs/formats/audit-log.md``; beside it its full files,
                  ``events.….jsonl``, and ``events.checkpoint``
``alarms.json``   since when alarms are there, and which are shelved
``api.sock``      the admin API, for its owner alone
``identity``      the UUID of the node, made on first need and never again; ``/etc/peerkey/identity`` where
                  that is there
``pki``, ``tpm``  private keys in files, and those that only this machine's TPM can load
``lock``          held by the process that uses the directory, and by no other
``hosts``         in a cluster: what is each host's own, its audit log among it
``totals.json``   in a cluster: what the hosts of this machine have counted, for Prometheus
===============  ===============================================================================

Two processes never share one: the kernel holds the lock and lets go of it when the process dies, however it
dies.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peerkey.errors import Misconfigured

#: Names the state directory where no option does.
VARIABLE: Final = "PEERKEY_STATE_DIR"

#: Survives the removal of the state directory.
MACHINE_IDENTITY: Final = Path("/etc/peerkey/identity")

_MODE: Final = 0o700
_LOCK_BYTES: Final = 32


class DirectoryInUse(Misconfigured):
    """Another process holds the state directory."""


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A directory by its path, and the names within it."""

    path: Path

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.path / "store.sqlite"

    @property
    def sealing_key(self) -> Path:
        """The key that seals what is in the store."""
        return self.path / "sealing.key"

    @property
    def identity(self) -> Path:
        """The identity file: what the machine has for good comes before what is kept here."""
        return MACHINE_IDENTITY if MACHINE_IDENTITY.exists() else self.path / "identity"

    def key_file(self, name: str) -> Path:
        """Where a private key is by a name that is neither a path nor a key in hardware."""
        return self.path / "pki" / f"{name}.key"

    @property
    def journal(self) -> Path:
        """The audit log."""
        return self.path / "events.jsonl"

    @property
    def alarms(self) -> Path:
        """Since when alarms are there, and which are shelved."""
        return self.path / "alarms.json"

    @property
    def revocation(self) -> Path:
        """The directory of the revocation lists."""
        return self.path / "crl"

    @property
    def master_list(self) -> Path:
        """The list of every certificate that is known to be revoked."""
        return self.revocation / "master"

    @property
    def socket(self) -> Path:
        """Where the admin API listens by default."""
        return self.path / "api.sock"

    @property
    def lock(self) -> Path:
        """Held by the process that uses the directory, or that speaks for its machine in a cluster."""
        return self.path / "lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory where it is missing, and keep every other process out of it.

        :raises Misconfigured: it cannot be made or used, others may write to it, or another process uses it.
        """
        self.prepare()
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise self._unusable(fault) from fault
        try:
            try:
                self._lock(descriptor)
                self._require_still_here(descriptor)
            except OSError as fault:
                raise self._unusable(fault) from fault
            yield
        finally:
            os.close(descriptor)

    def prepare(self) -> None:
        """Make the directory where it is missing.

        :raises Misconfigured: it cannot be made or used, or others may write to it.
        """
        try:
            self.path.mkdir(mode=_MODE, parents=True, exist_ok=True)
            mode = self.path.stat().st_mode
        except OSError as fault:
            raise self._unusable(fault) from fault
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            message = f"{self.path}: others may write to it; run `chmod 700 {self.path}`"
            raise Misconfigured(message)

    def _unusable(self, fault: OSError) -> Misconfigured:
        return Misconfigured(
            f"{self.path}: cannot be used as state directory: {fault.strerror}; name one with --state-dir"
        )

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _LOCK_BYTES, 0).decode("ascii", "replace").strip() or "another one"
            message = (
                f"{self.path}: process {holder} uses this state directory; stop it, "
                "or name another directory with --state-dir"
            )
            raise DirectoryInUse(message) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def _require_still_here(self, descriptor: int) -> None:
        """See that the lock is that of the directory which has the name now: a restore exchanges directories.

        :raises DirectoryInUse: another directory is there since the file was opened.
        :raises OSError: it cannot be looked at.
        """
        if not os.path.samestat(os.fstat(descriptor), self.lock.stat()):
            message = f"{self.path}: another directory was put in its place just now; try again"
            raise DirectoryInUse(message)


def default_directory() -> Path:
    """Return where state is kept if nobody says otherwise.

    ``$PEERKEY_STATE_DIR``; for root ``/var/lib/peerkey``; for anybody else ``$XDG_STATE_HOME/peerkey``, which
    is below ``~/.local/state`` unless it is set.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/peerkey")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "peerkey"
