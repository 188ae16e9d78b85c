"""``backup`` and ``restore``."""

from __future__ import annotations

from peerkey_cli.schemas.document import Document, Time


class BackupNode(Document):
    """A node that is in a backup."""

    node: str
    uuid: str


class BackupFile(Document):
    """A file that is in a backup."""

    #: Where a restore puts it, below the state directory.
    place: str
    bytes: int


class BackupShown(Document):
    """What is in a backup."""

    file: str
    made: Time
    software: str
    machine: str
    bytes: int
    nodes: tuple[BackupNode, ...]
    #: Of peerings, and of the pairs of HA routers.
    records: int
    files: tuple[BackupFile, ...]
    #: Private keys that stay in a token or a TPM, and are needed where this is restored.
    in_hardware: tuple[str, ...]
    audit_head: str | None


class BackupOutside(Document):
    """A file that was outside the state directory when the backup was made."""

    now: str
    was: str


class BackupRestored(Document):
    """What was restored."""

    time: Time
    state: str
    made: Time
    machine: str
    nodes: tuple[str, ...]
    #: Where the state of before is now.
    set_aside: str | None
    outside: tuple[BackupOutside, ...]
    #: Where the audit log of the backup is, if another one was there.
    other_log: str | None
    in_hardware: tuple[str, ...]
