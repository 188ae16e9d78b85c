"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

if TYPE_CHECKING:
    from peerkey_cli.client import Client

#: Where a running system is found.
StateDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="State directory of the system: $PEERKEY_STATE_DIR, or /var/lib/peerkey for root and "
        "~/.local/state/peerkey for others, unless given.",
    ),
]
Api: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="ADDR",
        help="Admin API of the system, unix:PATH; api.sock of the state directory unless given.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_UNIX: Final = "unix:"


def socket_path(state_dir: Path | None, api: str | None) -> Path:
    """Return where the admin API is.

    :raises WrongUsage: ``api`` is not the address of a Unix socket, or its path is too long for one.
    """
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.sockets import check_length
    from peerkey_cli.state import StateDirectory, default_directory

    if api is None:
        path = StateDirectory(state_dir or default_directory()).socket
    elif api.startswith(_UNIX) and len(api) > len(_UNIX):
        path = Path(api.removeprefix(_UNIX))
    else:
        message = (
            f"--api {api}: only unix:PATH can be used; over TCP the admin API needs TLS and tokens, "
            "which this version does not have"
        )
        raise WrongUsage(message)
    check_length(path)
    return path


def client(state_dir: Path | None, api: str | None) -> Client:
    """Return what asks the running system."""
    from peerkey_cli.client import Client

    return Client(socket_path(state_dir, api))
