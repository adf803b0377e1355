"""Sub-kernels in C++ wrappers and in AOTInductor's packages: torch asks for the choice while it generates them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor import config as inductor_config
from torch._inductor.async_compile import CompiledTritonKernels
from torch._inductor.codecache import CudaKernelParamCache, PyCodeCache
from torch._inductor.select_algorithm import AlgorithmSelectorCache

import mkexplorer
from tests import generate_wrappers
from tests.stand_in_gpu import set_times

# As torch.compile and aoti_compile_and_package have it.
OPTIONS = {"cpp_wrapper": True, "triton.autotune_at_compile_time": True, "triton.store_cubin": True}


def launched(folder: Path, *, aot_mode: bool) -> list[str]:
    """The kernels that the generated C++ launches. Torch tunes them on examples, which are on the CPU here."""

    def example(size: Any, stride: Any, device: object, dtype: Any, *_: object) -> Any:
        return torch.ones(1, dtype=dtype).as_strided(size, [0] * len(size))

    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    for known in (CudaKernelParamCache, CompiledTritonKernels, PyCodeCache):
        known.cache_clear()
    with (
        inductor_config.patch({"triton.multi_kernel": 1, **OPTIONS}),
        mock.patch.object(AlgorithmSelectorCache, "generate_example_value", example),
        mkexplorer.installed(),
    ):
        text = generate_wrappers.generate("softmax", cpp_wrapper=True, aot_mode=aot_mode)
    return re.findall(r"launchKernel\((?:kernels_\.)?(\w+)", text)


def case_cpp_launches_the_sub_kernel_that_was_measured_to_be_faster(folder: Path) -> None:
    for aot_mode in (False, True):
        set_times(looped=31.0, persistent=22.0)
        assert launched(folder / f"one-{aot_mode}", aot_mode=aot_mode) == ["triton_per_fused_1"]
        set_times(looped=22.0, persistent=31.0)
        assert launched(folder / f"two-{aot_mode}", aot_mode=aot_mode) == ["triton_red_fused_0"]


def case_cpp_launches_what_was_picked_before(folder: Path) -> None:
    for aot_mode in (False, True):
        cache = folder / str(aot_mode)
        set_times(looped=31.0, persistent=22.0)
        launched(cache, aot_mode=aot_mode)
        (pick,) = cache.glob("*/*.picked_kernel")
        for history in cache.glob("*/*.picked_kernel.*"):
            history.unlink()
        pick.write_text("0")  # as torch's own run time would have picked
        assert launched(cache, aot_mode=aot_mode) == ["triton_red_fused_0"]
