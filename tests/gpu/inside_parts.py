"""The parts of `check_inside` that run in processes of their own: ``python inside_parts.py PART``. Needs a GPU.

The last line is a JSON list of rows: [what was checked, whether it holds (null: only told), what was found].
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
import zipfile
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch._functorch.config as functorch_config
import torch._inductor.config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module
from torch.profiler import ProfilerActivity, profile

import mkexplorer
from tests.gpu import inside_models
from tests.gpu.host_times import attribute_loop, host_times

StockCall = stock_module.MultiKernelCall
WRONG = 1.03
rows: list[tuple[str, bool | None, str]] = []


def check(what: str, holds: bool | None, found: object = "") -> None:
    rows.append((what, None if holds is None else bool(holds), str(found)))
    sign = {True: "ok  ", False: "FAIL", None: "    "}[rows[-1][1]]
    print(f"{sign}  {what:72} {found}", flush=True)


def device_times_us(launches: Sequence[Callable[[], object]], names: Sequence[str], rounds: int = 30) -> list[float]:
    """The medians of what torch's profiler tells of each kernel, launched in turns with a cold cache."""
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    for launch in launches:
        launch()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as session:
        for number in range(rounds):
            for launch in launches if number % 2 == 0 else launches[::-1]:
                flush.zero_()
                launch()
        torch.cuda.synchronize()
    found: dict[str, list[float]] = {name: [] for name in names}
    for event in session.events():
        if event.name in found:
            found[event.name].append(event.time_range.elapsed_us())
    return [median(found[name]) for name in names]


def compiled(case: inside_models.Case) -> None:
    torch._dynamo.reset()
    function = torch.compile(case.function, dynamic=False)
    if not case.backward:
        function(*case.inputs)
        return
    inputs = [x.detach().requires_grad_(x.is_floating_point()) for x in case.inputs]
    function(*inputs).sum().backward()


# ---------------------------------------------------------------------------------------------------------- picks


class Compared:
    """One multi-kernel: what ours chose, what torch's own rule would have, and what the profiler says of both."""

    def __init__(self, title: str, ours: int, stock: int, ours_ms: float, stock_ms: float, truth_us: list[float]):
        self.title = title
        self.picks = {"ours": ours, "stock": stock}
        self.choosing_ms = {"ours": ours_ms, "stock": stock_ms}
        self.truth_us = truth_us

    def regret(self, who: str) -> float:
        return self.truth_us[self.picks[who]] / min(self.truth_us) - 1


compared: list[Compared] = []
title = ""


