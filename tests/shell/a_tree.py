"""A small tree of commands, for tests that need no more."""

from __future__ import annotations

from peerkey_cli.shell.grammar import Command, Kind, Parameter
from peerkey_cli.shell.reading import HELP

JSON = Parameter(("--json", "-j"), "As JSON.", flag=True)
PEER = Parameter(("--peer",), "A peer.", kind=Kind.PEER, metavar="P")
LEVEL = Parameter(("--level",), "How much.", choices=("low", "high"))

TREE = Command(
    "peerkey",
    commands=(
        Command("rekey", "New keys.", options=(PEER, JSON, HELP)),
        Command("reload", "Read again.", options=(JSON, HELP)),
        Command(
            "release", "Let go.", options=(Parameter(("--peer",), "Whose.", kind=Kind.PEER, required=True),)
        ),
        Command(
            "show",
            "Show things.",
            commands=(
                Command(
                    "peers",
                    "The peers.",
                    options=(JSON, LEVEL, HELP),
                    arguments=(Parameter(("VIEW",), "More.", choices=("security", "certificate")),),
                ),
                Command("alarms", "What is wrong.", options=(JSON, HELP)),
                Command(
                    "files",
                    "Of files.",
                    options=(Parameter(("--trust",), "CAs.", kind=Kind.FILE, repeats=True), HELP),
                    arguments=(Parameter(("FILE",), "Some.", kind=Kind.FILE, required=True, repeats=True),),
                ),
            ),
        ),
        Command("showroom", "Not for show."),
    ),
)
