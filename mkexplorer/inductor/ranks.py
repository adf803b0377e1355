"""The ranks of one job of torch.distributed use the same sub-kernel: the choice of the first one to have made it.

Nobody waits for anybody, because a rank that waits for another one, which may never call this multi-kernel, or waits
itself for what the first is to send, would stand still.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

log = logging.getLogger("mkexplorer.inductor")

_PREFIX = "mkexplorer/pick/"


def agreed(key: str, index: int, count: int) -> int:
    """The job's choice among ``count`` sub-kernels for ``key``; ``index``, if this is the first to say."""
    store = _store()
    if store is None:
        return index
    try:
        told = int(store.compare_set(f"{_PREFIX}{key}", "", str(index)))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        log.warning("the ranks cannot be asked which sub-kernel they use: %s", str(error).partition("\n")[0])
        return index
    return told if 0 <= told < count else index


def _store() -> Any:
    """The store through which the ranks found each other; None where there is only this one."""
    torch: Any = sys.modules["torch"]
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() < 2:
        return None
    return distributed.distributed_c10d._get_default_store()
