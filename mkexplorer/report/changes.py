"""Changes of picks in words: those that are planned or were made, and those that a history tells of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import MultiKernel
from mkexplorer.picks.book import PickBook
from mkexplorer.picks.changes import PickChange, full_id
from mkexplorer.picks.model import Action, Entry, Held, PickFile, Who
from mkexplorer.picks.plans import Outcome
from mkexplorer.report import titles

_EFFECTS = {
    Action.PIN: "Programs that start from now on use what is pinned, without measuring.",
    Action.CLEAR: "The next program that loads them measures anew. `mkexplorer undo` takes this back.",
    Action.UNDO: "This takes back the last command, all of it; what it changed is as it was before.",
}
_WHO = {Who.RUNTIME: "torch", Who.PERSON: "a person", Who.TOOL: "a tool"}
_SHOWN_BYTES = 12


class Namer:
    """What people call the multi-kernels that changes and histories name by their whole keys."""

    def __init__(self, catalog: Catalog) -> None:
        self._known = {full_id(each): each for each in catalog.multi_kernels}

    def find(self, name: str) -> MultiKernel | None:
        """None for an orphan, and for what the place no longer has."""
        return self._known.get(name)

    def label(self, name: str, path: str) -> str:
        """'cmzexxx/multi_kernel_0 layer_norm 4096×4096 bf16', or else the pick file's path."""
        found = self.find(name)
        return f"{found.id} {titles.full_title(found)}" if found else path

    def held(self, name: str, held: Held) -> str:
        """'picked 0 looped', 'none', "invalid 'x'"."""
        found = self.find(name)
        index = held.index
        if index is None:
            return held.state.value if not held.content else f"{held.state.value} {_shown(held.content)}"
        kind = f" {found.sub_kernels[index].kind.value}" if found and 0 <= index < len(found.sub_kernels) else ""
        return f"{held.state.value} {index}{kind}"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change: what it is of, and what the pick is before and after it."""

    change: PickChange
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry of a history, ``path`` being the pick file's."""

    path: str
    entry: Entry
    label: str
    before: str
    after: str
    is_undone: bool

    @property
    def note(self) -> str:
        """What became of a change that does not stand; '' of one that does."""
        return "undone" if self.is_undone else "" if self.entry.happened else "did not happen"

    @property
    def when(self) -> str:
        """'2026-01-31 12:00:00', in UTC."""
        return self.entry.when[:19].replace("T", " ")

    @property
    def who(self) -> str:
        """'me@host', or what kind of writer it was."""
        machine = self.entry.machine
        return "@".join(part for part in (machine.user, machine.host) if part) or _WHO[self.entry.who]


def change_rows(namer: Namer, changes: Iterable[PickChange]) -> tuple[ChangeRow, ...]:
    return tuple(
        ChangeRow(
            each,
            namer.label(each.multi_kernel, each.path),
            namer.held(each.multi_kernel, each.before),
            namer.held(each.multi_kernel, each.after),
        )
        for each in changes
    )


def heading(changes: Iterable[PickChange]) -> str:
    """'Clear 3 picks', for a plan of one kind of change."""
    actions = [each.action for each in changes]
    verb = {Action.PIN: "Pin", Action.CLEAR: "Clear", Action.UNDO: "Undo the last change of", Action.PICK: "Pick"}
    return f"{verb[actions[0]]} {len(actions)} {'pick' if len(actions) == 1 else 'picks'}"


def made_rows(namer: Namer, outcomes: Iterable[Outcome]) -> Iterator[ChangeRow]:
    """What was before, and what was read back."""
    for each in outcomes:
        change, now = each.change, Held(each.now.held.content, each.now.pick.state)
        label = namer.label(change.multi_kernel, change.path)
        before, after = (namer.held(change.multi_kernel, held) for held in (change.before, now))
        yield ChangeRow(change, label, before, after)


def effect(changes: Iterable[PickChange]) -> str:
    """What a plan means for programs, in a sentence."""
    return _EFFECTS.get(next(iter(changes)).action, "")


def shared_notes(book: PickBook, changes: Iterable[PickChange]) -> Iterator[str]:
    """Which changes are of more than one multi-kernel."""
    for change in changes:
        owners = [each.id for each in book.owners(change.path)]
        if len(owners) > 1:
            yield f"{', '.join(owners)} are of the same kernels and share one pick: it changes for all of them."


def history_rows(namer: Namer, files: Iterable[PickFile]) -> tuple[HistoryRow, ...]:
    """The changes in the histories of ``files`` as one, oldest first; what was only measured is no change."""
    rows = [row for file in files for row in _rows_of(namer, file)]
    return tuple(sorted(rows, key=lambda row: row.entry.when))


def _rows_of(namer: Namer, file: PickFile) -> Iterator[HistoryRow]:
    undone = {entry.undoes for entry in file.history.entries if entry.happened}
    for entry in file.history.changes:
        label = namer.label(entry.multi_kernel, file.path)
        before, after = (namer.held(entry.multi_kernel, held) for held in (entry.before, entry.after))
        yield HistoryRow(file.path, entry, label, before, after, entry.id in undone)


def _shown(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return repr(text) if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]!r}…"
