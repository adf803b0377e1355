"""What a person sees and does: list, filter, order, mark, divider, tabs, palette, help, errors."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.model import Diagnostic, KernelMetadata, PlaceKind, Severity
from mkexplorer.tui.help import help_content
from mkexplorer.tui.state import UiState
from mkexplorer.tui.tab_bar import TabBar
from mkexplorer.tui.tabs import TABS
from mkexplorer_widgets.diff_view import DiffView
from mkexplorer_widgets.outline import Outline
from mkexplorer_widgets.splitter import Splitter
from tests.explorer_pilot import NARROW, WAIT_S, WIDE, explore, explore_while_reading
from tests.fake_catalog import FakeCatalog, layer_norm, softmax, two_graphs

SIZES = [NARROW, WIDE, (200, 60)]


class TestList:
    async def test_a_row_says_what_a_person_calls_it_and_how_its_pick_fares(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            assert session.list_texts == [
                "▾ graph 0_inference  loses 8.50 µs per run",
                " ▸ layer_norm 4096×4096 bf16 ⚠ +38%",
                "▾ graph 1_inference",
                " ▸ softmax    16×16000  f32  ✓ fastest",
            ]

    async def test_the_header_counts(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            header = session.screen_text().splitlines()[0]
            said = "2 multi-kernels · 1 slower than it could be · loses 8.50 µs per run · torch 2.11.0 · NVIDIA H100"
            assert header.strip() == f"mkexplorer   PLACE   {said}"

    async def test_the_cursor_starts_on_the_first_multi_kernel(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            assert session.cursor_text.startswith("▸ layer_norm")

    async def test_unfolding_shows_the_sub_kernels_with_times_and_pick(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("right")
            assert session.list_texts[2:4] == [
                "    0 looped     31.1 µs   ● picked",
                "    1 persistent 22.6 µs   fastest",
            ]
            await session.press("left")
            assert len(session.list_texts) == 4

    async def test_a_graph_folds(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("home", "space")
            assert session.list_texts[0] == "▸ graph 0_inference  (1)  loses 8.50 µs per run"

    async def test_all_unfold_and_fold(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("z")
            assert len(session.list_texts) == 8
            await session.press("Z")
            assert len(session.list_texts) == 4

    @pytest.mark.parametrize("size", SIZES)
    async def test_every_size_shows_list_tab_and_keys(self, size: tuple[int, int]) -> None:
        async with explore(two_graphs().as_catalog, size) as session:
            await session.shows("31.1 µs")
            await session.shows("Filter")
            text = session.screen_text()
            assert "layer_norm" in text
            assert "Details" in text
            assert "Filter" in text.splitlines()[-1]
            assert all(len(line) <= size[0] for line in text.splitlines())


class TestFilter:
    async def test_typing_narrows_the_list_and_escape_shows_all_again(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("slash", *"soft")
            await session.until(lambda: len(session.list_texts) == 2)
            assert "1 of 2" in session.screen_text()
            await session.press("escape")
            assert len(session.list_texts) == 4
            assert isinstance(session.app.focused, Outline)
            assert session.explorer.query_one(Input).value == ""

    async def test_enter_leaves_the_filter_for_the_rows_and_keeps_it(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("slash", *"16000", "enter")
            assert isinstance(session.app.focused, Outline)
            assert session.cursor_text.startswith("▸ softmax")
            assert len(session.list_texts) == 2

    async def test_a_graphs_row_stands_for_the_first_multi_kernel_that_is_shown(self) -> None:
        catalog = FakeCatalog([layer_norm("a", "0_forward"), softmax("a", "0_forward", "multi_kernel_1")])
        async with explore(catalog.as_catalog) as session:
            await session.press("slash", *"softmax", "enter", "up")
            multi_kernel, sub = session.explorer.kernels.current
            assert multi_kernel is catalog.multi_kernels[1]
            assert sub is None

    async def test_what_is_typed_while_the_place_is_read_is_the_filter(self) -> None:
        release = threading.Event()
        catalog = two_graphs().as_catalog

        def slow() -> Catalog:
            release.wait(WAIT_S)
            return catalog

        async with explore_while_reading(slow) as session:
            await session.press("slash", *"soft")
            release.set()
            await session.until(lambda: len(session.list_texts) == 2)
            assert session.explorer.query_one(Input).value == "soft"

    async def test_nothing_found_says_how_to_get_out(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("slash", *"zzz", "enter")
            assert "Nothing holds 'zzz'" in session.screen_text()
            assert "esc shows all again" in session.screen_text()

    async def test_letters_of_verbs_are_letters_in_the_filter(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("slash", *"sdqmf15")
            assert session.explorer.query_one(Input).value == "sdqmf15"


class TestOrder:
    async def test_s_goes_through_the_orders_and_the_title_says_which(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("s")
            assert session.list_texts[0].startswith("▸ layer_norm")
            assert "by operation" in session.screen_text()
            assert session.app.state.sort == "operation"
            await session.press(*"sssss")
            assert session.app.state.sort == "graph"
            assert session.list_texts[0].startswith("▾ graph 0_inference")

    async def test_the_cursor_stays_on_its_multi_kernel(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("end")
            before = session.cursor_text
            await session.press("s")
            assert session.cursor_text == before

    async def test_it_starts_as_it_was_left(self) -> None:
        async with explore(two_graphs().as_catalog, state=UiState(sort="regret", tab="details")) as session:
            assert "by regret" in session.screen_text()


class TestMark:
    async def test_m_marks_and_unmarks_the_sub_kernel(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("right", "down", "down", "m")
            assert session.cursor_text.endswith("fastest ◆ marked")
            selection = session.explorer.work.selection
            assert selection is not None
            assert selection.mark is not None
            assert selection.mark[1].index == 1
            assert session.toasts[-1].startswith("Marked 1 persistent; m again unmarks.")
            await session.press("m")
            assert "◆" not in session.screen_text()
            assert session.toasts[-1] == "Unmarked 1 persistent."

    async def test_the_mark_stays_while_the_cursor_goes_on(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("right", "down", "m", "end")
            await session.until(lambda: session.explorer.work.selection.multi_kernel.id.startswith("cbbbbbb"))  # type: ignore[union-attr]
            selection = session.explorer.work.selection
            assert selection is not None
            assert selection.mark is not None
            assert selection.mark[0].id.startswith("caaaaaa")

    async def test_on_a_multi_kernels_own_row_it_marks_what_the_tabs_show(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("end", "m", "right")
            assert session.list_texts[-1].endswith("● picked fastest ◆ marked")

    async def test_a_multi_kernel_without_sub_kernels_cannot_be_marked(self) -> None:
        catalog = FakeCatalog([replace(layer_norm(), sub_kernels=())])
        async with explore(catalog.as_catalog) as session:
            await session.press("m", "right")
            assert "◆" not in session.screen_text()


class TestPanes:
    async def test_the_divider_moves_by_key_and_mouse_and_is_remembered(self) -> None:
        async with explore(two_graphs().as_catalog, state=UiState(ratio=0.4, tab="details")) as session:
            assert session.explorer.kernels.size.width == 48
            await session.press("plus")
            assert session.explorer.kernels.size.width == 54
            await session.pilot.mouse_down(Splitter)
            await session.pilot.hover(offset=(30, 10))
            await session.pilot.mouse_up(offset=(30, 10))
            assert session.explorer.kernels.size.width == 30
            assert session.app.state.ratio == 0.25
            assert session.app.state.stacked_ratio == UiState().stacked_ratio

    async def test_below_100_columns_the_panes_stack(self) -> None:
        async with explore(two_graphs().as_catalog, NARROW) as session:
            kernels, work = session.explorer.kernels.region, session.explorer.work.region
            assert kernels.width == work.width == 80
            assert work.y > kernels.bottom
            await session.press("minus")
            assert session.app.state.stacked_ratio < UiState().stacked_ratio

    async def test_resizing_the_terminal_changes_between_them(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.pilot.resize_terminal(80, 24)
            await session.pilot.pause()
            assert session.explorer.work.region.y > session.explorer.kernels.region.y
            await session.pilot.resize_terminal(120, 40)
            await session.pilot.pause()
            assert session.explorer.work.region.y == session.explorer.kernels.region.y

    async def test_backslash_gives_the_screen_to_the_tab_and_takes_it_back(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("backslash")
            assert session.explorer.work.region.width == 120
            await session.press("backslash")
            assert session.explorer.kernels.display
            assert isinstance(session.app.focused, Outline)

    async def test_enter_goes_into_the_tab_and_escape_back_to_the_list(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("enter")
            assert session.explorer.work in session.app.focused.ancestors  # type: ignore[union-attr]
            await session.press("escape")
            assert isinstance(session.app.focused, Outline)


class TestOtherStates:
    async def test_an_empty_place_says_how_to_make_multi_kernels(self) -> None:
        async with explore(FakeCatalog().as_catalog) as session:
            text = session.screen_text()
            assert "TORCHINDUCTOR_MULTI_KERNEL=1" in text
            assert "--sample" in text
            await session.press("slash", "s", "m", "1", "enter")
            assert "No multi-kernels here" in session.screen_text()

    async def test_a_place_that_cannot_be_opened_says_why_and_what_to_do(self) -> None:
        async with explore(PlaceError("/x is [red]no\x1b[31m place", "Name a cache directory.")) as session:
            text = session.screen_text()
            assert "/x is [red]no␛[31m place" in text
            assert "Name a cache directory." in text

    async def test_r_tries_again(self) -> None:
        answers = [PlaceError("not yet"), two_graphs().as_catalog]
        async with explore(PlaceError("not yet")) as session:

            def opener() -> object:
                answer = answers.pop(0)
                if isinstance(answer, PlaceError):
                    raise answer
                return answer

            session.explorer._opener = opener  # type: ignore[assignment]
            await session.press("r")
            await session.until(lambda: session.explorer.has_class("-sheet"))
            await session.press("r")
            await session.shows("layer_norm")

    async def test_problems_are_counted_and_listed(self) -> None:
        problem = Diagnostic(Severity.WARNING, "ab/[x].py", 12, "cut off", "Compile again.")
        catalog = FakeCatalog([layer_norm()], diagnostics=(problem,))
        async with explore(catalog.as_catalog) as session:
            assert "1 problem (!)" in session.screen_text()
            await session.press("exclamation_mark")
            assert "ab/[x].py:12" in session.screen_text()
            assert "Compile again." in session.screen_text()
            await session.press("escape")
            assert "Compile again." not in session.screen_text()

    async def test_a_damaged_state_file_is_told(self) -> None:
        async with explore(two_graphs().as_catalog, problem="state.json [x] cannot be read") as session:
            assert session.toasts == ["state.json [x] cannot be read"]

    async def test_an_unknown_theme_is_no_failure(self) -> None:
        async with explore(two_graphs().as_catalog, state=UiState(theme="gone")) as session:
            assert session.app.state.theme == "textual-dark"


class TestFollow:
    async def test_new_graphs_come_without_moving_the_cursor_the_view_or_the_folding(self) -> None:
        first = FakeCatalog([layer_norm(letter, f"{at}_inference") for at, letter in enumerate("fghijklmnopqrstuvw")])
        more = FakeCatalog([layer_norm("a", "0_forward"), softmax("b", "0_forward"), *first.multi_kernels])
        async with explore(first.as_catalog, NARROW, UiState(tab="details")) as session:
            outline = session.explorer.kernels.outline
            await session.press("end", "right", "down")
            cursor, line = session.cursor_text, outline.cursor - outline.scroll_offset.y
            first.refreshed = more
            await session.until(lambda: "20 multi-kernels" in session.screen_text())
            assert session.cursor_text == cursor
            assert outline.cursor - outline.scroll_offset.y == line

    async def test_the_header_says_so_and_f_stops_it(self) -> None:
        async with explore(two_graphs().as_catalog, state=UiState(tab="details")) as session:
            assert "● following" in session.screen_text()
            await session.press("f")
            assert "● following" not in session.screen_text()
            assert not session.app.state.follow

    async def test_a_bundle_cannot_change(self) -> None:
        catalog = FakeCatalog([layer_norm()], kind=PlaceKind.BUNDLE)
        async with explore(catalog.as_catalog, state=UiState(tab="details")) as session:
            assert "● following" not in session.screen_text()

    async def test_an_empty_place_fills(self) -> None:
        empty = FakeCatalog()
        async with explore(empty.as_catalog, state=UiState(tab="details")) as session:
            assert "watches this place" in session.screen_text()
            empty.refreshed = two_graphs()
            await session.until(lambda: isinstance(session.app.focused, Outline))
            assert "layer_norm" in session.screen_text()

    async def test_a_place_that_vanishes_is_told_and_the_list_stays(self) -> None:
        catalog = two_graphs()
        async with explore(catalog.as_catalog, state=UiState(tab="details")) as session:
            catalog.refreshed = PlaceError("it is gone", "Compile again.")
            await session.until(lambda: "it is gone\nCompile again." in session.toasts)
            assert "layer_norm" in session.screen_text()
            catalog.refreshed = catalog

    async def test_the_mark_survives_a_refresh_and_goes_with_its_kernel(self) -> None:
        first = two_graphs()
        async with explore(first.as_catalog, state=UiState(tab="details")) as session:
            await session.press("right", "down", "m")
            second = FakeCatalog([layer_norm(), softmax(), softmax("c", "2_inference")])
            first.refreshed = second
            await session.until(lambda: "3 multi-kernels" in session.screen_text())
            assert "◆ marked" in session.screen_text()
            second.refreshed = FakeCatalog([softmax()])
            await session.until(lambda: "1 multi-kernel " in session.screen_text())
            await session.until(lambda: session.explorer.work.selection.mark is None)  # type: ignore[union-attr]


class TestHostileNames:
    async def test_they_are_shown_as_text(self) -> None:
        name = "aten.[bold]x[/bold]\x1b[31m漢字\t" + "y" * 10_000
        kernel = layer_norm()
        hostile = FakeCatalog([replace(kernel, operations=(name,))])
        async with explore(hostile.as_catalog) as session:
            assert "▸ [bold]x[/bold]␛[" in session.screen_text()
            await session.shows(" [bold]x[/bold]␛[31m漢字")
            await session.press("ctrl+p", *"bold")
            await session.until(lambda: session.app.screen is not session.explorer)
            await session.shows("[bold]x[/bold]␛[31m漢字")


class TestPaletteAndHelp:
    async def test_the_palette_has_the_verbs_that_are_valid(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("ctrl+p", *"wider list")
            await session.shows("Wider list")
            await session.press("escape", "escape")

    async def test_the_palette_leaves_out_what_cannot_be_done(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("ctrl+p", *"problems")
            await session.pilot.pause(0.3)
            assert "What in this place could not be used" not in session.screen_text()

    @pytest.mark.parametrize("query", ["screenshot", "svg"])
    async def test_the_palette_has_the_screenshot_by_either_name(self, query: str) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("ctrl+p", *query)
            await session.shows("Save screenshot (SVG)")

    async def test_the_palette_goes_to_a_multi_kernel(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("ctrl+p", *"softmax 16")
            await session.shows("cbbbbbb/multi_kernel_0")
            await session.press("down", "enter")
            await session.until(lambda: session.cursor_text.startswith("▸ softmax"))

    async def test_help_is_not_wrapped_again_on_a_small_screen(self) -> None:
        async with explore(two_graphs().as_catalog, NARROW) as session:
            await session.press("question_mark")
            page = session.app.screen.query_one("VerticalScroll > Static")
            assert page.content_size.height == len(help_content(session.explorer).plain.splitlines())

    async def test_help_lists_signs_words_and_keys_and_closes(self) -> None:
        async with explore(two_graphs().as_catalog, (120, 110)) as session:
            await session.press("question_mark")
            text = session.screen_text()
            for expected in ("⚠ +38%", "persistent", "Explorer: keys", "List: keys", "App: keys", "Mouse"):
                assert expected in text
            await session.press("escape")
            assert session.app.screen is session.explorer


class TestRemembered:
    async def test_switches_inside_tabs_outlive_the_run(self) -> None:
        async with explore(two_graphs().as_catalog, state=UiState(tab="diff", follow=False)) as session:
            session.explorer.work.tab.query_one(DiffView).layout_mode = "unified"  # type: ignore[union-attr]
            await session.pilot.pause()
            state = session.app.state
        async with explore(two_graphs().as_catalog, state=state) as session:
            assert session.explorer.work.tab.query_one(DiffView).layout_mode == "unified"  # type: ignore[union-attr]

    async def test_what_a_switch_cannot_be_is_left_out(self) -> None:
        state = UiState(tab="diff", follow=False, options={"DiffView.layout_mode": "sideways"})
        async with explore(two_graphs().as_catalog, state=state) as session:
            assert session.explorer.work.tab.query_one(DiffView).layout_mode == "auto"  # type: ignore[union-attr]

    async def test_theme_and_tab(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            session.app.theme = "nord"
            await session.press("d")
            assert session.app.state.theme == "nord"
            assert session.app.state.tab == "diff"


class TestTabsAndVerbs:
    async def test_a_click_or_a_number_shows_a_tab(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            bar = session.explorer.query_one(TabBar)
            titles = [spec.title for spec in TABS]
            await session.pilot.click(TabBar, offset=(bar.render_line(0).text.index("Diff"), 0))
            assert session.explorer.work.tab_name == "diff"
            for number, spec in enumerate(TABS, start=1):
                await session.press(str(number))
                assert session.explorer.work.tab_name == spec.name
                assert bar.active == number - 1
            assert [title for title in titles if title in bar.render_line(0).text] == titles

    async def test_a_tab_gets_the_selection_when_it_is_shown(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("end", "d")
            await session.shows("softmax")
            await session.until(lambda: session.explorer.work.tab.selection == session.explorer.work.selection)  # type: ignore[union-attr]

    async def test_a_double_click_on_a_sub_kernel_goes_into_the_tab(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("right")
            await session.pilot.click(Outline, offset=(8, 3), times=2)
            await session.until(lambda: session.explorer.work in session.app.focused.ancestors)  # type: ignore[union-attr]
            assert session.cursor_text.startswith("1 persistent")

    async def test_y_copies_what_the_tab_shows_from_anywhere(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.shows("31.1 µs")
            await session.press("y")
            await session.until(lambda: bool(session.toasts))
            assert session.app.clipboard.startswith("layer_norm 4096×4096 bf16")
            assert session.toasts[0].startswith("Copied the details of caaaaaa/multi_kernel_0 (")

    async def test_capital_y_copies_the_id(self) -> None:
        async with explore(two_graphs().as_catalog) as session:
            await session.press("Y")
            await session.until(lambda: bool(session.toasts))
            assert session.app.clipboard == "caaaaaa/multi_kernel_0"

    async def test_what_cannot_be_read_is_told_in_the_tab(self) -> None:
        catalog = two_graphs()

        def gone(*_: object) -> KernelMetadata:
            raise PlaceError("/the/place/x.py: no such [b]file[/b]", "Open it again.")

        catalog.metadata = gone  # type: ignore[assignment,method-assign]  # to fail
        async with explore(catalog.as_catalog) as session:
            await session.shows("no such [b]file[/b]")
            await session.shows("Open it again.")

    async def test_a_defect_in_a_tab_is_told_there(self) -> None:
        catalog = two_graphs()
        catalog.metadata = lambda *_: 1 / 0  # type: ignore[assignment,method-assign]  # to fail
        async with explore(catalog.as_catalog) as session:
            await session.shows("Reading failed: ZeroDivisionError")

    async def test_e_without_a_terminal_to_lend_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mkexplorer.tui.editor.command_for", lambda *_: ["true"])
        async with explore(two_graphs().as_catalog) as session:
            await session.shows("31.1 µs")
            await session.press("e")
            await session.until(lambda: bool(session.toasts))
            assert session.toasts == ["This terminal cannot be lent to an editor.\nCopy the text with y."]

    async def test_a_picture_is_saved_where_the_person_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with explore(two_graphs().as_catalog) as session:
            await session.press("ctrl+s")
            (picture,) = tmp_path.iterdir()
            assert "layer_norm" in picture.read_text(encoding="utf-8")
            assert session.toasts == [f"Saved {picture}"]
