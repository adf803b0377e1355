"""What is known of a multi-kernel's pick."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mkexplorer.catalog.model import Evidence, MultiKernel


class PickState(StrEnum):
    """``picked`` by the run time, ``pinned`` by a person; see ``Pick.reason`` for ``invalid`` and ``unknown``."""

    PICKED = "picked"
    PINNED = "pinned"
    NONE = "none"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Pick:
    """``index`` is set for picked and pinned only; ``path`` is the pick file's, where it is known."""

    state: PickState
    index: int | None = None
    path: str | None = None
    reason: str = ""


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
