"""The project's own files agree with each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pyproject() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_installed(pyproject: dict[str, dict[str, dict[str, list[str]]]]) -> None:
    found = find_packages(str(ROOT), include=["mkexplorer*"]) + find_packages(str(ROOT / "widgets"))
    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted([*found, "mkexplorer._samples"])


def test_the_readme_holds_the_lines_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    for block in ("run", "test"):
        assert f"<!-- {block} -->\n```sh\npython3 -m venv .venv && " in readme
