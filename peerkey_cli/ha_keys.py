"""Making the SSH key of a node's HA link, and telling the audit log of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.ha.ssh_keys import create_ssh_key, public_line_of
from peerkey.observe.events import PrivateKeyCreated, PrivateKeyDeleted
from peerkey_cli import schemas
from peerkey_cli.audit import recording
from peerkey_cli.plans import PlansReader
from peerkey_cli.private_keys import fingerprint

if TYPE_CHECKING:
    from peerkey_cli.state import StateDirectory

_ALGORITHM: Final = "ed25519"


def create_ha_key(config: Path, node: str, state: StateDirectory, *, replace: bool) -> schemas.HaKeyCreated:
    """Make the key of a node of a configuration, which need not say anything of a pair yet.

    :raises KeyExists: there is one, and ``replace`` is false.
    :raises Misconfigured: the configuration has faults or no such node, or the audit log cannot be used.
    :raises Unavailable: the key cannot be written.
    """
    (plan,) = PlansReader(config, [node])()
    default = config.parent / f"{plan.router}-{plan.node}.ha.key"
    file = Path(plan.ha.key_file) if plan.ha is not None else default
    with recording(state) as record:
        replaced = replace and file.exists()
        public = create_ssh_key(file, replace=replace)
        now = datetime.now(UTC)
        if replaced:
            record(now, plan.name, PrivateKeyDeleted(str(file), "", replaced=True))
        record(now, plan.name, PrivateKeyCreated(str(file), _ALGORITHM, fingerprint(public)))
    return schemas.HaKeyCreated(
        time=now,
        file=str(file),
        public_key=f"{public_line_of(public)} {plan.name}",
        fingerprint=fingerprint(public),
        replaced=replaced,
        node=plan.name,
        node_uuid=str(plan.uuid),
    )
