"""mkexplorer's run time inside the installed torch, without a GPU; see `inductor_cases`, which runs once for all."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.once import once_per_run

CASES = Path(__file__).with_name("inductor_cases")
ROOT = CASES.parents[1]


def names_of_cases() -> list[str]:
    """Found without importing them, which would bring torch."""
    found = (node for path in sorted(CASES.glob("*.py")) for node in ast.parse(path.read_text()).body)
    return [node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")]


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> dict[str, str]:
    def run_cases(folder: Path) -> None:
        command = [sys.executable, "-m", "tests.inductor_cases", str(folder)]
        path = os.pathsep.join([str(ROOT), str(ROOT / "widgets")])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCH")}
        environment = {**inherited, "PYTHONPATH": path}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        (folder / "outcomes.json").write_text(done.stdout.splitlines()[-1])

    folder = once_per_run(request, "inductor", run_cases)
    found: dict[str, str] = json.loads((folder / "outcomes.json").read_text())
    return found


@pytest.mark.parametrize("case", names_of_cases())
def test_case(outcomes: dict[str, str], case: str) -> None:
    assert outcomes[case] == ""
