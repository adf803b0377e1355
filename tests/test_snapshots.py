"""Pictures of the app on the sample, at three sizes. Each was looked at before it was kept.

After a wanted change: ``pytest tests/test_snapshots.py --snapshot-update``, then look at every picture again.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from mkexplorer.catalog import Catalog
from mkexplorer.tui.explorer_app import ExplorerApp
from mkexplorer.tui.pythons import NoPython, Pythons
from mkexplorer.tui.state import UiState
from tests.bench_pilot import ScriptedPythons, is_over
from tests.explorer_pilot import Session, opener_of
from tests.fake_bencher import FakeBencher, bench_result

SnapCompare = Callable[..., bool]
Step = Callable[[Session], Awaitable[None]]
SIZES = [(80, 24), (120, 40), (200, 60)]
SIZE_NAMES = [f"{columns}x{lines}" for columns, lines in SIZES]


def app_on(catalog: Catalog, tab: str, pythons: Pythons | None = None) -> ExplorerApp:
    return ExplorerApp(opener_of(catalog), "the sample", UiState(tab=tab, follow=False), pythons=pythons)


def scripted(catalog: Catalog, gate: threading.Event | None = None) -> Pythons:
    """Measures each sub-kernel 2% slower than it was recorded; nothing before ``gate`` is open."""
    script = {}
    for each in catalog.multi_kernels:
        evidence = catalog.evidence(each)
        assert evidence is not None
        times = (sub.cold.median_us * 1.02 for sub in evidence.sub_kernels if sub.cold is not None)
        script[each.id] = bench_result(each.id, *times, picked=evidence.picked)
    return ScriptedPythons(NoPython(), lambda: FakeBencher(script, gate=gate))


def after(*steps: str | Step, shows: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Press the keys and take the steps one by one, then wait until the picture stands still with ``shows`` in it."""

    async def run(pilot: Pilot[Any]) -> None:
        assert isinstance(pilot.app, ExplorerApp)
        session = Session(pilot.app, pilot)
        await session.shows("layer_norm" if pilot.app.size.height > 24 else "softmax")
        for step in steps:
            await (session.press(step) if isinstance(step, str) else step(session))
        await session.shows(shows)
        await pilot.app.workers.wait_for_complete()
        await session.shows("? Help")
        await still(session)

    return run


async def still(session: Session) -> None:
    """Wait until nothing changes any more, at rest and a while after: colours come after the text."""
    before, unchanged = "", 0
    while unchanged < 2:
        await session.pilot.pause()
        await session.pilot.pause(0.05)
        now = session.app.export_screenshot(simplify=True)
        unchanged = unchanged + 1 if now == before else 0
        before = now


LAYER_NORM = ("slash", *"layer 4096x4096", "enter", "right", "down")


def test_80x24_list_and_source(sample: Catalog, snap_compare: SnapCompare) -> None:
    app = app_on(sample, "source")
    assert snap_compare(app, terminal_size=(80, 24), run_before=after(shows="persistent_reduction("))


@pytest.mark.parametrize("tab", ["source", "diff", "ir"])
def test_120x40(sample: Catalog, snap_compare: SnapCompare, tab: str) -> None:
    shows = {"source": "def triton_red", "diff": "+ 1 persistent", "ir": "module {"}[tab]
    run = after(*LAYER_NORM, "escape", shows=shows)
    assert snap_compare(app_on(sample, tab), terminal_size=(120, 40), run_before=run)


def test_200x60_side_by_side_details(sample: Catalog, snap_compare: SnapCompare) -> None:
    run = after(*LAYER_NORM, "escape", shows="≠ reductions")
    assert snap_compare(app_on(sample, "details"), terminal_size=(200, 60), run_before=run)


@pytest.mark.parametrize("size", SIZES, ids=SIZE_NAMES)
def test_benchmark_recorded(sample: Catalog, snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    run = after(*LAYER_NORM, "escape", shows="b measures it now")
    assert snap_compare(app_on(sample, "benchmark", scripted(sample)), terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", SIZES, ids=SIZE_NAMES)
def test_benchmark_measured(sample: Catalog, snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    run = after(*LAYER_NORM, "b", is_over, "escape", shows="measured in this session")
    assert snap_compare(app_on(sample, "benchmark", scripted(sample)), terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", SIZES[:2], ids=SIZE_NAMES[:2])
def test_benchmark_under_way(sample: Catalog, snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    run = after("B", shows="loading, 1 of 2")
    app = app_on(sample, "benchmark", scripted(sample, threading.Event()))
    assert snap_compare(app, terminal_size=size, run_before=run)
