"""Key to paint in the list: 100,000 rows against 100, alone and inside the whole app, as ratios taken in one run.

    python -m tests.benchmarks.bench_outline

Method: the clock of `painting`, 160x50, animations off. The short and the long list take turns of 40 keys, so that a
slow minute of the machine hits both; the first turns do not count. "In the app" is the explorer with its filter, tabs
and footer on a catalog made here, of 34 and 33,334 multi-kernels, all unfolded, with the tab Details. The cursor goes
up and down within the screen, so that a move paints two rows; a page repaints the whole list. Keys come every 33 ms,
as a held key's do.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

from textual.app import ComposeResult

from mkexplorer.tui.explorer_app import ExplorerApp
from mkexplorer.tui.explorer_screen import ExplorerScreen
from mkexplorer.tui.state import UiState
from mkexplorer_widgets.outline import Cell, Outline, OutlineRow
from tests.benchmarks.painting import PaintClock, percentile_99, say
from tests.builders import evidence, multi_kernel, tensor
from tests.fake_catalog import FakeCatalog

SHORT, LONG = 100, 100_000
TURNS = 5
MOVES = ["down"] * 20 + ["up"] * 20
PAGES = (["pagedown"] * 2 + ["pageup"] * 2) * 10
SETTLE_S = 0.5
MOVE_MS, PAGE_MS, WORST_MS = 8, 30, 33


class OutlineApp(PaintClock):
    """Only the widget."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.animation_level = "none"
        self._count = count

    def compose(self) -> ComposeResult:
        yield Outline()

    async def fill(self) -> None:
        rows = [row for at in range(self._count // 3 + 1) for row in three_rows(at)]
        outline = self.query_one(Outline)
        outline.set_rows(rows[: self._count])
        outline.focus()


def three_rows(at: int) -> Iterator[OutlineRow]:
    cells = (Cell(f"layer_norm_{at}", "strong"), Cell(f"{at}×4096"), Cell("bf16"), Cell("⚠ +38%", "bad"))
    yield OutlineRow((at, -1), 0, cells, expandable=True, expanded=True)
    for sub, kind in enumerate(("looped", "persistent")):
        yield OutlineRow((at, sub), 1, (Cell(f"{sub} {kind}"), Cell("31.1 µs"), Cell("● picked")))


class TimedExplorer(PaintClock, ExplorerApp):
    """The whole app."""

    def __init__(self, count: int) -> None:
        kernels = [
            multi_kernel("aten.native_layer_norm", arguments=(tensor(at + 1, 4096),), key=f"c{at:06d}" + "x" * 45)
            for at in range(count // 3 + 1)
        ]
        catalog = FakeCatalog(kernels, [evidence(0, 31.1, 22.6)] * len(kernels))
        super().__init__(lambda: catalog.as_catalog, "bench", UiState(tab="details", sort="size", follow=False))

    async def fill(self) -> None:
        while not isinstance(self.screen, ExplorerScreen) or not self.screen.kernels.outline.rows:
            await asyncio.sleep(0.1)
        self.screen.kernels.action_unfold_all()
        await asyncio.sleep(0.5)


async def compare(name: str, short: OutlineApp | TimedExplorer, long: OutlineApp | TimedExplorer) -> None:
    async with AsyncExitStack() as stack:
        for app in (short, long):
            await stack.enter_async_context(app.run_test(size=(160, 50)))
            await app.fill()
        gc.collect()
        gc.freeze()  # as the app does once it has started
        for what, keys, budget_ms in (("move", MOVES, MOVE_MS), ("page", PAGES, PAGE_MS)):
            await take_turns(f"{name}: {what}", short, long, keys, budget_ms)


async def take_turns(name: str, short: PaintClock, long: PaintClock, keys: Sequence[str], budget_ms: float) -> None:
    shorts: list[tuple[float, int]] = []
    longs: list[tuple[float, int]] = []
    for turn in range(TURNS + 1):
        for app, taken in ((short, shorts), (long, longs)):
            this_turn = [await app.key_to_paint(key) for key in keys]
            taken += this_turn if turn else []
            await asyncio.sleep(SETTLE_S)
    short_ms, long_ms = ([ms for ms, _ in taken] for taken in (shorts, longs))
    median, worst = statistics.median(long_ms), percentile_99(long_ms)
    ratio = median / statistics.median(short_ms)
    sent = statistics.median(size for _, size in longs)
    say(
        f"{name:20} {LONG:,} rows: median {median:4.1f} ms ({median / budget_ms:4.2f} of {budget_ms})   "
        f"99th percentile {worst:4.1f} ms ({worst / WORST_MS:4.2f} of {WORST_MS})   "
        f"{ratio:4.2f} × {SHORT} rows   {sent:,.0f} bytes"
    )


async def main() -> None:
    await compare("the list alone", OutlineApp(SHORT), OutlineApp(LONG))
    await compare("in the app", TimedExplorer(SHORT), TimedExplorer(LONG))


if __name__ == "__main__":
    asyncio.run(main())
