"""What a person does to picks in the app: plan, confirm where it is destructive or plural, carry out, read back."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual.binding import Binding
from textual.content import Content

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel, PlaceKind
from mkexplorer.picks import plans
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.files import read_histories
from mkexplorer.picks.interpreter import Identity
from mkexplorer.picks.model import Action, PickState
from mkexplorer.picks.plans import Plan, Winner
from mkexplorer.report import bench_text
from mkexplorer.report.changes import Namer, heading, history_rows
from mkexplorer.report.measured import Knowledge, Measurement
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow
from mkexplorer.tui import pick_sheets
from mkexplorer.tui.explorer_panes import ExplorerPanes
from mkexplorer.tui.messages import Failed, Notice
from mkexplorer.tui.picks import LOOKING, PickKeeper, unexpected, unknown_picks

Planner = Callable[[PickBook], Plan]
Pointed = tuple[MultiKernelRow, SubKernelRow | None]
_ONLY_LOOK = frozenset({"history", "doctor"})


def _binding(key: str, verb: str, description: str, tooltip: str, show: bool = False) -> Binding:
    return Binding(key, f"picks({verb!r})", description, show=show, id=f"picks.{verb}", tooltip=tooltip)


PICK_BINDINGS = (
    _binding("p", "pin", "Pin", "Have programs use this sub-kernel, whatever they would measure", show=True),
    _binding("c", "clear", "Clear", "Remove this pick, so that the next program measures anew", show=True),
    _binding("u", "undo", "Undo", "Take back the last pin, clear or apply", show=True),
    _binding("C", "clear_all", "Clear all picks …", "Remove every pick of the place"),
    _binding("X", "clear_invalid", "Clear invalid picks …", "Remove the picks that end programs that load them"),
    _binding("H", "history", "Show history", "Who changed which pick, when and why"),
    _binding("D", "doctor", "Doctor", "Check interpreter, cache, picks and environment, each with its fix"),
)


class PickVerbs:
    """Acts for ``screen``, through ``keeper``; what changes picks is done in the order in which it was asked for."""

    def __init__(self, screen: ExplorerPanes, keeper: PickKeeper) -> None:
        self._screen = screen
        self._keeper = keeper
        self._turn = asyncio.Lock()

    @property
    def _book(self) -> PickBook | None:
        return self._screen.book

    def can(self, verb: str) -> bool:
        """Whether a verb makes sense now. One that must be refused makes sense where its reason helps."""
        book = self._book
        if book is None:
            return False
        records = book.records.values()
        can_change = book.catalog.place.kind is not PlaceKind.BUNDLE
        # Histories tell of themselves what to undo; those of picks that are not known are not read yet.
        may_tell = can_change and bool(unknown_picks(book))
        match verb:
            case "pin" | "clear":
                pointed = self._screen.kernels.pointed
                return pointed is not None and (verb == "pin" or pointed[0].pick.state is not PickState.NONE)
            case "undo":
                return may_tell or any(record.file.history.undoable for record in records)
            case "clear_all":
                return can_change and any(_holds_something(record.pick.state) for record in records)
            case "clear_invalid":
                return can_change and any(record.pick.state is PickState.INVALID for record in records)
            case "history":
                return may_tell or any(record.file.history.entries for record in records)
        return True

    def do(self, verb: str) -> None:
        """Start a verb; what comes of it is shown. While it waits for its turn, the cursor may move on."""
        pointed = self._screen.kernels.pointed
        jobs: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "pin": partial(self._pin, pointed),
            "clear": partial(self._clear, pointed),
            "undo": partial(self._change, _undo, "There is no change to undo."),
            "clear_all": partial(self._change, plans.clears_of_all, "There is nothing to clear."),
            "clear_invalid": partial(self._change, plans.clears_of_invalid, "There is nothing to clear."),
            "history": self._history,
            "doctor": self._doctor,
        }
        self._screen.run_worker(self._in_turn(verb, jobs[verb]), group="picks", exit_on_error=False)

    async def _in_turn(self, verb: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with contextlib.nullcontext() if verb in _ONLY_LOOK else self._turn:
            try:
                await job()
            except (MkexplorerError, OSError) as error:
                self._screen.post_message(Failed(error))
            except Exception as error:
                self._screen.post_message(Failed(unexpected(f"'{verb}'", error)))

    # --- changes --------------------------------------------------------------------------------------------

    async def _pin(self, pointed: Pointed | None) -> None:
        if pointed is None:
            return
        row, sub = self._row_now(pointed[0]), pointed[1]
        multi_kernel = row.multi_kernel
        _check_found(row)
        if sub is not None:
            index: int | None = sub.sub_kernel.index
        else:
            # Whoever may not pin at all is told so before being asked what.
            await asyncio.to_thread(self._keeper.plan, partial(_may_pin, multi_kernel=multi_kernel))
            from mkexplorer.tui.pick_dialogs import PinDialog

            index = await self._screen.app.push_screen_wait(PinDialog(row))
        if index is not None:
            said = f"{multi_kernel.id}: sub-kernel {index} is pinned already."
            evidence = _evidence_for(row, index)
            await self._change(partial(_pin, multi_kernel=multi_kernel, index=index, evidence=evidence), said, evidence)

    async def _clear(self, pointed: Pointed | None) -> None:
        if pointed is not None:
            _check_found(self._row_now(pointed[0]))
            multi_kernel = pointed[0].multi_kernel
            await self._change(partial(_clear, multi_kernel=multi_kernel), f"{multi_kernel.id} has no pick to clear.")

    def _row_now(self, row: MultiKernelRow) -> MultiKernelRow:
        """Changes before its own may have changed it; one that is gone is what it was."""
        rows = self._screen.kernels.all_rows
        return next((each for each in rows if each.multi_kernel.id == row.multi_kernel.id), row)

    async def _change(self, planner: Planner, nothing: str, evidence: Measurement | None = None) -> None:
        """Carry out a plan; ``nothing`` says why there is nothing to do, ``evidence`` is what it rests on."""
        plan = await asyncio.to_thread(self._keeper.plan, planner)
        book = self._book
        if not plan.changes or book is None:
            if plan.refusals:
                raise pick_sheets.several(plan.refusals)
            self._screen.post_message(Notice(nothing))
            return
        if _needs_consent(plan) and not await self._is_agreed(book, plan):
            return
        machine = evidence.machine if evidence is not None else None
        outcomes = await asyncio.to_thread(self._keeper.carry_out, plan, machine)
        done = [each for each in outcomes if each.error is None]
        if done:
            warnings = pick_sheets.environment_warnings(book.environment)
            said = [pick_sheets.made_text(Namer(book.catalog), done), *warnings]
            self._screen.post_message(Notice("\n".join(said)))
        if failed := [each.error for each in outcomes if each.error is not None]:
            raise pick_sheets.several(failed)

    async def _is_agreed(self, book: PickBook, plan: Plan) -> bool:
        from mkexplorer.tui.pick_dialogs import ConfirmDialog

        dialog = ConfirmDialog(heading(plan.changes), pick_sheets.plan_content(book, plan))
        agreed: bool = await self._screen.app.push_screen_wait(dialog)
        return agreed

    # --- sheets ---------------------------------------------------------------------------------------------

    async def _history(self) -> None:
        from mkexplorer.tui.dialogs import TextDialog

        book = self._book
        assert book is not None
        files = await asyncio.to_thread(lambda: list(read_histories(book.catalog.store)))
        problems = [f"{file.path}.json: {problem}" for file in files for problem in file.history.problems]
        history = history_rows(Namer(book.catalog), files)
        if not history and not problems:
            self._screen.post_message(Notice("No pick was changed by mkexplorer here."))
            return
        content = pick_sheets.history_content(history, problems)
        self._screen.app.push_screen(TextDialog("History of the picks (UTC)", content))

    async def _doctor(self) -> None:
        from mkexplorer.tui.dialogs import TextDialog

        book = self._book
        assert book is not None
        self._screen.post_message(Notice(f"Asking {self._keeper.pythons.python or 'the running Python'} …"))
        content = await asyncio.to_thread(_checkup, self._keeper, book)
        self._screen.app.push_screen(TextDialog("Doctor", content))


def _check_found(row: MultiKernelRow) -> None:
    if row.record.place_reason == LOOKING:
        raise MkexplorerError(
            f"{row.multi_kernel.id}: {LOOKING}", "Try again in a moment; the header says how far it is."
        )


def _evidence_for(row: MultiKernelRow, index: int) -> Measurement | None:
    """What was measured here, or told by the pick's history, if it made this sub-kernel the winner."""
    found = row.measurement
    if found is None or found.knowledge is Knowledge.PLACE or found.doubt:
        return None
    return found if row.winner == index else None


