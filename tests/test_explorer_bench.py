"""Measuring in the app: one, all that is shown, live, stopped, failed; and what is then kept, coloured and offered."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from textual.widgets._toast import Toast

from mkexplorer.catalog import Catalog
from mkexplorer.measure.errors import BenchError, BenchUnusable
from mkexplorer.measure.model import BenchRequest, BenchResult, Device, Environment
from mkexplorer.picks.model import Action
from mkexplorer.tui.bench_line import BenchLine
from mkexplorer.tui.commands import verbs
from mkexplorer.tui.explorer_app import ExplorerApp
from mkexplorer.tui.pick_dialogs import ConfirmDialog, PinDialog
from mkexplorer.tui.pythons import NoPython, Pythons
from mkexplorer.tui.state import UiState
from tests.bench_pilot import ScriptedPythons, bench_session, is_over, row_of, state_of
from tests.explorer_pilot import NARROW, WIDE, Session, explore
from tests.fake_bencher import FakeBencher, bench_result, sub_result
from tests.fake_catalog import two_graphs
from tests.pick_places import PlayedCache, played_python

SIZES = [NARROW, WIDE]
HOSTILE = "[/b][red]x[/red]\x1b[31m\x1b]0;title\x07\u202e"


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path / "cache", "2.13.0")


@pytest.fixture
def pythons(tmp_path: Path) -> Pythons:
    return Pythons(played_python(tmp_path / "python"))


def measured(catalog: Catalog, *medians_us: float, picked: int | None = 0) -> FakeBencher:
    """All multi-kernels take the same times."""
    return FakeBencher({each.id: bench_result(each.id, *medians_us, picked=picked) for each in catalog.multi_kernels})


def offered(session: Session) -> set[str]:
    return {verb.binding.description for verb in verbs(session.explorer) if verb.valid}


def said(session: Session) -> str:
    return " ".join(" ".join(session.toasts).split())


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
            await session.press("b", "y")
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


class TestAll:
    async def test_the_whole_sample_is_measured_in_turn_and_colours_the_tree(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0, picked=0)
        async with bench_session(sample, bencher) as session:
            await session.press("B", "y")
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
            await session.press("slash", *"layer_norm", "enter", "B", "y")
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
            await session.until(lambda: state_of(session).is_idle)
            await session.until(lambda: "what came of the other 1 stays" in said(session))
            assert len(state_of(session).results) == 1

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


class TestFailure:
    async def test_the_reason_and_the_advice_stand_in_the_tab(self, cache: PlayedCache) -> None:
        (first, *_) = cache.catalog.multi_kernels
        bencher = FakeBencher({first.id: BenchError("the GPU has 1 GiB free, 12 GiB are needed", "Stop the other.")})
        async with bench_session(cache.catalog, bencher) as session:
            await session.press("b")
            await is_over(session)
            await session.shows("✗ Not measured: the GPU has 1 GiB free")
            await session.shows("Stop the other.")
            await session.press("down")
            await session.until(lambda: "1 GiB" not in session.screen_text())

    async def test_hostile_text_is_text(self, cache: PlayedCache) -> None:
        catalog = cache.catalog
        first, second, *_ = catalog.multi_kernels
        strange = Environment(gpu=HOSTILE, driver=HOSTILE, torch=HOSTILE, throttled=(HOSTILE,))
        subs = [sub_result(3.0), sub_result(None, agrees=False, problem=HOSTILE)]
        bencher = FakeBencher(
            {
                first.id: BenchError(HOSTILE, HOSTILE),
                second.id: bench_result(second.id, subs=subs, environment=strange, notes=(HOSTILE,)),
            }
        )
        async with bench_session(catalog, bencher, (120, 60)) as session:
            await session.press("b")
            await is_over(session)
            await session.shows("✗ Not measured: [/b][red]x[/red]␛[31m␛]0;title␇<U+202E>")
            await session.press("down", "b")
            await is_over(session)
            await session.shows("[/b][red]x[/red]␛[31m")
            assert "\x1b" not in session.screen_text()
            await session.press("y")
            assert "\x1b" not in session.app.clipboard

    async def test_a_sub_kernel_that_disagrees_is_never_offered(self, cache: PlayedCache, pythons: Pythons) -> None:
        catalog = cache.catalog
        (first, *_) = catalog.multi_kernels
        subs = [sub_result(31.1), sub_result(22.6, agrees=False, problem="max difference 0.5")]
        bencher = FakeBencher({first.id: bench_result(first.id, subs=subs)})
        async with bench_session(catalog, bencher, pythons=pythons) as session:
            await session.press("b")
            await is_over(session)
            await session.shows("✗ disagrees")
            assert "p pins" not in session.screen_text()
            assert row_of(session, 0).winner is None

    async def test_without_a_python_it_says_so(self, cache: PlayedCache) -> None:
        async with explore(cache.catalog) as session:
            await session.press("b")
            await session.until(lambda: "no Python is to be started" in said(session))


class TestConsent:
    async def test_code_of_a_bundle_runs_only_after_consent(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0)
        async with bench_session(sample, bencher) as session:
            for no in ("escape", "n", "enter"):
                await session.press("b")
                await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
                assert "is a bundle" in session.screen_text()
                await session.press(no)
                await session.until(lambda: session.app.screen is session.explorer)
            assert bencher.requests == []
            assert "Nothing of this place was run" in said(session)

    async def test_it_is_asked_once(self, sample: Catalog) -> None:
        bencher = measured(sample, 3.0, 2.0)
        async with bench_session(sample, bencher) as session:
            await session.press("b")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.press("y")
            await is_over(session)
            await session.press("down", "down", "b")
            await session.until(lambda: len(bencher.requests) == 2)
            await is_over(session)

    async def test_a_key_pressed_twice_asks_once(self, sample: Catalog) -> None:
        async with bench_session(sample, measured(sample, 3.0, 2.0)) as session:
            session.app.simulate_key("b")
            session.app.simulate_key("b")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.press("n")
            await session.until(lambda: session.app.screen is session.explorer)
            await session.pilot.pause()
            assert session.app.screen is session.explorer

    async def test_a_cache_of_ones_own_runs_unasked(self, cache: PlayedCache) -> None:
        async with bench_session(cache.catalog, measured(cache.catalog, 3.0, 2.0)) as session:
            await session.press("b")
            await is_over(session)
            assert len(state_of(session).done) == 1


class TestKept:
    async def test_it_stands_in_the_history_of_the_pick_and_is_known_again(
        self, cache: PlayedCache, pythons: Pythons
    ) -> None:
        cache.write_pick(0, b"0", pythons.python)
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6), pythons=pythons) as session:
            await session.press("b")
            await is_over(session)
            [entry] = row_of(session, 0).record.file.history.entries
            assert entry.action is Action.MEASURE
            assert entry.machine.gpu == "NVIDIA H100 80GB HBM3"
            assert "for this session only" not in session.screen_text()
        async with bench_session(cache.catalog, FakeBencher({}), pythons=pythons) as session:
            await session.shows("persistent is 1.38× faster than looped")
            await session.shows("measured 20")
            assert "⚠ +38%" in session.list_texts[1]

    @pytest.mark.parametrize("tested", ["contended", "interpreter", "unknown place"])
    async def test_what_nobody_should_go_by_is_not_kept_and_says_why(
        self, cache: PlayedCache, pythons: Pythons, tested: str
    ) -> None:
        (first, *_) = cache.catalog.multi_kernels
        environment = Environment(gpu="NVIDIA H100", contended="1 other process on the GPU")
        result = {
            "contended": bench_result(first.id, 31.1, 22.6, environment=environment),
            "interpreter": bench_result(first.id, 9000.0, 8000.0, device=Device.INTERPRETER),
            "unknown place": bench_result(first.id, 31.1, 22.6),
        }[tested]
        finder = None if tested == "unknown place" else pythons
        async with bench_session(cache.catalog, FakeBencher({first.id: result}), pythons=finder) as session:
            await session.press("b")
            await is_over(session)
            is_interpreted = tested == "interpreter"
            await session.shows("in this session: that tells" if is_interpreted else "⚠ kept for this session only:")
            assert row_of(session, 0).record.file.history.entries == ()
            if is_interpreted:
                await session.shows("no verdict: the kernels ran in Triton's interpreter")
                await session.shows("no GPU time")

    async def test_p_offers_the_winner_first_and_keeps_what_it_rests_on(
        self, cache: PlayedCache, pythons: Pythons
    ) -> None:
        file = cache.write_pick(0, b"0", pythons.python)
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6), pythons=pythons) as session:
            await session.press("b")
            await is_over(session)
            await session.shows("p pins 1")
            await session.press("p")
            await session.until(lambda: isinstance(session.app.screen, PinDialog))
            await session.shows("persistent is 1.38× faster than looped")
            await session.press("enter")
            await session.until(lambda: file.read_bytes() == b"1")
            await session.until(lambda: "✓ fastest ● pinned 1" in session.list_texts[1])
            entry = row_of(session, 0).record.file.history.changes[-1]
            assert entry.measured is not None
            assert entry.machine.gpu == "NVIDIA H100 80GB HBM3"
            assert "persistent is 1.38× faster" in entry.why

    async def test_the_list_says_what_is_lost(self, cache: PlayedCache, pythons: Pythons) -> None:
        cache.write_pick(0, b"0", pythons.python)
        async with bench_session(cache.catalog, measured(cache.catalog, 31.1, 22.6), pythons=pythons) as session:
            await session.press("b")
            await is_over(session)
            assert "loses 8.50 µs per run" in session.list_texts[0]
            assert "1 slower than it could be · loses 8.50 µs per run" in session.screen_text().splitlines()[0]


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
