"""The programs under samples/, each small: every sub-kernel is right, and mkexplorer opens, benches and pins them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mkexplorer.multikernel import config
from samples.running import Sample, error, expected, tolerance

SUB_KERNELS = {
    "softmax": ["looped", "persistent", "persistent"],
    "layer_norm": ["looped", "persistent"],
    "layer_norm_backward": ["looped", "persistent"],
    "rms_norm": ["looped", "persistent"],
    "cross_entropy": ["looped", "persistent", "cooperative"],
    "matmul": ["looped", "cooperative"],
}
EACH = [(name, index) for name, kinds in SUB_KERNELS.items() for index in range(len(kinds))]


def fresh(name: str) -> Sample:
    """With a multi-kernel that was never called."""
    found: Sample = importlib.reload(importlib.import_module(f"samples.{name}")).sample
    return found


def run(sample: Sample) -> float:
    """The error of one call."""
    arguments = sample.make(*sample.small, dtype=torch.float32, device="cpu")
    reference = expected(sample, arguments)
    return error(sample, sample.run(*arguments), reference)


def mkexplorer(*arguments: str) -> Any:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "mkexplorer", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("name", "index"), EACH)
def test_each_sub_kernel_is_right(name: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "sub_kernel", index)
    sample = fresh(name)
    for _ in range(2):  # what programs of a kernel count one another with has to be as it was
        assert run(sample) <= tolerance(torch.float32)


def test_mkexplorer_lists_all_of_them(own_cache: Path) -> None:
    for name in SUB_KERNELS:
        run(fresh(name))
    listed = mkexplorer("list", str(own_cache))["multi_kernels"]
    kinds = {each["operations"][0]: [sub["kind"] for sub in each["sub_kernels"]] for each in listed}
    assert kinds == SUB_KERNELS
    assert {each["pick"]["state"] for each in listed} == {"picked"}


def test_mkexplorer_benches_one(own_cache: Path) -> None:
    run(fresh("cross_entropy"))
    benched = mkexplorer("bench", "--all", "--device", "interpreter", "--place", str(own_cache))
    (result,) = benched["results"]
    assert [sub["agrees"] for sub in result["sub_kernels"]] == [True, True, True]


def test_a_pin_is_what_the_next_program_runs(own_cache: Path) -> None:
    run(fresh("layer_norm"))
    (listed,) = mkexplorer("list", str(own_cache))["multi_kernels"]
    assert listed["pick"]["index"] == 0
    mkexplorer("pin", f"{listed['id']}:1", "--place", str(own_cache), "--yes")
    sample = fresh("layer_norm")
    assert run(sample) <= tolerance(torch.float32)
    assert list(sample.multi_kernel.picks.values()) == ["layer_norm_persistent"]


def test_a_sample_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samples.softmax", "--cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "softmax 5×300 float32: error" in done.stdout
    assert "softmax_looped" in done.stdout
    assert len(list(tmp_path.glob("*/*.picked_kernel"))) == 1
