"""The project's own files agree with each other."""

from __future__ import annotations

import tomllib
from inspect import cleandoc
from pathlib import Path

import pytest

from mkexplorer.cli import main
from mkexplorer.report import as_json

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pyproject() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_installed(pyproject: dict[str, dict[str, dict[str, list[str]]]]) -> None:
    roots = ((ROOT, "mkexplorer"), (ROOT / "widgets", "mkexplorer_widgets"))
    found = [
        ".".join(file.parent.relative_to(root).parts)
        for root, package in roots
        for file in (root / package).rglob("__init__.py")
    ]
    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted([*found, "mkexplorer._samples"])


def test_the_readme_holds_the_lines_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    for block in ("run", "test"):
        assert f"<!-- {block} -->\n```sh\npython3 -m venv .venv && " in readme


def block(name: str) -> str:
    """The README's block that stands under ``<!-- name -->``."""
    readme = (ROOT / "README.md").read_text()
    return readme.partition(f"<!-- {name} -->\n```")[2].partition("\n")[2].partition("```")[0]


def test_the_readme_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert block("help") == capsys.readouterr().out


def test_the_readme_shows_the_schemas() -> None:
    documented = cleandoc(as_json.__doc__ or "").partition("mkexplorer.list/1:")[2]
    assert block("schemas") == f"mkexplorer.list/1:{documented}\n"
