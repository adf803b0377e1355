"""The tab that says everything known of a multi-kernel, and where each value was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.report.details import details
from mkexplorer.tui.details_text import Facts, details_content
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from mkexplorer_widgets.plain_text import visible


class DetailsTab(Vertical):
    """Follows ``selection``; a sub-kernel's row shows its multi-kernel, with all sub-kernels side by side."""

    HELP = """\
Everything known of the multi-kernel: what it is, its pick, the times behind it, what differs between its sub-kernels
(marked ≠), what they have in common, and the arguments of its calls, each with where it was read.
"""
    BINDING_GROUP_TITLE = "Details"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="details.copy", tooltip="Copy all details as text"),
        Binding("e", "edit", "Edit", id="details.edit", tooltip="Open the wrapper at the definition"),
    ]
    DEFAULT_CSS = """
    DetailsTab VerticalScroll { padding: 0 1; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    selection: reactive[Selection | None] = reactive(None)

    @dataclass
    class Read(Message):
        """What is known, or why it cannot be read."""

        selection: Selection
        facts: Facts | None
        error: MkexplorerError | OSError | None = None

    def __init__(self) -> None:
        super().__init__()
        self._facts: Facts | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static()

    def watch_selection(self, old: Selection | None, new: Selection | None) -> None:
        if new is None or new.row is None:
            self._show(None, "Choose a multi-kernel in the list; everything known of it appears here.")
        elif old is None or _subject(old) != _subject(new):
            self._read(new)

    @work(thread=True, exclusive=True, group="details", exit_on_error=False)
    def _read(self, selection: Selection) -> None:
        row = selection.row
        assert row is not None
        environment = selection.picks.environment if selection.picks is not None else ()
        try:
            facts = Facts(row, details(selection.catalog, row, environment))
        except (MkexplorerError, OSError) as error:
            self.post_message(self.Read(selection, None, error))
        else:
            self.post_message(self.Read(selection, facts))

    def on_details_tab_read(self, event: Read) -> None:
        event.stop()
        if self.selection is None or self.selection.multi_kernel != event.selection.multi_kernel:
            return  # the person has gone on meanwhile
        advice = event.error.advice if isinstance(event.error, MkexplorerError) else ""
        self._show(event.facts, f"{event.error}.\n\n{advice}")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "details" and event.state is WorkerState.ERROR:
            error = event.worker.error
            self._show(None, f"Reading failed: {type(error).__name__}: {error}.\n\nThis is a defect of mkexplorer.")

    def _show(self, facts: Facts | None, otherwise: str) -> None:
        is_other = facts is None or self._facts is None or facts.row.multi_kernel.id != self._facts.row.multi_kernel.id
        self._facts = facts
        self.query_one(Static).update(self._content() if facts is not None else Content(visible(otherwise)))
        if is_other:
            self.query_one(VerticalScroll).scroll_home(animate=False)

    def _content(self) -> Content:
        assert self._facts is not None
        return details_content(self._facts, self.query_one(VerticalScroll).scrollable_content_region.width)

    def on_resize(self) -> None:
        if self._facts is not None:
            self.query_one(Static).update(self._content())

    def action_copy(self) -> None:
        if self._facts is not None:
            row = self._facts.row
            self.post_message(CopyRequested(self._content().plain, f"the details of {row.multi_kernel.id}"))

    def action_edit(self) -> None:
        selection = self.selection
        if selection is not None and selection.multi_kernel is not None:
            wrapper = selection.catalog.wrapper(selection.multi_kernel)
            self.post_message(EditRequested(wrapper.origin.path, selection.multi_kernel.definition.first))


def _subject(selection: Selection) -> tuple[object, ...]:
    return selection.catalog, selection.row
