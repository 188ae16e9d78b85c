"""The plugin that lets continuous integration skip nothing, run on small suites of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

SKIPPED = """
    import pytest

    def test_passes() -> None:
        assert True

    def test_skips() -> None:
        pytest.skip({reason!r})
"""


def test_a_skip_fails_the_run_and_its_reason_is_shown(pytester: pytest.Pytester) -> None:
    result = run(pytester, SKIPPED.format(reason="no root here"), no_skips="1")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_skips was skipped, and nothing may be skipped here: no root here*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_test_that_the_platform_rules_out_may_be_skipped(pytester: pytest.Pytester) -> None:
    result = run(pytester, SKIPPED.format(reason="platform: no namespaces"), no_skips="1")

    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_developer_may_skip(pytester: pytest.Pytester) -> None:
    result = run(pytester, SKIPPED.format(reason="no root here"), no_skips="0")

    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_marked_skip_fails_the_run(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.skipif(True, reason="not today")
        def test_skips() -> None:
            raise AssertionError
    """

    result = run(pytester, source, no_skips="1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nothing may be skipped here: not today*"])


def test_a_module_that_skips_itself_fails_the_run(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        pytest.importorskip("a_module_that_nobody_wrote")
    """

    result = run(pytester, source, no_skips="1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nothing may be skipped here: could not import*"])


def test_workers_report_a_refused_skip_too(pytester: pytest.Pytester) -> None:
    result = run(pytester, SKIPPED.format(reason="no root here"), "-n", "1", no_skips="1")

    result.assert_outcomes(passed=1, failed=1)


def test_an_expected_failure_is_no_skip(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.xfail(reason="known")
        def test_fails() -> None:
            raise AssertionError
    """

    result = run(pytester, source, no_skips="1")

    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def run(pytester: pytest.Pytester, source: str, *arguments: str, no_skips: str) -> pytest.RunResult:
    """Run ``source`` as a suite in a process of its own, under this project's conftest."""
    pytester.makepyfile(source)
    pytester.makeconftest("from tests.conftest import pytest_configure")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEERKEY_NO_SKIPS", no_skips)
        patch.setenv("PYTHONPATH", str(ROOT))
        return pytester.runpytest_subprocess(*arguments)
