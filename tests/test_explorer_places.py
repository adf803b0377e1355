"""The app on real places: one that grows while it is watched, and one full of hostile text."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mkexplorer.catalog import open_catalog
from mkexplorer.tui.state import UiState
from tests.explorer_pilot import Session, explore
from tests.make_places import unpack_sample

BACKWARD = "18_backward"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The sample as a cache directory."""
    return unpack_sample(tmp_path / "cache")


def wrapper_of(cache: Path, graph: str) -> Path:
    catalog = open_catalog(cache)
    return cache / next(each.origin.path for each in catalog.wrappers if each.graph and each.graph.aot_id == graph)


async def test_it_follows_a_cache_that_a_program_fills(cache: Path, tmp_path: Path) -> None:
    late = wrapper_of(cache, "17_inference")
    moved = shutil.move(late, tmp_path / "not yet")
    shutil.rmtree(cache / "fxgraph", ignore_errors=True)  # its entries hold the wrapper's text too
    async with explore(open_catalog(cache), state=UiState(tab="source")) as session:
        before = len(session.explorer.kernels._by_id)
        await session.press("down", "down", "right", "down")
        cursor, top = session.cursor_text, session.explorer.kernels.outline.scroll_offset
        shutil.move(moved, late)
        await session.until(lambda: len(session.explorer.kernels._by_id) > before)
        assert session.cursor_text == cursor
        assert session.explorer.kernels.outline.scroll_offset == top
        assert "triton_red_fused" in session.screen_text()


HOSTILE = "[b]x[/] \x1b[31m\x1b]0;owned\x07\u202eevil\t漢字🙂" + "w" * 10_000


@pytest.mark.parametrize("tab", ["source", "diff", "wrapper"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_hostile_text_in_a_wrapper_is_shown_not_obeyed(cache: Path, tab: str, size: tuple[int, int]) -> None:
    wrapper = wrapper_of(cache, "9_inference")
    text = wrapper.read_text(encoding="utf-8")
    marked = text.replace("import triton\n", f"import triton\n# {HOSTILE}\n")
    marked = marked.replace("@triton.jit", f"# {HOSTILE}\n@triton.jit")
    wrapper.write_text(marked, encoding="utf-8")
    place = cache.parent / "one [b]place.py"
    shutil.copy(wrapper, place)
    async with explore(open_catalog(place), size, UiState(tab=tab, follow=False)) as session:
        await session.press("right", "down", "backslash")
        await session.shows("[b]x[/] ␛[31m␛]0;owned␇<U+202E>evil")
        assert no_control_characters(session)


def no_control_characters(session: Session) -> bool:
    return not any(ord(character) < 32 and character != "\n" for character in session.screen_text())
