"""The parts of `check_inside` that run in processes of their own: ``python inside_parts.py PART``. Needs a GPU.

The last line is a JSON list of rows: [what was checked, whether it holds (null: only told), what was found].
"""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch._inductor.config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module
from torch.profiler import ProfilerActivity, profile

import mkexplorer
from tests.gpu import inside_models
from tests.gpu.inside_behaviour import part_behaviour
from tests.gpu.inside_figures import part_overhead, part_picks, part_steps
from tests.gpu.inside_rows import check, rows

# ------------------------------------------------------------------------------------------------- a small program


def part_program() -> None:
    """A program with three multi-kernels; its rows are what became of each. INSTALL=1 has it use ours.

    GO_ON=1 has it tell of what dies and go on, DETERMINISTIC=1 use torch's deterministic algorithms.
    """
    torch.use_deterministic_algorithms(os.environ.get("DETERMINISTIC") == "1")
    if os.environ.get("INSTALL") == "1":
        mkexplorer.install(measure=os.environ.get("MEASURE", "once"))
    x = torch.randn(4096, 1024, device="cuda")
    weight = torch.ones(1024, device="cuda")
    for name, inputs in (("softmax", (x,)), ("rms_norm", (x, weight)), ("log_sum_exp", (x,))):
        function = getattr(inside_models, name)
        try:
            found = torch.compile(function)(*inputs)
        except Exception as error:
            if not os.environ.get("GO_ON"):
                raise
            check(f"{name} dies", None, " ".join(str(error).split())[:150])
        else:
            torch.testing.assert_close(found, function(*inputs), atol=1e-4, rtol=1e-4)
    from mkexplorer.inductor import session

    for each in session.decisions:
        check(each.how.value, None, each.index)


# ---------------------------------------------------------------------------------------------- graphs and profiler


def part_capture() -> None:
    """CUDA graphs, by hand and by torch; a profiler that is in use; several streams."""
    mkexplorer.install()
    from mkexplorer.inductor import gpu
    from mkexplorer.inductor.call import MultiKernelCall

    caught: list[Any] = []
    settle = MultiKernelCall._settle

    def catch(call: Any, arguments: Any, keywords: Any) -> None:
        caught.append((call, arguments, keywords))
        settle(call, arguments, keywords)

    x = torch.randn(4096, 1024, device="cuda")
    with mock.patch.object(MultiKernelCall, "_settle", catch):
        torch.compile(inside_models.softmax)(x)
    call, arguments, _ = caught[0]
    out = arguments[1]
    os.environ["TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE"] = "1"
    fresh = stock_module.MultiKernelCall("multi_kernel_0", list(call.kernels), call.arg_index)
    out.zero_()
    graph = torch.cuda.CUDAGraph()
    with mock.patch.object(gpu, "race_on_gpu", side_effect=AssertionError("measured")), torch.cuda.graph(graph):
        fresh.run(*arguments, stream=torch.cuda.current_stream().cuda_stream)
    graph.replay()
    torch.cuda.synchronize()
    check("first called under capture: not measured, right", torch.allclose(out, torch.softmax(x, -1), atol=1e-6))
    check("and chooses nothing yet", fresh.picked_kernel is None)
    fresh.run(*arguments, stream=torch.cuda.current_stream().cuda_stream)
    check("a later call chooses", fresh.picked_kernel is not None, fresh.picked_kernel)
    side = torch.cuda.Stream()
    other = stock_module.MultiKernelCall("multi_kernel_0", list(call.kernels), call.arg_index)
    torch.cuda.synchronize()
    out.zero_()
    other.run(*arguments, stream=side.cuda_stream)
    torch.cuda.synchronize()
    check("chosen on another stream than the current one", torch.allclose(out, torch.softmax(x, -1), atol=1e-6))
    del os.environ["TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE"]

    torch._dynamo.reset()
    model = torch.nn.Sequential(torch.nn.LayerNorm(1024), torch.nn.Linear(1024, 1024), torch.nn.Softmax(-1)).cuda()
    with inductor_config.patch({"triton.slow_path_cudagraph_asserts": True}):
        graphed = torch.compile(model, mode="reduce-overhead")
        right = True
        with torch.no_grad():
            for _ in range(6):
                y = torch.randn(512, 1024, device="cuda")
                torch.compiler.cudagraph_mark_step_begin()
                right = right and torch.allclose(graphed(y), model(y), atol=1e-3)
    check("mode='reduce-overhead' with its own checks", right)

    torch._dynamo.reset()
    before = len(caught)
    with (
        mock.patch.object(MultiKernelCall, "_settle", catch),
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as session,
    ):
        found = torch.compile(inside_models.log_softmax)(x)
        torch.cuda.synchronize()
    check("while a profiler is in use: right", torch.allclose(found, torch.log_softmax(x, -1), atol=1e-4))
    measured = caught[before][0]._measurement
    check("and measured all the same", measured is not None and measured.choice.ruling is not None)
    names = {event.name for event in session.events()}
    check("and the profiler saw the kernel", any("log_softmax" in name for name in names))


