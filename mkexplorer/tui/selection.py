"""What the person has chosen in the list: the one value that flows down to every tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog
    from mkexplorer.catalog.model import MultiKernel, SubKernel


@dataclass(frozen=True, slots=True)
class Selection:
    """The row under the list's cursor.

    ``sub_kernel`` is None on a multi-kernel's own row; tabs then show its picked (or first) sub-kernel.
    ``mark`` was marked with ``m``, to be compared with another, also one of another multi-kernel.
    """

    catalog: Catalog
    multi_kernel: MultiKernel | None = None
    sub_kernel: SubKernel | None = None
    mark: tuple[MultiKernel, SubKernel] | None = None
