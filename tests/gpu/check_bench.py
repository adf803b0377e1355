"""What mkexplorer measures is what the device took, and its verdicts name the right sub-kernel. Needs a GPU.

``PYTHONPATH=.:widgets python -m tests.gpu.check_bench [PART…]``, where torch and triton are, in a checkout. Prints a
table and ends with 1 if a line of it fails. Everything happens in temporary folders. The parts:

recorded    the sample's multi-kernels measured anew, each beside torch's profiler and torch's own benchmark
compiled    the same for multi-kernels that stock torch compiles and picks here, and `audit --apply` on that cache
again       a sub-kernel against itself, 100 times
contention  the sample's multi-kernels while another program keeps the GPU busy
faults      kernels that crash, hang or ask for too much, and workers that are killed
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.model import TensorArgument
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.model import BenchRequest, BenchResult, Device
from mkexplorer.measure.requests import bench_request
from mkexplorer.measure.verdict import Verdict
from mkexplorer.measure.wire import bench_job, read_result
from mkexplorer.picks.book import interpreter_for, open_book
from tests.gpu.faulty_kernels import faulty

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SAMPLE = ROOT / "samples" / "h100-torch2.11.mkx"
FAR_US, FAR = 0.3, 0.03
NAMED_FROM, NAMED_BELOW = 0.03, 0.01
# What the profiler's clock counts in; two medians that differ by less are not told apart by it either.
STEP_US = 0.032


class Checks:
    """What was checked so far; every line is printed at once."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, what: str, holds: bool, detail: object = "") -> None:
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'}  {what:74} {detail}", flush=True)


@dataclass(frozen=True)
class Measured:
    """One multi-kernel as mkexplorer measured it, and the profiler's medians of the same kernels on such arguments."""

    request: BenchRequest
    result: BenchResult
    all_cold_us: tuple[tuple[float, ...], ...]
    all_hot_us: tuple[tuple[float, ...], ...]

    @property
    def cold_us(self) -> tuple[float, ...]:
        return tuple(sum(each) / len(each) for each in self.all_cold_us)

    @property
    def hot_us(self) -> tuple[float, ...]:
        return tuple(sum(each) / len(each) for each in self.all_hot_us)

    @property
    def gap(self) -> float:
        ordered = sorted(self.cold_us)
        return ordered[1] / ordered[0] - 1

    @property
    def best(self) -> int:
        return self.cold_us.index(min(self.cold_us))

    @property
    def is_far_off(self) -> bool:
        """Further from the profiler's two medians, before the race and after it, than those may be from each other."""
        pairs = [
            (timing.median_us, true)
            for sub, cold, hot in zip(self.result.sub_kernels, self.all_cold_us, self.all_hot_us, strict=True)
            for timing, true in ((sub.cold, cold), (sub.hot, hot))
            if timing is not None
        ]
        return any(all(abs(ours - each) > max(FAR_US, FAR * each) for each in true) for ours, true in pairs)

    @property
    def is_wrong(self) -> bool:
        """Names the one that the profiler finds slower."""
        judgement = self.result.judgement
        is_named = judgement is not None and judgement.verdict is Verdict.FASTER
        return judgement is None or (is_named and self.gap >= NAMED_FROM and judgement.best != self.best)

    @property
    def is_unnamed(self) -> bool:
        """Names none, where the profiler is clear and its clock fine enough to be."""
        judgement = self.result.judgement
        ordered = sorted(self.cold_us)
        is_clear = self.gap >= NAMED_FROM and ordered[1] - ordered[0] > 3 * STEP_US
        return is_clear and (judgement is None or judgement.verdict is not Verdict.FASTER)

    @property
    def is_rash(self) -> bool:
        judgement = self.result.judgement
        return judgement is not None and judgement.verdict is Verdict.FASTER and self.gap < NAMED_BELOW

    @property
    def stock(self) -> int | None:
        times = [sub.stock_us for sub in self.result.sub_kernels]
        known = [each for each in times if each is not None]
        return times.index(min(known)) if len(known) == len(times) else None

    def lost(self, index: int) -> float:
        return self.cold_us[index] / min(self.cold_us) - 1

    def line(self) -> str:
        judgement = self.result.judgement
        ours = " ".join(f"{sub.cold.median_us:8.2f}" if sub.cold else "       –" for sub in self.result.sub_kernels)
        hot = " ".join(f"{sub.hot.median_us:7.2f}" if sub.hot else "      –" for sub in self.result.sub_kernels)
        true = " ".join(f"{each:8.2f}" for each in self.cold_us)
        true_hot = " ".join(f"{each:7.2f}" for each in self.hot_us)
        stock = " ".join(f"{sub.stock_us or 0:6.1f}" for sub in self.result.sub_kernels)
        said = f"{judgement.verdict:6} {judgement.best} {judgement.ratio:.3f}" if judgement else "none"
        marks = [
            ("far off", self.is_far_off),
            ("WRONG", self.is_wrong),
            ("rash", self.is_rash),
            ("unnamed", self.is_unnamed),
        ]
        marks += [("stock wrong", self.stock is not None and self.lost(self.stock) > NAMED_FROM)]
        told = ", ".join(word for word, holds in marks if holds)
        agrees = {False: "DISAGREES", None: "not compared", True: ""}[
            min((sub.agrees for sub in self.result.sub_kernels), key=lambda x: (x is not False, x is not None))
        ]
        return (
            f"{self.result.multi_kernel_id:26}|{ours} |{true} |{hot} |{true_hot} |{stock} | {self.gap:6.1%} {said:15}"
            f" n={self.result.rounds:<3} gpu {self.result.gpu_us / 1e3:5.1f} wall {self.result.wall_us / 1e3:5.0f} ms"
            f" {agrees} {told}"
        )


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets"), os.environ.get("PYTHONPATH", "")])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache"),
        "TORCHINDUCTOR_MULTI_KERNEL": "1",
        # A warm graph cache with the static launcher dies in torch 2.9 and later, whatever the picks.
        "TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0",
        "XDG_CACHE_HOME": str(folder / "home"),
    }


