"""The samples on a GPU: right, well chosen, quickly chosen, cheap to call, remembered. Needs a GPU.

``PYTHONPATH=.:widgets python -m tests.gpu.check_multikernel [PART…]``, where torch and triton are, in a checkout.
Prints a table and ends with 1 if a line of it fails. Everything happens in temporary folders. The parts:

overhead    what a call costs the host above the bare launcher, beside torch's own multi-kernel
threads     20 threads call at once, and one measures
graph       a first call that CUDA records into a graph, and a graph after the choice
confirm     a size near a known one starts with its choice, which is measured while the GPU rests
compile     every kernel of the samples into Triton's cache, in processes side by side, so that the rest is quick
choices     all samples in all sizes: each sub-kernel against float64, the choice against the profiler and torch's rule
speed       each sample beside PyTorch, torch.compile and its best sub-kernel
again       a second process loads every pick (those of ``choices``) and measures nothing

``choices:softmax`` is one sample of a part. A CUDA error ends its part; the parts behind it run in a new process.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch

from mkexplorer.multikernel import config, multi_kernel, sub_kernel
from mkexplorer.race.racing import Contestant, Outcome
from samples.running import Sample, error, expected, tolerance
from tests.gpu.first_calls import DEVICE, Choosing, device_times, measured, watched
from tests.gpu.host_times import above, bracket_loop, host_loop, host_times, torchs_call
from tests.gpu.later_calls import check_confirm, check_graph

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ("softmax", "layer_norm", "layer_norm_backward", "rms_norm", "cross_entropy", "matmul")
PARTS = ("overhead", "threads", "graph", "confirm", "compile", "choices", "speed", "again")
GAP = 0.03
# What the profiler's clock counts in; two medians that differ by less than three steps are not told apart.
UNRESOLVED_US = 3 * 0.032
SPEED_SIZE = 5  # of each sample's sizes
THREADS = 20


class Report:
    """Lines are printed at once; ``rows`` stay in a file, so that a later process finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed = 0

    def check(self, what: str, holds: bool, detail: object = "") -> None:
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'}  {what:70} {detail}", flush=True)

    def failure(self, what: str, problem: BaseException) -> None:
        frames = traceback.extract_tb(problem.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self.check(what, False, f"{type(problem).__name__}: {str(problem)[:300]} ({place})")

    def add_row(self, kind: str, row: Mapping[str, Any]) -> None:
        with (self.folder / f"{kind}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self, kind: str) -> list[dict[str, Any]]:
        path = self.folder / f"{kind}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def sample_of(name: str) -> Sample:
    found: Sample = importlib.import_module(f"samples.{name}").sample
    return found


def told(size: Sequence[int], dtype: torch.dtype) -> str:
    names = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}
    return f"{'x'.join(map(str, size))} {names[dtype]}"


# ------------------------------------------------------------------------------------------------ compile


def compile_sample(report: Report, name: str) -> None:
    """Launches everything once; what it would choose is of no interest."""
    config.measure = lambda contestants, old: Outcome(
        cold=tuple((1.0 + number,) for number in range(len(contestants))),
        hot=tuple(() for _ in contestants),
        ruling=None,
        rounds=1,
        gpu_us=0.0,
        clock_mhz=None,
        disturbed=0,
    )
    config.disable_cache = True
    sample = sample_of(name)
    for size, dtype in sample.sizes:
        measured(sample, size, dtype)
    size, dtype = sample.sizes[SPEED_SIZE]
    torch.compile(sample.in_torch, dynamic=False)(*sample.make(*size, dtype=dtype, device=DEVICE))
    torch.cuda.synchronize()


def check_compile(report: Report, names: Sequence[str]) -> None:
    commands = [[*command(report.folder), f"compile_sample:{name}"] for name in names]
    running = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for each in commands]
    for name, process in zip(names, running, strict=True):
        output = process.communicate()[0]
        failures = [line for line in output.splitlines() if line.startswith("FAIL")]
        last = (failures or output.strip().splitlines()[-1:] or ["no output"])[0]
        report.check(f"compile: {name}", process.returncode == 0, "" if process.returncode == 0 else last[:400])


