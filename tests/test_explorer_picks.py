"""Picks in the app: found in the background, shown, pinned, cleared, undone, told."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.report import rows
from mkexplorer.tui.dialogs import TextDialog
from mkexplorer.tui.pick_dialogs import ConfirmDialog, PinDialog, fastest_first
from mkexplorer.tui.pythons import NoPython, Pythons
from mkexplorer.tui.state import UiState
from tests.explorer_pilot import NARROW, WIDE, Session, explore, explore_while_reading, offered, opener_of
from tests.fake_catalog import FakeCatalog, layer_norm, two_graphs
from tests.fake_python import fake_python
from tests.pick_places import PlayedCache, played_python

SIZES = [NARROW, WIDE]


@pytest.fixture
def cache(tmp_path: Path) -> PlayedCache:
    return PlayedCache(tmp_path / "cache", "2.13.0")


@pytest.fixture
def python(tmp_path: Path) -> str:
    return played_python(tmp_path / "python")


@asynccontextmanager
async def picks_of(
    cache: PlayedCache, python: str, size: tuple[int, int] = WIDE, *, follow: bool = False
) -> AsyncIterator[Session]:
    """The app on a cache, its picks known, the cursor on the first multi-kernel."""
    state = UiState(tab="details", follow=follow)
    async with explore(cache.catalog, size, state, pythons=Pythons(python)) as session:
        yield session


async def unfold_and_go_to(session: Session, sub_kernel: int) -> None:
    await session.press("right")
    await session.press(*["down"] * (sub_kernel + 1))


def rows_of(session: Session) -> list[str]:
    """The multi-kernels' rows."""
    return [line for line in session.list_texts if line.startswith((" ▸", " ▾"))]


def last_toast(session: Session) -> str:
    return session.toasts[-1] if session.toasts else ""


async def says(session: Session, text: str) -> None:
    await session.until(lambda: text in " ".join(last_toast(session).split()))


