"""Bars from zero with their interval: to scale, readable without colour, whole at every width."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from mkexplorer_widgets.interval_bars import WIDEST_BAR, Bar, IntervalBars, bar_parts


class BarsApp(App[None]):
    def compose(self) -> ComposeResult:
        yield IntervalBars()

    @property
    def bars(self) -> IntervalBars:
        return self.query_one(IntervalBars)


def drawn(bar: Bar, longest: float, width: int) -> str:
    return "".join(piece for piece, _ in bar_parts(bar, longest, width))


LOOPED = Bar("0 looped", 31.1, "31.1 µs", note="● picked")
PERSISTENT = Bar("1 persistent", 22.6, "22.6 µs", note="fastest", tone="good")


class TestParts:
    def test_a_bar_is_to_scale_in_eighths_of_a_cell(self) -> None:
        assert drawn(Bar("", 50.0), 100.0, 20) == "█" * 10
        assert drawn(Bar("", 51.25), 100.0, 10) == "█████▏"

    def test_an_interval_that_can_be_seen_is_drawn_around_the_value(self) -> None:
        assert drawn(Bar("", 50.0, low=40.0, high=70.0), 100.0, 10) == "████├┼─┤"

    def test_one_that_cannot_is_not(self) -> None:
        assert drawn(Bar("", 50.0, low=49.9, high=50.1), 100.0, 10) == "█████"

    def test_the_interval_left_of_the_value_lies_on_the_bar(self) -> None:
        parts = dict((part, piece) for piece, part in bar_parts(Bar("", 50.0, low=20.0, high=70.0), 100.0, 10))
        assert parts == {"bar": "██", "over": "├──", "beyond": "┼─┤"}

    def test_the_smallest_bar_is_seen(self) -> None:
        assert drawn(Bar("", 0.0001), 100.0, 20) == "▏"

    @given(st.lists(st.floats(0, 1e9), min_size=3, max_size=3), st.floats(1e-6, 1e9), st.integers(1, 80))
    def test_none_is_longer_than_its_room(self, numbers: list[float], longest: float, width: int) -> None:
        low, value, high = sorted(numbers)
        assert 1 <= len(drawn(Bar("", value, low=low, high=high), longest, width)) <= width


class TestLines:
    async def test_label_number_bar_and_note_stand_in_columns(self) -> None:
        app = BarsApp()
        async with app.run_test(size=(60, 8)):
            app.bars.show([LOOPED, PERSISTENT])
            lines = [app.bars.text_of(0), app.bars.text_of(1)]
            assert lines[0].startswith("0 looped     31.1 µs  ███")
            assert lines[1].startswith("1 persistent 22.6 µs  ███")
            assert lines[0].index("● picked") == lines[1].index("fastest")
            assert lines[0].count("█") > lines[1].count("█")

    async def test_it_is_as_high_as_it_has_bars(self) -> None:
        app = BarsApp()
        async with app.run_test(size=(60, 8)) as pilot:
            for count in (2, 5, 0):
                app.bars.show([LOOPED] * count)
                await pilot.pause()
                assert app.bars.size.height == count

    @pytest.mark.parametrize("width", [20, 24, 30, 40])
    async def test_where_it_is_narrow_the_number_and_a_bar_stay(self, width: int) -> None:
        app = BarsApp()
        async with app.run_test(size=(width, 4)):
            app.bars.show([LOOPED, PERSISTENT])
            for y, start in enumerate("01"):
                line = app.bars.text_of(y)
                assert line.startswith(start)
                assert "µs  █" in line
                assert len(line) <= width

    async def test_the_widest_bar_leaves_the_note_near(self) -> None:
        app = BarsApp()
        async with app.run_test(size=(200, 4)):
            app.bars.show([LOOPED])
            assert app.bars.text_of(0).count("█") == WIDEST_BAR

    async def test_without_a_value_the_note_says_why(self) -> None:
        app = BarsApp()
        async with app.run_test(size=(60, 4)):
            app.bars.show([LOOPED, Bar("1 persistent", None, note="out of memory", tone="bad")])
            assert app.bars.text_of(1) == "1 persistent          out of memory"

    @pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
    async def test_a_number_that_is_none_has_no_bar(self, value: float) -> None:
        app = BarsApp()
        async with app.run_test(size=(60, 4)):
            app.bars.show([LOOPED, Bar("x", value, "?", low=-1.0, high=math.nan)])
            assert app.bars.text_of(0).count("█") > 5
            assert "█" not in app.bars.text_of(1)

    async def test_text_is_text(self) -> None:
        app = BarsApp()
        async with app.run_test(size=(60, 4)):
            app.bars.show([Bar("[/x]\x1b[31m", 1.0, "1\n2", note="日本")])
            assert app.bars.text_of(0).startswith("[/x]␛[31m 1␊2  █")
            assert app.bars.text_of(0).endswith("日本")
