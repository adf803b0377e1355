"""What torch generates with multi-kernels, where they are not what torch's own default has: it runs as without them."""

from __future__ import annotations

import os
import re
import types
from pathlib import Path
from unittest import mock

import torch
from torch._inductor import config as inductor_config
from torch._inductor.codegen import triton as scheduling_module
from torch._inductor.select_algorithm import AlgorithmSelectorCache

import mkexplorer
from mkexplorer.inductor.call import MultiKernelCall
from mkexplorer.inductor.switch import turned_off
from tests import generate_wrappers
from tests.inductor_cases.installing import setting
from tests.inductor_cases.programs import StockCall, failure_of, softmax
from tests.stand_in_gpu import load_text, names, set_times

_TILED = {"triton.prefer_nd_tiling": True, "triton.tile_reductions": True}


def generated(case: str, folder: Path, options: dict[str, object] | None = None, **ways: bool) -> str:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    with mkexplorer.installed(), inductor_config.patch(options or {}):
        return generate_wrappers.generate(case, **ways)


def loaded(text: str) -> types.ModuleType:
    with mkexplorer.installed():
        return load_text(text)


def case_partitions_of_one_module_have_multi_kernels_of_their_own(folder: Path) -> None:
    """Torch numbers those of each from 0, and runs those of the last partition in all."""
    text = generated("partitions", folder, {"triton.multi_kernel": 1})
    module = loaded(text)
    set_times(looped=20.0, persistent=10.0)
    module.partition_0([torch.ones(512, 2048), 512])
    assert names() == ["triton_per_fused_1"]
    module.partition_1([torch.ones(512, 2048), torch.ones(512, 2048), 512])
    assert names() == ["triton_per_fused_3"]


def case_what_is_generated_twice_is_numbered_the_same(folder: Path) -> None:
    one, two = (generated("partitions", folder / name, {"triton.multi_kernel": 1}) for name in ("one", "two"))
    numbers = re.findall(r"multi_kernel_\d+ =", one)
    assert numbers == re.findall(r"multi_kernel_\d+ =", two)
    assert len(set(numbers)) == len(numbers) == 2


def case_a_python_wrapper_whose_kernels_are_tuned_at_compile_time_has_none(folder: Path) -> None:
    """As `torch._inductor.standalone_compile` asks for: torch defines them for the tuning alone."""

    def example(size: object, stride: object, device: object, dtype: torch.dtype, *_: object) -> torch.Tensor:
        return torch.ones(1, dtype=dtype).as_strided(size, [0] * len(size))  # type: ignore[arg-type]  # what torch hands on

    with mock.patch.object(AlgorithmSelectorCache, "generate_example_value", example):
        text = generated("softmax", folder, {"triton.autotune_at_compile_time": True})
    assert "multi_kernel" not in text
    names()
    softmax(loaded(text))
    assert names() == ["triton_red_fused_0"]


def case_a_graph_of_fx_has_none(folder: Path) -> None:
    generated("softmax", folder, fx_wrapper=True)


def case_reductions_that_are_tiled_twice_have_what_torch_has_configurations_of(folder: Path) -> None:
    with mock.patch.dict(
        generate_wrappers.CASES, long=(generate_wrappers.softmax, [((16, 100_000), torch.float32)], {})
    ):
        text = generated("long", folder, {**_TILED, "triton.multi_kernel": 1})
    loaded(text)


def case_what_has_none_leaves_the_setting_as_it_was(folder: Path) -> None:
    with mkexplorer.installed():
        generate_wrappers.generate("softmax", fx_wrapper=True)
        assert setting() == (1, True)
        for said in (3, True, 0):
            with inductor_config.patch({"triton.multi_kernel": said}):
                generate_wrappers.generate("softmax", fx_wrapper=True)
                assert setting() == (said, False)
        assert failure_of(fail_while_turned_off) is not None
        assert setting() == (1, False)  # the last `patch`; see `case_a_patch_of_the_setting_meanwhile_leaves_nothing`
    assert setting() == (0, True)


def fail_while_turned_off() -> None:
    with turned_off(inductor_config):
        raise ValueError


def case_torch_generates_as_ever_once_it_is_uninstalled(folder: Path) -> None:
    from torch._inductor.codegen.multi_kernel import MultiKernelState

    def held() -> tuple[object, object]:
        return MultiKernelState.define_kernel, scheduling_module.TritonScheduling.create_kernel_choices

    before = held()
    with mkexplorer.installed():
        assert all(ours is not stock for ours, stock in zip(held(), before, strict=True))
    assert held() == before


def case_kernels_without_a_key_have_no_pick_and_run(folder: Path) -> None:
    """As those of Triton's interpreter."""
    text = generated("softmax", folder, {"triton.multi_kernel": 1})
    set_times(looped=20.0, persistent=10.0)
    keyless = mock.patch.object(StockCall, "cache_file_path", side_effect=AttributeError("no cache_key"))
    with keyless, mkexplorer.installed():
        module = load_text(text)
        softmax(module)
    assert names() == ["triton_per_fused_1"]
    assert isinstance(module.multi_kernel_0, MultiKernelCall)
