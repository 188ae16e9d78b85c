"""Events of what an operator is told and does: alarms raised and cleared, a configuration that changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from typer.testing import CliRunner

from peerkey.observe.alarms import Alarm, peer_unreachable
from peerkey.observe.condensing import Noticed
from peerkey.observe.events import AlarmCleared, AlarmRaised, Event
from peerkey_cli.alarm_times import AlarmTimes
from peerkey_cli.main import app
from tests.cli.background import Background, in_background
from tests.cli.two_routers import two_routers
from tests.support.hosts import wait_for

NOW = datetime(2030, 6, 15, 12, 0, 0, tzinfo=UTC)
DOWN = peer_unreachable("west")


def test_an_alarm_is_told_once_when_it_is_raised_and_once_when_it_is_cleared() -> None:
    times, told = AlarmTimes(), list[tuple[str, Event]]()

    for second, there in enumerate([(), (DOWN,), (DOWN,), (), ()]):
        look(times, told, second, *there)

    (raised_at, raised), (cleared_at, cleared) = told
    assert raised_at == cleared_at == "east/node0"
    assert isinstance(raised, AlarmRaised)
    assert (raised.severity, raised.source, raised.message) == ("critical", "west", DOWN.message)
    assert isinstance(cleared, AlarmCleared)
    assert (cleared.alarm, cleared.lasted_seconds) == (raised.alarm, 2.0)


def test_alarms_of_a_system_that_runs_are_in_its_audit_log(tmp_path: Path) -> None:
    routers = two_routers(tmp_path)
    certificate = tmp_path / "east.pem"
    with in_background(routers.file, tmp_path / "state") as system:
        kept = certificate.read_bytes()
        certificate.unlink()
        reload(system)
        wait_for(lambda: "certificate" in " ".join(messages(system, "alarm.raised")), 30)
        certificate.write_bytes(kept)
        reload(system)
        wait_for(lambda: "certificate" in " ".join(messages(system, "alarm.cleared")), 30)

        raised, cleared = alarm_ids(system, "alarm.raised"), alarm_ids(system, "alarm.cleared")
        assert cleared <= raised


def test_a_reload_tells_what_is_different_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    routers = two_routers(tmp_path)
    with in_background(routers.file, tmp_path / "state") as system:
        reload(system)
        assert told(system, "configuration.changed") == []

        text, timeout = routers.file.read_text(), '"peer-key-timeout": '
        assert f"{timeout}10" in text
        routers.file.write_text(text.replace(f"{timeout}10", f"{timeout}20"))
        reload(system)

        found = told(system, "configuration.changed")
    assert [node for node, _ in found] == ["east/node0", "west/node0"]
    assert {detail["differences"] for _, detail in found} == {("policy.timeout: 0:00:10 -> 0:00:20",)}


def test_a_command_beside_a_system_that_runs_leaves_the_writing_to_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with in_background(two_routers(tmp_path).file, state) as system:
        done = CliRunner().invoke(app, ["create", "private-key", "spare", "--state-dir", str(state)])
        assert done.exit_code == 0, done.output

        (created,) = told(system, "system.create_private_key")
        assert str(created[1]["name"]).endswith("/pki/spare.key")

    verified = CliRunner().invoke(app, ["events", "verify", "--state-dir", str(state)])
    assert verified.exit_code == 0, verified.output


# --- helpers --------------------------------------------------------------------------------------


def look(times: AlarmTimes, told: list[tuple[str, Event]], second: int, *there: Alarm) -> None:
    times.seen(
        [Noticed("east/node0", there)],
        NOW + timedelta(seconds=second),
        lambda node, event: told.append((node, event)),
    )


def reload(system: Background) -> None:
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(system.running.state.socket)),
        base_url="http://peerkey",
        timeout=30,
    ) as http:
        http.post("/v1/reload").raise_for_status()
        http.get("/v1/alarms").raise_for_status()


def told(system: Background, kind: str) -> list[tuple[str, dict[str, object]]]:
    entries = system.running.journal.recent()
    return [(entry.node, entry.event.detail()) for entry in entries if kind == entry.event.TYPE]


def messages(system: Background, kind: str) -> list[str]:
    return [str(detail["message"]) for _, detail in told(system, kind)]


def alarm_ids(system: Background, kind: str) -> set[object]:
    return {detail["alarm"] for _, detail in told(system, kind)}
