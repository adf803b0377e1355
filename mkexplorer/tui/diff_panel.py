"""Two subjects compared: their names, what differs in numbers, and the diff itself. Used by the tabs Diff and IR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from mkexplorer.analysis.diff import DiffCancelled
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.tui.comparison import SOURCE, Comparison, Subject, compare, subject_text
from mkexplorer.tui.messages import CopyRequested
from mkexplorer.tui.sentence import Sentence
from mkexplorer_widgets.diff_view import DiffView
from mkexplorer_widgets.plain_text import visible

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare. ``evened``: with names matched and debug positions left out."""

    catalog: Catalog
    left: Subject
    right: Subject
    evened: bool


class SideName(Static):
    """The name above one side; a click asks for another subject there."""

    DEFAULT_CSS = """
    SideName { width: 1fr; height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; background: $panel; }
    SideName:hover { background: $boost; text-style: underline; }
    """

    @dataclass
    class Clicked(Message):
        side: Side

    def __init__(self, side: Side) -> None:
        super().__init__(id=side)
        self._side = side

    def show(self, subject: Subject, other: Subject) -> None:
        sign, colour = ("-", "$text-error") if self._side == "left" else ("+", "$text-success")
        name = visible(subject_text(subject, other))
        self.update(Content.assemble((f"{sign} ", f"bold {colour}"), name))
        self.tooltip = Content(f"{name}\nClick to choose another one.")

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self._side))


class DiffPanel(Vertical):
    """`compare` reads and compares in a thread; what was shown stays until the answer is there."""

    HELP = """\
- `n` `N` or `]` `[` go from change to change, `.` `,` to words that differ beyond the edge
- `enter` or a click opens a fold of equal lines, `z` opens or closes all
- `v` side by side, in one column, or by the width
- `t` matches the names of temporaries and registers (`tmp12`, `%r7`) and leaves debug positions out
"""
    BINDING_GROUP_TITLE = "Diff"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "even_out", "Even out", id="diff.even_out",
                tooltip="Match the names of temporaries and leave debug positions out, so that real differences stay"),
        Binding("y", "copy", "Copy", id="diff.copy", show=False, tooltip="Copy the differences as a patch"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    DiffPanel {
        Horizontal { height: 1; }
        #summary { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    @dataclass
    class Compared(Message):
        """The answer to a request."""

        request: Request
        comparison: Comparison

    @dataclass
    class NotCompared(Message):
        request: Request
        error: MkexplorerError | OSError

    def __init__(self) -> None:
        super().__init__()
        self._request: Request | None = None
        self._comparison: Comparison | None = None
        self._hunk = 0
        # Registers and positions of compiled code differ everywhere; the names in a source are its author's.
        self._evens_source = False
        self._evens_stages = True

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield SideName("left")
            yield SideName("right")
        yield Static(id="summary")
        yield DiffView()
        yield Sentence()

    @property
    def view(self) -> DiffView:
        return self.query_one(DiffView)

    @property
    def line_under_cursor(self) -> tuple[Subject, int] | None:
        """The text and number of the line under the cursor: the right one's, if it has a line there."""
        if self._comparison is None:
            return None
        left, right = self.view.cursor_lines
        document = self._comparison.document
        if right is not None:
            return self._comparison.right, document.right_number(right)
        return (self._comparison.left, document.left_number(left)) if left is not None else None

    def take_focus(self) -> None:
        (self.view if self.view.display else self.query_one(Sentence)).focus()

    def compare(self, catalog: Catalog, left: Subject, right: Subject) -> None:
        evened = self._evens_source if left.stage == SOURCE else self._evens_stages
        request = Request(catalog, left, right, evened)
        if request == self._request and self._comparison is not None:
            return
        self._request = request
        self._show_names(left, right)
        self._compare(request)

    def _show_names(self, left: Subject, right: Subject) -> None:
        self.query_one("#left", SideName).show(left, right)
        self.query_one("#right", SideName).show(right, left)

    @work(thread=True, exclusive=True, group="diff", exit_on_error=False)
    def _compare(self, request: Request) -> None:
        worker = get_current_worker()
        try:
            comparison = compare(
                request.catalog, request.left, request.right, request.evened, lambda: worker.is_cancelled
            )
        except DiffCancelled:
            return
        except (MkexplorerError, OSError) as error:
            self.post_message(self.NotCompared(request, error))
            return
        self.post_message(self.Compared(request, comparison))

    def on_diff_panel_compared(self, event: Compared) -> None:
        event.stop()
        if event.request is self._request:
            self._comparison = event.comparison
            self._show_names(event.comparison.left, event.comparison.right)
            self.query_one(Sentence).make_way(self.view, self.view)
            self._hunk = 0
            self.view.show(event.comparison.document)
            self._summarise()

    def on_diff_panel_not_compared(self, event: NotCompared) -> None:
        event.stop()
        if event.request is self._request:
            advice = getattr(event.error, "advice", "")
            self._say(f"Nothing to compare: {event.error}.", advice)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "diff" and event.state is WorkerState.ERROR:
            error = event.worker.error
            self._say(f"The comparison failed: {type(error).__name__}: {error}.", "This is a defect of mkexplorer.")

    def show_nothing(self, text: str, advice: str = "") -> None:
        """Say why there is nothing to compare."""
        self._request = None
        for name in self.query(SideName):
            name.update("")
            name.tooltip = None
        self._say(text, advice)

    def _say(self, text: str, advice: str) -> None:
        self._comparison = None
        self.query_one("#summary", Static).update("")
        self.query_one(Sentence).say(text, advice, self.view)

    # ------------------------------------------------------------------------------------------------------- summary

    def on_diff_view_cursor_moved(self, event: DiffView.CursorMoved) -> None:
        event.stop()
        if event.hunk != self._hunk:
            self._hunk = event.hunk
            self._summarise()

    def on_diff_view_layout_changed(self, event: DiffView.LayoutChanged) -> None:
        event.stop()
        self._summarise()

    def _summarise(self) -> None:
        if self._comparison is None or self._request is None:
            return
        found = self._comparison.totals
        if not found.hunks:
            parts = ["no difference"]
        else:
            at = f"change {self._hunk} of {found.hunks}" if self._hunk else _changes(found.hunks)
            parts = [f"-{found.removed:,} +{found.added:,}", at]
        stages = dict.fromkeys((self._request.left.stage, self._request.right.stage))
        parts.insert(0, " and ".join(stages))
        parts.append("side by side" if self.view.is_split else "one column")
        parts.append("evened out" if self._request.evened else "as written")
        self.query_one("#summary", Static).update(Content(" · ".join(parts)), layout=False)

    # ------------------------------------------------------------------------------------------------------- actions

    def action_even_out(self) -> None:
        if self._request is None:
            return
        if self._request.left.stage == SOURCE:
            self._evens_source = not self._evens_source
        else:
            self._evens_stages = not self._evens_stages
        self.compare(self._request.catalog, self._request.left, self._request.right)

    def action_copy(self) -> None:
        if self._comparison is not None:
            self.post_message(CopyRequested(self._comparison.patch(), "the differences"))


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count:,} changes"
