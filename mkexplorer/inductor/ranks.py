"""The ranks of one job of torch.distributed use the same sub-kernel: the choice of the first one to have made it.

Nobody waits for anybody, because a rank that waits for another one, which may never call this multi-kernel, or waits
itself for what the first is to send, would stand still.
"""

from __future__ import annotations

from mkexplorer.multikernel.sharing import ranks_of_torch


def agreed(key: str, index: int, count: int) -> int:
    """The job's choice among ``count`` sub-kernels for ``key``; ``index``, if this is the first to say."""
    job = ranks_of_torch()
    if job is None or job.size < 2:
        return index
    told = job.tell(key, index)
    return told if 0 <= told < count else index
