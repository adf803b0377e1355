"""What a person does about measurements in the app: measure one or all that is shown, stop, hear what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from textual.binding import Binding
from textual.content import Content
from textual.widgets import Input

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.consent import consent_needed
from mkexplorer.measure.model import Progress, Stage
from mkexplorer.measure.verdict import Verdict
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.measurements import recorded_arguments
from mkexplorer.report import bench_text
from mkexplorer.report.rows import MultiKernelRow
from mkexplorer.tui import sheets
from mkexplorer.tui.bench import BenchKeeper, Wanted
from mkexplorer.tui.bench_line import BenchLine
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.bench_view import called
from mkexplorer.tui.explorer_panes import ExplorerPanes
from mkexplorer.tui.messages import Failed, Notice
from mkexplorer.tui.picks import unexpected
from mkexplorer_widgets.plain_text import visible

TAB = "benchmark"


def _binding(key: str, verb: str, description: str, tooltip: str, show: bool = True, priority: bool = False) -> Binding:
    return Binding(
        key, f"bench({verb!r})", description, show=show, id=f"bench.{verb}", tooltip=tooltip, priority=priority
    )


BENCH_BINDINGS = (
    _binding("b", "one", "Bench", "Race this multi-kernel's sub-kernels next; on a graph's row all that are in it"),
    # With priority, for it goes before what escape does in the list; see `can`.
    _binding("escape", "stop", "Stop bench", "End the race that runs, and forget those that wait", priority=True),
)
BENCH_ALL_BINDING = _binding("B", "shown", "Bench all", "Race the sub-kernels of all multi-kernels that the list shows")


class BenchVerbs:
    """Acts for ``screen``, through ``keeper``."""

    def __init__(self, screen: ExplorerPanes, keeper: BenchKeeper) -> None:
        self._screen = screen
        self._keeper = keeper
        self._shown = BenchState()
        self._agreed_places: set[str] = set()
        self._asking = asyncio.Lock()

    def can(self, verb: str) -> bool:
        if verb == "stop":
            return not self._keeper.state.is_idle and self._is_near
        kernels = self._screen.kernels
        return self._screen.book is not None and (kernels.shows_any if verb == "shown" else bool(kernels.pointed_rows))

    @property
    def _is_near(self) -> bool:
        """Whether escape means the measurements: in a field, or in another tab, it leads out of these first."""
        screen = self._screen
        if isinstance(screen.focused, Input):
            return False
        return screen.work.tab_name == TAB or not screen.work.has_focus_within

    def do(self, verb: str) -> None:
        """Start a verb; what comes of it is shown."""
        if verb == "stop":
            self._stop()
        else:
            self._screen.run_worker(self._measure(verb), group="bench", exit_on_error=False)

    def close(self) -> None:
        self._keeper.close()

    async def _measure(self, verb: str) -> None:
        try:
            rows = self._asked_for(verb)
            if rows and await self._is_agreed():
                if len(rows) == 1:
                    await self._screen.work.show_tab(TAB)
                self._submit(verb, rows)
        except MkexplorerError as error:
            self._screen.post_message(Failed(error))
        except Exception as error:
            self._screen.post_message(Failed(unexpected("Measuring", error)))

    def _asked_for(self, verb: str) -> Sequence[MultiKernelRow]:
        kernels = self._screen.kernels
        return kernels.shown_rows if verb == "shown" else kernels.pointed_rows

    def _submit(self, verb: str, rows: Sequence[MultiKernelRow]) -> None:
        book = self._screen.book
        assert book is not None
        wanted = [_wanted(book, row) for row in rows]
        measure = self._keeper.measure if verb == "shown" else self._keeper.measure_next
        if not measure(wanted):
            said = "It is" if len(rows) == 1 else "All of them are"
            self._screen.post_message(Notice(f"{said} being measured already."))

    async def _is_agreed(self) -> bool:
        """Ask once for each place whose code is somebody else's."""
        book = self._screen.book
        assert book is not None
        reason = consent_needed(book.catalog)
        place = book.catalog.place.path
        if not reason or place in self._agreed_places:
            return True
        if self._asking.locked():
            return False  # the key was pressed again before the dialog was there
        async with self._asking:
            agrees = await self._agrees(reason)
        if agrees:
            self._agreed_places.add(place)
        return agrees

    async def _agrees(self, reason: str) -> bool:
        from mkexplorer.tui.pick_dialogs import ConfirmDialog

        said = Content.assemble(
            visible(reason),
            "\n\n",
            ("It may do whatever you may. ", "bold"),
            "You are asked once for this place; nothing of it has run so far.",
        )
        agreed: bool = await self._screen.app.push_screen_wait(ConfirmDialog("Run the code of this place", said))
        if not agreed:
            self._screen.post_message(Notice("Nothing of this place was run, and nothing measured."))
        return agreed

    def look_ahead(self) -> None:
        """Have the tab tell what a measurement of what is selected would be made on."""
        row, book = self._screen.kernels.current_row, self._screen.book
        if row is not None and book is not None and self._screen.work.tab_name == TAB:
            self._keeper.look_ahead(_wanted(book, row))

    def _stop(self) -> None:
        before = self._keeper.state
        self._keeper.stop()
        left = len(before.waiting) + (before.running is not None)
        done = len(before.done) + len(before.failed)
        noun = "race" if left == 1 else "races"
        kept = f"; what came of the other {done} stays" if done else ""
        self._screen.post_message(Notice(f"Stopped: {left} {noun} did not come to an end{kept}."))

    # --- what goes on, and what came of it ------------------------------------------------------------------

    def take(self, state: BenchState) -> None:
        """Show how the measurements stand now; say what came of them once nothing is left to do."""
        before, self._shown = self._shown, state
        self._screen.work.bench = state
        rows = self._screen.kernels.by_full_id
        self._screen.query_one(BenchLine).show(*line_of(state, rows))
        if state.is_idle != before.is_idle:
            self._screen.refresh_bindings()
        if is_over(state) and not is_over(before) and (state.done or state.failed):
            self._tell(state, rows)

    def _tell(self, state: BenchState, rows: Mapping[str, MultiKernelRow]) -> None:
        if len(state.done) + len(state.failed) > 1:
            self._screen.post_message(Notice(summary(state, rows)))
        else:
            self._tell_of_one(state, rows)

    def _tell_of_one(self, state: BenchState, rows: Mapping[str, MultiKernelRow]) -> None:
        (name,) = (*state.done, *state.failed)
        row = rows.get(name)
        if row is not None and row is self._screen.kernels.current_row and self._screen.work.tab_name == TAB:
            return  # the tab says more
        if name in state.failures:
            self._screen.post_message(Failed(state.failures[name]))
        elif row is not None and row.measurement is not None:
            said = bench_text.verdict_sentence(row.multi_kernel, row.measurement)
            self._screen.post_message(Notice(f"{called(row)}: {said}"))


