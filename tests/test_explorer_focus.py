"""How a person gets from the list into a tab, from tab to tab and back, and what the last line says of it."""

from __future__ import annotations

import pytest
from textual.widgets import Input
from textual.widgets._footer import FooterKey

from mkexplorer.tui.tab_bar import TabBar
from mkexplorer_widgets.outline import Outline
from tests.explorer_pilot import Session, explore
from tests.fake_catalog import two_graphs


class TestFocus:
    @pytest.mark.parametrize("key", ["1", "d", "3", "4", "5"])
    async def test_a_key_of_a_tab_pressed_inside_a_tab_goes_into_the_next_one(self, key: str) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("enter", key)
            tab = session.explorer.work.tab
            await session.until(lambda: tab in session.app.focused.ancestors)  # type: ignore[union-attr]
            await session.press("6")
            assert session.explorer.work.tab in session.app.focused.ancestors  # type: ignore[union-attr]
            assert session.explorer.query_one(Input).value == ""

    async def test_a_click_on_a_tab_from_inside_a_tab_goes_into_the_next_one(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("enter")
            await session.pilot.click(TabBar, offset=(1, 0))
            assert session.explorer.work.tab_name == "source"
            assert session.explorer.work.tab in session.app.focused.ancestors  # type: ignore[union-attr]

    @pytest.mark.parametrize("key", ["1", "d", "3", "4", "5"])
    async def test_a_key_of_a_tab_pressed_in_the_list_stays_in_the_list(self, key: str) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press(key)
            assert isinstance(session.app.focused, Outline)

    async def test_tab_goes_from_the_list_straight_into_the_tab(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("tab")
            assert session.explorer.work.tab in session.app.focused.ancestors  # type: ignore[union-attr]
            await session.press("shift+tab")
            assert isinstance(session.app.focused, Outline)


class TestLastLine:
    async def test_in_the_list_it_says_how_to_get_into_the_tab(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("d")
            await session.shows("enter To the tab")
            await session.press("enter")
            await session.until(lambda: "To the tab" not in session.screen_text())
            await session.shows("esc To the list")

    @pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
    async def test_it_has_whole_entries_and_always_the_ways_out(self, width: int) -> None:
        async with explore(two_graphs().as_catalog, (200, 40)) as session:
            await session.press("1", "enter")
            await session.shows("esc To the list")
            await session.pilot.resize_terminal(width, 40)
            await session.until(lambda: session.last_line.partition("▏")[0].rstrip() == " ".join(_entries(session)))
            assert _entries(session)[-3:] == ["esc To the list", "? Help", "q Quit"]
            assert _entries(session)[0] == "/ Search"


def _entries(session: Session) -> list[str]:
    keys = session.explorer.query(FooterKey)
    return [f"{key.key_display} {key.description}" for key in keys if key.description != "palette"]
