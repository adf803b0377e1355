"""What the lowest rank has chosen and does not keep, left beside the pick file for the other ranks of its job.

A choice that is in doubt, forced or only suggested is in no pick file, and ranks without a store of torch.distributed
have nothing else to learn it from. A note counts for its own job alone: the launchers of most jobs give all ranks a
name or an address in common, and for those that give the same one each time, ranks of a job start together.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .modules import replace_file

log = logging.getLogger("mkexplorer.multikernel")

# What Slurm and torchrun set, the same for all ranks.
_JOB = ("SLURM_JOB_ID", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
_STARTED_TOGETHER_S = 60.0
_START_TIME = 19  # of the fields of /proc/self/stat that follow the program's name


@dataclass(frozen=True)
class Told:
    """``is_suggested``: the lowest rank has not measured it yet."""

    index: int
    is_suggested: bool = False


@dataclass(frozen=True)
class RankNote:
    """Beside the file ``pick`` of a multi-kernel with ``count`` sub-kernels; torch and the explorer leave it alone."""

    pick: Path
    count: int

    def leave(self, told: Told) -> None:
        content = {"index": told.index, "suggested": told.is_suggested, "job": _job(), "started": _started()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(content).encode())
        except OSError as error:
            log.warning("%s: not written, the other ranks choose for themselves: %s", self._path, error.strerror)

    def read(self) -> Told | None:
        """None where there is no note, or none of this job."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.get("job") != _job():
            return None
        index, started = found.get("index"), found.get("started")
        if not isinstance(started, float) or abs(started - _started()) > _STARTED_TOGETHER_S:
            return None
        if type(index) is not int or not 0 <= index < self.count:
            return None
        return Told(index, found.get("suggested") is True)

    @property
    def _path(self) -> Path:
        return self.pick.with_name(f".{self.pick.name}.rank0")


def _job() -> dict[str, str]:
    return {name: os.environ[name] for name in _JOB if name in os.environ}


@lru_cache(maxsize=1)
def _started() -> float:
    """When this process began, in seconds since the epoch; where the system does not tell, the time of the question."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        after_boot_s = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + after_boot_s
    except (OSError, ValueError, IndexError, AttributeError):
        return time.time()