def is_over(state: BenchState) -> bool:
    """Nothing runs, waits, or is still to be shown."""
    return state.is_idle and not state.progress


def line_of(state: BenchState, rows: Mapping[str, MultiKernelRow]) -> tuple[str, float]:
    """'measuring 3/41 layer_norm 4096×4096 bf16 · racing, 12 of 48', and how much of all is done.

    '' where nothing is to be done.
    """
    if state.is_idle:
        return "", 1.0
    past = len(state.done) + len(state.failed)
    name = state.running or state.waiting[0]
    progress = state.progress.get(name, Progress(Stage.STARTING))
    what = called(rows[name]) if name in rows else name
    steps = f", {progress.done} of {progress.total}" if progress.total else ""
    which = f"{min(past + 1, state.total)}/{state.total} " if state.total > 1 else ""
    return f"measuring {which}{what} · {progress.stage.value}{steps}", (past + _share(progress)) / max(1, state.total)


def summary(state: BenchState, rows: Mapping[str, MultiKernelRow]) -> str:
    """'41 measured: 12 slower than they could be, 2 unsure.', and what could not be, with the first reason."""
    found = [rows[name] for name in state.done if name in rows]
    slower = sum(row.judgement is not None and row.judgement.pick_is_slower for row in found)
    unsure = sum(row.judgement is not None and row.judgement.verdict is Verdict.UNSURE for row in found)
    wrong = sum(row.measurement is not None and bool(row.measurement.disagreeing) for row in found)
    counts = ((slower, "slower than they could be"), (unsure, "unsure"), (wrong, "with sub-kernels that disagree"))
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    lines = [f"{len(state.done)} measured{f': {said}' if said else ''}."]
    if state.failed:
        message, _ = sheets.error_texts(state.failures[state.failed[0]])
        lines.append(f"{len(state.failed)} could not be measured; the first: {message}")
    return "\n".join(lines)


def _share(progress: Progress) -> float:
    """How much of one measurement is done: its stages taken as equally long."""
    stages = list(Stage)
    within = progress.done / progress.total if progress.total else 0.0
    return (stages.index(progress.stage) + min(1.0, within)) / len(stages)


def _wanted(book: PickBook, row: MultiKernelRow) -> Wanted:
    recorded = recorded_arguments(row.multi_kernel, book.of(row.multi_kernel))
    return Wanted(book.catalog, row.multi_kernel, row.pick.index, recorded)
