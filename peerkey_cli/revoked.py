"""What a command knows to be revoked before it takes a certificate into service: the published master list.

    "Check the certificate against the known revoked certificates (CRL)."

The CRL manager publishes what it knows in the state directory, so that it is asked whether a system runs or
not. Where nothing was ever published nothing is known; where what is there cannot be used nothing is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.master_list_file import MasterListFile
from peerkey.errors import Misconfigured, Unavailable
from peerkey.pki.revocation import NoRevocation

if TYPE_CHECKING:
    from peerkey.pki.revocation import Revocation
    from peerkey_cli.state import StateDirectory


def known_revoked(state: StateDirectory) -> Revocation:
    """Return what the system of a state directory has published.

    :raises Misconfigured: it cannot be read, or is damaged.
    """
    try:
        return MasterListFile(state.master_list).read() or NoRevocation()
    except Unavailable as fault:
        reason = str(fault).removeprefix(f"{state.master_list}: ")
        message = (
            f"{state.master_list}: {reason}, so that nobody can tell what is revoked: start the system, "
            "which publishes the list again, or remove it; nothing was changed"
        )
        raise Misconfigured(message) from fault
