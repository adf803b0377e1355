"""The tab that shows a sub-kernel's source, as it stands in its kernel file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from mkexplorer.catalog.model import MultiKernel, SubKernel
from mkexplorer.report.configurations import no_source
from mkexplorer.tui.code_tab import CodeTab
from mkexplorer.tui.messages import EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.plain_text import split_lines, visible

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog

# torch writes a kernel's file with one empty line before what we show, and the locations in TTIR, PTX and the like
# count it: numbered from 2 on, the lines here have the numbers that the file and the compiler give them.
FIRST_NUMBER = 2


class SubKernelLine(Static):
    """The sub-kernels of a multi-kernel, the shown one in brackets; then its name and file. A click chooses one."""

    DEFAULT_CSS = """
    SubKernelLine { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    @dataclass
    class Chosen(Message):
        index: int

    def __init__(self) -> None:
        super().__init__("")
        self._ends: list[int] = []

    def show(self, sub_kernels: Sequence[SubKernel], shown: SubKernel, picked: int | None) -> None:
        parts: list[Content] = []
        for sub in sub_kernels:
            sign = " ●" if sub.index == picked else ""
            chip = f"{sub.index} {sub.kind.value}{sign}"
            is_shown = sub.index == shown.index
            parts.append(Content.styled(f"[{chip}]", "bold $text-primary") if is_shown else Content(f" {chip} "))
        self._ends = [sum(part.cell_length for part in parts[: count + 1]) for count in range(len(parts))]
        name = Content.styled(f"  {visible(shown.name)}", "bold")
        file = Content.styled(f"  {visible(shown.kernel_file)}", "$foreground 60%")
        self.update(Content.assemble(*parts, name, file))

    def clear(self) -> None:
        self._ends = []
        self.update("")

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        index = next((at for at, end in enumerate(self._ends) if place is not None and place.x < end), None)
        if index is not None:
            event.stop()
            self.post_message(self.Chosen(index))


class SourceTab(CodeTab):
    """Follows ``selection``; on a multi-kernel's own row it shows the picked sub-kernel, or the first."""

    HELP = """\
The Triton source of one sub-kernel. `,` and `.` go to the one before and the next of the same multi-kernel; each is
found again where it was left. Lines have the numbers of the kernel's own file, which the compiler's locations use.
"""
    BINDING_GROUP_TITLE = "Source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("full_stop,shift+right", "sub_kernel(1)", "Next sub-kernel", id="source.next",
                tooltip="Show the next sub-kernel's source"),
        Binding("comma,shift+left", "sub_kernel(-1)", "Previous sub-kernel", show=False, id="source.previous",
                tooltip="Show the source of the sub-kernel before"),
    ]  # fmt: skip

    selection: reactive[Selection | None] = reactive(None)

    def __init__(self) -> None:
        self._line = SubKernelLine()
        super().__init__(self._line)
        self._shown: SubKernel | None = None

    def watch_selection(self, old: Selection | None, new: Selection | None) -> None:
        if new is None or new.multi_kernel is None:
            self._nothing("Choose a multi-kernel in the list; the source of its sub-kernels appears here.")
        elif not new.multi_kernel.sub_kernels:
            self._nothing("This multi-kernel names no sub-kernel.", "Its wrapper may be damaged; see the tab Wrapper.")
        elif self._shown is not None and _is_same_row(old, new):  # the place was read again, or a mark was set
            self._go(new.multi_kernel.sub_kernels[self._shown.index])
        else:
            self._go(new.sub_kernel or new.multi_kernel.sub_kernels[new.picked or 0])

    def _nothing(self, text: str, advice: str = "") -> None:
        self._shown = None
        self._line.clear()
        self.say(text, advice)

    def _go(self, sub_kernel: SubKernel) -> None:
        selection = self.selection
        assert selection is not None
        assert selection.multi_kernel is not None
        catalog, multi_kernel = selection.catalog, selection.multi_kernel
        self._shown = sub_kernel
        self._line.show(multi_kernel.sub_kernels, sub_kernel, selection.picked)
        self.show_text(partial(_read_source, catalog, multi_kernel, sub_kernel))

    def action_sub_kernel(self, by: int) -> None:
        selection = self.selection
        if selection is not None and selection.multi_kernel is not None and self._shown is not None:
            subs = selection.multi_kernel.sub_kernels
            self._go(subs[(self._shown.index + by) % len(subs)])

    def on_sub_kernel_line_chosen(self, event: SubKernelLine.Chosen) -> None:
        event.stop()
        if self.selection is not None and self.selection.multi_kernel is not None:
            self._go(self.selection.multi_kernel.sub_kernels[event.index])

    @property
    def subject(self) -> str:
        return f"the source of {self._shown.name}" if self._shown is not None else ""

    def action_edit(self) -> None:
        """Open the kernel's file where the place has it, else the wrapper, at the cursor's line."""
        selection, sub = self.selection, self._shown
        if selection is None or selection.multi_kernel is None or sub is None or self.document is None:
            return
        path = selection.catalog.kernel_path(sub)
        if path is not None:
            self.post_message(EditRequested(path, FIRST_NUMBER + self.view.cursor_line))
            return
        origin = selection.catalog.wrapper(selection.multi_kernel).origin
        line = sub.source.first + self.view.cursor_line if origin.ordinal is None else 1
        self.post_message(EditRequested(origin.path, line))


def _is_same_row(old: Selection | None, new: Selection) -> bool:
    if old is None or old.multi_kernel is None or new.multi_kernel is None:
        return False
    return (old.multi_kernel.id, old.sub_kernel) == (new.multi_kernel.id, new.sub_kernel)


def _read_source(catalog: Catalog, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> CodeDocument:
    source = catalog.source(multi_kernel, sub_kernel)
    if not source:
        raise no_source(sub_kernel)
    lines = split_lines(source)
    decorator = next((number for number, line in enumerate(lines) if line.startswith("@")), 0)
    return CodeDocument(lines, "python", FIRST_NUMBER, key=(multi_kernel.id, sub_kernel.index), start=decorator)
