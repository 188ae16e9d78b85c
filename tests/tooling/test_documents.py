"""The documents tell the truth as far as a machine can see: links, commands, modules, tests and versions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import peerkey.ha.constants
import peerkey.ha.records
import peerkey.pki.master_list
import peerkey.protocol.constants
import peerkey.protocol.state
import runtime.cluster.frames
import runtime.store.schema
from peerkey_cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
OPERATIONS = (DOCS / "guides" / "operations.md").read_text("utf-8")
SECURITY = (DOCS / "guides" / "security-model.md").read_text("utf-8")
#: Everything that a reader may come upon, but the decisions, of which each stands for itself.
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"),
    *sorted((ROOT / "examples").rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
        if not re.match(r"[a-z]+:", target) and not leads_somewhere(page, target)
    ]

    assert broken == []


def test_the_index_names_every_document() -> None:
    named = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+)", INDEX.read_text("utf-8"))}
    pages = {page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"} - {INDEX}

    assert sorted(str(page.relative_to(DOCS)) for page in pages - named) == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+(?:\.py)?)`", SECURITY))))
def test_a_module_or_test_that_the_security_model_names_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_claim_about_an_attacker_names_a_module_and_a_test() -> None:
    rows = [row for row in re.findall(r"^\|(.+)\|$", SECURITY, re.MULTILINE) if "`tests/" in row]

    assert len(rows) > 18
    assert all(len(re.findall(r"`(?:peerkey|peerkey_cli|actors|runtime)/", row)) == 1 for row in rows)


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"^ {4}(?:\$ )?(peerkey .+)$", OPERATIONS, re.MULTILINE)))
)
def test_a_command_of_the_operations_guide_is_one(line: str) -> None:
    if line.startswith("peerkey: "):
        return
    words = shlex.split(line.partition("#")[0])[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    with command.make_context("peerkey", words) as context:
        assert context.params


def test_the_versions_of_the_operations_guide_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (the [^|]+?) \| (\d+) \|", OPERATIONS, re.MULTILINE))

    assert [int(number) for number in rows.values()] == [
        peerkey.protocol.constants.PROTOCOL_VERSION,
        peerkey.ha.constants.HA_VERSION,
        runtime.cluster.frames.VERSION,
        runtime.store.schema.SCHEMA_VERSION,
        peerkey.pki.master_list.VERSION,
    ]
    assert runtime.store.schema.SCHEMA_VERSION == peerkey.protocol.state.RECORD_FORMAT
    assert peerkey.protocol.state.RECORD_FORMAT == peerkey.ha.records.COPY_FORMAT


# --- helpers --------------------------------------------------------------------------------------


def leads_somewhere(page: Path, target: str) -> bool:
    """Tell whether a file is there, and the heading in it, where one is meant."""
    name, _, anchor = target.partition("#")
    file = (page.parent / name) if name else page
    if not file.exists():
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(file.read_text("utf-8"))


def anchors(text: str) -> set[str]:
    """Return what the headings of a page are called in links, by the rule of the sites that show them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