def compare(call: Any, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    from mkexplorer.inductor import measuring

    trial = call._trial(arguments, keywords)
    clones = measuring._cloned(trial)
    for index, kernel in enumerate(call.kernels):
        kernel.run(*trial.taken(index, clones.arguments), **keywords)  # tuned for both
    torch.cuda.synchronize()
    began = time.perf_counter()
    choose(call, arguments, keywords)
    ours_ms = (time.perf_counter() - began) * 1e3
    began = time.perf_counter()
    timings = StockCall.benchmark_sub_kernels(call, *arguments, **keywords)
    stock_ms = (time.perf_counter() - began) * 1e3
    launches = [
        lambda kernel=kernel, index=index: kernel.launchers[0](*trial.taken(index, clones.arguments), **keywords)
        for index, kernel in enumerate(call.kernels)
    ]
    names = [kernel.inductor_meta["kernel_name"] for kernel in call.kernels]
    truth = device_times_us(launches, names)
    compared.append(Compared(title, call.picked_kernel, timings.index(min(timings)), ours_ms, stock_ms, truth))


choose: Any = None


def part_picks() -> None:
    """Every choice of ours, and torch's own on the same kernels and arguments."""
    global choose, title
    mkexplorer.install()
    from mkexplorer.inductor.call import MultiKernelCall

    choose = MultiKernelCall._choose
    with mock.patch.object(MultiKernelCall, "_choose", compare):
        for case in [*inside_models.cases(), inside_models.batch_norm_case()]:
            title = case.name
            try:
                compiled(case)
            except Exception as error:
                check(f"{case.name} runs", False, f"{type(error).__name__}: {str(error)[:200]}")
        for name, model, x in inside_models.blocks():
            title = name
            torch.compile(model)(x).sum().backward()
    for each in compared:
        times = " | ".join(f"{time_us:.2f}" for time_us in each.truth_us)
        picks = f"ours {each.picks['ours']} {each.regret('ours'):+.1%}, stock {each.picks['stock']}"
        print(f"      {each.title:44} {times:24} us  {picks} {each.regret('stock'):+.1%}", flush=True)
    check("multi-kernels compared (at least 60)", len(compared) >= 60, len(compared))
    for who in ("stock", "ours"):
        wrong = [each for each in compared if each.regret(who) > WRONG - 1]
        worst = max(compared, key=lambda each: each.regret(who))
        found = f"{len(wrong)} of {len(compared)}, the worst {worst.regret(who):+.1%} ({worst.title})"
        check(f"wrong picks (> 3%), {who}", not wrong if who == "ours" else None, found)
    best = sum(min(each.truth_us) for each in compared)
    for who in ("stock", "ours"):
        lost = sum(each.truth_us[each.picks[who]] for each in compared) / best - 1
        check(f"total regret, {who}", lost <= 0.005 if who == "ours" else None, f"{lost:.2%}")
    for who in ("stock", "ours"):
        spent = [each.choosing_ms[who] for each in compared]
        check(f"time to choose, {who}", None, f"median {median(spent):.1f} ms, sum {sum(spent) / 1e3:.2f} s")


# -------------------------------------------------------------------------------------------------------- overhead


def part_overhead() -> None:
    """What a call costs the host, in turns, after the choice."""
    mkexplorer.install()
    x = torch.randn(32, 1024, device="cuda")
    caught: list[Any] = []
    from mkexplorer.inductor.call import MultiKernelCall

    settle = MultiKernelCall._settle

    def catch(call: Any, arguments: Any, keywords: Any) -> None:
        caught.append((call, arguments, keywords))
        settle(call, arguments, keywords)

    with mock.patch.object(MultiKernelCall, "_settle", catch):
        function = torch.compile(inside_models.softmax)
        function(x)
    call, arguments, keywords = caught[0]
    kernel = call.kernels[call.picked_kernel]
    stock = StockCall(call.multi_kernel_name, list(call.kernels), call.arg_index)
    stock.picked_kernel, stock._recorded = call.picked_kernel, True
    launcher = getattr(kernel, "_cached_launcher", None) or kernel.launchers[0]
    stream = keywords["stream"]
    holders = {
        "stock's MultiKernelCall.run": stock,
        "ours after the choice": call,
        "the sub-kernel's own run": kernel,
        "the launcher itself": type("Launcher", (), {"run": staticmethod(launcher)})(),
    }
    times = host_times([attribute_loop(holder, arguments, {"stream": stream}) for holder in holders.values()])
    found = dict(zip(holders, times, strict=True))
    for name, time_us in found.items():
        check(f"host time of a call: {name}", None, f"{time_us:.2f} us")
    above = found["ours after the choice"] - found["the launcher itself"]
    check("ours costs at most 0.1 us above the launcher", above <= 0.1, f"{above:+.3f} us")
    less = found["the sub-kernel's own run"] - found["ours after the choice"]
    check("ours costs no more than the sub-kernel's own run", less >= -0.02, f"{-less:+.3f} us")


# ----------------------------------------------------------------------------------------------------------- steps


def part_steps() -> None:
    """End to end: forward and backward of the two blocks, the three ways in turns."""
    inductor_config.fx_graph_cache = False
    functorch_config.enable_autograd_cache = False
    cache = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    ways = {"without multi-kernels": 0, "stock": 1, "ours": 1}
    for name, model, x in inside_models.blocks():
        steps = {}
        for way, value in ways.items():
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{cache}-{way.partition(' ')[0]}"
            if way == "ours":
                mkexplorer.install()
            inductor_config.triton.multi_kernel = value
            steps[way] = step_of(model, x)
            for _ in range(5):
                steps[way]()
            mkexplorer.uninstall()
        torch.cuda.synchronize()
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(60):
            for way, step in steps.items():
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                step()
                end.record()
                end.synchronize()
                times[way].append(begin.elapsed_time(end))
        found = {way: median(values) for way, values in times.items()}
        for way, time_ms in found.items():
            check(f"{name}, a step {way}", None, f"{time_ms:.3f} ms")
        fastest = min(found["stock"], found["without multi-kernels"])
        check(f"{name}: ours is not slower (1%)", found["ours"] <= fastest * 1.01, f"{found['ours'] / fastest:.3f}")


def step_of(model: Any, x: Any) -> Callable[[], None]:
    def forward(x: Any) -> Any:
        return model(x)

    # What is compiled is kept by code objects: each way gets one of its own.
    own = types.FunctionType(forward.__code__.replace(), globals(), "forward", None, forward.__closure__)
    compiled_model = torch.compile(own, dynamic=False)

    def step() -> None:
        compiled_model(x).sum().backward()
        model.zero_grad(set_to_none=True)

    return step


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


# ------------------------------------------------------------------------------------------------------- behaviour


def agrees(what: str, function: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    torch._dynamo.reset()
    try:
        expected = function(*inputs)
        with inductor_config.patch(options):
            found = torch.compile(function)(*inputs)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    except Exception as error:
        check(what, False, f"{type(error).__name__}: {str(error)[:300]}")
    else:
        check(what, True)


def part_behaviour() -> None:
    """What torch's own tests of multi-kernels check, with ours installed."""
    mkexplorer.install()
    inductor_config.benchmark_kernel = True
    x = torch.rand(2, 1024, device="cuda")
    agrees("softmax", lambda x: torch.softmax(x, -1), x)
    agrees("softmax, mixed layouts warned of", lambda x: torch.softmax(x, -1) * 1, x, warn_mix_layout=True)
    agrees("layer norm", torch.nn.LayerNorm(1024).cuda(), x)
    y = torch.rand(1024, 1024, device="cuda")
    agrees("in-place update", lambda x, y: x.sum(-1, keepdim=True) * (y @ y), y, y)
    for value in (1, 2, 3):
        options = {"triton.multi_kernel": value}
        what = f"scratch buffer with different argument lists, multi_kernel={value}"
        agrees(what, lambda x: inside_models.scratch(x) + 0, torch.rand(16, 16, device="cuda"), **options)
    agrees("split scan", lambda x: torch.cumsum(x.view(-1), 0), torch.rand(10, 3, 64, 352, device="cuda"))
    agrees("sort, which has no multi-kernel", lambda x: x.sort(-1).values, torch.rand(32, 32, device="cuda"))
    cooperative = {"triton.cooperative_reductions": True, "triton.force_cooperative_reductions": True}
    agrees("cooperative reductions", lambda x: x.sum(-1), torch.rand(4, 65536 * 4, device="cuda"), **cooperative)
    same_argument_twice()
    transformer_snippet()
    batch_norm_training()
    forced_by_benchmark()
    size_hints()


def same_argument_twice() -> None:
    def update(x: Any, y: Any) -> None:
        y.copy_(y * 0.9 + x.sum(dim=1) * 0.1)

    x, y = torch.randn(8, 16, device="cuda"), torch.randn(8, device="cuda")
    expected = y.clone()
    update(x, expected)
    torch.compile(update)(x, y)
    check("the same argument several times", torch.allclose(y, expected, atol=1e-5))


def transformer_snippet() -> None:
    norms = [torch.nn.LayerNorm(64).cuda() for _ in range(2)]

    def snippet(x: Any, y: Any) -> Any:
        x = torch.nn.functional.dropout(x, 0.1)
        return norms[1](x + torch.nn.functional.dropout(norms[0](y), 0.1))

    inputs = [torch.randn(2, 64, device="cuda") for _ in range(2)]
    with inductor_config.patch(fallback_random=True):
        torch._dynamo.reset()
        torch.manual_seed(1)
        expected = snippet(*inputs)
        torch.manual_seed(1)
        found = torch.compile(snippet)(*inputs)
    check("transformer snippet with dropout", torch.allclose(found, expected, atol=1e-4))


def batch_norm_training() -> None:
    torch._dynamo.reset()
    ours, theirs = (torch.nn.BatchNorm2d(3).cuda() for _ in range(2))
    x = torch.randn(2, 3, 8, 8, device="cuda")
    from torch._inductor.utils import run_and_get_code

    _, code = run_and_get_code(torch.compile(lambda x: ours(x).sum().backward()), x)
    theirs(x).sum().backward()
    check("batch norm in training has multi-kernels", "async_compile.multi_kernel(" in code[0])
    same = torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-5)
    same = same and torch.allclose(ours.running_var, theirs.running_var, atol=1e-5)
    check("batch norm's running statistics are updated once", same)


def forced_by_benchmark() -> None:
    for forced in (0, 1):
        latencies = [0.2, 0.2]
        latencies[forced] = 0.1
        for who, cls in (("before", StockCall), ("after", stock_module.MultiKernelCall)):
            torch._dynamo.reset()
            picked: list[int] = []
            run = cls.run

            def replaced(call: Any, *args: Any, run: Any = run, picked: list[int] = picked, **kwargs: Any) -> Any:
                out = run(call, *args, **kwargs)
                picked.append(call.picked_kernel)
                return out

            constant = forced + 10 * (who == "after")
            with (
                mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"),
                mock.patch.object(cls, "run", replaced),
                mock.patch.object(cls, "benchmark_sub_kernels", return_value=latencies),
            ):
                torch.compile(lambda x, constant=constant: torch.softmax(x, -1) + constant)(
                    torch.rand(2, 1024, device="cuda")
                )
            check(f"benchmark replaced in the class as it was {who} install: {forced}", picked == [forced], picked)


def size_hints() -> None:
    if not hasattr(stock_module, "SizeHintMultiKernelCall"):
        return
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    y = torch.randn(2048, 2048, device="cuda", dtype=torch.bfloat16)
    x = torch.randn(4096, 2048, device="cuda", dtype=torch.bfloat16)
    torch._dynamo.mark_dynamic(x, 0)
    options = {"max_autotune": True, "max_autotune_gemm_backends": "TRITON"}
    compiled_function = torch.compile(lambda x, y: (x @ y).relu(), options=options)

    def right_for(length: int) -> bool:
        z = torch.randn(length, 2048, device="cuda", dtype=torch.bfloat16)
        return bool(torch.allclose(compiled_function(z, y), (z @ y).relu(), atol=1.0, rtol=0.05))

    with inductor_config.patch(multi_kernel_hints=[64, 4096]):
        _, code = run_and_get_code(compiled_function, x, y)
    check("GEMM of a dynamic size has a size-hint multi-kernel", "async_compile.size_hint_multi_kernel" in code[-1])
    check("and is right for all sizes", all([right_for(length) for length in (64, 300, 4096, 64)]))
    from mkexplorer.inductor import session

    shapes = sum(each.how is session.How.DISTANCE for each in session.decisions)
    began = time.perf_counter()
    changed = mkexplorer.verify()
    wall_s = time.perf_counter() - began
    verified = sum(each.how is session.How.VERIFIED for each in session.decisions)
    check("choices by shape, verified when asked", verified > 0, f"{changed} of {verified} changed, {wall_s:.2f} s")
    check("right after the verification", right_for(64) and right_for(4096), f"{shapes} choices by shape")


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

    text = cpp_of(package)
    for each in session.decisions:
        others = [name for name in each.names if name != each.names[each.index]]
        is_alone = each.names[each.index] in text and not any(name in text for name in others)
        check("AOTInductor: the C++ has the chosen sub-kernel and no other", is_alone, f"{each.how}: {each.index}")
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


if __name__ == "__main__":
    globals()[f"part_{sys.argv[1]}"]()
    print(json.dumps(rows))
