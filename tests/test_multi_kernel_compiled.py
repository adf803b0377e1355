"""The front door above kernels that Triton really compiles: the interpreter takes whatever it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_compiled_kernels_are_tuned_raced_and_launched(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "tests.launch_without_gpu", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["compiled"] == [4, 8, 2]  # both configurations of the first, then the second
    assert set(told["before"]) == {"softmax_looped, 4 warps", "softmax_looped, 8 warps", "softmax_persistent, 2 warps"}
    assert told["later"] == {"softmax_looped, 8 warps": 100}  # the faster configuration of the faster sub-kernel
    (remembered,) = tmp_path.glob("*/*.best_config")
    assert json.loads(remembered.read_text())["BLOCK"] == 2048
    assert len(list(tmp_path.glob("*/*.picked_kernel"))) == 1
