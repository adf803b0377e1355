"""What is known of a multi-kernel's pick: its state, what its file holds, and how that came about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mkexplorer.catalog.model import Evidence, MultiKernel
from mkexplorer.measure.model import ArgumentSource, SubKernelResult
from mkexplorer.measure.verdict import Judgement


class PickState(StrEnum):
    """``picked`` by the run time, ``pinned`` by a person; see ``Pick.reason`` for ``invalid`` and ``unknown``."""

    PICKED = "picked"
    PINNED = "pinned"
    NONE = "none"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Who(StrEnum):
    """Who changed a pick: torch while a program ran, a person, or a program that acts for one."""

    RUNTIME = "runtime"
    PERSON = "person"
    TOOL = "tool"


class Action(StrEnum):
    """``pick`` is what a run time does; the others are ours. ``measure`` changes nothing: it is there to be read."""

    PICK = "pick"
    PIN = "pin"
    CLEAR = "clear"
    UNDO = "undo"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class Pick:
    """``index`` is set for picked and pinned only; ``path`` is the pick file's, where it is known."""

    state: PickState
    index: int | None = None
    path: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What a pick file holds: its bytes, None where there is no file, and what they mean."""

    content: bytes | None
    state: PickState

    @property
    def index(self) -> int | None:
        """The sub-kernel that it names; None where it names none."""
        if self.content is None or self.state not in (PickState.PICKED, PickState.PINNED):
            return None
        return int(self.content.decode())


NOTHING_HELD = Held(None, PickState.NONE)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on the machine of an entry; ``sub_kernels`` go by index and leave out the single samples.

    ``judgement`` is the race's own, against the pick of that time; None where there was none. ``source`` tells from
    where the arguments came, ``notes`` what else there is to know of them; ``bytes_moved`` counts what one launch
    reads or writes, each byte once.
    """

    sub_kernels: tuple[SubKernelResult, ...]
    judgement: Judgement | None = None
    source: ArgumentSource | None = None
    bytes_moved: int | None = None
    copy_gb_per_s: float | None = None
    sm_clock_mhz: float | None = None
    throttled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a change was made; None for what is not known."""

    gpu: str | None = None
    driver: str | None = None
    torch: str | None = None
    triton: str | None = None
    host: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a pick, or one measurement beside it, as its evidence file tells it.

    ``multi_kernel`` is the wrapper's whole key, a slash and the name ('' for an orphan), which `Catalog.find` takes.
    ``batch`` is shared by all changes of one command; ``undoes`` is the ``id`` of the entry that an undo took back.
    ``when`` is UTC, ISO 8601 with microseconds, so that text order is time order. ``happened`` is False for a change
    that was begun and never reached the pick file.
    """

    id: str
    batch: str
    when: str
    who: Who
    action: Action
    multi_kernel: str
    before: Held
    after: Held
    why: str = ""
    undoes: str | None = None
    measured: Measured | None = None
    machine: Machine = Machine()
    happened: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """Oldest entry first. ``problems`` says which lines of the evidence could not be read; ``size`` is its bytes."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()
    size: int = 0

    @property
    def changes(self) -> tuple[Entry, ...]:
        """The entries without those that only tell of a measurement."""
        return tuple(entry for entry in self.entries if entry.action is not Action.MEASURE)

    @property
    def last(self) -> Entry | None:
        """The last change that happened."""
        return next((entry for entry in reversed(self.changes) if entry.happened), None)

    @property
    def undoable(self) -> tuple[Entry, ...]:
        """The changes that `undo` can take back, oldest first: pins and clears that happened and stand."""
        undone = {entry.undoes for entry in self.entries if entry.happened}
        ours = (entry for entry in self.entries if entry.action in (Action.PIN, Action.CLEAR))
        return tuple(entry for entry in ours if entry.happened and entry.id not in undone)


@dataclass(frozen=True, slots=True)
class PickFile:
    """A pick file as it was found. ``obstacle`` says why mkexplorer must not change it; '' where it may."""

    path: str
    held: Held
    pick: Pick
    history: History
    obstacle: str = ""


def recorded_pick(multi_kernel: MultiKernel, evidence: Evidence | None) -> Pick:
    """The pick as the place's own record tells it. It never guesses from the files that happen to lie around."""
    if evidence is None:
        return Pick(
            PickState.UNKNOWN, reason="This place records no picks, and the place of the pick file is not known."
        )
    if evidence.picked is None:
        return Pick(PickState.NONE, path=evidence.pick_path, reason="The record of this place holds no pick.")
    if not 0 <= evidence.picked < len(multi_kernel.sub_kernels):
        reason = f"The record says {evidence.picked}, but there are {len(multi_kernel.sub_kernels)} sub-kernels."
        return Pick(PickState.INVALID, path=evidence.pick_path, reason=reason)
    return Pick(PickState.PICKED, evidence.picked, evidence.pick_path, evidence.source)
