"""What is said of picks beside the list: planned changes, made ones, histories, and what the doctor found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.environment import EnvironmentNote
from mkexplorer.picks.model import Action
from mkexplorer.picks.plans import Outcome, Plan
from mkexplorer.report.changes import ChangeRow, HistoryRow, Namer, change_rows, effect, made_rows, shared_notes
from mkexplorer.report.findings import CheckupSection, Finding, Level
from mkexplorer_widgets.plain_text import visible

_SIGNS = {
    Level.OK: ("✓", "$text-success"),
    Level.WARNING: ("⚠", "$text-warning"),
    Level.PROBLEM: ("✗", "$text-error"),
}
_MUTED = "$foreground 60%"
_MOST_SAID = 3


def plan_content(book: PickBook, plan: Plan) -> Content:
    """All that a plan is going to change, what that means, and what stays as it is."""
    lines = [_change(row) for row in change_rows(Namer(book.catalog), plan.changes)]
    lines += [Content(_line(note)) for note in shared_notes(book, plan.changes)]
    lines += [Content(""), Content(_line(_in_the_app(effect(plan.changes))))]
    lines += [_warning(note) for note in environment_warnings(book.environment)]
    if plan.refusals:
        lines += [Content(""), Content.styled("What stays as it is:", "bold")]
        lines += [_warning(error_text(error)) for error in plan.refusals]
    return Content("\n").join(lines)


def made_text(namer: Namer, outcomes: Sequence[Outcome]) -> str:
    """What was done, as it was read back, and that `u` takes it back."""
    is_undo = outcomes[0].change.action is Action.UNDO
    take_back = "" if is_undo else " u takes it back."
    if len(outcomes) > 1:
        return f"{len(outcomes)} picks are {'as they were' if is_undo else 'changed'}.{take_back}"
    (row,) = made_rows(namer, outcomes)
    return f"{row.label}:\n{row.before} → {row.after}.{take_back}"


def environment_warnings(notes: Iterable[EnvironmentNote]) -> list[str]:
    """What keeps programs that are started from here from going by their picks."""
    return [f"{note.variable}={note.value} is set: {note.effect}" for note in notes if not note.picks_count]


def several(errors: Sequence[MkexplorerError]) -> MkexplorerError:
    """One error for all of them."""
    said = "\n".join(error_text(error) for error in errors[:_MOST_SAID])
    more = len(errors) - _MOST_SAID
    return MkexplorerError(f"{said}\n… and {more} more" if more > 0 else said)


def error_text(error: MkexplorerError) -> str:
    return f"{error.message}. {error.advice}" if error.advice else error.message


def history_content(history: Sequence[HistoryRow], problems: Sequence[str]) -> Content:
    """The newest change first."""
    lines: list[Content] = []
    for row in reversed(history):
        note = f"  ({row.note})" if row.note else ""
        lines.append(
            Content.assemble(
                (f"{row.when}  ", "bold"),
                (f"{row.entry.action.value:<6}", "$text-primary"),
                _line(f"{row.before} → {row.after}"),
                (note, "$text-warning"),
            )
        )
        said = ", ".join(part for part in (row.label, row.who, row.entry.why) if part)
        lines += [Content.styled(f"  {_line(said)}", _MUTED), Content("")]
    lines += [_warning(problem) for problem in problems]
    return Content("\n").join(lines)


def checkup_content(sections: Iterable[CheckupSection]) -> Content:
    """As the command line's doctor prints it."""
    lines: list[Content] = []
    for section in sections:
        lines.append(Content.styled(_line(section.title), "bold $text-primary"))
        for finding in section.findings:
            lines += _finding(finding)
        lines.append(Content(""))
    return Content("\n").join(lines)


def _finding(finding: Finding) -> list[Content]:
    sign, tone = _SIGNS[finding.level]
    lines = [Content.assemble("  ", (f"{sign} {finding.level.value}", tone), f": {_line(finding.what)}")]
    lines += [Content.styled(f"      {_line(detail)}", _MUTED) for detail in finding.details]
    if finding.fix:
        lines.append(Content.assemble("      ", ("fix: ", "bold"), _line(finding.fix)))
    return lines


def _change(row: ChangeRow) -> Content:
    return Content.assemble(_line(row.label), ": ", (_line(row.before), _MUTED), " → ", (_line(row.after), "bold"))


def _warning(text: str) -> Content:
    return Content.assemble(("⚠ ", "$text-warning"), _line(text))


def _in_the_app(text: str) -> str:
    return text.replace("`mkexplorer undo` takes", "u takes")


def _line(text: str) -> str:
    return visible(text).replace("\n", " ")
