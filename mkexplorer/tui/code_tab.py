"""What the tabs Source and Wrapper have in common: one text, read in a thread, with a line above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.tui.messages import CopyRequested
from mkexplorer.tui.sentence import Sentence
from mkexplorer_widgets.code_document import CodeDocument
from mkexplorer_widgets.code_pane import CodePane
from mkexplorer_widgets.code_view import CodeView


class CodeTab(Vertical):
    """A subclass calls `show_text` or `say`, and is told by `text_shown`; ``head`` is the line above the text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="code_tab.copy", tooltip="Copy the whole text"),
        Binding("Y", "copy_line", "Copy line", show=False, id="code_tab.copy_line", tooltip="Copy the cursor's line"),
        Binding("e", "edit", "Edit", id="code_tab.edit", tooltip="Open the file at the cursor's line"),
    ]

    @dataclass
    class TextRead(Message):
        """The text that ``read`` gave, or why it gave none."""

        read: Callable[[], CodeDocument]
        document: CodeDocument | None
        error: MkexplorerError | OSError | None = None

    def __init__(self, head: Widget) -> None:
        super().__init__()
        self._head = head
        self._awaited: Callable[[], CodeDocument] | None = None
        self._has_text = False

    def compose(self) -> ComposeResult:
        yield self._head
        yield CodePane()
        yield Sentence()

    @property
    def view(self) -> CodeView:
        return self.query_one(CodeView)

    @property
    def document(self) -> CodeDocument | None:
        """The text that is shown; None while a sentence stands in its place."""
        return self.view.document if self._has_text else None

    # ------------------------------------------------------------------------------------------------------- reading

    def show_text(self, read: Callable[[], CodeDocument]) -> None:
        """Show what ``read`` gives. It runs in a thread; the text that is there stays until it is done."""
        self._awaited = read
        self._read(read)

    @work(thread=True, exclusive=True, group="code tab", exit_on_error=False)
    def _read(self, read: Callable[[], CodeDocument]) -> None:
        try:
            document = read()
        except (MkexplorerError, OSError) as error:
            self.post_message(self.TextRead(read, None, error))
            return
        self.post_message(self.TextRead(read, document))

    def on_code_tab_text_read(self, event: TextRead) -> None:
        event.stop()
        if event.read is not self._awaited:
            return
        if event.document is None:
            self.say(f"{event.error}.", getattr(event.error, "advice", ""))
            return
        pane = self.query_one(CodePane)
        if self.document is None or not _same(self.document, event.document):
            self.view.show(event.document)
        self._has_text = True
        self.query_one(Sentence).make_way(pane, self.view)
        self.text_shown()

    def text_shown(self) -> None:
        """The awaited text is on screen now."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "code tab" and event.state is WorkerState.ERROR:
            error = event.worker.error
            self.say(f"Reading failed: {type(error).__name__}: {error}.", "This is a defect of mkexplorer.")

    def say(self, text: str, advice: str = "") -> None:
        """Show a sentence instead of a text."""
        self._awaited = None
        self._has_text = False
        self.query_one(Sentence).say(text, advice, self.query_one(CodePane))

    # --------------------------------------------------------------------------------------------------------- verbs

    @property
    def subject(self) -> str:
        """What the text is called in 'Copied …'."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._has_text if action in ("copy", "copy_line", "edit") else True

    def action_copy(self) -> None:
        if self.document is not None:
            text = "".join(f"{line}\n" for line in self.document.lines)
            self.post_message(CopyRequested(text, self.subject))

    def action_copy_line(self) -> None:
        if self.document is not None:
            number = self.document.first_number + self.view.cursor_line
            self.post_message(CopyRequested(self.view.cursor_text, f"line {number} of {self.subject}"))


def _same(one: CodeDocument, other: CodeDocument) -> bool:
    """Whether showing the other would change nothing."""
    return one.key == other.key and len(one.lines) == len(other.lines) and list(one.lines) == list(other.lines)
