"""The code view's budgets, each as a ratio taken in one run: long listings against short ones, keys against the budget.

    python -m tests.benchmarks.bench_code_view

Method: the clock of `painting`, 160x50, animations off. Short and long listings take turns, so that a slow minute of
the machine hits both; the first turn does not count. The time to the first lines begins with the text, not yet split
into lines. Texts are made here: Triton-like Python, and PTX with its tabs. Printed are medians in milliseconds.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from textual.app import ComposeResult

from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_view import CodeView
from tests.benchmarks.painting import FRAME_S, PaintClock, percentile_99, say

SHORT, LONG = 300, 100_000
ROUNDS = 15
KEYS = 200


class BenchApp(PaintClock):
    def compose(self) -> ComposeResult:
        yield CodeView()

    async def ms_to_paint(self, act: Callable[[], object], until: Callable[[], bool]) -> float:
        """Milliseconds from an act to the frame after which ``until`` holds."""
        self._painted.clear()
        began = perf_counter()
        act()
        while True:
            await asyncio.wait_for(self._painted.wait(), 10)
            self._painted.clear()
            if until():
                return (self._last_paint - began) * 1000

    async def settle(self) -> None:
        await self.workers.wait_for_complete()
        await asyncio.sleep(FRAME_S)


def triton_like(count: int) -> str:
    body = [
        "@triton.jit",
        "def triton_red_fused_layer_norm_0(in_ptr0, out_ptr2, xnumel, r0_numel, XBLOCK: tl.constexpr):",
        "    for r0_offset in tl.range(0, r0_numel, R0_BLOCK):",
        "        tmp0 = tl.load(in_ptr0 + (r0_1 + 4096*x0), r0_mask & xmask, eviction_policy='evict_last', other=0.0)",
        "        tmp1 = tmp0.to(tl.float32)  # one of many lines",
        "        tmp5 = tl.where(r0_mask & xmask, tmp4, _tmp3)",
        "",
    ]
    return "\n".join(body[number % len(body)] for number in range(count))


def ptx(count: int) -> str:
    return "\n".join(f"\tfma.rn.ftz.f32 \t%r{n}, %r{n + 1}, %r37, 0f3F000000; // line {n}" for n in range(count))


async def first_lines(app: BenchApp, name: str, language: str, make: Callable[[int], str]) -> None:
    view = app.query_one(CodeView)
    texts = {count: make(count) for count in (SHORT, LONG)}
    plain: dict[int, list[float]] = {SHORT: [], LONG: []}
    coloured: dict[int, list[float]] = {SHORT: [], LONG: []}

    def is_coloured() -> bool:
        return view._text.spans(view.lines_seen()[1]) is not None

    for count in (SHORT, LONG) * (ROUNDS + 1):
        began = perf_counter()
        document = CodeDocument.of_text(texts[count], language)
        split_ms = (perf_counter() - began) * 1000
        to_plain = await app.ms_to_paint(partial(view.show, document), lambda: True)
        to_colours = to_plain if is_coloured() else to_plain + await app.ms_to_paint(lambda: None, is_coloured)
        plain[count].append(split_ms + to_plain)
        coloured[count].append(split_ms + to_colours)
        await app.settle()
        shown_before = document  # noqa: F841 (what is freed is freed outside of the time that is taken)
    report(f"{name}: first lines, plain", plain)
    report(f"{name}: first lines, coloured", coloured)


def report(what: str, taken: dict[int, list[float]]) -> None:
    short, long = (statistics.median(taken[count][1:]) for count in (SHORT, LONG))  # the first one warms up
    say(
        f"{what:36} {SHORT:,} lines {short:6.1f} ms   {LONG:,} lines {long:6.1f} ms"
        f"   ratio {long / short:4.2f}   budget 1.20"
    )


async def keys(app: BenchApp, name: str, pressed: Iterable[str], budget_ms: float) -> None:
    measured = [await app.key_to_paint(key) for key in pressed]
    taken = [ms for ms, _ in measured]
    median, worst, size = statistics.median(taken), percentile_99(taken), statistics.median(n for _, n in measured)
    say(
        f"{name:36} median {median:5.1f} ms ({median / budget_ms:4.2f} of the budget, {budget_ms:.0f})"
        f"   99th percentile {worst:5.1f} ms ({worst / 33:4.2f} of 33)   {size:6,.0f} bytes"
    )


async def main() -> None:
    app = BenchApp()
    app.animation_level = "none"
    async with app.run_test(size=(160, 50)):
        gc.collect()
        gc.freeze()  # as the app does once it has started: a collection then need not walk through all imports
        view = app.query_one(CodeView)
        view.focus()
        await first_lines(app, "Python", "python", triton_like)
        await first_lines(app, "PTX", "ptx", ptx)
        for name, language, make in (("Python", "python", triton_like), ("PTX", "ptx", ptx)):
            view.show(CodeDocument.of_text(make(LONG), language))
            await app.settle()
            await keys(app, f"{name}: cursor within the screen", (["down"] * 20 + ["up"] * 20) * (KEYS // 40), 8)
            await keys(app, f"{name}: page", ["pagedown"] * KEYS, 30)
            await keys(app, f"{name}: cursor that scrolls", ["down"] * KEYS, 30)


if __name__ == "__main__":
    asyncio.run(main())
