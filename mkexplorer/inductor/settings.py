"""What the program wants of the run time, for all multi-kernels of the process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """When a multi-kernel is measured; see `mkexplorer.inductor`."""

    ONCE = "once"
    ALWAYS = "always"
    NEVER = "never"


@dataclass
class Settings:
    """``report``: for each choice torch's own benchmark is asked too, and it is in the summary at exit."""

    measure: Measure = Measure.ONCE
    report: bool = False


settings = Settings()
