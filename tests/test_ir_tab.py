"""The tab IR, with a catalog of made-up stages."""

from __future__ import annotations

from mkexplorer.tui.ir_tab import IrTab
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.code_view import CodeView
from tests.builders import evidence
from tests.compiled_catalog import CompiledCatalog, TabSession, showing_tab
from tests.fake_catalog import layer_norm, softmax

NORM, SOFTMAX = layer_norm(), softmax()
CATALOG = CompiledCatalog([NORM, SOFTMAX]).as_catalog


async def show_norm(session: TabSession[IrTab]) -> None:
    session.tab.selection = Selection(CATALOG, NORM)
    await session.shows("ttir of WON")
    session.tab.query_one(CodeView).focus()


async def test_it_shows_the_first_stage_of_the_configuration_that_won() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.shows("[ttir] ttgir", "configuration 2 of 2 · ✓ won · XBLOCK 2, 16 warps, 1 stage, 64 B shared")


async def test_without_a_multi_kernel_it_says_what_to_do() -> None:
    async with showing_tab(IrTab()) as session:
        await session.shows("Choose a multi-kernel in the list")


async def test_of_a_multi_kernels_row_it_shows_the_picked_sub_kernel() -> None:
    catalog = CompiledCatalog([NORM], [evidence(1, 2.0, 1.0)]).as_catalog
    async with showing_tab(IrTab()) as session:
        session.tab.selection = Selection(catalog, NORM)
        await session.shows("nothing compiled of 1 persistent triton_per_fused_1", "TORCHINDUCTOR_CACHE_DIR")


async def test_keys_go_through_the_stages_and_configurations() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("i")
        await session.shows("ttgir of WON", "[ttgir]")
        await session.press("o")
        await session.shows("ttgir of LOST", "configuration 1 of 2 · lost")
        await session.press("I", "I")
        await session.shows("[metadata]", "XBLOCK:                 1")


async def test_clicks_do_the_same() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.pilot.click("ChipBar", offset=(20, 0))
        await session.shows("[ptx]", "ptx of WON")
        await session.pilot.click("ConfigLine")
        await session.shows("ptx of LOST")


async def test_the_stage_stays_when_another_sub_kernel_is_chosen() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("i", "o")
        await session.shows("ttgir of LOST")
        session.tab.selection = Selection(CATALOG, SOFTMAX, SOFTMAX.sub_kernels[0])
        await session.shows("[ttgir]", "ttgir of WON")


async def test_a_missing_tool_is_told_with_advice() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.pilot.click("ChipBar", offset=(24, 0))
        await session.shows("cuobjdump was not found", "Install triton.")
        await session.press("I")
        await session.shows("ptx of WON")


async def test_another_configuration_can_be_compared_and_left_again() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("a")
        await session.shows("Compare", "XBLOCK 1, 8 warps, 1 stage, 64 B shared · lost")
        await session.press("enter")
        await session.shows("- XBLOCK 2", "+ XBLOCK 1", "- // ttir of WON", "+ // ttir of LOST", "-1 +1")
        await session.press("i")
        await session.shows("- // ttgir of WON", "+ // ttgir of LOST")
        await session.press("escape")
        await session.until(lambda: "LOST" not in session.text)
        await session.shows("ttgir of WON")
        assert isinstance(session.app.focused, CodeView)


async def test_another_stage_can_be_compared_and_keeps_its_stage() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("a", *"ptx", "enter")
        await session.shows("- // ttir of WON", "+ // ptx of WON")
        await session.press("i")
        await session.shows("- // ttgir of WON", "+ // ptx of WON")


async def test_a_choice_of_another_row_ends_the_comparison() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("a", "enter")
        await session.shows("+ // ttir of LOST")
        session.tab.selection = Selection(CATALOG, SOFTMAX)
        await session.until(lambda: "LOST" not in session.text)


async def test_it_copies_the_text_or_the_differences_and_opens_the_file() -> None:
    async with showing_tab(IrTab()) as session:
        await show_norm(session)
        await session.press("y", "e", "a", "enter")
        await session.shows("+ // ttir of LOST")
        await session.press("y")
        text, edited, patch = session.app.asked
        assert isinstance(text, CopyRequested)
        assert text.text == "// ttir of WON\n%16 = arith.constant 7 : i32\n"
        assert isinstance(edited, EditRequested)
        assert edited.path == "triton/0/WON/k.ttir"
        assert isinstance(patch, CopyRequested)
        assert "+// ttir of LOST\n" in patch.text
