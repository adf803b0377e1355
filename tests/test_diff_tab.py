"""The tab Diff, with a catalog of made-up kernels."""

from __future__ import annotations

from mkexplorer.tui.diff_tab import DiffTab
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.diff_view import DiffView
from tests import builders
from tests.compiled_catalog import CompiledCatalog, TabSession, showing_tab
from tests.fake_catalog import layer_norm, softmax

NORM, SOFTMAX = layer_norm(), softmax()
CATALOG = CompiledCatalog([NORM, SOFTMAX]).as_catalog


async def show_norm(session: TabSession[DiffTab]) -> None:
    session.tab.selection = Selection(CATALOG, NORM)
    await session.shows("change 1 of 1")
    session.tab.query_one(DiffView).focus()


async def test_it_compares_the_sub_kernels_of_the_chosen_multi_kernel() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.shows("- 0 looped · triton_red_fused_0", "+ 1 persistent · triton_per_fused_1")
        await session.shows("source · -3 +3 · change 1 of 1 · side by side · as written")
        await session.shows("- def triton_red_fused_0(in_ptr0):", "+ def triton_per_fused_1(in_ptr0):")


async def test_without_a_multi_kernel_it_says_what_to_do() -> None:
    async with showing_tab(DiffTab()) as session:
        await session.shows("Choose a multi-kernel in the list")


async def test_a_single_sub_kernel_tells_how_to_compare_it() -> None:
    single = builders.multi_kernel("aten.sum", kernels=("triton_red_a_0",))
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        session.tab.selection = Selection(CATALOG, single)
        await session.shows("This multi-kernel has one sub-kernel.", "Mark it with m")
        assert "triton_red_fused_0" not in session.text
        session.tab.selection = Selection(CATALOG, NORM)
        await session.shows("- def triton_red_fused_0(in_ptr0):")


async def test_a_marked_sub_kernel_of_another_multi_kernel_stands_on_the_left() -> None:
    async with showing_tab(DiffTab()) as session:
        mark = (SOFTMAX, SOFTMAX.sub_kernels[1])
        session.tab.selection = Selection(CATALOG, NORM, NORM.sub_kernels[0], mark)
        await session.shows("- softmax 16×16000 f32 · 1 persistent", "+ layer_norm 4096×4096 bf16 · 0 looped")


async def test_evening_out_leaves_only_real_differences() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.press("t")
        await session.shows("-1 +1", "evened out")
        await session.press("t")
        await session.shows("-3 +3", "as written")


async def test_sides_can_be_exchanged() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.press("x")
        await session.shows("- 1 persistent · triton_per_fused_1", "- def triton_per_fused_1(in_ptr0):")


async def test_any_sub_kernel_can_be_chosen_for_a_side() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.press("greater_than_sign")
        await session.shows("The right side: which sub-kernel?", "softmax")
        await session.press(*"soft", "space", *"per")
        await session.press("enter")
        await session.shows("+ softmax 16×16000 f32 · 1 persistent", "- layer_norm 4096×4096 bf16 · 0 looped")
        session.tab.selection = Selection(CATALOG, NORM, NORM.sub_kernels[0])
        await session.shows("+ 1 persistent · triton_per_fused_1")


async def test_what_was_chosen_stays_when_the_place_is_read_again() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.press("greater_than_sign", *"soft", "enter")
        await session.shows("+ softmax 16×16000 f32 · 0 looped")
        session.tab.selection = Selection(CompiledCatalog([NORM, SOFTMAX]).as_catalog, NORM)
        await session.pilot.pause(0.2)
        await session.shows("+ softmax 16×16000 f32 · 0 looped")


async def test_a_click_on_a_name_chooses_and_escape_changes_nothing() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.pilot.click("#left")
        await session.shows("The left side: which sub-kernel?")
        await session.press("escape")
        await session.shows("- 0 looped · triton_red_fused_0")


async def test_compiled_stages_are_compared_evened_out() -> None:
    async with showing_tab(DiffTab()) as session:
        mark = (SOFTMAX, SOFTMAX.sub_kernels[0])
        session.tab.selection = Selection(CATALOG, NORM, NORM.sub_kernels[0], mark)
        await session.shows("source")
        session.tab.query_one(DiffView).focus()
        await session.press("i")
        await session.shows("ttir · no difference", "evened out", "XBLOCK 2, 16 warps")
        await session.press("I")
        await session.shows("source · ")


async def test_a_stage_that_is_not_there_is_told_with_advice() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        await session.press("i")
        await session.shows("nothing compiled of 1 persistent triton_per_fused_1 is in this place", "run the program")
        await session.press("I")
        await session.shows("change 1 of 1")


async def test_it_copies_a_patch_and_opens_the_line_under_the_cursor() -> None:
    async with showing_tab(DiffTab()) as session:
        await show_norm(session)
        session.tab.action_copy()
        await session.press("down", "e")
        copied, edited = session.app.asked
        assert isinstance(copied, CopyRequested)
        assert "+def triton_per_fused_1(in_ptr0):\n" in copied.text
        assert isinstance(edited, EditRequested)
        assert (edited.path, edited.line) == ("1f/c1file.py", 3)  # torch's file has an empty line first


async def test_it_works_in_a_small_terminal() -> None:
    async with showing_tab(DiffTab(), size=(40, 12)) as session:
        await show_norm(session)
        await session.shows("2   - def triton_red_fused_0(in_ptr0):", "  2 + def triton_per")
