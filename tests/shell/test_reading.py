"""The tree is what typer was told, and a new command is in it without an edit."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.main import get_command

from peerkey_cli.main import app
from peerkey_cli.shell.grammar import Command, Kind, Parameter, walked
from peerkey_cli.shell.reading import read_command

ROOT = read_command(get_command(app), "peerkey")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("rekey --peer", Kind.PEER),
        ("release-pin --peer", Kind.PEER),
        ("create ha-key file --node", Kind.NODE),
        ("run file --node", Kind.NODE),
        ("show alarms id", Kind.ALARM),
        ("show events --type", Kind.EVENT),
        ("show stats security", Kind.COUNTER),
        ("config check", Kind.FILE),
        ("pki verify", Kind.FILE),
        ("pki verify x", Kind.FILE),
        ("pki issue --ca", Kind.DIRECTORY),
        ("show peers --state-dir", Kind.DIRECTORY),
        ("import certificate", Kind.FILE),
        ("create api-token", None),
        ("show events --since", None),
    ],
)
def test_what_a_value_names_is_known_by_its_name(line: str, kind: Kind | None) -> None:
    place = walked(ROOT, line.split())
    parameter = place.waiting or place.argument()

    assert parameter is not None
    assert parameter.kind is kind


def test_the_values_of_enums_and_words_that_stand_for_themselves_are_known() -> None:
    assert choices("show peers") == ("security", "certificate")
    assert choices("show alarms") == ("id",)
    assert "rsa-4096" in choices("create private-key --algorithm")


def test_every_command_option_and_argument_has_its_line_of_help() -> None:
    helpless = [
        f"{' '.join(path)} {parameter.names[0]}"
        for path, command in commands(ROOT, ("peerkey",))
        for parameter in (*command.options, *command.arguments)
        # Fields of a subject say what they are.
        if not parameter.help and path[1:] != ("create", "certificate-request")
    ]

    assert helpless == []
    assert [path for path, command in commands(ROOT, ("peerkey",)) if not command.help] == [("peerkey",)] * (
        not ROOT.help
    )


def test_a_command_that_is_registered_is_known() -> None:
    fresh = typer.Typer()

    @fresh.command()
    def paint(
        colour: Annotated[Colour | None, typer.Argument()] = None,
        where: Annotated[Path | None, typer.Option("--where")] = None,
        mood: Annotated[Literal["good", "bad"], typer.Option("--mood")] = "good",
        wet: Annotated[bool, typer.Option("--wet/--dry")] = False,  # noqa: FBT002
        secret: Annotated[bool, typer.Option("--secret", hidden=True)] = False,  # noqa: FBT002
    ) -> None:
        """Paint it. With paint."""

    command = read_command(get_command(fresh), "paint")
    options = {name: each for each in command.options for name in each.names}

    assert command.help.startswith("Paint it.")
    assert command.arguments[0].choices == ("red", "blue")
    assert options["--where"].kind is Kind.FILE
    assert options["--mood"].choices == ("good", "bad")
    assert options["--wet"].flag
    assert options["--dry"] is options["--wet"]
    assert "--secret" not in options


# --- helpers --------------------------------------------------------------------------------------


def choices(line: str) -> tuple[str, ...]:
    place = walked(ROOT, line.split())
    parameter: Parameter | None = place.waiting or place.argument()
    return () if parameter is None else parameter.choices


def commands(command: Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    yield path, command
    for each in command.commands:
        yield from commands(each, (*path, each.name))
