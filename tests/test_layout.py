"""The folders are the architecture. import-linter holds who imports whom; this holds the rest."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackagePath, distributions
from pathlib import Path

import cryptography
import cryptography_vectors
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("peerkey", "runtime", "actors", "metrics", "peerkey_cli")

#: Calls by which a pure package would read a clock or draw randomness without importing a forbidden module.
IMPURE_METHODS = {"now", "utcnow", "today", "uuid1", "uuid4"}
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("name", ["actors", "runtime", "metrics"])
def test_no_other_distribution_ships_a_package_of_our_generic_names(name: str) -> None:
    others = [
        distribution.name
        for distribution in distributions()
        if distribution.name != "peerkey" and name in top_level_names(distribution.files or ())
    ]

    assert others == []


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_what_it_is_for_and_is_typed(name: str) -> None:
    module = ast.parse((ROOT / name / "__init__.py").read_text("utf-8"))

    assert ast.get_docstring(module)
    assert (ROOT / name / "py.typed").is_file()


def test_every_module_begins_with_its_idea() -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources(*PACKAGES) if not opens_with_prose(path)]

    assert silent == []


def test_peerkey_reads_no_clock_file_or_randomness_through_a_builtin_or_a_class() -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{line}: {call}"
        for path in sources("peerkey")
        if "testing" not in path.parts
        for line, call in impure_calls(path)
    ]

    assert calls == []


def test_the_check_for_impure_calls_sees_them(tmp_path: Path) -> None:
    source = tmp_path / "impure.py"
    source.write_text(
        "a = datetime.now(UTC)\nb = uuid4()\nwith open('f') as f: pass\nc = Path('x')\n", "utf-8"
    )

    assert [call for _, call in impure_calls(source)] == ["now", "uuid4", "open", "Path"]


def test_the_test_vectors_belong_to_the_installed_cryptography() -> None:
    assert cryptography_vectors.__version__ == cryptography.__version__


def test_the_changelog_names_this_version_or_what_is_to_come() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert headings[0] in ("Unreleased", version)


def top_level_names(files: Iterable[PackagePath]) -> set[str]:
    """Return the names that a distribution's files put at the top of the import path."""
    return {path.parts[0].removesuffix(".py") for path in files if path.suffix == ".py"}


def sources(*packages: str) -> Iterator[Path]:
    """Yield every Python file of these packages."""
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def opens_with_prose(path: Path) -> bool:
    """Tell whether a module has a docstring; an empty file has nothing to say."""
    text = path.read_text("utf-8")
    return not text.strip() or ast.get_docstring(ast.parse(text)) is not None


def impure_calls(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of each call that reads the world instead of its arguments."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: node.lineno):
        match call.func:
            case ast.Name(id=name) if name in IMPURE_BUILTINS | IMPURE_METHODS | {"Path"}:
                yield call.lineno, name
            case ast.Attribute(attr=name) if name in IMPURE_METHODS | {"Path"}:
                yield call.lineno, name
            case _:
                continue
