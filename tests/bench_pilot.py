"""The app with a bencher that follows a script instead of a Python that measures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from mkexplorer.catalog import Catalog
from mkexplorer.measure.bencher import Bencher
from mkexplorer.report.rows import MultiKernelRow
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.pick_dialogs import ConfirmDialog
from mkexplorer.tui.pythons import NoPython, Pythons
from mkexplorer.tui.state import UiState
from tests.explorer_pilot import WIDE, Session, explore
from tests.fake_bencher import FakeBencher, bench_result


class ScriptedPythons(Pythons):
    """Find picks as ``pythons`` do; benchers come from ``hire``."""

    def __init__(self, pythons: Pythons, hire: Callable[[], FakeBencher]) -> None:
        super().__init__(pythons.python)
        self.for_place = pythons.for_place  # type: ignore[method-assign]  # stands in for either kind
        self.on_its_own = pythons.on_its_own  # type: ignore[method-assign]  # as above
        self.hired: list[FakeBencher] = []
        self._hire = hire

    def sees_gpu(self) -> bool:
        return True

    def bencher(self) -> Bencher:
        self.hired.append(self._hire())
        return cast(Bencher, self.hired[-1])


@asynccontextmanager
async def bench_session(
    catalog: Catalog,
    bencher: FakeBencher | Callable[[], FakeBencher],
    size: tuple[int, int] = WIDE,
    *,
    tab: str = "benchmark",
    pythons: Pythons | None = None,
) -> AsyncIterator[Session]:
    """The app on a catalog, its picks known, the cursor on the first multi-kernel."""
    hire = bencher if callable(bencher) else lambda: bencher
    scripted = ScriptedPythons(pythons or NoPython(), hire)
    async with explore(catalog, size, UiState(tab=tab, follow=False), pythons=scripted) as session:
        yield session


def measured(catalog: Catalog, *medians_us: float, picked: int | None = 0) -> FakeBencher:
    """All multi-kernels take the same times."""
    return FakeBencher({each.id: bench_result(each.id, *medians_us, picked=picked) for each in catalog.multi_kernels})


def said(session: Session) -> str:
    """All messages."""
    return " ".join(" ".join(session.toasts).split())


def state_of(session: Session) -> BenchState:
    return session.explorer.work.bench


def row_of(session: Session, number: int) -> MultiKernelRow:
    """The ``number``-th multi-kernel of the place, as the list has it."""
    return list(session.explorer.kernels.all_rows)[number]


async def agree(session: Session) -> None:
    """Have the code of the place run, once that is asked."""
    await session.until(lambda: isinstance(session.app.screen, ConfirmDialog))
    await session.press("y")


async def is_over(session: Session) -> None:
    """Wait until everything that was asked for is measured, stored and shown."""
    await session.until(lambda: bool(state_of(session).total or state_of(session).cancelled))
    await session.until(lambda: state_of(session).is_idle and not state_of(session).progress)
    await session.pilot.pause()
