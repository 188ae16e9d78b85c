"""``docs/console.md`` is the contract: what there is, it describes, and what it describes, there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from peerkey.observe.events import Event
from peerkey_cli import schemas
from peerkey_cli.check import ConfigCheck
from peerkey_cli.configuration_documents import ConfigDiff, ConfigurationReplaced
from peerkey_cli.laboratory import documents
from peerkey_cli.main import app
from peerkey_cli.simulation.report import Simulation

TEXT = (Path(__file__).parents[2] / "docs" / "console.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
#: Commands whose argument makes them two.
MORE = {"peerkey show peers security", "peerkey show peers certificate", "peerkey show certificate crl"}

DOCUMENTS = {
    "peerkey show peers": schemas.Peers,
    "peerkey show security key-status": schemas.KeyStatus,
    "peerkey show certificate": schemas.Certificates,
    "peerkey show certificate crl": schemas.RevocationLists,
    "peerkey show alarms": schemas.Alarms,
    "peerkey shelve alarm": schemas.Shelved,
    "peerkey unshelve alarm": schemas.Unshelved,
    "peerkey show events": schemas.Events,
    "peerkey show stats security": schemas.SecurityStats,
    "peerkey clear stats": schemas.StatsCleared,
    "peerkey events verify": schemas.AuditVerified,
    "peerkey show actors": schemas.Actors,
    "peerkey create private-key": schemas.PrivateKeyCreated,
    "peerkey create ha-key": schemas.HaKeyCreated,
    "peerkey delete private-key": schemas.PrivateKeyDeleted,
    "peerkey rekey": schemas.Rekeyed,
    "peerkey release-pin": schemas.PinReleased,
    "peerkey reload": ConfigurationReplaced,
    "peerkey config diff": ConfigDiff,
    "peerkey config check": ConfigCheck,
    "peerkey drain": schemas.Drains,
    "peerkey backup": schemas.BackupShown,
    "peerkey restore": schemas.BackupRestored,
    "peerkey simulate": Simulation,
    "peerkey pki init-ca": documents.AuthorityMade,
    "peerkey pki issue": documents.CertificatesIssued,
    "peerkey pki revoke": documents.CertificateRevoked,
    "peerkey pki publish-crl": documents.ListPublished,
    "peerkey pki verify": schemas.Verified,
    "peerkey pki crl": schemas.Crls,
    "peerkey import certificate": schemas.Imported,
    "peerkey enroll": schemas.Enrolled,
    "The admin API": schemas.Health,
}
#: Where keys are described that a document has in common with others.
ELSEWHERE = {
    "peerkey simulate": (
        "peerkey show peers",
        "peerkey show security key-status",
        "peerkey show alarms",
        "peerkey show events",
    )
}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    described = {title for title in SECTIONS if title.startswith("peerkey ")}

    assert described == set(command_names(get_command(app), "peerkey")) | MORE


@pytest.mark.parametrize("title", sorted(title for title in SECTIONS if title.startswith("peerkey ")))
def test_every_command_has_an_example_of_what_it_prints(title: str) -> None:
    usage, *examples = re.findall(r"(?:(?<=\n\n)|^\n)((?: {4}.*\n(?:\n(?= {4}))?)+)", SECTIONS[title])

    # An example stands behind the line of the command itself, after an empty one.
    assert usage.startswith(f"    {title}")
    assert examples or "\n\n    " in usage


def test_every_option_is_named_where_its_command_is_described() -> None:
    # Those that are described once for all.
    common = {"--help", "--api-token-file", "--api-ca"}
    assert all(option in SECTIONS["What all commands have in common"] for option in common - {"--help"})
    missing = [
        f"{name} {option}"
        for name, command in commands(get_command(app), "peerkey")
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option not in common and option not in SECTIONS[name]
    ]

    assert missing == []


def test_every_type_of_event_is_described() -> None:
    _, _, table = SECTIONS["peerkey show events"].partition("| type |")
    described = {kind for row in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for kind in words(row)}

    assert described >= {event.TYPE for event in Event.__subclasses__()}


@pytest.mark.parametrize(("section", "document"), DOCUMENTS.items())
def test_every_key_of_a_document_is_described(section: str, document: type[schemas.Document]) -> None:
    # A key of a path, a peering or an entry of the ring may be described where it is met first.
    elsewhere = ("peerkey show peers security", *ELSEWHERE.get(section, ()))
    text = SECTIONS[section] + "".join(SECTIONS[each] for each in elsewhere)
    missing = [key for key in keys_of(document) if not re.search(rf"\b{key}\b", text)]

    assert missing == []


def test_every_key_that_show_peers_security_adds_is_described() -> None:
    text = SECTIONS["peerkey show peers security"] + SECTIONS["peerkey show peers"]

    assert [key for key in keys_of(schemas.PeersSecurity) if not re.search(rf"`[^`]*\b{key}\b", text)] == []


def test_every_key_that_show_peers_certificate_adds_is_described() -> None:
    described = ("peers certificate", "peers", "certificate")
    text = "".join(SECTIONS[f"peerkey show {each}"] for each in described)

    assert [
        key for key in keys_of(schemas.PeersCertificate) if not re.search(rf"`[^`]*\b{key}\b", text)
    ] == []


@pytest.mark.parametrize(
    "document",
    [schemas.ClearedAlarms, schemas.Shelvings, schemas.AlarmExplained],
    ids=lambda each: each.__name__,
)
def test_every_key_of_what_is_shown_of_alarms_is_described(document: type[schemas.Document]) -> None:
    text = SECTIONS["peerkey show alarms"] + SECTIONS["peerkey show events"]

    assert [key for key in keys_of(document) if not re.search(rf"`[^`]*\b{key}\b", text)] == []


def test_every_key_of_what_a_ca_offers_is_described() -> None:
    text = SECTIONS["peerkey enroll"]

    assert [key for key in keys_of(schemas.OfferedCas) if not re.search(rf"`[^`]*\b{key}\b", text)] == []


# --- helpers --------------------------------------------------------------------------------------


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - of typer's own kinds
    """Yield every command that is no group, with its full name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for each, child in inner.items():
        yield from commands(child, f"{name} {each}")


def words(row: str) -> list[str]:
    return re.findall(r"`(.+?)`", row)


def command_names(command: Any, name: str) -> list[str]:  # noqa: ANN401 - of typer's own kinds
    return [each for each, _ in commands(command, name)]


def keys_of(document: type[schemas.Document]) -> Iterator[str]:
    """Yield every key of a document and of the documents within it."""
    definitions = document.model_json_schema()
    for each in (definitions, *definitions.get("$defs", {}).values()):
        yield from each.get("properties", {})
