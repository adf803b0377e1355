"""The tabs Source and Wrapper, on the sample's real wrappers and on hostile ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.model import MultiKernel, SubKernel
from mkexplorer.tui.code_tab import CodeTab
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer.tui.sentence import Sentence
from mkexplorer.tui.source_tab import SourceTab, SubKernelLine
from mkexplorer.tui.wrapper_tab import WrapperTab, stop_at, stops_of
from tests import builders
from tests.fake_catalog import FakeCatalog, layer_norm, two_graphs


class Host(App[None]):
    def __init__(self, tab: CodeTab) -> None:
        super().__init__()
        self.animation_level = "none"
        self.tab = tab
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.tab

    def on_copy_requested(self, event: CopyRequested) -> None:
        self.heard.append(event)

    def on_edit_requested(self, event: EditRequested) -> None:
        self.heard.append(event)


@dataclass
class Reader:
    app: Host
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        await self.pilot.pause()
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def choose(self, catalog: Catalog, multi_kernel: MultiKernel | None, sub: SubKernel | None = None) -> None:
        tab = self.app.tab
        assert isinstance(tab, SourceTab | WrapperTab)
        tab.selection = Selection(catalog, multi_kernel, sub)
        await self.settle()
        tab.view.focus()
        await self.pilot.pause()

    @property
    def head(self) -> str:
        return str(next(iter(self.app.tab.query(Static))).content)

    @property
    def sentence(self) -> str:
        shown = self.app.tab.query_one(Sentence)
        return str(shown.content) if shown.display else ""

    @property
    def rows(self) -> list[str]:
        view = self.app.tab.view
        return [strip.text.rstrip() for strip in view.render_lines(view.size.region)]

    @property
    def cursor_text(self) -> str:
        return self.app.tab.view.cursor_text


@asynccontextmanager
async def reading(tab: CodeTab) -> AsyncIterator[Reader]:
    app = Host(tab)
    async with app.run_test(size=(100, 20)) as pilot:
        reader = Reader(app, pilot)
        await reader.settle()
        yield reader


def picked_first_and_second(catalog: Catalog) -> tuple[MultiKernel, MultiKernel]:
    """A multi-kernel of the sample whose pick is its first sub-kernel, and one whose pick is its second."""
    picks: dict[int | None, MultiKernel] = {}
    for multi_kernel in catalog.multi_kernels:
        evidence = catalog.evidence(multi_kernel)
        assert evidence is not None
        picks.setdefault(evidence.picked, multi_kernel)
    return picks[0], picks[1]


class TestSource:
    async def test_of_a_multi_kernel_the_picked_sub_kernel_is_shown_from_its_decorator_on(
        self, sample: Catalog
    ) -> None:
        first, second = picked_first_and_second(sample)
        async with reading(SourceTab()) as reader:
            for multi_kernel, index in ((first, 0), (second, 1)):
                await reader.choose(sample, multi_kernel)

                assert f"[{index} {multi_kernel.sub_kernels[index].kind.value} ●]" in reader.head
                assert multi_kernel.sub_kernels[index].name in reader.head
                assert "@triton_heuristics." in reader.rows[0]

    async def test_lines_have_the_numbers_of_the_kernels_own_file(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        sub = multi_kernel.sub_kernels[0]
        path = sample.kernel_path(sub)
        assert path is not None
        file = sample.store.read_text(path).split("\n")
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, sub)
            document = reader.app.tab.document

            assert document is not None
            assert list(document.lines) == file[document.first_number - 1 : document.last_number]

    async def test_the_chosen_sub_kernel_is_shown_and_keys_go_to_its_siblings(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, multi_kernel.sub_kernels[0])
            names = []
            for key in ("full_stop", "full_stop", "comma"):
                await reader.press(key)
                names.append(next(name for name in reader.head.split() if name.startswith("triton_")))

        first, second = (sub.name for sub in multi_kernel.sub_kernels)
        assert names == [second, first, second]

    async def test_a_click_on_a_sub_kernel_shows_it(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, multi_kernel.sub_kernels[0])
            await reader.pilot.click(SubKernelLine, offset=(14, 0))
            await reader.settle()

            assert "[1 persistent" in reader.head

    async def test_a_sub_kernel_is_found_again_where_it_was_left(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, multi_kernel.sub_kernels[0])
            await reader.press("down", "down", "down")
            left = reader.cursor_text
            await reader.press("full_stop", "comma")

            assert reader.cursor_text == left

    async def test_a_place_that_was_read_again_changes_nothing_on_screen(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel)
            await reader.press("full_stop", "down")
            rows, document = reader.rows, reader.app.tab.document
            await reader.choose(sample, replace(multi_kernel))

            assert (reader.rows, reader.app.tab.document) == (rows, document)

    async def test_the_source_or_its_line_is_copied(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        sub = multi_kernel.sub_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, sub)
            await reader.press("y", "Y")

            assert reader.app.heard == [
                CopyRequested(sample.source(multi_kernel, sub), f"the source of {sub.name}"),
                CopyRequested("@triton_heuristics.reduction(", f"line 10 of the source of {sub.name}"),
            ]

    async def test_edit_opens_the_kernels_file_at_the_cursor(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        sub = multi_kernel.sub_kernels[0]
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, sub)
            await reader.press("down", "e")

            assert reader.app.heard == [EditRequested(f"{sub.kernel_file[1:3]}/{sub.kernel_file}", 11)]

    async def test_edit_opens_the_wrapper_where_the_place_has_no_kernel_file(
        self, sample: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        multi_kernel = sample.multi_kernels[0]
        sub = multi_kernel.sub_kernels[0]
        wrapper = sample.wrapper(multi_kernel)
        monkeypatch.setattr(type(sample), "kernel_path", lambda catalog, sub_kernel: None)
        async with reading(SourceTab()) as reader:
            await reader.choose(sample, multi_kernel, sub)
            await reader.press("e")

            (edit,) = reader.app.heard
            assert isinstance(edit, EditRequested)
            assert edit.path == wrapper.origin.path
            assert sample.wrapper_text(wrapper).split("\n")[edit.line - 1] == reader.cursor_text

    async def test_without_a_choice_it_says_what_to_do(self) -> None:
        async with reading(SourceTab()) as reader:
            assert "Choose a multi-kernel" in reader.sentence
            await reader.press("y", "e")
            assert reader.app.heard == []

    async def test_a_source_that_is_not_there_is_said_to_be_missing(self) -> None:
        catalog = FakeCatalog([layer_norm()], source="")
        async with reading(SourceTab()) as reader:
            await reader.choose(catalog.as_catalog, catalog.multi_kernels[0])
            assert "is not in this wrapper" in reader.sentence

            good = two_graphs()
            await reader.choose(good.as_catalog, good.multi_kernels[1])
            assert reader.sentence == ""
            assert "size_hints" in "".join(reader.rows)

    async def test_hostile_names_and_sources_show_as_text(self) -> None:
        hostile = builders.multi_kernel(kernels=("[/bold]\x1b[31m", "triton_per_fused_1"))
        catalog = FakeCatalog([hostile], source="@x\n[red]\x1b]0;title\x07\n" + "x" * 10_000)
        async with reading(SourceTab()) as reader:
            await reader.choose(catalog.as_catalog, hostile)

            assert "[/bold]␛[31m" in reader.head
            assert reader.rows[1].endswith("[red]␛]0;title␇")


class TestWrapper:
    async def test_the_cursor_goes_to_the_definition(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, multi_kernel)

            assert f"{multi_kernel.name} = async_compile.multi_kernel(" in "\n".join(reader.rows)
            assert f"definition of {multi_kernel.name}" in reader.head

    async def test_of_a_sub_kernel_it_goes_to_where_the_source_is_handed_over(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, multi_kernel, multi_kernel.sub_kernels[1])

            assert reader.cursor_text.startswith(f"{multi_kernel.sub_kernels[1].name} = async_compile.triton(")

    async def test_jumps_go_round_the_places_of_the_multi_kernel(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, multi_kernel)
            forth = []
            for _ in range(4):
                await reader.press("right_square_bracket")
                forth.append(reader.head.partition(" · ")[0])
            back = []
            for _ in range(4):
                await reader.press("left_square_bracket")
                back.append(reader.head.partition(" · ")[0])

        assert forth == [
            f"call of {multi_kernel.name} (4 of 4)",
            "sub-kernel 0 looped (1 of 4)",
            "sub-kernel 1 persistent (2 of 4)",
            f"definition of {multi_kernel.name} (3 of 4)",
        ]
        assert back == [*forth[2::-1], forth[3]]

    async def test_every_place_of_every_multi_kernel_is_where_it_says(self, sample: Catalog) -> None:
        for multi_kernel in sample.multi_kernels:
            lines = sample.wrapper_text(sample.wrapper(multi_kernel)).split("\n")
            for stop in stops_of(multi_kernel):
                wanted = f"{multi_kernel.name}.run(" if stop.label.startswith("call") else "async_compile."
                first = "\n".join(lines[stop.first - 1 : stop.last])

                assert wanted in first, (multi_kernel.id, stop)

    async def test_the_head_tells_the_line_and_nothing_of_places_between_them(self, sample: Catalog) -> None:
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, sample.multi_kernels[0])
            await reader.press("g")

            assert reader.head.startswith("line 1 of ")

    async def test_edit_opens_the_wrapper_at_the_cursor_and_copy_takes_all_of_it(self, sample: Catalog) -> None:
        multi_kernel = sample.multi_kernels[0]
        wrapper = sample.wrapper(multi_kernel)
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, multi_kernel)
            await reader.press("e", "y")
            edit, copy = reader.app.heard

            assert edit == EditRequested(wrapper.origin.path, reader.app.tab.view.cursor_line + 1)
            assert isinstance(copy, CopyRequested)
            assert copy.text.rstrip() == sample.wrapper_text(wrapper).rstrip()

    async def test_a_wrapper_that_has_vanished_is_said_to_have(
        self, sample: Catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def vanished(catalog: Catalog, wrapper: object) -> str:
            raise PlaceError("du/cdu.py is not there any more", "Open the place again.")

        monkeypatch.setattr(type(sample), "wrapper_text", vanished)
        async with reading(WrapperTab()) as reader:
            await reader.choose(sample, sample.multi_kernels[0])

            assert reader.sentence == "du/cdu.py is not there any more.\n\nOpen the place again."


def test_a_line_is_in_the_place_that_spans_it() -> None:
    stops = stops_of(builders.multi_kernel())

    assert [stop.label for stop in stops if stop_at((stop,), 15)] == ["sub-kernel 0 looped", "sub-kernel 1 persistent"]
    assert stop_at(stops, 56) is None
    label = stop_at(stops, 99)
    assert label is not None
    assert label.label == "call of multi_kernel_0"
