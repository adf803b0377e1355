"""A plan of changes on its way: shown, agreed to, carried out, read back, reported."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.cli.parser import Given
from mkexplorer.cli.terminal import agreed, look_of, put, put_json, tell
from mkexplorer.picks import plans
from mkexplorer.picks.book import environment_of, machine_of
from mkexplorer.picks.interpreter import Interpreter
from mkexplorer.picks.model import Action, Who
from mkexplorer.picks.plans import Outcome, Plan
from mkexplorer.picks.travel import Matches
from mkexplorer.picks.writing import Occasion
from mkexplorer.report import as_text, picks_json
from mkexplorer.report.changes import ChangeRow, Namer, change_rows, effect, heading, made_rows
from mkexplorer.report.picks_json import Json

DONE, NOTHING, CANNOT = 0, 1, 2
_MOST_TOLD = 5


@dataclass(frozen=True)
class Change:
    """``given`` says whether to ask, and whether to change anything at all."""

    given: Given
    catalog: Catalog
    plan: Plan
    matches: Matches | None = None

    def run(self, nothing: str) -> int:
        """All of it; the exit code. ``nothing`` says why there is nothing to do."""
        tell(_some(self.plan.refusals))
        if not self.is_agreed():
            return declined()
        outcomes = self.carry_out()
        if self.given.json:
            put_json(self.as_json(outcomes))
        else:
            put(self.lines(outcomes))
        self.tell_errors(outcomes)
        if self.plan.refusals or any(each.error for each in outcomes or ()):
            return CANNOT
        if not self.plan.changes:
            tell([nothing])
            return NOTHING
        return DONE

    def is_agreed(self) -> bool:
        """Asks about what is destructive or plural, unless it was agreed to already or nothing will be changed."""
        changes = self.plan.changes
        if self.given.yes or self.given.dry_run:
            return True
        if len(changes) < 2 and all(each.action is not Action.CLEAR for each in changes):
            return True
        tell(as_text.change(row, as_text.Look()) for row in self._rows())
        tell([effect(changes)])
        return agreed(f"{heading(changes)}?")

    def carry_out(self) -> list[Outcome] | None:
        """None for a plan that is only looked at."""
        if self.given.dry_run:
            return None
        occasion = Occasion(Who.PERSON, machine_of(Interpreter(self.given.python)))
        return list(plans.carry_out(self.catalog, self.plan.changes, occasion))

    def as_json(self, outcomes: Sequence[Outcome] | None) -> dict[str, Json]:
        unmatched = self.matches.unmatched if self.matches else ()
        return picks_json.changed(self.catalog.place.path, Namer(self.catalog), self.plan, outcomes, unmatched)

    def lines(self, outcomes: Sequence[Outcome] | None) -> Iterable[str]:
        look = look_of(sys.stdout, self.given.color)
        if outcomes is None:
            return (f"would {row.change.action.value} {as_text.change(row, look)}" for row in self._rows())
        done = [each for each in outcomes if each.error is None]
        return (as_text.change(row, look) for row in made_rows(Namer(self.catalog), done))

    def tell_errors(self, outcomes: Sequence[Outcome] | None) -> None:
        """What could not be done, and what keeps programs from going by what was."""
        tell(sentence(each.error) for each in outcomes or () if each.error)
        if self.plan.changes:
            notes = (note for note in environment_of(self.catalog) if not note.picks_count)
            tell(as_text.environment_note(note) for note in notes)

    def _rows(self) -> tuple[ChangeRow, ...]:
        return change_rows(Namer(self.catalog), self.plan.changes)


def declined() -> int:
    tell(["Nothing was changed."])
    return NOTHING


def sentence(error: MkexplorerError) -> str:
    return f"{error.message}. {error.advice}".rstrip() if error.advice else error.message


def _some(errors: Sequence[MkexplorerError]) -> Iterable[str]:
    """All of them have mostly the same reason."""
    yield from map(sentence, errors[:_MOST_TOLD])
    if len(errors) > _MOST_TOLD:
        yield f"… and {len(errors) - _MOST_TOLD} more that cannot be changed"