class TestSeen:
    async def test_rows_say_the_state_of_each_pick(self, cache: PlayedCache, python: str) -> None:
        cache.write_pick(0, b"1", python)
        cache.write_pick(1, b"", python)
        async with picks_of(cache, python) as session:
            shown = rows_of(session)
            assert shown[0].endswith("picked 1")
            assert shown[1].endswith("✗ invalid pick")
            assert shown[2].endswith("– no pick")
            assert "1 invalid pick" in session.screen_text().splitlines()[0]

    async def test_details_tell_state_file_and_when(self, cache: PlayedCache, python: str) -> None:
        file = cache.write_pick(0, b"1", python)
        async with picks_of(cache, python) as session:
            await session.shows("set by            torch, ")
            assert "picked 1" in session.screen_text()
            assert file.name[:20] in session.screen_text()

    async def test_what_is_remembered_needs_no_python(self, cache: PlayedCache, python: str) -> None:
        cache.write_pick(0, b"1", python)
        async with explore(cache.catalog, pythons=NoPython(python)) as session:
            assert rows_of(session)[0].endswith("picked 1")

    async def test_what_cannot_be_known_is_unknown_with_the_reason(self, cache: PlayedCache, tmp_path: Path) -> None:
        python = str(tmp_path / "nowhere")
        async with picks_of(cache, python) as session:
            assert all(row.endswith("– pick unknown") for row in rows_of(session))
            assert f"{len(rows_of(session))} picks unknown" in session.screen_text().splitlines()[0]
            await session.shows("unknown")
            await session.shows("nowhere")

    async def test_a_pick_that_a_program_writes_meanwhile_appears(
        self, cache: PlayedCache, python: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = cache.pick_file(0, python)
        async with picks_of(cache, python, follow=True) as session:
            assert rows_of(session)[0].endswith("– no pick")
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"0")
            await session.until(lambda: rows_of(session)[0].endswith("picked 0"))
            await session.shows("state             picked 0")

    async def test_picks_of_what_is_compiled_meanwhile_are_looked_for(
        self, cache: PlayedCache, python: str, tmp_path: Path
    ) -> None:
        cache.write_pick(0, b"1", python)
        late = sorted(cache.root.glob("*/*.py"))[-1]
        moved = shutil.move(late, tmp_path / "not yet")
        async with picks_of(cache, python, follow=True) as session:
            before = len(rows_of(session))
            shutil.move(moved, late)
            await session.until(lambda: len(rows_of(session)) > before and session.knows_picks)
            assert sum(row.endswith("picked 1") for row in rows_of(session)) == 1
            assert sum(row.endswith("– no pick") for row in rows_of(session)) == before

    @pytest.mark.parametrize("size", SIZES)
    async def test_a_variable_that_makes_picks_ignored_is_told(
        self, cache: PlayedCache, python: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE", "1")
        async with picks_of(cache, python, size) as session:
            assert "⚠ picks are ignored" in session.screen_text().splitlines()[0]
            await session.shows("TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE=1")


class TestLooking:
    async def test_the_list_is_there_while_a_python_is_asked_and_leaving_ends_it(
        self, cache: PlayedCache, tmp_path: Path
    ) -> None:
        note = tmp_path / "pid"
        start = f"open({str(note)!r}, 'w').write(str(os.getpid()))"
        python = fake_python(tmp_path / "slow", start=start, hello={"torch": "2.13.0"}, job="time.sleep(1000)")
        async with explore_while_reading(opener_of(cache.catalog), Pythons(python)) as session:
            await session.shows("finding picks: starting Python")
            await session.until(lambda: all(row.endswith("…") for row in rows_of(session)))
            await session.press("down", "down")
            await session.press("slash", *"8192")
            await session.until(lambda: len(rows_of(session)) == 1)
            await session.until(note.exists)
            await session.press("enter", "p")
            await says(session, "Try again in a moment")
        pid = int(note.read_text())
        for _ in range(500):
            if not is_running(pid):
                break
            await asyncio.sleep(0.01)
        assert not is_running(pid)

    async def test_a_python_that_dies_leaves_the_app_as_it_is(self, cache: PlayedCache, tmp_path: Path) -> None:
        python = fake_python(tmp_path / "dying", hello={"torch": "2.13.0"}, job="os._exit(3)")
        async with picks_of(cache, python) as session:
            assert all(row.endswith("– pick unknown") for row in rows_of(session))
            assert "finding" not in session.screen_text()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestPin:
    async def test_a_sub_kernel_is_pinned_at_once_and_a_toast_says_how_to_take_it_back(
        self, cache: PlayedCache, python: str
    ) -> None:
        file = cache.write_pick(0, b"0", python)
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 1)
            cursor, lines = session.explorer.kernels.outline.cursor, len(session.list_texts)
            await session.press("p")
            await says(session, "picked 0 looped → pinned 1 persistent. u takes it back.")
            assert file.read_bytes() == b"1"
            assert session.cursor_text.endswith("● pinned")
            assert session.explorer.kernels.outline.cursor == cursor
            assert len(session.list_texts) == lines
            await session.shows("pinned 1")
            await session.press("u")
            await says(session, "pinned 1 persistent → picked 0 looped.")
            assert file.read_bytes() == b"0"
            assert rows_of(session)[0].endswith("picked 0")

    async def test_what_was_pointed_at_is_pinned_though_the_cursor_moves_on(
        self, cache: PlayedCache, python: str
    ) -> None:
        file = cache.write_pick(0, b"0", python)
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 1)
            async with session.explorer._picks._turn:  # an earlier change takes its time
                await session.press("p")
                await session.press("up")
            await says(session, "picked 0 looped → pinned 1 persistent. u takes it back.")
            assert file.read_bytes() == b"1"

    async def test_details_follow(self, cache: PlayedCache, python: str) -> None:
        async with picks_of(cache, python, (120, 90)) as session:
            await unfold_and_go_to(session, 0)
            await session.press("p")
            await session.shows("History of the pick")
            await session.shows("none → pinned 0 looped")

    @pytest.mark.parametrize("size", SIZES)
    async def test_on_a_multi_kernel_it_asks_which(
        self, cache: PlayedCache, python: str, size: tuple[int, int]
    ) -> None:
        file = cache.pick_file(0, python)
        async with picks_of(cache, python, size) as session:
            await session.press("p")
            await session.until(lambda: isinstance(session.app.screen, PinDialog))
            assert "1 persistent" in session.screen_text()
            await session.press("escape")
            assert not file.exists()
            await session.press("p")
            await session.until(lambda: isinstance(session.app.screen, PinDialog))
            await session.press("down", "enter")
            await session.until(file.exists)
            assert file.read_bytes() == b"1"

    async def test_its_number_chooses_and_other_numbers_do_nothing(self, cache: PlayedCache, python: str) -> None:
        file = cache.pick_file(0, python)
        async with picks_of(cache, python) as session:
            await session.press("p")
            await session.until(lambda: isinstance(session.app.screen, PinDialog))
            await session.press("7")
            assert isinstance(session.app.screen, PinDialog)
            await session.press("0")
            await session.until(file.exists)
            assert file.read_bytes() == b"0"

    async def test_what_is_pinned_already_is_not_changed(self, cache: PlayedCache, python: str) -> None:
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 0)
            await session.press("p", "p")
            await says(session, "sub-kernel 0 is pinned already.")

    async def test_an_unknown_pick_is_refused_with_the_reason(self, cache: PlayedCache, tmp_path: Path) -> None:
        async with picks_of(cache, str(tmp_path / "nowhere")) as session:
            await session.press("p")
            await says(session, "nowhere")
            assert "the pick is not changed" in last_toast(session)
            assert session.app.screen is session.explorer

    async def test_in_a_bundle_it_is_refused_with_the_reason(self, sample: Catalog) -> None:
        async with explore(sample) as session:
            await session.press("p")
            await says(session, "a bundle is never changed")
            assert not offered(session) & {"Undo", "Clear all picks …", "Clear invalid picks …", "Show history"}

    async def test_a_graphs_row_offers_no_pin(self, cache: PlayedCache, python: str) -> None:
        async with picks_of(cache, python) as session:
            await session.press("home")
            await session.until(lambda: "Pin" not in offered(session))
            await session.press("p")
            assert session.app.screen is session.explorer

    async def test_what_stands_in_the_way_is_told_and_nothing_changes(self, cache: PlayedCache, python: str) -> None:
        file = cache.write_pick(0, b"0", python)
        target = file.rename(file.with_name("elsewhere"))
        file.symlink_to(target)
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 1)
            await session.press("p")
            await says(session, "is a symbolic link")
            assert target.read_bytes() == b"0"
            assert file.is_symlink()

    async def test_it_warns_where_programs_would_ignore_it(
        self, cache: PlayedCache, python: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCHINDUCTOR_MULTI_KERNEL", "2")
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 1)
            await session.press("p")
            await says(session, "TORCHINDUCTOR_MULTI_KERNEL=2 is set: Pick files are neither read nor written")

    def test_the_fastest_is_offered_first(self) -> None:
        [graph, _] = rows.graph_rows(two_graphs().as_catalog)
        assert [sub.sub_kernel.index for sub in fastest_first(graph.rows[0])] == [1, 0]


