"""A code view with a bar below it to search, and to go to a line.

    pane = CodePane()
    pane.view.show(CodeDocument.of_text(text, "python"))

``/`` opens the search, which follows what is typed; enter goes on reading with the matches marked, ``n`` and ``N`` go
from one to the next, escape ends it. ``:`` asks for a line's number. ``w`` wraps long lines.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from mkexplorer_widgets.code_view import CodeView

Purpose = Literal["search", "line"]


class _Bar(Horizontal):
    """One line: what it is for, what is typed, what came of it."""

    DEFAULT_CSS = """
    _Bar {
        height: 1;
        background: $panel;
        Static { width: auto; padding: 0 1; color: $text-muted; }
        Input { width: 1fr; min-width: 12; background: $panel; }
        #outcome { max-width: 60%; text-overflow: ellipsis; text-wrap: nowrap; }
    }
    """

    def __init__(self, purpose: Purpose) -> None:
        super().__init__()
        self._purpose = purpose

    def compose(self) -> ComposeResult:
        yield Static("Search" if self._purpose == "search" else "Go to line", markup=False)
        if self._purpose == "search":
            yield Input(placeholder="text, or /expression/", compact=True, id="search")
        else:
            yield Input(type="integer", restrict="[0-9]*", max_length=12, compact=True, id="line")
        yield Static(id="outcome", markup=False)

    @property
    def input(self) -> Input:
        return self.query_one(Input)

    def tell(self, outcome: str) -> None:
        self.query_one("#outcome", Static).update(Content(outcome))


class CodePane(Vertical):
    """See the module. `CodeView`'s messages go on to the parent, except those about matches."""

    BINDING_GROUP_TITLE = "Code"
    HELP = """\
**↑ ↓ PgUp PgDn Home End**, also **j k g G**, move the cursor line; **← →** scroll sideways. The mouse moves the
cursor with a click, and selects text for **ctrl+c**. A search is plain text, or a regular expression between slashes;
it heeds case only if it has a capital letter.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash,ctrl+f", "search", "Search", id="code.search", tooltip="Search in this text"),
        Binding("n", "step(1)", "Next match", show=False, id="code.next", tooltip="Go to the next match"),
        Binding("N", "step(-1)", "Previous match", show=False, id="code.previous", tooltip="Go to the match before"),
        Binding("colon,ctrl+g", "ask_line", "Go to line", show=False, id="code.line", tooltip="Go to a line's number"),
        Binding("w", "wrap", "Wrap", show=False, id="code.wrap", tooltip="Wrap long lines, or scroll to their ends"),
        Binding("escape", "close", "End search", id="code.close", tooltip="Close the bar and unmark"),
    ]
    DEFAULT_CSS = """
    CodePane { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._bar: _Bar | None = None
        self._search_from = 0

    def compose(self) -> ComposeResult:
        yield CodeView()

    @property
    def view(self) -> CodeView:
        return self.query_one(CodeView)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("close", "step"):
            return self._bar is not None
        return True

    async def action_search(self) -> None:
        self._search_from = self.view.cursor_line
        await self._open("search")

    async def action_ask_line(self) -> None:
        await self._open("line")

    def action_step(self, by: int) -> None:
        if by > 0:
            self.view.find_next()
        else:
            self.view.find_previous()

    def action_wrap(self) -> None:
        self.view.wrap = not self.view.wrap

    async def action_close(self) -> None:
        self.view.find("")
        self.view.focus()
        if self._bar is not None:
            bar, self._bar = self._bar, None
            await bar.remove()

    async def _open(self, purpose: Purpose) -> None:
        if self._bar is not None and self._bar.input.id != purpose:
            await self.action_close()
        if self._bar is None:
            self._bar = _Bar(purpose)
            await self.mount(self._bar)
        if purpose == "line":
            self._bar.tell(self._lines_text)
        self._bar.input.focus()
        self._bar.input.action_select_all()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id == "search":
            self.view.find(event.value, self._search_from)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "search" and event.value:
            self.view.focus()
            return
        if event.input.id == "line":
            await self._go_to_line(event.input)
        else:
            await self.action_close()

    async def _go_to_line(self, field: Input) -> None:
        """Go where ``field`` says; where that is no line of the text, say which ones there are and ask on."""
        document, number = self.view.document, int(field.value or -1)
        if document.first_number <= number <= document.last_number:
            await self.action_close()
            self.view.go_to_line(number)
        elif self._bar is not None:
            self._bar.tell(f"only {self._lines_text}; esc closes")
            field.action_select_all()

    @property
    def _lines_text(self) -> str:
        document = self.view.document
        return f"lines {document.first_number} to {document.last_number}"

    def on_code_view_matches_found(self, event: CodeView.MatchesFound) -> None:
        event.stop()
        if self._bar is not None and self._bar.input.id == "search":
            self._bar.tell(outcome_text(event) if self._bar.input.value else "")


def outcome_text(found: CodeView.MatchesFound) -> str:
    """'3 of 17', 'no match', or what is wrong with the query."""
    if found.error:
        return found.error
    if not found.count:
        return "no match"
    count = f"{found.count:,}" + ("" if found.complete else "+")
    return f"{found.position:,} of {count}" if found.position else f"{count} matches"