# ------------------------------------------------------------------------------------------------ choices


def check_choices(report: Report, name: str) -> None:
    sample = sample_of(name)
    for size, dtype in sample.sizes:
        try:
            row = choice_row(sample, size, dtype)
        except Exception as problem:
            report.failure(f"choices: {name} {told(size, dtype)}", problem)
            if is_poisoned():
                return
            continue
        report.add_row("choices", row)
        print(choice_line(row), flush=True)
        torch.cuda.empty_cache()


def choice_row(sample: Sample, size: Sequence[int], dtype: torch.dtype) -> dict[str, Any]:
    chosen, errors, _ = measured(sample, size, dtype)
    profiled = device_times(chosen.contestants)
    row = {
        "sample": sample.name,
        "size": told(size, dtype),
        "error": max(errors),
        "is_right": max(errors) <= tolerance(dtype),
        "picked": chosen.picked,
        "choosing_ms": chosen.choosing_ms,
        "raced_us": chosen.raced_us,
        "profiled_us": profiled,
        "names": [each.name for each in chosen.kernels],
    }
    try:
        began = time.perf_counter()
        stock = torchs_rule_us(chosen)
        row |= {"stock_ms": (time.perf_counter() - began) * 1e3, "stock": stock.index(min(stock))}
    except Exception as problem:
        row |= {"stock_problem": f"{type(problem).__name__}: {problem}"[:150]}
    return row


def torchs_rule_us(chosen: Choosing) -> list[float]:
    """`MultiKernelCall.benchmark_sub_kernels` of the installed torch, on our kernels and the call's own arguments."""
    from torch._inductor.codegen.multi_kernel import MultiKernelCall

    def stand_in(kernel: Any, grid: Any) -> Any:
        device = SimpleNamespace(type="cuda", index=0)
        run: Callable[..., Any] = lambda *arguments, **_: kernel.run(*arguments, grid=grid)  # noqa: E731
        return SimpleNamespace(clone_args=kernel.clone_args, run=run, device_props=device)

    call = MultiKernelCall.__new__(MultiKernelCall)
    call.multi_kernel_name = "multi_kernel_0"
    call._kernels = [stand_in(kernel, grid) for kernel, (_, grid) in zip(chosen.kernels, chosen.parts, strict=True)]
    passed: list[Any] = []
    call.arg_index = {}
    for index, (own, _) in enumerate(chosen.parts):
        call.arg_index[index] = [slice(len(passed), len(passed) + len(own))]
        passed += own
    return [float(time_ms) * 1e3 for time_ms in call.benchmark_sub_kernels(*passed)]


def lost(row: Mapping[str, Any], index: int) -> tuple[float, float]:
    """By how much, and by how many us, a sub-kernel is slower than the profiler's best."""
    best = min(row["profiled_us"])
    return row["profiled_us"][index] / best - 1, row["profiled_us"][index] - best


def fate(row: Mapping[str, Any], index: int) -> str:
    share, by_us = lost(row, index)
    return "" if share < GAP else "unresolved" if by_us < UNRESOLVED_US else "WRONG"


def gap(row: Mapping[str, Any]) -> float:
    ordered = sorted(row["profiled_us"])
    return float(ordered[1] / ordered[0] - 1)


def choice_line(row: Mapping[str, Any]) -> str:
    raced = " ".join("-" if each is None else f"{each:.2f}" for each in row["raced_us"])
    profiled = " ".join(f"{each:.2f}" for each in row["profiled_us"])
    stock = f"torch {row['stock']} {row['stock_ms']:4.0f} ms {fate(row, row['stock'])}" if "stock" in row else "torch -"
    right = "" if row["is_right"] else "NOT RIGHT"
    return (
        f"  {row['sample'][:12]:12} {row['size']:18} {row['error']:.0e} {right}| {raced:24}| {profiled:24}|"
        f" {row['picked']} {row['choosing_ms']:4.1f} ms {fate(row, row['picked'])} | {stock}"
    )


