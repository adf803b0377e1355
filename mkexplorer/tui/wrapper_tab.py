"""The tab that shows the whole generated module, with the places in it that concern the chosen multi-kernel."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from mkexplorer.catalog.model import MultiKernel, SubKernel, Wrapper
from mkexplorer.tui.code_tab import CodeTab
from mkexplorer.tui.messages import EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_view import CodeView
from mkexplorer_widgets.plain_text import visible

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Stop:
    """A place to jump to: lines ``first`` to ``last`` (from 1), and what is there."""

    first: int
    last: int
    label: str


def stops_of(multi_kernel: MultiKernel) -> tuple[Stop, ...]:
    """Where a wrapper speaks of a multi-kernel: its sub-kernels' sources, its definition, its calls; top to bottom."""
    stops = [Stop(multi_kernel.definition.first, multi_kernel.definition.last, f"definition of {multi_kernel.name}")]
    for sub in multi_kernel.sub_kernels:
        if sub.source.first:
            # One line up, where the source is handed to the compiler under its name.
            stops.append(Stop(sub.source.first - 1, sub.source.last, f"sub-kernel {sub.index} {sub.kind.value}"))
    count = len(multi_kernel.calls)
    for number, call in enumerate(multi_kernel.calls, start=1):
        label = f"call of {multi_kernel.name}" + (f", {number} of {count}" if count > 1 else "")
        stops.append(Stop(call.line, call.line, label))
    return tuple(sorted(stops, key=lambda stop: stop.first))


def stop_at(stops: tuple[Stop, ...], line: int) -> Stop | None:
    """The place that holds a line (from 1)."""
    return next((stop for stop in stops if stop.first <= line <= stop.last), None)


class WrapperTab(CodeTab):
    """Follows ``selection``: the cursor goes to the multi-kernel's definition, or to the chosen sub-kernel's source."""

    HELP = """\
The whole Python module that torch generated for the graph. `]` and `[` go to the next place and the one before that
concern the chosen multi-kernel: its sub-kernels, its definition, its calls. The line above tells where the cursor is.
"""
    BINDING_GROUP_TITLE = "Wrapper"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "jump(1)", "Next place", id="wrapper.next",
                tooltip="Jump to the next sub-kernel, definition or call of this multi-kernel"),
        Binding("left_square_bracket", "jump(-1)", "Place before", id="wrapper.previous",
                tooltip="Jump to the sub-kernel, definition or call before"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    WrapperTab #place { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    selection: reactive[Selection | None] = reactive(None)

    def __init__(self) -> None:
        self._line = Static("", id="place")
        super().__init__(self._line)
        self._stops: tuple[Stop, ...] = ()
        self._wrapper: Wrapper | None = None
        self._go_to: int | None = None

    def watch_selection(self, old: Selection | None, new: Selection | None) -> None:
        if new is None or new.multi_kernel is None:
            self._wrapper, self._stops = None, ()
            self._line.update("")
            self.say("Choose a multi-kernel in the list; the wrapper that defines it appears here.")
            return
        if _row(old) != _row(new):
            self._go_to = _first_line(new.multi_kernel, new.sub_kernel)
        self._wrapper = new.catalog.wrapper(new.multi_kernel)
        self._stops = stops_of(new.multi_kernel)
        self.show_text(partial(_read_wrapper, new.catalog, self._wrapper))

    def text_shown(self) -> None:
        if self._go_to is not None:
            self.view.go_to_line(self._go_to)
            self._go_to = None
        self._tell_place()

    def on_code_view_cursor_moved(self, event: CodeView.CursorMoved) -> None:
        event.stop()
        self._tell_place()

    def action_jump(self, by: int) -> None:
        """Go to the next place below the cursor or above it, round the end."""
        if not self._stops or self.document is None:
            return
        firsts = [stop.first for stop in self._stops]
        below = bisect_right(firsts, self.view.cursor_line + 1)
        on_one = below > 0 and firsts[below - 1] == self.view.cursor_line + 1
        at = below if by > 0 else below - (2 if on_one else 1)
        self.view.go_to_line(firsts[at % len(firsts)])

    def _tell_place(self) -> None:
        wrapper, document = self._wrapper, self.document
        if wrapper is None or document is None:
            return
        line = self.view.cursor_line + 1
        stop = stop_at(self._stops, line)
        where = f"{stop.label} ({self._stops.index(stop) + 1} of {len(self._stops)})" if stop is not None else ""
        parts = [f"line {line:,} of {len(document.lines):,}", wrapper.origin.path, wrapper.written_by]
        rest = visible(" · ".join(filter(None, parts)))
        self._line.update(
            Content.assemble((visible(where), "bold $text-primary"), " · " if where else "", (rest, "$foreground 60%"))
        )

    @property
    def subject(self) -> str:
        return f"the wrapper {self._wrapper.origin.path}" if self._wrapper is not None else ""

    def action_edit(self) -> None:
        """Open the wrapper at the cursor's line; a log or a cache entry that holds its text at its start."""
        if self._wrapper is not None and self.document is not None:
            origin = self._wrapper.origin
            line = self.view.cursor_line + 1 if origin.ordinal is None else 1
            self.post_message(EditRequested(origin.path, line))


def _row(selection: Selection | None) -> tuple[str, int] | None:
    if selection is None or selection.multi_kernel is None:
        return None
    return selection.multi_kernel.id, -1 if selection.sub_kernel is None else selection.sub_kernel.index


def _first_line(multi_kernel: MultiKernel, sub_kernel: SubKernel | None) -> int:
    if sub_kernel is not None and sub_kernel.source.first:
        return sub_kernel.source.first - 1
    return multi_kernel.definition.first


def _read_wrapper(catalog: Catalog, wrapper: Wrapper) -> CodeDocument:
    return CodeDocument.of_text(catalog.wrapper_text(wrapper), "python", key=wrapper.key)
