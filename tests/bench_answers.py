"""What a worker answers to a `bench` job, and requests for it: for tests of whoever asks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mkexplorer.measure.model import ArgumentSource, BenchRequest, KernelUnderTest

_SUB_KERNEL = {
    "cold": {"median_us": 10.0, "q1_us": 9.9, "q3_us": 10.1, "n": 3},
    "hot": None,
    "samples_us": [9.9, 10.0, 10.1],
    "stock_us": None,
    "resources": {"registers": 32, "spills": 0, "shared_bytes": 64},
    "configuration": {"XBLOCK": 1, "num_warps": 8, "num_stages": 1},
    "agrees": True,
    "problem": "",
}
_ANSWER: Mapping[str, Any] = {
    "device": "cuda",
    "arguments": "given",
    "bytes_moved": 4096,
    "sub_kernels": [_SUB_KERNEL, {**_SUB_KERNEL, "cold": {"median_us": 8.0, "q1_us": 7.9, "q3_us": 8.1, "n": 3}}],
    "ruling": {"verdict": "FASTER", "best": 1, "rival": 0, "ratio": 1.25, "low": 1.2, "high": 1.3},
    "rounds": 3,
    "gpu_us": 500.0,
    "wall_us": 9_000.0,
    "environment": {
        "gpu": "H100",
        "driver": "570.1",
        "torch": "2.11.0",
        "triton": "3.6.0",
        "sm_clock_mhz": 1980.0,
        "throttled": [],
        "contended": "",
        "copy_gb_per_s": 2900.0,
    },
    "notes": ["a note"],
}


def answer(**changed: object) -> dict[str, Any]:
    """Of two sub-kernels, the second is a quarter faster. Parts of it may be changed in place."""
    return copy.deepcopy({**_ANSWER, **changed})


def request(name: str = "cabc123/multi_kernel_0", picked: int | None = 0) -> BenchRequest:
    kernels = tuple(KernelUnderTest(f"c{index}", "triton_", "text") for index in range(2))
    return BenchRequest(name, kernels, (), ArgumentSource.CALL, picked, notes=("s0 = 4096, as asked",))