class TestClear:
    @pytest.mark.parametrize("size", SIZES)
    async def test_it_says_what_will_happen_and_does_it_only_with_consent(
        self, cache: PlayedCache, python: str, size: tuple[int, int]
    ) -> None:
        file = cache.write_pick(0, b"1", python)
        async with picks_of(cache, python, size) as session:
            for no in ("escape", "n", "enter"):  # the button with the focus says no
                await session.press("c")
                await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
                assert "Clear 1 pick?" in session.screen_text()
                assert "persistent → none" in session.screen_text()
                await session.press(no)
                assert file.read_bytes() == b"1"
            await session.press("c")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.press("y")
            await says(session, "picked 1 persistent → none. u takes it back.")
            assert not file.exists()
            assert rows_of(session)[0].endswith("– no pick")
            await session.until(lambda: "Clear" not in offered(session))

    async def test_the_mouse_says_yes(self, cache: PlayedCache, python: str) -> None:
        file = cache.write_pick(0, b"1", python)
        async with picks_of(cache, python) as session:
            await session.press("c")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.pilot.click("#yes")
            await session.until(lambda: not file.exists())

    async def test_all_are_cleared_and_brought_back_together(self, cache: PlayedCache, python: str) -> None:
        files = [cache.write_pick(number, b"1", python) for number in range(3)]
        async with picks_of(cache, python) as session:
            await session.press("C")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            assert "Clear 3 picks?" in session.screen_text()
            await session.press("y")
            await says(session, "3 picks are changed. u takes it back.")
            assert not any(file.exists() for file in files)
            await session.press("u")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            assert session.screen_text().count("none → picked 1 persistent") == 3
            await session.press("y")
            await says(session, "3 picks are as they were.")
            assert all(file.read_bytes() == b"1" for file in files)

    async def test_only_the_invalid_ones(self, cache: PlayedCache, python: str) -> None:
        good, bad = cache.write_pick(0, b"1", python), cache.write_pick(1, b"x", python)
        async with picks_of(cache, python) as session:
            assert "Clear invalid picks …" in offered(session)
            await session.press("X")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            await session.press("y")
            await session.until(lambda: not bad.exists())
            assert good.exists()
            await session.until(lambda: "Clear invalid picks …" not in offered(session))

    async def test_what_changed_between_question_and_answer_is_left_alone(
        self, cache: PlayedCache, python: str
    ) -> None:
        file = cache.write_pick(0, b"1", python)
        async with picks_of(cache, python) as session:
            await session.press("c")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
            file.write_bytes(b"0")
            await session.press("y")
            await session.until(lambda: bool(session.toasts))
            assert file.read_bytes() == b"0"
            await session.until(lambda: rows_of(session)[0].endswith("picked 0"))


