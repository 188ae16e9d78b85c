"""``peerkey bench`` runs the benchmarks of a checkout, and says where they are if it has none."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import peerkey

PROGRAM = """\
import sys
print("row", sys.argv[1:])
sys.exit(5 if "fail" in sys.argv else 0)
"""


def test_without_a_checkout_one_line_says_where_the_benchmarks_are(tmp_path: Path) -> None:
    done = peerkey("bench", "--checkout", tmp_path)

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "run `make bench` there" in done.stderr


def test_rows_flags_and_the_exit_status_are_those_of_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "peerkey_cli").mkdir()
    (tmp_path / "benchmarks" / "__main__.py").write_text(PROGRAM)

    done = peerkey("bench", "pauses", "--quick", "--json", "--checkout", tmp_path)
    failed = peerkey("bench", "fail", "--checkout", tmp_path)

    assert (done.exit_code, failed.exit_code) == (0, 5)
    assert done.stdout == "row ['--quick', '--json', '--', 'pauses']\n"


def test_the_checkout_that_is_installed_has_them() -> None:
    assert (Path(__file__).parents[2] / "benchmarks" / "__main__.py").is_file()
    assert peerkey("bench", "nosuch").exit_code == 2
