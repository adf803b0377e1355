"""Measuring in the app: one, all that is shown, after consent; and what tells of it before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.measure.errors import BenchError, BenchUnusable
from mkexplorer.tui.pick_dialogs import ConfirmDialog
from tests.bench_pilot import agree, bench_session, is_over, measured, said, state_of
from tests.explorer_pilot import NARROW, WIDE
from tests.fake_bencher import FakeBencher
from tests.fake_catalog import two_graphs
from tests.pick_places import PlayedCache

SIZES = [NARROW, WIDE]


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path / "cache", "2.13.0")


class TestOne:
    @pytest.mark.parametrize("size", SIZES)
    async def test_b_measures_and_shows_who_is_faster(self, cache: PlayedCache, size: tuple[int, int]) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6), size) as session:
            await session.shows("– not measured yet")
            await session.shows("b measures it now")
            await session.press("b")
            await is_over(session)
            await session.shows("persistent is 1.38× faster than looped")
            assert "0 looped     31.1 µs  ███" in session.screen_text()
            assert "1 persistent 22.6 µs  ███" in session.screen_text()

    async def test_it_says_on_what_that_rests(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6), (200, 60)) as session:
            await session.press("b")
            await is_over(session)
            for expected in (
                "all sub-kernels compute the same",
                "31.1 µs [31.08, 31.12] n=24",
                "2158 GB/s, 77% of copy",
                "time, hot L2",
                "registers             32",
                "the call in the wrapper",
                "NVIDIA H100 80GB HBM3, driver 580.65",
                "1980 MHz",
                "2800 GB/s",
            ):
                await session.shows(expected)

    async def test_from_another_tab_it_goes_where_the_race_is_seen(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 3.0, 2.0), tab="source") as session:
            await session.press("b")
            await is_over(session)
            assert session.explorer.work.tab_name == "benchmark"
            await session.shows("persistent is 1.50× faster")

    async def test_on_a_graphs_row_it_measures_the_graph(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0)
        async with bench_session(sample, bencher) as session:
            await session.press("slash", *"softmax stats", "enter", "home")
            assert session.cursor_text.startswith("▾ graph 5_inference")
            await session.press("b")
            await is_over(session)
            asked = [request.multi_kernel_id for request in bencher.requests]
            assert asked == [
                each.id for each in sample.multi_kernels if each.graph and each.graph.aot_id == "5_inference"
            ]
            assert len(asked) == 4

    async def test_twice_is_once(self, cache: PlayedCache) -> None:
        gate = threading.Event()
        bencher = FakeBencher({}, gate=gate)
        async with bench_session(cache.catalog, bencher) as session:
            await session.press("b", "b")
            await session.until(lambda: "being measured already" in said(session))
            gate.set()
            await is_over(session)
            assert len(bencher.requests) == 1

    async def test_what_was_measured_can_be_copied(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6)) as session:
            await session.press("b")
            await is_over(session)
            await session.press("y")
            copied = session.app.clipboard
            for expected in ("persistent is 1.38×", "0 looped     31.1 µs", "─1", "driver 580.65"):
                assert expected in copied


class TestAll:
    async def test_the_whole_sample_is_measured_in_turn_and_colours_the_tree(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0, picked=0)
        async with bench_session(sample, bencher) as session:
            await session.press("B")
            await is_over(session)
            assert len(state_of(session).done) == 41
            assert [request.multi_kernel_id for request in bencher.requests] == [e.id for e in sample.multi_kernels]
            await session.until(lambda: "41 measured" in said(session))
            slower = sum(row.judgement is not None and row.judgement.pick_is_slower
                         for row in session.explorer.kernels.all_rows)  # fmt: skip
            assert f"{slower} slower than they could be" in said(session)
            assert f"{slower} slower than they could be · loses " in session.screen_text().splitlines()[0]

    async def test_the_filter_counts(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0)
        async with bench_session(sample, bencher) as session:
            await session.press("slash", *"layer_norm", "enter", "B")
            await is_over(session)
            assert len(bencher.requests) == len(session.explorer.kernels.shown_rows) < 41

    async def test_what_fails_does_not_stop_the_rest(self, cache: PlayedCache) -> None:
        catalog = cache.catalog
        bencher = measured(catalog, 3.0, 2.0)
        bencher.script[catalog.multi_kernels[1].id] = BenchError("an illegal address", "Look at its indices.")
        async with bench_session(catalog, bencher) as session:
            await session.press("B")
            await is_over(session)
            assert (len(state_of(session).done), len(state_of(session).failed)) == (3, 1)
            await session.until(lambda: "3 measured" in said(session))
            assert "1 could not be measured; the first: an illegal address" in said(session)

    async def test_an_unusable_python_fails_once_not_for_each(self, cache: PlayedCache) -> None:
        benchers = [FakeBencher({}), measured(cache.catalog, 3.0, 2.0)]
        benchers[0].script = {
            each.id: BenchUnusable("this Python has no torch", "Name another with --python.")
            for each in cache.catalog.multi_kernels
        }
        hired = iter(benchers)
        async with bench_session(cache.catalog, lambda: next(hired)) as session:
            await session.press("B")
            await is_over(session)
            assert len(benchers[0].requests) == 1
            assert benchers[0].is_closed
            await session.shows("✗ Not measured: this Python has no torch")
            await session.shows("Name another with --python.")
            await session.press("b")
            await is_over(session)
            await session.shows("persistent is 1.50× faster")


class TestConsent:
    async def test_code_of_a_bundle_runs_only_after_consent(self, sent_bundle: Path) -> None:
        catalog = open_catalog(sent_bundle)
        bencher = measured(catalog, 3.0, 2.0)
        async with bench_session(catalog, bencher) as session:
            for no in ("escape", "n", "enter"):
                await session.press("b")
                await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
                assert "is a bundle" in session.screen_text()
                await session.press(no)
                await session.until(lambda: session.app.screen is session.explorer)
            assert bencher.requests == []
            assert "Nothing of this place was run" in said(session)

    async def test_it_is_asked_once(self, sent_bundle: Path) -> None:
        catalog = open_catalog(sent_bundle)
        bencher = measured(catalog, 3.0, 2.0)
        async with bench_session(catalog, bencher) as session:
            await session.press("b")
            await agree(session)
            await is_over(session)
            await session.press("down", "down", "b")
            await session.until(lambda: len(bencher.requests) == 2)
            await is_over(session)

    async def test_a_key_pressed_twice_asks_once(self, sent_bundle: Path) -> None:
        catalog = open_catalog(sent_bundle)
        async with bench_session(catalog, measured(catalog, 3.0, 2.0)) as session:
            session.app.simulate_key("b")
            session.app.simulate_key("b")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.press("n")
            await session.until(lambda: session.app.screen is session.explorer)
            await session.pilot.pause()
            assert session.app.screen is session.explorer

    async def test_the_sample_came_with_mkexplorer(self, sample: Catalog) -> None:
        async with bench_session(sample, measured(sample, 3.0, 2.0)) as session:
            await session.press("b")
            await is_over(session)
            assert len(state_of(session).done) == 1

    async def test_a_cache_of_ones_own_runs_unasked(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 3.0, 2.0)) as session:
            await session.press("b")
            await is_over(session)
            assert len(state_of(session).done) == 1


class TestRecorded:
    async def test_before_any_measurement_it_shows_what_is_recorded_and_how_to_measure(self) -> None:
        async with bench_session(two_graphs().as_catalog, FakeBencher({})) as session:
            await session.shows("persistent is 1.38× faster than looped")
            await session.shows("b measures it now · B measures all that the list shows")

    async def test_help_and_palette_know_it(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 3.0, 2.0), (120, 140)) as session:
            await session.press("question_mark")
            await session.shows("Race the sub-kernels of all multi-kernels")
            await session.shows("Times with a cold L2 decide")
            await session.press("escape", "ctrl+p", *"bench all", "enter")
            await is_over(session)
            assert len(state_of(session).done) == 4