class TestTold:
    async def test_history_newest_first(self, cache: PlayedCache, python: str) -> None:
        async with picks_of(cache, python) as session:
            assert "Show history" not in offered(session)
            await unfold_and_go_to(session, 0)
            await session.press("p", "down", "p")
            await session.until(lambda: session.cursor_text.endswith("● pinned"))
            await session.press("H")
            await session.until(lambda: isinstance(session.app.screen, TextDialog))
            text = session.screen_text()
            assert text.index("pinned 0 looped → pinned 1 persistent") < text.index("none → pinned 0 looped")

    async def test_history_and_undo_where_no_python_tells_where_the_picks_are(
        self, cache: PlayedCache, python: str, tmp_path: Path
    ) -> None:
        file = cache.write_pick(0, b"0", python)
        async with picks_of(cache, python) as session:
            await unfold_and_go_to(session, 1)
            await session.press("p")
            await session.until(lambda: file.read_bytes() == b"1")
        async with picks_of(cache, str(tmp_path / "nowhere")) as session:
            await session.press("H")
            await session.until(lambda: isinstance(session.app.screen, TextDialog))
            await session.press("escape", "u")
            await session.until(lambda: file.read_bytes() == b"0")

    async def test_the_doctor_looks_at_interpreter_cache_and_picks(self, cache: PlayedCache, python: str) -> None:
        cache.write_pick(0, b"x", python)
        async with picks_of(cache, python) as session:
            await session.press("D")
            await session.until(lambda: isinstance(session.app.screen, TextDialog))
            for expected in ("✓ ok: torch 2.13.0", "✗ problem: 1 invalid pick", "fix: mkexplorer clear --invalid"):
                await session.shows(expected)

    async def test_the_palette_offers_what_is_valid_now(self, cache: PlayedCache, python: str) -> None:
        cache.write_pick(0, b"1", python)
        async with picks_of(cache, python) as session:
            assert {"Pin", "Clear", "Clear all picks …", "Doctor"} <= offered(session)
            assert not {"Undo", "Clear invalid picks …"} & offered(session)
            await session.press("ctrl+p", *"clear all", "enter")
            await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))

    async def test_help_knows_the_keys_and_signs(self) -> None:
        async with explore(FakeCatalog([layer_norm()]).as_catalog, (120, 130)) as session:
            await session.press("question_mark")
            for expected in ("● pinned", "– pick unknown", "Take back the last pin, clear or apply"):
                assert expected in session.screen_text()


async def test_picks_of_a_cache_that_the_installed_torch_generates(fresh_wrappers: Path, tmp_path: Path) -> None:
    from tests.pick_places import fill_cache

    fill_cache(tmp_path / "cache", fresh_wrappers)
    async with explore(open_catalog(tmp_path / "cache"), pythons=Pythons()) as session:
        assert all(row.endswith("– no pick") for row in rows_of(session))
        await unfold_and_go_to(session, 1)
        await session.press("p")
        await session.until(lambda: session.cursor_text.endswith("● pinned"))
        [pick] = (tmp_path / "cache").glob("*/*.picked_kernel")
        assert pick.read_bytes() == b"1"
