"""The code view's budgets, each as a ratio taken in one run: long listings against short ones, keys against the budget.

    python tests/benchmarks/bench_code_view.py

Method. The clock stops in ``App.post_display_hook``, which Textual calls when a frame has been written; the driver is
a headless one that is told not to be, so that frames are encoded for a terminal as in real use (160x50, animations
off). ``Pilot.press`` sleeps for longer than any of this takes, so keys go in through the driver, as a terminal's do.
Short and long listings take turns, so that a slow minute of the machine hits both. Texts are made here: Triton-like
Python, and PTX with its tabs. Printed are medians in milliseconds, and their ratio.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from textual import events
from textual.app import App, ComposeResult
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver

from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_view import CodeView

SHORT, LONG = 300, 100_000
ROUNDS = 15
KEYS = 200


class EncodingDriver(HeadlessDriver):
    """Takes frames as a terminal's driver does, and counts what it is given."""

    written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written += len(data.encode("utf-8", "surrogatepass"))


class BenchApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self.painted = asyncio.Event()
        self.last_paint = 0.0
        self._seen = 0

    def _build_driver(self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None) -> Driver:
        self.encoder = EncodingDriver(self, size=size)
        return self.encoder

    def compose(self) -> ComposeResult:
        yield CodeView()

    def post_display_hook(self) -> None:
        if self.encoder.written > self._seen:
            self._seen = self.encoder.written
            self.last_paint = perf_counter()
            self.painted.set()

    async def ms_to_paint(self, act: Callable[[], object], until: Callable[[], bool] = lambda: True) -> float:
        """Milliseconds from an act to the frame after which ``until`` holds."""
        self.painted.clear()
        began = perf_counter()
        act()
        while True:
            await asyncio.wait_for(self.painted.wait(), 10)
            self.painted.clear()
            if until():
                return (self.last_paint - began) * 1000

    async def settle(self) -> None:
        await self.workers.wait_for_complete()
        await asyncio.sleep(0.05)

    def press(self, key: str) -> None:
        self.encoder.process_message(events.Key(key, None))


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
        to_plain = await app.ms_to_paint(partial(view.show, document))
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


def say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)  # a running app keeps what is printed to sys.stdout


async def keys(app: BenchApp, name: str, pressed: Iterable[str], budget_ms: float) -> None:
    taken: list[float] = []
    for key in pressed:
        taken.append(await app.ms_to_paint(partial(app.press, key)))
        await asyncio.sleep(0.03)  # Textual paints at most 60 frames a second
    median, worst = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    say(
        f"{name:36} median {median:5.1f} ms ({median / budget_ms:4.2f} of the budget, {budget_ms:.0f})"
        f"   99th percentile {worst:5.1f} ms ({worst / 33:4.2f} of 33)"
    )


async def main() -> None:
    app = BenchApp()
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