def run_python(folder: Path, *arguments: str, codes: Sequence[int] = (0,)) -> str:
    done = subprocess.run([sys.executable, *arguments], env=environment(folder), capture_output=True, text=True)
    if done.returncode not in codes:
        raise SystemExit(f"{arguments} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def measure_all(folder: Path, requests: Sequence[BenchRequest]) -> list[Measured]:
    """Each measured as a worker does, in a process that asks the profiler too, and torch's own benchmark."""
    jobs = [bench_job(each, Device.CUDA, with_stock=True) for each in requests]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    run_python(folder, str(HERE / "device_times.py"), str(folder / "jobs.json"), str(folder / "times.json"))
    measured = []
    for request, times in zip(requests, json.loads((folder / "times.json").read_text()), strict=True):
        if isinstance(times, str):
            print(f"FAIL  {request.multi_kernel_id}: {times}")
            continue
        result = read_result(times["result"], request, Device.CUDA, "2026-01-01T00:00:00.000000Z")
        cold, hot = (tuple(zip(*times[key], strict=True)) for key in ("cold", "hot"))
        measured.append(Measured(request, result, cold, hot))
    return measured


def judge_table(checks: Checks, title: str, measured: Sequence[Measured], expected: int) -> None:
    print(f"\n{title}: cold us | by the profiler | hot us | by the profiler | torch's own benchmark | gap, verdict")
    for each in measured:
        print(each.line())
    checks.check(f"{title}: all were measured", len(measured) >= expected, f"{len(measured)} of {expected}")
    far = sum(each.is_far_off for each in measured)
    checks.check(f"{title}: medians within max(3%, 0.3 us) of the profiler's", far == 0, f"{far} far off")
    wrong, unnamed = sum(each.is_wrong for each in measured), sum(each.is_unnamed for each in measured)
    wide = sum(each.gap >= NAMED_FROM for each in measured)
    checks.check(f"{title}: gaps of 3% and more are named right", wrong == 0, f"{wrong} wrong of {wide}")
    checks.check(f"{title}: and none of more than 3 clock steps is left open", unnamed == 0, f"{unnamed} open")
    rash = sum(each.is_rash for each in measured)
    checks.check(f"{title}: gaps below 1% are SAME or UNSURE", rash == 0, f"{rash} called FASTER")
    stock = sum(each.stock is not None and each.lost(each.stock) > NAMED_FROM for each in measured)
    print(f"      torch's own benchmark, in the same process: {stock} of {len(measured)} wrong by more than 3%")
    agree = sum(all(sub.agrees for sub in each.result.sub_kernels) for each in measured)
    checks.check(f"{title}: all sub-kernels agree", agree == len(measured), f"{agree} of {len(measured)}")
    gpu_ms = median(each.result.gpu_us for each in measured) / 1e3
    checks.check(f"{title}: GPU time of a race at the median <= 20 ms", gpu_ms <= 20, f"{gpu_ms:.1f} ms")
    wall_ms = median(each.result.wall_us for each in measured) / 1e3
    checks.check(f"{title}: wall time once loaded at the median <= 100 ms", wall_ms <= 100, f"{wall_ms:.0f} ms")


def requests_of(catalog: Catalog, picks: dict[str, int | None]) -> list[BenchRequest]:
    return [bench_request(catalog, each, picked=picks.get(each.id)) for each in catalog.multi_kernels]


def recorded_picks(catalog: Catalog) -> dict[str, int | None]:
    known = ((each, catalog.evidence(each)) for each in catalog.multi_kernels)
    return {each.id: evidence.picked if evidence else None for each, evidence in known}


def check_recorded(checks: Checks, folder: Path) -> None:
    catalog = open_catalog(SAMPLE)
    measured = measure_all(folder, requests_of(catalog, recorded_picks(catalog)))
    judge_table(checks, "recorded", measured, 41)
    if measured:
        print("      environment:", measured[-1].result.environment)


def check_compiled(checks: Checks, folder: Path) -> None:
    run_python(folder, str(HERE / "bench_program.py"))
    cache = folder / "cache"
    catalog = open_catalog(cache)
    picks = picks_of(cache)
    checks.check("compiled: every pick file is found", None not in picks.values(), len(picks))
    measured = measure_all(folder, requests_of(catalog, picks))
    judge_table(checks, "compiled", measured, 20)
    before = regret(measured, picks)
    code, applied = audit(folder, "--apply", "--yes")
    checks.check("audit --apply runs", code in (0, 1), code)
    after_picks = picks_of(cache)
    after = regret(measured, after_picks)
    for each in measured:
        name = each.result.multi_kernel_id
        if (lost := each.lost(after_picks[name] or 0)) > 0:
            told: dict[str, Any] = next((row for row in applied["picks"] if row["id"] == name), {})
            surroundings = (told.get("result") or {}).get("environment")
            print(f"      {name} still loses {lost:.1%}: {told.get('verdict')} {surroundings}")
    checks.check("audit --apply brings total regret to 0.5% or less", after <= 0.005, f"{before:.2%} → {after:.2%}")
    checks.check("an audit of what is recorded then ends with 0", audit(folder, "--recorded")[0] == 0)
    ran = set(json.loads(run_python(folder, str(HERE / "bench_program.py")).strip().splitlines()[-1]))
    chosen = {each.sub_kernels[after_picks[each.id] or 0].name for each in catalog.multi_kernels}
    checks.check("a fresh process runs what audit pinned", chosen <= ran, f"{len(chosen & ran)} of {len(chosen)}")
    run_python(folder, "-m", "mkexplorer", "undo", "--place", str(cache), "--yes", codes=(0, 1))
    checks.check("undo takes the audit's pins back", picks_of(cache) == picks)
    checks.check("an audit of what is recorded then ends with 1", audit(folder, "--recorded")[0] == 1)


def audit(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "mkexplorer", "audit", str(folder / "cache"), "--json", *options]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        print(done.stderr[-1500:])
    return done.returncode, json.loads(done.stdout or "{}")


def picks_of(cache: Path) -> dict[str, int | None]:
    catalog = open_catalog(cache)
    with interpreter_for(catalog, None) as interpreter:
        book = open_book(catalog, interpreter)
    return {each.id: book.of(each).pick.index for each in catalog.multi_kernels}


def regret(measured: Sequence[Measured], picks: dict[str, int | None]) -> float:
    """Of all multi-kernels together: time of the picked ÷ time of the best - 1, by the profiler."""
    picked = sum(each.cold_us[picks[each.result.multi_kernel_id] or 0] for each in measured)
    return picked / sum(min(each.cold_us) for each in measured) - 1


def check_again(checks: Checks, bencher: Bencher) -> None:
    catalog = open_catalog(SAMPLE)
    requests = requests_of(catalog, {})
    said = []
    for number in range(100):
        request = requests[number % len(requests)]
        kernel = request.kernels[number // len(requests) % 2]
        result = bencher.bench(replace(request, kernels=(kernel, kernel)))
        said.append(result.judgement.verdict if result.judgement else None)
    named = [each for each in said if each not in (Verdict.SAME, Verdict.UNSURE)]
    detail = f"{said.count(Verdict.SAME)} SAME, {said.count(Verdict.UNSURE)} UNSURE, {len(named)} else"
    checks.check("a sub-kernel against itself is SAME or UNSURE in 99 of 100", len(named) <= 1, detail)


@contextmanager
def busy_gpu(size: int) -> Iterator[None]:
    load = subprocess.Popen([sys.executable, str(HERE / "gpu_load.py"), str(size)], stdout=subprocess.PIPE, text=True)
    assert load.stdout
    load.stdout.readline()
    time.sleep(1)
    try:
        yield
    finally:
        load.kill()
        load.wait()


def check_contention(checks: Checks, bencher: Bencher) -> None:
    catalog = open_catalog(SAMPLE)
    requests = requests_of(catalog, {})
    for size in (8192, 512):
        wrong, seen, faster, examples = 0, 0, 0, set()
        with busy_gpu(size):
            for request in requests:
                result = bencher.bench(request)
                evidence = catalog.evidence(catalog.find(request.multi_kernel_id))
                assert evidence
                times = [sub.cold.median_us for sub in evidence.sub_kernels if sub.cold]
                gap = max(times) / min(times) - 1
                is_faster = result.judgement is not None and result.judgement.verdict is Verdict.FASTER
                faster += is_faster
                if is_faster and result.judgement:
                    wrong += gap >= NAMED_FROM and times.index(min(times)) != result.judgement.best
                seen += bool(result.environment.contended)
                examples.add(result.environment.contended)
        of = len(requests)
        checks.check(f"beside products of {size}: no wrong FASTER", wrong == 0, f"{wrong} wrong of {faster} FASTER")
        checks.check(f"beside products of {size}: contention is reported", seen >= 0.9 * of, f"{seen} of {of}")
        print("      e.g.", sorted(examples)[-1])


def failure_of(bencher: Bencher, request: BenchRequest) -> str:
    try:
        result = bencher.bench(request)
    except Exception as error:
        return f"{error}"
    return "; ".join(sub.problem for sub in result.sub_kernels if sub.problem)


def check_faults(checks: Checks, bencher: Bencher) -> None:
    catalog = open_catalog(SAMPLE)
    requests = requests_of(catalog, {})
    sound = next(each for each in requests if len(each.arguments or ()) == 4)
    reference = bencher.bench(sound)
    assert reference.judgement

    def still_works() -> bool:
        result = bencher.bench(sound)
        return (
            result.judgement is not None
            and reference.judgement is not None
            and (result.judgement.best == reference.judgement.best)
        )

    said = failure_of(bencher, faulty(sound, "illegal"))
    checks.check("an illegal address fails its own job with a reason", "illegal" in said.lower(), said[:200])
    checks.check("and the next job is measured", still_works())
    quick = Bencher(timeout_s=8.0)
    with quick:
        quick.bench(sound)
        said = failure_of(quick, faulty(sound, "endless"))
        checks.check("an endless loop ends at its time limit", "8 s" in said, said[:200])
        checks.check("and the next job is measured", quick.bench(sound).judgement is not None)
    tensors = tuple(
        replace(each, shape=(1 << 24, 1 << 20), stride=(1 << 20, 1)) if isinstance(each, TensorArgument) else each
        for each in sound.arguments or ()
    )
    said = failure_of(bencher, replace(sound, arguments=tensors))
    checks.check("too large an allocation fails with what it needs", "GB" in said or "memory" in said, said[:200])
    checks.check("and the next job is measured", still_works())
    kill_many(checks, bencher, sound, still_works)


def kill_many(checks: Checks, bencher: Bencher, sound: BenchRequest, still_works: Any) -> None:
    """Here a few on a real GPU; a hundred in a row are killed in the tests, where a start costs nothing."""
    failed = 0
    for _ in range(3):
        stop = threading.Event()

        def kill(stop: threading.Event = stop) -> None:
            while not stop.wait(0.02):
                found = subprocess.run(["pgrep", "-f", "mkexplorer.worker"], capture_output=True, text=True).stdout
                for pid in found.split():
                    if int(pid) != os.getpid():
                        os.kill(int(pid), signal.SIGKILL)
                        stop.set()

        killer = threading.Thread(target=kill)
        killer.start()
        failed += bool(failure_of(bencher, sound))
        stop.set()
        killer.join()
    checks.check("a worker killed by hand fails its job alone", failed >= 1 and still_works(), f"{failed} of 3 hit")


def main(parts: Sequence[str]) -> int:
    checks = Checks()
    wanted = parts or ("recorded", "compiled", "again", "contention", "faults")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(environment(folder))
        with Bencher() as bencher:
            for part in wanted:
                began = time.perf_counter()
                match part:
                    case "recorded":
                        check_recorded(checks, folder)
                    case "compiled":
                        check_compiled(checks, folder)
                    case "again":
                        check_again(checks, bencher)
                    case "contention":
                        check_contention(checks, bencher)
                    case "faults":
                        check_faults(checks, bencher)
                    case _:
                        raise SystemExit(f"there is no part {part!r}")
                print(f"      ({part}: {time.perf_counter() - began:.0f} s)", flush=True)
    print("all hold" if not checks.failed else f"{checks.failed} failed")
    return min(1, checks.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
