"""Samples above one axis: where they lie, how far apart, and how many lie too far away to be drawn."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from mkexplorer_widgets.histogram import (
    STRIP_HEIGHT,
    Axis,
    Histogram,
    Series,
    axis_over,
    beyond,
    counts,
    reach_of,
    ticks,
)

SAMPLES = st.lists(st.floats(0, 1e6), max_size=60)


class HistogramApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Histogram("µs")

    @property
    def histogram(self) -> Histogram:
        return self.query_one(Histogram)

    @property
    def lines(self) -> list[str]:
        return [self.histogram.text_of(y) for y in range(self.histogram.size.height)]


def around(middle: float, count: int = 40) -> list[float]:
    noise = random.Random(middle)
    return [noise.gauss(middle, middle * 0.01) for _ in range(count)]


class TestAxis:
    def test_it_holds_all_series(self) -> None:
        assert reach_of([[1.0, 2.0], [5.0], []]) == (1.0, 5.0)

    def test_a_sample_far_away_does_not_squeeze_the_others(self) -> None:
        low, high = reach_of([[*around(20.0), 900.0]])
        assert high < 25
        assert beyond([*around(20.0), 900.0, 901.0, 0.1], (low, high)) == " ←1 2→"

    @given(st.lists(SAMPLES, max_size=4), st.integers(1, 120))
    def test_every_sample_is_drawn_or_counted_at_the_edge(self, all_samples: list[list[float]], width: int) -> None:
        reach = reach_of(all_samples)
        axis = axis_over(reach, width)
        for samples in all_samples:
            outside = sum(not reach[0] <= each <= reach[1] for each in samples)
            assert sum(counts(samples, axis)) >= len(samples) - outside

    @given(st.floats(0, 1e6), st.floats(1e-3, 1e6), st.integers(4, 120))
    def test_its_numbers_never_touch(self, low: float, span: float, width: int) -> None:
        found = ticks(Axis(low, low + span, width))
        assert [cell for cell, _ in found] == sorted(cell for cell, _ in found)
        for (cell, text), (after, _) in zip(found, found[1:], strict=False):
            assert after - cell > len(text) // 2

    def test_its_numbers_are_round(self) -> None:
        assert [text for _, text in ticks(Axis(22.0, 31.5, 60))] == [str(n) for n in range(22, 32)]
        assert [text for _, text in ticks(Axis(22.0, 31.5, 20))] == ["25", "30"]
        assert [text for _, text in ticks(Axis(1.82, 1.9, 40))] == ["1.82", "1.84", "1.86", "1.88", "1.90"]


class TestDrawn:
    async def test_two_lines_for_each_series_and_two_for_the_axis(self) -> None:
        app = HistogramApp()
        async with app.run_test(size=(60, 12)) as pilot:
            app.histogram.show([Series("0 looped", around(31.0), "0"), Series("1 persistent", around(22.0), "1")])
            await pilot.pause()
            assert len(app.lines) == 2 * STRIP_HEIGHT + 2
            assert app.lines[1].startswith("0 looped ")
            assert app.lines[3].startswith("1 persistent ")
            assert app.lines[1].rindex("█") > app.lines[3].rindex("█")

    async def test_the_axis_has_the_marks_at_the_medians(self) -> None:
        app = HistogramApp()
        async with app.run_test(size=(60, 12)) as pilot:
            app.histogram.show([Series("a", around(31.0), "0"), Series("b", around(22.0), "1")])
            await pilot.pause()
            axis = app.lines[-2]
            assert axis.index("1") < 12
            assert axis.index("0") > 50

    @pytest.mark.parametrize("samples", [[], [5.0], [5.0, 5.0], [0.0] * 9])
    async def test_few_and_equal_samples(self, samples: Sequence[float]) -> None:
        app = HistogramApp()
        async with app.run_test(size=(60, 12)) as pilot:
            app.histogram.show([Series("a", samples)])
            await pilot.pause()
            assert ("█" in app.lines[1]) == bool(samples)

    async def test_nothing_takes_no_room(self) -> None:
        app = HistogramApp()
        async with app.run_test(size=(60, 12)) as pilot:
            app.histogram.show([])
            await pilot.pause()
            assert app.histogram.size.height == 0

    async def test_at_20_columns_it_still_shows_who_is_left(self) -> None:
        app = HistogramApp()
        async with app.run_test(size=(20, 12)) as pilot:
            app.histogram.show([Series("0 looped", around(31.0)), Series("1 persistent", around(22.0))])
            await pilot.pause()
            assert all(len(line) <= 20 for line in app.lines)
            assert app.lines[1].rindex("█") > app.lines[3].rindex("█")

    async def test_numbers_that_are_none_and_hostile_labels(self) -> None:
        app = HistogramApp()
        async with app.run_test(size=(60, 12)) as pilot:
            app.histogram.show([Series("[/x]\x1b", [float("nan"), float("inf"), 3.0])])
            await pilot.pause()
            assert app.lines[1].startswith("[/x]␛ ")
