"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeGuard
from uuid import UUID

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
        help="Admin API of the system, unix:PATH or https://HOST:PORT; api.sock of the state directory "
        "unless given.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
#: Whose certificate or key it is: a node of a configuration.
Config: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", readable=False, help="The configuration of the node."),
]
NodeOfConfig: TypeAlias = Annotated[
    str | None,
    typer.Option("--node", metavar="ROUTER/NODE", help="Which of its nodes, if it has several."),
]
#: Or a node that no configuration describes.
NodeUuid: TypeAlias = Annotated[
    UUID | None, typer.Option("--uuid", help="Without --config: the node's UUID.")
]
Alias: TypeAlias = Annotated[
    str | None, typer.Option("--alias", help="Without --config: its peering-common-name, if any.")
]
KeyName: TypeAlias = Annotated[
    str | None, typer.Option("--key", metavar="FILE", help="Without --config: the node's private key.")
]
CertificateOut: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Without --config: where the certificate goes."),
]
Trusted: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--trust", metavar="FILE", help="Without --config: trusted CAs; may be repeated."),
]
#: What is known to be revoked, beside what the CRL manager knows.
GivenLists: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--crl", metavar="FILE", help="A revocation list, PEM or DER; may be repeated."),
]
#: Where a private key is, as an argument.
PrivateKeyName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="Its name, the path of its file, or where it is in hardware: pkcs11:… or tpm:NAME.",
        show_default="base",
    ),
]

#: No name of a configuration is longer, a router's and a node's together; the API takes none.
_MAXIMUM_PEER_CHARACTERS: Final = 512

_UNIX: Final = "unix:"
_HTTPS: Final = "https://"


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
        message = f"--api {api}: write unix:PATH or https://HOST:PORT; without TLS nothing is said over TCP"
        raise WrongUsage(message)
    check_length(path)
    return path


def client(state_dir: Path | None, api: str | None) -> Client:
    """Return what asks the running system.

    :raises WrongUsage: the address is none, or the options do not go together.
    :raises Misconfigured: the file of the token cannot be read, others can read it, or it holds none.
    """
    from peerkey_cli.api.tokens import presented_in
    from peerkey_cli.client import Client, RemoteSystem
    from peerkey_cli.errors import WrongUsage
    from peerkey_cli.remote_options import TOKEN_FILE, said

    if not is_remote(api):
        return Client(socket_path(state_dir, api))
    options = said()
    if options.token_file is None:
        message = f"--api {api}: name the file of your token with --api-token-file or ${TOKEN_FILE}"
        raise WrongUsage(message)
    return Client(RemoteSystem(remote_url(api), presented_in(options.token_file), options.ca))


def is_remote(api: str | None) -> TypeGuard[str]:
    """Tell whether an address is one of TCP with TLS."""
    return api is not None and api.startswith(_HTTPS)


def remote_url(api: str) -> str:
    """Return ``https://HOST:PORT``, where the host may be a name.

    :raises WrongUsage: it is something else.
    """
    from peerkey_cli.errors import WrongUsage

    host, _, port = api.removeprefix(_HTTPS).rstrip("/").rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host) or not re.fullmatch(r"[0-9]{1,5}", port):
        message = f"--api {api!a}: write https://HOST:PORT, as in https://hub.example:9443"
        raise WrongUsage(message)
    return f"{_HTTPS}{host}:{port}"


def require_one_owner(name: str | None, config: Path | None, node: str | None) -> None:
    """See that it is said once whose private key is meant: by its name, or by a node of a configuration.

    :raises WrongUsage: it is said twice, or by halves.
    """
    from peerkey_cli.errors import WrongUsage

    if (config is None) is not (node is None):
        message = "--config and --node go together"
        raise WrongUsage(message)
    if name is not None and config is not None:
        message = "give either NAME or --config and --node; the configuration names the key"
        raise WrongUsage(message)


def peer_named(text: str) -> str:
    """Return the name of a peer.

    :raises WrongUsage: it can be none.
    """
    from peerkey_cli.errors import WrongUsage

    if len(text) > _MAXIMUM_PEER_CHARACTERS or not text.isprintable():
        message = f"--peer {text[:40]!a}: no peer has such a name; `peerkey show peers` lists them"
        raise WrongUsage(message)
    return text