# -------------------------------------------------------------------------------------------------------------- cpp


def part_cpp() -> None:
    """C++ wrappers; first whether they work here at all, without multi-kernels."""
    x, model, expected = to_be_cpp()
    options = {"cpp_wrapper": True, "triton.autotune_at_compile_time": True}

    def found() -> Any:
        torch._dynamo.reset()
        torch._inductor.codecache.PyCodeCache.cache_clear()
        with inductor_config.patch(options), torch.no_grad():
            return torch.compile(model, fullgraph=True)(x)

    try:
        inductor_config.triton.multi_kernel = 0
        found()
    except Exception as error:
        check("C++ wrapper: does not work on this machine, with or without us", None, str(error)[-200:])
        return
    for value in (1, 3):
        inductor_config.triton.multi_kernel = value
        with mkexplorer.installed():
            try:
                right = torch.allclose(found(), expected, atol=1e-4)
            except Exception as error:
                check(f"C++ wrapper, multi_kernel={value}", False, f"{type(error).__name__}: {str(error)[-300:]}")
            else:
                check(f"C++ wrapper, multi_kernel={value}: right", right)
    from mkexplorer.inductor import session

    check("multi-kernels were chosen for C++", len(session.decisions) > 0, len(session.decisions))


def part_aoti() -> None:
    """AOTInductor's package of a model. INSTALL=1 has it use ours, LOAD=1 loads the package and runs it."""
    x, model, expected = to_be_cpp()
    if os.environ.get("INSTALL") == "1":
        mkexplorer.install()
    with torch.no_grad():
        package = torch._inductor.aoti_compile_and_package(torch.export.export(model, (x,)))
    from mkexplorer.inductor import session

    launched = re.findall(r"launchKernel\((?:kernels_\.)?(\w+)", cpp_of(package))
    for each in session.decisions:
        chosen = [name for name in each.names if name in launched] == [each.names[each.index]]
        check("AOTInductor: the C++ launches the chosen sub-kernel and no other", chosen, f"{each.how}: {each.index}")
    if os.environ.get("LOAD") == "1":
        with torch.no_grad():
            found = torch._inductor.aoti_load_package(package)(x)
        check("AOTInductor: right", torch.allclose(found, expected, atol=1e-4))


def to_be_cpp() -> tuple[Any, Any, Any]:
    x = torch.rand(64, 1024, device="cuda")
    model = torch.nn.Sequential(torch.nn.LayerNorm(1024), torch.nn.Softmax(-1)).cuda()
    return x, model, model(x)


def cpp_of(package: str) -> str:
    """All C++ in it."""
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if name.endswith((".cpp", ".h"))]
        return "\n".join(archive.read(name).decode() for name in names)


# ------------------------------------------------------------------------------------------------------------ ranks


def part_rank() -> None:
    """One of two ranks on one GPU, each with a cache of its own; they would choose otherwise if they were asked."""
    rank = int(os.environ["RANK"])
    torch.distributed.init_process_group("gloo")
    mkexplorer.install()
    from mkexplorer.inductor import session
    from mkexplorer.inductor.call import MultiKernelCall

    benchmark = MultiKernelCall.benchmark_sub_kernels

    def opposite(call: Any, *args: Any, **kwargs: Any) -> list[float]:
        benchmark(call, *args, **kwargs)
        call._measurement = None
        return [1.0, 2.0] if rank == 0 else [2.0, 1.0]

    with mock.patch.object(MultiKernelCall, "benchmark_sub_kernels", opposite):
        torch.compile(inside_models.softmax)(torch.randn(4096, 1024, device="cuda"))
    torch.distributed.barrier()
    check(f"rank {rank}", None, session.decisions[-1].index)
    torch.distributed.destroy_process_group()


PARTS: dict[str, Callable[[], None]] = {
    "program": part_program,
    "picks": part_picks,
    "overhead": part_overhead,
    "steps": part_steps,
    "behaviour": part_behaviour,
    "capture": part_capture,
    "cpp": part_cpp,
    "aoti": part_aoti,
    "rank": part_rank,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]]()
    print(json.dumps(rows))
