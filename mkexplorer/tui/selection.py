"""What the person has chosen in the list: the one value that flows down to every tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mkexplorer.picks.model import recorded_pick

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.catalog.model import MultiKernel, SubKernel
    from mkexplorer.picks.book import PickBook, PickRecord
    from mkexplorer.report.rows import MultiKernelRow


@dataclass(frozen=True, slots=True)
class Selection:
    """The row under the list's cursor.

    ``sub_kernel`` is None on a multi-kernel's own row; tabs then show its picked (or first) sub-kernel.
    ``mark`` was marked with ``m``, to be compared with another, also one of another multi-kernel. ``picks`` are those
    of the catalog, as far as they are known; ``row`` is what the list shows of the multi-kernel.
    """

    catalog: Catalog
    multi_kernel: MultiKernel | None = None
    sub_kernel: SubKernel | None = None
    mark: tuple[MultiKernel, SubKernel] | None = None
    picks: PickBook | None = None
    row: MultiKernelRow | None = None

    @property
    def record(self) -> PickRecord | None:
        """What is known of the multi-kernel's pick; None where only the place's own record can tell."""
        if self.picks is None or self.multi_kernel is None:
            return None
        return self.picks.records.get(self.multi_kernel.id)

    @property
    def picked(self) -> int | None:
        """The index of the multi-kernel's sub-kernel that is picked or pinned."""
        if self.record is not None:
            return self.record.pick.index
        if self.multi_kernel is None:
            return None
        return recorded_pick(self.multi_kernel, self.catalog.evidence(self.multi_kernel)).index
