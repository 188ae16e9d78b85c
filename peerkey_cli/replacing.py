"""``reload FILE``: another configuration takes the place of the one that a running system reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peerkey.config.load import load
from peerkey_cli.configuration_documents import ConfigurationInfo, ConfigurationReplaced, ConfigurationText
from peerkey_cli.files import read_configuration
from peerkey_cli.foretelling import sendable

if TYPE_CHECKING:
    from pathlib import Path

    from peerkey_cli.client import Client


def replaced(ask: Client, file: Path) -> ConfigurationReplaced:
    """Have a system take ``file`` up, in the place of the configuration that it has when this begins.

    :raises Misconfigured: the file cannot be read, has faults, or is too large to be sent.
    :raises Refused: the system cannot replace its file, or that has changed meanwhile.
    """
    text = read_configuration(file)
    # Its faults are told by its own name.
    load(text, str(file))
    info = ask.get("config", ConfigurationInfo)
    return ask.put(
        "config",
        ConfigurationReplaced,
        ConfigurationText(configuration=sendable(text, file)),
        if_match=f'"{info.etag}"',
    )
