"""What the lowest rank has chosen and does not keep, left beside the pick file for the other ranks of its job.

A choice that is in doubt or forced is in no pick file, and ranks without a store of torch.distributed have nothing else
to learn it from. A note counts for its own job alone. The launchers of most jobs give all ranks a name or an address in
common. Many give the same one each time: then ranks of a job are those that began together, and the note of a process
that has ended, on the same machine, counts only for those that began at the same moment.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .modules import replace_file

log = logging.getLogger("mkexplorer.multikernel")

# What Slurm and torchrun set, the same for all ranks.
_JOB = (
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT",
    "MASTER_ADDR",
    "MASTER_PORT",
)
_STARTED_TOGETHER_S = 60.0
_STARTED_AT_ONCE_S = 2.0
# Of the fields of /proc/<pid>/stat that follow the program's name.
_STATE, _START_TIME = 0, 19


@dataclass(frozen=True)
class RankNote:
    """Beside the file ``pick`` of a multi-kernel with ``count`` sub-kernels; torch and the explorer leave it alone."""

    pick: Path
    count: int

    def leave(self, index: int) -> None:
        content = {"index": index, "job": _job(), "writer": _writer(), "started": _started()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(content).encode())
        except OSError as error:
            log.warning("%s: not written, the other ranks choose for themselves: %s", self._path, error.strerror)

    def read(self) -> int | None:
        """None where there is no note, or none of this job."""
        found = self._content()
        return self._index(found) if _is_of_this_job(found) else None

    def own(self) -> int | None:
        """What this very process has left."""
        found = self._content()
        return self._index(found) if found.get("writer") == _writer() else None

    def _content(self) -> Mapping[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _index(self, found: Mapping[str, Any]) -> int | None:
        index = found.get("index")
        return index if type(index) is int and 0 <= index < self.count else None

    @property
    def _path(self) -> Path:
        return self.pick.with_name(f".{self.pick.name}.rank0")


def _is_of_this_job(found: Mapping[str, Any]) -> bool:
    match found:
        case {"job": job, "writer": [str(host), int(pid), ticks], "started": float(started)} if job == _job():
            has_ended = host == _host() and ticks != _start_ticks(pid)
            return abs(started - _started()) <= (_STARTED_AT_ONCE_S if has_ended else _STARTED_TOGETHER_S)
    return False


def _job() -> dict[str, str]:
    return {name: os.environ[name] for name in _JOB if name in os.environ}


def _writer() -> list[str | int | None]:
    """This process, as no other one is called, also none that gets its number later."""
    return [_host(), os.getpid(), _start_ticks(os.getpid())]


def _host() -> str:
    """Where numbers of processes mean the same: this machine, or this container on it."""
    try:
        return f"{os.uname().nodename} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename


def _start_ticks(pid: int) -> int | None:
    """When a process on this host began, in clock ticks since the boot; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[_STATE] in "ZX" else int(fields[_START_TIME])
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def _started() -> float:
    """When this process began, in seconds since the epoch; where the system does not tell, the time of the question."""
    ticks = _start_ticks(os.getpid())
    if ticks is None:
        return time.time()
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