def judge_choices(report: Report, of: int) -> None:
    rows = report.rows("choices")
    report.check("choices: sizes measured, at least 40", len(rows) == of, f"{len(rows)} of {of}")
    if not rows:
        return
    wrong = [f"{each['sample']} {each['size']}" for each in rows if not each["is_right"]]
    report.check("choices: every sub-kernel is right against float64", not wrong, "; ".join(wrong))
    clear = [row for row in rows if gap(row) >= GAP]
    missed = [row for row in rows if fate(row, row["picked"]) == "WRONG"]
    report.check("choices: the profiler's best where the gap is 3%", not missed, f"{len(missed)} wrong of {len(clear)}")
    for row in rows:
        if fate(row, row["picked"]) == "unresolved":
            share, by_us = lost(row, row["picked"])
            print(f"      unresolved: {row['sample']} {row['size']}: {share:.1%}, {by_us:.3f} us")
    choosing_ms = median(row["choosing_ms"] for row in rows)
    longest_ms = max(row["choosing_ms"] for row in rows)
    report.check("choices: taken in 25 ms at the median", choosing_ms <= 25, f"{choosing_ms:.1f}, max {longest_ms:.0f}")
    stock = [row for row in rows if "stock" in row]
    if stock:
        badly = sum(fate(row, row["stock"]) == "WRONG" for row in stock)
        stock_ms = median(row["stock_ms"] for row in stock)
        print(f"      torch's rule: {stock_ms:.0f} ms at the median, {badly} of {len(stock)} wrong")
    problems = {row["stock_problem"] for row in rows if "stock_problem" in row}
    for problem in sorted(problems):
        print(f"      torch's rule failed: {problem}")


# ------------------------------------------------------------------------------------------------ speed


def check_speed(report: Report, name: str) -> None:
    sample = sample_of(name)
    size, dtype = sample.sizes[SPEED_SIZE]
    # Another process may have chosen before, and the sub-kernels are wanted too.
    with tempfile.TemporaryDirectory() as cache:
        before, config.cache_dir = config.cache_dir, cache
        sys.modules.pop(f"samples.{name}", None)  # for a new multi-kernel, that has chosen nothing yet
        try:
            sample = sample_of(name)
            chosen, _, arguments = measured(sample, size, dtype)
        finally:
            config.cache_dir = before
    runs = {"multi-kernel": sample.run, "eager": sample.in_torch}
    try:
        compiled = torch.compile(sample.in_torch, dynamic=False)
        compiled(*arguments)
        runs["compile"] = compiled
    except Exception as problem:
        print(f"      {name}: torch.compile: {type(problem).__name__}: {str(problem)[:150]}")
    contestants = [Contestant(title, lambda run=run: run(*arguments)) for title, run in runs.items()]  # type: ignore[misc]
    times = device_times([*contestants, *chosen.contestants])
    by_title = dict(zip(runs, times, strict=False))
    singles = times[len(runs) :]
    best = min(singles)
    ours = by_title["multi-kernel"]
    row = {"sample": name, "best": best, "picked": chosen.picked, **by_title}
    report.add_row("speed", row)
    eager, compiled_us = by_title["eager"], by_title.get("compile")
    against = f"{compiled_us:9.2f} ({compiled_us / ours:5.2f}x)" if compiled_us else "        -         "
    print(
        f"  {name:20} {told(size, dtype):18} {ours:9.2f} | {eager:9.2f} ({eager / ours:5.2f}x) | {against} |"
        f" {best:9.2f} ({best / ours:5.2f}x) {chosen.kernels[singles.index(best)].name}",
        flush=True,
    )


# ------------------------------------------------------------------------------------------------ overhead


