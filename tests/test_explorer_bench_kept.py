"""What came of a measurement in the app: told where it failed, else kept, coloured and offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import Device, Environment
from mkexplorer.picks.model import Action
from mkexplorer.tui.pick_dialogs import PinDialog
from mkexplorer.tui.pythons import Pythons
from tests.bench_pilot import bench_session, is_over, measured, row_of, said
from tests.explorer_pilot import explore
from tests.fake_bencher import FakeBencher, bench_result, sub_result
from tests.pick_places import PlayedCache, played_python

HOSTILE = "[/b][red]x[/red]\x1b[31m\x1b]0;title\x07\u202e"


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path / "cache", "2.13.0")


@pytest.fixture
def pythons(tmp_path: Path) -> Pythons:
    return Pythons(played_python(tmp_path / "python"))


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
