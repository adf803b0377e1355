"""The app while something is measured: what is seen of it, and how it is stopped."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from textual.widgets._toast import Toast

from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import BenchRequest, BenchResult
from mkexplorer.picks.changes import full_id
from mkexplorer.tui.bench_line import BenchLine
from mkexplorer.tui.explorer_app import ExplorerApp
from mkexplorer.tui.pythons import NoPython
from mkexplorer.tui.state import UiState
from tests.bench_pilot import ScriptedPythons, bench_session, is_over, measured, said, state_of
from tests.explorer_pilot import NARROW, WIDE, Session, offered
from tests.fake_bencher import FakeBencher, bench_result
from tests.pick_places import PlayedCache

SIZES = [NARROW, WIDE]


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path / "cache", "2.13.0")


class TestLive:
    async def test_bars_and_samples_are_there_while_the_race_runs(self, cache: PlayedCache) -> None:
        hold = threading.Event()
        (first, *_) = cache.catalog.multi_kernels
        final = bench_result(first.id, 31.1, 22.6)

        class Slow(FakeBencher):
            def bench(self, request: BenchRequest, on_progress=lambda _: None, **_: object) -> BenchResult:  # type: ignore[no-untyped-def]
                result = super().bench(request, on_progress)
                hold.wait(10)
                return result

        async with bench_session(cache.catalog, Slow({first.id: final}), (120, 50)) as session:
            try:
                await session.press("b")
                await session.shows("▶ racing")
                await session.shows("n 24")
                await session.shows("1 persistent 22.6 µs  ███")
                assert "─1" in session.screen_text()
                await session.shows("racing, 24 of 24")
                assert "faster" not in session.screen_text()
            finally:
                hold.set()
            await is_over(session)
            await session.shows("1.38× faster")

    async def test_the_app_answers_while_something_is_measured(self, cache: PlayedCache) -> None:
        gate = threading.Event()
        async with bench_session(cache.catalog, FakeBencher({}, gate=gate)) as session:
            await session.press("b")
            await session.shows("measuring")
            await session.press("down")
            await session.shows("– not measured yet")
            await session.press("up", "1")
            await session.shows("async_compile" if "async_compile" in session.screen_text() else "triton")
            assert not state_of(session).is_idle
            gate.set()

    async def test_who_waits_is_told_for_whom(self, cache: PlayedCache) -> None:
        gate = threading.Event()
        async with bench_session(cache.catalog, FakeBencher({}, gate=gate)) as session:
            await session.press("B")
            await session.shows("measuring 1/4")
            await session.press("end")
            await session.shows("… waiting; 3 come first")
            gate.set()

    async def test_what_b_asks_for_comes_next(self, cache: PlayedCache) -> None:
        gate = threading.Event()
        bencher = measured(cache.catalog, 3.0, 2.0)
        bencher._gate = gate
        first, second, third, last = (each.id for each in cache.catalog.multi_kernels)
        async with bench_session(cache.catalog, bencher) as session:
            await session.press("B")
            await session.shows("measuring 1/4")
            await session.press("end")
            await session.shows("… waiting; 3 come first")
            await session.press("b")
            await session.shows("… waiting; 1 comes first")
            gate.set()
            await is_over(session)
            assert [request.multi_kernel_id for request in bencher.requests] == [first, last, second, third]

    async def test_no_message_hides_how_far_it_is(self, cache: PlayedCache) -> None:
        pythons = ScriptedPythons(NoPython(), lambda: FakeBencher({}, gate=threading.Event()))
        app = ExplorerApp(lambda: cache.catalog, "PLACE", UiState(tab="source", follow=False), pythons=pythons)
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            session = Session(app, pilot)
            await session.shows("wrapper")
            await session.press("b", "b")
            await session.shows("It is being measured already.")
            await session.shows("esc stops")
            toast, line = session.explorer.query_one(Toast), session.explorer.query_one(BenchLine)
            assert toast.region.bottom <= line.region.y

    async def test_who_looks_at_another_one_meanwhile_is_told_what_came_of_it(self, cache: PlayedCache) -> None:
        gate = threading.Event()
        bencher = measured(cache.catalog, 3.0, 2.0)
        bencher._gate = gate
        async with bench_session(cache.catalog, bencher) as session:
            await session.press("b")
            await session.shows("measuring")
            await session.press("end")
            await session.shows("– not measured yet")
            gate.set()
            await session.until(lambda: "persistent is 1.50× faster than looped" in said(session))

    async def test_what_goes_wrong_while_looking_ahead_is_told_and_measuring_goes_on(
        self, cache: PlayedCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> tuple[str, ...]:
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr("mkexplorer.tui.bench.outlook", fail)
        async with bench_session(cache.catalog, measured(cache.catalog, 3.0, 2.0)) as session:
            await session.until(lambda: "ZeroDivisionError" in said(session))
            await session.press("down", "b")
            await is_over(session)
            await session.shows("persistent is 1.50× faster")


class TestStop:
    @pytest.mark.parametrize("size", SIZES)
    async def test_escape_in_the_list_ends_the_race_and_the_queue(
        self, cache: PlayedCache, size: tuple[int, int]
    ) -> None:
        bencher = FakeBencher({}, gate=threading.Event())
        async with bench_session(cache.catalog, bencher, size) as session:
            await session.press("B")
            await session.shows("measuring 1/4")
            await session.shows("esc Stop bench")
            await session.press("escape")
            await session.until(lambda: state_of(session).is_idle)
            await session.until(lambda: "measuring 1/4" not in session.screen_text())
            await session.until(lambda: "Stopped: 4 races did not come to an end." in said(session))
            assert len(bencher.requests) == 1
            await session.shows("– not measured yet")

    async def test_in_the_filter_it_leads_to_the_list_first(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, FakeBencher({}, gate=threading.Event())) as session:
            await session.press("b")
            await session.shows("measuring")
            await session.press("slash", "x", "escape")
            assert not state_of(session).is_idle
            await session.press("escape")
            await session.until(lambda: state_of(session).is_idle)

    async def test_in_another_tab_it_leads_to_the_list_first(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, FakeBencher({}, gate=threading.Event())) as session:
            await session.press("b")
            await session.shows("measuring")
            await session.press("1", "enter", "escape")
            assert not state_of(session).is_idle
            await session.press("escape")
            await session.until(lambda: state_of(session).is_idle)

    async def test_with_a_filter_it_stops_before_it_clears(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, FakeBencher({}, gate=threading.Event())) as session:
            await session.press("slash", *"bf16", "enter", "B")
            await session.shows("measuring")
            shown = len(session.explorer.kernels.shown_rows)
            await session.press("escape")
            await session.until(lambda: state_of(session).is_idle)
            assert len(session.explorer.kernels.shown_rows) == shown < 4

    async def test_what_came_before_stays(self, cache: PlayedCache) -> None:
        catalog = cache.catalog
        hold = threading.Event()
        bencher = measured(catalog, 3.0, 2.0)

        def wait(_: BenchRequest) -> BenchResult:
            while not hold.is_set() and not bencher._cancelled.is_set():
                time.sleep(0.01)
            raise BenchError("cancelled late", "")

        bencher.script[catalog.multi_kernels[1].id] = wait
        async with bench_session(catalog, bencher) as session:
            await session.press("B")
            await session.shows("measuring 2/4")
            await session.press("escape")
            await session.until(lambda: "what came of the other 1 stays" in said(session))
            await is_over(session)
            assert list(state_of(session).results) == [full_id(catalog.multi_kernels[0])]

    async def test_leaving_the_app_ends_the_worker(self, cache: PlayedCache) -> None:
        bencher = FakeBencher({}, gate=threading.Event())
        async with bench_session(cache.catalog, bencher) as session:
            await session.press("B")
            await session.shows("measuring")
        assert bencher.is_closed

    async def test_nothing_to_stop_is_not_offered(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, FakeBencher({})) as session:
            assert "Stop bench" not in offered(session)
            assert {"Bench", "Bench all"} <= offered(session)
