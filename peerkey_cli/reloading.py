"""After a certificate was installed: a running system is told to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.errors import PeerkeyError
from peerkey_cli.errors import Unreachable
from peerkey_cli.schemas import Reloaded

if TYPE_CHECKING:
    from peerkey_cli.client import Client


def reload(ask: Client) -> tuple[bool, str]:
    """Tell a running system to read the certificate; return whether it did, and a line about it."""
    try:
        nodes = ask.post("reload", Reloaded).nodes
    except Unreachable:
        return False, "No system answers here: it is read at the next start, or by `peerkey reload`."
    except PeerkeyError as fault:
        reason = str(fault).partition("\n")[0]
        return (
            False,
            f"The running system did not reload ({reason}); run `peerkey reload` when that is mended.",
        )
    return True, f"The running system reads it: {', '.join(nodes)}."
