"""What is measured inside ``torch.compile``: the choices beside torch's own, what a call costs, and whole steps."""

from __future__ import annotations

import os
import time
import types
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch._functorch.config as functorch_config
import torch._inductor.config as inductor_config
from torch._inductor.codegen.multi_kernel import MultiKernelCall as StockCall
from torch.profiler import ProfilerActivity, profile

import mkexplorer
from tests.gpu import inside_models
from tests.gpu.host_times import above, attribute_loop, host_times
from tests.gpu.inside_rows import check

WRONG = 1.03


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
    from mkexplorer.inductor.inlining import body_of

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
    holders["the launcher again"] = holders["the launcher itself"]
    loops = [attribute_loop(holder, arguments, {"stream": stream}) for holder in holders.values()]
    found = dict(zip(holders, host_times(loops), strict=True))
    for name, times in found.items():
        check(f"host time of a call: {name}", None, f"{median(times):.2f} us")
    bare, ours = found["the launcher itself"], found["ours after the choice"]
    more, noise = above(ours, bare), above(found["the launcher again"], bare)
    check(
        "ours costs at most 0.1 us above the launcher", more <= 0.1, f"{more:+.3f} us; against itself {noise:+.3f} us"
    )
    less = above(ours, found["the sub-kernel's own run"])
    check("ours costs no more than the sub-kernel's own run", less <= 0.02, f"{less:+.3f} us")
    body = body_of(kernel, launcher)
    check("and has the launcher's lines in itself", None, "yes" if body else "no: it calls the launcher")


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
