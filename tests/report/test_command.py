"""``peerkey report``: audit logs and documents of simulations in, a page out."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from actors.audit_files import AuditFiles
from peerkey.observe.audit_chain import BEGINNING, chained
from peerkey_cli.main import app
from tests.support.told import BEGIN, Told, alarm, keyed

ENDS = ("east/node0", "west/node0")
TWO_ROUTERS = Path(__file__).parents[2] / "examples" / "two-routers" / "authority.yaml"


def test_a_state_directory_becomes_a_page_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    write_log(tmp_path / "state", *keyed(ENDS, 1, BEGIN), alarm("raised", ENDS[0], "It burns.", BEGIN))
    out = tmp_path / "run.html"

    done = peerkey("report", "--state-dir", tmp_path / "state", "--out", out)

    assert done.stdout == f"wrote {out}: 5 events, 1 peerings\n"
    assert "It burns." in out.read_text()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_files_that_were_full_belong_to_the_log_and_what_is_gone_is_told(tmp_path: Path) -> None:
    events = [*keyed(ENDS, 1, BEGIN), *keyed(ENDS, 2, BEGIN + timedelta(hours=1))]
    lines = lines_of(*events)
    files = AuditFiles(tmp_path / "events.jsonl")
    files.full_name(1).write_bytes(b"".join(lines[:2]))
    files.full_name(3).write_bytes(b"".join(lines[2:4]))
    files.active.write_bytes(b"".join(lines[4:]))

    whole = peerkey("report", tmp_path, "--out", tmp_path / "whole.html")
    files.full_name(1).unlink()
    rest = peerkey("report", tmp_path, "--out", tmp_path / "rest.html")

    assert ": 8 events" in whole.stdout
    assert ": 6 events" in rest.stdout
    assert "The first 2 lines of a log are gone" in (tmp_path / "rest.html").read_text()
    assert "are gone" not in (tmp_path / "whole.html").read_text()


def test_the_logs_of_several_hosts_are_one_run_in_the_order_of_their_times(tmp_path: Path) -> None:
    events = list(keyed(ENDS, 1, BEGIN))
    for host in (0, 1):
        write_log(tmp_path / "state" / "hosts" / f"h{host}", *events[host::2])

    done = peerkey("report", tmp_path, "--out", tmp_path / "run.html")

    assert done.stdout.endswith(": 4 events, 1 peerings\n")
    assert "was set back" not in (tmp_path / "run.html").read_text()


def test_lines_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    good = lines_of(*keyed(ENDS, 1, BEGIN))
    odd = [
        b"torn",
        b"[]\n",
        b'{"time":"yesterday","type":"a","node":"b","detail":{},"sequence":1}\n',
        b'{"time":"2030-06-01T00:00:00","type":"a","node":"b","detail":{},"sequence":1}\n',
        b'{"time":"2030-06-01T00:00:00Z","type":1,"node":"b","detail":{},"sequence":1}\n',
        b"[" * 10_000 + b"\n",
        b"\xff\n",
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join([*odd[1:], *good, odd[0]]))

    done = peerkey("report", tmp_path / "events.jsonl", "--out", tmp_path / "run.html")

    assert done.stdout.endswith(": 4 events, 1 peerings\n")
    assert "7 lines could not be read" in (tmp_path / "run.html").read_text()


def test_a_simulation_draws_every_event_of_itself_and_its_document_the_latest(tmp_path: Path) -> None:
    drawn, kept = tmp_path / "drawn.html", tmp_path / "kept.html"

    words = ["--days", "0.03", "--seed", "3", "--faults", "crash,rekey", "--intensity", "30", "--json"]
    run = peerkey("simulate", TWO_ROUTERS, *words, "--report", drawn)
    (tmp_path / "sim.json").write_text(run.stdout)
    done = peerkey("report", tmp_path / "sim.json", "--out", kept)

    # Whoever draws looks at alarms too, and the run is the same run.
    again = peerkey("simulate", TWO_ROUTERS, *words)
    assert run.exit_code == done.exit_code == again.exit_code == 0
    assert json.loads(run.stdout)["digest"] == json.loads(again.stdout)["digest"]
    assert "is not reachable" in drawn.read_text()
    assert "Each alarm from raised to cleared" in drawn.read_text()
    assert json.loads(run.stdout)["faults"].keys() <= {"crash", "rekey"}
    assert "Faults that were injected" in drawn.read_text()
    assert "<dt>Seed</dt><dd>3</dd>" in drawn.read_text()
    assert "the latest events of each node" in kept.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere: there is no audit log (events.jsonl); name a state directory, or what"),
        (["odd.json"], "odd.json: no document of `peerkey simulate --json`, and no audit log (.jsonl)"),
        (
            ["log", "--out", "nowhere/x.html"],
            "nowhere/x.html: cannot be written: nowhere is no directory that",
        ),
        (["log", "--out", "."], ".: is no file that could be replaced; name another one"),
        (["log", "--out", "/dev/null"], "/dev/null: is no file that could be replaced; name another one"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "log", *keyed(ENDS, 1, BEGIN))
    (tmp_path / "odd.json").write_text('{"seed": 1}')

    refused = peerkey("report", *words)

    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"peerkey: {told}")
    assert refused.stderr.count("\n") == 1


def test_a_run_is_named_once(tmp_path: Path) -> None:
    assert peerkey("report", tmp_path, "--state-dir", tmp_path).exit_code == 2


# --- helpers --------------------------------------------------------------------------------------


def peerkey(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def write_log(state: Path, *events: Told) -> None:
    state.mkdir(parents=True)
    (state / "events.jsonl").write_bytes(b"".join(lines_of(*events)))


def lines_of(*events: Told) -> list[bytes]:
    """Return the lines of an audit log, chained as they are in one."""
    lines, head = [], BEGINNING
    for time, kind, node, detail in events:
        document = {
            "time": time.isoformat().replace("+00:00", "Z"),
            "type": kind,
            "node": node,
            "detail": detail,
        }
        line, head = chained(document, head)
        lines.append(line)
    return lines