def check_overhead(report: Report) -> None:
    from tests.gpu.tiny_kernels import tiny_part, tiny_whole

    x, extra, out = torch.randn(3, 64, device=DEVICE)
    arguments = (x, extra, out, 64)
    for index, title in enumerate(("taking all arguments", "taking three of four")):
        config.sub_kernel = index
        function = multi_kernel(
            sub_kernel(tiny_whole, BLOCK=64, num_warps=1), sub_kernel(tiny_part, BLOCK=64, num_warps=1), name="tiny"
        )
        for _ in range(2):
            function[(1,)](*arguments)
        config.sub_kernel = None
        (entry,) = function._entries.values()
        kernel = entry.call.kernels[index]
        own = arguments if index == 0 else (x, out, 64)
        triton_function = (tiny_whole, tiny_part)[index]
        loops = {
            "bare": host_loop(kernel.run, own, {"grid": (1,)}),
            "ours": host_loop(entry.call.run, arguments, {"grid": (1,)}),
            "torch": host_loop(torchs_call(kernel, index), arguments, {"grid": (1,)}),
            "Triton's brackets": bracket_loop(triton_function, own, {"BLOCK": 64, "num_warps": 1}),
            "our brackets": bracket_loop(function, arguments, {}),
            "bare again": host_loop(kernel.run, own, {"grid": (1,)}),
        }
        bare, ours, torchs, brackets, our_brackets, again = host_times(list(loops.values()))
        more, theirs = above(ours, bare), above(torchs, bare)
        print(f"      a launch takes {median(bare):.3f} us; the same against itself {above(again, bare):+.3f} us")
        report.check(f"overhead, {title}: at most 0.1 us", more <= 0.1, f"{more:+.3f} us")
        report.check(f"overhead, {title}: at most 1/10 of torch's", more <= theirs / 10, f"{more:+.3f}, {theirs:+.3f}")
        brackets_us, ours_us = median(brackets), median(our_brackets)
        print(f"      fn[grid](...): Triton's own {brackets_us:.2f}, ours {ours_us:.2f} us")


# ------------------------------------------------------------------------------------------------ threads, again


def check_threads(report: Report) -> None:
    sample = sample_of("softmax")
    given = [sample.make(512, 512, dtype=torch.float16, device=DEVICE) for _ in range(THREADS)]
    outputs: list[Any] = [None] * THREADS
    problems: list[str] = []
    barrier = threading.Barrier(THREADS)

    def run(index: int) -> None:
        try:
            barrier.wait(60)
            with torch.cuda.stream(torch.cuda.Stream()):
                outputs[index] = sample.run(*given[index])
        except Exception as problem:
            problems.append(f"{type(problem).__name__}: {problem}")

    torch.cuda.synchronize()
    with watched() as watch:
        threads = [threading.Thread(target=run, args=(index,)) for index in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    torch.cuda.synchronize()
    report.check("threads: 20 at once, none fails", not problems, "; ".join(problems)[:300])
    detail = f"{len(watch.threads)} races of sub-kernels, {watch.tuned} of configurations"
    report.check("threads: they measure once", len(watch.threads) == 1 and watch.tuned == 2, detail)
    if not problems:
        errors = [
            error(sample, out, expected(sample, arguments)) for out, arguments in zip(outputs, given, strict=True)
        ]
        report.check("threads: all results are right", max(errors) <= tolerance(torch.float16), f"{max(errors):.0e}")


def load_again(report: Report) -> None:
    """The second process: what it says is what the first one wrote down."""
    with watched() as watch:
        for name in SAMPLES:
            sample = sample_of(name)
            for size, dtype in sample.sizes:
                arguments = sample.make(*size, dtype=dtype, device=DEVICE)
                before = set(sample.multi_kernel.picks)
                sample.run(*arguments)
                (bucket,) = set(sample.multi_kernel.picks) - before
                picked = sample.multi_kernel.picks[bucket]
                report.add_row("again", {"sample": sample.name, "size": told(size, dtype), "picked": picked})
                del arguments
    torch.cuda.synchronize()
    report.add_row("measured_again", {"compared": len(watch.threads), "tuned": watch.tuned})


def check_again(report: Report) -> None:
    chosen = {(row["sample"], row["size"]): row["names"][row["picked"]] for row in report.rows("choices")}
    done = subprocess.run([*command(report.folder), "load_again"], capture_output=True, text=True)
    last = [line for line in done.stdout.splitlines() if line.startswith("FAIL")] or done.stderr.splitlines()[-1:]
    report.check("again: a second process runs all samples", done.returncode == 0, last[:1] if done.returncode else "")
    loaded = {(row["sample"], row["size"]): row["picked"] for row in report.rows("again")}
    same = sum(loaded.get(key) == name for key, name in chosen.items())
    report.check("again: it loads every pick", bool(chosen) and same == len(chosen), f"{same} of {len(chosen)}")
    for key, name in chosen.items():
        if loaded.get(key) != name:
            print(f"      {key}: {name} was chosen, {loaded.get(key)} was loaded")
    counted = report.rows("measured_again")
    none = counted == [{"compared": 0, "tuned": 0}]
    report.check("again: and measures nothing", none, counted)
    listed = subprocess.run(
        [sys.executable, "-m", "mkexplorer", "list", str(report.folder / "cache"), "--json"],
        capture_output=True,
        text=True,
    )
    count = json.loads(listed.stdout)["counts"]["multi_kernels"] if listed.returncode == 0 else 0
    report.check("again: mkexplorer lists all of them", count >= len(chosen) > 0, f"{count} {listed.stderr[-300:]}")


# ------------------------------------------------------------------------------------------------ all of it


def command(folder: Path) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "tests.gpu.check_multikernel", "--folder", str(folder)]


