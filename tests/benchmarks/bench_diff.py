"""The diff's budgets, each as a ratio taken in one run: long texts against short ones, and against fixed times.

    python -m tests.benchmarks.bench_diff

Method. `painting` has the clock. "First lines" is the way a person goes in the app: from the moment two sub-kernels
are to be compared (their texts are at hand) through the thread that splits, compares and measures them to the frame
that shows the first change. Short and long texts take turns, so that a slow minute of the machine hits both. Texts
are made here: Triton-like Python and PTX, 8% of the lines changed, added or gone (3% of 100,000). Screen 200x50,
animations off, medians in milliseconds. "Held up" is the longest time in which the event loop did not get its turn
while a thread compared two 100,000-line texts; "given up" the time from a new wish, uttered meanwhile, to its frame.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import cast

from textual.app import ComposeResult

from mkexplorer.analysis.diff import diff_lines, word_marks
from mkexplorer.analysis.normalize import even_out_pair
from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import Kind, MultiKernel, MultiKernelKind, Span, SubKernel
from mkexplorer.tui.comparison import Subject
from mkexplorer.tui.diff_panel import DiffPanel
from tests.benchmarks.painting import PaintClock, percentile_99, say

SHORT, LONG, HUGE = 300, 5_000, 100_000
ROUNDS = 12
KEYS = 120
FIRST_LINES_BUDGET = 1.5
HUGE_BUDGET_MS = 1_300


class Texts:
    """A catalog whose sub-kernels are texts: ``pairs[count]`` as 0 and 1 of a multi-kernel named by the count."""

    def __init__(self, pairs: dict[int, tuple[str, str]]) -> None:
        self._pairs = pairs

    def source(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> str:
        return self._pairs[int(multi_kernel.name)][sub_kernel.index]


def subjects(count: int) -> tuple[Subject, Subject]:
    subs = tuple(SubKernel(index, "k", Kind.LOOPED, Span(1, 1), "ck.py") for index in (0, 1))
    multi_kernel = MultiKernel(
        f"c/{count}", str(count), MultiKernelKind.TIMED, "c", None, (), (), subs, (), Span(1, 1)
    )  # fmt: skip
    return Subject(multi_kernel, subs[0]), Subject(multi_kernel, subs[1])


class BenchApp(PaintClock):
    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self.wanted = 0
        self.drawn = False

    def compose(self) -> ComposeResult:
        yield DiffPanel()

    @property
    def panel(self) -> DiffPanel:
        return self.query_one(DiffPanel)

    def post_display_hook(self) -> None:
        before = self._last_paint
        super().post_display_hook()
        if self._last_paint != before and not self.drawn:
            self.drawn = abs(len(self.panel.view.document.left.lines) - self.wanted) < 2

    async def ms_to_first_lines(self, catalog: Catalog, count: int) -> float:
        """Milliseconds to the frame in which the first change of the texts stands."""
        self.wanted, self.drawn = count, False
        began = perf_counter()
        self.panel.compare(catalog, *subjects(count))
        while not self.drawn:
            self._painted.clear()
            await asyncio.wait_for(self._painted.wait(), 30)
        return (self._last_paint - began) * 1000

    async def settle(self) -> None:
        await self.workers.wait_for_complete()
        await asyncio.sleep(0.05)


def triton_like(count: int) -> list[str]:
    body = [
        "        tmp{0} = tl.load(in_ptr{1} + (r0_1 + 4096*x0), r0_mask & xmask, eviction_policy='evict_last')",
        "        tmp{0} = tmp{1}.to(tl.float32)",
        "        tmp{0} = tl.broadcast_to(tmp{1}, [XBLOCK, R0_BLOCK])",
        "        _tmp{0} = tl.where(r0_mask & xmask, tmp{1}, _tmp{0})",
        "        r0_mask = r0_index < r0_numel",
        "",
    ]
    return [body[n % len(body)].format(n, n // 7) for n in range(count)]


def ptx(count: int) -> list[str]:
    body = [
        "\tfma.rn.ftz.f32 \t%r{0}, %r{1}, %r37, 0f3F000000;",
        "\t.loc\t1 {1} 21",
        "\tmov.b32 \t%r{0}, %r{1};",
        "\t// begin inline asm",
        "\t@%p{1} ld.global.L1::evict_last.v4.b32 {{ %r{0}, %r{1} }}, [ %rd{1} + 0 ];",
    ]
    return [body[n % len(body)].format(n % 4_001, n // 9) for n in range(count)]


def changed(lines: list[str], share: float) -> list[str]:
    """As many lines changed as added as gone."""
    dice = random.Random(1)
    result: list[str] = []
    for line in lines:
        chance = dice.random() / share * 3
        if chance < 1:
            continue
        result.append(line.replace("r0_mask & xmask", "None") + " # new" if chance < 2 else line)
        if 2 <= chance < 3:
            result.append(f"    extra = {dice.randrange(1_000)}")
    return result


def catalog_of(make: Callable[[int], list[str]]) -> Catalog:
    pairs = {}
    for count in (SHORT, LONG, HUGE):
        left = make(count)
        pairs[count] = ("\n".join(left), "\n".join(changed(left, 0.03 if count == HUGE else 0.08)))
    return cast(Catalog, Texts(pairs))


async def first_lines(app: BenchApp, name: str, catalog: Catalog) -> None:
    taken: dict[int, list[float]] = {SHORT: [], LONG: []}
    for count in (SHORT, LONG) * (ROUNDS + 1):
        taken[count].append(await app.ms_to_first_lines(catalog, count))
        await app.settle()
    short, long = (statistics.median(taken[count][1:]) for count in (SHORT, LONG))  # the first one warms up
    say(
        f"{name}: first lines           {SHORT:,} lines {short:6.1f} ms   {LONG:,} lines {long:6.1f} ms"
        f"   ratio {long / short:4.2f}   budget {FIRST_LINES_BUDGET}"
    )


async def huge(app: BenchApp, name: str, catalog: Catalog) -> None:
    waits: list[float] = []
    ticker = asyncio.create_task(tick(waits))
    taken = []
    for _ in range(3):
        taken.append(await app.ms_to_first_lines(catalog, HUGE))
        await app.settle()
        await app.ms_to_first_lines(catalog, SHORT)
    ticker.cancel()
    median = statistics.median(taken)
    app.panel.compare(catalog, *subjects(HUGE))
    await asyncio.sleep(0.15)
    given_up = await app.ms_to_first_lines(catalog, LONG)
    await app.settle()
    say(
        f"{name}: two of {HUGE:,} lines {median:6.0f} ms   ratio {median / HUGE_BUDGET_MS:4.2f} of the budget,"
        f" {HUGE_BUDGET_MS}   held up at most {max(waits):.0f} ms   given up in {given_up:.0f} ms"
    )


async def tick(waits: list[float]) -> None:
    while True:
        began = perf_counter()
        await asyncio.sleep(0.001)
        waits.append((perf_counter() - began) * 1000 - 1)


async def keys(app: BenchApp, name: str, pressed: Iterable[str], budget_ms: float) -> None:
    taken = [(await app.key_to_paint(key))[0] for key in pressed]
    median = statistics.median(taken)
    say(
        f"{name:36} median {median:5.1f} ms ({median / budget_ms:4.2f} of the budget, {budget_ms:.0f})"
        f"   99th percentile {percentile_99(taken):5.1f} ms ({percentile_99(taken) / 33:4.2f} of 33)"
    )


def engine() -> None:
    """The parts that have no frame."""
    left = ptx(HUGE)
    shuffled = left[:]
    random.Random(1).shuffle(shuffled)
    strangers = [f"mov.b32 %r{n}, {n * n % 7_919};" for n in range(HUGE)]
    word = " ".join(f"'key_{n}': {n * n}," for n in range(800))[:10_000]
    for name, act, budget_ms in (
        ("two of 100,000 lines, shuffled", lambda: diff_lines(left, shuffled), HUGE_BUDGET_MS),
        ("two of 100,000 lines, nothing equal", lambda: diff_lines(left, strangers), HUGE_BUDGET_MS),
        ("two of 5,000 lines evened out", lambda: even_out_pair(left[:LONG], shuffled[:LONG], "ptx"), 200),
        ("words of two 10,000-character lines", lambda: word_marks(word, word.replace("7", "8")), 20),
    ):
        began = perf_counter()
        act()
        ms = (perf_counter() - began) * 1000
        say(f"{name:36} {ms:7.1f} ms ({ms / budget_ms:4.2f} of the budget, {budget_ms})")


async def main() -> None:
    engine()
    app = BenchApp()
    async with app.run_test(size=(200, 50)):
        gc.collect()
        gc.freeze()  # as the app does once it has started: a collection then need not walk through all imports
        app.panel.view.focus()
        for name, make in (("Python", triton_like), ("PTX", ptx)):
            catalog = catalog_of(make)
            await first_lines(app, name, catalog)
            await huge(app, name, catalog)
            await app.ms_to_first_lines(catalog, HUGE)
            await app.settle()
            await keys(app, f"{name}: cursor within the screen", (["down"] * 10 + ["up"] * 10) * (KEYS // 20), 8)
            await keys(app, f"{name}: page", ["pagedown"] * KEYS, 30)
            await keys(app, f"{name}: next change", ["n"] * KEYS, 30)
            await keys(app, f"{name}: open and fold all", ["z"] * 20, 100)


if __name__ == "__main__":
    asyncio.run(main())
