"""Torch's own ways with multi-kernels, which still work, and those of its faults that end here."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor import codecache
from torch._inductor import config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module

import mkexplorer
from tests import generate_wrappers
from tests.inductor_cases.programs import StockCall, X, call_of, failure_of, pick_of, softmax
from tests.stand_in_gpu import load, set_times


def case_who_replaces_the_benchmark_forces_a_sub_kernel(folder: Path) -> None:
    """As torch's own test does, whether its class was looked up before or after `install`."""
    for forced in (0, 1):
        with mkexplorer.installed(), mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"):
            for cls in (StockCall, stock_module.MultiKernelCall):
                assert picked_where_replaced(cls, forced, folder) == [forced]


def picked_where_replaced(cls: Any, forced: int, folder: Path) -> list[int]:
    latencies = [0.2, 0.2]
    latencies[forced] = 0.1
    picked: list[int] = []
    run = cls.run

    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = run(self, *args, **kwargs)
        picked.append(self.picked_kernel)
        return out

    with (
        mock.patch.object(cls, "run", replaced),
        mock.patch.object(cls, "benchmark_sub_kernels", return_value=latencies),
    ):
        softmax(load("softmax", folder))
    return picked


def case_the_metrics_table_gets_its_row(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with inductor_config.patch(enabled_metric_tables="persistent_red_perf"), mkexplorer.installed():
        module = load("softmax", folder)
        here = os.getcwd()
        os.chdir(folder)
        try:
            softmax(module)
        finally:
            os.chdir(here)
    header, row = (folder / "metric_table_persistent_red_perf.csv").read_text().splitlines()
    assert "kernel1_latency" in header
    assert ",0.031000,0.022000," in row
    assert "ReductionHint.INNER" in row


def case_choices_are_recorded_for_cpp_wrappers(folder: Path) -> None:
    from torch._inductor.graph import GraphLowering
    from torch._inductor.virtualized import V

    set_times(looped=31.0, persistent=22.0)
    graph = object.__new__(GraphLowering)
    graph.__dict__.update(record_multi_kernel_choice=True, multi_kernel_to_choice={}, cpp_wrapper=True)
    with mkexplorer.installed():
        module = load("softmax", folder)
        call = call_of(module)
        with V.set_graph_handler(graph):
            call.run(torch.ones(X), torch.ones(X), 4096, 2048, stream=0)
            name = stock_module.MultiKernelCall.lookup_choice("multi_kernel_0")
            assert name == StockCall.lookup_choice("multi_kernel_0")
    assert name.startswith("triton_per")
    assert "run" not in vars(call), "the second call of C++'s tuning must go through the kernel, which keeps its binary"
    from torch._inductor.codegen import cpp_wrapper_gpu

    assert cpp_wrapper_gpu.MultiKernelCall is StockCall, "put back"


def case_a_cpp_wrapper_that_is_compiled_lazily_has_no_multi_kernels(folder: Path) -> None:
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 12):
        return
    options = {"triton.autotune_at_compile_time": False, "cpp_wrapper": True}
    with inductor_config.patch({"triton.multi_kernel": 1, **options}):
        failure = failure_of(generate_wrappers.generate, "softmax", cpp_wrapper=True)
        assert isinstance(failure, AssertionError), "torch is cured of it: is this case still needed?"
        with mkexplorer.installed():
            assert "multi_kernel" not in generate_wrappers.generate("softmax", cpp_wrapper=True)
    with mkexplorer.installed(), inductor_config.patch(options):
        assert "multi_kernel" not in generate_wrappers.generate("softmax", cpp_wrapper=True)


def case_a_warm_graph_cache_is_no_end(folder: Path) -> None:
    """A kernel that comes out of a graph's cache has lost its lock; torch's own class dies of it."""
    module = load("softmax", folder)
    kernels = [restored(kernel) for kernel in call_of(module).kernels]
    if all(getattr(kernel.fn, "_hash_lock", True) is None for kernel in kernels):
        failure = failure_of(StockCall, "multi_kernel_0", futures(kernels), {0: [slice(0, 4)], 1: [slice(0, 4)]})
        assert isinstance(failure, TypeError), "torch is cured of it: is this case still needed?"
        assert "context manager" in str(failure)
    with mkexplorer.installed():
        call = stock_module.MultiKernelCall("multi_kernel_0", futures(kernels), {0: [slice(0, 4)], 1: [slice(0, 4)]})
    assert call.cache_file_path() == pick_of(module)


def restored(kernel: Any) -> Any:
    assert kernel.fn.cache_key  # is computed before it is pickled
    launchers = kernel.launchers
    kernel.launchers = []
    kernel._cached_launcher = None
    old = kernel.prepare_for_pickle()
    data = pickle.dumps(kernel)
    kernel.restore_after_unpickle(old)
    kernel.launchers = launchers
    found = pickle.loads(data)
    found.launchers = launchers
    return found


def futures(kernels: list[Any]) -> list[Any]:
    made = []
    for kernel in kernels:
        future = codecache.StaticAutotunerFuture(kernel)
        future.reload_kernel_from_src = lambda: None
        kernel.recheck_autotune_cache = lambda **_: None
        kernel.precompile = lambda **_: None
        made.append(future)
    return made
