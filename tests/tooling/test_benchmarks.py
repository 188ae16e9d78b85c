"""The benchmarks run, and print every row, whatever of their company is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contenders import MODULES, order

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"pykka", "xoscar"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which neither library can be imported."""
    folder = tmp_path_factory.mktemp("missing")
    for library in LIBRARIES:
        (folder / f"{library}.py").write_text(f"raise ImportError(name={library!r})\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_every_benchmark_has_its_rows(alone: dict[str, str]) -> None:
    document = json.loads(benchmarks(alone, "--json"))
    assert {row["mode"] for row in document["protocol"]["establishments"]} == {
        "validated",
        "cached",
        "rekey",
        "whole life",
    }
    assert [row["case"] for row in document["ha"]["resynchronisation"]] == ["all missing", "none missing"]
    assert [row["case"] for row in document["ha"]["over_ssh"]] == ["in memory", "on disk"]
    assert all(
        row["ratio"] > 0 and row["frame_bytes"] > 100 * row["records"] for row in document["ha"]["over_ssh"]
    )
    assert [row["unit"] for row in document["hosts"]] == ["messages/s", "answers/s"]
    assert all(row["value"] > 0 for row in document["hosts"])
    assert all(row["value"] >= 0 for row in document["fleet"])
    assert [row["ratio"] > 1 for row in document["fleet"] if row["floor"] is not None] == [True, True]
    messages, idle = document["runtime"]["messages"], document["runtime"]["idle"]
    for rows, works in ((messages, 5), (idle, 1)):
        assert len({row["work"] for row in rows}) == works
        assert sorted(row["contender"] for row in rows) == sorted(list(MODULES) * works)
    for row in messages + idle:
        assert (row["why_not"] != "") == (row["contender"] in LIBRARIES), row
        assert (pace(row) > 0) == (row["contender"] not in LIBRARIES), row
    lists = document["lists"]
    assert all(row["ratio"] > 0 and row["bytes_an_entry"] > 0 for row in lists["taking"])
    assert all(row["hit_us"] > 0 and row["miss_us"] > 0 for row in lists["asking"])
    assert set(lists) == {"taking", "asking", "judging", "beside", "merging_ms"}
    for row in document["stores"]["commits"]:
        assert row["store"] in {"SQLite", "Redis"}
        assert (row["ratio"] > 0) == (row["why_not"] == ""), row
    scrapes = document["scrape"]["scrapes"]
    assert [row["detail"] for row in scrapes] == ["peer", "node", "fleet"]
    assert [row["series"] for row in scrapes] == sorted((row["series"] for row in scrapes), reverse=True)
    assert all(row["ratio"] > 0 and row["pause_ms"] >= 0 and row["bytes"] > 0 for row in scrapes)
    held = {(row["who"], row["what"]) for row in document["pauses"]["pauses"]}
    assert held >= {
        ("RouterNode", "FrameArrived CERTIFICATE"),
        ("RouterNode", "FrameArrived KEY_REQUEST"),
        ("RouterNode", "Loaded"),
        ("RouterNode", "WatchDue"),
        ("PeerPath", "Arrived"),
        ("event loop", "RouterNode.started()"),
    }
    assert not any("_life_of" in what for _, what in held), "the benchmark's own steps"


def test_the_tables_name_whoever_could_not_be_measured(alone: dict[str, str]) -> None:
    printed = benchmarks(alone, "runtime")
    for library in LIBRARIES:
        assert f"not installed: {library}" in printed
    assert printed.count("floor: deque") == 6


def test_a_ring_leads_through_every_actor() -> None:
    following = order(100)
    seen, here = set(), 0
    while here not in seen:
        seen.add(here)
        here = following[here]
    assert len(seen) == 100


def benchmarks(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "--quick", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout


def pace(row: dict[str, Any]) -> float:
    return float(row["median"] if "median" in row else row["bytes_each"])
