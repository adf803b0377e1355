"""The tab that compares two sub-kernels: of one multi-kernel, or any two by marking or choosing."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.reactive import reactive

from mkexplorer.tui.choice import ChoiceDialog
from mkexplorer.tui.comparison import METADATA, SOURCE, STAGES, Subject, default_pair, file_of, multi_kernel_words
from mkexplorer.tui.diff_panel import DiffPanel, Side, SideName
from mkexplorer.tui.messages import EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.outline import Cell, OutlineRow

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.catalog.model import MultiKernel

WHAT = (SOURCE, *(stage for stage in STAGES if stage != METADATA))


class DiffTab(Vertical):
    """Follows ``selection`` until the person chooses a side; another row of the list ends that choice."""

    HELP = """\
Compares two sub-kernels. Which: the marked one (`m`) with the one under the list's cursor; without a mark the two of
the multi-kernel, or the picked one with another. `<` and `>` (or a click on a name) choose any other.
`i` compares their compiled stages instead of their sources.
"""
    BINDING_GROUP_TITLE = "Diff tab"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("less_than_sign", "choose('left')", "Left…", id="diff.left_side", tooltip="Choose the left side"),
        Binding("greater_than_sign", "choose('right')", "Right…", id="diff.right_side",
                tooltip="Choose the right side"),
        Binding("x", "swap", "Swap", show=False, id="diff.swap", tooltip="Exchange left and right"),
        Binding("i", "what(1)", "Source/IR", id="diff.what", tooltip="Compare sources, or the next compiled stage"),
        Binding("I", "what(-1)", "IR/source", show=False, id="diff.what_back", tooltip="Back to the stage before"),
        Binding("e", "edit", "Edit", show=False, id="diff.edit", tooltip="Open the file of this line"),
    ]  # fmt: skip

    selection: reactive[Selection | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__()
        self._pair: tuple[Subject, Subject] | None = None
        self._what = SOURCE

    def compose(self) -> ComposeResult:
        yield DiffPanel()

    @property
    def panel(self) -> DiffPanel:
        return self.query_one(DiffPanel)

    def watch_selection(self, old: Selection | None, new: Selection | None) -> None:
        if old is None or new is None or _row_and_mark(old) != _row_and_mark(new):  # else the place was read again
            self._pair = None if new is None else default_pair(new)
        self._show()

    def _show(self) -> None:
        if self.selection is None or self.selection.multi_kernel is None:
            self.panel.show_nothing("Choose a multi-kernel in the list; its sub-kernels are compared here.")
        elif self._pair is None:
            self.panel.show_nothing(
                "This multi-kernel has one sub-kernel.",
                "Mark it with m, go to another one in the list, and both are compared here.",
            )
        else:
            left, right = (replace(subject, stage=self._what, config=None) for subject in self._pair)
            self.panel.compare(self.selection.catalog, left, right)

    def action_what(self, by: int) -> None:
        self._what = WHAT[(WHAT.index(self._what) + by) % len(WHAT)]
        self._show()

    def action_swap(self) -> None:
        if self._pair is not None:
            self._pair = self._pair[1], self._pair[0]
            self._show()

    # ------------------------------------------------------------------------------------------------------ choosing

    def on_side_name_clicked(self, event: SideName.Clicked) -> None:
        event.stop()
        self.action_choose(event.side)

    def action_choose(self, side: Side) -> None:
        """Choose any sub-kernel of the place for one side."""
        selection = self.selection
        if selection is None or selection.multi_kernel is None:
            return
        subjects = sub_kernels_of(selection.catalog, selection.multi_kernel)
        current = self._pair[side == "right"] if self._pair is not None else None
        rows = [subject_row(at, subject) for at, subject in enumerate(subjects)]
        at = next((at for at, subject in enumerate(subjects) if subject == current), None)

        def chosen(key: Hashable) -> None:
            if isinstance(key, int):
                self._set_side(side, subjects[key])

        self.app.push_screen(ChoiceDialog(f"The {side} side: which sub-kernel?", rows, at), chosen)

    def _set_side(self, side: Side, subject: Subject) -> None:
        left, right = self._pair or (subject, subject)
        self._pair = (subject, right) if side == "left" else (left, subject)
        self._show()

    # -------------------------------------------------------------------------------------------------- for the screen

    def action_copy(self) -> None:
        self.panel.action_copy()

    def action_edit(self) -> None:
        """Open the file of the line under the cursor: the right side's, if there is one."""
        target = self.panel.line_under_cursor
        if self.selection is not None and target is not None:
            self.post_message(EditRequested(*file_of(self.selection.catalog, *target)))


def _row_and_mark(selection: Selection) -> tuple[object, ...]:
    multi_kernel = selection.multi_kernel
    return None if multi_kernel is None else multi_kernel.id, selection.sub_kernel, selection.mark


def sub_kernels_of(catalog: Catalog, first: MultiKernel) -> list[Subject]:
    """Every sub-kernel of a place, those of ``first`` first."""
    others = [each for each in catalog.multi_kernels if each.id != first.id]
    return [Subject(each, sub) for each in (first, *others) for sub in each.sub_kernels]


def subject_row(key: Hashable, subject: Subject) -> OutlineRow:
    operation, shape, dtype = multi_kernel_words(subject.multi_kernel)
    sub = subject.sub_kernel
    cells = (Cell(operation, "strong"), Cell(shape), Cell(dtype), Cell(f"{sub.index} {sub.kind.value}"))
    return OutlineRow(key, 0, (*cells, Cell(subject.multi_kernel.id, "dim"), Cell(sub.name)))