def _pin(book: PickBook, multi_kernel: MultiKernel, index: int, evidence: Measurement | None = None) -> Plan:
    if evidence is None:
        return plans.pins(book, [(multi_kernel, index)])
    why = bench_text.verdict_sentence(multi_kernel, evidence)
    return plans.winners(book, [Winner(multi_kernel, index, evidence.measured, why)])


def _may_pin(book: PickBook, multi_kernel: MultiKernel) -> Plan:
    """Raises `MkexplorerError` where no sub-kernel can be pinned."""
    tried = [_pin(book, multi_kernel, sub.index) for sub in multi_kernel.sub_kernels]
    if tried and all(plan.refusals for plan in tried):
        raise tried[0].refusals[0]
    return Plan()


def _clear(book: PickBook, multi_kernel: MultiKernel) -> Plan:
    return plans.clears(book, [multi_kernel])


def _undo(book: PickBook) -> Plan:
    return plans.last_undo(book.catalog)


def _needs_consent(plan: Plan) -> bool:
    """What is destructive or plural is asked about."""
    return len(plan.changes) > 1 or any(each.action is Action.CLEAR for each in plan.changes)


def _holds_something(state: PickState) -> bool:
    return state in (PickState.PICKED, PickState.PINNED, PickState.INVALID)


def _checkup(keeper: PickKeeper, book: PickBook) -> Content:
    """Everything that a pick rests on, judged."""
    from mkexplorer.report import checkup

    identity: Identity | None = None
    problem: MkexplorerError | None = None
    try:
        identity = keeper.identity()
    except MkexplorerError as error:
        problem = error
    owner = checkup.owner_of(book.catalog.place.path)
    patient = checkup.Patient(identity, problem, book.reread(), None, owner, os.environ)
    return pick_sheets.checkup_content(checkup.examine(patient))
