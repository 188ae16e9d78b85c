"""The catalogue has every alarm that there can be, its document is up to date, and its commands exist."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from peerkey.observe import alarms, events, own_alarms
from peerkey.observe.alarm_kinds import ALARM_KINDS, kind_of
from peerkey.observe.alarm_kinds.kind import AlarmKind
from peerkey.observe.alarms import Alarm, Severity
from peerkey_cli.main import app

ROOT = Path(__file__).parents[2]

#: Every function that makes an alarm.
MAKERS: list[Callable[..., Alarm]] = [
    maker
    for module in (alarms, own_alarms)
    for _, maker in inspect.getmembers(module, inspect.isfunction)
    if maker.__module__ == module.__name__ and inspect.signature(maker).return_annotation == "Alarm"
]


def test_there_are_makers_to_be_looked_at() -> None:
    assert len(MAKERS) >= 28


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: str(maker.__name__))
def test_every_alarm_that_can_be_made_is_in_the_catalogue_as_it_is(maker: Callable[..., Alarm]) -> None:
    for made in every_way(maker):
        kind = kind_of(made.kind)

        assert made.severity in kind.severities
        assert made.category is kind.category
        assert any(fits(text, made.message) for text in kind.texts), made.message


def test_nothing_is_in_the_catalogue_that_nobody_makes() -> None:
    made = {alarm.kind for maker in MAKERS for alarm in every_way(maker)}

    assert set(ALARM_KINDS) == made


def test_the_document_is_that_of_the_catalogue() -> None:
    """Run ``python docs/alarm_pages.py`` if this fails."""
    script = runpy.run_path(str(ROOT / "docs" / "alarm_pages.py"))

    assert (ROOT / "docs" / "alarms.md").read_text("utf-8") == script["document"]()


@pytest.mark.parametrize("kind", ALARM_KINDS.values(), ids=lambda kind: str(kind.name))
def test_every_step_names_commands_events_and_documents_that_exist(kind: AlarmKind) -> None:
    types = {event.TYPE for event in events.Event.__subclasses__()}
    text = " ".join((kind.means, *kind.todo))

    assert kind.todo
    for named in re.findall(r"`(peerkey [^`]+)`", text):
        assert is_command(named.split()[1:]), named
    assert all((ROOT / page).is_file() for page in re.findall(r"docs/[\w/-]+\.md", text))
    for each in (*kind.events, *re.findall(r"--type ([\w.]+)", text)):
        assert any(known == each or known.startswith(f"{each}.") for known in types), each


# --- helpers --------------------------------------------------------------------------------------

#: What each parameter of a maker may be.
SAMPLES: dict[str, list[Any]] = {
    "days": [7],
    "severity": [Severity.MAJOR],
    "names": [("east/node0",), ("a",)],
    "endpoints": [("http://a (why)",)],
    "nodes": [("a/b",)],
    "state": ["expired", "revoked", "invalid"],
    "by_mate": [True, False],
    "records": [3],
    "copies": [3],
    "index": [3],
    "events": [3],
    "how": ["expired", "not valid yet", "expiring in less than 7 days"],
    "node": ["east/node0"],
    "path": ["wan0>192.0.2.7:1280"],
    "detail": ["untrusted: no path"],
}


def every_way(maker: Callable[..., Alarm]) -> list[Alarm]:
    """Make an alarm with every sample of each parameter in turn."""
    named = {name: SAMPLES.get(name, [name]) for name in inspect.signature(maker).parameters}
    first = {name: samples[0] for name, samples in named.items()}
    return [maker(**{**first, name: each}) for name, samples in named.items() for each in samples]


def fits(text: str, message: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(text))
    return re.fullmatch(pattern, message) is not None


def is_command(words: list[str]) -> bool:
    """Tell whether words begin with a command, or are options of none."""
    command: Any = get_command(app)
    for word in words:
        inner = getattr(command, "commands", None)
        if inner is None or word.startswith("-"):
            return True
        if word not in inner:
            return False
        command = inner[word]
    return True
