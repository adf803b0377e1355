"""What the bench job asks of the torch and triton that are installed, as far as that needs no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from mkexplorer.client.worker_process import WorkerProcess  # noqa: E402  torch may be missing
from mkexplorer.worker import gpu, stock  # noqa: E402
from mkexplorer.worker.failures import JobFailed  # noqa: E402

from . import fake_gpu  # noqa: E402
from .conftest import DATA, parse_file  # noqa: E402

# Loads a kernel twice, the second time beside the file that this torch keeps its winner in.
LOAD = """
import json, os, sys, tempfile
from mkexplorer.worker import loading, pick_parts, stand_ins, tuning
stand_ins.install()
key, name, text = json.load(sys.stdin)
kernels = []
for best in (None, {"num_warps": 0}):
    folder = tempfile.mkdtemp()
    if best is not None:
        file = pick_parts.pick_parts([{"key": key, "name": name, "text": text}])["parts"][0]["best_config"]
        from torch._inductor.runtime.triton_heuristics import hash_configs
        winner = {**tuning.as_dict(kernels[0].configs[-1]), "configs_hash": hash_configs(kernels[0].configs)}
        with open(os.path.join(folder, file), "w") as opened:
            json.dump(winner, opened)
    module = loading.load(folder, key, text)
    kernels.append(loading.kernel_of(module, name))
    loading.forget([module])
print(json.dumps([[tuning.as_dict(each) for each in kernel.configs] for kernel in kernels]))
print(json.dumps([tuning._is_from_file(kernel, []) for kernel in kernels]))
"""


def test_a_best_config_beside_the_kernel_is_found_by_torch_itself(tmp_path: Path) -> None:
    path = DATA / "wrappers" / "torch-2.13.0" / "layernorm.py"
    sub_kernel = parse_file(path).multi_kernels[0].sub_kernels[0]
    lines = path.read_text().split("\n")[sub_kernel.source.first - 1 : sub_kernel.source.last]
    given = json.dumps(["c" + "a" * 51, sub_kernel.name, "\n".join(lines)])
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], input=given, env=environment, capture_output=True, text=True, check=True
    )
    (every, one), from_file = map(json.loads, done.stdout.splitlines())
    assert len(every) > 1
    assert one == every[-1:]
    assert from_file == [False, True]


def test_without_a_gpu_the_job_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    process = WorkerProcess(sys.executable)
    try:
        job = {"job": "bench", "device": "cuda", "sub_kernels": fake_gpu.request("a"), "arguments": []}
        answer = process.ask(job, 120)
    finally:
        process.end()
    assert answer["error"]["message"] == "torch finds no GPU here"
    assert "poisoned" not in answer["error"]


def test_an_old_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.6.0+cu124")
    gpu.the_gpu.cache_clear()
    with pytest.raises(JobFailed, match=r"torch 2\.6\.0\+cu124 launches its kernels otherwise"):
        gpu.the_gpu()


class Autotuner:
    """What torch's MultiKernelCall needs of a sub-kernel."""

    device_props = SimpleNamespace(type="cpu")

    def __init__(self) -> None:
        self.passed: list[tuple[Any, ...]] = []

    def clone_args(self, *arguments: Any, **named: Any) -> tuple[list[Any], dict[str, Any]]:
        return list(arguments), named

    def run(self, *arguments: Any, stream: int) -> None:
        self.passed.append((*arguments, stream))


def test_torch_s_own_benchmark_passes_each_its_arguments() -> None:
    kernels = [Autotuner(), Autotuner()]
    times_us = stock.stock_times_us(kernels, ["a", "b", "c"], [[0, 2], [1, 2]], stream=7)
    assert len(times_us) == 2
    assert min(times_us) > 0
    assert [set(each.passed) for each in kernels] == [{("a", "c", 7)}, {("b", "c", 7)}]
