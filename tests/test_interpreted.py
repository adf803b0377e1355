"""Runs the tests that need Triton's interpreter, in a process that has it from the beginning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "interpreted"


@pytest.mark.parametrize("file", sorted(each.name for each in FOLDER.glob("test_*.py")))
def test_in_the_interpreter(file: str) -> None:
    pytest.importorskip("numpy")  # which Triton's interpreter computes with
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER / file)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=FOLDER.parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