def set_up(folder: Path) -> None:
    """Picks, generated code and compiled kernels all go to the folder."""
    for name in ("DISABLE_MULTI_KERNEL_CACHE", "SUB_KERNEL", "METRICS", "SHARE_RANKS"):
        os.environ.pop(f"MKEXPLORER_{name}", None)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    os.environ["XDG_CACHE_HOME"] = str(folder / "home")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "widgets"), os.environ.get("PYTHONPATH", "")])
    config.cache_dir = folder / "cache"


def is_poisoned() -> bool:
    try:
        torch.cuda.synchronize()
    except Exception:
        return True
    return False


def units_of(wanted: Sequence[str]) -> list[str]:
    """Parts as the units that fail alone: what goes by sample, sample by sample."""
    units = []
    for part in wanted:
        split = part in ("choices", "speed")
        units += [f"{part}:{name}" for name in SAMPLES] if split else [part]
        if part.startswith("choices"):
            units.append("judge")
    return units


def run_unit(report: Report, unit: str) -> None:
    part, _, name = unit.partition(":")
    if part == "choices" and name == SAMPLES[0]:
        print("choices: error | raced us | profiled us | picked, time to choose | torch's rule")
    if part == "speed" and name == SAMPLES[0]:
        print("speed: device us, cold L2: multi-kernel | PyTorch eager | torch.compile | best single sub-kernel")
    match part:
        case "overhead":
            check_overhead(report)
        case "threads":
            check_threads(report)
        case "graph":
            check_graph(report.check, report.folder / "graph")
        case "confirm":
            check_confirm(report.check, report.folder / "confirm")
        case "compile":
            check_compile(report, [name] if name else SAMPLES)
        case "compile_sample":
            compile_sample(report, name)
        case "choices":
            check_choices(report, name)
        case "judge":
            judge_choices(report, sum(len(sample_of(each).sizes) for each in SAMPLES))
        case "speed":
            check_speed(report, name)
        case "again":
            check_again(report)
        case "load_again":
            load_again(report)
        case _:
            raise SystemExit(f"there is no part {unit}; the parts: {', '.join(PARTS)}")


def run_units(folder: Path, units: Sequence[str]) -> int:
    report = Report(folder)
    for number, unit in enumerate(units):
        began = time.perf_counter()
        try:
            run_unit(report, unit)
        except Exception as problem:
            report.failure(f"{unit}: did not end", problem)
        print(f"      {unit}: {time.perf_counter() - began:.1f} s", flush=True)
        if is_poisoned():
            print(f"FAIL  {unit} left CUDA broken; the rest runs in a new process", flush=True)
            rest = list(units[number + 1 :])
            if rest:
                subprocess.run([*command(folder), *rest])
            return 1
    return 1 if report.failed else 0


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--folder"]:
        folder = Path(arguments[1])
        set_up(folder)
        return run_units(folder, arguments[2:])
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        set_up(Path(name))
        result = run_units(Path(name), units_of(arguments or PARTS))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {time.perf_counter() - began:.0f} s")
    return result


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
